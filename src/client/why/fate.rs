//! What became of an instant at which a job was due, judged by what ratd knows. Has no words for people.

use crate::plan::absence::Absence;
use crate::plan::civil::Timestamp;
use crate::plan::run::{Outcome, Trigger};
use crate::protocol::reply::{Explanation, Run};

/// What became of an instant at which the job was due.
#[derive(Clone, Copy)]
pub enum Fate<'e> {
    /// It ran, and is over.
    Ran(&'e Run),
    /// It runs.
    Runs(&'e Run),
    /// It was not started, and the run says why.
    NotStarted(&'e Run),
    /// Nobody knows what became of its run.
    Lost(&'e Run),
    /// The run before still went on, and it never runs twice at a time.
    Skipped(&'e Run),
    /// Nothing was handled at that time.
    Missed(&'e Absence),
    /// It was missed, and is still to be made up for.
    Owed,
    /// It is still to come.
    Coming,
    /// It was due in this moment.
    Now,
    /// It is known only since then, or its file was changed then.
    New(Timestamp),
    /// It is longer ago than runs are kept.
    Forgotten,
    /// Nothing is known that would have kept it from running.
    Unknown,
}

/// So many runs of a job are kept at most, and so long.
pub const KEPT_RUNS: usize = 50;
pub const KEPT: chrono::TimeDelta = chrono::TimeDelta::days(30);

/// What was due so shortly ago may not be written down yet.
const MOMENT: chrono::TimeDelta = chrono::TimeDelta::seconds(2);

/// What became of an instant at which the job was due, as is known at `now`.
pub fn fate(explanation: &Explanation, at: Timestamp, now: Timestamp) -> Fate<'_> {
    let runs = &explanation.runs;
    let is_it = |run: &&Run| run.due == at && run.trigger != Trigger::Manual;
    if let Some(run) = runs.iter().find(is_it) {
        return Fate::of(run);
    }
    if at > now {
        return Fate::Coming;
    }
    if explanation.owed.contains(&at) {
        return Fate::Owed;
    }
    if explanation.single
        && let Some(before) = runs.iter().find(|run| goes_on_at(run, at))
    {
        return Fate::Skipped(before);
    }
    if let Some(absence) = absence_at(explanation, at) {
        return Fate::Missed(absence);
    }
    let is_dropped = runs.len() >= KEPT_RUNS && runs.last().is_some_and(|run| at < run.due);
    if now - at < MOMENT {
        return Fate::Now;
    }
    if is_dropped || now - at > KEPT {
        return Fate::Forgotten;
    }
    // What was there would have run, or something would be written down.
    let since = explanation.first_seen.into_iter().chain(explanation.changed);
    since.into_iter().find(|since| *since > at).map_or(Fate::Unknown, Fate::New)
}

/// When nothing was handled at that time.
pub fn absence_at(explanation: &Explanation, at: Timestamp) -> Option<&Absence> {
    explanation.absences.iter().find(|absence| absence.from <= at && at < absence.until)
}

fn goes_on_at(run: &Run, at: Timestamp) -> bool {
    // When one that goes on was started is written down at its end.
    run.started.unwrap_or(run.due) <= at && run.ended.is_none_or(|ended| ended > at)
}

impl<'e> Fate<'e> {
    /// What a run says of the instant it is for.
    pub fn of(run: &'e Run) -> Fate<'e> {
        match run.end.parse() {
            None => Fate::Runs(run),
            Some(Outcome::Exited(_) | Outcome::Killed(_)) => Fate::Ran(run),
            Some(Outcome::NotStarted(_) | Outcome::LeftToAnother(_)) => Fate::NotStarted(run),
            Some(Outcome::Lost(_)) => Fate::Lost(run),
        }
    }

    /// Its word, for programs.
    pub fn word(self) -> &'static str {
        match self {
            Fate::Ran(_) => "ran",
            Fate::Runs(_) => "runs",
            Fate::NotStarted(_) => "not-started",
            Fate::Lost(_) => "lost",
            Fate::Skipped(_) => "skipped",
            Fate::Missed(_) => "missed",
            Fate::Owed => "owed",
            Fate::Coming => "coming",
            Fate::Now => "now",
            Fate::New(_) => "new",
            Fate::Forgotten => "forgotten",
            Fate::Unknown => "unknown",
        }
    }

    /// Whether the job did not run, or nobody knows.
    pub fn is_no(self) -> bool {
        match self {
            Fate::Ran(_) | Fate::Runs(_) | Fate::Owed | Fate::Coming | Fate::Now => false,
            Fate::NotStarted(_)
            | Fate::Lost(_)
            | Fate::Skipped(_)
            | Fate::Missed(_)
            | Fate::New(_)
            | Fate::Forgotten
            | Fate::Unknown => true,
        }
    }

    /// The run that decided.
    pub fn run(self) -> Option<&'e Run> {
        match self {
            Fate::Ran(run)
            | Fate::Runs(run)
            | Fate::NotStarted(run)
            | Fate::Lost(run)
            | Fate::Skipped(run) => Some(run),
            Fate::Missed(_)
            | Fate::Owed
            | Fate::Coming
            | Fate::Now
            | Fate::New(_)
            | Fate::Forgotten
            | Fate::Unknown => None,
        }
    }

    /// The absence that decided.
    pub fn absence(self) -> Option<&'e Absence> {
        match self {
            Fate::Missed(absence) => Some(absence),
            _ => None,
        }
    }
}
