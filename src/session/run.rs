//! A session's life, from order to report. Steps in order: claim the run; look up its owner; (PAM's place)
//! start the job; collect its output and take its end; (PAM's end, and mail's place) report; let go.

use std::fs::File;
use std::io::{self, Read, Stdout};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, setsid};

use crate::plan::run::{Order, Outcome, Report, Run, Usage};
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
    output.map_or((), drain);
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
        let started = SystemTime::now();
        let clock = Instant::now();
        let (outcome, used, rest) = match self.run_job() {
            Ok(ended) => ended,
            Err(why) => (Ended::new(Outcome::NotStarted(why)), None, None),
        };
        if let Some(echo) = self.echo {
            echo.finish(&said(&outcome.outcome, outcome.at.duration_since(clock)));
        }
        let output_bytes = self.output.bytes();
        let mut output = self.output.into_text();
        if rest.is_some() {
            append_line(&mut output.0, "[rat: background processes still hold the output]");
        }
        let report = Report {
            run: self.order.run,
            started: started.into(),
            ended: (started + outcome.at.duration_since(clock)).into(),
            outcome: outcome.outcome,
            usage: used.map(usage).unwrap_or_default(),
            output,
            output_bytes,
        };
        (report, rest)
    }

    fn run_job(&mut self) -> Result<(Ended, Option<Used>, Option<OwnedFd>), String> {
        let owner = Owner::look_up(&self.order.run.owner)?;
        let prepared = Prepared::new(&self.order.recipe, owner)?;
        let ends = ends_of_children().map_err(|error| cannot("watch the job", &error))?;
        let Started { pid, output, refused } =
            prepared.start().map_err(|error| cannot("fork", &error))?;
        let mut output = Some(File::from(output));
        let (end, used) = self
            .collect_until_end(pid, &ends, &mut output)
            .map_err(|error| cannot("watch the job", &error))?;
        let outcome = match (refused, end) {
            (Some(why), _) => Outcome::NotStarted(why),
            (None, End::Exited(status)) => Outcome::Exited(status),
            (None, End::Killed(signal)) => Outcome::Killed(signal),
        };
        let ended = Ended::new(outcome);
        self.collect_the_rest(&mut output);
        Ok((ended, Some(used), output.map(OwnedFd::from)))
    }
}
