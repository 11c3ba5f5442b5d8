//! Unix sockets by paths of any length, and the kernel's word for who is at the other end.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::sys::socket::{getsockopt, sockopt};

/// The longest path that fits into a socket's address, its final zero not counted (unix(7)).
const LONGEST_PATH: usize = 107;

/// The process at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its effective user when it connected.
    pub uid: u32,
    /// Its process id.
    pub pid: i32,
}

/// Who connected, by SO_PEERCRED.
pub fn peer(stream: &UnixStream) -> io::Result<Peer> {
    let credentials = getsockopt(stream, sockopt::PeerCredentials)?;
    Ok(Peer { uid: credentials.uid(), pid: credentials.pid() })
}

/// Listens at `path` in place of whatever socket is left there, with this file mode.
pub fn listen(path: &Path, mode: u32) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = by_short_path(path, |path| UnixListener::bind(path))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

/// Connects to the socket at `path`.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    by_short_path(path, |path| UnixStream::connect(path))
}

/// Calls with a path that fits into an address: a long one goes through a descriptor of its directory.
fn by_short_path<T>(path: &Path, call: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    if path.as_os_str().as_bytes().len() <= LONGEST_PATH {
        return call(path);
    }
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let directory: File = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
        .open(directory)?;
    call(&PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn a_path_longer_than_an_address_can_be_listened_and_connected_to() {
        let directory = std::env::temp_dir()
            .join(format!("rat-socket-{}", std::process::id()))
            .join("d".repeat(200));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("control.sock");
        let listener = listen(&path, 0o600).unwrap();
        let mut client = connect(&path).unwrap();
        client.write_all(b"x").unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        assert_eq!(byte, *b"x");
        assert_eq!(peer(&stream).unwrap().uid, nix::unistd::geteuid().as_raw());
        std::fs::remove_dir_all(directory.parent().unwrap()).unwrap();
    }
}
