//! A session's life, from order to report. Steps in order: claim the run; look up its owner; ask PAM; start the job;
//! collect its output and take its end; report; let go of the run; mail; close PAM.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Stdout, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::signalfd::SignalFd;
use nix::unistd::{Pid, setsid};

use crate::log::{self, Syslog, Weight, visible};
use crate::plan::civil::Timestamp;
use crate::plan::job::Kind;
use crate::plan::manner::{Ends, Letter};
use crate::plan::run::{Order, Outcome, Report, Usage};
use crate::plan::text::Text;
use crate::session::clock::{ends_of_children, uptime, wall_clock};
use crate::session::environment::{Around, Environment};
use crate::session::frame::{Answer, Header};
use crate::session::job::{Prepared, Refusal, Started};
use crate::session::mail::{Mail, Told, Unsafe};
use crate::session::mailer::{self, Untaken};
use crate::session::output::{Echo, Impatient, Output, append_line};
use crate::session::owner::Owner;
use crate::session::pam::{self, Admission};
use crate::session::report::Claim;
use crate::session::server::{self, Inherited};
use crate::session::stamp::Stamp;
use crate::sys::process::{self, End, Fork, Used};

/// How long the output may stay open after the main process ended.
const GRACE: Duration = Duration::from_secs(1);

/// How long a job that the kernel has no process for is tried again, and the pauses between.
const WITHOUT_PROCESS: Duration = Duration::from_secs(3600);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// How long a job that is asked to end may go on.
const PATIENCE: Duration = Duration::from_secs(10);

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
    let mut session = Session::new(order, runs.with_file_name("no-pam"));
    if let Some(over) = session.order.over.take() {
        return session.tell(*over, claim);
    }
    let (report, rest) = session.conduct();
    leave(&report, &claim);
    // The run is over; what comes now holds nobody up.
    drop(claim);
    let rest = leave_to_another(rest);
    let mail = session.conclude(&report);
    session.end(&report, mail);
    rest.into_iter().for_each(drain);
    ExitCode::SUCCESS
}

/// Lives the whole life of a session that nobody collects a report from, in a process that was just forked. The
/// stamp is held already, and `running` is dropped when the job is over, its stamp written and its end told.
pub fn live_alone(order: Order, stamp: Stamp, running: OwnedFd) -> ExitCode {
    if setsid().is_err() || process::reset_signals(server::IGNORED).is_err() {
        return ExitCode::FAILURE;
    }
    let mut session = Session::new(order, PathBuf::from("/dev/null/no-pam"));
    session.is_alone = true;
    session.stamp = Some(stamp);
    let (report, rest) = session.conduct();
    let mail = session.conclude(&report);
    drop(running);
    let rest = leave_to_another(rest);
    session.end(&report, mail);
    rest.into_iter().for_each(drain);
    ExitCode::SUCCESS
}

/// Has another process read what background processes still write. Given back where there can be none.
fn leave_to_another(rest: Option<OwnedFd>) -> Option<OwnedFd> {
    let output = rest?;
    match process::fork() {
        Ok(Fork::Child) => {
            drain(output);
            process::exit(0)
        }
        Ok(Fork::Parent(_)) => None,
        Err(_) => Some(output),
    }
}

fn claim(header: Header, json: &[u8], runs: &Path) -> Result<Option<(Order, Claim)>, Errno> {
    setsid()?;
    let errno = |error: io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
    process::reset_signals(server::IGNORED).map_err(errno)?;
    // Whoever asks it to end the job asks before there is one, too.
    SigSet::from(Signal::SIGTERM).thread_block()?;
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
    log: Syslog,
    /// What keeps other anacrons from the job.
    stamp: Option<Stamp>,
    /// The file that says that the log was told of a system without PAM.
    no_pam: PathBuf,
    /// The owner and the job's environment, once PAM had no objection.
    admitted: Option<(Owner, Environment)>,
    pam: Option<pam::Opened>,
    /// No ratd keeps what is reported.
    is_alone: bool,
}

/// A mail, and who has it sent.
type Addressed = (Mail, Owner);

impl Session {
    fn new(order: Order, no_pam: PathBuf) -> Session {
        let echo = order.echo.then(|| Echo::new(&order.run.name, Impatient::new(io::stdout())));
        let program = if order.recipe.kind == Kind::Period {
            "anacron".into()
        } else {
            order.manner.job.clone()
        };
        let log = Syslog::new(Path::new(OsStr::from_bytes(&order.log.0)), program);
        let output = Output::new(order.keep_output);
        let (stamp, admitted, pam) = (None, None, None);
        Session { output, echo, log, stamp, no_pam, admitted, pam, is_alone: false, order }
    }

    /// Mails how a run ended that was over before. What is said here is said once: first that it is, then it is.
    fn tell(mut self, over: Report, claim: Claim) -> ExitCode {
        leave(&Report { told: true, output: Text::default(), ..over.clone() }, &claim);
        drop(claim);
        match self.owner() {
            Ok(owner) => {
                let recipe = &self.order.recipe;
                let environment = {
                    let (manner, daemon) = (&self.order.manner, &self.order.daemon[..]);
                    let around = Around { manner, daemon, pam: &[], run: &self.order.run };
                    Environment::of(recipe, &owner.login, &owner.home, around)
                };
                if let Some(mail) = self.write_mail(&over, &owner, &environment) {
                    self.send(&mail, &over.output, &owner);
                }
            }
            Err(why) => {
                let owner = self.order.run.owner.clone();
                self.say(&owner, "MAIL", format!("nobody is told: {why}").as_bytes());
            }
        }
        ExitCode::SUCCESS
    }

    /// Runs the job. With the report comes the output's pipe if background processes still hold it.
    fn conduct(&mut self) -> (Report, Option<OwnedFd>) {
        let (started, clock) = (wall_clock(), uptime());
        let (ended, rest) = match self.take_stamp().and_then(|()| self.run_job()) {
            Ok(ended) => ended,
            Err(outcome) => (Ended::now(outcome, None), None),
        };
        self.write_stamp(&ended.outcome);
        if let Some(echo) = self.echo.take() {
            echo.finish(&said(&ended.outcome, ended.clock.saturating_sub(clock)));
        }
        let output_bytes = self.output.bytes();
        let mut output = std::mem::replace(&mut self.output, Output::new(0)).into_text();
        if rest.is_some() {
            append_line(&mut output.0, "[rat: background processes still hold the output]");
        }
        let report = Report {
            run: self.order.run.clone(),
            started,
            ended: ended.at,
            outcome: ended.outcome,
            usage: ended.used.map(usage).unwrap_or_default(),
            output,
            output_bytes,
            told: false,
        };
        (report, rest)
    }

    fn run_job(&mut self) -> Result<(Ended, Option<OwnedFd>), Outcome> {
        let cannot = |what, error: io::Error| format!("cannot {what}: {error}");
        let (owner, environment) = self.admit().map_err(Outcome::NotStarted)?;
        let homeless = &self.order.manner.homeless;
        let prepared = Prepared::new(&self.order.recipe, &environment, owner, homeless)
            .map_err(Outcome::NotStarted)?;
        let prepared = if self.order.as_ratd { prepared.sharing_output() } else { prepared };
        let ends = ends_of_children()
            .map_err(|error| Outcome::NotStarted(cannot("watch the job", error)))?;
        let started = self.start(&prepared, &ends);
        if let Some(pam) = &self.pam {
            pam.lift_limits();
        }
        let Started { pid, output, refused } = started.map_err(Outcome::NotStarted)?;
        self.log_start(pid, refused.as_ref());
        let mut output = output.map(File::from);
        let ended = match (refused, self.collect_until_end(pid, &ends, &mut output)) {
            (Some(refusal), _) => Ended::now(Outcome::NotStarted(refusal.why), None),
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

    /// Takes the stamp of a period job, unless another anacron has it or was first.
    fn take_stamp(&mut self) -> Result<(), Outcome> {
        let Some(asked) = self.order.stamp.clone().filter(|_| self.stamp.is_none()) else {
            return Ok(());
        };
        let path = Path::new(OsStr::from_bytes(&asked.file.0));
        match Stamp::take(path) {
            Ok(Some(stamp)) => match stamp.done() {
                Some(done) if !asked.once.is_owed(Some(done)) => {
                    Err(Outcome::LeftToAnother(format!("another anacron has done it on {done}")))
                }
                Some(_) | None => {
                    self.stamp = Some(stamp);
                    Ok(())
                }
            },
            Ok(None) => {
                self.explain("locked by another anacron - skipping");
                Err(Outcome::LeftToAnother("another anacron does it".to_owned()))
            }
            // Another anacron would follow a link, so it is not known who else does the job.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                self.complain_of_stamp(path, &error);
                Err(Outcome::NotStarted(format!("{}: {error}", path.display())))
            }
            // Nobody else can write there either, and the store tells when it was done.
            Err(error) => {
                self.complain_of_stamp(path, &error);
                Ok(())
            }
        }
    }

    /// Stamps a job that is done, and lets others have it.
    fn write_stamp(&mut self, outcome: &Outcome) {
        let (Some(stamp), Some(asked)) = (self.stamp.take(), &self.order.stamp) else { return };
        if asked.once.is_done_by(outcome)
            && let Err(error) = stamp.write(asked.once.date)
        {
            let path = PathBuf::from(OsStr::from_bytes(&asked.file.0));
            self.complain_of_stamp(&path, &error);
        }
        stamp.release();
    }

    fn complain_of_stamp(&mut self, path: &Path, error: &io::Error) {
        let detail = format!("{}: {error}", path.display());
        let owner = self.order.run.owner.clone();
        self.say(&owner, "STAMP", detail.as_bytes());
    }

    /// Says of a period job what anacron says.
    fn explain(&mut self, what: &str) {
        if self.order.recipe.kind == Kind::Period {
            let text = format!("Job `{}' {what}", self.order.run.name);
            self.log.sentence(Weight::Notice, &text);
            let _ = writeln!(io::stderr(), "{}", visible(text.as_bytes()));
        }
    }

    /// Starts the job. A user who may have no more processes, and a machine that can have none, have the job wait: it
    /// is not lost.
    fn start(&mut self, prepared: &Prepared, ends: &SignalFd) -> Result<Started, String> {
        let (until, mut pause) = (uptime() + WITHOUT_PROCESS, FIRST_PAUSE);
        loop {
            let why = match prepared.start() {
                Ok(Started { pid, refused: Some(refusal), .. }) if is_for_now(refusal.errno) => {
                    process::wait_for(pid).map_err(|error| error.to_string())?;
                    refusal.why
                }
                Err(error) if is_for_now(Errno::from_raw(error.raw_os_error().unwrap_or(0))) => {
                    format!("cannot fork: {error}")
                }
                started => return started.map_err(|error| format!("cannot fork: {error}")),
            };
            if uptime() >= until {
                return Err(why);
            }
            if pause == FIRST_PAUSE {
                let name = self.order.run.name.as_bytes();
                let why = format!("{why}; it waits");
                self.log.trouble(&self.order.run.owner, "CAN'T FORK", name, &why);
                if self.order.as_ratd {
                    self.write_to_stderr(&format!("CAN'T FORK: {why}"));
                }
            }
            if is_to_end(ends, pause).map_err(|error| error.to_string())? {
                return Err(format!("{why}, and it was not to wait any longer"));
            }
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// The line that every cron writes, in the name of the job's own process.
    fn log_start(&mut self, pid: Pid, refused: Option<&Refusal>) {
        if let Some(Refusal { errno, directory: Some(directory), .. }) = refused {
            return self.log.trouble("CRON", "ERROR chdir failed", &directory.0, errno.desc());
        }
        if self.order.recipe.kind == Kind::Period {
            if refused.is_none() {
                self.explain("started");
            }
            return;
        }
        if self.order.recipe.quiet {
            return;
        }
        let log = Path::new(OsStr::from_bytes(&self.order.log.0));
        let pid = pid.as_raw().unsigned_abs();
        let mut log = Syslog::new(log, self.order.manner.job.clone()).of_process(pid);
        let run = &self.order.run;
        log.with_fields(Weight::Info, (&run.owner, "CMD", self.shown()), &run.fields("start"));
    }

    /// What the log shows of the command. An at-job is a script: what it says is its owner's business.
    fn shown(&self) -> &[u8] {
        match self.order.recipe.kind {
            Kind::At => self.order.run.name.as_bytes(),
            Kind::Entry | Kind::SystemEntry | Kind::Period => &self.order.recipe.command.0,
        }
    }

    /// Who the job runs as. A container may have no users but the one it was started as, and no name for that.
    fn owner(&self) -> Result<Owner, String> {
        let login = &self.order.run.owner;
        if !self.order.as_ratd {
            return Owner::look_up(login);
        }
        let is_home = |(name, _): &&(Text, Text)| name.0 == b"HOME";
        let home = self.order.daemon.iter().find(is_home).map(|(_, home)| home.clone());
        Ok(Owner::of_this_process(login, home.unwrap_or_else(|| Text::from("/"))))
    }

    /// Looks up the owner, and asks PAM.
    fn admit(&mut self) -> Result<(Owner, Environment), String> {
        let mut owner = self.owner()?;
        owner.check_uid(self.order.recipe.uid)?;
        match pam::admit(self.order.recipe.kind, &mut owner) {
            Ok(Admission::NotAsked) => {}
            Ok(Admission::Absent(why)) => self.do_without_pam(&why),
            Ok(Admission::Opened(opened)) => self.pam = Some(opened),
            Err(why) => {
                let event = "FAILED to authorize user with PAM";
                self.log.cron(Weight::Error, &owner.login, event, why.as_bytes());
                return Err(format!("refused by PAM: {why}"));
            }
        }
        let around = Around {
            manner: &self.order.manner,
            daemon: &self.order.daemon,
            pam: self.pam.as_ref().map_or(&[][..], |pam| &pam.environment),
            run: &self.order.run,
        };
        let Order { recipe, manner, programs, .. } = &self.order;
        let environment = Environment::of(recipe, &owner.login, &owner.home, around)
            .with_run_parts(recipe, manner, programs);
        self.admitted = Some((owner.clone(), environment.clone()));
        Ok((owner, environment))
    }

    /// Tells the log, but only the first time since boot.
    fn do_without_pam(&mut self, why: &str) {
        if OpenOptions::new().write(true).create_new(true).open(&self.no_pam).is_ok() {
            self.log.cron(Weight::Info, "CRON", "INFO", format!("{why}; doing without").as_bytes());
        }
    }

    /// Tells what became of the job, as far as that is a session's to tell; and the mail about it.
    fn conclude(&mut self, report: &Report) -> Option<Addressed> {
        let letter = match self.admitted.take() {
            Some((owner, environment)) => {
                self.write_mail(report, &owner, &environment).map(|mail| (mail, owner))
            }
            None => None,
        };
        let mailing = if letter.is_some() { " (mailing output)" } else { "" };
        match &report.outcome {
            Outcome::Exited(0) => self.explain(&format!("terminated{mailing}")),
            Outcome::Exited(status) => {
                self.explain(&format!("terminated (exit status: {status}){mailing}"));
            }
            Outcome::Killed(signal) => {
                self.explain(&format!("terminated due to signal {signal}{mailing}"));
            }
            Outcome::NotStarted(why) => self.explain(&format!("not started: {why}{mailing}")),
            Outcome::LeftToAnother(_) | Outcome::Lost(_) => {}
        }
        letter
    }

    /// What follows when nobody waits for it any more: mail, and PAM's end.
    fn end(mut self, report: &Report, mail: Option<Addressed>) {
        let began = matches!(report.outcome, Outcome::Exited(_) | Outcome::Killed(_));
        let is_told = self.order.recipe.kind != Kind::Period && !self.order.recipe.quiet;
        if self.order.manner.ends == Ends::Command && began && is_told {
            let command = self.shown().to_vec();
            self.log.cron(Weight::Info, &self.order.run.owner, "CMDEND", &command);
        }
        if let Some((mail, owner)) = mail {
            self.send(&mail, &report.output, &owner);
        }
        if let Some(pam) = self.pam {
            pam.close();
        }
    }

    fn write_mail(
        &mut self,
        report: &Report,
        owner: &Owner,
        environment: &Environment,
    ) -> Option<Mail> {
        let host = nix::unistd::gethostname().unwrap_or_default();
        let host = host.to_string_lossy();
        let told = Told {
            report,
            recipe: &self.order.recipe,
            environment,
            host: host.split('.').next().unwrap_or_default(),
            manner: &self.order.manner,
            daemon: &self.order.daemon,
            codeset: &self.order.codeset,
            shown: self.order.echo || self.order.as_ratd,
        };
        match told.mail() {
            Ok(mail) => mail,
            Err(Unsafe { address }) => {
                let quoted = told.letter() == Letter::Quoted;
                let event = if quoted { "UNSAFE" } else { "UNSAFE MAIL" };
                self.say(&owner.login, event, &address.0);
                None
            }
        }
    }

    fn send(&mut self, mail: &Mail, output: &Text, owner: &Owner) {
        if let Some(Unsafe { address }) = &mail.warning {
            self.say(&owner.login, "UNSAFE MAILFROM", &address.0);
        }
        if let Err(untaken) = mailer::hand_over(mail, &self.order.mailer, owner) {
            if matches!(untaken, Untaken::NoMailer(_)) {
                self.log_unmailed(mail.letter, output);
            }
            let why = untaken.in_words(mail.output);
            let kept = format!("; run {} has the output", self.order.run.id);
            let kept = if self.is_alone { "" } else { kept.as_str() };
            self.say(&owner.login, "MAIL", format!("{why}{kept}").as_bytes());
        }
    }

    /// Without a mailer some crons have other words for it, or put the output itself into the log.
    fn log_unmailed(&mut self, letter: Letter, output: &Text) {
        match letter {
            Letter::Full | Letter::Bare => {}
            Letter::Named => {
                self.log.cron(Weight::Info, "CRON", "info", b"No MTA installed, discarding output");
            }
            Letter::Quoted => {
                let owner = self.order.run.owner.clone();
                let output = output.0.strip_suffix(b"\n").unwrap_or(&output.0);
                for line in output.split(|byte| *byte == b'\n') {
                    self.log.cron(Weight::Info, &owner, "CMDOUT", line);
                }
            }
        }
    }

    fn say(&mut self, who: &str, event: &str, detail: &[u8]) {
        self.log.cron(Weight::Error, who, event, detail);
        let detail = visible(detail);
        self.write_to_stderr(&format!("({who}) {event} ({detail})"));
    }

    /// Where that is ratd's standard error in a container, it is in the form of ratd's own lines.
    fn write_to_stderr(&self, text: &str) {
        let run = &self.order.run;
        let line = if self.order.as_ratd {
            let (job, id) = (run.name.as_str(), run.id.to_string());
            log::object("error", text, &[("event", "trouble"), ("job", job), ("run_id", &id)])
        } else {
            format!("{}: {text}\n", run.name)
        };
        let _ = io::stderr().write_all(line.as_bytes());
    }

    /// The end is the main process's, told by the kernel: the output may end long before or after.
    fn collect_until_end(
        &mut self,
        pid: Pid,
        ends: &SignalFd,
        output: &mut Option<File>,
    ) -> io::Result<(End, Used)> {
        let mut last_word: Option<Duration> = None;
        loop {
            let left = last_word.map(|at| at.saturating_sub(uptime()));
            let timeout = left.and_then(|left| PollTimeout::try_from(left).ok());
            if wait(output.as_ref(), Some(ends), timeout.unwrap_or(PollTimeout::NONE))? {
                self.collect(output);
            }
            while let Some(heard) = ends.read_signal()? {
                if heard.ssi_signo == Signal::SIGTERM as u32 && last_word.is_none() {
                    stop(pid, Signal::SIGTERM);
                    last_word = Some(uptime() + PATIENCE);
                }
            }
            if let Some(ended) = process::ended(pid)? {
                return Ok(ended);
            }
            if last_word.is_some_and(|at| at <= uptime()) {
                stop(pid, Signal::SIGKILL);
                last_word = Some(Duration::MAX);
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

/// Whether that may be otherwise in a moment.
fn is_for_now(errno: Errno) -> bool {
    matches!(errno, Errno::EAGAIN | Errno::ENOMEM)
}

/// Lets so much time pass; whether the session is asked to end the job before it does.
fn is_to_end(ends: &SignalFd, pause: Duration) -> io::Result<bool> {
    // What is heard of children that could not become the job is no news.
    let until = uptime() + pause;
    loop {
        while let Some(heard) = ends.read_signal()? {
            if heard.ssi_signo == Signal::SIGTERM as u32 {
                return Ok(true);
            }
        }
        let left = until.saturating_sub(uptime());
        if left.is_zero() {
            return Ok(false);
        }
        wait(None, Some(ends), PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX))?;
    }
}

/// Signals the job's process group, which its main process leads.
fn stop(pid: Pid, signal: Signal) {
    let _ = killpg(pid, signal);
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
fn leave(report: &Report, claim: &Claim) {
    let Err(error) = claim.publish(report) else { return };
    let lost = format!("[rat: output lost: {error}]\n");
    let mut short = Report { output: Text(lost.into_bytes()), ..report.clone() };
    let mut pause = Duration::from_millis(100);
    loop {
        match claim.publish(&short) {
            Ok(()) => return,
            // Nobody wants a report whose directory is gone.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(_) if !short.output.0.is_empty() => short.output = Text::default(),
            // A limit of the owner's that this root may not lift will never leave room.
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return,
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
        Outcome::NotStarted(why) | Outcome::LeftToAnother(why) => format!("not started: {why}"),
        Outcome::Lost(why) => format!("lost: {why}"),
    }
}
