//! What ratd answers: a struct a method.

use std::ops::Not;

use chrono::{NaiveDate, NaiveDateTime};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::plan::absence::Absence;
use crate::plan::civil::Timestamp;
use crate::plan::run::{Outcome, Trigger, Usage};
use crate::plan::schedule::Part;
use crate::plan::submission::Submission;
use crate::plan::text::Text;
use crate::protocol::fault::Fault;
use crate::protocol::instant;

/// It is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done {}

/// Who this service is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// Who makes it.
    pub vendor: String,
    /// What it is.
    pub product: String,
    /// Which version.
    pub version: String,
    /// Where to read more.
    pub url: String,
    /// What can be asked.
    pub interfaces: Vec<String>,
}

/// The description of an interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// In varlink's language.
    pub description: String,
}

/// How ratd is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Since when it runs.
    pub started: Timestamp,
    /// All crontabs have been read once.
    pub ready: bool,
    /// How many jobs there are.
    pub jobs: u64,
    /// How many runs go on.
    pub running: u64,
    /// When ratd will wake up next, if nothing happens before.
    pub next: Option<Timestamp>,
    /// Why the store cannot be used; absent if it can.
    pub trouble: Option<String>,
    /// Runs started since it runs.
    pub runs_started: u64,
    /// Runs missed since it runs.
    pub runs_missed: u64,
    /// History rows that were dropped since the disk did not keep up.
    pub rows_dropped: u64,
    /// The dialect that the crontabs are read in.
    #[serde(default)]
    pub dialect: String,
    /// What is wrong with the crontabs, a line each.
    pub problems: Vec<String>,
}

/// Jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Jobs {
    /// In the order of their files and lines.
    pub jobs: Vec<Job>,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its id, which stays.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The user it runs as.
    pub owner: String,
    /// Its schedule, as it was written.
    pub schedule: String,
    /// The command.
    pub command: Text,
    /// The file it stands in.
    pub file: String,
    /// The line.
    pub line: u32,
    /// It never runs, since its entry says so.
    pub disabled: bool,
    /// When it is due next.
    pub next: Option<Timestamp>,
    /// How it ended last.
    pub last: Option<Last>,
}

/// How a job ended last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Last {
    /// When it was started.
    pub started: Option<Timestamp>,
    /// How it ended.
    #[serde(flatten)]
    pub end: End,
}

/// How a run ended, spread out as varlink, which knows no sum types, can say it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// `exited`, `killed`, `not-started` or `lost`; null while it runs.
    pub outcome: Option<String>,
    /// The status it exited with.
    pub status: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// Why it was not started, or why nobody knows.
    pub why: Option<String>,
}

impl From<Option<&Outcome>> for End {
    fn from(outcome: Option<&Outcome>) -> End {
        let (word, status, signal, why) = match outcome {
            None => return End::default(),
            Some(Outcome::Exited(status)) => ("exited", Some(*status), None, None),
            Some(Outcome::Killed(signal)) => ("killed", None, Some(*signal), None),
            Some(Outcome::NotStarted(why) | Outcome::LeftToAnother(why)) => {
                ("not-started", None, None, Some(why.clone()))
            }
            Some(Outcome::Lost(why)) => ("lost", None, None, Some(why.clone())),
        };
        End { outcome: Some(word.to_owned()), status, signal, why }
    }
}

impl End {
    /// How the run ended; `None` while it runs. An end that a newer ratd knows and we do not is lost to us.
    pub fn parse(&self) -> Option<Outcome> {
        let word = self.outcome.as_deref()?;
        Some(match (word, self.status, self.signal) {
            ("exited", Some(status), _) => Outcome::Exited(status),
            ("killed", _, Some(signal)) => Outcome::Killed(signal),
            ("not-started", _, _) => Outcome::NotStarted(self.why.clone().unwrap_or_default()),
            _ => Outcome::Lost(self.why.clone().unwrap_or_else(|| word.to_owned())),
        })
    }
}

/// Runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Runs {
    /// The newest first.
    pub runs: Vec<Run>,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// The job's id.
    pub job: String,
    /// The job's name.
    pub name: String,
    /// The user it ran as.
    pub owner: String,
    /// When it should have run.
    pub due: Timestamp,
    /// Why it ran.
    pub trigger: Trigger,
    /// When it was started.
    pub started: Option<Timestamp>,
    /// When it was over.
    pub ended: Option<Timestamp>,
    /// How it ended.
    #[serde(flatten)]
    pub end: End,
    /// What it used.
    #[serde(flatten)]
    pub usage: Usage,
    /// How much it printed, in bytes.
    pub output_bytes: u64,
    /// The last line that it printed.
    pub last_line: Text,
    /// What it printed, if that was asked for.
    pub output: Option<Text>,
}

/// A run was ordered, durably.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ordered {
    /// Its id.
    pub run: String,
    /// The job's id.
    pub job: String,
    /// The job's name.
    pub name: String,
    /// The user it runs as.
    pub owner: String,
}

/// A run that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Waited {
    /// The run, with what it printed.
    pub run: Run,
}

/// What is known of a job at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// When that was known.
    pub now: Timestamp,
    /// What is wrong with its file, or what that file's entries are left to, a line each.
    pub problems: Vec<String>,
    /// What there is to know; null if no crontab that is used has the job.
    pub explanation: Option<Explanation>,
    /// If none has: the last run of one that was called so.
    pub last: Option<Run>,
}

/// A job, a time, and all that says why it ran then or did not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The job.
    pub job: Job,
    /// What kind of schedule it has.
    pub kind: ScheduleKind,
    /// The zone its schedule is read in; null where it has no name.
    pub zone: Option<String>,
    /// It is not started while it still runs.
    pub single: bool,
    /// How many seconds later it is due than its schedule names.
    pub delay: u64,
    /// The first instant asked about.
    pub from: Timestamp,
    /// The first one that is not.
    pub until: Timestamp,
    /// What the clock of its zone shows then.
    pub shown: NaiveDateTime,
    /// When it was due in between, in order.
    pub due: Vec<Timestamp>,
    /// There are more.
    pub more: bool,
    /// When it was due last before that.
    pub before: Option<Timestamp>,
    /// When it is due first after that.
    pub after: Option<Timestamp>,
    /// The fields that keep it from being due in between.
    pub refusing: Vec<Field>,
    /// Changes of the clock of its zone close by.
    pub changes: Vec<ClockChange>,
    /// Of a period job, what is known of its periods.
    pub period: Option<Period>,
    /// Its runs that are kept, the newest first, without what they printed.
    pub runs: Vec<Run>,
    /// When nothing was handled, at that time and since then, the latest first.
    pub absences: Vec<Absence>,
    /// So many missed instants are made up for, the latest ones.
    pub makes_up: u32,
    /// How many seconds after an instant that may still be, if that was said.
    pub deadline: Option<u64>,
    /// It waits for mains power.
    pub ac_only: bool,
    /// What is still to be made up for.
    pub owed: Vec<Timestamp>,
    /// Since when the entry is known, where that is written down.
    pub first_seen: Option<Timestamp>,
    /// Since when this ratd runs.
    pub started: Timestamp,
    /// When the job's file was last changed.
    pub changed: Option<Timestamp>,
}

/// A kind of schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleKind {
    /// Times.
    Calendar,
    /// Once after each boot.
    Reboot,
    /// Once in each period.
    Period,
    /// Never: its entry is disabled.
    Disabled,
}

/// A field of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Field {
    Minute,
    Hour,
    Day,
    Month,
    Weekday,
}

impl From<Part> for Field {
    fn from(part: Part) -> Field {
        match part {
            Part::Minute => Field::Minute,
            Part::Hour => Field::Hour,
            Part::Day => Field::Day,
            Part::Month => Field::Month,
            Part::Weekday => Field::Weekday,
        }
    }
}

/// A change of the clock of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockChange {
    /// The first instant after it.
    pub at: Timestamp,
    /// By how many seconds the clock went forward; back, where it is negative.
    pub seconds: i64,
}

/// What is known of the periods of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// The first day on which it is done for the day asked about.
    pub begins: NaiveDate,
    /// The day asked about.
    pub day: NaiveDate,
    /// Today.
    pub today: NaiveDate,
    /// The day on which it was last done, by whomever.
    pub done: Option<NaiveDate>,
    /// Wait after it became due, in minutes.
    pub delay: u32,
    /// The first hour in which it may start; null if it may in all.
    pub first_hour: Option<u8>,
    /// The first hour in which it may not any more.
    pub end_hour: Option<u8>,
    /// The stamp of its last day.
    pub stamp: String,
}

/// Coming runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Next {
    /// In order of time.
    pub runs: Vec<Coming>,
}

/// A coming run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coming {
    /// When.
    pub time: Timestamp,
    /// The job's id.
    pub job: String,
    /// The job's name.
    pub name: String,
    /// The user it runs as.
    pub owner: String,
    /// Its schedule, as it was written.
    pub schedule: String,
    /// The command.
    pub command: Text,
}

/// An at-job was queued, durably.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Submitted {
    /// Its number.
    pub number: u64,
}

/// An at-job of another queue is in this one, durably.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Imported {
    /// Its number here.
    pub number: u64,
    /// Whether it was not here before.
    pub new: bool,
}

/// The at queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Queue {
    /// By due time and number.
    pub jobs: Vec<Queued>,
}

/// A job in the at queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Queued {
    /// Its number.
    pub number: u64,
    /// When it is due.
    #[serde(with = "instant")]
    pub due: Timestamp,
    /// Its queue's letter.
    pub queue: char,
    /// Its owner.
    pub owner: String,
    /// It runs.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub running: bool,
    /// Nobody knows whether it ran.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub lost: bool,
}

/// What became of an at-job that was to be removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Removed {
    /// It runs already, and goes on.
    pub running: bool,
}

/// An at-job, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// Its owner.
    pub uid: u32,
    /// The owner's name when it was queued.
    pub owner: String,
    /// As it was submitted.
    pub job: Submission,
}

/// A crontab.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crontab {
    /// As it was installed.
    pub text: Text,
}

/// What a crontab was before its last changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Versions {
    /// The newest first.
    pub versions: Vec<Version>,
}

/// What a crontab was until a change, and what the change did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// Its number, which stays.
    pub number: u64,
    /// When it was changed.
    pub until: Timestamp,
    /// How many bytes it had; null if there was no crontab.
    pub bytes: Option<u64>,
    /// So many entries were new then.
    pub added: u32,
    /// So many were gone.
    pub removed: u32,
    /// So many had another schedule or command.
    pub changed: u32,
}

/// What was brought back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Undone {
    /// The number of the version.
    pub number: u64,
    /// The crontab as it is now; null if there is none.
    pub text: Option<Text>,
}

/// A reply, or a piece of one.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply<R> {
    /// What was asked for.
    pub parameters: R,
    /// More of it follows.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub continues: bool,
}

/// No piece is much longer than this many bytes.
const PIECE: usize = 1 << 19;

/// Writes a reply, or why there is none.
pub fn encode<R: Serialize>(reply: &Result<R, Fault>) -> Vec<u8> {
    match reply {
        Ok(parameters) => written(&Reply { parameters, continues: false }, Vec::new()),
        Err(fault) => written(fault, Vec::new()),
    }
}

/// Writes a piece of a reply that is not the last.
pub fn encode_piece<R: Serialize>(parameters: &R) -> Vec<u8> {
    written(&Reply { parameters, continues: true }, Vec::with_capacity(PIECE))
}

fn written(reply: &impl Serialize, mut bytes: Vec<u8>) -> Vec<u8> {
    let written = serde_json::to_writer(&mut bytes, reply);
    written.expect("replies have string keys only, and memory takes every byte");
    bytes.push(0);
    bytes
}

/// A reply, or the fault it tells.
pub fn parse<R: DeserializeOwned>(
    frame: &[u8],
) -> Result<Result<Reply<R>, Fault>, serde_json::Error> {
    // At once what it is to become, and that it is text told of the whole: a queue may be long.
    if let Ok(text) = str::from_utf8(frame)
        && let Ok(reply) = serde_json::from_str(text)
    {
        return Ok(Ok(reply));
    }
    let mut reply: Value = serde_json::from_slice(frame)?;
    if let Some(fault) = Fault::parse(&reply) {
        return Ok(Err(fault));
    }
    if let Some(error) = reply.get("error") {
        let message = format!("ratd refused this: {error}");
        return Ok(Err(Fault::Unavailable { message }));
    }
    let continues = reply.get("continues") == Some(&Value::Bool(true));
    let parameters = reply.get_mut("parameters").map_or_else(|| json!({}), Value::take);
    serde_json::from_value(parameters).map(|parameters| Ok(Reply { parameters, continues }))
}
