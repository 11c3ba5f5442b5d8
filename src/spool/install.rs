//! A user's crontab put in place, read back, removed and brought back: under one lock, with what it was kept as a
//! version, durable before it is told.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{User, fchown, geteuid};

use crate::paths::Paths;
use crate::spool::file::{self, Refusal, Trust};
use crate::spool::{header, users, versions};
use crate::syntax::dialect::RAT;
use crate::sys::lock::lock;

/// The directory that crontabs are installed in: the distribution's, where it can be told.
pub fn directory(paths: &Paths) -> PathBuf {
    if let Some(own) = &paths.crontabs {
        return own.clone();
    }
    let crontabs = paths.under_root("var/spool/cron/crontabs");
    let alpine = paths.under_root("etc/crontabs");
    let redhat = paths.under_root("var/spool/cron");
    if crontabs.is_dir() {
        return crontabs;
    }
    if alpine.is_dir() {
        return alpine;
    }
    // Debian keeps directories in /var/spool/cron, Red Hat the crontabs themselves.
    let holds_directories = |path: &Path| {
        std::fs::read_dir(path).is_ok_and(|mut entries| {
            entries.any(|entry| entry.is_ok_and(|entry| entry.path().is_dir()))
        })
    };
    if redhat.is_dir()
        && !holds_directories(&redhat)
        && paths.under_root("etc/redhat-release").exists()
    {
        return redhat;
    }
    crontabs
}

/// The crontab of a user, as it was installed. `None` if there is none.
pub fn read(paths: &Paths, user: &User) -> io::Result<Option<Vec<u8>>> {
    let place = place(paths, user)?;
    match file::read(&place, &Trust::user(user)) {
        Ok(read) => Ok(Some(header::as_written(&read.text).to_vec())),
        Err(Refusal::Untrusted(why)) => Err(io::Error::new(io::ErrorKind::PermissionDenied, why)),
        Err(Refusal::Unreadable(_)) if place.symlink_metadata().is_err() => Ok(None),
        Err(Refusal::Unreadable(why)) => Err(io::Error::other(why)),
    }
}

/// Whether installing this would put nothing in place of something.
pub fn would_empty(paths: &Paths, user: &User, text: &[u8]) -> io::Result<bool> {
    Ok(text.is_empty() && read(paths, user)?.is_some_and(|old| !old.is_empty()))
}

/// Puts a crontab in place of the one that is there. When it returns, the new one survives a power cut.
pub fn install(paths: &Paths, user: &User, text: &[u8]) -> io::Result<()> {
    check_length(user, text)?;
    let _held = locked(paths)?;
    keep(paths, user, Some(text))?;
    put(paths, user, text)
}

/// Whether a crontab of this length would be read.
pub fn check_length(user: &User, text: &[u8]) -> io::Result<()> {
    Trust::user(user).check_length(text.len() as u64)
}

/// Removes a crontab. False if there was none.
pub fn remove(paths: &Paths, user: &User) -> io::Result<bool> {
    let _held = locked(paths)?;
    if place(paths, user)?.symlink_metadata().is_err() {
        return Ok(false);
    }
    keep(paths, user, None)?;
    take_away(paths, user)
}

/// What an undo brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    /// There is no such version.
    NoVersion,
    /// This version: a crontab, or that there is none.
    Back(versions::Version),
}

/// What is said where there is no such version.
pub fn no_version(user: &User, number: Option<u64>) -> String {
    match number {
        Some(number) => format!("no version {number} of the crontab of {} is kept", user.name),
        None => format!("no earlier crontab of {} is kept", user.name),
    }
}

/// Brings back a version, the newest without a number. What it takes the place of is kept as the newest.
pub fn undo(paths: &Paths, user: &User, number: Option<u64>) -> io::Result<Undone> {
    let _held = locked(paths)?;
    place(paths, user)?;
    let mut known = versions::list(paths, user)?.into_iter();
    let Some(version) = known.find(|version| number.is_none_or(|number| version.number == number))
    else {
        return Ok(Undone::NoVersion);
    };
    keep(paths, user, version.text.as_deref())?;
    match &version.text {
        Some(text) => put(paths, user, text)?,
        None => drop(take_away(paths, user)?),
    }
    Ok(Undone::Back(version))
}

/// Keeps what the crontab is, unless that is what it will be. One that cannot be trusted is nobody's text: it may be
/// another user's file under this name, and is not kept.
fn keep(paths: &Paths, user: &User, next: Option<&[u8]>) -> io::Result<()> {
    let old = match read(paths, user) {
        Ok(old) => old,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
        Err(error) => return Err(error),
    };
    if old.as_deref() == next {
        return Ok(());
    }
    versions::keep(paths, user, old.as_deref()).map_err(|error| {
        let message =
            format!("nothing is changed: what the crontab is now cannot be kept: {error}");
        io::Error::new(error.kind(), message)
    })
}

fn put(paths: &Paths, user: &User, text: &[u8]) -> io::Result<()> {
    let place = place(paths, user)?;
    let directory = place.parent().unwrap_or(Path::new("/"));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let fresh = directory.join(format!(".tmp.{}", user.name));
    // What an earlier crash left behind under this name was never a crontab.
    remove_if_there(&fresh)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    let text = header::to_store(text);
    let written = write_all(&mut file, user, &text).and_then(|()| std::fs::rename(&fresh, &place));
    if let Err(error) = written {
        let _ = std::fs::remove_file(&fresh);
        return Err(error);
    }
    File::open(directory)?.sync_all()
}

fn take_away(paths: &Paths, user: &User) -> io::Result<bool> {
    let place = place(paths, user)?;
    let removed = remove_if_there(&place)?;
    if removed {
        File::open(place.parent().unwrap_or(Path::new("/")))?.sync_all()?;
    }
    Ok(removed)
}

fn write_all(file: &mut File, user: &User, text: &[u8]) -> io::Result<()> {
    file.write_all(text)?;
    if geteuid().is_root() {
        fchown(&*file, Some(user.uid), Some(user.gid))?;
    }
    file.sync_all()
}

/// The crontab's file: where there is one it is read from there, wherever new ones go. A login name that is no plain
/// file name, or one that would be passed over, has none.
pub fn place(paths: &Paths, user: &User) -> io::Result<PathBuf> {
    let name = &user.name;
    let is_plain = !name.is_empty() && !name.contains('/') && !name.chars().any(char::is_control);
    if !is_plain || !RAT.is_crontab_name(name, false) {
        let message = "this login name cannot be the name of a crontab";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let places = users(paths).into_iter().map(|directory| directory.join(name));
    let is_there = |place: &PathBuf| place.symlink_metadata().is_ok_and(|about| !about.is_dir());
    Ok(places.clone().find(is_there).unwrap_or_else(|| directory(paths).join(name)))
}

/// The lock lies where only root comes near it: in a spool that a group may write it could be held, or be a FIFO.
fn locked(paths: &Paths) -> io::Result<File> {
    versions::make_private(&paths.state)?;
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(paths.state.join("crontabs.lock"))?;
    lock(&file)?;
    Ok(file)
}

fn remove_if_there(path: &Path) -> io::Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> User {
        let root = User::from_uid(geteuid()).ok().flatten().expect("the tests have a passwd entry");
        User { name: name.to_owned(), ..root }
    }

    #[test]
    fn a_name_that_would_lead_elsewhere_or_be_passed_over_names_no_crontab() {
        let paths = Paths::system(&std::env::temp_dir().join("rat-no-such-root"));
        for name in
            ["", ".", "..", ".hidden", "a/b", "/etc/passwd", "../x", "a\nb", "a\0b", "\u{1b}[2J"]
        {
            assert!(place(&paths, &user(name)).is_err(), "{name:?}");
        }
        for name in ["a~", "#a", "tmp.a", "a.bak", "a.rpmsave", "a.dpkg-new"] {
            assert!(place(&paths, &user(name)).is_err(), "{name} would be passed over");
        }
        for name in
            ["anna", "a.b", "a-b_c", "DOMAIN\\anna", "anna@example.org", "m\u{fc}ller", "a b"]
        {
            let found = place(&paths, &user(name)).ok();
            assert_eq!(found, Some(directory(&paths).join(name)), "{name}");
        }
        assert!(install(&paths, &user(&"a".repeat(300)), b"@daily true\n").is_err());
        let _ = std::fs::remove_dir_all(&paths.root);
    }
}
