//! What is known of a job at a time: the loop tells what its schedule says and how its file is, the disk thread adds
//! runs and absences. Draws no conclusion; the client does that, in words.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta};

use crate::daemon::access;
use crate::daemon::connections::Caller;
use crate::daemon::control::{self, Known, encode, may_see};
use crate::daemon::desk;
use crate::daemon::which::which;
use crate::plan::catch_up::Every;
use crate::plan::civil::{Timestamp, reading};
use crate::plan::job::{Job, JobId, Source};
use crate::plan::schedule::Schedule;
use crate::plan::timetable::{self, last_before, period_begins, timetable};
use crate::protocol::fault::Fault;
use crate::protocol::reply;
use crate::protocol::reply::{ClockChange, Explanation, Field, Period, ScheduleKind};
use crate::protocol::request::ExplainJob;
use crate::session::stamp;
use crate::spool::user_of;
use crate::store::Store;
use crate::store::runs::Filter;

/// What the loop knows, with what is said if nobody knows anything.
#[derive(Debug)]
pub struct Explained {
    /// The job as it was asked for.
    pub word: String,
    /// The reply as far as it is known.
    pub reply: reply::Explained,
    /// Why there is no such job.
    pub unknown: Option<Fault>,
}

/// No stretch of time that is asked about is longer.
const LONGEST: TimeDelta = TimeDelta::days(32);

/// As many runs as are kept of a job, and those that go on.
const RUNS: usize = 100;

/// So many absences are told.
const ABSENCES: u32 = 100;

/// What the loop knows of the job that a caller may see and means.
pub fn explain(
    now: Timestamp,
    caller: &Caller,
    request: &ExplainJob,
    known: &Known<'_>,
) -> Result<Explained, Fault> {
    let asked = asked(request)?;
    let word = request.job.clone();
    let all = known.scheduler.jobs();
    let own: Vec<_> =
        all.iter().map(|(job, _)| job).filter(|job| may_see(caller, &job.owner)).collect();
    let mut reply = reply::Explained { now, problems: Vec::new(), explanation: None, last: None };
    let job = match which(&own, &word) {
        Ok(job) => job,
        Err(message) => {
            reply.problems = said_of(&word, caller, known);
            // That is told whether there is such a job or not.
            let another = control::of_another(caller, &word);
            let unknown = Some(another.unwrap_or(Fault::NotFound { message }));
            return Ok(Explained { word, reply, unknown });
        }
    };
    let next = all.iter().find(|(other, _)| Arc::ptr_eq(other, job)).and_then(|(_, next)| *next);
    reply.problems = problems_of(&job.origin.source, caller, known);
    reply.explanation = Some(explanation(now, job, next, asked, known));
    Ok(Explained { word, reply, unknown: None })
}

/// The time that is asked about, if it is one that people ask about.
fn asked(request: &ExplainJob) -> Result<Option<(Timestamp, Timestamp)>, Fault> {
    let invalid = |parameter: &str| Fault::InvalidParameter { parameter: parameter.to_owned() };
    let Some(from) = request.from else { return Ok(None) };
    let until = request.until.unwrap_or(from + TimeDelta::minutes(1));
    let last = DateTime::from_timestamp(LAST_SECOND, 0).unwrap_or(Timestamp::MAX_UTC);
    if from < Timestamp::UNIX_EPOCH || until > last {
        return Err(invalid("from, until: they lie between the years 1970 and 9999"));
    }
    if until <= from || until - from > LONGEST {
        return Err(invalid("until: it is after from, by 32 days at most"));
    }
    Ok(Some((from, until)))
}

/// The first one after the year 9998.
const LAST_SECOND: i64 = 253_370_764_800;

fn explanation(
    now: Timestamp,
    job: &Arc<Job>,
    next: Option<Timestamp>,
    asked: Option<(Timestamp, Timestamp)>,
    known: &Known<'_>,
) -> Explanation {
    let minute = |from: Timestamp| (from, from + TimeDelta::minutes(1));
    let soon = now + TimeDelta::seconds(1);
    let (from, until) = asked.unwrap_or_else(|| minute(last_before(job, soon).unwrap_or(now)));
    let table = timetable(job, from, until);
    let change = |change: timetable::Change| ClockChange { at: change.at, seconds: change.seconds };
    let (kind, period) = match &job.schedule {
        Schedule::Calendar(_) | Schedule::Seconds(_) => (ScheduleKind::Calendar, None),
        Schedule::Reboot => (ScheduleKind::Reboot, None),
        Schedule::Never => (ScheduleKind::Disabled, None),
        Schedule::Every(every) => {
            let last = until - TimeDelta::seconds(1);
            (ScheduleKind::Period, Some(period(job, every, [now, last], known)))
        }
    };
    Explanation {
        job: control::told(job, next),
        kind,
        zone: job.zone.name().map(str::to_owned),
        single: job.single,
        delay: job.delay.num_seconds().unsigned_abs(),
        from,
        until,
        shown: reading(&*job.zone, from - job.delay),
        due: table.due,
        more: table.is_cut,
        before: table.before,
        after: table.after,
        refusing: table.refusing.into_iter().map(Field::from).collect(),
        changes: table.changes.into_iter().map(change).collect(),
        period,
        runs: Vec::new(),
        absences: Vec::new(),
        makes_up: job.terms.made_up,
        deadline: job.terms.deadline.map(|deadline| deadline.num_seconds().unsigned_abs()),
        ac_only: job.terms.ac_only,
        owed: Vec::new(),
        first_seen: None,
        started: known.state.started,
        changed: None,
    }
}

fn period(job: &Job, every: &Every, [now, asked]: [Timestamp; 2], known: &Known<'_>) -> Period {
    let day = reading(&*job.zone, asked).date();
    Period {
        begins: period_begins(every.period, day),
        day,
        today: reading(&*job.zone, now).date(),
        done: every.done,
        delay: every.delay,
        first_hour: every.hours.map(|(first, _)| first),
        end_hour: every.hours.map(|(_, end)| end),
        stamp: stamp::directory(known.paths).join(&job.name).display().to_string(),
    }
}

/// What is wrong with a file, to those who may know.
fn problems_of(source: &Source, caller: &Caller, known: &Known<'_>) -> Vec<String> {
    let may_know = access::is_master(caller)
        || user_of(&source.0, known.paths).is_none_or(|user| user == caller.name);
    let problems = known.state.problems.get(source).filter(|_| may_know);
    problems.into_iter().flatten().cloned().collect()
}

/// What is said of the files that a word may mean, and of what they leave to others: all of it for `FILE`; for
/// `FILE:LINE` what is of that line, and what is of no line.
fn said_of(word: &str, caller: &Caller, known: &Known<'_>) -> Vec<String> {
    let (file, line) = match word.rsplit_once(':') {
        Some((file, line)) if line.parse::<u32>().is_ok() => (file, Some(line)),
        Some(_) | None => (word, None),
    };
    let file = file.trim_start_matches("./");
    let is_it = |source: &&Source| !file.is_empty() && source.0.ends_with(file);
    let mut said = Vec::new();
    for source in known.state.problems.keys().filter(is_it) {
        let path = format!("{}:", source.0.display());
        let left = known.state.left.get(source).into_iter().flatten().cloned();
        let of_line = |text: &String| {
            let number = text.strip_prefix(&path).and_then(|rest| rest.split(':').next());
            let number = number.filter(|number| number.parse::<u32>().is_ok());
            line.is_none() || number.is_none() || number == line
        };
        said.extend(problems_of(source, caller, known).into_iter().chain(left).filter(of_line));
    }
    said
}

/// When a file was last written, or put where it is.
fn changed(file: &Path) -> Option<Timestamp> {
    DateTime::from_timestamp(std::fs::metadata(file).ok()?.ctime(), 0)
}

/// The bytes of the reply, with what the store knows.
pub fn complete(store: Option<&Store>, explained: Explained, owner: Option<&str>) -> Vec<u8> {
    let Explained { word, mut reply, unknown } = explained;
    let runs = |job: &str, limit| {
        let filter = Filter { owner, job: Some(job), limit, only_ends: true };
        let past = store.and_then(|store| store.history(&filter).ok()).unwrap_or_default();
        past.into_iter().map(desk::told).collect::<Vec<_>>()
    };
    if let Some(explanation) = &mut reply.explanation {
        explanation.runs = runs(&explanation.job.id, RUNS);
        let from = explanation.from - TimeDelta::days(1);
        let absences =
            store.and_then(|store| store.absences(from, Timestamp::MAX_UTC, ABSENCES).ok());
        explanation.absences = absences.unwrap_or_default();
        let id = JobId(explanation.job.id.clone());
        if let Some(entry) = store.and_then(|store| store.entry(&id).ok().flatten()) {
            explanation.owed = entry.remembered.owed;
            explanation.first_seen = Some(entry.first_seen);
        }
        explanation.changed = changed(Path::new(&explanation.job.file));
        return encode(Ok(reply));
    }
    reply.last = runs(&word, 1).pop();
    match unknown {
        Some(fault) if reply.problems.is_empty() && reply.last.is_none() => {
            encode(Err::<reply::Explained, _>(fault))
        }
        Some(_) | None => encode(Ok(reply)),
    }
}
