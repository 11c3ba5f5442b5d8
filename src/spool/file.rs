//! One crontab on disk: opened once, checked by its descriptor, read whole. Does not know what it says.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::unistd::{User, geteuid};

/// Tells whether a file is still the one that was read. Modification times alone do not: images have them at 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    /// The identity of what is at the end of `path`, links followed.
    pub fn of(path: &Path) -> io::Result<Identity> {
        let about = path.metadata()?;
        Ok(Identity {
            device: about.dev(),
            inode: about.ino(),
            size: about.size(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        })
    }
}

/// Why a file is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Somebody could have written it who may not.
    Untrusted(String),
    /// It could not be read.
    Unreadable(String),
}

/// Who may have written a file for it to count.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Besides root and the user that ratd runs as.
    owner: Option<u32>,
    follow_links: bool,
    any: bool,
    limit: u64,
}

/// No crontab of a user is larger (row 53 of the table of limits in the manual).
const LARGEST_OF_USER: u64 = 1 << 20;
const LARGEST: u64 = 64 << 20;

impl Trust {
    /// A user's crontab: the user's or root's, no links.
    pub fn user(user: &User) -> Trust {
        let limit = if user.uid.is_root() { LARGEST } else { LARGEST_OF_USER };
        Trust { owner: Some(user.uid.as_raw()), follow_links: false, any: false, limit }
    }

    /// A system crontab: root's; a link if root made it.
    pub fn system() -> Trust {
        Trust { owner: None, follow_links: true, any: false, limit: LARGEST }
    }

    /// A file that the caller named.
    pub fn anyone() -> Trust {
        Trust { owner: None, follow_links: true, any: true, limit: LARGEST }
    }

    /// Whether a file of this length would be read.
    pub fn check_length(&self, length: u64) -> io::Result<()> {
        if length <= self.limit {
            return Ok(());
        }
        let message = format!("larger than {} bytes", self.limit);
        Err(io::Error::new(io::ErrorKind::FileTooLarge, message))
    }

    fn trusts(&self, owner: u32) -> bool {
        self.any || owner == 0 || owner == geteuid().as_raw() || Some(owner) == self.owner
    }
}

/// The text of a crontab that can be trusted.
pub fn read(path: &Path, trust: &Trust) -> Result<Vec<u8>, Refusal> {
    let unreadable = |error: io::Error| Refusal::Unreadable(format!("{}: {error}", path.display()));
    let link = path.symlink_metadata().map_err(unreadable)?;
    if link.is_symlink() && !(trust.follow_links && trust.trusts(link.uid())) {
        return Err(Refusal::Untrusted(format!("{}: is a symbolic link", path.display())));
    }
    let no_follow = if trust.follow_links { 0 } else { libc::O_NOFOLLOW };
    let mut options = OpenOptions::new();
    // A FIFO must not hold the reader up before it has been refused.
    let file = options
        .read(true)
        .custom_flags(libc::O_NONBLOCK | no_follow)
        .open(path)
        .map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    check(path, &about, trust)?;
    read_whole(file, trust).map_err(unreadable)
}

fn check(path: &Path, about: &Metadata, trust: &Trust) -> Result<(), Refusal> {
    let untrusted = |why: String| Err(Refusal::Untrusted(format!("{}: {why}", path.display())));
    if !about.is_file() {
        return untrusted("NOT REGULAR: not a regular file".to_owned());
    }
    if trust.any {
        return Ok(());
    }
    if !trust.trusts(about.uid()) {
        return untrusted(format!(
            "WRONG FILE OWNER: owned by uid {}; mend it with: chown {} '{}'",
            about.uid(),
            trust.owner.unwrap_or(0),
            path.display()
        ));
    }
    if about.mode() & 0o022 != 0 {
        return untrusted(format!(
            "BAD FILE MODE: mode {:04o} lets others write; mend it with: chmod go-w '{}'",
            about.mode() & 0o7777,
            path.display()
        ));
    }
    if trust.owner.is_some() && about.nlink() != 1 {
        return untrusted(format!("BAD LINK COUNT: {} links where 1 is expected", about.nlink()));
    }
    Ok(())
}

fn read_whole(file: File, trust: &Trust) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(trust.limit + 1).read_to_end(&mut text)?;
    trust.check_length(text.len() as u64)?;
    Ok(text)
}
