//! How a cron surrounds the jobs of its crontabs: their environment and directory, their mail, its words in the log.
//! Values alone, in which crons differ; a session follows them. At-jobs and period jobs have manners of their own.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Text that is known when the program is built, and goes to a session as any other.
pub type Word = Cow<'static, str>;

/// What a cron does around a job, besides running it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manner {
    /// Where commands are looked for, unless the crontab says so; `None`: wherever the daemon would.
    pub path: Option<Word>,
    /// `USER` is who the job runs as, whatever the crontab says; else it is the crontab's to set.
    pub sets_user: bool,
    /// Which variables jobs have from the daemon.
    pub inherits: Inherits,
    /// What a crontab assigns is for the daemon; jobs see only its `SHELL`.
    pub keeps_assignments: bool,
    /// What happens where the home cannot be entered.
    pub homeless: Homeless,
    /// How output is mailed.
    pub letter: Letter,
    /// Whose variables `$NAME` in an address stands for.
    pub addresses: Addresses,
    /// What the log calls the daemon.
    pub daemon: Word,
    /// What the log calls a process around a job.
    pub job: Word,
    /// What the log says when a job ends.
    pub ends: Ends,
    /// What the log says when `@reboot` entries wait for the next boot.
    pub no_boot: Word,
}

/// Which variables jobs have from the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Inherits {
    /// None.
    Nothing,
    /// Those of the locale.
    Locale,
    /// All, and `SHELL` is the daemon's as well.
    Everything,
    /// All, and besides what the crontab assigns they have no others: the environment is the container's.
    Unchanged,
}

/// What happens where the home cannot be entered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Homeless {
    /// The job runs in `/`, and its output begins with a warning.
    Root,
    /// It is not run.
    NotRun,
    /// It runs in the daemon's own directory.
    Daemons(Word),
}

/// How output is mailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Letter {
    /// With all that helps: encoded where it must be, and how the run ended.
    Full,
    /// From a quoted name, with the recipients in the mail alone, `Precedence` and `Auto-Submitted`.
    Quoted,
    /// With the name behind the sender, and the recipients on the command line.
    Named,
    /// With recipients and a subject, and nothing else; only where the crontab names recipients.
    Bare,
}

/// Whose variables `$NAME` in an address stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Addresses {
    /// The job's.
    Job,
    /// The daemon's.
    Daemon,
    /// Nobody's: such an address is none.
    Nobody,
}

/// What the log says when a job ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ends {
    /// How it ended.
    Outcome,
    /// That this command ended.
    Command,
    /// Nothing.
    Nothing,
}

/// rat's own.
pub const OWN: Manner = Manner {
    path: Some(Cow::Borrowed("/usr/bin:/bin:/usr/sbin:/sbin")),
    sets_user: true,
    inherits: Inherits::Nothing,
    keeps_assignments: false,
    homeless: Homeless::Root,
    letter: Letter::Full,
    addresses: Addresses::Job,
    daemon: Cow::Borrowed("cron"),
    job: Cow::Borrowed("CRON"),
    ends: Ends::Outcome,
    no_boot: Cow::Borrowed("@reboot jobs will be run at computer's startup."),
};

impl Inherits {
    /// Whether a job has the daemon's variable of this name.
    pub fn includes(self, name: &[u8]) -> bool {
        match self {
            Inherits::Nothing => false,
            Inherits::Locale => name == b"LANG" || name == b"LANGUAGE" || name.starts_with(b"LC_"),
            Inherits::Everything | Inherits::Unchanged => true,
        }
    }
}
