//! What a user's crontab was before each change: a file a version, in a directory that nobody but root can look into.
//! Bounded for each user; nothing but newer versions removes one.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{User, fchown, geteuid};

use crate::paths::Paths;
use crate::plan::civil::Timestamp;
use crate::syntax::changes;

/// So many versions are kept for a user, and so many bytes; the newest is kept however long it is.
const MOST: usize = 20;
const MOST_BYTES: u64 = 16 << 20;

/// In front of the name of a version that is being written.
const UNFINISHED: &str = ".tmp.";

/// Behind the number of a version that is the absence of a crontab.
const NONE: &str = ".none";

/// What a crontab was until a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Counted from 1, and never used again for this user.
    pub number: u64,
    /// When it was changed.
    pub until: Timestamp,
    /// What it held; `None` if there was no crontab.
    pub text: Option<Vec<u8>>,
}

/// How a crontab was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The version that it was until then.
    pub number: u64,
    /// When.
    pub until: Timestamp,
    /// How long that was; `None` if there was no crontab.
    pub bytes: Option<u64>,
    /// So many entries were new then.
    pub added: u32,
    /// So many were gone.
    pub removed: u32,
    /// So many had another schedule or command.
    pub changed: u32,
}

/// The changes that led to what the crontab is now, the newest first.
pub fn changes(paths: &Paths, user: &User, now: Option<Vec<u8>>) -> io::Result<Vec<Changed>> {
    let mut next = now;
    let mut changes = Vec::new();
    for version in list(paths, user)? {
        let found = changes::between(version.text.as_deref(), next.as_deref());
        let count = |length| u32::try_from(length).unwrap_or(u32::MAX);
        changes.push(Changed {
            number: version.number,
            until: version.until,
            bytes: version.text.as_ref().map(|text| text.len() as u64),
            added: count(found.added.len()),
            removed: count(found.removed.len()),
            changed: count(found.changed.len()),
        });
        next = version.text;
    }
    Ok(changes)
}

/// The versions of a user's crontab, the newest first.
pub fn list(paths: &Paths, user: &User) -> io::Result<Vec<Version>> {
    let directory = directory(paths, user);
    let mut versions = Vec::new();
    for (number, path) in files(&directory)? {
        // One that was written for an earlier user of this name is none of this one's business.
        if let Some((until, text)) = read(&path, user)? {
            let text = (!is_none(&path)).then_some(text);
            versions.push(Version { number, until, text });
        }
    }
    Ok(versions)
}

/// Keeps what the crontab is before it is changed. When it returns, that survives a power cut.
pub fn keep(paths: &Paths, user: &User, text: Option<&[u8]>) -> io::Result<()> {
    let above = paths.state.join("crontabs");
    let directory = directory(paths, user);
    for path in [&paths.state, &above, &directory] {
        make_private(path)?;
    }
    let known = files(&directory)?;
    let number = known.first().map_or(1, |(newest, _)| newest + 1);
    let name = format!("{number:010}{}", if text.is_none() { NONE } else { "" });
    let fresh = directory.join(format!("{UNFINISHED}{name}"));
    // What an earlier crash left behind under this name was never a version.
    let _ = std::fs::remove_file(&fresh);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    let written = write_all(&mut file, user, text.unwrap_or_default())
        .and_then(|()| std::fs::rename(&fresh, directory.join(&name)));
    if let Err(error) = written {
        let _ = std::fs::remove_file(&fresh);
        return Err(error);
    }
    drop_oldest(&directory)?;
    File::open(&directory)?.sync_all()
}

fn write_all(file: &mut File, user: &User, text: &[u8]) -> io::Result<()> {
    file.write_all(text)?;
    if geteuid().is_root() {
        // It tells whose text this is, should the name be given to somebody else. Nobody but root gets at it.
        fchown(&*file, Some(user.uid), Some(user.gid))?;
    }
    file.sync_all()
}

fn drop_oldest(directory: &Path) -> io::Result<()> {
    let mut bytes = 0;
    for (nth, (_, path)) in files(directory)?.into_iter().enumerate() {
        bytes += path.symlink_metadata()?.len();
        if nth > 0 && (nth >= MOST || bytes > MOST_BYTES) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn directory(paths: &Paths, user: &User) -> PathBuf {
    paths.state.join("crontabs").join(&user.name)
}

/// Numbers and files of all versions, the newest first.
fn files(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    check_private(directory)?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.strip_suffix(NONE).unwrap_or(name).parse();
        found.extend(number.ok().map(|number| (number, path)));
    }
    found.sort();
    found.reverse();
    Ok(found)
}

fn is_none(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.ends_with(NONE))
}

/// What a file holds, and since when; `None` if it was not written for this user.
fn read(path: &Path, user: &User) -> io::Result<Option<(Timestamp, Vec<u8>)>> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() || (geteuid().is_root() && about.uid() != user.uid.as_raw()) {
        return Ok(None);
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(Some((about.modified()?.into(), text)))
}

/// Makes a directory that is ours alone, or finds that there is one. Those above it are for everybody.
pub fn make_private(path: &Path) -> io::Result<()> {
    if let Some(above) = path.parent() {
        std::fs::create_dir_all(above)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(io::Error::new(error.kind(), format!("{}: {error}", path.display())))
        }
        Ok(()) | Err(_) => check_private(path),
    }
}

fn check_private(path: &Path) -> io::Result<()> {
    let about = path.metadata()?;
    let owner = geteuid().as_raw();
    if about.is_dir() && about.uid() == owner && about.mode() & 0o022 == 0 {
        return Ok(());
    }
    let message = format!(
        "{}: crontabs are not kept here, since others could write: a directory of uid {owner} with mode 0700 is wanted",
        path.display()
    );
    Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_the_last_is_always_kept() {
        let root = std::env::temp_dir().join(format!("rat-versions-{}", std::process::id()));
        let paths = Paths::system(&root);
        let user = User::from_uid(geteuid()).ok().flatten().expect("the tests have a passwd entry");
        let lengths = |user: &User| {
            let known = list(&paths, user).unwrap_or_default();
            known.iter().map(|version| version.text.as_ref().map(Vec::len)).collect::<Vec<_>>()
        };
        let half = vec![b'#'; MOST_BYTES as usize / 2];
        let whole = vec![b'#'; MOST_BYTES as usize + 1];
        for (text, expected) in [
            (None, vec![None]),
            (Some(&half), vec![Some(half.len()), None]),
            (Some(&half), vec![Some(half.len()), Some(half.len()), None]),
            (Some(&whole), vec![Some(whole.len())]),
            (None, vec![None]),
        ] {
            keep(&paths, &user, text.map(Vec::as_slice)).expect("a directory of our own");
            assert_eq!(lengths(&user), expected);
        }
        for number in 6..40 {
            keep(&paths, &user, Some(number.to_string().as_bytes())).expect("as before");
        }
        let known = list(&paths, &user).unwrap_or_default();
        let numbers: Vec<_> = known.iter().map(|version| version.number).collect();
        assert_eq!(numbers, (20..40).rev().collect::<Vec<_>>());
        assert_eq!(known[0].text.as_deref(), Some(&b"39"[..]));
        let _ = std::fs::remove_dir_all(&root);
    }
}
