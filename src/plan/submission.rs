//! What an at-job is queued with: when, what, and the surroundings it was submitted from.

use chrono::TimeDelta;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::plan::civil::Timestamp;
use crate::plan::job::{Assignments, JobId, Kind, Mail, Mailing, Recipe};
use crate::plan::text::Text;

/// An at-job as its owner hands it in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// When it is due.
    pub due: Timestamp,
    /// The queue it goes to.
    pub queue: Queue,
    /// What the shell is fed.
    pub script: Text,
    /// The environment it was submitted from.
    #[serde(with = "environment")]
    pub environment: Assignments,
    /// The directory it was submitted from.
    pub directory: Text,
    /// The file mode creation mask it was submitted with.
    pub umask: u32,
    /// Whether its owner is told.
    pub mail: Mail,
    /// Who is told instead of the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail_to: Option<String>,
    /// It is not started later than so many seconds after it was due; `None` leaves that to ratd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u32>,
}

/// The longest script, in bytes.
const LONGEST_SCRIPT: usize = 4 << 20;

/// The largest environment, names and values together.
const LARGEST_ENVIRONMENT: usize = 1 << 20;

/// The longest name of a directory, as the kernel takes it.
const LONGEST_DIRECTORY: usize = 4096;

impl Submission {
    /// Why it is not taken: what is larger than anything that at is meant for.
    pub fn check_size(&self) -> Result<(), String> {
        let variables = self.environment.iter();
        let environment = variables.map(|(name, value)| name.0.len() + value.0.len()).sum();
        for (what, length, longest) in [
            ("script", self.script.0.len(), LONGEST_SCRIPT),
            ("environment", environment, LARGEST_ENVIRONMENT),
            ("name of the directory", self.directory.0.len(), LONGEST_DIRECTORY),
        ] {
            if length > longest {
                return Err(format!("the {what} is larger than {longest} bytes"));
            }
        }
        Ok(())
    }

    /// The last instant at which it may be started.
    pub fn last_start(&self) -> Option<Timestamp> {
        let deadline = TimeDelta::seconds(i64::from(self.deadline?));
        self.due.checked_add_signed(deadline)
    }

    /// How a session runs it.
    pub fn recipe(&self) -> Recipe {
        Recipe {
            kind: Kind::At,
            uid: None,
            command: self.script.clone(),
            input: None,
            environment: self.environment.clone(),
            directory: Some(self.directory.clone()),
            umask: Some(self.umask),
            nice: self.queue.niceness(),
            knows_run: false,
            quiet: false,
            mailing: Mailing { when: self.mail, on_failure_only: false, to: self.mail_to.clone() },
            manner: None,
        }
    }
}

/// What people call the at-job of this number; its identity, too.
pub fn name(number: u64) -> String {
    format!("at-{number}")
}

/// Whether this is the identity of an at-job. No entry's looks like it.
pub fn is_at_job(job: &JobId) -> bool {
    job.0.starts_with("at-")
}

/// A queue of at: a letter from `a` to `z` or from `A` to `Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Queue(char);

impl Queue {
    /// The queue of this letter; `None` if it is none.
    pub fn new(letter: char) -> Option<Queue> {
        letter.is_ascii_alphabetic().then_some(Queue(letter))
    }

    /// Its letter.
    pub fn letter(self) -> char {
        self.0
    }

    /// Whether its jobs wait for a low load, once their time has come: `b`, and all upper-case letters.
    pub fn is_batch(self) -> bool {
        self.0 == 'b' || self.0.is_ascii_uppercase()
    }

    /// How nice its jobs are: two more for each letter after `a`, as far as that goes.
    pub fn niceness(self) -> u8 {
        let steps = self.0.to_ascii_lowercase() as u8 - b'a';
        (2 * steps).min(19)
    }
}

impl TryFrom<String> for Queue {
    type Error = String;

    fn try_from(text: String) -> Result<Queue, String> {
        let mut letters = text.chars();
        match (letters.next().and_then(Queue::new), letters.next()) {
            (Some(queue), None) => Ok(queue),
            _ => Err(format!("queue \"{}\" is not one letter", text.escape_debug())),
        }
    }
}

impl From<Queue> for String {
    fn from(queue: Queue) -> String {
        queue.0.to_string()
    }
}

/// Environments as lists of `{"name": …, "value": …}`, holding only what execve(2) can hand over.
mod environment {
    use super::{Assignments, Deserialize, Deserializer, Serialize, Serializer, Text};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Assignment {
        name: Text,
        value: Text,
    }

    pub fn serialize<S: Serializer>(all: &Assignments, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            all.iter().map(|(name, value)| Assignment { name: name.clone(), value: value.clone() }),
        )
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Assignments, D::Error> {
        let all = Vec::<Assignment>::deserialize(deserializer)?;
        for Assignment { name, value } in &all {
            if name.0.is_empty() || name.0.iter().any(|byte| matches!(byte, b'=' | 0)) {
                let message = format!("{name:?} cannot be the name of a variable");
                return Err(serde::de::Error::custom(message));
            }
            if value.0.contains(&0) {
                let message = format!("the value of {name:?} holds a zero byte");
                return Err(serde::de::Error::custom(message));
            }
        }
        Ok(all.into_iter().map(|assignment| (assignment.name, assignment.value)).collect())
    }
}
