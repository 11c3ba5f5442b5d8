//! The bytes between ratd and its fork server: orders one way, answers the other. Does no I/O.

use serde::Serialize;

use crate::plan::run::{Order, RunId};

/// The longest order, as JSON, in bytes.
pub const LONGEST: usize = 64 << 20;

/// How many bytes stand in front of an order's JSON: its length (u32) and its run's id (u64), little-endian.
pub const HEADER: usize = 12;

/// How long every answer is: its kind (u8), an id (u64), an errno (i32), little-endian.
pub const ANSWER: usize = 13;

/// What stands in front of an order, so that the fork server need not parse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// How many bytes of JSON follow.
    pub length: usize,
    /// The run that is ordered.
    pub run: RunId,
}

/// What the fork server and its sessions tell ratd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The fork server of this name holds its lock and reads. No order may be sent before.
    Ready {
        /// The name of its file under `servers/`.
        server: u64,
    },
    /// This run was not started and never will be by this order: no session, or none that could claim it.
    Refused {
        /// The run.
        run: RunId,
        /// What the kernel said.
        errno: i32,
    },
}

/// Bytes that cannot be from the other side; nothing after them can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// An order of so many bytes.
    TooLong(usize),
    /// No such kind of answer.
    NoSuchAnswer(u8),
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Malformed::TooLong(length) => {
                write!(f, "an order of {length} bytes is longer than {LONGEST}")
            }
            Malformed::NoSuchAnswer(kind) => write!(f, "no such answer: {kind}"),
        }
    }
}

impl std::error::Error for Malformed {}

/// The bytes of an order.
pub fn encode_order(order: &Order) -> Result<Vec<u8>, Malformed> {
    let mut bytes = vec![0; HEADER];
    let mut json = serde_json::Serializer::new(&mut bytes);
    order.serialize(&mut json).expect("an order has string keys only, and memory takes every byte");
    let length = bytes.len() - HEADER;
    if length > LONGEST {
        return Err(Malformed::TooLong(length));
    }
    bytes[..4].copy_from_slice(&(length as u32).to_le_bytes());
    bytes[4..HEADER].copy_from_slice(&order.run.id.0.to_le_bytes());
    Ok(bytes)
}

impl Header {
    /// Reads the bytes in front of an order.
    pub fn decode(bytes: [u8; HEADER]) -> Result<Header, Malformed> {
        let length = u32::from_le_bytes(part(&bytes, 0)) as usize;
        if length > LONGEST {
            return Err(Malformed::TooLong(length));
        }
        Ok(Header { length, run: RunId(u64::from_le_bytes(part(&bytes, 4))) })
    }
}

impl Answer {
    /// The bytes of an answer.
    pub fn encode(self) -> [u8; ANSWER] {
        let (kind, id, errno) = match self {
            Answer::Ready { server } => (1, server, 0),
            Answer::Refused { run, errno } => (2, run.0, errno),
        };
        let mut bytes = [kind; ANSWER];
        bytes[1..9].copy_from_slice(&id.to_le_bytes());
        bytes[9..].copy_from_slice(&i32::to_le_bytes(errno));
        bytes
    }

    fn decode(bytes: &[u8; ANSWER]) -> Result<Answer, Malformed> {
        let id = u64::from_le_bytes(part(bytes, 1));
        match bytes[0] {
            1 => Ok(Answer::Ready { server: id }),
            2 => Ok(Answer::Refused { run: RunId(id), errno: i32::from_le_bytes(part(bytes, 9)) }),
            kind => Err(Malformed::NoSuchAnswer(kind)),
        }
    }
}

/// Answers as they come in, in pieces of any size.
#[derive(Debug, Default)]
pub struct Answers {
    pending: Vec<u8>,
}

impl Answers {
    /// Takes what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next answer that is complete.
    pub fn next_answer(&mut self) -> Result<Option<Answer>, Malformed> {
        match self.pending.first_chunk::<ANSWER>() {
            None => Ok(None),
            Some(bytes) => {
                let answer = Answer::decode(bytes)?;
                self.pending.drain(..ANSWER);
                Ok(Some(answer))
            }
        }
    }
}

fn part<const N: usize>(bytes: &[u8], from: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[from..from + N]);
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::job::{JobId, Kind, Recipe};
    use crate::plan::manner::OWN;
    use crate::plan::run::{Mailer, Run, Trigger};
    use crate::plan::text::Text;

    fn order() -> Order {
        Order {
            run: Run {
                id: RunId(0x0102_0304_0506_0708),
                job: JobId("at-1".to_owned()),
                name: "at-1".to_owned(),
                owner: "alice".to_owned(),
                due: Default::default(),
                trigger: Trigger::At,
                attempt: 1,
            },
            recipe: Recipe {
                environment: [(Text::from("A"), Text::from("1"))].into(),
                directory: Some(Text::from("/")),
                umask: Some(0o27),
                ..Recipe::plain(Kind::At, Text(vec![b'x', 0xff]))
            },
            crontab: None,
            stamp: None,
            keep_output: 100,
            echo: false,
            as_ratd: false,
            mailer: Mailer { program: None, patience: 60 },
            log: Text::from("/dev/null/no-log"),
            manner: OWN,
            daemon: Vec::new(),
            programs: Text::default(),
            codeset: "UTF-8".to_owned(),
            over: None,
        }
    }

    #[test]
    fn an_order_comes_back_as_it_was_sent() {
        let bytes = encode_order(&order()).unwrap();
        let header = Header::decode(*bytes.first_chunk().unwrap()).unwrap();
        assert_eq!(header, Header { length: bytes.len() - HEADER, run: order().run.id });
        assert_eq!(serde_json::from_slice::<Order>(&bytes[HEADER..]).unwrap(), order());
    }

    #[test]
    fn an_order_that_is_too_long_is_refused_by_both_sides() {
        let mut long = order();
        long.recipe.command = Text(vec![b'x'; LONGEST]);
        assert!(matches!(encode_order(&long), Err(Malformed::TooLong(_))));
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&(LONGEST as u32 + 1).to_le_bytes());
        assert_eq!(Header::decode(header), Err(Malformed::TooLong(LONGEST + 1)));
    }

    #[test]
    fn answers_are_found_however_the_bytes_are_cut() {
        let sent = [
            Answer::Ready { server: u64::MAX },
            Answer::Refused { run: RunId(7), errno: 11 },
            Answer::Refused { run: RunId(8), errno: -1 },
        ];
        let bytes: Vec<u8> = sent.iter().flat_map(|answer| answer.encode()).collect();
        for size in 1..=bytes.len() {
            let mut answers = Answers::default();
            let mut got = Vec::new();
            for piece in bytes.chunks(size) {
                answers.push(piece);
                while let Some(answer) = answers.next_answer().unwrap() {
                    got.push(answer);
                }
            }
            assert_eq!(got, sent, "pieces of {size}");
        }
    }

    #[test]
    fn an_answer_of_no_known_kind_is_an_error() {
        let mut answers = Answers::default();
        answers.push(&[9; ANSWER]);
        assert_eq!(answers.next_answer(), Err(Malformed::NoSuchAnswer(9)));
    }
}
