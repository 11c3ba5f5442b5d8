//! One execution of a job: what is ordered, how it ended, what is remembered.

use serde::{Deserialize, Serialize};

use crate::plan::catch_up::Once;
use crate::plan::civil::Timestamp;
use crate::plan::job::{JobId, Recipe};
use crate::plan::manner::Manner;
use crate::plan::text::Text;

/// Names a run for ever; never given twice, not even after a crash. Shown as 12 or so base-36 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub u64);

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut digits = Vec::new();
        let mut rest = self.0;
        while rest > 0 || digits.is_empty() {
            digits.push(char::from_digit((rest % 36) as u32, 36).unwrap_or('?'));
            rest /= 36;
        }
        f.write_str(&digits.iter().rev().collect::<String>())
    }
}

impl std::str::FromStr for RunId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<RunId, Self::Err> {
        u64::from_str_radix(text, 36).map(RunId)
    }
}

/// One execution of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its name.
    pub id: RunId,
    /// The job.
    pub job: JobId,
    /// What people call the job.
    pub name: String,
    /// Login name of the user it runs as.
    pub owner: String,
    /// The instant the job should have run.
    pub due: Timestamp,
    /// Why it runs now.
    pub trigger: Trigger,
    /// The how-manieth it is for this instant: 1, or more if those before failed and are tried again.
    #[serde(default = "first")]
    pub attempt: u32,
}

fn first() -> u32 {
    1
}

impl Run {
    /// By what a log with fields finds what happened to it.
    pub fn fields(&self, event: &str) -> Vec<(&'static str, String)> {
        vec![
            ("RAT_EVENT", event.to_owned()),
            ("RAT_JOB", self.name.clone()),
            ("RAT_JOB_ID", self.job.0.clone()),
            ("RAT_OWNER", self.owner.clone()),
            ("RAT_RUN_ID", self.id.to_string()),
            ("RAT_DUE", self.due.to_rfc3339()),
        ]
    }
}

/// Why a run was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// Its time came.
    Schedule,
    /// Its time came while nothing could run it.
    CatchUp,
    /// The run before it failed.
    Retry,
    /// ratd started (`@reboot`).
    Reboot,
    /// An at-job's time came.
    At,
    /// Somebody asked for it by hand.
    Manual,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The main process exited with this status.
    Exited(i32),
    /// The main process was killed by this signal.
    Killed(i32),
    /// The command was never started, and why.
    NotStarted(String),
    /// Another anacron does the job, or has done it, and which of both.
    LeftToAnother(String),
    /// It may or may not have run; nobody can know any more, and why.
    Lost(String),
}

/// What a session is told to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The run.
    pub run: Run,
    /// What to run and how.
    pub recipe: Recipe,
    /// The stamp that a period job is run under.
    pub stamp: Option<Stamp>,
    /// How many bytes of output are kept: a quarter from the start, the rest from the end.
    pub keep_output: u64,
    /// Show output and outcome on ratd's own standard output as they come.
    pub echo: bool,
    /// The job is run as ratd itself is: as its user, whoever that is, and its output is ratd's own, byte for byte,
    /// of which nothing is kept.
    #[serde(default)]
    pub as_ratd: bool,
    /// What mail is handed to.
    pub mailer: Mailer,
    /// The socket of the system's log.
    pub log: Text,
    /// How the job is surrounded, if it is a crontab's.
    pub manner: Manner,
    /// The daemon's own variables, as far as the manner asks for them.
    pub daemon: Vec<(Text, Text)>,
    /// The directory of programs that jobs find where the system has none.
    pub programs: Text,
    /// What the daemon's locale calls its characters.
    pub codeset: String,
    /// The run is over, and this is how: nothing is run, its owner is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Box<Report>>,
}

/// The stamp of a period job: whoever runs the job holds its lock meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The file.
    pub file: Text,
    /// What it has to leave owed, and will say.
    pub once: Once,
}

/// The program that takes mail, called as sendmail is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailer {
    /// Its path; `None` is the system's sendmail.
    pub program: Option<Text>,
    /// How many seconds it may take before it is stopped.
    pub patience: u32,
}

/// What a session tells of its run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The run.
    pub run: Run,
    /// When the command was started (or refused).
    pub started: Timestamp,
    /// When the main process ended.
    pub ended: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// What it used.
    pub usage: Usage,
    /// Standard output and error, in one, cut in the middle where it was too long.
    pub output: Text,
    /// How long the output was before it was cut, in bytes.
    pub output_bytes: u64,
    /// The end was known before: this only says that the owner is being told of it.
    #[serde(default)]
    pub told: bool,
}

impl Report {
    /// Of a run that no session reports on.
    pub fn without_session(run: Run, at: Timestamp, outcome: Outcome) -> Report {
        let (usage, output) = (Usage::default(), Text::default());
        Report { run, started: at, ended: at, outcome, usage, output, output_bytes: 0, told: false }
    }
}

/// Resources that a run's processes used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time in the job's own code, in microseconds.
    pub user_microseconds: u64,
    /// Processor time in the kernel, in microseconds.
    pub system_microseconds: u64,
    /// Largest resident set of one process, in KiB.
    pub max_rss_kib: u64,
}
