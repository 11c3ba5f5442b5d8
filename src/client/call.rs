//! Talking to ratd: which one, and a call at a time.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use serde::de::DeserializeOwned;

use crate::paths::{Paths, rooms};
use crate::protocol::fault::Fault;
use crate::protocol::reply::{self, Reply};
use crate::protocol::request::{self, Method};
use crate::sys::socket::{connect, peer};

/// A connection to a ratd.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<UnixStream>,
    /// The last reply; the memory serves for the next, which may be as long.
    frame: Vec<u8>,
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
                Ok(stream) => return Ok(Connection::over(stream)),
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
        Some(Connection::over(stream))
    }

    fn over(stream: UnixStream) -> Connection {
        Connection { stream: BufReader::with_capacity(1 << 16, stream), frame: Vec::new() }
    }

    /// Calls a method and waits for its reply.
    pub fn call<M: Method>(&mut self, method: &M) -> Result<M::Reply, CallError> {
        self.send(&request::encode(method))?;
        self.receive().map(|reply| reply.parameters)
    }

    /// Calls a method whose reply may be long: it comes in pieces, each as soon as ratd has made it.
    pub fn pieces<M: Method>(
        &mut self,
        method: &M,
    ) -> impl Iterator<Item = Result<M::Reply, CallError>> {
        let sent = self.send(&request::encode_for_more(method));
        let (mut refused, mut continues) = (sent.err(), true);
        std::iter::from_fn(move || {
            if !std::mem::take(&mut continues) {
                return None;
            }
            let received = refused.take().map_or_else(|| self.receive::<M::Reply>(), Err);
            Some(received.map(|reply| {
                continues = reply.continues;
                reply.parameters
            }))
        })
    }

    fn send(&mut self, call: &[u8]) -> Result<(), CallError> {
        let sent = self.stream.get_mut().write_all(call);
        sent.map_err(|error| CallError::Broken(error.to_string()))
    }

    fn receive<R: DeserializeOwned>(&mut self) -> Result<Reply<R>, CallError> {
        match reply::parse(self.frame()?) {
            Ok(reply) => reply.map_err(CallError::Fault),
            Err(error) => {
                Err(CallError::Broken(format!("the reply cannot be understood: {error}")))
            }
        }
    }

    /// The bytes up to the next zero, however many: a client trusts its ratd.
    fn frame(&mut self) -> Result<&[u8], CallError> {
        self.frame.clear();
        match self.stream.read_until(0, &mut self.frame) {
            Ok(_) if self.frame.pop() == Some(0) => Ok(&self.frame),
            Ok(_) => Err(CallError::Broken("it was closed; too many connections?".to_owned())),
            Err(error) => Err(CallError::Broken(error.to_string())),
        }
    }
}
