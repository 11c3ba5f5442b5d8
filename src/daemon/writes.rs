//! What the clerk writes in one transaction: what there is to write, what each of it writes, what it led to. Tells
//! nobody; that is done after the commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;

use crate::daemon::access::{self, Tool};
use crate::daemon::asked::OfQueue;
use crate::daemon::connections::{Caller, Client};
use crate::daemon::crash::{Crash, Place};
use crate::daemon::desk;
use crate::daemon::options::Mode;
use crate::plan::absence::Absence;
use crate::plan::at_queue::QueueKind;
use crate::plan::civil::Timestamp;
use crate::plan::job::{Job, JobId, Recipe};
use crate::plan::missed::Remembered;
use crate::plan::run::{Outcome, Report, Run, RunId};
use crate::store::error::Error;
use crate::store::queue::Claimed;
use crate::store::{Change, Store};

/// So many old rows are deleted at a time.
const PRUNED: usize = 100;

/// What is written down.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // Most are writes, and few are held at once.
pub enum Record {
    /// The session of this run is gone: what its report says.
    Collect {
        run: RunId,
        now: Timestamp,
    },
    Write(Write),
}

/// What is written as it stands.
#[derive(Debug)]
pub enum Write {
    /// A client changes the at queue.
    Change { client: Client, caller: Caller, asked: OfQueue, now: Timestamp },
    /// The at-jobs of this kind that are due are claimed.
    Claim { kind: QueueKind, first: RunId, limit: u32, now: Timestamp },
    /// A run that a client asked for.
    Order { client: Client, run: Run, job: Arc<Job>, at: Timestamp },
    /// A run that makes up for a missed instant.
    MakeUp { run: Run, job: Arc<Job>, at: Timestamp },
    /// This run has been ordered.
    Begun { run: Run, at: Timestamp },
    /// A run is over.
    Over(Box<Report>),
    /// The owner of this run, which was lost, has been told.
    Told(RunId),
    /// A period job was done for the period of this date.
    Stamp { ident: String, date: NaiveDate },
    /// What is known of these entries is told. Up to the instants beside them all is decided of those that are new.
    Recall { entries: Vec<(JobId, Timestamp)>, now: Timestamp },
    /// These instants of an entry are owed, and everything up to `handled` is decided.
    Owe { job: JobId, owed: Vec<Timestamp>, handled: Timestamp },
    /// This instant of an entry is decided without a run.
    Handled { job: JobId, due: Timestamp },
    /// These entries are no more.
    Forget { jobs: Vec<JobId> },
    /// Nothing was handled for a while, which is over.
    Absent { absence: Absence },
    /// Everything was handled by this instant.
    Seen { now: Timestamp },
}

impl Record {
    /// When this was to be written down, where it says so.
    pub fn instant(&self) -> Option<Timestamp> {
        match self {
            Record::Collect { now, .. } => Some(*now),
            Record::Write(write) => write.instant(),
        }
    }
}

impl Write {
    fn instant(&self) -> Option<Timestamp> {
        match self {
            Write::Change { now, .. }
            | Write::Claim { now, .. }
            | Write::Recall { now, .. }
            | Write::Seen { now } => Some(*now),
            Write::Order { at, .. } | Write::MakeUp { at, .. } | Write::Begun { at, .. } => {
                Some(*at)
            }
            Write::Over(report) => Some(report.ended),
            Write::Absent { absence } => Some(absence.until),
            Write::Told(_)
            | Write::Stamp { .. }
            | Write::Owe { .. }
            | Write::Handled { .. }
            | Write::Forget { .. } => None,
        }
    }
}

/// What a write led to, told after the commit.
pub enum Written {
    Nothing,
    Changed(Client, desk::Changed),
    Claimed { runs: Vec<(Run, Recipe)>, refused: Vec<(Report, Recipe)> },
    Ordered(Client, Run, Arc<Job>),
    MadeUp(Run, Arc<Job>),
    Recalled(Vec<(JobId, Remembered)>),
    Stored(RunId),
}

/// Writes all of it, durably, or nothing.
pub fn in_one_transaction(
    store: &mut Store,
    writes: &[Write],
    mode: &Mode,
    crash: Crash,
) -> Result<Vec<Written>, Error> {
    let change = store.begin()?;
    let mut written = Vec::with_capacity(writes.len());
    for write in writes {
        written.push(apply(&change, write, mode, crash)?);
    }
    if written.iter().any(|written| matches!(written, Written::Stored(_))) {
        change.prune(latest_end(writes).unwrap_or_default(), PRUNED)?;
    }
    change.commit()?;
    Ok(written)
}

fn latest_end(writes: &[Write]) -> Option<Timestamp> {
    let end =
        |write: &Write| if let Write::Over(report) = write { Some(report.ended) } else { None };
    writes.iter().filter_map(end).max()
}

fn apply(change: &Change, write: &Write, mode: &Mode, crash: Crash) -> Result<Written, Error> {
    match write {
        Write::Change { client, caller, asked, now } => {
            crash.at(Place::BeforeSubmit);
            let changed = desk::change(change, caller, asked, *now, &mode.paths)?;
            crash.at(Place::BeforeSubmitCommit);
            Ok(Written::Changed(*client, changed))
        }
        Write::Claim { kind, first, limit, now } => {
            let claimed = change.claim_due(*kind, *now, *first, *limit as usize)?;
            let written = sort_out(change, claimed, *now, mode)?;
            crash.at(Place::BeforeClaimCommit);
            Ok(written)
        }
        Write::Order { client, run, job, .. } => {
            change.begun(run)?;
            Ok(Written::Ordered(*client, run.clone(), job.clone()))
        }
        Write::MakeUp { run, job, .. } => {
            change.begun(run)?;
            crash.at(Place::BeforeClaimCommit);
            Ok(Written::MadeUp(run.clone(), job.clone()))
        }
        Write::Begun { run, .. } => change.begun(run).map(|()| Written::Nothing),
        Write::Over(report) => {
            finish(change, report)?;
            crash.at(Place::BeforeStore);
            Ok(Written::Stored(report.run.id))
        }
        Write::Told(run) => change.told(*run).map(|()| Written::Stored(*run)),
        Write::Stamp { ident, date } => {
            // The session wrote its stamp, if it could be written: the store's date counts as well.
            change.mark_done(ident, *date).map(|()| Written::Nothing)
        }
        Write::Recall { entries, now } => {
            let recall = |(job, handled): &(JobId, Timestamp)| {
                Ok((job.clone(), change.recall(job, *handled, *now)?))
            };
            entries.iter().map(recall).collect::<Result<_, Error>>().map(Written::Recalled)
        }
        Write::Owe { job, owed, handled } => {
            change.owe(job, owed, *handled).map(|()| Written::Nothing)
        }
        Write::Handled { job, due } => change.handled(job, *due).map(|()| Written::Nothing),
        Write::Forget { jobs } => change.forget_entries(jobs).map(|()| Written::Nothing),
        Write::Absent { absence } => change.note_absence(absence).map(|()| Written::Nothing),
        Write::Seen { now } => change.set_seen(*now).map(|()| Written::Nothing),
    }
}

fn finish(change: &Change, report: &Report) -> Result<(), Error> {
    // Whoever knows better knows better.
    if let Outcome::Lost(why) = &report.outcome
        && report.output.0.is_empty()
    {
        return change.lose(&report.run, why, report.ended);
    }
    change.finish(report)
}

/// Which of the claimed jobs are started. The others are over: their owner may not use at any more, or it is too late.
fn sort_out(
    change: &Change,
    claimed: Vec<Claimed>,
    now: Timestamp,
    mode: &Mode,
) -> Result<Written, Error> {
    let (mut runs, mut refused) = (Vec::new(), Vec::new());
    let mut known: BTreeMap<u32, Result<(), String>> = BTreeMap::new();
    for job in claimed {
        let may = known.entry(job.uid.as_raw()).or_insert_with(|| {
            let owner = Caller { uid: job.uid, name: job.run.owner.clone(), user: None };
            access::check(Tool::At, &owner, &mode.paths)
        });
        let objection = may.clone().err().or_else(|| lateness(&job, now, mode));
        let (run, recipe) = as_its_uid(job);
        match objection {
            None => runs.push((run, recipe)),
            Some(why) => {
                let report = Report::without_session(run, now, Outcome::NotStarted(why));
                change.finish(&report)?;
                refused.push((report, recipe));
            }
        }
    }
    Ok(Written::Claimed { runs, refused })
}

/// That it is too late for this job, if it is.
fn lateness(job: &Claimed, now: Timestamp, mode: &Mode) -> Option<String> {
    let default = || mode.at.deadline.and_then(|longest| job.run.due.checked_add_signed(longest));
    let last_start = job.last_start.or_else(default)?;
    let late = (now - job.run.due).num_seconds();
    (now > last_start).then(|| format!("its deadline has passed: it was due {late} seconds ago"))
}

/// A claimed job, for the very user who queued it: a name may have been given to somebody else since.
fn as_its_uid(claimed: Claimed) -> (Run, Recipe) {
    (claimed.run, Recipe { uid: Some(claimed.uid.as_raw()), ..claimed.recipe })
}
