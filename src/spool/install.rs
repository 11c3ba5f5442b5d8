//! A user's crontab put in place, read back and removed: under one lock, durable before it is told.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{User, fchown, geteuid};

use crate::paths::Paths;
use crate::spool::file::{self, Refusal, Trust};
use crate::sys::lock::lock;

/// The directory that crontabs are installed in: the distribution's, where it can be told.
pub fn directory(paths: &Paths) -> PathBuf {
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
    match file::read(&place(paths, user)?, &Trust::user(user)) {
        Ok(text) => Ok(Some(text)),
        Err(Refusal::Untrusted(why)) => Err(io::Error::new(io::ErrorKind::PermissionDenied, why)),
        Err(Refusal::Unreadable(_)) if !place(paths, user)?.exists() => Ok(None),
        Err(Refusal::Unreadable(why)) => Err(io::Error::other(why)),
    }
}

/// Puts a crontab in place of the one that is there. When it returns, the new one survives a power cut.
pub fn install(paths: &Paths, user: &User, text: &[u8]) -> io::Result<()> {
    let place = place(paths, user)?;
    check_length(user, text)?;
    let directory = directory(paths);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
    let _held = locked(&directory)?;
    let fresh = directory.join(format!(".tmp.{}", user.name));
    // What an earlier crash left behind under this name was never a crontab.
    remove_if_there(&fresh)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    let written = write_all(&mut file, user, text).and_then(|()| std::fs::rename(&fresh, &place));
    if let Err(error) = written {
        let _ = std::fs::remove_file(&fresh);
        return Err(error);
    }
    File::open(&directory)?.sync_all()
}

/// Whether a crontab of this length would be read.
pub fn check_length(user: &User, text: &[u8]) -> io::Result<()> {
    Trust::user(user).check_length(text.len() as u64)
}

/// Removes a crontab. False if there was none.
pub fn remove(paths: &Paths, user: &User) -> io::Result<bool> {
    let place = place(paths, user)?;
    let directory = directory(paths);
    if !place.exists() {
        return Ok(false);
    }
    let _held = locked(&directory)?;
    let removed = remove_if_there(&place)?;
    File::open(&directory)?.sync_all()?;
    Ok(removed)
}

fn write_all(file: &mut File, user: &User, text: &[u8]) -> io::Result<()> {
    file.write_all(text)?;
    if geteuid().is_root() {
        fchown(&*file, Some(user.uid), Some(user.gid))?;
    }
    file.sync_all()
}

/// The crontab's file. A login name that is no plain file name has none.
fn place(paths: &Paths, user: &User) -> io::Result<PathBuf> {
    if user.name.is_empty() || user.name.starts_with('.') || user.name.contains('/') {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "this login name cannot name a file",
        ));
    }
    Ok(directory(paths).join(&user.name))
}

fn locked(directory: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(directory.join(".lock"))?;
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
