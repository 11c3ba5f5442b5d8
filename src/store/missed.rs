//! What entries that make up for missed instants must not forget: since when they are known, up to where all is decided,
//! and what they still owe. Does not know on which terms.

use rusqlite::{Connection, OptionalExtension, params};

use crate::plan::civil::Timestamp;
use crate::plan::job::JobId;
use crate::plan::missed::Remembered;
use crate::store::column::Column;
use crate::store::error::Error;
use crate::store::{Change, Store};

/// What is written down of an entry, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Instants before this one are none of its.
    pub first_seen: Timestamp,
    /// What the scheduler goes by.
    pub remembered: Remembered,
}

impl Store {
    /// What is written down of an entry; `None` unless it makes up for what it missed.
    pub fn entry(&self, job: &JobId) -> Result<Option<Known>, Error> {
        self.read(|connection| known(connection, job))
    }

    /// All entries that something is written down of.
    pub fn entries(&self) -> Result<Vec<JobId>, Error> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT job FROM entries ORDER BY job")?
                .query_map([], |row| row.get(0).map(JobId))?
                .collect()
        })
    }
}

impl Change<'_> {
    /// A ratd begins, and has not decided yet what becomes of what was missed before.
    pub fn begin_anew(&self) -> Result<(), Error> {
        self.write(|connection| {
            connection.execute("UPDATE entries SET current = 0 WHERE current = 1", []).map(drop)
        })
    }

    /// What is written down of an entry. If nothing is, it is seen for the first time, and what it is due at up to
    /// `handled` is decided.
    pub fn recall(
        &self,
        job: &JobId,
        handled: Timestamp,
        now: Timestamp,
    ) -> Result<Remembered, Error> {
        self.write(|connection| {
            connection
                .prepare_cached(
                    "INSERT INTO entries (job, first_seen, handled) VALUES (?1, ?2, ?3)
                     ON CONFLICT (job) DO NOTHING",
                )?
                .execute(params![job.0, Column(now), Column(handled)])?;
            Ok(known(connection, job)?.map(|known| known.remembered).unwrap_or_default())
        })
    }

    /// These instants of an entry are owed, no others, and everything up to `handled` is decided. Nothing, if the entry
    /// is no more.
    pub fn owe(&self, job: &JobId, owed: &[Timestamp], handled: Timestamp) -> Result<(), Error> {
        self.write(|connection| {
            let known = connection
                .prepare_cached(
                    "UPDATE entries SET handled = ?2, first_seen = min(first_seen, ?2), current = 1
                     WHERE job = ?1",
                )?
                .execute(params![job.0, Column(handled)])?;
            if known == 0 {
                return Ok(());
            }
            connection.prepare_cached("DELETE FROM instants WHERE job = ?1")?.execute([&job.0])?;
            let mut insert = connection
                .prepare_cached("INSERT INTO instants (job, due, state) VALUES (?1, ?2, 'owed')")?;
            owed.iter().try_for_each(|due| insert.execute(params![job.0, Column(*due)]).map(drop))
        })
    }

    /// This instant of an entry is decided; nothing, if nothing is written down of the entry.
    pub fn handled(&self, job: &JobId, due: Timestamp) -> Result<(), Error> {
        self.write(|connection| handled(connection, job, due))
    }

    /// These entries are no more.
    pub fn forget_entries(&self, jobs: &[JobId]) -> Result<(), Error> {
        self.write(|connection| {
            let mut delete = connection.prepare_cached("DELETE FROM entries WHERE job = ?1")?;
            jobs.iter().try_for_each(|job| delete.execute([&job.0]).map(drop))
        })
    }
}

/// An instant of an entry was started, or passed over for good. What comes before it may be undecided yet.
pub(super) fn handled(
    connection: &Connection,
    job: &JobId,
    due: Timestamp,
) -> rusqlite::Result<()> {
    let current: Option<bool> = connection
        .prepare_cached(
            "UPDATE entries SET handled = iif(current, max(handled, ?2), handled) WHERE job = ?1
             RETURNING current",
        )?
        .query_row(params![job.0, Column(due)], |row| row.get(0))
        .optional()?;
    match current {
        None => {}
        Some(true) => {
            connection
                .prepare_cached("DELETE FROM instants WHERE job = ?1 AND due = ?2")?
                .execute(params![job.0, Column(due)])?;
        }
        Some(false) => {
            connection
                .prepare_cached(
                    "INSERT INTO instants (job, due, state) VALUES (?1, ?2, 'done')
                     ON CONFLICT (job, due) DO UPDATE SET state = 'done'",
                )?
                .execute(params![job.0, Column(due)])?;
        }
    }
    Ok(())
}

fn known(connection: &Connection, job: &JobId) -> rusqlite::Result<Option<Known>> {
    let instants = |state: &str| -> rusqlite::Result<Vec<Timestamp>> {
        connection
            .prepare_cached("SELECT due FROM instants WHERE job = ?1 AND state = ?2 ORDER BY due")?
            .query_map([job.0.as_str(), state], |row| row.get(0).map(|Column(due)| due))?
            .collect()
    };
    let marks = connection
        .prepare_cached("SELECT first_seen, handled FROM entries WHERE job = ?1")?
        .query_row([&job.0], |row| {
            let (Column(first_seen), Column(handled)) = (row.get(0)?, row.get(1)?);
            Ok((first_seen, handled))
        })
        .optional()?;
    let Some((first_seen, handled)) = marks else { return Ok(None) };
    let (owed, done) = (instants("owed")?, instants("done")?);
    Ok(Some(Known { first_seen, remembered: Remembered { handled, owed, done } }))
}
