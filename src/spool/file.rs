//! One crontab on disk: opened once, checked by its descriptor, read whole. Does not know what it says.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{User, geteuid};

use crate::spool::watch;

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
    links: Links,
    any: bool,
    limit: u64,
}

/// Which symbolic links are followed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Links {
    None,
    All,
    /// Those on a way that nobody else can bend. This directory, and what it lies in, is taken for granted.
    Safe {
        root: PathBuf,
    },
}

/// A crontab that can be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// What it says.
    pub text: Vec<u8>,
    /// What had better be mended.
    pub warning: Option<String>,
}

/// No crontab of a user is larger (row 53 of the table of limits in the manual).
const LARGEST_OF_USER: u64 = 1 << 20;
const LARGEST: u64 = 64 << 20;

impl Trust {
    /// A user's crontab: the user's or root's, no links.
    pub fn user(user: &User) -> Trust {
        let limit = if user.uid.is_root() { LARGEST } else { LARGEST_OF_USER };
        Trust { owner: Some(user.uid.as_raw()), links: Links::None, any: false, limit }
    }

    /// A system crontab under this root: root's; a link if nobody but root could have led it there.
    pub fn system(root: &Path) -> Trust {
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        Trust { owner: None, links: Links::Safe { root }, any: false, limit: LARGEST }
    }

    /// A file that the caller named.
    pub fn anyone() -> Trust {
        Trust { owner: None, links: Links::All, any: true, limit: LARGEST }
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

/// Reads a crontab, if it can be trusted.
pub fn read(path: &Path, trust: &Trust) -> Result<Read, Refusal> {
    let unreadable = |error: io::Error| Refusal::Unreadable(format!("{}: {error}", path.display()));
    let link = path.symlink_metadata().map_err(unreadable)?;
    if link.is_symlink() {
        check_link(path, &link, trust)?;
    }
    let no_follow = if trust.links == Links::None { libc::O_NOFOLLOW } else { 0 };
    let mut options = OpenOptions::new();
    // A FIFO must not hold the reader up before it has been refused.
    let file = options
        .read(true)
        .custom_flags(libc::O_NONBLOCK | no_follow)
        .open(path)
        .map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    check(path, &about, trust)?;
    let text = read_whole(file, trust).map_err(unreadable)?;
    Ok(Read { text, warning: warning(path, &about, trust) })
}

fn check_link(path: &Path, link: &Metadata, trust: &Trust) -> Result<(), Refusal> {
    let shown = path.display();
    let root = match &trust.links {
        Links::All => return Ok(()),
        Links::None => {
            let why = format!(
                "{shown}: is a symbolic link, which a user's crontab must not be; \
                 mend it with: rm {}",
                quoted(path)
            );
            return Err(Refusal::Untrusted(why));
        }
        Links::Safe { root } => root,
    };
    if !trust.trusts(link.uid()) {
        let uid = link.uid();
        let why = format!(
            "{shown}: WRONG SYMLINK OWNER: made by uid {uid}; mend it with: chown -h root {}",
            quoted(path)
        );
        return Err(Refusal::Untrusted(why));
    }
    for directory in watch::directories(path) {
        for above in directory.ancestors().take_while(|above| !root.starts_with(above)) {
            check_way(path, above, trust)?;
        }
    }
    Ok(())
}

/// Whether nobody can put another file into the place of what a link leads through here.
fn check_way(path: &Path, directory: &Path, trust: &Trust) -> Result<(), Refusal> {
    let unreadable =
        |error: io::Error| Refusal::Unreadable(format!("{}: {error}", directory.display()));
    let about = directory.metadata().map_err(unreadable)?;
    let (quoted, mode) = (quoted(directory), about.mode() & 0o7777);
    let mend = if !trust.trusts(about.uid()) {
        format!("belongs to uid {}; mend it with: chown root {quoted}", about.uid())
    } else if mode & 0o022 != 0 {
        format!("has mode {mode:04o}, so others can write; mend it with: chmod go-w {quoted}")
    } else {
        return Ok(());
    };
    let why = format!("{}: leads through {}, which {mend}", path.display(), directory.display());
    Err(Refusal::Untrusted(why))
}

fn check(path: &Path, about: &Metadata, trust: &Trust) -> Result<(), Refusal> {
    let (shown, quoted) = (path.display(), quoted(path));
    let untrusted = |why: String| Err(Refusal::Untrusted(format!("{shown}: {why}")));
    if !about.is_file() {
        return untrusted("NOT REGULAR: not a regular file".to_owned());
    }
    if trust.any {
        return Ok(());
    }
    if !trust.trusts(about.uid()) {
        return untrusted(format!(
            "WRONG FILE OWNER: owned by uid {}; mend it with: chown {} {quoted}",
            about.uid(),
            trust.owner.unwrap_or(0),
        ));
    }
    if about.mode() & 0o022 != 0 {
        return untrusted(format!(
            "BAD FILE MODE: mode {:04o} lets others write; mend it with: chmod go-w {quoted}",
            about.mode() & 0o7777,
        ));
    }
    if trust.owner.is_some() && about.nlink() != 1 {
        return untrusted(format!(
            "BAD LINK COUNT: {} links where 1 is expected; \
             mend it with: cp -p {quoted} {quoted}~ && mv {quoted}~ {quoted}",
            about.nlink()
        ));
    }
    Ok(())
}

/// A user's crontab that others can read may hold what they should not know.
fn warning(path: &Path, about: &Metadata, trust: &Trust) -> Option<String> {
    let (shown, quoted, mode) = (path.display(), quoted(path), about.mode() & 0o7777);
    (trust.owner.is_some() && mode & 0o044 != 0).then(|| {
        format!("{shown}: mode {mode:04o} lets others read it; mend it with: chmod go-r {quoted}")
    })
}

/// A path as one word of a shell's, so that a command with it can be pasted.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

fn read_whole(file: File, trust: &Trust) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    io::Read::take(file, trust.limit + 1).read_to_end(&mut text)?;
    trust.check_length(text.len() as u64)?;
    Ok(text)
}

/// The names in an optional file, a line each and nothing else in it (`cron.allow`); `None` if there is none.
pub fn names(path: &Path) -> io::Result<Option<Vec<Vec<u8>>>> {
    let file = match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let text = read_whole(file, &Trust::anyone())?;
    Ok(Some(text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()))
}
