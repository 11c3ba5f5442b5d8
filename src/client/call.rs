//! Talking to ratd: which one, and a call at a time.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use crate::paths::{Paths, rooms};
use crate::protocol::fault::Fault;
use crate::protocol::reply;
use crate::protocol::request::{self, Method};
use crate::protocol::wire::Frames;
use crate::sys::socket::{connect, peer};

/// A connection to a ratd.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    frames: Frames,
}

/// No ratd answers.
#[derive(Debug)]
pub struct NoDaemon {
    /// Where it was looked for, and why there is none.
    tried: Vec<(PathBuf, std::io::Error)>,
}

impl std::fmt::Display for NoDaemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no ratd is running")?;
        for (path, why) in &self.tried {
            write!(f, "\n  {}: {why}", path.display())?;
        }
        Ok(())
    }
}

/// Why a call was not answered as it should.
#[derive(Debug)]
pub enum CallError {
    /// ratd says no.
    Fault(Fault),
    /// The connection broke, or what came is no reply.
    Broken(String),
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CallError::Fault(fault) => fault.fmt(f),
            CallError::Broken(why) => write!(f, "the connection to ratd broke: {why}"),
        }
    }
}

/// The root that was asked for, by `--root` or by RAT_ROOT.
pub fn asked_root(root: Option<&Path>) -> Option<PathBuf> {
    let root = root.map(Path::to_owned).or_else(|| std::env::var_os("RAT_ROOT").map(PathBuf::from));
    root.filter(|root| !root.as_os_str().is_empty())
}

/// Connects to a ratd that must be run by the user who calls.
fn connect_to_own(socket: &Path) -> std::io::Result<UnixStream> {
    let stream = connect(socket)?;
    let uid = peer(&stream)?.uid;
    if uid == geteuid() {
        return Ok(stream);
    }
    let message = format!("passed over: it is run by another user, uid {uid}");
    Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, message))
}

impl Connection {
    /// Connects to the ratd under the root that was asked for; else to the user's own where one answers, else to the
    /// system's. The user's own is one that this user runs: where it is looked for depends on $HOME and $XDG_RUNTIME_DIR,
    /// which sudo may have left at somebody else's.
    pub fn open(root: Option<&Path>) -> Result<Connection, NoDaemon> {
        let root = asked_root(root);
        let own = if root.is_none() { Paths::user() } else { None };
        let system = Paths::system(root.as_deref().unwrap_or(Path::new("/")));
        let own = own.map(|own| (own.socket(), connect_to_own(&own.socket())));
        let mut tried = Vec::new();
        let others = std::iter::once_with(|| (system.socket(), connect(&system.socket())));
        for (socket, connected) in own.into_iter().chain(others) {
            match connected {
                Ok(stream) => return Ok(Connection { stream, frames: Frames::default() }),
                Err(why) => tried.push((socket, why)),
            }
        }
        match root {
            None => Connection::in_container().ok_or(NoDaemon { tried }),
            Some(_) => Err(NoDaemon { tried }),
        }
    }

    /// Connects to the ratd of this container, which this user runs and which had to find itself a place.
    fn in_container() -> Option<Connection> {
        let rooms = rooms(geteuid().as_raw()).into_iter();
        let sockets = rooms.map(|room| Paths::contained(room, None).socket());
        let stream = sockets.filter_map(|socket| connect_to_own(&socket).ok()).next()?;
        Some(Connection { stream, frames: Frames::default() })
    }

    /// Calls a method and waits for its reply.
    pub fn call<M: Method>(&mut self, method: &M) -> Result<M::Reply, CallError> {
        let broken = |error: std::io::Error| CallError::Broken(error.to_string());
        self.stream.write_all(&request::encode(method)).map_err(broken)?;
        let frame = self.receive()?;
        match reply::parse(&frame) {
            Ok(reply) => reply.map_err(CallError::Fault),
            Err(error) => {
                Err(CallError::Broken(format!("the reply cannot be understood: {error}")))
            }
        }
    }

    fn receive(&mut self) -> Result<Vec<u8>, CallError> {
        let mut piece = vec![0; 1 << 16];
        loop {
            match self.frames.pop_any() {
                Some(frame) => return Ok(frame),
                None => match self.stream.read(&mut piece) {
                    Ok(0) => {
                        return Err(CallError::Broken(
                            "it was closed; too many connections?".to_owned(),
                        ));
                    }
                    Ok(length) => self.frames.push(&piece[..length]),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(CallError::Broken(error.to_string())),
                },
            }
        }
    }
}
