//! rat-anacron: one call of anacron, which runs what is owed and ends. It takes the stamps that ratd and any other
//! anacron take, so none runs a job that another has. Each run is a session's, which outlives this program.

pub mod options;
pub mod table;
pub mod voice;

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{chdir, dup2_stderr, dup2_stdin, dup2_stdout, pipe2, setsid};

use crate::anacron::options::Options;
use crate::anacron::table::Table;
use crate::anacron::voice::Voice;
use crate::client::called;
use crate::paths::Paths;
use crate::plan::catch_up::{Every, Once};
use crate::plan::civil::{Timestamp, reading};
use crate::plan::job::{Job, Recipe};
use crate::plan::manner;
use crate::plan::pass::{Next, Pass, Planned};
use crate::plan::run::{Mailer, Order, Run, RunId, Stamp as Asked, Trigger};
use crate::plan::schedule::Schedule;
use crate::plan::text::Text;
use crate::session::clock::{uptime, wall_clock};
use crate::session::run;
use crate::session::stamp::{self, Stamp};
use crate::sys::host::{codeset, user_name};
use crate::sys::process::{self, Fork};
use crate::zone::Zone;

/// How much output of a job is kept until it is mailed, in bytes.
const KEEP_OUTPUT: u64 = 1 << 20;

/// How long the system's mailer may take for a mail, in seconds.
const MAIL_PATIENCE: u32 = 300;

/// The program.
pub fn main() -> ExitCode {
    let name = called::name("rat-anacron");
    let options = match Options::read(std::env::args_os()) {
        Ok(options) => options,
        Err((error, status)) => {
            let _ = error.print();
            return ExitCode::from(status);
        }
    };
    let asked = options.root.clone().or_else(|| std::env::var_os("RAT_ROOT").map(PathBuf::from));
    let root = asked.filter(|root| !root.as_os_str().is_empty()).unwrap_or_else(|| "/".into());
    let paths = Paths::system(&root);
    let mut voice = Voice::new(name, &paths, &options);
    match conduct(&options, &paths, &mut voice) {
        Ok(status) => status,
        Err(why) => {
            voice.complain(&why);
            ExitCode::FAILURE
        }
    }
}

fn conduct(options: &Options, paths: &Paths, voice: &mut Voice) -> Result<ExitCode, String> {
    let table = Table::read(options, paths)?;
    table.complaints().for_each(|complaint| voice.complain(&complaint));
    if options.test {
        return Ok(if table.is_wrong() { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    let spool = spool(options, paths)?;
    let zone = Zone::local(&paths.root).map_err(|unknown| unknown.to_string())?;
    let jobs = table.asked(&options.jobs);
    if options.update {
        return Ok(update(&jobs, &spool, &zone, voice));
    }
    if !options.foreground && !is_in_background().map_err(|error| error.to_string())? {
        return Ok(ExitCode::SUCCESS);
    }
    if options.quiet {
        let null = OpenOptions::new().write(true).open("/dev/null");
        null.and_then(|null| Ok(dup2_stderr(null)?)).map_err(|error| error.to_string())?;
    }
    let began = wall_clock();
    let today = reading(&zone, began).date();
    voice.explain(&format!("Anacron started on {today}"));
    let mut anacron = Anacron {
        log: paths.under_root("dev/log"),
        programs: paths.programs(),
        spool,
        began,
        zone,
        signals: signals().map_err(|error| format!("cannot take signals: {error}"))?,
        ends: Vec::new(),
        sessions: 0,
        started: 0,
        is_stopped: false,
        has_failed: false,
    };
    let jobs = anacron.consider(jobs, options, voice);
    let mut pass = Pass::new(jobs, options.call());
    voice.intend(&pass);
    anacron.carry_out(&mut pass, voice).map_err(|error| format!("cannot go on: {error}"))?;
    Ok(if anacron.has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Where the stamps are; that it is there is known before anything is run.
fn spool(options: &Options, paths: &Paths) -> Result<PathBuf, String> {
    let asked = options.spool.clone().unwrap_or_else(|| stamp::directory(paths));
    if options.spool.is_none() {
        // If it can be made: the next line says what is wrong.
        let _ = std::fs::create_dir_all(&asked);
    }
    let spool = std::fs::read_dir(&asked).and_then(|_| std::path::absolute(&asked));
    spool.map_err(|error| format!("Can't chdir to {}: {error}", asked.display()))
}

/// `-u`: the jobs count as done today. Whoever runs one now, be it this program's caller, goes on.
fn update(jobs: &[(usize, Arc<Job>)], spool: &Path, zone: &Zone, voice: &mut Voice) -> ExitCode {
    let today = reading(zone, wall_clock()).date();
    let mut status = ExitCode::SUCCESS;
    for (_, job) in jobs {
        match stamp::write(&spool.join(&job.name), today) {
            Ok(()) => {
                voice.explain(&format!("Updated timestamp for job `{}' to {today}", job.name));
            }
            Err(error) => {
                voice.complain(&format!("Can't write timestamp file {}: {error}", job.name));
                status = ExitCode::FAILURE;
            }
        }
    }
    status
}

/// Forks, and goes on in the child, which nobody waits for and who says nothing.
fn is_in_background() -> io::Result<bool> {
    if let Fork::Parent(_) = process::fork()? {
        return Ok(false);
    }
    setsid()?;
    chdir("/")?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    Ok(true)
}

/// The signals that are waited for: sessions end, and SIGUSR1 asks to start nothing more.
fn signals() -> io::Result<SignalFd> {
    let set: SigSet = [Signal::SIGCHLD, Signal::SIGUSR1].into_iter().collect();
    set.thread_block()?;
    Ok(SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

/// The lock that a job is held by from when it is considered until it is done, and what it will be stamped with.
struct Held {
    stamp: Stamp,
    once: Once,
}

/// One call.
struct Anacron {
    log: PathBuf,
    programs: PathBuf,
    spool: PathBuf,
    began: Timestamp,
    zone: Zone,
    signals: SignalFd,
    /// One a job that runs; at its end of file the job is over.
    ends: Vec<OwnedFd>,
    /// Sessions that live; they may still mail.
    sessions: usize,
    started: usize,
    is_stopped: bool,
    has_failed: bool,
}

impl Anacron {
    /// The jobs that are owed, each with the lock on its stamp.
    fn consider(
        &mut self,
        jobs: Vec<(usize, Arc<Job>)>,
        options: &Options,
        voice: &mut Voice,
    ) -> Vec<Planned<Held>> {
        let mut planned = Vec::new();
        for (asked, job) in jobs {
            let Schedule::Every(every) = &job.schedule else { continue };
            let path = self.spool.join(&job.name);
            let runs = |done| {
                let every = Every { done, ..every.clone() };
                options.call().runs(&every, self.began, &self.zone)
            };
            if !runs(stamp::read(&path)) {
                continue;
            }
            match Stamp::take(&path) {
                // Another may have done it since it was read.
                Ok(Some(stamp)) if runs(stamp.done()) => {
                    let delay = Duration::from_secs(60 * u64::from(every.delay));
                    // As anacron does: the day on which it was called, however late a job is started.
                    let date = reading(&self.zone, self.began).date();
                    let (period, on_success) = (every.period, job.retries.times > 0);
                    let once = Once { period, date, forced: false, on_success };
                    let held = Held { stamp, once };
                    planned.push(Planned { job: job.clone(), asked, delay, held });
                }
                Ok(Some(_)) => {}
                Ok(None) => {
                    let name = &job.name;
                    voice.explain(&format!("Job `{name}' locked by another anacron - skipping"));
                }
                Err(error) => {
                    self.has_failed = true;
                    let name = &job.name;
                    voice.complain(&format!("Can't open timestamp file for job {name}: {error}"));
                }
            }
        }
        planned
    }

    /// Runs the jobs, and waits for all that comes of it.
    fn carry_out(&mut self, pass: &mut Pass<Held>, voice: &mut Voice) -> io::Result<()> {
        let began = uptime();
        loop {
            let elapsed = uptime().saturating_sub(began);
            match pass.next(elapsed) {
                Next::Start(planned) => self.start(planned, pass, voice),
                Next::Wait(until) => self.wait(Some(until.saturating_sub(elapsed)), pass, voice)?,
                Next::Rest => self.wait(None, pass, voice)?,
                Next::Over => break,
            }
        }
        while self.sessions > 0 {
            self.wait(None, pass, voice)?;
        }
        let count = self.started;
        let s = if count == 1 { "" } else { "s" };
        voice.explain(&match self.is_stopped {
            true => "Exited".to_owned(),
            false => format!("Normal exit ({count} job{s} run)"),
        });
        Ok(())
    }

    fn start(&mut self, planned: Planned<Held>, pass: &mut Pass<Held>, voice: &mut Voice) {
        let order = self.order(&planned.job, planned.held.once);
        let forked = pipe2(OFlag::O_CLOEXEC)
            .map_err(io::Error::from)
            .and_then(|pipe| Ok((pipe, process::fork()?)));
        match forked {
            Ok(((end, running), Fork::Child)) => {
                // The stamps of the jobs that wait are this program's alone.
                pass.stop();
                drop(end);
                let _ = run::live_alone(order, planned.held.stamp, running);
                process::exit(0)
            }
            Ok(((end, _), Fork::Parent(_))) => {
                self.ends.push(end);
                self.sessions += 1;
                self.started += 1;
            }
            Err(error) => {
                pass.end();
                self.has_failed = true;
                voice.complain(&format!("Can't start job `{}': {error}", planned.job.name));
            }
        }
    }

    fn order(&self, job: &Job, once: Once) -> Order {
        let now = wall_clock();
        let owner = user_name();
        let file = Text(self.spool.join(&job.name).into_os_string().into_vec());
        let inherited = std::env::vars_os()
            .map(|(name, value)| (Text(name.into_vec()), Text(value.into_vec())));
        let assigned = job.recipe.environment.iter().cloned();
        let environment = inherited.chain(assigned).collect();
        let number = now.timestamp_micros().unsigned_abs();
        Order {
            run: Run {
                id: RunId(number + self.started as u64),
                job: job.id.clone(),
                name: job.name.clone(),
                owner,
                due: now,
                trigger: Trigger::Schedule,
                attempt: 1,
            },
            recipe: Recipe { environment, ..job.recipe.clone() },
            stamp: Some(Asked { file, once }),
            keep_output: KEEP_OUTPUT,
            echo: false,
            as_ratd: false,
            mailer: Mailer { program: None, patience: MAIL_PATIENCE },
            over: None,
            manner: manner::OWN,
            daemon: Vec::new(),
            programs: Text(self.programs.as_os_str().as_bytes().to_vec()),
            codeset: codeset(),
            log: Text(self.log.as_os_str().as_bytes().to_vec()),
        }
    }

    /// Waits for the end of a job or of a session, for a signal, or for so long.
    fn wait(
        &mut self,
        time: Option<Duration>,
        pass: &mut Pass<Held>,
        voice: &mut Voice,
    ) -> io::Result<()> {
        let timeout = match time {
            // A moment more, so that the time has come when it wakes.
            Some(time) => {
                PollTimeout::try_from(time + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
            }
            None => PollTimeout::NONE,
        };
        let fds = std::iter::once(self.signals.as_fd()).chain(self.ends.iter().map(AsFd::as_fd));
        let mut ready: Vec<_> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        match poll(&mut ready, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let over: Vec<bool> = ready[1..].iter().map(|fd| fd.any().unwrap_or(false)).collect();
        let mut over = over.into_iter();
        self.ends.retain(|_| {
            let is_over = over.next().unwrap_or(false);
            if is_over {
                pass.end();
            }
            !is_over
        });
        while let Some(heard) = self.signals.read_signal()? {
            if heard.ssi_signo.cast_signed() == Signal::SIGUSR1 as i32 {
                voice.explain("Received SIGUSR1");
                self.is_stopped = true;
                pass.stop();
            }
        }
        self.bury();
        Ok(())
    }

    fn bury(&mut self) {
        let gone = || {
            waitpid(None, Some(WaitPidFlag::WNOHANG))
                .is_ok_and(|status| status != WaitStatus::StillAlive)
        };
        while gone() {
            self.sessions = self.sessions.saturating_sub(1);
        }
    }
}
