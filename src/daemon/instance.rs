//! There is one ratd in a place, and no cron or atd beside it: locks on pid files, and who holds them.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, fcntl};

use crate::paths::Paths;

/// Why this ratd may not start.
#[derive(Debug)]
pub enum Refused {
    /// Somebody else does the work already: who, the pid if it can be told, the pid file.
    Held { by: &'static str, pid: Option<i32>, file: String },
    /// The pid file cannot be made.
    Failed(String),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::Held { by, pid: Some(pid), file } => {
                write!(f, "{by} is running already with pid {pid} ({file} is locked)")
            }
            Refused::Held { by, pid: None, file } => {
                write!(f, "{by} is running already ({file} is locked)")
            }
            Refused::Failed(why) => f.write_str(why),
        }
    }
}

/// The pid file of this ratd, locked for as long as this value lives.
#[derive(Debug)]
pub struct Instance {
    _file: Flock<File>,
}

impl Instance {
    /// Locks the pid file and writes the pid into it.
    pub fn claim(path: &Path) -> Result<Instance, Refused> {
        let failed =
            |error: io::Error| Refused::Failed(format!("cannot write {}: {error}", path.display()));
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .custom_flags(libc::O_NOFOLLOW);
        let file = options.open(path).map_err(failed)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            // A ratd that ended meanwhile has removed the file that was opened: its lock keeps nobody out.
            Ok(file) if !is_at(&file, path) => Instance::claim(path),
            Ok(mut file) => {
                write_pid(&mut file).map_err(failed)?;
                Ok(Instance { _file: file })
            }
            Err((mut file, Errno::EWOULDBLOCK)) => Err(Refused::Held {
                by: "ratd",
                pid: pid_in(&mut file),
                file: path.display().to_string(),
            }),
            Err((_, error)) => Err(failed(error.into())),
        }
    }
}

/// Refuses while a cron or an atd holds its lock: two schedulers would run every job twice.
pub fn refuse_beside_peers(paths: &Paths) -> Result<(), Refused> {
    for (by, name) in [("cron", "run/crond.pid"), ("cron", "run/cron.pid"), ("atd", "run/atd.pid")]
    {
        let path = paths.under_root(name);
        let Ok(mut file) = File::open(&path) else { continue };
        if is_locked(&file) {
            return Err(Refused::Held {
                by,
                pid: pid_in(&mut file),
                file: path.display().to_string(),
            });
        }
    }
    Ok(())
}

/// Whether somebody holds a lock on the file, of either of the two kinds that daemons use.
fn is_locked(file: &File) -> bool {
    let mut wanted = libc::flock {
        l_type: libc::F_RDLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    if fcntl(file, FcntlArg::F_OFD_GETLK(&mut wanted)).is_ok()
        && wanted.l_type != libc::F_UNLCK as libc::c_short
    {
        return true;
    }
    // Taking the shared lock is the only way to ask; it goes with the copy of the descriptor at once.
    file.try_clone().is_ok_and(|file| {
        matches!(Flock::lock(file, FlockArg::LockSharedNonblock), Err((_, Errno::EWOULDBLOCK)))
    })
}

fn is_at(file: &File, path: &Path) -> bool {
    let identity = |about: Metadata| (about.dev(), about.ino());
    let (opened, named) = (file.metadata().map(identity), path.symlink_metadata().map(identity));
    opened.is_ok_and(|opened| named.is_ok_and(|named| named == opened))
}

fn pid_in(file: &mut File) -> Option<i32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}
