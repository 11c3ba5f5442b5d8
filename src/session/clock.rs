//! What a session waits for and reads its times from: the two clocks, and the ends of its children.

use std::io;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::time::{ClockId, clock_gettime};

use crate::plan::civil::Timestamp;

/// What the wall clock shows.
pub fn wall_clock() -> Timestamp {
    let now = clock_gettime(ClockId::CLOCK_REALTIME).map_or(Duration::ZERO, Duration::from);
    Timestamp::UNIX_EPOCH + now
}

/// A clock that is never set.
pub fn uptime() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from)
}

/// Tells when a child may have ended, and when this process is asked to end its job.
pub fn ends_of_children() -> io::Result<SignalFd> {
    let signals: SigSet = [Signal::SIGCHLD, Signal::SIGTERM].into_iter().collect();
    signals.thread_block()?;
    Ok(SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}
