//! Runs by what their sessions leave: which of an earlier ratd's go on, which are over, which are lost, whose owners
//! are to be told. Writes nothing into the store.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::daemon::disk::{Answer, Answers, Settlement};
use crate::daemon::writes::{Record, Write};
use crate::plan::civil::Timestamp;
use crate::plan::job::Recipe;
use crate::plan::run::{Outcome, Report, Run, RunId};
use crate::session::report::{self, Found};
use crate::session::server::others;
use crate::store::Store;

/// How long, and how often, a lock is waited for that is about to go.
const MOMENT: Duration = Duration::from_millis(1);
const MOMENTS: u32 = 20;

/// So many reports that could not be stored are tried again with each write.
const RETRIED: usize = 64;

/// So many owners are told at a time.
const TOLD: usize = 256;

/// The sessions of all runs, also those of earlier ratds.
pub struct Sessions {
    /// Where their files are.
    runs: PathBuf,
    /// Where those of fork servers are.
    servers: PathBuf,
    /// Runs from here on are this ratd's own.
    first: RunId,
    /// Runs of earlier ratds that the loop knows of.
    adopted: BTreeSet<RunId>,
    /// No fork server of an earlier ratd can start anything any more.
    settled: bool,
    /// What waits for an earlier fork server to end.
    pub unsettled: Option<Settlement>,
    unsettled_is_told: bool,
    /// Runs that ended and could not be stored; their reports are still there.
    unstored: BTreeSet<RunId>,
    /// Lost runs of at-jobs whose owners are being told.
    being_told: BTreeSet<RunId>,
    answers: Answers,
}

impl Sessions {
    /// The sessions whose files are in these directories; runs from `first` on are this ratd's own.
    pub fn new(runs: PathBuf, servers: PathBuf, first: RunId, answers: Answers) -> Sessions {
        Sessions {
            runs,
            servers,
            first,
            adopted: BTreeSet::new(),
            settled: false,
            unsettled: None,
            unsettled_is_told: false,
            unstored: BTreeSet::new(),
            being_told: BTreeSet::new(),
            answers,
        }
    }

    /// Takes up all runs that earlier ratds ordered.
    pub fn take_up_all(&mut self) {
        for run in report::inventory(&self.runs).unwrap_or_default() {
            self.take_up(run);
        }
    }

    /// A run that an earlier ratd ordered. One that ended meanwhile is adopted as well: what follows from its end
    /// follows when its report is collected, as soon as the clock has been read.
    fn take_up(&mut self, run: RunId) {
        let path = self.file(run);
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

    /// Whether it is known what earlier ratds started.
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// Once no fork server but this one can start anything: what became of earlier orders. What was ordered and is not
    /// there by then never will be: its claim is lost.
    pub fn settle(&mut self, settlement: Settlement, store: Option<&Store>) -> Option<Vec<Record>> {
        let Settlement { server, mut unconfirmed, now } = settlement;
        // One that still waits was meant for a fork server that has been replaced since.
        if let Some(earlier) = self.unsettled.take() {
            unconfirmed.extend(earlier.unconfirmed);
        }
        if self.must_wait_for_others(server) {
            self.unsettled = Some(Settlement { server, unconfirmed, now });
            return None;
        }
        let mut candidates = unconfirmed;
        if !std::mem::replace(&mut self.settled, true) {
            let earlier = store.and_then(|store| store.unfinished().ok()).unwrap_or_default();
            candidates.extend(earlier.into_iter().filter(|run| run.id < self.first));
        }
        // Only a file that is not there tells it; a listing may miss one that is being renamed.
        let never_began = |run: &Run| {
            report::read(&self.file(run.id))
                .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        let why = "nobody saw it start or end: ratd or the machine stopped";
        let lost = |run| Record::Write(Write::Over(Box::new(lost(run, now, why))));
        let mut records: Vec<_> = candidates.into_iter().filter(never_began).map(lost).collect();
        records.extend(self.over(now));
        Some(records)
    }

    /// An earlier fork server may yet read an order. That takes it a moment, unless something holds it up.
    fn must_wait_for_others(&mut self, server: u64) -> bool {
        let text = match others(&self.servers, server) {
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
    pub fn over(&self, now: Timestamp) -> Vec<Record> {
        let present = report::inventory(&self.runs).unwrap_or_default();
        let is_over = |run: &RunId| !matches!(report::read(&self.file(*run)), Ok(Found::Alive(_)));
        present.into_iter().filter(is_over).map(|run| Record::Collect { run, now }).collect()
    }

    /// The runs of an earlier ratd that go on. It may not have written down that they began, and they may have begun
    /// after this ratd looked first.
    pub fn going_on(&mut self, now: Timestamp) -> Vec<Record> {
        let mut present = report::inventory(&self.runs).unwrap_or_default();
        present.retain(|run| *run < self.first);
        let alive = |run: RunId| match report::read(&self.file(run)) {
            Ok(Found::Alive(Some(run))) => Some(run.clone()),
            Ok(_) | Err(_) => None,
        };
        let alive: Vec<Run> = present.into_iter().filter_map(alive).collect();
        alive.iter().for_each(|run| self.take_up(run.id));
        let begun = |run| Record::Write(Write::Begun { run, at: now });
        alive.into_iter().map(begun).collect()
    }

    /// How a run ended, by the file it left; `None` if it lives, or was taken before.
    pub fn collect(&mut self, run: RunId, now: Timestamp, store: Option<&Store>) -> Option<Report> {
        let found = self.found(run, now, store);
        if found.is_none() {
            self.unstored.remove(&run);
        }
        found
    }

    fn found(&self, run: RunId, now: Timestamp, store: Option<&Store>) -> Option<Report> {
        let why = "its session was killed";
        match self.read_report(run) {
            Ok(Found::Ended(report)) => Some(*report),
            Ok(Found::Died(Some(run))) => Some(lost(run, now, why)),
            Ok(Found::Died(None)) => {
                let unfinished = store?.unfinished().ok()?;
                let known = unfinished.into_iter().find(|known| known.id == run)?;
                Some(lost(known, now, why))
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
        let path = self.file(run);
        for _ in 0..MOMENTS {
            match report::read(&path)? {
                Found::Alive(_) => std::thread::sleep(MOMENT),
                found => return Ok(found),
            }
        }
        report::read(&path)
    }

    /// That a run is over is told before it is stored, and not again when it is stored later.
    pub fn tell_end(&self, report: &Report) {
        if !self.unstored.contains(&report.run.id) {
            let (run, outcome) = (report.run.clone(), report.outcome.clone());
            self.answers.give(Answer::Ended { run, outcome });
        }
    }

    /// The report of this run could not be stored, and stays where it is.
    pub fn keep(&mut self, run: RunId) {
        self.unstored.insert(run);
    }

    /// Whether there are reports that could not be stored.
    pub fn has_unstored(&self) -> bool {
        !self.unstored.is_empty()
    }

    /// Reports that could not be stored, to be tried again.
    pub fn unstored(&self, now: Timestamp) -> impl Iterator<Item = Record> {
        self.unstored.iter().take(RETRIED).map(move |run| Record::Collect { run: *run, now })
    }

    /// The report of this run has been stored.
    pub fn discard(&mut self, run: RunId) {
        self.unstored.remove(&run);
        let _ = std::fs::remove_file(self.file(run));
    }

    /// Asks the sessions of these runs to end their jobs. One that cannot be asked has ended, or has not begun yet and
    /// will not be waited for.
    pub fn end_all(&self, runs: &[RunId]) {
        for run in runs {
            if let Err(error) = report::ask_to_end(&self.file(*run)) {
                self.answers.give(Answer::Said { text: format!("cannot end run {run}: {error}") });
            }
        }
    }

    /// Asks a session to end its job. One that has not begun yet cannot be asked, and runs: it was off the queue before.
    pub fn end(&self, run: RunId) {
        let text = match report::ask_to_end(&self.file(run)) {
            Ok(true) => return,
            Ok(false) => format!("run {run} was to be ended, but has no session"),
            Err(error) => format!("cannot end run {run}: {error}"),
        };
        self.answers.give(Answer::Said { text });
    }

    /// Has the owners of lost jobs told, each once in this ratd's life: the session that does it marks the job as told.
    pub fn tell_of_lost(&mut self, store: Option<&Store>) {
        let untold = store.and_then(|store| store.untold(TOLD).ok()).unwrap_or_default();
        for (report, recipe) in untold {
            if self.being_told.insert(report.run.id) {
                self.tell_owner(report, recipe);
            }
        }
    }

    /// Has the owner of a run told that had no session.
    pub fn tell_owner(&self, report: Report, recipe: Recipe) {
        let (report, recipe) = (Box::new(report), Box::new(recipe));
        self.answers.give(Answer::Untold { report, recipe });
    }

    fn file(&self, run: RunId) -> PathBuf {
        self.runs.join(run.to_string())
    }
}

/// Nobody can know any more what became of this run.
fn lost(run: Run, now: Timestamp, why: &str) -> Report {
    Report::without_session(run, now, Outcome::Lost(why.to_owned()))
}
