//! The history: one row for every run. Does not know why a run was started, or what it ran.

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use crate::plan::civil::Timestamp;
use crate::plan::job::JobId;
use crate::plan::run::{Outcome, Report, Run, RunId, Trigger, Usage};
use crate::plan::text::Text;
use crate::store::column::{Column, of_outcome, outcome};
use crate::store::error::Error;
use crate::store::{Change, Store, missed, queue};

/// What is kept of runs that are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// So many runs of one job at most.
    pub runs: u32,
    /// So long after the end, the newest run of each job excepted.
    pub age: chrono::TimeDelta,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention { runs: 50, age: chrono::TimeDelta::days(30) }
    }
}

/// The newest run of a job that does not run any more is kept so long.
const NEWEST_KEPT: chrono::TimeDelta = chrono::TimeDelta::days(800);

/// Where what a run printed is not asked for, this much of its end is read, for the last line.
const TAIL: usize = 1024;

/// When so much of what runs printed has been read, of all others only the end is.
const MOST_OUTPUT: usize = 8 << 20;

/// A run as history remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// The run.
    pub run: Run,
    /// When its command was started; `None` before that is known.
    pub started: Option<Timestamp>,
    /// When it ended, or was found to be lost; `None` while it runs.
    pub ended: Option<Timestamp>,
    /// How it ended; `None` while it runs.
    pub outcome: Option<Outcome>,
    /// What it used.
    pub usage: Usage,
    /// What is kept of its output, or the end of that.
    pub output: Text,
    /// The output is not all that is kept.
    pub only_end: bool,
    /// How long the output was before it was cut, in bytes.
    pub output_bytes: u64,
}

/// Which runs are asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter<'a> {
    /// Only those of this user.
    pub owner: Option<&'a str>,
    /// Only those of jobs whose name or identity begins so.
    pub job: Option<&'a str>,
    /// No more than so many, the newest.
    pub limit: usize,
    /// Of what they printed the last lines are enough.
    pub only_ends: bool,
}

impl Change<'_> {
    /// Records that a run was ordered, so that it is missed if it never ends.
    pub fn begun(&self, run: &Run) -> Result<(), Error> {
        self.write(|connection| insert(connection, run, self.retention))
    }

    /// Records how a run ended, whether its beginning was recorded or not. Told again, it changes nothing;
    /// told of a run that was given up as lost, it is believed.
    pub fn finish(&self, report: &Report) -> Result<(), Error> {
        self.write(|connection| {
            insert(connection, &report.run, self.retention)?;
            let (kind, status, why) = of_outcome(&report.outcome);
            connection
                .prepare_cached(
                    "UPDATE runs SET started = :started, ended = :ended,
                         outcome = :outcome, status = :status, why = :why,
                         user_microseconds = :user, system_microseconds = :system,
                         max_rss_kib = :rss, output_bytes = :bytes, output = :output
                     WHERE id = :id",
                )?
                .execute(named_params! {
                    ":id": Column(report.run.id),
                    ":started": Column(report.started),
                    ":ended": Column(report.ended),
                    ":outcome": kind,
                    ":status": status,
                    ":why": why,
                    ":user": report.usage.user_microseconds.cast_signed(),
                    ":system": report.usage.system_microseconds.cast_signed(),
                    ":rss": report.usage.max_rss_kib.cast_signed(),
                    ":bytes": report.output_bytes.cast_signed(),
                    ":output": Column(&report.output),
                })?;
            queue::end(connection, report.run.id, &report.outcome, report.ended)
        })
    }

    /// Gives a run up as lost at `now`, unless its end is known.
    pub fn lose(&self, run: &Run, why: &str, now: Timestamp) -> Result<(), Error> {
        self.write(|connection| {
            insert(connection, run, self.retention)?;
            let lost = connection
                .prepare_cached(
                    "UPDATE runs SET outcome = 'lost', why = ?2, ended = ?3
                     WHERE id = ?1 AND outcome IS NULL",
                )?
                .execute(params![Column(run.id), why, Column(now)])?;
            if lost > 0 {
                queue::end(connection, run.id, &Outcome::Lost(why.to_owned()), now)?;
            }
            Ok(())
        })
    }

    /// Forgets what is too old, at most about `limit` rows of each kind; says how many. Call it again soon
    /// if that was all of them. It costs what it deletes, however long the history is.
    pub fn prune(&self, now: Timestamp, limit: usize) -> Result<usize, Error> {
        self.write(|connection| {
            let mut delete = connection.prepare_cached(
                "DELETE FROM runs WHERE id IN
                     (SELECT id FROM runs WHERE newest = ?1 AND ended < ?2 ORDER BY ended LIMIT ?3)",
            )?;
            let rows = i64::try_from(limit).unwrap_or(i64::MAX);
            let before = now - self.retention.age;
            let old = delete.execute(params![0, Column(before), rows])?;
            let newest = delete.execute(params![1, Column(now - NEWEST_KEPT), rows])?;
            Ok(old + newest + queue::forget(connection, before, limit)?)
        })
    }
}

impl Store {
    /// Runs with their output, newest first; where there is too much of it, with the ends of some.
    pub fn history(&self, filter: &Filter<'_>) -> Result<Vec<Past>, Error> {
        let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
        let mut left = if filter.only_ends { 0 } else { MOST_OUTPUT };
        let mut past = |row: &Row<'_>| {
            let mut past = past(row)?;
            past.only_end = past.output.0.len() > left || filter.only_ends;
            if past.only_end {
                let begins = past.output.0.len().saturating_sub(TAIL);
                past.output = Text(past.output.0[begins..].to_vec());
                left = 0;
            } else {
                left -= past.output.0.len();
            }
            Ok(past)
        };
        self.read(|connection| match (filter.job, filter.owner) {
            (None, None) => connection
                .prepare_cached("SELECT * FROM runs ORDER BY id DESC LIMIT ?1")?
                .query_map([limit], &mut past)?
                .collect(),
            (None, Some(owner)) => connection
                .prepare_cached("SELECT * FROM runs WHERE owner = ?1 ORDER BY id DESC LIMIT ?2")?
                .query_map(params![owner, limit], &mut past)?
                .collect(),
            (Some(job), owner) => connection
                .prepare_cached(
                    "SELECT * FROM runs
                     WHERE job IN (SELECT job FROM runs
                                   WHERE name >= :job AND name < :job || char(1114111)
                                   UNION SELECT job FROM runs
                                   WHERE job >= :job AND job < :job || char(1114111))
                         AND (:owner IS NULL OR owner = :owner)
                     ORDER BY id DESC LIMIT :limit",
                )?
                .query_map(
                    named_params! {":job": job, ":owner": owner, ":limit": limit},
                    &mut past,
                )?
                .collect(),
        })
    }

    /// The run of this name, with its output.
    pub fn past(&self, id: RunId) -> Result<Option<Past>, Error> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT * FROM runs WHERE id = ?1")?
                .query_row([Column(id)], past)
                .optional()
        })
    }

    /// The newest run, without its output, of every job that runs more than once, of one user or of all.
    pub fn last_of_each(&self, owner: Option<&str>) -> Result<Vec<Past>, Error> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT id, job, name, owner, due, cause, attempt, started, ended, outcome, status, why,
                         user_microseconds, system_microseconds, max_rss_kib, output_bytes, x'' AS output
                     FROM runs WHERE newest = 1 AND (?1 IS NULL OR owner = ?1) ORDER BY job",
                )?
                .query_map([owner], past)?
                .collect()
        })
    }

    /// Runs of which no end is known, oldest first.
    pub fn unfinished(&self) -> Result<Vec<Run>, Error> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT * FROM runs WHERE outcome IS NULL ORDER BY id")?
                .query_map([], run)?
                .collect()
        })
    }

    /// The highest name that a run was given.
    pub fn highest_id(&self) -> Result<Option<RunId>, Error> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT id FROM runs ORDER BY id DESC LIMIT 1")?
                .query_row([], |row| row.get(0).map(|Column(id)| id))
                .optional()
        })
    }
}

/// Records a run of which nothing is known yet; nothing if it is recorded already.
///
/// It becomes the newest run of its job, and the one that falls behind the last that are kept goes. An at-job
/// runs once: for it there is no newest run to keep longer than others.
pub(super) fn insert(connection: &Connection, run: &Run, kept: Retention) -> rusqlite::Result<()> {
    let inserted = connection
        .prepare_cached(
            "INSERT INTO runs (id, job, name, owner, due, cause, attempt, newest)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0) ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            Column(run.id),
            run.job.0,
            run.name,
            run.owner,
            Column(run.due),
            Column(run.trigger),
            run.attempt,
        ])?;
    let claimed =
        connection.prepare_cached("SELECT 1 FROM jobs WHERE run = ?1")?.exists([Column(run.id)])?;
    if inserted == 0 || claimed {
        return Ok(());
    }
    if matches!(run.trigger, Trigger::Schedule | Trigger::CatchUp) {
        missed::handled(connection, &run.job, run.due)?;
    }
    connection
        .prepare_cached("UPDATE runs SET newest = 0 WHERE job = ?1 AND newest = 1 AND id < ?2")?
        .execute(params![run.job.0, Column(run.id)])?;
    connection
        .prepare_cached(
            "UPDATE runs SET newest = 1 WHERE id = ?2
                 AND NOT EXISTS (SELECT 1 FROM runs WHERE job = ?1 AND newest = 1)",
        )?
        .execute(params![run.job.0, Column(run.id)])?;
    connection
        .prepare_cached(
            "DELETE FROM runs WHERE outcome IS NOT NULL AND job = ?1 AND id <=
                 (SELECT id FROM runs WHERE job = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        )?
        .execute(params![run.job.0, kept.runs])?;
    Ok(())
}

/// The run of a row of `runs`.
pub(super) fn run(row: &Row<'_>) -> rusqlite::Result<Run> {
    let (Column(id), Column(due), Column(trigger)) =
        (row.get("id")?, row.get("due")?, row.get("cause")?);
    let job = row.get("job").map(JobId)?;
    let (name, owner, attempt) = (row.get("name")?, row.get("owner")?, row.get("attempt")?);
    Ok(Run { id, job, name, owner, due, trigger, attempt })
}

fn past(row: &Row<'_>) -> rusqlite::Result<Past> {
    let instant = |name| row.get::<_, Option<Column<Timestamp>>>(name);
    let number = |name| row.get::<_, i64>(name).map(i64::cast_unsigned);
    let Column(output) = row.get("output")?;
    Ok(Past {
        run: run(row)?,
        started: instant("started")?.map(|Column(at)| at),
        ended: instant("ended")?.map(|Column(at)| at),
        outcome: outcome(row)?,
        usage: Usage {
            user_microseconds: number("user_microseconds")?,
            system_microseconds: number("system_microseconds")?,
            max_rss_kib: number("max_rss_kib")?,
        },
        output,
        only_end: false,
        output_bytes: number("output_bytes")?,
    })
}
