//! What the disk thread does: keeps the store, reads the spool, takes reports, looks up names. Decides nothing about
//! when something runs.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use chrono::{NaiveDate, TimeDelta};
use nix::sys::inotify::{AddWatchFlags, Inotify};
use nix::unistd::{Uid, User, geteuid};

use crate::daemon::asked::{OfCrontab, Question};
use crate::daemon::connections::{Caller, Client};
use crate::daemon::control;
use crate::daemon::crash::{Crash, Place};
use crate::daemon::crontabs;
use crate::daemon::desk;
use crate::daemon::disk::{Answer, Answers, Command, Errand, Settlement};
use crate::daemon::explain;
use crate::daemon::options::Mode;
use crate::daemon::writes::{Record, Write, Written, in_one_transaction};
use crate::log::Syslog;
use crate::plan::absence::before_start;
use crate::plan::at_queue::Waiting;
use crate::plan::catch_up::is_done_by;
use crate::plan::civil::{Timestamp, reading};
use crate::plan::job::{Job, JobId, Recipe, Source};
use crate::plan::run::{Outcome, Report, Run, RunId};
use crate::plan::schedule::Schedule;
use crate::protocol::fault::Fault;
use crate::protocol::request;
use crate::session::report::{self, Found};
use crate::session::server::others;
use crate::session::stamp;
use crate::spool::watch::{directories, is_blind};
use crate::spool::{self, Spool};
use crate::store::Store;
use crate::store::error::Error;
use crate::store::queue::Position;
use crate::store::runs::{Filter, Past};
use crate::sys::host;

/// So much is committed at once; more would make the first of it wait too long.
const GATHERED: usize = 256;

/// When the queue could not be claimed, it is tried again after this.
const TRY_AGAIN: TimeDelta = TimeDelta::seconds(60);

/// How long, and how often, a lock is waited for that is about to go.
const MOMENT: Duration = Duration::from_millis(1);
const MOMENTS: u32 = 20;

/// How long an earlier fork server is left alone before it is looked for again.
const SETTLE_PAUSE: Duration = Duration::from_millis(200);

/// How often the spool is looked at where the kernel does not tell of changes.
const BLIND_LOOK: Duration = Duration::from_secs(60);

/// So many reports that could not be stored are tried again with each write.
const RETRIED: usize = 64;

/// The disk thread's state.
pub struct Clerk {
    mode: Mode,
    store: Result<Store, String>,
    spool: Spool,
    changes: Arc<Inotify>,
    watched: BTreeSet<PathBuf>,
    /// Changes in some of those are not told by the kernel.
    blind: bool,
    /// The period jobs by name, and when each was done by its stamp when that was last looked at.
    periods: BTreeMap<Source, Vec<(String, Option<NaiveDate>)>>,
    /// What users do with their crontabs, under crontab's own name.
    syslog: Syslog,
    /// Runs from here on are this ratd's own.
    first: RunId,
    /// When this ratd was started.
    started: Timestamp,
    /// Runs of earlier ratds that the loop knows of.
    adopted: BTreeSet<RunId>,
    /// Runs that ended and could not be stored; their reports are still in the run directory.
    unstored: BTreeSet<RunId>,
    /// Why the store cannot be used, as it was told last.
    trouble: Option<String>,
    /// When the earliest at-jobs are due, as it was told last.
    waiting: Option<Waiting>,
    /// When the store was last tried to be opened.
    opened: Option<Timestamp>,
    /// No fork server of an earlier ratd can start anything any more.
    settled: bool,
    /// What waits for an earlier fork server to end.
    unsettled: Option<Settlement>,
    unsettled_is_told: bool,
    /// Every file has been read once.
    has_begun: bool,
    /// Lost runs of at-jobs whose owners are being told.
    being_told: BTreeSet<RunId>,
    /// What an earlier ratd wrote down of entries is known not to be the last word.
    is_anew: bool,
    /// Entries that make up for what they missed, in the files that were read.
    making_up: BTreeMap<Source, Vec<JobId>>,
    /// Who asked for what is written down of entries before it was known what an earlier ratd had started.
    recalls: Vec<Write>,
    /// What entries owe, and could not be written down: the last word on each.
    unwritten: BTreeMap<JobId, Write>,
    crash: Crash,
    answers: Answers,
}

/// What a clerk begins with.
pub struct Beginning {
    pub mode: Mode,
    pub store: Result<Store, String>,
    pub spool: Spool,
    pub changes: Arc<Inotify>,
    /// The first run of this ratd.
    pub first: RunId,
    /// When this ratd was started.
    pub started: Timestamp,
    pub crash: Crash,
}

/// What has come together: all of it is written in one transaction, and then the errands are done.
#[derive(Default)]
struct Gathered {
    records: Vec<Record>,
    errands: Vec<Errand>,
}

impl Clerk {
    /// A clerk that has not begun.
    pub fn new(beginning: Beginning, answers: Answers) -> Clerk {
        let Beginning { mode, store, spool, changes, first, started, crash } = beginning;
        let syslog = Syslog::new(&mode.paths.under_root("dev/log"), "crontab".into());
        let (watched, unstored) = (BTreeSet::new(), BTreeSet::new());
        Clerk {
            mode,
            store,
            spool,
            changes,
            watched,
            blind: false,
            periods: BTreeMap::new(),
            syslog,
            first,
            started,
            unstored,
            trouble: None,
            waiting: None,
            adopted: BTreeSet::new(),
            opened: None,
            settled: false,
            unsettled: None,
            unsettled_is_told: false,
            has_begun: false,
            being_told: BTreeSet::new(),
            is_anew: false,
            making_up: BTreeMap::new(),
            recalls: Vec::new(),
            unwritten: BTreeMap::new(),
            crash,
            answers,
        }
    }

    /// Works until ratd ends.
    pub fn serve(mut self, commands: &Receiver<Command>) {
        self.begin();
        while let Some(first) = self.next(commands) {
            let mut gathered = Gathered::default();
            self.sort(first, &mut gathered);
            for command in commands.try_iter().take(GATHERED - 1) {
                self.sort(command, &mut gathered);
            }
            self.write(gathered.records);
            for errand in gathered.errands {
                self.perform(errand);
            }
            if let Some(settlement) = self.unsettled.take() {
                self.settle(settlement);
            }
        }
    }

    /// Puts a command to those of its kind; one by somebody whose name is not known yet, as soon as it is.
    fn sort(&self, command: Command, gathered: &mut Gathered) {
        match command {
            Command::Errand(errand) => gathered.errands.push(errand),
            Command::Record(record) => gathered.records.push(record),
            Command::Introduce { client, uid, asked, now } => {
                if let Some(caller) = self.introduce(client, uid) {
                    let command = control::for_the_desk(now, client, caller, asked);
                    self.sort(command, gathered);
                }
            }
        }
    }

    /// The next command. What waits for an earlier fork server is tried again each moment, and where changes cannot
    /// be watched for, each minute without a command asks for a look; else nothing wakes this thread.
    fn next(&mut self, commands: &Receiver<Command>) -> Option<Command> {
        let pause = match (&self.unsettled, self.blind) {
            (Some(_), _) => SETTLE_PAUSE,
            (None, true) => BLIND_LOOK,
            (None, false) => return commands.recv().ok(),
        };
        match commands.recv_timeout(pause) {
            Err(RecvTimeoutError::Timeout) => {
                let unsettled = self.unsettled.take().map(Errand::Settle);
                Some(unsettled.unwrap_or(Errand::Look { client: None }).into())
            }
            received => received.ok(),
        }
    }

    /// What runs is adopted and what ended is told before the first table is: a job that runs is known to run.
    fn begin(&mut self) {
        self.bound_history();
        self.tell_health();
        self.note_start();
        for run in report::inventory(&self.mode.paths.runs()).unwrap_or_default() {
            self.take_up(run);
        }
        self.look();
        self.has_begun = true;
        let after_boot = self.is_first_since_boot();
        self.answers.give(Answer::Ready { after_boot });
        self.tell_queue();
    }

    /// Writes down that no ratd ran up to now, if one did before.
    fn note_start(&mut self) {
        let Ok(store) = &mut self.store else { return };
        let restarted =
            store.boot_id().is_ok_and(|known| known.is_some_and(|known| known != host::boot()));
        let seen = store.seen().ok().flatten();
        let absence = before_start(seen, self.started, restarted);
        let written = store.begin().and_then(|change| {
            if let Some(absence) = &absence {
                change.note_absence(absence)?;
            }
            change.set_seen(self.started)?;
            change.commit()
        });
        self.note(&written);
    }

    /// Before anything else is written: nothing that an earlier ratd wrote down of entries is the last word, there was
    /// none since. Those that are in no file any more are forgotten, but not where there is one file: another ratd may
    /// have another.
    fn begin_anew(&mut self) -> Result<(), Error> {
        let (Ok(store), false) = (&mut self.store, self.is_anew) else { return Ok(()) };
        let mut gone = store.entries()?;
        if !gone.is_empty() {
            let there: BTreeSet<_> = self.making_up.values().flatten().collect();
            gone.retain(|job| self.mode.file.is_none() && !there.contains(job));
            let change = store.begin()?;
            change.begin_anew()?;
            change.forget_entries(&gone)?;
            change.commit()?;
        }
        self.is_anew = true;
        Ok(())
    }

    /// A run that an earlier ratd ordered. One that ended meanwhile is adopted as well: what follows from its end
    /// follows when its report is collected, as soon as the clock has been read.
    fn take_up(&mut self, run: RunId) {
        let path = self.run_file(run);
        // The session writes its file as it starts, and nothing into it after that.
        let begun =
            || std::fs::metadata(&path).and_then(|about| about.modified()).map(Timestamp::from);
        let (run, at) = match report::read(&path) {
            Ok(Found::Alive(Some(run))) => (run.clone(), begun().unwrap_or(run.due)),
            Ok(Found::Ended(report)) => (report.run.clone(), report.started),
            Ok(Found::Alive(None) | Found::Died(_)) | Err(_) => return,
        };
        if self.adopted.insert(run.id) {
            self.answers.give(Answer::Adopted { run, at });
        }
    }

    fn run_file(&self, run: RunId) -> PathBuf {
        self.mode.paths.runs().join(run.to_string())
    }

    /// `@reboot` jobs run once a boot; with one file, at each start.
    fn is_first_since_boot(&mut self) -> bool {
        if self.mode.file.is_some() {
            return true;
        }
        let boot = host::boot();
        let boot = boot.as_str();
        // In the run directory as well, which lasts as long as the boot: the store may not be usable.
        let mark = self.mode.paths.run.join("boot");
        let is_marked = std::fs::read_to_string(&mark).is_ok_and(|known| known == boot);
        let is_stored = match &self.store {
            Ok(store) => store.boot_id().is_ok_and(|known| known.as_deref() == Some(boot)),
            Err(_) => is_marked,
        };
        if !is_marked {
            let _ = std::fs::write(&mark, boot);
        }
        if let (Ok(store), false) = (&mut self.store, is_stored) {
            let written = store.begin().and_then(|change| {
                change.set_boot_id(boot)?;
                change.commit()
            });
            self.note(&written);
        }
        !is_marked && !is_stored
    }

    fn perform(&mut self, errand: Errand) {
        match errand {
            Errand::Identify { client, uid } => self.identify(client, uid),
            Errand::Parse { client, frame } => {
                self.answers.give(Answer::Parsed { client, call: request::parse(&frame) });
            }
            Errand::Ask { client, caller, question } => self.answer(client, &caller, &question),
            Errand::Crontab { client, caller, asked } => {
                self.answer_about_crontab(client, &caller, &asked);
            }
            Errand::List { client, caller, from } => self.list(client, caller, from),
            Errand::Annotate { client, mut jobs, owner } => {
                let told = desk::annotate(self.store.as_ref().ok(), &mut jobs, owner.as_deref());
                let reply = control::encode(Ok(told));
                self.answers.give(Answer::Reply { client, reply });
            }
            Errand::Explain { client, explained, owner } => {
                let reply =
                    explain::complete(self.store.as_ref().ok(), *explained, owner.as_deref());
                self.answers.give(Answer::Reply { client, reply });
            }
            Errand::Look { client } => {
                self.look();
                self.answers.give(match client {
                    Some(client) => {
                        let reply = control::encode(Ok(crate::protocol::reply::Done {}));
                        Answer::Reply { client, reply }
                    }
                    None => Answer::Looked,
                });
            }
            // With jobs each minute there is never a minute without a command.
            Errand::CheckZones if self.blind || self.spool.zones_changed() => self.look(),
            Errand::CheckZones => {}
            Errand::CollectAll { now } => {
                let over = self.over(now);
                self.write(over);
            }
            Errand::Settle(settlement) => self.settle(settlement),
            Errand::End { runs } => self.end(&runs),
            Errand::Tell { client, run, outcome } => {
                let reply = desk::ended(self.store.as_ref().ok(), &run, outcome);
                self.answers.give(Answer::Reply { client, reply });
            }
        }
    }

    /// One that cannot be asked has ended, or has not begun yet and will not be waited for.
    fn end(&self, runs: &[RunId]) {
        for run in runs {
            if let Err(error) = report::ask_to_end(&self.run_file(*run)) {
                self.answers.give(Answer::Said { text: format!("cannot end run {run}: {error}") });
            }
        }
    }

    fn identify(&self, client: Client, uid: Uid) {
        self.answers.give(Answer::Identified { client, caller: self.look_up(uid) });
    }

    /// Who is only not found now is not nobody: lists of who may not do something go by the name.
    fn look_up(&self, uid: Uid) -> Result<Caller, String> {
        match User::from_uid(uid) {
            Ok(user) => {
                let name = user.as_ref().map_or_else(|| uid.to_string(), |user| user.name.clone());
                Ok(Caller { uid, name, user })
            }
            // A container needs no users but its own, nor a file of names.
            Err(_)
                if let (Some(_), Some((_, name))) = (self.mode.container, &self.mode.file)
                    && uid == geteuid() =>
            {
                Ok(Caller { uid, name: name.clone(), user: None })
            }
            Err(error) => Err(format!("cannot look up the name of uid {uid}: {error}")),
        }
    }

    /// Who asks for something that waits for their name; they are told if it cannot be found out.
    fn introduce(&self, client: Client, uid: Uid) -> Option<Caller> {
        match self.look_up(uid) {
            Ok(caller) => {
                self.answers.leave(Answer::Identified { client, caller: Ok(caller.clone()) });
                Some(caller)
            }
            Err(message) => {
                let reply = desk::refused(Fault::Unavailable { message });
                self.answers.give(Answer::Reply { client, reply });
                None
            }
        }
    }

    fn answer(&self, client: Client, caller: &Caller, question: &Question) {
        let store = self.store.as_ref().map_err(Clone::clone);
        let reply = desk::answer(store, caller, question, &self.mode.paths);
        self.answers.give(Answer::Reply { client, reply });
    }

    fn answer_about_crontab(&mut self, client: Client, caller: &Caller, asked: &OfCrontab) {
        let reply = match &self.mode.file {
            Some((file, _)) => desk::keeps_no_crontabs(file),
            None => crontabs::answer(&mut self.syslog, caller, asked, &self.mode),
        };
        // A crontab that was installed counts from the moment this is known.
        if self.mode.file.is_none() && asked.may_change_it() {
            self.look();
        }
        self.answers.give(Answer::Reply { client, reply });
    }

    fn list(&self, client: Client, caller: Caller, from: Position) {
        let store = self.store.as_ref().map_err(Clone::clone);
        self.answers.give(match desk::piece_of_queue(store, &caller, from, &self.mode.paths) {
            (piece, Some(from)) => {
                let next = Box::new(Errand::List { client, caller, from });
                Answer::Piece { client, piece, next }
            }
            (reply, None) => Answer::Reply { client, reply },
        });
    }

    /// Reads what changed. Watches are set before anything is read, so that no change falls in between.
    fn look(&mut self) {
        self.watch();
        for change in self.spool.look() {
            let mut failed = Vec::new();
            let answer = match change {
                spool::Change::Loaded { source, jobs, problems, left } => {
                    self.periods.insert(source.clone(), Vec::new());
                    let jobs: Vec<_> = jobs.into_iter().map(|job| self.with_stamp(job)).collect();
                    self.note_making_up(&source, &jobs);
                    failed = self.failed_before(&jobs);
                    Answer::Loaded { source, jobs, problems, left }
                }
                spool::Change::Kept { source, problems } => Answer::Kept { source, problems },
                spool::Change::Configured { source, problems, counts } => {
                    self.configure();
                    let config = counts.then(|| Box::new(self.mode.config.clone()));
                    Answer::Configured { source, problems, config }
                }
                spool::Change::Skipped { source, problem } => Answer::Skipped { source, problem },
                spool::Change::Gone { source, problems } => {
                    self.periods.remove(&source);
                    self.making_up.remove(&source);
                    Answer::Gone { source, problems }
                }
            };
            self.answers.give(answer);
            failed.into_iter().for_each(|failed| self.answers.give(failed));
        }
        self.watch();
        self.look_at_stamps();
    }

    /// rat.conf may say something else now.
    fn configure(&mut self) {
        self.mode.configure(self.spool.config());
        self.bound_history();
    }

    fn bound_history(&mut self) {
        if let Ok(store) = &mut self.store {
            store.retention = self.mode.retention();
        }
    }

    fn note_making_up(&mut self, source: &Source, jobs: &[Arc<Job>]) {
        let making_up = jobs.iter().filter(|job| job.terms.make_up());
        let ids: Vec<_> = making_up.map(|job| job.id.clone()).collect();
        self.making_up.remove(source);
        if !ids.is_empty() {
            self.making_up.insert(source.clone(), ids);
        }
    }

    /// What failed under an earlier ratd, and may wait to be tried again.
    fn failed_before(&self, jobs: &[Arc<Job>]) -> Vec<Answer> {
        let Some(store) = self.store.as_ref().ok().filter(|_| !self.has_begun) else {
            return Vec::new();
        };
        let failed = |job: &Arc<Job>| {
            let past = last_run(store, job)?;
            Some(Answer::Failed { run: past.run, outcome: past.outcome?, ended: past.ended? })
        };
        jobs.iter().filter(|job| job.retries.times > 0).filter_map(failed).collect()
    }

    /// Another anacron may have done a job, or root may have changed when it was done.
    fn look_at_stamps(&mut self) {
        let directory = stamp::directory(&self.mode.paths);
        for (name, known) in self.periods.values_mut().flatten() {
            let file = stamp::read(&directory.join(&*name));
            if file != *known {
                *known = file;
                let stored = self.store.as_ref().ok().and_then(|store| store.done(name).ok()?);
                let done = file.max(stored);
                self.answers.give(Answer::Stamped { name: name.clone(), done });
            }
        }
    }

    fn watch(&mut self) {
        let mut wanted = self.spool.watched();
        if self.periods.values().any(|jobs| !jobs.is_empty()) {
            let stamps = stamp::directory(&self.mode.paths);
            wanted.append(&mut directories(&stamps));
            wanted.extend(Some(stamps).filter(|stamps| stamps.is_dir()));
        }
        for path in &wanted {
            let events = AddWatchFlags::IN_CLOSE_WRITE
                | AddWatchFlags::IN_MOVE
                | AddWatchFlags::IN_CREATE
                | AddWatchFlags::IN_DELETE
                | AddWatchFlags::IN_ATTRIB;
            // Asked again for one that is watched already, the kernel changes nothing; a directory that was
            // replaced gets its watch back.
            if let Err(error) = self.changes.add_watch(path, events)
                && !self.watched.contains(path)
            {
                let text = format!("cannot watch {}: {error}", path.display());
                self.answers.give(Answer::Said { text });
            }
        }
        self.blind = wanted.iter().any(|directory| is_blind(directory));
        self.watched = wanted;
    }

    /// A period job, with the date it was last done: the later one of the stamp file and the store.
    fn with_stamp(&mut self, job: Arc<Job>) -> Arc<Job> {
        let Schedule::Every(every) = &job.schedule else { return job };
        let file = stamp::read(&stamp::directory(&self.mode.paths).join(&job.name));
        let known = self.periods.entry(job.origin.source.clone()).or_default();
        known.push((job.name.clone(), file));
        let stored =
            self.store.as_ref().ok().and_then(|store| store.done(&job.name).ok().flatten());
        // ratd may have died between the run and its stamp.
        let ran = self.store.as_ref().ok().and_then(|store| last_done(store, &job));
        let mut every = every.clone();
        every.done = file.max(stored).max(ran);
        Arc::new(Job { schedule: Schedule::Every(every), ..(*job).clone() })
    }

    /// Waits until no fork server but this one can start anything. What is ordered and not there by then never
    /// will be: its claim is lost.
    fn settle(&mut self, settlement: Settlement) {
        let Settlement { server, mut unconfirmed, now } = settlement;
        // One that still waits was meant for a fork server that has been replaced since.
        if let Some(earlier) = self.unsettled.take() {
            unconfirmed.extend(earlier.unconfirmed);
        }
        if self.must_wait_for_others(server) {
            self.unsettled = Some(Settlement { server, unconfirmed, now });
            return;
        }
        let mut candidates = unconfirmed;
        if !std::mem::replace(&mut self.settled, true) {
            let earlier = self
                .store
                .as_ref()
                .ok()
                .and_then(|store| store.unfinished().ok())
                .unwrap_or_default();
            candidates.extend(earlier.into_iter().filter(|run| run.id < self.first));
        }
        // Only a file that is not there tells it; a listing may miss one that is being renamed.
        let never_began = |run: &Run| {
            report::read(&self.run_file(run.id))
                .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        let lost: Vec<_> = candidates.into_iter().filter(never_began).collect();
        let why = "nobody saw it start or end: ratd or the machine stopped";
        let is_lost = |run| Report::without_session(run, now, Outcome::Lost(why.to_owned()));
        let lost = lost.into_iter().map(|run| Write::Over(Box::new(is_lost(run))));
        let over = self.over(now);
        self.write(lost.map(Record::Write).chain(over).collect());
        // Now it is known what was started, and so what was not.
        let recalls = std::mem::take(&mut self.recalls);
        self.write(recalls.into_iter().map(Record::Write).collect());
        // Those too of which an earlier ratd could not tell any more.
        self.tell_of_lost();
        self.tell_queue();
    }

    /// An earlier fork server may yet read an order. That takes it a moment, unless something holds it up.
    fn must_wait_for_others(&mut self, server: u64) -> bool {
        let text = match others(&self.mode.paths.servers(), server) {
            Ok(others) if others.is_empty() => return false,
            Ok(_) | Err(_) if self.unsettled_is_told => return true,
            Ok(_) => {
                "an earlier fork server still reads: what became of its orders is not known yet"
                    .to_owned()
            }
            Err(error) => format!("cannot look for earlier fork servers: {error}"),
        };
        self.unsettled_is_told = true;
        self.answers.give(Answer::Said { text });
        true
    }

    /// The runs whose session is gone and that have not been collected.
    fn over(&self, now: Timestamp) -> Vec<Record> {
        let present = report::inventory(&self.mode.paths.runs()).unwrap_or_default();
        let is_over =
            |run: &RunId| !matches!(report::read(&self.run_file(*run)), Ok(Found::Alive(_)));
        present.into_iter().filter(is_over).map(|run| Record::Collect { run, now }).collect()
    }

    /// The runs of an earlier ratd that go on. It may not have written down that they began, and they may have begun
    /// after this ratd looked first.
    fn going_on(&mut self, now: Timestamp) -> Vec<Write> {
        let mut present = report::inventory(&self.mode.paths.runs()).unwrap_or_default();
        present.retain(|run| *run < self.first);
        let alive = |run: RunId| match report::read(&self.run_file(run)) {
            Ok(Found::Alive(Some(run))) => Some(run.clone()),
            Ok(_) | Err(_) => None,
        };
        let alive: Vec<Run> = present.into_iter().filter_map(alive).collect();
        alive.iter().for_each(|run| self.take_up(run.id));
        alive.into_iter().map(|run| Write::Begun { run, at: now }).collect()
    }

    /// Writes all of it in one transaction. If that fails each is tried alone, so that one that cannot be written
    /// takes no other with it.
    fn write(&mut self, mut records: Vec<Record>) {
        if records.is_empty() {
            return;
        }
        if let Some(now) = records.iter().find_map(Record::instant) {
            self.reopen(now);
            self.add_earlier(now, &mut records);
        }
        // That a session is gone is heard of twice: of its report, and of its file that was closed.
        let mut collected = BTreeSet::new();
        records.retain(|record| match record {
            Record::Collect { run, .. } => collected.insert(*run),
            Record::Write(_) => true,
        });
        let seen = records.iter().filter_map(Record::instant).max();
        let mut writes: Vec<_> =
            records.into_iter().filter_map(|record| self.prepare(record)).collect();
        if !writes.is_empty() {
            writes.extend(seen.map(|now| Write::Seen { now }));
        }
        for write in &writes {
            self.tell_end(write);
        }
        let leaves_untold = writes.iter().any(leaves_untold);
        if self.commit(&writes).is_err() && writes.len() > 1 {
            for write in writes {
                let _ = self.commit(&[write]);
            }
        }
        if leaves_untold {
            self.tell_of_lost();
        }
    }

    /// Adds what could not be written before; and before it is asked what entries owe, which runs go on.
    fn add_earlier(&mut self, now: Timestamp, records: &mut Vec<Record>) {
        let asks = |record: &Record| matches!(record, Record::Write(Write::Recall { .. }));
        if self.store.is_ok() {
            // Before all else: a later word on an entry, or a run of it, may be among the writes.
            let unwritten = std::mem::take(&mut self.unwritten).into_values();
            records.splice(0..0, unwritten.map(Record::Write));
            let again = self.unstored.iter().take(RETRIED);
            records.extend(again.map(|run| Record::Collect { run: *run, now }));
        }
        if self.settled && records.iter().any(asks) {
            records.splice(0..0, self.going_on(now).into_iter().map(Record::Write));
        }
    }

    /// Tries once a minute to open a store that could not be opened: a full disk is made room on.
    fn reopen(&mut self, now: Timestamp) {
        if self.store.is_ok() || self.opened.is_some_and(|tried| (now - tried).abs() < TRY_AGAIN) {
            return;
        }
        self.opened = Some(now);
        self.store = Store::open(&self.mode.paths.database()).map_err(|error| error.to_string());
        self.bound_history();
        self.tell_health();
        self.tell_queue();
    }

    /// What is to be written; `None` if that is nothing, or nothing yet.
    fn prepare(&mut self, record: Record) -> Option<Write> {
        match record {
            Record::Collect { run, now } => match self.found(run, now) {
                Some(report) if report.told => Some(Write::Told(run)),
                Some(report) => Some(Write::Over(Box::new(report))),
                None => {
                    self.unstored.remove(&run);
                    None
                }
            },
            Record::Write(recall @ Write::Recall { .. }) if !self.settled => {
                self.recalls.push(recall);
                None
            }
            // A run whose report waits to be stored is not known to have been.
            Record::Write(Write::Recall { .. }) if !self.unstored.is_empty() => {
                self.answers.give(Answer::Recalled { entries: None });
                None
            }
            Record::Write(write) => Some(write),
        }
    }

    /// That a run is over is told before it is stored, and not again when it is stored later.
    fn tell_end(&self, write: &Write) {
        if let Write::Over(report) = write
            && !self.unstored.contains(&report.run.id)
        {
            self.answers
                .give(Answer::Ended { run: report.run.clone(), outcome: report.outcome.clone() });
        }
    }

    /// How a run ended, by the file it left; `None` if it lives, or was taken before.
    fn found(&self, run: RunId, now: Timestamp) -> Option<Report> {
        match self.read_report(run) {
            Ok(Found::Ended(report)) => Some(*report),
            Ok(Found::Died(Some(run))) => Some(Report::without_session(
                run,
                now,
                Outcome::Lost("its session was killed".to_owned()),
            )),
            Ok(Found::Died(None)) => {
                let known = self
                    .store
                    .as_ref()
                    .ok()?
                    .unfinished()
                    .ok()?
                    .into_iter()
                    .find(|known| known.id == run)?;
                Some(Report::without_session(
                    known,
                    now,
                    Outcome::Lost("its session was killed".to_owned()),
                ))
            }
            Ok(Found::Alive(_)) => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                let text = format!("cannot read the report of run {run}: {error}");
                self.answers.give(Answer::Said { text });
                None
            }
        }
    }

    /// The kernel tells that a session's file was closed a moment before it lets go of the lock.
    fn read_report(&self, run: RunId) -> io::Result<Found> {
        let path = self.run_file(run);
        for _ in 0..MOMENTS {
            match report::read(&path)? {
                Found::Alive(_) => std::thread::sleep(MOMENT),
                found => return Ok(found),
            }
        }
        report::read(&path)
    }

    fn commit(&mut self, writes: &[Write]) -> Result<(), ()> {
        let begun = self.begin_anew();
        let written = match (&mut self.store, begun) {
            (Ok(store), Ok(())) => in_one_transaction(store, writes, &self.mode, self.crash),
            (Ok(_), Err(error)) => Err(error),
            (Err(_), _) => {
                self.give_up(writes, None);
                return Ok(());
            }
        };
        self.note(&written);
        match written {
            Ok(told) => {
                self.tell(told);
                Ok(())
            }
            Err(error) => {
                if writes.len() == 1 {
                    self.give_up(writes, Some(&error));
                }
                Err(())
            }
        }
    }

    fn tell(&mut self, written: Vec<Written>) {
        let (mut queue_changed, mut claimed) = (false, None);
        let mut untold = Vec::new();
        for written in written {
            match written {
                Written::Nothing => {}
                Written::Changed(client, desk::Changed { reply, end }) => {
                    queue_changed = true;
                    self.crash.at(Place::AfterSubmitCommit);
                    if let Some(run) = end {
                        self.ask_to_end(run);
                    }
                    self.answers.give(Answer::Reply { client, reply });
                }
                Written::Ordered(client, ordered) => {
                    let (run, recipe) = *ordered;
                    self.crash.at(Place::AfterClaimCommit);
                    self.answers.give(Answer::Ordered { client, run, recipe });
                }
                Written::MadeUp(made_up) => {
                    let (run, recipe) = *made_up;
                    self.crash.at(Place::AfterClaimCommit);
                    self.answers.give(Answer::MadeUp { run, recipe });
                }
                Written::Recalled(entries) => {
                    self.answers.give(Answer::Recalled { entries: Some(entries) });
                }
                Written::Claimed { runs, refused } => {
                    claimed = Some(runs);
                    untold = refused;
                }
                Written::Stored(run) => {
                    self.unstored.remove(&run);
                    self.crash.at(Place::AfterStore);
                    let _ = std::fs::remove_file(self.run_file(run));
                    self.crash.at(Place::AfterRemoval);
                }
            }
        }
        if let Some(runs) = claimed {
            self.crash.at(Place::AfterClaimCommit);
            let waiting = self.store.as_ref().ok().and_then(|store| store.waiting().ok());
            let waiting = waiting.unwrap_or_default();
            self.waiting = Some(waiting);
            self.answers.give(Answer::Claimed { runs, waiting });
        } else if queue_changed {
            self.tell_queue();
        }
        for (report, recipe) in untold {
            self.tell_owner(report, recipe);
        }
    }

    /// One whose session has not begun yet cannot be asked, and runs: it was off the queue before.
    fn ask_to_end(&self, run: RunId) {
        let text = match report::ask_to_end(&self.run_file(run)) {
            Ok(true) => return,
            Ok(false) => format!("run {run} was to be ended, but has no session"),
            Err(error) => format!("cannot end run {run}: {error}"),
        };
        self.answers.give(Answer::Said { text });
    }

    /// What could not be written: who asked is told; a report stays where it is; a claim is tried again later.
    fn give_up(&mut self, writes: &[Write], error: Option<&Error>) {
        let why = match (&self.store, error) {
            (_, Some(error)) => error.to_string(),
            (Err(why), None) => why.clone(),
            (Ok(_), None) => return,
        };
        for write in writes {
            self.put_off(write, &why);
        }
    }

    fn put_off(&mut self, write: &Write, why: &str) {
        match write {
            Write::Change { client, .. } => {
                self.answers.give(Answer::Reply { client: *client, reply: desk::unavailable(why) });
            }
            Write::Claim { now, .. } => {
                let again = Some(*now + TRY_AGAIN);
                let waiting = Waiting { timed: again, batch: again };
                self.waiting = Some(waiting);
                self.answers.give(Answer::Claimed { runs: Vec::new(), waiting });
            }
            Write::Order { client, run, .. } => {
                let (client, run, why) = (*client, run.id, why.to_owned());
                self.answers.give(Answer::Unordered { client, run, why });
            }
            Write::MakeUp { run, .. } => {
                let (run, why) = (run.clone(), why.to_owned());
                self.answers.give(Answer::NotMadeUp { run, why });
            }
            Write::Recall { .. } => self.answers.give(Answer::Recalled { entries: None }),
            Write::Over(report) => {
                self.unstored.insert(report.run.id);
            }
            Write::Told(run) => {
                self.unstored.insert(*run);
            }
            Write::Owe { job, owed, handled } => {
                let (job, owed, handled) = (job.clone(), owed.clone(), *handled);
                self.unwritten.insert(job.clone(), Write::Owe { job, owed, handled });
            }
            // Nobody waits for these, and the history does without them.
            Write::Begun { .. }
            | Write::Stamp { .. }
            | Write::Handled { .. }
            | Write::Forget { .. }
            | Write::Absent { .. }
            | Write::Seen { .. } => {}
        }
    }

    fn tell_queue(&mut self) {
        if let Ok(store) = &self.store
            && let Ok(waiting) = store.waiting()
            && self.waiting != Some(waiting)
        {
            self.waiting = Some(waiting);
            self.answers.give(Answer::Queued { waiting });
        }
    }

    /// Has the owners of lost jobs told, each once in this ratd's life: the session that does it marks the job as told.
    fn tell_of_lost(&mut self) {
        let untold = match &self.store {
            Ok(store) => store.untold(GATHERED).unwrap_or_default(),
            Err(_) => return,
        };
        for (report, recipe) in untold {
            if self.being_told.insert(report.run.id) {
                self.tell_owner(report, recipe);
            }
        }
    }

    fn tell_owner(&self, report: Report, recipe: Recipe) {
        let (report, recipe) = (Box::new(report), Box::new(recipe));
        self.answers.give(Answer::Untold { report, recipe });
    }

    fn tell_health(&mut self) {
        self.tell_trouble(self.store.as_ref().err().cloned());
    }

    /// Tells whether the store works, by what became of the last write.
    fn note<T>(&mut self, written: &Result<T, Error>) {
        self.tell_trouble(written.as_ref().err().map(ToString::to_string));
    }

    /// Each write ends here: the loop is woken only where something has changed.
    fn tell_trouble(&mut self, trouble: Option<String>) {
        if trouble != self.trouble {
            self.trouble.clone_from(&trouble);
            self.answers.give(Answer::Health { trouble });
        }
    }
}

/// Whether there may be owners to tell after this write: of a loss, or of those that came after the ones now told.
fn leaves_untold(write: &Write) -> bool {
    match write {
        Write::Over(report) => matches!(report.outcome, Outcome::Lost(_)),
        Write::Told(_) => true,
        Write::Change { .. }
        | Write::Claim { .. }
        | Write::Order { .. }
        | Write::MakeUp { .. }
        | Write::Begun { .. }
        | Write::Stamp { .. }
        | Write::Recall { .. }
        | Write::Owe { .. }
        | Write::Handled { .. }
        | Write::Forget { .. }
        | Write::Absent { .. }
        | Write::Seen { .. } => false,
    }
}

/// The date of a period job's last run, if that counts as done.
fn last_done(store: &Store, job: &Job) -> Option<NaiveDate> {
    let last = last_run(store, job)?;
    let on_success = job.retries.times > 0;
    let counts = last.outcome.as_ref().is_some_and(|outcome| is_done_by(on_success, outcome));
    last.started.filter(|_| counts).map(|started| reading(&*job.zone, started).date())
}

fn last_run(store: &Store, job: &Job) -> Option<Past> {
    let filter = Filter { owner: None, job: Some(&job.id.0), limit: 1, only_ends: true };
    store.history(&filter).ok()?.pop()
}
