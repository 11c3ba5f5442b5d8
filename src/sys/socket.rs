//! Unix sockets at paths of any length, and who is at the other end.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, getsockopt, send, sockopt};
use nix::unistd::{Gid, Pid, Uid};

/// The longest path that fits into a socket's address, without the zero byte after it.
const LONGEST: usize = 107;

/// The process at the other end of a connection, as it was when it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its effective user.
    pub uid: Uid,
    /// Its effective group.
    pub gid: Gid,
    /// Its process id; somebody else may have it by now.
    pub pid: Pid,
}

/// Connects to the socket at `path`.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    let (address, _directory) = short(path)?;
    UnixStream::connect(address)
}

/// Makes a socket at `path`, in the place of one that may be there, and listens. From its first moment it may
/// be connected to by whom `mode` lets write.
pub fn listen(path: &Path, mode: u32) -> io::Result<UnixListener> {
    let (address, _directory) = short(path)?;
    // Bound under another name and renamed: there is never no socket, nor one with another mode.
    let new = address.with_file_name(format!(".{}", std::process::id()));
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&new)?;
    std::fs::set_permissions(&new, Permissions::from_mode(mode))
        .and_then(|()| std::fs::rename(&new, &address))
        .inspect_err(|_| drop(std::fs::remove_file(&new)))?;
    Ok(listener)
}

/// Who connected, as the kernel noted it.
pub fn peer(stream: &UnixStream) -> io::Result<Peer> {
    let credentials = getsockopt(stream, sockopt::PeerCredentials)?;
    Ok(Peer {
        uid: Uid::from_raw(credentials.uid()),
        gid: Gid::from_raw(credentials.gid()),
        pid: Pid::from_raw(credentials.pid()),
    })
}

/// Writes all of it. A peer that is gone is an error, also for a program that lets SIGPIPE kill it, as
/// clients do for the sake of `| head`.
pub fn write_all(stream: &UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match send(stream.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL) {
            Ok(sent) => bytes = &bytes[sent..],
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A path to the same place that fits into an address, with room for a name of our own, and what must stay
/// open while it is used.
fn short(path: &Path) -> io::Result<(PathBuf, Option<File>)> {
    if path.as_os_str().len() + ".4194304".len() <= LONGEST {
        return Ok((path.to_owned(), None));
    }
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let directory = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC)
        .open(directory)?;
    let address = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
    Ok((address, Some(directory)))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_socket_is_reached_however_long_its_path_is() {
        let root = std::env::temp_dir().join(format!("rat-socket-{}", std::process::id()));
        for length in [1, 40, 80, 100, 200] {
            let directory = root.join("d".repeat(length));
            std::fs::create_dir_all(&directory).unwrap();
            let path = directory.join("control.sock");
            drop(listen(&path, 0o666).unwrap());
            let listener = listen(&path, 0o600).unwrap();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
            let client = connect(&path).unwrap();
            let (mut server, _) = listener.accept().unwrap();
            write_all(&client, b"x").unwrap();
            let mut byte = [0];
            server.read_exact(&mut byte).unwrap();
            let peer = peer(&server).unwrap();
            assert_eq!((peer.uid, peer.pid), (Uid::effective(), Pid::this()));
            drop(server);
            assert_eq!(write_all(&client, b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        }
        std::fs::remove_dir_all(&root).unwrap();
    }
}
