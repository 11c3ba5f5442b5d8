//! What a job is, once it is past the door: no crontab, anacrontab or at is known here.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::plan::civil::{Offsets, Timestamp};
use crate::plan::manner::Manner;
use crate::plan::missed::Terms;
use crate::plan::retry::Retries;
use crate::plan::schedule::{Due, Schedule};
use crate::plan::text::Text;

/// Names a job across restarts and across edits elsewhere in its file: 16 hex digits for an entry,
/// `at-N` for the at-job of number N.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(pub String);

/// The file that jobs were read from; all its jobs are replaced together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Source(pub PathBuf);

/// Something that runs.
#[derive(Clone, Debug)]
pub struct Job {
    /// Stable identity.
    pub id: JobId,
    /// What people call it: `backup-3fa21c`, `cron.daily`, `at-17`.
    pub name: String,
    /// Login name of the user it runs as.
    pub owner: String,
    /// When it is due.
    pub schedule: Schedule,
    /// The schedule as it was written.
    pub written: String,
    /// Rules of the zone that the schedule is read in.
    pub zone: Arc<dyn Offsets>,
    /// How much later than the schedule says it is due, always the same: its share of a `RANDOM_DELAY`.
    pub delay: TimeDelta,
    /// Not started while it still runs.
    pub single: bool,
    /// What is done about instants at which it could not be started.
    pub terms: Terms,
    /// What happens when it fails.
    pub retries: Retries,
    /// What is run, and how.
    pub recipe: Recipe,
    /// File and line it was read from.
    pub origin: Origin,
}

impl Job {
    /// The first due instant after `after`; `None` also for jobs that wait for something else than a time.
    pub fn next_after(&self, after: Timestamp) -> Option<Due> {
        let after = after.checked_sub_signed(self.delay)?;
        let due = match &self.schedule {
            Schedule::Calendar(calendar) => calendar.next_after(after, &*self.zone),
            Schedule::Seconds(seconds) => seconds.next_after(after, &*self.zone),
            Schedule::Reboot | Schedule::Every(_) | Schedule::Never => None,
        }?;
        Some(Due { at: due.at.checked_add_signed(self.delay)?, times: due.times })
    }
}

/// The place a job was written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The file.
    pub source: Source,
    /// Line, counted from 1.
    pub line: u32,
}

/// Everything a session needs to run a job, but for the run itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// Which tool's rules hold for argv, environment and directory.
    pub kind: Kind,
    /// The command line for the shell; for an at-job the whole script.
    pub command: Text,
    /// Standard input; `None` is /dev/null.
    pub input: Option<Text>,
    /// Assignments in the order they were made; later ones win.
    pub environment: Assignments,
    /// The uid that the owner must still have; `None` where only the name counts, as in a crontab.
    pub uid: Option<u32>,
    /// Working directory; `None` is the owner's home (an entry) or `/` (a period job).
    pub directory: Option<Text>,
    /// File mode creation mask; `None` is the one that ratd has.
    pub umask: Option<u32>,
    /// How much nicer it is than ratd, from 0 to 19.
    #[serde(default)]
    pub nice: u8,
    /// Its environment says which run it is. Other crons say nothing of the kind, so only an entry with options is told.
    #[serde(default)]
    pub knows_run: bool,
    /// The log does not say that it is started.
    pub quiet: bool,
    /// Who is told what became of it.
    pub mailing: Mailing,
    /// How the cron whose crontab it is surrounds its jobs; `None` where the daemon's own manner counts. What goes to
    /// a session is told that by its order.
    #[serde(skip)]
    pub manner: Option<&'static Manner>,
}

impl Recipe {
    /// What runs a command as its tool does if nothing else is said.
    pub fn plain(kind: Kind, command: Text) -> Recipe {
        Recipe {
            kind,
            command,
            input: None,
            environment: [].into(),
            uid: None,
            directory: None,
            umask: None,
            nice: 0,
            knows_run: false,
            quiet: false,
            mailing: Mailing::default(),
            manner: None,
        }
    }
}

/// Who is told by mail what became of a run, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailing {
    /// Whether there is any.
    pub when: Mail,
    /// Only when the run failed.
    pub on_failure_only: bool,
    /// To whom; `None`: to those that `MAILTO` names, or to the owner.
    pub to: Option<String>,
}

/// When the owner of a job gets mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mail {
    /// When there is output.
    #[default]
    Auto,
    /// Always (`-m` of at).
    Always,
    /// Never (`-M` of at).
    Never,
}

/// Names and values, shared between the entries of a file that they stand above.
pub type Assignments = Arc<[(Text, Text)]>;

/// Whose rules a run follows: crond's, anacron's or atd's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A line of a user's crontab.
    Entry,
    /// A line of /etc/crontab or /etc/cron.d.
    SystemEntry,
    /// A line of an anacrontab.
    Period,
    /// What rat-at queued.
    At,
}
