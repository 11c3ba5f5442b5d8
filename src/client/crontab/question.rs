//! A question with the answers yes and no. Reads no further than the answer: what follows on standard input may be an
//! editor's.

use std::io::{self, Write};
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
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

/// Asks on standard output, as crontab(1) does. A signal is no answer: it ends the waiting, and with it the question.
pub fn ask(question: &str, signals: Option<&SignalFd>) -> Reply {
    let mut output = io::stdout();
    let _ = output.write_all(question.as_bytes()).and_then(|()| output.flush());
    let mut line = Vec::new();
    let mut byte = [0];
    while !is_interrupted(signals)
        && let Ok(1) = read(io::stdin(), &mut byte)
    {
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

/// Waits until something can be read; true if a signal came first. That an editor ended is none.
fn is_interrupted(signals: Option<&SignalFd>) -> bool {
    let Some(signals) = signals else { return false };
    let input = io::stdin();
    loop {
        let wanted = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut both = [wanted(input.as_fd()), wanted(signals.as_fd())];
        if poll(&mut both, PollTimeout::NONE).is_err() {
            return true;
        }
        if both[1].any() != Some(true) {
            return false;
        }
        match signals.read_signal() {
            Ok(Some(heard)) if heard.ssi_signo == Signal::SIGCHLD as u32 => {}
            Ok(_) | Err(_) => return true,
        }
    }
}
