//! Where a ratd in a container has its files. Of the places there may be it takes the first that it can write in: such
//! a container needs no directory of its own, and no user with a name.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use nix::unistd::{AccessFlags, access, geteuid};

use crate::paths::{Paths, rooms, stores};

/// The places of this ratd; their directories are made.
pub fn paths() -> Result<Paths, String> {
    let uid = geteuid().as_raw();
    let mut tried = Vec::new();
    for room in rooms(uid) {
        match take(&room) {
            Ok(()) => {
                let store = stores(uid).into_iter().find(|store| take(store).is_ok());
                return Ok(Paths::contained(room, store));
            }
            Err(error) => tried.push(format!("{}: {error}", room.display())),
        }
    }
    let tried = tried.join("; ");
    Err(format!("no directory to write in ({tried}); give the container a tmpfs on /tmp"))
}

/// Makes a directory that is nobody else's, or finds it. What lies in /tmp may have been put there by anybody.
fn take(room: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(room) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    let about = room.symlink_metadata()?;
    if !about.is_dir() || about.uid() != geteuid().as_raw() || about.mode() & 0o022 != 0 {
        return Err(io::Error::other("it is not this user's alone"));
    }
    Ok(access(room, AccessFlags::W_OK | AccessFlags::X_OK)?)
}
