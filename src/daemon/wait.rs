//! The one place where ratd waits: an epoll set with a wall-clock timer in it. Knows tokens, not what they mean.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use chrono::DateTime;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::{TimeSpec, TimeValLike};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::{ClockId as Clock, clock_gettime};

use crate::plan::civil::Timestamp;
use crate::plan::clock_step::Now;

/// Names a descriptor in the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(pub u64);

/// A descriptor that can be read or written without waiting.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    pub token: Token,
    /// Input, end of file or an error is there to be read.
    pub readable: bool,
    /// Output would be taken.
    pub writable: bool,
}

/// What a descriptor is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    Reading,
    Writing,
    Both,
    /// Only for the end of it, which the kernel tells of in any case.
    End,
}

/// The set and its timer.
pub struct Wait {
    epoll: Epoll,
    timer: TimerFd,
    armed: Option<Timestamp>,
}

const TIMER: u64 = u64::MAX;

/// A timer is always armed, so that a clock that is set is always heard of; this far ahead if nothing is due.
const FAR: Duration = Duration::from_secs(10 * 365 * 86_400);

impl Wait {
    pub fn new() -> io::Result<Wait> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let timer = TimerFd::new(
            ClockId::CLOCK_REALTIME,
            TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK,
        )?;
        epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER))?;
        Ok(Wait { epoll, timer, armed: None })
    }

    /// Waits for this descriptor too.
    pub fn add(&self, fd: impl AsFd, token: Token, wanted: For) -> io::Result<()> {
        Ok(self.epoll.add(fd, EpollEvent::new(flags(wanted), token.0))?)
    }

    /// Waits for something else of this descriptor.
    pub fn change(&self, fd: impl AsFd, token: Token, wanted: For) -> io::Result<()> {
        Ok(self.epoll.modify(fd, &mut EpollEvent::new(flags(wanted), token.0))?)
    }

    /// Waits for this descriptor no more. Closing its last copy does the same.
    pub fn remove(&self, fd: BorrowedFd) -> io::Result<()> {
        Ok(self.epoll.delete(fd)?)
    }

    /// Waits until `wakeup`, until the clock is set, or until a descriptor is ready; tells the time and which.
    pub fn next(&mut self, wakeup: Option<Timestamp>) -> io::Result<(Now, Vec<Ready>)> {
        self.arm(wakeup)?;
        let mut events = [EpollEvent::empty(); 64];
        let count = loop {
            match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Err(Errno::EINTR) => {}
                result => break result?,
            }
        };
        let mut ready = Vec::with_capacity(count);
        for event in &events[..count] {
            if event.data() == TIMER {
                self.hear_timer()?;
                continue;
            }
            let is = |flags| event.events().intersects(flags);
            ready.push(Ready {
                token: Token(event.data()),
                readable: is(EpollFlags::EPOLLIN | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR),
                writable: is(EpollFlags::EPOLLOUT),
            });
        }
        Ok((now()?, ready))
    }

    fn arm(&mut self, wakeup: Option<Timestamp>) -> io::Result<()> {
        if self.armed.is_some() && self.armed == wakeup {
            return Ok(());
        }
        let at = match wakeup {
            // An instant of zero would disarm the timer.
            Some(wakeup) => Duration::new(
                wakeup.timestamp().max(1).unsigned_abs(),
                wakeup.timestamp_subsec_nanos(),
            ),
            None if self.armed == Some(Timestamp::MAX_UTC) => return Ok(()),
            None => {
                now()?.wall.signed_duration_since(DateTime::UNIX_EPOCH).to_std().unwrap_or_default()
                    + FAR
            }
        };
        let flags =
            TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
        self.timer.set(Expiration::OneShot(TimeSpec::from_duration(at)), flags)?;
        self.armed = Some(wakeup.unwrap_or(Timestamp::MAX_UTC));
        Ok(())
    }

    /// Reads the timer; that it was cancelled because the clock was set is as good as that it expired.
    fn hear_timer(&mut self) -> io::Result<()> {
        self.armed = None;
        let mut expirations = [0; 8];
        match nix::unistd::read(&self.timer, &mut expirations) {
            Ok(_) | Err(Errno::ECANCELED | Errno::EAGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn flags(wanted: For) -> EpollFlags {
    match wanted {
        For::Reading => EpollFlags::EPOLLIN,
        For::Writing => EpollFlags::EPOLLOUT,
        For::Both => EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT,
        For::End => EpollFlags::empty(),
    }
}

/// Both clocks, now. The loop reads them once a turn; nothing else in ratd does.
pub fn now() -> io::Result<Now> {
    let wall = clock_gettime(Clock::CLOCK_REALTIME)?;
    let monotonic = clock_gettime(Clock::CLOCK_MONOTONIC)?;
    let nanoseconds = u32::try_from(wall.tv_nsec()).unwrap_or(0);
    Ok(Now {
        wall: DateTime::from_timestamp(wall.tv_sec(), nanoseconds).unwrap_or(Timestamp::MAX_UTC),
        monotonic: Duration::from_nanos(u64::try_from(monotonic.num_nanoseconds()).unwrap_or(0)),
    })
}

/// Time since the machine was started, asleep or awake.
pub fn since_boot() -> io::Result<Duration> {
    let since_boot = clock_gettime(Clock::CLOCK_BOOTTIME)?;
    Ok(Duration::from_nanos(u64::try_from(since_boot.num_nanoseconds()).unwrap_or(0)))
}

impl std::fmt::Debug for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wait(timer {})", self.timer.as_fd().as_raw_fd())
    }
}
