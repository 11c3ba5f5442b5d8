//! How plan's values lie in columns. Knows no table.

use chrono::{DateTime, NaiveDate};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::plan::absence::Cause;
use crate::plan::civil::Timestamp;
use crate::plan::job::{Assignments, Mail};
use crate::plan::run::{Outcome, RunId, Trigger};
use crate::plan::submission::Queue;
use crate::plan::text::Text;

/// A value that is stored as one column.
pub struct Column<T>(pub T);

impl ToSql for Column<Timestamp> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.timestamp_micros().into())
    }
}

impl FromSql for Column<Timestamp> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let microseconds = value.as_i64()?;
        DateTime::from_timestamp_micros(microseconds)
            .map(Column)
            .ok_or(FromSqlError::OutOfRange(microseconds))
    }
}

/// SQLite's integers are signed; no run made within the next 290,000 years has a number past them.
impl ToSql for Column<RunId> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.0.cast_signed().into())
    }
}

impl FromSql for Column<RunId> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(|id| Column(RunId(id.cast_unsigned())))
    }
}

impl ToSql for Column<&Text> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(&self.0.0)))
    }
}

impl FromSql for Column<Text> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_blob().map(|bytes| Column(Text(bytes.to_vec())))
    }
}

impl ToSql for Column<&Assignments> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let mut bytes = Vec::new();
        for (name, value) in self.0.iter() {
            bytes.extend_from_slice(&name.0);
            bytes.push(b'=');
            bytes.extend_from_slice(&value.0);
            bytes.push(0);
        }
        Ok(bytes.into())
    }
}

impl FromSql for Column<Assignments> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let assignment = |bytes: &[u8]| {
            let at = bytes.iter().position(|byte| *byte == b'=')?;
            Some((Text(bytes[..at].to_vec()), Text(bytes[at + 1..].to_vec())))
        };
        let bytes = value.as_blob()?;
        Ok(Column(bytes.split(|byte| *byte == 0).filter_map(assignment).collect()))
    }
}

impl ToSql for Column<Queue> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.letter().to_string().into())
    }
}

impl FromSql for Column<Queue> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Queue::try_from(value.as_str()?.to_owned()).map(Column).map_err(unexpected)
    }
}

impl ToSql for Column<Mail> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let number: i64 = match self.0 {
            Mail::Auto => 0,
            Mail::Always => 1,
            Mail::Never => -1,
        };
        Ok(number.into())
    }
}

impl FromSql for Column<Mail> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_i64()? {
            0 => Ok(Column(Mail::Auto)),
            1 => Ok(Column(Mail::Always)),
            -1 => Ok(Column(Mail::Never)),
            other => Err(FromSqlError::OutOfRange(other)),
        }
    }
}

impl ToSql for Column<Cause> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let name = match self.0 {
            Cause::Stopped => "stopped",
            Cause::Off => "off",
            Cause::Asleep => "asleep",
            Cause::Set => "set",
            Cause::HeldUp => "held_up",
        };
        Ok(name.into())
    }
}

impl FromSql for Column<Cause> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "stopped" => Ok(Column(Cause::Stopped)),
            "off" => Ok(Column(Cause::Off)),
            "asleep" => Ok(Column(Cause::Asleep)),
            "set" => Ok(Column(Cause::Set)),
            "held_up" => Ok(Column(Cause::HeldUp)),
            other => Err(unexpected(format!("\"{}\" is no cause", other.escape_debug()))),
        }
    }
}

impl ToSql for Column<Trigger> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let name = match self.0 {
            Trigger::Schedule => "schedule",
            Trigger::CatchUp => "catch-up",
            Trigger::Retry => "retry",
            Trigger::Reboot => "reboot",
            Trigger::At => "at",
            Trigger::Manual => "manual",
        };
        Ok(name.into())
    }
}

impl FromSql for Column<Trigger> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "schedule" => Ok(Column(Trigger::Schedule)),
            "catch-up" => Ok(Column(Trigger::CatchUp)),
            "retry" => Ok(Column(Trigger::Retry)),
            "reboot" => Ok(Column(Trigger::Reboot)),
            "at" => Ok(Column(Trigger::At)),
            "manual" => Ok(Column(Trigger::Manual)),
            other => Err(unexpected(format!("\"{}\" is no trigger", other.escape_debug()))),
        }
    }
}

impl ToSql for Column<NaiveDate> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.to_string().into())
    }
}

impl FromSql for Column<NaiveDate> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(Column).map_err(FromSqlError::other)
    }
}

/// An outcome as the three columns `outcome`, `status` and `why`.
pub fn of_outcome(outcome: &Outcome) -> (&'static str, Option<i32>, Option<&str>) {
    match outcome {
        Outcome::Exited(status) => ("exited", Some(*status), None),
        Outcome::Killed(signal) => ("killed", Some(*signal), None),
        Outcome::NotStarted(why) | Outcome::LeftToAnother(why) => ("not-started", None, Some(why)),
        Outcome::Lost(why) => ("lost", None, Some(why)),
    }
}

/// The outcome in those columns; `None` where there is none yet.
pub fn outcome(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Outcome>> {
    let Some(kind) = row.get::<_, Option<String>>("outcome")? else { return Ok(None) };
    let why = || row.get::<_, Option<String>>("why").map(Option::unwrap_or_default);
    match kind.as_str() {
        "exited" => row.get("status").map(Outcome::Exited),
        "killed" => row.get("status").map(Outcome::Killed),
        "not-started" => why().map(Outcome::NotStarted),
        _ => why().map(Outcome::Lost),
    }
    .map(Some)
}

fn unexpected(message: String) -> FromSqlError {
    FromSqlError::other(std::io::Error::other(message))
}
