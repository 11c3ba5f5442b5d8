//! WHAT MUST SURVIVE: the SQLite file, and the only SQL. Reads no clock, waits for nobody but the disk.
//!
//! One connection, used by one thread. Readers ask the `Store`; writers begin a `Change`, put into it all
//! that has gathered, and commit once: that is the group commit, and what it returns from is durable.

pub mod absences;
pub mod column;
pub mod error;
pub mod missed;
pub mod queue;
pub mod runs;
pub mod stamps;

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::store::error::Error;
use crate::store::runs::Retention;

/// Marks a file as ours in its header: "rat1".
const APPLICATION_ID: i32 = 0x7261_7431;

/// Only somebody looking at the file with sqlite3 ever makes us wait.
const BUSY: Duration = Duration::from_secs(2);

/// After a checkpoint the log is cut back to this many bytes.
const LOG_LIMIT: i64 = 8 << 20;

/// Every migration, oldest first; the version of a file is how many of them it has had.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_first.sql"),
    include_str!("../../migrations/0002_imported.sql"),
    include_str!("../../migrations/0003_batch.sql"),
    include_str!("../../migrations/0004_missed.sql"),
    include_str!("../../migrations/0005_attempt.sql"),
    include_str!("../../migrations/0006_absences.sql"),
];

/// The database, open.
#[derive(Debug)]
pub struct Store {
    /// What is kept of runs that are over.
    pub retention: Retention,
    connection: Connection,
    path: PathBuf,
}

/// Writes that become durable together, or not at all: dropped, it never was.
///
/// After any error drop it, and tell everybody whose write was in it.
#[derive(Debug)]
pub struct Change<'a> {
    transaction: Transaction<'a>,
    path: &'a Path,
    retention: Retention,
}

impl Store {
    /// Opens the database, and makes or upgrades it where that is needed. Its directory must exist.
    pub fn open(path: &Path) -> Result<Store, Error> {
        Store::open_with(path, MIGRATIONS)
    }

    fn open_with(path: &Path, migrations: &[&str]) -> Result<Store, Error> {
        let file = |source| Error::File { path: path.to_owned(), source };
        // SQLite would take a relative path that begins with "file:" for an address.
        let path = std::path::absolute(path).map_err(file)?;
        make_private(&path).map_err(file)?;
        // One thread uses it: locks of SQLite's own would cost a long queue a tenth of its time.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&path, flags)
            .map_err(|source| Error::sqlite(&path, source))?;
        let version = examine(&connection, &path, migrations.len())?;
        prepare(&mut connection, &path, version, migrations)
            .map_err(|source| Error::sqlite(&path, source))?;
        Ok(Store { retention: Retention::default(), connection, path })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins to gather writes.
    pub fn begin(&mut self) -> Result<Change<'_>, Error> {
        // Immediate: a transaction that begins to write only after reading cannot wait for the lock.
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|source| Error::sqlite(&self.path, source))?;
        Ok(Change { transaction, path: &self.path, retention: self.retention })
    }

    fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        query(&self.connection).map_err(|source| Error::sqlite(&self.path, source))
    }
}

impl Change<'_> {
    /// Makes it all durable.
    pub fn commit(self) -> Result<(), Error> {
        self.transaction.commit().map_err(|source| Error::sqlite(self.path, source))
    }

    fn write<T>(
        &self,
        statements: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        statements(&self.transaction).map_err(|source| Error::sqlite(self.path, source))
    }
}

/// The file holds people's environments: only its owner may read it, from its first moment on.
/// SQLite gives its log the same mode.
fn make_private(path: &Path) -> io::Result<()> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Which version the file has; refuses one that is not ours before anything is written to it.
fn examine(connection: &Connection, path: &Path, newest: usize) -> Result<usize, Error> {
    let read = || -> rusqlite::Result<(i32, i64, i64)> {
        connection.busy_timeout(BUSY)?;
        let number = |statement| connection.query_row(statement, [], |row| row.get(0));
        Ok((
            connection.query_row("PRAGMA application_id", [], |row| row.get(0))?,
            number("PRAGMA user_version")?,
            number("SELECT COUNT(*) FROM sqlite_schema")?,
        ))
    };
    let (application, version, tables) = read().map_err(|source| Error::sqlite(path, source))?;
    let fresh = application == 0 && version == 0 && tables == 0;
    if !fresh && application != APPLICATION_ID {
        return Err(Error::Foreign { path: path.to_owned() });
    }
    usize::try_from(version).ok().filter(|version| *version <= newest).ok_or(Error::Newer {
        path: path.to_owned(),
        version,
        newest,
    })
}

fn prepare(
    connection: &mut Connection,
    path: &Path,
    version: usize,
    migrations: &[&str],
) -> rusqlite::Result<()> {
    // Setting the mode answers with the one that holds now; where the file system has no shared
    // memory the file stays in another one, which is as safe, if slower.
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_size_limit", LOG_LIMIT, |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is deleted is overwritten: scripts and environments hold secrets.
    connection.query_row("PRAGMA secure_delete = ON", [], |_| Ok(()))?;
    connection.set_prepared_statement_cache_capacity(64);
    if version == migrations.len() {
        return Ok(());
    }
    if version > 0 {
        copy_aside(connection, path, version)?;
    }
    let upgrade = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    for migration in &migrations[version..] {
        upgrade.execute_batch(migration)?;
    }
    upgrade.pragma_update(None, "application_id", APPLICATION_ID)?;
    upgrade.pragma_update(None, "user_version", migrations.len() as i64)?;
    upgrade.commit()
}

/// Keeps the file as it was before an upgrade, beside it, as `rat.db.1` where it had version 1.
fn copy_aside(connection: &Connection, path: &Path, version: usize) -> rusqlite::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{version}"));
    let copy = PathBuf::from(name);
    let failed = |error: io::Error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    match std::fs::remove_file(&copy) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    // SQLite copies into an empty file, but would make one that all may read.
    make_private(&copy).map_err(failed)?;
    connection.execute("VACUUM INTO ?1", [copy.to_string_lossy()])?;
    std::fs::File::open(&copy).and_then(|copy| copy.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests;
