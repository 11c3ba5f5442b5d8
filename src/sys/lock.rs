//! Locks on whole files that belong to the open file, not to the process: they live as long as any
//! descriptor of it, and end with the last one however its holder dies (fcntl(2), F_OFD_SETLK).

use std::fs::File;
use std::io;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

/// Takes the lock if nobody holds it. False if somebody does. The file must be open for writing.
pub fn try_lock(file: &File) -> io::Result<bool> {
    match fcntl(file, FcntlArg::F_OFD_SETLK(&whole_file())) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Waits until nobody holds the lock, and takes it.
pub fn lock(file: &File) -> io::Result<()> {
    loop {
        match fcntl(file, FcntlArg::F_OFD_SETLKW(&whole_file())) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Lets go of it, for all that have the open file.
pub fn unlock(file: &File) -> io::Result<()> {
    let nothing = libc::flock { l_type: libc::F_UNLCK as libc::c_short, ..whole_file() };
    Ok(fcntl(file, FcntlArg::F_OFD_SETLK(&nothing)).map(drop)?)
}

/// Whether another open file holds the lock. Takes nothing, so it disturbs no one who asks the same.
pub fn is_held(file: &File) -> io::Result<bool> {
    let mut found = whole_file();
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut found))?;
    Ok(found.l_type != libc::F_UNLCK as libc::c_short)
}

fn whole_file() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}
