//! What lasts from one ratd to the next but is no job and no run: when period jobs were done, the boot, the hour.

use chrono::NaiveDate;
use rusqlite::{OptionalExtension, params};

use crate::store::column::Column;
use crate::store::error::Error;
use crate::store::{Change, Store};

impl Store {
    /// The local date on which the period job of this name was last done.
    pub fn done(&self, ident: &str) -> Result<Option<NaiveDate>, Error> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT done FROM stamps WHERE ident = ?1")?
                .query_row([ident], |row| row.get(0).map(|Column(date)| date))
                .optional()
        })
    }

    /// The boot that `@reboot` jobs last ran for.
    pub fn boot_id(&self) -> Result<Option<String>, Error> {
        self.read(|connection| {
            connection.query_row("SELECT boot FROM memory", [], |row| row.get(0))
        })
    }
}

impl Change<'_> {
    /// Notes that the period job of this name is done for this local date.
    pub fn mark_done(&self, ident: &str, date: NaiveDate) -> Result<(), Error> {
        self.write(|connection| {
            connection
                .prepare_cached(
                    "INSERT INTO stamps (ident, done) VALUES (?1, ?2)
                     ON CONFLICT (ident) DO UPDATE SET done = excluded.done",
                )?
                .execute(params![ident, Column(date)])
                .map(drop)
        })
    }

    /// Notes the boot that `@reboot` jobs ran for.
    pub fn set_boot_id(&self, boot: &str) -> Result<(), Error> {
        self.write(|connection| connection.execute("UPDATE memory SET boot = ?1", [boot]).map(drop))
    }
}
