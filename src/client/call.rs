//! Talking to ratd: finding its socket, asking, and waiting for the answer.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::paths::Paths;
use crate::protocol::fault::Fault;
use crate::protocol::request::Method;
use crate::protocol::wire::{Answer, Frames, LONGEST_REPLY, TooLong, answer, call};
use crate::sys::socket;

/// A connection to a ratd.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    frames: Frames,
    path: PathBuf,
}

/// There is no ratd to talk to.
#[derive(Debug)]
pub struct NoDaemon {
    /// Where one was expected.
    pub path: PathBuf,
    /// What stood in the way.
    pub source: io::Error,
}

impl std::fmt::Display for NoDaemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                write!(f, "no ratd is running (nobody answers at {})", self.path.display())
            }
            _ => write!(f, "cannot reach ratd at {}: {}", self.path.display(), self.source),
        }
    }
}

impl std::error::Error for NoDaemon {}

/// Why a request was not answered as hoped.
#[derive(Debug)]
pub enum CallError {
    /// ratd says no.
    Fault(Fault),
    /// The connection broke; nobody knows whether the request was done.
    Broken(io::Error),
    /// The answer cannot be understood.
    Garbled(serde_json::Error),
    /// The answer is too long to be one.
    TooLong(TooLong),
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CallError::Fault(fault) => fault.fmt(f),
            CallError::Broken(error) => write!(f, "ratd did not answer: {error}"),
            CallError::Garbled(error) => {
                write!(f, "cannot understand ratd's answer ({error}); is it of another version?")
            }
            CallError::TooLong(error) => write!(f, "ratd's answer is {error}"),
        }
    }
}

impl std::error::Error for CallError {}

impl Connection {
    /// Connects to the ratd under `root` (`--root`), or under `$RAT_ROOT`; else to the caller's own, where one
    /// answers; else to the system's.
    pub fn open(root: Option<&Path>) -> Result<Connection, NoDaemon> {
        let root = root.map(Path::to_owned).or_else(|| {
            std::env::var_os("RAT_ROOT").filter(|root| !root.is_empty()).map(PathBuf::from)
        });
        if let Some(root) = root {
            return Connection::to(&Paths::system(&root).socket());
        }
        if let Some(Ok(own)) = Paths::user().map(|own| Connection::to(&own.socket())) {
            return Ok(own);
        }
        Connection::to(&Paths::system(Path::new("/")).socket())
    }

    /// Connects to the socket at `path`.
    pub fn to(path: &Path) -> Result<Connection, NoDaemon> {
        match socket::connect(path) {
            Ok(stream) => {
                Ok(Connection { stream, frames: Frames::new(LONGEST_REPLY), path: path.to_owned() })
            }
            Err(source) => Err(NoDaemon { path: path.to_owned(), source }),
        }
    }

    /// The socket that answered.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Asks, and waits for the answer.
    pub fn call<M: Method>(&mut self, request: &M) -> Result<M::Reply, CallError> {
        // ratd may refuse a request that is too long before it has read all of it: look for the
        // answer even so.
        let written = socket::write_all(&self.stream, &call(request));
        let frame = self.receive().map_err(|error| match (error, written) {
            (CallError::Broken(_), Err(error)) => CallError::Broken(error),
            (error, _) => error,
        })?;
        match answer::<M::Reply>(&frame).map_err(CallError::Garbled)? {
            Answer::Reply(reply) => Ok(reply),
            Answer::Fault(fault) => Err(CallError::Fault(fault)),
        }
    }

    fn receive(&mut self) -> Result<Vec<u8>, CallError> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            if let Some(frame) = self.frames.pop().map_err(CallError::TooLong)? {
                return Ok(frame.to_vec());
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(CallError::Broken(io::ErrorKind::UnexpectedEof.into())),
                Ok(length) => self.frames.push(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(CallError::Broken(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::reply::{Removed, Reply};
    use crate::protocol::request::RemoveJob;
    use crate::protocol::wire::{encode, refuse};

    /// What `request` gets from a ratd that answers with these bytes and hangs up.
    fn answered(bytes: &[u8]) -> Result<Removed, CallError> {
        let (client, ratd) = UnixStream::pair().unwrap();
        socket::write_all(&ratd, bytes).unwrap();
        ratd.shutdown(std::net::Shutdown::Write).unwrap();
        let frames = Frames::new(LONGEST_REPLY);
        let mut connection = Connection { stream: client, frames, path: PathBuf::new() };
        connection.call(&RemoveJob { number: 7 })
    }

    #[test]
    fn an_answer_is_a_reply_a_fault_or_a_broken_connection() {
        let reply = encode(&Reply::Removed(Removed { was_running: false }));
        assert_eq!(answered(&reply).unwrap(), Removed { was_running: false });
        let cases = [
            (refuse(&Fault::NoSuchJob { number: 7 }), "cannot find job 7"),
            (reply[..5].to_vec(), "ratd did not answer: unexpected end of file"),
            (b"hello\0".to_vec(), "cannot understand ratd's answer"),
        ];
        for (bytes, expected) in cases {
            let error = answered(&bytes).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn without_a_ratd_it_is_said_where_one_was_looked_for() {
        let root = std::env::temp_dir().join("no-such-root".repeat(20));
        let error = Connection::open(Some(&root)).unwrap_err().to_string();
        assert!(
            error.starts_with("no ratd is running") && error.contains("control.sock"),
            "{error}"
        );
    }
}
