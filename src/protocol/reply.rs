//! What ratd answers. The same fields, under the same names, are what `--json` of the clients prints.

use serde::{Deserialize, Serialize};

use crate::plan::civil::Timestamp;
use crate::plan::run::{Outcome, Trigger};
use crate::plan::submission::{self, Submission};
use crate::plan::text::Text;

/// What ratd answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[allow(missing_docs, reason = "each variant is named after what it holds")]
pub enum Reply {
    Nothing(Nothing),
    Info(Info),
    Description(Description),
    Status(Box<Status>),
    Jobs(Jobs),
    Runs(Runs),
    Coming(Coming),
    Submitted(Submitted),
    Queue(Queue),
    Removed(Removed),
    Shown(Box<Shown>),
    Crontab(Crontab),
    Installed(Installed),
}

/// It is done, and there is nothing to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nothing {}

/// Who this is, in the words of `org.varlink.service`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Who made it.
    pub vendor: String,
    /// What it is.
    pub product: String,
    /// Its version.
    pub version: String,
    /// Where it is at home.
    pub url: String,
    /// The interfaces that it speaks.
    pub interfaces: Vec<String>,
}

/// The language of an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// In varlink's own words.
    pub description: String,
}

/// How ratd is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// When it started.
    pub started: Timestamp,
    /// How it runs: `system`, `user` or `file`.
    pub mode: String,
    /// How many jobs it knows.
    pub jobs: u64,
    /// How many run now.
    pub running: u64,
    /// How many at-jobs wait.
    pub queued: u64,
    /// When it will wake up next, if nothing happens before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_wakeup: Option<Timestamp>,
    /// How the database is: `ok`, or what is wrong with it.
    pub store: String,
    /// What has happened since it started.
    pub counters: Counters,
    /// The files that jobs come from.
    pub sources: Vec<Source>,
}

/// What has happened since ratd started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Runs started.
    pub runs_started: u64,
    /// Runs that ended, well or not.
    pub runs_ended: u64,
    /// Those of them that did not exit with status 0.
    pub runs_failed: u64,
    /// Runs that could not be started.
    pub runs_not_started: u64,
    /// Runs whose end nobody knows.
    pub runs_lost: u64,
    /// History rows given up because the database was too slow or broken.
    pub rows_dropped: u64,
    /// Times that the clock was set.
    pub clock_steps: u64,
    /// Requests answered.
    pub requests: u64,
    /// Times that the fork server had to be started again.
    pub server_restarts: u64,
}

/// A file that jobs come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The file.
    pub path: Text,
    /// How many jobs it gives.
    pub jobs: u64,
    /// Why all of it is ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What is wrong with single lines.
    pub diagnostics: Vec<Diagnostic>,
}

/// One thing to say about one place of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// `error` or `warning`.
    pub severity: String,
    /// Its stable name, as in the manual: `E003`.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// The line, from 1.
    pub line: u32,
    /// Its first byte that is meant, from 1.
    pub column: u32,
    /// How many bytes are meant.
    pub length: u32,
    /// What to write instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// The jobs there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jobs {
    /// In order of file and line.
    pub jobs: Vec<Job>,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its identity.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The user that it runs as.
    pub owner: String,
    /// Its schedule as it was written.
    pub schedule: String,
    /// What it runs.
    pub command: Text,
    /// The file that it stands in.
    pub source: Text,
    /// The line, from 1.
    pub line: u32,
    /// Whether it runs now.
    pub running: bool,
    /// When it is due next; absent if never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due: Option<Timestamp>,
    /// How its last run ended, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_outcome: Option<String>,
    /// When its last run was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_started: Option<Timestamp>,
}

/// Runs of the past, and those that go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runs {
    /// Newest first.
    pub runs: Vec<Run>,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its identity.
    pub id: String,
    /// The job's identity.
    pub job: String,
    /// What people call the job.
    pub name: String,
    /// The user that it ran as.
    pub owner: String,
    /// When it should have run.
    pub due: Timestamp,
    /// When it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// How it ended.
    #[serde(flatten)]
    pub end: End,
    /// Why it was run.
    pub trigger: Trigger,
    /// Processor time in its own code.
    pub user_microseconds: u64,
    /// Processor time in the kernel.
    pub system_microseconds: u64,
    /// Largest resident set of one process.
    pub max_rss_kib: u64,
    /// What is kept of its output.
    pub output: Text,
    /// How long the output was.
    pub output_bytes: u64,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// `exited`, `killed`, `not-started` or `lost`; absent while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Its exit status, where it exited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<i32>,
    /// The signal that killed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Why it was not started, or is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl From<&Outcome> for End {
    fn from(outcome: &Outcome) -> End {
        let end = |outcome: &str| End { outcome: Some(outcome.to_owned()), ..End::default() };
        match outcome {
            Outcome::Exited(status) => End { status: Some(*status), ..end("exited") },
            Outcome::Killed(signal) => End { signal: Some(*signal), ..end("killed") },
            Outcome::NotStarted(why) => End { why: Some(why.clone()), ..end("not-started") },
            Outcome::Lost(why) => End { why: Some(why.clone()), ..end("lost") },
        }
    }
}

/// What is due next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coming {
    /// In time order.
    pub coming: Vec<Due>,
}

/// A job and an instant it is due at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// The instant.
    pub due: Timestamp,
    /// The job's identity.
    pub job: String,
    /// What people call the job.
    pub name: String,
    /// The user that it runs as.
    pub owner: String,
    /// What it runs.
    pub command: Text,
    /// The file that it stands in; absent for an at-job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Text>,
    /// The line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// An at-job is queued, and is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// Its number.
    pub number: u64,
    /// When it is due.
    pub due: Timestamp,
}

/// at's queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// In order of due time and number.
    pub queue: Vec<Queued>,
}

/// A job in at's queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// Its number.
    pub number: u64,
    /// The user that it belongs to.
    pub owner: String,
    /// The letter of its queue.
    pub queue: submission::Queue,
    /// When it is due.
    pub due: Timestamp,
    /// When it was submitted.
    pub submitted: Timestamp,
    /// Whether it runs now.
    pub running: bool,
}

/// An at-job is off the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// It was running, and goes on.
    pub was_running: bool,
}

/// An at-job whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Where it stands in the queue.
    pub job: Queued,
    /// As it was submitted.
    pub submission: Submission,
}

/// A user's crontab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crontab {
    /// Whose.
    pub user: String,
    /// All of it.
    pub text: Text,
}

/// A crontab is installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// Whose.
    pub user: String,
    /// How many jobs it gives.
    pub jobs: u64,
    /// What works, but perhaps not as meant.
    pub warnings: Vec<Diagnostic>,
}
