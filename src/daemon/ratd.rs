//! The loop: wait, decide, do. One thread that waits for nothing but its epoll set. What may wait for a disk is told
//! to the disk thread, what runs is told to the fork server, and what is decided is decided by the scheduler.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, Inotify};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;

use crate::daemon::connections::{Client, Connections, FIRST};
use crate::daemon::crash::{Crash, Place};
use crate::daemon::daemonize::Starter;
use crate::daemon::disk::{Answer, Disk, Errand};
use crate::daemon::options::Mode;
use crate::daemon::runner::Runner;
use crate::daemon::say;
use crate::daemon::state::State;
use crate::daemon::stopping::Stopping;
use crate::daemon::surroundings::Surroundings;
use crate::daemon::systemd::Notify;
use crate::daemon::wait::{self, For, Ready, Token, Wait};
use crate::daemon::writes::Write;
use crate::log::{Loudness, Syslog, Weight};
use crate::plan::absence::{Clocks, noticed};
use crate::plan::civil::Timestamp;
use crate::plan::clock_step::Now;
use crate::plan::manner::Ends;
use crate::plan::run::{Outcome, Run};
use crate::plan::scheduler::{Action, Event, Scheduler};
use crate::session::report;
use crate::sys::uevent::Uevents;
use crate::sys::{host, power};

const LISTENER: Token = Token(1);
const SIGNALS: Token = Token(2);
const CHANGES: Token = Token(3);
const DISK: Token = Token(4);
pub const FORK_SERVER: Token = Token(5);
const DEVICES: Token = Token(6);

/// Without descriptors for clients that wait to connect, they are tried again after this.
const DEAF: TimeDelta = TimeDelta::seconds(1);

/// So long a ratd that was told to stop still replies to those who asked before.
const FAREWELL: Duration = Duration::from_secs(5);

/// Everything that the loop holds.
pub struct Ratd {
    pub mode: Mode,
    pub wait: Wait,
    pub scheduler: Scheduler,
    pub disk: Disk,
    pub runner: Runner,
    pub connections: Connections,
    pub signals: SignalFd,
    pub changes: Arc<Inotify>,
    /// The watch on the directory of runs; all others are on crontabs and zones.
    pub runs: nix::sys::inotify::WatchDescriptor,
    /// What ratd says of itself.
    pub syslog: Syslog,
    /// What it says of jobs.
    pub job_log: Syslog,
    /// What goes along with every order.
    pub surroundings: Surroundings,
    /// How much is said.
    pub loudness: Loudness,
    pub starter: Starter,
    pub notify: Notify,
    pub crash: Crash,
    /// What the kernel tells of devices, while something waits for mains power.
    pub devices: Option<io::Result<Uevents>>,
    pub state: State,
    /// It was told to stop, and replies until then at most, by the clock that nobody sets.
    pub leaves: Option<Duration>,
    /// In a container: it leaves when its jobs have ended.
    pub stopping: Option<Stopping>,
}

/// Whether the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    GoesOn,
    Ends,
}

impl Ratd {
    /// Waits, decides and does, until ratd is told to stop.
    pub fn run(mut self) -> io::Result<()> {
        self.syslog.cron(Weight::Info, "CRON", "STARTUP", env!("CARGO_PKG_VERSION").as_bytes());
        self.connections.watch(&self.wait, LISTENER)?;
        self.wait.add(&self.signals, SIGNALS, For::Reading)?;
        self.wait.add(&*self.changes, CHANGES, For::Reading)?;
        self.wait.add(self.disk.descriptor(), DISK, For::Reading)?;
        self.runner.watch(&self.wait, FORK_SERVER)?;
        loop {
            let wakeup = self.next_wakeup()?;
            tracing::debug!("waiting, at most until {wakeup:?}");
            let (now, ready) = self.wait.next(wakeup)?;
            tracing::debug!("woke at {}: {ready:?}", now.wall);
            self.notify.feed(&now);
            self.connections.listen_again(&self.wait, LISTENER);
            self.note_absence(&now, wakeup)?;
            self.decide(&now, Event::Woke);
            self.look_for_mains(&now);
            self.revive(&now);
            for ready in ready {
                if self.attend(&now, ready)? == Life::Ends {
                    return Ok(());
                }
            }
            if self.leaves.is_none() && self.has_outlived_jobs(&now) {
                self.leave(&now);
            }
            if self.has_left(&now) {
                self.farewell();
                return Ok(());
            }
            if self.state.ready {
                let (count, running) = (self.scheduler.count(), self.state.running.len());
                self.notify.status(count, running, self.scheduler.next_wakeup());
            }
        }
    }

    /// Writes down that nothing was handled for a while, if that is so.
    fn note_absence(&mut self, now: &Now, wakeup: Option<Timestamp>) -> io::Result<()> {
        let since_boot = wait::since_boot()?;
        let clocks = Clocks { wall: now.wall, awake: now.monotonic, since_boot };
        let before = self.state.clocks.replace(clocks);
        if let Some(absence) = before.and_then(|before| noticed(&before, &clocks, wakeup)) {
            self.disk.record(Write::Absent { absence });
        }
        Ok(())
    }

    /// When there is something to do at the latest.
    fn next_wakeup(&self) -> io::Result<Option<Timestamp>> {
        let due = [self.scheduler.next_wakeup(), self.runner.wakeup(), self.notify.wakeup()];
        let deaf = if self.connections.is_deaf() { Some(wait::now()?.wall + DEAF) } else { None };
        let gone = match self.leaves.or(self.stopping.and_then(|stopping| stopping.until)) {
            Some(until) => {
                let now = wait::now()?;
                let left = TimeDelta::from_std(until.saturating_sub(now.monotonic));
                Some(now.wall + left.unwrap_or_default())
            }
            None => None,
        };
        Ok(due.into_iter().chain([deaf, gone]).flatten().min())
    }

    /// Whether a ratd that was told to stop can go.
    fn has_left(&self, now: &Now) -> bool {
        let is_time = |until| now.monotonic >= until || !self.connections.owe_replies();
        self.leaves.is_some_and(is_time)
    }

    /// Listens for power supplies while something waits for one. Where nothing can be heard of them it is looked for
    /// one whenever something else happens.
    fn look_for_mains(&mut self, now: &Now) {
        if !self.scheduler.waits_for_mains() {
            self.devices = None;
            return;
        }
        if let Some(Ok(devices)) = &self.devices {
            devices.take();
        } else if self.devices.is_none() {
            let devices = Uevents::listen();
            let devices = devices.and_then(|devices| {
                self.wait.add(&devices, DEVICES, For::Reading)?;
                Ok(devices)
            });
            if let Err(error) = &devices {
                tracing::warn!("cannot listen for power supplies: {error}");
            }
            self.devices = Some(devices);
        }
        let mains = power::on_mains(&self.mode.paths.root);
        self.decide(now, Event::Power { mains });
    }

    fn attend(&mut self, now: &Now, ready: Ready) -> io::Result<Life> {
        match ready.token {
            LISTENER => self.connections.accept(&self.wait),
            SIGNALS => return self.obey(now),
            CHANGES => self.notice(now)?,
            DISK => self.listen(now)?,
            FORK_SERVER => self.hear(now, ready),
            Token(client) if client >= FIRST => self.serve(now, Client(client)),
            Token(_) => {}
        }
        Ok(Life::GoesOn)
    }

    /// Tells the scheduler what happened, and does what it answers.
    pub fn decide(&mut self, now: &Now, event: Event) {
        let mut started = false;
        for action in self.scheduler.handle(now, event) {
            match action {
                // What is due now is nobody's any more; at-jobs stay queued.
                Action::Start { .. } | Action::Claim { .. } if self.stopping.is_some() => {}
                Action::Start { run, recipe, source, once } => {
                    started = true;
                    let order = self.order_to_start(run, recipe, source, once);
                    self.start(now.wall, order);
                }
                Action::Claim { kind, first, limit } => {
                    self.crash.at(Place::BeforeClaim);
                    self.disk.must(Write::Claim { kind, first, limit, now: now.wall });
                }
                Action::AskLoad => {
                    let hundredths = host::load();
                    self.decide(now, Event::Load { hundredths });
                }
                Action::Missed { job, times, since } => {
                    self.state.runs_missed += u64::from(times);
                    let text = format!(
                        "{}: {times} runs missed since {}",
                        job.name,
                        say::instant(since, &*job.zone)
                    );
                    self.job_log.cron(Weight::Info, &job.owner, "MISSED", text.as_bytes());
                    tracing::warn!(event = "miss", job = job.name, times, "{text}");
                }
                Action::Skipped { job, due: at } => {
                    self.state.runs_missed += 1;
                    let due = say::instant(at, &*job.zone);
                    let text = format!("{}: not started at {due}: it still runs", job.name);
                    self.job_log.cron(Weight::Info, &job.owner, "SKIPPED", text.as_bytes());
                    tracing::warn!(event = "skip", job = job.name, "{text}");
                    if job.terms.make_up() {
                        self.disk.must(Write::Handled { job: job.id.clone(), due: at });
                    }
                }
                Action::Stamp { job, date } => {
                    self.disk.must(Write::Stamp { ident: job.name.clone(), date })
                }
                Action::Recall { entries } => {
                    self.disk.must(Write::Recall { entries, now: now.wall });
                }
                Action::Owe { job, owed, handled } => {
                    self.disk.must(Write::Owe { job, owed, handled });
                }
                Action::Forget { jobs } => self.disk.must(Write::Forget { jobs }),
                Action::MakeUp { run, job } => {
                    self.crash.at(Place::BeforeClaim);
                    self.disk.must(Write::MakeUp { run, job, at: now.wall });
                }
                Action::AskPower => {
                    let mains = power::on_mains(&self.mode.paths.root);
                    self.decide(now, Event::Power { mains });
                }
            }
        }
        if started {
            // A full queue may refuse it: the next start asks again.
            self.disk.may(Errand::CheckZones);
        }
    }

    fn obey(&mut self, now: &Now) -> io::Result<Life> {
        while let Some(heard) = self.signals.read_signal()? {
            match Signal::try_from(heard.ssi_signo.cast_signed()) {
                Ok(signal @ (Signal::SIGTERM | Signal::SIGINT | Signal::SIGQUIT)) => {
                    if self.leaves.is_some() {
                        self.farewell();
                        return Ok(Life::Ends);
                    }
                    match self.mode.container {
                        Some(container) => self.stop_in_container(now, container, signal),
                        None => self.leave(now),
                    }
                }
                Ok(Signal::SIGHUP) => {
                    self.notify.reloading(now);
                    self.disk.look();
                }
                Ok(Signal::SIGUSR1) => say::state(&self.state, &self.scheduler),
                Ok(Signal::SIGUSR2) => self.loudness.toggle(),
                // That it died is noticed by its socket; here it is only buried.
                Ok(Signal::SIGCHLD) => Runner::bury(),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(Life::GoesOn)
    }

    /// Takes no more clients, but does not go before those who are there have their replies: what a client asked for
    /// may have been done, and it is to know.
    fn leave(&mut self, now: &Now) {
        self.notify.stopping();
        self.connections.stop_listening(&self.wait);
        self.leaves = Some(now.monotonic + FAREWELL);
    }

    fn farewell(&mut self) {
        self.syslog.cron(Weight::Info, "CRON", "INFO", b"Shutting down");
        say::farewell(&self.mode, &self.state);
    }

    /// Something changed in a directory of runs, crontabs or zones.
    fn notice(&mut self, now: &Now) -> io::Result<()> {
        let (mut look, mut begun, mut over) = (false, Vec::new(), BTreeSet::new());
        loop {
            let events = match self.changes.read_events() {
                Ok(events) => events,
                Err(Errno::EAGAIN) => break,
                Err(error) => return Err(error.into()),
            };
            for event in events {
                if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                    look = true;
                    self.disk.must(Errand::CollectAll { now: now.wall });
                } else if event.wd != self.runs {
                    look = true;
                } else if let Some(name) = event.name.as_ref().and_then(|name| name.to_str()) {
                    if event.mask.contains(AddWatchFlags::IN_CREATE) {
                        begun.extend(report::run_of(name));
                    } else {
                        over.extend(report::run_of(name).or_else(|| report::session_of(name)));
                    }
                }
            }
        }
        for run in begun {
            self.runner.confirm(run);
            self.crash.at(Place::AfterBegin);
        }
        for run in over {
            self.runner.confirm(run);
            self.crash.at(Place::BeforeReport);
            self.disk.collect(run, now.wall);
        }
        if look {
            self.disk.look();
        }
        Ok(())
    }

    /// The disk thread has answers.
    fn listen(&mut self, now: &Now) -> io::Result<()> {
        for answer in self.disk.answers() {
            match answer {
                Answer::Identified { client, caller } => self.name(now, client, caller),
                Answer::Parsed { client, call } => {
                    if let Some(reply) = self.answer(now, client, call) {
                        self.connections.reply(client, reply, &self.wait);
                    }
                }
                Answer::Reply { client, reply } => {
                    self.connections.reply(client, reply, &self.wait);
                    self.crash.at(Place::AfterReply);
                }
                Answer::Piece { client, piece, next } => self.send_piece(client, piece, *next),
                Answer::Adopted { run, at } => self.adopt(now, run, at),
                Answer::Loaded { source, jobs, problems, left } => {
                    self.state.left.insert(source.clone(), left);
                    self.load(now, source, jobs, problems);
                }
                Answer::Kept { source, problems } => self.keep(source, problems),
                Answer::Configured { source, problems, config } => {
                    self.configure(now, source, problems, config);
                }
                Answer::Skipped { source, problem } => {
                    say::skipped(&mut self.syslog, &problem);
                    self.state.problems.insert(source, vec![problem]);
                }
                Answer::Gone { source, problems } => self.unload(now, source, problems),
                Answer::Looked => self.notify.looked(),
                Answer::Ready { after_boot } => self.be_ready(now, after_boot)?,
                Answer::Queued { waiting } => self.decide(now, Event::Queued { waiting }),
                Answer::Claimed { runs, waiting } => {
                    self.decide(now, Event::Claimed { runs, waiting });
                }
                Answer::Untold { report, recipe } => self.tell_owner(*report, *recipe),
                Answer::Ordered { client, run, job } => self.begin_by_hand(now, client, run, &job),
                Answer::Unordered { client, run, why } => {
                    self.give_up_by_hand(now, client, run, why)
                }
                Answer::Ended { run, outcome } => self.finish(now, &run, outcome),
                Answer::Failed { run, outcome, ended } => {
                    self.decide(now, Event::Failed { run, outcome, ended });
                }
                Answer::Stamped { name, done } => {
                    self.decide(now, Event::Stamped { name, done });
                }
                Answer::Recalled { entries } => self.decide(now, Event::Recalled { entries }),
                Answer::MadeUp { run, job } => self.make_up(now, run, &job),
                Answer::NotMadeUp { run, why } => {
                    let (owner, name) = (&run.owner, &run.name);
                    tracing::error!("{owner}: {name} does not make up for what it missed: {why}");
                    self.decide(now, Event::NotMadeUp { run });
                }
                Answer::Health { trouble } => self.state.trouble = trouble,
                Answer::Said { text } => tracing::warn!("{text}"),
            }
        }
        if self.disk.take_collect_all() {
            self.disk.must(Errand::CollectAll { now: now.wall });
        }
        let dropped = self.disk.take_dropped();
        if dropped > 0 {
            self.state.rows_dropped += dropped;
            tracing::warn!("the disk does not keep up: {dropped} rows of the history were dropped");
        }
        Ok(())
    }

    fn be_ready(&mut self, now: &Now, after_boot: bool) -> io::Result<()> {
        if let (Some(_), Some((file, _)), false) =
            (self.mode.container, &self.mode.file, self.state.loaded)
        {
            // Whoever started the container is to see it fail, not to find it idle.
            let why = format!("{} is no crontab that can be run", file.display());
            return Err(io::Error::other(why));
        }
        self.state.ready = true;
        say::ready(&self.mode, &self.scheduler, now.wall);
        let about_boot = match after_boot {
            true => "Running @reboot jobs",
            false => self.mode.dialect.manner.no_boot.as_ref(),
        };
        self.syslog.cron(Weight::Info, "CRON", "INFO", about_boot.as_bytes());
        self.decide(now, Event::Ready { after_boot });
        self.notify.ready();
        self.starter.ready()
    }

    fn adopt(&mut self, now: &Now, run: Run, at: Timestamp) {
        tracing::info!("{}: {} goes on as run {}", run.owner, run.name, run.id);
        self.state.running.insert(run.id, run.clone());
        self.decide(now, Event::Adopted { run, at });
    }

    fn finish(&mut self, now: &Now, run: &Run, outcome: Outcome) {
        self.state.running.remove(&run.id);
        self.runner.confirm(run.id);
        let is_told = self.mode.dialect.manner.ends == Ends::Outcome;
        say::ended(&mut self.job_log, run, &outcome, is_told);
        self.tell_waiting(run, &outcome);
        self.decide(now, Event::Ended { run: run.id, outcome });
    }
}
