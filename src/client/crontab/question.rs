//! A question with the answers yes and no. Reads no further than the answer: what follows on standard input may be an
//! editor's.

use std::io::{self, Write};

use nix::unistd::read;

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    Yes,
    No,
    /// Neither of the two.
    Neither,
    /// Nobody is there to answer any more.
    Nobody,
}

/// Asks on standard output, as crontab(1) does.
pub fn ask(question: &str) -> Reply {
    let mut output = io::stdout();
    let _ = output.write_all(question.as_bytes()).and_then(|()| output.flush());
    let mut line = Vec::new();
    let mut byte = [0];
    // A signal that is noted ends the waiting, and with it the question.
    while let Ok(1) = read(io::stdin(), &mut byte) {
        line.push(byte[0]);
        if byte[0] == b'\n' {
            break;
        }
    }
    match line.trim_ascii_start().first() {
        Some(b'y' | b'Y') => Reply::Yes,
        Some(b'n' | b'N') => Reply::No,
        Some(_) => Reply::Neither,
        None if line.ends_with(b"\n") => Reply::Neither,
        None => Reply::Nobody,
    }
}
