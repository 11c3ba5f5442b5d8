//! What systemd hands to ratd, and what it wants to be told: sd_listen_fds(3), sd_notify(3), in our own words. All of it
//! is nothing where no systemd started us. Jobs see none of these variables.

use std::env;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;
use nix::sys::socket::{getsockopt, sockopt};

use crate::plan::civil::Timestamp;
use crate::plan::clock_step::Now;
use crate::sys::process;

/// What it says in the environment; it says it to ratd, and to no job.
pub const VARIABLES: [&str; 6] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
];

/// The first descriptor that a socket unit hands over.
const FIRST: i32 = 3;

/// The socket at `path` that a socket unit listens on for us, if this process was started with it.
pub fn listener_at(path: &Path) -> Option<UnixListener> {
    let is_for_us = number("LISTEN_PID") == Some(u64::from(std::process::id()));
    if !is_for_us || number("LISTEN_FDS") != Some(1) {
        return None;
    }
    let listener = UnixListener::from(process::inherited(FIRST).ok()?);
    let listens = getsockopt(&listener.as_fd(), sockopt::AcceptConn).is_ok_and(|listens| listens);
    let address = listener.local_addr().ok()?;
    if listens && address.as_pathname() == Some(path) {
        return Some(listener);
    }
    tracing::warn!("the socket that was handed over is not {}, and is not used", path.display());
    None
}

/// The way to whoever wants to know how ratd is.
#[derive(Debug)]
pub struct Notify {
    socket: Option<UnixDatagram>,
    watchdog: Option<Watchdog>,
    reloading: bool,
    said: Option<(usize, usize, Option<Timestamp>)>,
}

/// An admin wants a sign of life from the loop.
#[derive(Debug)]
struct Watchdog {
    /// Half of the time after which ratd counts as dead.
    pause: Duration,
    fed: Option<Duration>,
    wakeup: Timestamp,
}

impl Notify {
    /// As the environment says.
    pub fn from_environment(now: Timestamp) -> Notify {
        let socket = env::var_os("NOTIFY_SOCKET").and_then(|address| connect(address.as_bytes()));
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let pause = number("WATCHDOG_USEC").filter(|usec| *usec > 1 && is_ours);
        let watchdog = socket.as_ref().and(pause).map(|usec| Watchdog {
            pause: Duration::from_micros(usec / 2),
            fed: None,
            wakeup: now,
        });
        Notify { socket, watchdog, reloading: false, said: None }
    }

    /// Everything was read, for the first time or again.
    pub fn ready(&mut self) {
        self.reloading = false;
        self.send("READY=1");
    }

    /// Crontabs are read again, since this time.
    pub fn reloading(&mut self, now: &Now) {
        self.reloading = true;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.monotonic.as_micros()));
    }

    /// The spool was looked at; if somebody waits for that, it is said.
    pub fn looked(&mut self) {
        if self.reloading {
            self.ready();
        }
    }

    /// ratd ends.
    pub fn stopping(&mut self) {
        self.send("STOPPING=1\nSTATUS=");
    }

    /// One line for `systemctl status`, where it is another one than before.
    pub fn status(&mut self, jobs: usize, running: usize, next: Option<Timestamp>) {
        if self.socket.is_none() || self.said == Some((jobs, running, next)) {
            return;
        }
        self.said = Some((jobs, running, next));
        let next =
            next.map_or_else(|| "never".to_owned(), |next| next.format("%F %T UTC").to_string());
        self.send(&format!("STATUS={jobs} jobs, {running} running, next wake-up {next}"));
    }

    /// A turn of the loop: the sign of life, if it is time for one.
    pub fn feed(&mut self, now: &Now) {
        let Some(watchdog) = &mut self.watchdog else { return };
        let since = watchdog.fed.map(|fed| now.monotonic.saturating_sub(fed));
        let left = since.map_or(Duration::ZERO, |since| watchdog.pause.saturating_sub(since));
        let until = if left.is_zero() { watchdog.pause } else { left };
        watchdog.wakeup = now.wall + TimeDelta::from_std(until).unwrap_or(TimeDelta::days(1));
        if left.is_zero() {
            watchdog.fed = Some(now.monotonic);
            self.send("WATCHDOG=1");
        }
    }

    /// When the loop has to turn for the watchdog's sake.
    pub fn wakeup(&self) -> Option<Timestamp> {
        self.watchdog.as_ref().map(|watchdog| watchdog.wakeup)
    }

    /// Who does not read misses it; the clock goes on.
    fn send(&self, text: &str) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(text.as_bytes());
        }
    }
}

/// A socket in the file system, or an abstract one, whose address begins with `@`.
fn connect(address: &[u8]) -> Option<UnixDatagram> {
    let address = match address {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path)),
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    socket.connect_addr(&address.ok()?).ok()?;
    Some(socket)
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}
