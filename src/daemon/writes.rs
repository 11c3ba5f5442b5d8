//! What the clerk writes in one transaction: which commands are writes, what each of them writes, what it led to.
//! Tells nobody; that is done after the commit.

use std::collections::BTreeMap;

use crate::daemon::access::{self, Tool};
use crate::daemon::connections::{Caller, Client};
use crate::daemon::crash::{Crash, Place};
use crate::daemon::desk;
use crate::daemon::disk::Command;
use crate::daemon::options::Mode;
use crate::plan::civil::Timestamp;
use crate::plan::job::{JobId, Recipe};
use crate::plan::missed::Remembered;
use crate::plan::run::{Outcome, Report, Run, RunId};
use crate::store::error::Error;
use crate::store::queue::Claimed;
use crate::store::{Change, Store};

/// So many old rows are deleted at a time.
const PRUNED: usize = 100;

/// What a write led to, told after the commit.
pub enum Written {
    Nothing,
    Changed(Client, desk::Changed),
    Claimed { runs: Vec<(Run, Recipe)>, refused: Vec<(Report, Recipe)> },
    Ordered(Client, Box<(Run, Recipe)>),
    MadeUp(Box<(Run, Recipe)>),
    Recalled(Vec<(JobId, Remembered)>),
    Stored(RunId),
}

/// A write whose report, if it is about one, has been read.
pub enum Write {
    Report(Box<Report>),
    /// The owner of this run, which was lost, has been told.
    Told(RunId),
    /// All of it was handled by this instant.
    Handled(Timestamp),
    Other(Box<Command>),
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
        written.push(match write {
            Write::Report(report) => {
                match &report.outcome {
                    // Whoever knows better knows better.
                    Outcome::Lost(why) if report.output.0.is_empty() => {
                        change.lose(&report.run, why, report.ended)?
                    }
                    _ => change.finish(report)?,
                }
                crash.at(Place::BeforeStore);
                Written::Stored(report.run.id)
            }
            Write::Told(run) => {
                change.told(*run)?;
                Written::Stored(*run)
            }
            Write::Handled(now) => change.set_seen(*now).map(|()| Written::Nothing)?,
            Write::Other(command) => apply(&change, command, mode, crash)?,
        });
    }
    if let Some(now) =
        written.iter().any(|written| matches!(written, Written::Stored(_))).then(|| latest(writes))
    {
        change.prune(now.unwrap_or_default(), PRUNED)?;
    }
    change.commit()?;
    Ok(written)
}

fn latest(writes: &[Write]) -> Option<Timestamp> {
    let ended = |write: &Write| match write {
        Write::Report(report) => Some(report.ended),
        Write::Told(_) | Write::Handled(_) | Write::Other(_) => None,
    };
    writes.iter().filter_map(ended).max()
}

fn apply(change: &Change, command: &Command, mode: &Mode, crash: Crash) -> Result<Written, Error> {
    match command {
        Command::Change { client, caller, change: asked, now } => {
            crash.at(Place::BeforeSubmit);
            let changed = desk::change(change, caller, asked, *now, &mode.paths)?;
            crash.at(Place::BeforeSubmitCommit);
            Ok(Written::Changed(*client, changed))
        }
        Command::Claim { kind, first, limit, now } => {
            let claimed = change.claim_due(*kind, *now, *first, *limit as usize)?;
            let written = sort_out(change, claimed, *now, mode)?;
            crash.at(Place::BeforeClaimCommit);
            Ok(written)
        }
        Command::Order { client, run, recipe, .. } => {
            change.begun(run)?;
            Ok(Written::Ordered(*client, Box::new((run.clone(), recipe.clone()))))
        }
        Command::Begun { run, .. } => change.begun(run).map(|()| Written::Nothing),
        Command::Absent { absence } => change.note_absence(absence).map(|()| Written::Nothing),
        Command::Stamp { ident, date } => {
            // The session wrote its stamp, if it could be written: the store's date counts as well.
            change.mark_done(ident, *date).map(|()| Written::Nothing)
        }
        Command::MakeUp { run, recipe, .. } => {
            change.begun(run)?;
            crash.at(Place::BeforeClaimCommit);
            Ok(Written::MadeUp(Box::new((run.clone(), recipe.clone()))))
        }
        Command::Recall { entries, now } => {
            let recall = |(job, handled): &(JobId, Timestamp)| {
                Ok((job.clone(), change.recall(job, *handled, *now)?))
            };
            entries.iter().map(recall).collect::<Result<_, Error>>().map(Written::Recalled)
        }
        Command::Owe { job, owed, handled } => {
            change.owe(job, owed, *handled).map(|()| Written::Nothing)
        }
        Command::Handled { job, due } => change.handled(job, *due).map(|()| Written::Nothing),
        Command::Forget { jobs } => change.forget_entries(jobs).map(|()| Written::Nothing),
        _ => Ok(Written::Nothing),
    }
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

/// Whether a command writes to the store.
pub fn is_write(command: &Command) -> bool {
    match command {
        Command::Change { .. }
        | Command::Claim { .. }
        | Command::Order { .. }
        | Command::Begun { .. }
        | Command::Refused { .. }
        | Command::Collect { .. }
        | Command::Lost { .. }
        | Command::Absent { .. }
        | Command::Stamp { .. }
        | Command::Recall { .. }
        | Command::Owe { .. }
        | Command::Handled { .. }
        | Command::Forget { .. }
        | Command::MakeUp { .. } => true,
        Command::Identify { .. }
        | Command::Introduce { .. }
        | Command::Parse { .. }
        | Command::Ask { .. }
        | Command::Crontab { .. }
        | Command::List { .. }
        | Command::Annotate { .. }
        | Command::Explain { .. }
        | Command::Tell { .. }
        | Command::Look { .. }
        | Command::CheckZones
        | Command::CollectAll { .. }
        | Command::Settle { .. }
        | Command::End { .. } => false,
    }
}

/// When a command was given, where it says so.
pub fn instant(command: &Command) -> Option<Timestamp> {
    match command {
        Command::Change { now, .. }
        | Command::Claim { now, .. }
        | Command::Collect { now, .. }
        | Command::Lost { now, .. }
        | Command::CollectAll { now }
        | Command::Recall { now, .. }
        | Command::Settle { now, .. } => Some(*now),
        Command::Order { at, .. }
        | Command::Begun { at, .. }
        | Command::Refused { at, .. }
        | Command::MakeUp { at, .. } => Some(*at),
        Command::Absent { absence } => Some(absence.until),
        Command::Identify { .. }
        | Command::Introduce { .. }
        | Command::Parse { .. }
        | Command::Ask { .. }
        | Command::Crontab { .. }
        | Command::List { .. }
        | Command::Annotate { .. }
        | Command::Explain { .. }
        | Command::Tell { .. }
        | Command::Look { .. }
        | Command::CheckZones
        | Command::Owe { .. }
        | Command::Handled { .. }
        | Command::Forget { .. }
        | Command::Stamp { .. }
        | Command::End { .. } => None,
    }
}
