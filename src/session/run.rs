//! A session's life, from order to report. Steps in order: claim the run; look up its owner; (PAM's place)
//! start the job; collect its output and take its end; (PAM's end, and mail's place) report; let go.

use std::fs::File;
use std::io::{self, Read, Stdout};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, setsid};

use crate::plan::civil::Timestamp;
use crate::plan::run::{Order, Outcome, Report, Usage};
use crate::plan::text::Text;
use crate::session::frame::{Answer, Header};
use crate::session::job::{Prepared, Started};
use crate::session::output::{Echo, Impatient, Output, append_line};
use crate::session::owner::Owner;
use crate::session::report::Claim;
use crate::session::server::{self, Inherited};
use crate::sys::process::{self, End, Used};

/// How long the output may stay open after the main process ended.
const GRACE: Duration = Duration::from_secs(1);

/// The longest pause between two tries to write a report where there is no room for it.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Lives the whole life of a session, in a process that was just forked from the fork server.
pub fn live(header: Header, json: &[u8], runs: &Path, inherited: Inherited) -> ExitCode {
    let (order, claim) = match claim(header, json, runs) {
        Ok(Some(claimed)) => claimed,
        Ok(None) => return ExitCode::SUCCESS,
        Err(errno) => {
            // If ratd is gone, the next one finds no claim and says that the run was lost.
            let refused = Answer::Refused { run: header.run, errno: errno as i32 };
            let _ = server::answer(&inherited.socket, refused);
            return ExitCode::FAILURE;
        }
    };
    // Only now: until the run is claimed, the fork server's lock says that its order may still start it.
    drop(inherited);
    let (report, output) = Session::new(order).conduct();
    leave(report, &claim);
    drop(claim);
    if let Some(output) = output {
        drain(output);
    }
    ExitCode::SUCCESS
}

fn claim(header: Header, json: &[u8], runs: &Path) -> Result<Option<(Order, Claim)>, Errno> {
    setsid()?;
    let errno = |error: io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
    process::reset_signals(server::IGNORED).map_err(errno)?;
    let order: Order = serde_json::from_slice(json).map_err(|_| Errno::EBADMSG)?;
    if order.run.id != header.run {
        return Err(Errno::EBADMSG);
    }
    let claim = Claim::take(runs, &order.run).map_err(errno)?;
    Ok(claim.map(|claim| (order, claim)))
}

/// A session whose run is claimed.
struct Session {
    order: Order,
    output: Output,
    echo: Option<Echo<Impatient<Stdout>>>,
}

impl Session {
    fn new(order: Order) -> Session {
        let echo = order.echo.then(|| Echo::new(&order.run.name, Impatient::new(io::stdout())));
        Session { output: Output::new(order.keep_output), echo, order }
    }

    /// Runs the job. With the report comes the output's pipe if background processes still hold it.
    fn conduct(mut self) -> (Report, Option<OwnedFd>) {
        let (started, clock) = (wall_clock(), uptime());
        let (ended, rest) = match self.run_job() {
            Ok(ended) => ended,
            Err(why) => (Ended::now(Outcome::NotStarted(why), None), None),
        };
        if let Some(echo) = self.echo {
            echo.finish(&said(&ended.outcome, ended.clock.saturating_sub(clock)));
        }
        let output_bytes = self.output.bytes();
        let mut output = self.output.into_text();
        if rest.is_some() {
            append_line(&mut output.0, "[rat: background processes still hold the output]");
        }
        let report = Report {
            run: self.order.run,
            started,
            ended: ended.at,
            outcome: ended.outcome,
            usage: ended.used.map(usage).unwrap_or_default(),
            output,
            output_bytes,
        };
        (report, rest)
    }

    fn run_job(&mut self) -> Result<(Ended, Option<OwnedFd>), String> {
        let cannot = |what, error: io::Error| format!("cannot {what}: {error}");
        let owner = Owner::look_up(&self.order.run.owner)?;
        let prepared = Prepared::new(&self.order.recipe, owner)?;
        let ends = ends_of_children().map_err(|error| cannot("watch the job", error))?;
        let Started { pid, output, refused } =
            prepared.start().map_err(|error| cannot("fork", error))?;
        let mut output = Some(File::from(output));
        let ended = match (refused, self.collect_until_end(pid, &ends, &mut output)) {
            (Some(why), _) => Ended::now(Outcome::NotStarted(why), None),
            (None, Ok((End::Exited(status), used))) => {
                Ended::now(Outcome::Exited(status), Some(used))
            }
            (None, Ok((End::Killed(signal), used))) => {
                Ended::now(Outcome::Killed(signal), Some(used))
            }
            (None, Err(error)) => Ended::now(Outcome::Lost(cannot("watch the job", error)), None),
        };
        self.collect_the_rest(&mut output);
        Ok((ended, output.map(OwnedFd::from)))
    }

    /// The end is the main process's, told by the kernel: the output may end long before or after.
    fn collect_until_end(
        &mut self,
        pid: Pid,
        ends: &SignalFd,
        output: &mut Option<File>,
    ) -> io::Result<(End, Used)> {
        loop {
            if wait(output.as_ref(), Some(ends), PollTimeout::NONE)? {
                self.collect(output);
            }
            while ends.read_signal()?.is_some() {}
            if let Some(ended) = process::ended(pid)? {
                return Ok(ended);
            }
        }
    }

    /// What is still on its way. Background processes get a grace, but hold no run.
    fn collect_the_rest(&mut self, output: &mut Option<File>) {
        let deadline = uptime() + GRACE;
        while output.is_some() {
            let left = deadline.saturating_sub(uptime());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
            match wait(output.as_ref(), None, timeout) {
                Ok(true) if !left.is_zero() => self.collect(output),
                _ if left.is_zero() => return,
                _ => {}
            }
        }
    }

    fn collect(&mut self, output: &mut Option<File>) {
        let mut buffer = [0; 64 << 10];
        match output.as_mut().map_or(Ok(0), |output| output.read(&mut buffer)) {
            Ok(0) => *output = None,
            Ok(length) => {
                self.output.push(&buffer[..length]);
                if let Some(echo) = &mut self.echo {
                    echo.push(&buffer[..length]);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => *output = None,
        }
    }
}

/// The end of a run, and when it was seen.
struct Ended {
    outcome: Outcome,
    used: Option<Used>,
    at: Timestamp,
    clock: Duration,
}

impl Ended {
    fn now(outcome: Outcome, used: Option<Used>) -> Ended {
        Ended { outcome, used, at: wall_clock(), clock: uptime() }
    }
}

fn wall_clock() -> Timestamp {
    let now = clock_gettime(ClockId::CLOCK_REALTIME).map_or(Duration::ZERO, Duration::from);
    Timestamp::UNIX_EPOCH + now
}

fn uptime() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from)
}

/// Tells when a child may have ended.
fn ends_of_children() -> io::Result<SignalFd> {
    let signals = SigSet::from(Signal::SIGCHLD);
    signals.thread_block()?;
    Ok(SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

/// Waits for either; whether it is the output that can be read, be it only its end.
fn wait(output: Option<&File>, ends: Option<&SignalFd>, timeout: PollTimeout) -> io::Result<bool> {
    let descriptors = output.map(AsFd::as_fd).into_iter().chain(ends.map(AsFd::as_fd));
    let mut polled: Vec<_> =
        descriptors.map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN)).collect();
    match poll(&mut polled, timeout) {
        Ok(_) => {}
        Err(Errno::EINTR) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    Ok(output.is_some() && polled[0].any().unwrap_or(true))
}

/// Leaves the report. Where there is no room it is tried without the output, and then again and again:
/// until then the run counts as alive, and its outcome is not lost.
fn leave(mut report: Report, claim: &Claim) {
    let mut pause = Duration::from_millis(100);
    loop {
        match claim.publish(&report) {
            Ok(()) => return,
            // Nobody wants a report whose directory is gone.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) if !report.output.0.is_empty() => {
                report.output = Text(format!("[rat: output lost: {error}]\n").into_bytes());
                if claim.publish(&report).is_ok() {
                    return;
                }
                report.output = Text::default();
            }
            Err(_) => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Reads what background processes write after the run is over, and forgets it: if nobody read it,
/// the next write would kill them.
fn drain(rest: OwnedFd) {
    let _ = io::copy(&mut File::from(rest), &mut io::sink());
}

fn usage(used: Used) -> Usage {
    let microseconds = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    Usage {
        user_microseconds: microseconds(used.user),
        system_microseconds: microseconds(used.system),
        max_rss_kib: used.max_rss_kib,
    }
}

fn said(outcome: &Outcome, after: Duration) -> String {
    let after = after.as_secs_f64();
    match outcome {
        Outcome::Exited(status) => format!("exited with status {status} after {after:.1}s"),
        Outcome::Killed(signal) => {
            let name = Signal::try_from(*signal).map_or("unknown", Signal::as_str);
            format!("killed by signal {signal} ({name}) after {after:.1}s")
        }
        Outcome::NotStarted(why) => format!("not started: {why}"),
        Outcome::Lost(why) => format!("lost: {why}"),
    }
}
