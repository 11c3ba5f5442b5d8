//! The file of a run under `runs/`: locked while its session lives, its report afterwards. Alive means
//! locked; no pid is ever guessed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::plan::run::{Report, Run, RunId};
use crate::sys::lock;
use crate::sys::process::Held;

/// What the file of a run says.
#[derive(Debug)]
pub enum Found {
    /// Its session lives; the run, if it could be written down.
    Alive(Option<Run>),
    /// It ended and this is how.
    Ended(Box<Report>),
    /// Its session is gone without a report; the run, if it could still be written down.
    Died(Option<Run>),
}

/// Reads the file of a run. An error of kind `NotFound`: no session ever claimed it, or its report was taken.
pub fn read(path: &Path) -> io::Result<Found> {
    loop {
        let mut file = File::open(path)?;
        let alive = lock::is_held(&file)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        if alive {
            return Ok(Found::Alive(serde_json::from_slice(&content).ok()));
        }
        if let Ok(report) = serde_json::from_slice::<Report>(&content) {
            return Ok(Found::Ended(Box::new(report)));
        }
        // A session that ended since the file was opened has put its report in the file's place.
        if std::fs::metadata(path)?.ino() == file.metadata()?.ino() {
            return Ok(Found::Died(serde_json::from_slice(&content).ok()));
        }
    }
}

/// Asks the session of a run to end its job. False: there is none any more.
///
/// The session wrote its pid into the file and holds the lock for life: if the lock is held after the process was
/// held, that process is the session, and no other that took its number.
pub fn ask_to_end(path: &Path) -> io::Result<bool> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    };
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    let Ok(Begun { session, .. }) = serde_json::from_slice(&content) else { return Ok(false) };
    let held = match Held::of(Pid::from_raw(session)) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(false),
        other => other?,
    };
    if !lock::is_held(&file)? {
        return Ok(false);
    }
    held.signal(Signal::SIGTERM).map(|()| true)
}

/// What a session writes down when it begins.
#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    #[serde(flatten)]
    run: Run,
    /// Its pid.
    session: i32,
}

/// The runs that have a file there, in no order. No directory is no runs. A listing may miss a run whose
/// report is being put in place just then: whether a run that is known has a file, only `read` can say.
pub fn inventory(runs: &Path) -> io::Result<Vec<RunId>> {
    let entries = match std::fs::read_dir(runs) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        found.extend(name.to_str().and_then(run_of));
    }
    Ok(found)
}

/// The run whose file has this name; `None` for any other file, such as a report that is being written.
pub fn run_of(file_name: &str) -> Option<RunId> {
    let id: RunId = file_name.parse().ok()?;
    (id.to_string() == file_name).then_some(id)
}

/// The run whose session holds the unnamed file of this name; it is closed when the session ends, however it does.
pub fn session_of(file_name: &str) -> Option<RunId> {
    let mut parts = file_name.strip_prefix('.')?.strip_suffix(".new")?.splitn(2, '.');
    run_of(parts.next()?)
}

/// A run that belongs to this process and to no other.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    /// Nothing is done with it: the lock lasts as long as it is open.
    _lock: File,
}

impl Claim {
    /// Claims the run; `None` if that was done before, whoever did it and however that ended.
    pub fn take(runs: &Path, run: &Run) -> io::Result<Option<Claim>> {
        // The file gets its name only when it is locked, or it would be taken for that of a dead session.
        let path = runs.join(run.id.to_string());
        let unnamed = runs.join(format!(".{}.{}.new", run.id, std::process::id()));
        let mut lock = create(&unnamed)?;
        let named = lock_and_name(&mut lock, run, &unnamed, &path);
        std::fs::remove_file(&unnamed)?;
        match named {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            other => other.map(|()| Some(Claim { path, _lock: lock })),
        }
    }

    /// Puts the report in the place of the claim, whole or not at all. The claim ends when this is dropped.
    pub fn publish(&self, report: &Report) -> io::Result<()> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let unnamed = self.path.with_file_name(format!(".{name}.tmp"));
        let bytes = serde_json::to_vec(report)?;
        let written = create(&unnamed)
            .and_then(|mut file| file.write_all(&bytes))
            .and_then(|()| std::fs::rename(&unnamed, &self.path));
        if written.is_err() {
            // What is left of it takes room that the next try needs.
            let _ = std::fs::remove_file(&unnamed);
        }
        written
    }
}

fn lock_and_name(lock: &mut File, run: &Run, unnamed: &Path, path: &Path) -> io::Result<()> {
    if !lock::try_lock(lock)? {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    // On a full disk the claim matters, not its content: that only helps to name a run which was lost.
    let begun = Begun { run: run.clone(), session: std::process::id().cast_signed() };
    let _ = lock.write_all(&serde_json::to_vec(&begun)?);
    std::fs::hard_link(unnamed, path)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_runs_are_runs() {
        for (name, expected) in [
            ("7", Some(RunId(7))),
            ("zz", Some(RunId(35 * 36 + 35))),
            ("ZZ", None),
            ("07", None),
            ("+7", None),
            (".7.tmp", None),
            ("", None),
        ] {
            assert_eq!(run_of(name), expected, "{name:?}");
        }
    }
}
