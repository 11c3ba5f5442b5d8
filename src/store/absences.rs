//! When ratd handled nothing, and when it last handled anything. Does not know what came due meanwhile.

use rusqlite::{Row, params};

use crate::plan::absence::{Absence, Cause};
use crate::plan::civil::Timestamp;
use crate::store::column::Column;
use crate::store::error::Error;
use crate::store::{Change, Store};

/// An absence is remembered as long as the last run of a job can be.
const KEPT: chrono::TimeDelta = chrono::TimeDelta::days(800);

impl Store {
    /// When something was last handled; `None` if that is not known.
    pub fn seen(&self) -> Result<Option<Timestamp>, Error> {
        self.read(|connection| {
            let seen = |row: &Row<'_>| row.get::<_, Option<Column<Timestamp>>>(0);
            let found = connection.query_row("SELECT seen FROM memory", [], seen)?;
            Ok(found.map(|Column(at)| at))
        })
    }

    /// The absences that share an instant with the time from `from` up to `until`, the latest first, at most `limit`.
    pub fn absences(
        &self,
        from: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Absence>, Error> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT began, ended, cause FROM absences
                     WHERE ended >= ?1 AND began < ?2 ORDER BY ended DESC LIMIT ?3",
                )?
                .query_map(params![Column(from), Column(until), limit], absence)?
                .collect()
        })
    }
}

impl Change<'_> {
    /// Notes that something was handled now.
    pub fn set_seen(&self, now: Timestamp) -> Result<(), Error> {
        self.write(|connection| {
            connection
                .prepare_cached("UPDATE memory SET seen = ?1")?
                .execute([Column(now)])
                .map(drop)
        })
    }

    /// Notes an absence, and forgets those that are too old.
    pub fn note_absence(&self, absence: &Absence) -> Result<(), Error> {
        self.write(|connection| {
            connection.execute(
                "INSERT INTO absences (began, ended, cause) VALUES (?1, ?2, ?3)",
                params![Column(absence.from), Column(absence.until), Column(absence.cause)],
            )?;
            let old = Column(absence.until - KEPT);
            connection.execute("DELETE FROM absences WHERE ended < ?1", [old]).map(drop)
        })
    }
}

fn absence(row: &Row<'_>) -> rusqlite::Result<Absence> {
    let (Column(from), Column(until)) = (row.get(0)?, row.get(1)?);
    let Column(cause): Column<Cause> = row.get(2)?;
    Ok(Absence { from, until, cause })
}
