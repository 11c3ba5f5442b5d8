//! What goes wrong with the database, in words that name the file and what to do.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use rusqlite::ffi;

/// Why the database could not be opened, read or written.
#[derive(Debug)]
pub enum Error {
    /// The file cannot be made or reached.
    File {
        /// The database.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is a database of some other program.
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// The file was written by a newer rat.
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        version: i64,
        /// The newest version that this program knows.
        newest: usize,
    },
    /// SQLite says no.
    Sqlite {
        /// The database.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}

impl Error {
    pub(super) fn sqlite(path: &Path, source: rusqlite::Error) -> Error {
        Error::Sqlite { path: path.to_owned(), source }
    }

    /// Whether there is no room left: on the disk or in a quota. The store is as it was before the
    /// change, and works again once there is room.
    pub fn is_full(&self) -> bool {
        match self {
            Error::File { source, .. } => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            Error::Foreign { .. } | Error::Newer { .. } => false,
            // SQLite says "full" for ENOSPC alone: a quota is a failed write to it, and no room
            // for the log's index a failed growth.
            Error::Sqlite { source, .. } => source.sqlite_error().is_some_and(|error| {
                error.code == ErrorCode::DiskFull
                    || matches!(
                        error.extended_code,
                        ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_SHMSIZE
                    )
            }),
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::File { path, source } => write!(f, "{}: {source}", path.display()),
            Error::Foreign { path } => write!(
                f,
                "{}: this database belongs to another program; move it away, and ratd makes a new one",
                path.display()
            ),
            Error::Newer { path, version, newest } => write!(
                f,
                "{}: this database has version {version}, written by a newer ratd, and this one knows \
                 no more than {newest}; install that one again, or put the copy kept before its upgrade \
                 ({}.{newest}) in the place of the database",
                path.display(),
                path.display()
            ),
            Error::Sqlite { path, source } => {
                write!(f, "{}: {}", path.display(), in_words(source))?;
                match source.sqlite_error_code() {
                    Some(ErrorCode::NotADatabase) => {
                        f.write_str("; move it away, and ratd makes a new one")
                    }
                    Some(ErrorCode::DatabaseCorrupt) => f.write_str(
                        "; stop ratd and save what can be saved with: sqlite3 rat.db .recover",
                    ),
                    _ if self.is_full() => f.write_str("; make room on that file system"),
                    _ => Ok(()),
                }
            }
        }
    }
}

fn in_words(error: &rusqlite::Error) -> String {
    match error {
        // Our own errors on the way to SQLite: the copy before an upgrade.
        rusqlite::Error::ToSqlConversionFailure(error) => {
            format!("cannot keep a copy before the upgrade: {error}")
        }
        error => error.to_string(),
    }
}

impl std::error::Error for Error {}
