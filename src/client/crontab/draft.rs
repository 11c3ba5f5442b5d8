//! A copy of a crontab that is being edited, and the editor. Whatever is done here is done as the user who called.

use std::cell::Cell;
use std::ffi::{CString, OsString};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, mkdtemp};

use crate::client::reading::load;
use crate::sys::process::{Fork, Program, execute, exit, fork};

/// The copy, in a directory that nobody else can look into. It goes with this, unless it is kept.
pub struct Draft {
    directory: PathBuf,
    /// The file that is edited.
    pub file: PathBuf,
    kept: Cell<bool>,
}

impl Draft {
    /// A copy of this text.
    pub fn new(text: &[u8]) -> Result<Draft, String> {
        let failed = |error: io::Error| format!("cannot make a file to edit: {error}");
        let place = std::env::var_os("TMPDIR").filter(|place| !place.is_empty());
        let place = place.map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
        let directory =
            mkdtemp(&place.join("crontab.XXXXXX")).map_err(|error| failed(error.into()))?;
        let file = directory.join("crontab");
        let draft = Draft { directory, file, kept: Cell::new(false) };
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create_new(true).mode(0o600).open(&draft.file).map_err(failed)?;
        file.write_all(text).map_err(failed)?;
        Ok(draft)
    }

    /// What the file holds now. Editors may have put another file in its place, but no link and no device.
    pub fn read(&self) -> Result<Vec<u8>, String> {
        let about = self.file.symlink_metadata();
        match about {
            Ok(about) if about.is_file() => load(&self.file),
            Ok(_) => Err("the temporary crontab must remain a regular file".to_owned()),
            Err(error) => Err(format!("{}: {error}", self.file.display())),
        }
    }

    /// Leaves the file where it is, and tells where.
    pub fn keep(&self) -> String {
        self.kept.set(true);
        format!("edits left in {}", self.file.display())
    }

    /// Runs the editor on it. `signals` tells of children, and of what would have ended this program.
    pub fn edit(&self, signals: &SignalFd) -> Result<(), String> {
        let editor = editor();
        let pid = start_editor(&editor, &self.file)
            .map_err(|error| format!("cannot run {editor}: {error}"))?;
        loop {
            match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(_, 0)) => return Ok(()),
                Ok(WaitStatus::Exited(_, status)) => {
                    return Err(format!("\"{editor}\" exited with status {status}"));
                }
                Ok(WaitStatus::Signaled(_, signal, dumped)) => {
                    let core = if dumped { "" } else { "no " };
                    let signal = signal as i32;
                    return Err(format!(
                        "\"{editor}\" killed; signal {signal} ({core}core dumped)"
                    ));
                }
                // Keys that interrupt are for the editor, and a terminal that hangs up ends it.
                Ok(_) => match signals.read_signal() {
                    Ok(Some(heard)) if heard.ssi_signo == Signal::SIGTERM as u32 => {
                        return Err("terminated".to_owned());
                    }
                    Ok(_) | Err(Errno::EINTR) => {}
                    Err(error) => return Err(format!("cannot wait for {editor}: {error}")),
                },
                Err(error) => return Err(format!("cannot wait for {editor}: {error}")),
            }
        }
    }
}

/// The shell splits the editor's words; the file comes in as a parameter, so that its name is not shell text.
fn start_editor(editor: &str, file: &Path) -> io::Result<Pid> {
    let c_string = |bytes: Vec<u8>| CString::new(bytes).map_err(io::Error::from);
    let command = format!("{editor} \"$1\"");
    let words = ["sh", "-c", &command, "sh"].map(|word| word.as_bytes().to_vec());
    let words = words.into_iter().chain([file.as_os_str().as_bytes().to_vec()]);
    let variable =
        |(name, value): (OsString, OsString)| [name.as_bytes(), b"=", value.as_bytes()].concat();
    let (input, output, errors) = (io::stdin(), io::stdout(), io::stderr());
    let program = Program {
        path: c"/bin/sh".to_owned(),
        arguments: words.map(c_string).collect::<io::Result<_>>()?,
        environment: std::env::vars_os().map(variable).map(c_string).collect::<io::Result<_>>()?,
        descriptors: vec![input.as_fd(), output.as_fd(), errors.as_fd()],
    };
    match fork()? {
        Fork::Parent(editor) => Ok(editor),
        Fork::Child => {
            let _ = execute(&program);
            exit(127)
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept.get() {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}

/// VISUAL, EDITOR, or the first of the system's editors that there is.
fn editor() -> String {
    let named = |name| std::env::var(name).ok().filter(|editor| !editor.trim().is_empty());
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    let is_there = |name: &&str| {
        std::env::split_paths(&path).any(|directory| directory.join(Path::new(name)).is_file())
    };
    named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| {
        ["sensible-editor", "editor"]
            .iter()
            .find(|name| is_there(name))
            .unwrap_or(&"vi")
            .to_string()
    })
}
