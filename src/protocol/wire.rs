//! The bytes: JSON objects, each followed by a zero byte. Knows no method.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::protocol::INTERFACE;
use crate::protocol::fault::Fault;
use crate::protocol::reply::Reply;
use crate::protocol::request::{Method, Read, Request};

/// The longest request that ratd reads, without its zero byte. A crontab may be 1 MiB, and six times that in JSON.
pub const LONGEST_REQUEST: usize = 16 << 20;

/// The longest reply that a client reads: a queue of a million jobs.
pub const LONGEST_REPLY: usize = 512 << 20;

/// Room kept for the next frame after a long one.
const ROOM: usize = 64 << 10;

/// Bytes as they come in, and the frames in them as they become whole.
///
/// Every byte is looked at once, and moved at most twice, however they are cut up.
#[derive(Debug)]
pub struct Frames {
    bytes: Vec<u8>,
    /// Where the frame begins that is read now; what stands before it has been handed out.
    start: usize,
    /// Up to where it was searched for its end.
    searched: usize,
    limit: usize,
}

/// A frame that is longer than any is allowed to be. The connection is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// The limit, in bytes.
    pub limit: usize,
}

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "longer than the {} MiB that are allowed", self.limit >> 20)
    }
}

impl std::error::Error for TooLong {}

impl Frames {
    /// For frames of at most so many bytes.
    pub fn new(limit: usize) -> Frames {
        Frames { bytes: Vec::new(), start: 0, searched: 0, limit }
    }

    /// Takes what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        // Moving what is left only once it is the smaller part keeps the work proportional to the input.
        if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
            if self.bytes.len() < ROOM {
                self.bytes.shrink_to(ROOM);
            }
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame that is whole, without its zero byte.
    pub fn pop(&mut self) -> Result<Option<&[u8]>, TooLong> {
        let end = self.bytes[self.searched..].iter().position(|byte| *byte == 0);
        let end = end.map(|distance| self.searched + distance);
        if end.unwrap_or(self.bytes.len()) - self.start > self.limit {
            return Err(TooLong { limit: self.limit });
        }
        let Some(end) = end else {
            self.searched = self.bytes.len();
            return Ok(None);
        };
        let frame = self.start..end;
        self.start = end + 1;
        self.searched = self.start;
        Ok(Some(&self.bytes[frame]))
    }

    /// Whether a frame has begun and not ended.
    pub fn is_halfway(&self) -> bool {
        self.start < self.bytes.len()
    }
}

/// A call as it came in.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// What is asked for, or why that cannot be told.
    pub request: Result<Request, Fault>,
    /// More than one reply is welcome.
    pub more: bool,
    /// No reply is wanted, not even a fault.
    pub oneway: bool,
}

/// Reads one frame. What is no call at all is one that deserves a fault.
pub fn parse(frame: &[u8]) -> Call {
    /// A call without a look at its parameters, which nobody keeps before it is known what they should be.
    #[derive(Deserialize)]
    #[serde(expecting = "a varlink call")]
    struct Head {
        method: String,
        #[serde(default)]
        more: bool,
        #[serde(default)]
        oneway: bool,
    }
    match serde_json::from_slice::<Head>(frame) {
        Ok(Head { method, more, oneway }) => {
            Call { request: request(&method, frame), more, oneway }
        }
        Err(error) => Call { request: Err(invalid(&error)), more: false, oneway: false },
    }
}

fn request(method: &str, frame: &[u8]) -> Result<Request, Fault> {
    match Request::read(method, Parameters(frame)) {
        Some(request) => request.map_err(|error| invalid(&error)),
        None => match method.rsplit_once('.') {
            Some((interface, _))
                if interface != INTERFACE && interface != "org.varlink.service" =>
            {
                Err(Fault::InterfaceNotFound { interface: interface.to_owned() })
            }
            Some(_) | None => Err(Fault::MethodNotFound { method: method.to_owned() }),
        },
    }
}

fn invalid(error: &serde_json::Error) -> Fault {
    Fault::InvalidParameter { parameter: error.to_string() }
}

/// The parameters of a frame.
struct Parameters<'a>(&'a [u8]);

impl Read for Parameters<'_> {
    type Error = serde_json::Error;

    fn read<T: DeserializeOwned>(self) -> Result<T, serde_json::Error> {
        #[derive(Deserialize)]
        struct Body<T> {
            parameters: Option<T>,
        }
        match serde_json::from_slice::<Body<T>>(self.0)?.parameters {
            Some(parameters) => Ok(parameters),
            None => serde_json::from_slice(b"{}"),
        }
    }
}

/// A request as a client sends it.
pub fn call<M: Method>(parameters: &M) -> Vec<u8> {
    #[derive(Serialize)]
    struct Out<'a, T> {
        method: &'static str,
        parameters: &'a T,
    }
    frame(&Out { method: M::NAME, parameters })
}

/// The only or the last reply to a request.
pub fn encode(reply: &Reply) -> Vec<u8> {
    #[derive(Serialize)]
    struct Out<'a> {
        parameters: &'a Reply,
    }
    frame(&Out { parameters: reply })
}

/// A reply to a request that asked for more, after which more come.
pub fn encode_continued(reply: &Reply) -> Vec<u8> {
    #[derive(Serialize)]
    struct Out<'a> {
        parameters: &'a Reply,
        continues: bool,
    }
    frame(&Out { parameters: reply, continues: true })
}

/// Why a request is not done.
pub fn refuse(fault: &Fault) -> Vec<u8> {
    frame(fault)
}

fn frame<T: Serialize>(value: &T) -> Vec<u8> {
    // Strings cannot hold a raw zero byte: JSON writes it as an escape.
    let mut bytes = serde_json::to_vec(value).expect("our types have no keys that are not strings");
    bytes.push(0);
    bytes
}

/// What a client was answered.
#[derive(Debug)]
pub enum Answer<T> {
    /// The request is done.
    Reply(T),
    /// It is not.
    Fault(Fault),
}

/// Reads the answer to a request. An error that we do not know is one of the parser.
pub fn answer<T: DeserializeOwned>(frame: &[u8]) -> Result<Answer<T>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Head {
        error: Option<IgnoredAny>,
    }
    match serde_json::from_slice::<Head>(frame)?.error {
        Some(IgnoredAny) => serde_json::from_slice(frame).map(Answer::Fault),
        None => Parameters(frame).read().map(Answer::Reply),
    }
}

#[cfg(test)]
mod tests;
