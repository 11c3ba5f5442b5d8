//! The queue of at: jobs that wait for their time or are running. Does not know what running one takes.

use nix::unistd::Uid;
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use crate::plan::at_queue::{QueueKind, Waiting};
use crate::plan::civil::Timestamp;
use crate::plan::job::{JobId, Mail, Recipe};
use crate::plan::run::{Outcome, Report, Run, RunId, Trigger};
use crate::plan::submission::{Queue, Submission, name};
use crate::store::column::Column;
use crate::store::error::Error;
use crate::store::{Change, Store, runs};

/// An at-job that starts later than this was missed, and is caught up with.
const LATE: chrono::TimeDelta = chrono::TimeDelta::seconds(60);

/// When the jobs that are claimed at once hold so many bytes, the others wait for the next time.
const CLAIMED_BYTES: usize = 16 << 20;

/// A job as the queue lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Its number.
    pub number: u64,
    /// The user that it belongs to.
    pub uid: Uid,
    /// That user's login name when it was submitted.
    pub owner: String,
    /// Its queue.
    pub queue: Queue,
    /// When it is due.
    pub due: Timestamp,
    /// When it was submitted.
    pub submitted: Timestamp,
    /// How far it has come.
    pub state: State,
}

/// How far an at-job has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits for its time.
    Queued,
    /// It is running, or about to.
    Claimed,
    /// It exited with status 0.
    Done,
    /// It ended otherwise.
    Failed,
    /// Nobody knows whether it ran.
    Lost,
}

/// A job that is to be started now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Its number.
    pub number: u64,
    /// The user that it belongs to.
    pub uid: Uid,
    /// Its queue.
    pub queue: Queue,
    /// Whether its owner is told.
    pub mail: Mail,
    /// Who is told instead of the owner.
    pub mail_to: Option<String>,
    /// The last instant at which it may be started.
    pub last_start: Option<Timestamp>,
    /// Its run, recorded already.
    pub run: Run,
    /// What to run.
    pub recipe: Recipe,
}

/// What became of a request to remove a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It will not run.
    Gone,
    /// It is off the queue, but it was running already, and goes on.
    WasRunning(RunId),
    /// It belongs to somebody else, and stays.
    NotOwner,
    /// There is none of this number.
    NoSuchJob,
}

/// What became of a request to run a lost job again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retried {
    /// It is queued under this number.
    As(u64),
    /// It is not lost: it waits, runs, or is over.
    NotLost,
    /// It belongs to somebody else.
    NotOwner,
    /// There is none of this number, or what it ran is not known any more.
    NoSuchJob,
}

impl Change<'_> {
    /// Queues a job and gives it its number, which is to be told only after the commit.
    pub fn submit(
        &self,
        uid: Uid,
        owner: &str,
        submitted: Timestamp,
        submission: &Submission,
    ) -> Result<u64, Error> {
        self.write(|connection| insert(connection, uid, owner, submitted, submission))
    }

    /// Queues a job of another at's queue, if it has not been before; gives its number, and whether it is new.
    pub fn import(
        &self,
        source: &str,
        uid: Uid,
        owner: &str,
        submitted: Timestamp,
        submission: &Submission,
    ) -> Result<(u64, bool), Error> {
        let known: Option<i64> = self.write(|connection| {
            connection
                .prepare_cached("SELECT number FROM imported WHERE source = ?1")?
                .query_row([source], |row| row.get(0))
                .optional()
        })?;
        if let Some(number) = known {
            return Ok((number.cast_unsigned(), false));
        }
        let number = self.submit(uid, owner, submitted, submission)?;
        self.write(|connection| {
            connection
                .prepare_cached("INSERT INTO imported (source, number) VALUES (?1, ?2)")?
                .execute(params![source, number.cast_signed()])
        })?;
        Ok((number, true))
    }

    /// Claims jobs of this kind that are due at `now`, at most `limit` of them, and fewer if they are large, in order of
    /// due time and number, and records their runs, named `first` and onward. They may be started after the commit, and
    /// never again.
    pub fn claim_due(
        &self,
        kind: QueueKind,
        now: Timestamp,
        first: RunId,
        limit: usize,
    ) -> Result<Vec<Claimed>, Error> {
        // Literals, so that SQLite can tell that the kind's own index holds all of it.
        let statement = match kind {
            QueueKind::Timed => {
                "SELECT number, uid, owner, queue, due, deadline, umask, mail, mail_to, directory, environment, script
                 FROM jobs JOIN recipes USING (number)
                 WHERE state = 'queued' AND batch = 0 AND due <= ?1 ORDER BY due, number LIMIT ?2"
            }
            QueueKind::Batch => {
                "SELECT number, uid, owner, queue, due, deadline, umask, mail, mail_to, directory, environment, script
                 FROM jobs JOIN recipes USING (number)
                 WHERE state = 'queued' AND batch = 1 AND due <= ?1 ORDER BY due, number LIMIT ?2"
            }
        };
        self.write(|connection| {
            let mut select = connection.prepare_cached(statement)?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut claimable = Vec::new();
            let (mut rows, mut bytes) = (select.query(params![Column(now), limit])?, 0);
            while bytes < CLAIMED_BYTES
                && let Some(row) = rows.next()?
            {
                let claimed = claimed(row, now)?;
                bytes += claimed.recipe.command.0.len();
                let environment = claimed.recipe.environment.iter();
                bytes +=
                    environment.map(|(name, value)| name.0.len() + value.0.len()).sum::<usize>();
                claimable.push(claimed);
            }
            let mut mark = connection
                .prepare_cached("UPDATE jobs SET state = 'claimed', run = ?2 WHERE number = ?1")?;
            (first.0..)
                .zip(claimable)
                .map(|(id, mut claimed)| {
                    claimed.run.id = RunId(id);
                    mark.execute(params![claimed.number.cast_signed(), Column(claimed.run.id)])?;
                    runs::insert(connection, &claimed.run, self.retention)?;
                    Ok(claimed)
                })
                .collect()
        })
    }

    /// Queues a lost job again under a new number, due at `now`, for its owner or for root. The lost one is no longer kept.
    pub fn retry(&self, number: u64, caller: Uid, now: Timestamp) -> Result<Retried, Error> {
        self.write(|connection| {
            let found = connection
                .prepare_cached(
                    "SELECT number, uid, owner, queue, due, submitted, state, deadline,
                         umask, mail, mail_to, directory, environment, script
                     FROM jobs JOIN recipes USING (number) WHERE number = ?1",
                )?
                .query_row([number.cast_signed()], |row| Ok((queued(row)?, submission(row)?)))
                .optional()?;
            let Some((job, submission)) = found else { return Ok(Retried::NoSuchJob) };
            if caller != job.uid && !caller.is_root() {
                return Ok(Retried::NotOwner);
            }
            if job.state != State::Lost {
                return Ok(Retried::NotLost);
            }
            let submission = Submission { due: now, ..submission };
            let again = insert(connection, job.uid, &job.owner, now, &submission)?;
            delete(connection, number)?;
            Ok(Retried::As(again))
        })
    }

    /// The owner of the lost job of this run was told.
    pub fn told(&self, run: RunId) -> Result<(), Error> {
        self.write(|connection| {
            connection
                .prepare_cached("UPDATE jobs SET told = 1 WHERE run = ?1")?
                .execute([Column(run)])?;
            Ok(())
        })
    }

    /// Takes a job off the queue, for its owner or for root.
    pub fn remove(&self, number: u64, caller: Uid) -> Result<Removed, Error> {
        self.write(|connection| {
            let found = connection
                .prepare_cached(
                    "SELECT uid, state, run FROM jobs
                     WHERE number = ?1 AND (ended IS NULL OR state = 'lost')",
                )?
                .query_row([number.cast_signed()], |row| {
                    Ok((uid(row)?, state(row, 1)?, row.get("run")?))
                })
                .optional()?;
            let Some((owner, state, run)) = found else { return Ok(Removed::NoSuchJob) };
            if caller != owner && !caller.is_root() {
                return Ok(Removed::NotOwner);
            }
            delete(connection, number)?;
            Ok(match (state, run) {
                (State::Claimed, Some(Column(run))) => Removed::WasRunning(run),
                _ => Removed::Gone,
            })
        })
    }
}

impl Store {
    /// When the earliest of the jobs that wait are due.
    pub fn waiting(&self) -> Result<Waiting, Error> {
        self.read(|connection| {
            let earliest = |statement| {
                connection
                    .prepare_cached(statement)?
                    .query_row([], |row| row.get(0).map(|Column(due)| due))
                    .optional()
            };
            Ok(Waiting {
                timed: earliest(
                    "SELECT due FROM jobs WHERE state = 'queued' AND batch = 0
                     ORDER BY due, number LIMIT 1",
                )?,
                batch: earliest(
                    "SELECT due FROM jobs WHERE state = 'queued' AND batch = 1
                     ORDER BY due, number LIMIT 1",
                )?,
            })
        })
    }

    /// How runs of lost jobs ended whose owners have not been told, and what those jobs were.
    pub fn untold(&self, limit: usize) -> Result<Vec<(Report, Recipe)>, Error> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT id, job, name, jobs.owner AS owner, jobs.due AS due, cause, attempt, why,
                         runs.ended AS ended,
                         uid, deadline, queue, umask, mail, mail_to, directory, environment, script
                     FROM jobs JOIN recipes USING (number) JOIN runs ON runs.id = jobs.run
                     WHERE state = 'lost' AND told = 0 ORDER BY number LIMIT ?1",
                )?
                .query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
                    let Column(ended) = row.get("ended")?;
                    let why: Option<String> = row.get("why")?;
                    let outcome = Outcome::Lost(why.unwrap_or_default());
                    let recipe = submission(row)?.recipe();
                    let report = Report::without_session(runs::run(row)?, ended, outcome);
                    Ok((report, Recipe { uid: Some(uid(row)?.as_raw()), ..recipe }))
                })?
                .collect()
        })
    }

    /// The jobs that wait or run, of one user or of all, in order of due time and number; then those that are lost.
    pub fn list(&self, owner: Option<Uid>) -> Result<Vec<Queued>, Error> {
        self.read(|connection| {
            let mut jobs: Vec<Queued> = match owner {
                None => connection
                    .prepare_cached(
                        "SELECT number, uid, owner, queue, due, submitted, state FROM jobs
                         WHERE ended IS NULL ORDER BY due, number",
                    )?
                    .query_map([], queued)?
                    .collect::<rusqlite::Result<_>>()?,
                Some(uid) => connection
                    .prepare_cached(
                        "SELECT number, uid, owner, queue, due, submitted, state FROM jobs
                         WHERE ended IS NULL AND uid = ?1 ORDER BY due, number",
                    )?
                    .query_map([uid.as_raw()], queued)?
                    .collect::<rusqlite::Result<_>>()?,
            };
            let mut lost = connection.prepare_cached(
                "SELECT number, uid, owner, queue, due, submitted, state FROM jobs
                 WHERE state = 'lost' ORDER BY number",
            )?;
            for job in lost.query_map([], queued)? {
                jobs.push(job?);
            }
            jobs.retain(|job| owner.is_none_or(|uid| uid == job.uid));
            Ok(jobs)
        })
    }

    /// A job whole, while what it runs is known: until it is over, and a lost one for some time more.
    pub fn show(&self, number: u64) -> Result<Option<(Queued, Submission)>, Error> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT number, uid, owner, queue, due, submitted, state, deadline,
                         umask, mail, mail_to, directory, environment, script
                     FROM jobs JOIN recipes USING (number) WHERE number = ?1",
                )?
                .query_row([number.cast_signed()], |row| Ok((queued(row)?, submission(row)?)))
                .optional()
        })
    }
}

fn insert(
    connection: &Connection,
    uid: Uid,
    owner: &str,
    submitted: Timestamp,
    submission: &Submission,
) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(
            "INSERT INTO jobs (uid, owner, queue, due, submitted, deadline)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            uid.as_raw(),
            owner,
            Column(submission.queue),
            Column(submission.due),
            Column(submitted),
            submission.last_start().map(Column),
        ])?;
    let number = connection.last_insert_rowid();
    connection
        .prepare_cached(
            "INSERT INTO recipes (number, umask, mail, mail_to, directory, environment, script)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            number,
            submission.umask,
            Column(submission.mail),
            submission.mail_to,
            Column(&submission.directory),
            Column(&submission.environment),
            Column(&submission.script),
        ])?;
    Ok(number.cast_unsigned())
}

fn delete(connection: &Connection, number: u64) -> rusqlite::Result<usize> {
    connection.prepare_cached("DELETE FROM jobs WHERE number = ?1")?.execute([number.cast_signed()])
}

/// Gives the at-job of a run its final state, if the run is one's. What it ran is forgotten, unless it is lost.
pub(super) fn end(
    connection: &Connection,
    run: RunId,
    outcome: &Outcome,
    ended: Timestamp,
) -> rusqlite::Result<()> {
    let state = match outcome {
        Outcome::Exited(0) => "done",
        Outcome::Exited(_)
        | Outcome::Killed(_)
        | Outcome::NotStarted(_)
        | Outcome::LeftToAnother(_) => "failed",
        Outcome::Lost(_) => "lost",
    };
    connection
        .prepare_cached("UPDATE jobs SET state = :state, ended = :ended WHERE run = :run")?
        .execute(named_params! {
        ":state": state,
        ":ended": Column(ended),
        ":run": Column(run),
    })?;
    connection
        .prepare_cached(
            "DELETE FROM recipes WHERE number IN
                 (SELECT number FROM jobs WHERE run = ?1 AND state IN ('done', 'failed'))",
        )?
        .execute([Column(run)])?;
    Ok(())
}

/// Deletes at most `limit` jobs that were over before `before`; says how many.
pub(super) fn forget(
    connection: &Connection,
    before: Timestamp,
    limit: usize,
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM jobs WHERE number IN
                 (SELECT number FROM jobs WHERE ended < ?1 ORDER BY ended LIMIT ?2)",
        )?
        .execute(params![Column(before), i64::try_from(limit).unwrap_or(i64::MAX)])
}

fn number(row: &Row<'_>) -> rusqlite::Result<u64> {
    row.get("number").map(i64::cast_unsigned)
}

fn uid(row: &Row<'_>) -> rusqlite::Result<Uid> {
    row.get("uid").map(Uid::from_raw)
}

fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<State> {
    Ok(match row.get_ref(column)?.as_bytes()? {
        b"queued" => State::Queued,
        b"claimed" => State::Claimed,
        b"done" => State::Done,
        b"failed" => State::Failed,
        // The table's own check leaves nothing else.
        _ => State::Lost,
    })
}

/// The job of a row that begins with number, uid, owner, queue, due, submitted and state: by their places, for a queue
/// may be long.
fn queued(row: &Row<'_>) -> rusqlite::Result<Queued> {
    let (Column(queue), Column(due), Column(submitted)) = (row.get(3)?, row.get(4)?, row.get(5)?);
    Ok(Queued {
        number: row.get(0).map(i64::cast_unsigned)?,
        uid: row.get(1).map(Uid::from_raw)?,
        owner: row.get(2)?,
        queue,
        due,
        submitted,
        state: state(row, 6)?,
    })
}

fn submission(row: &Row<'_>) -> rusqlite::Result<Submission> {
    let (Column::<Timestamp>(due), Column(queue), Column(mail)) =
        (row.get("due")?, row.get("queue")?, row.get("mail")?);
    let (Column(script), Column(environment), Column(directory)) =
        (row.get("script")?, row.get("environment")?, row.get("directory")?);
    let (umask, mail_to) = (row.get("umask")?, row.get("mail_to")?);
    let last: Option<Column<Timestamp>> = row.get("deadline")?;
    let seconds = |Column(last): Column<Timestamp>| (last - due).num_seconds();
    let deadline = last.and_then(|last| u32::try_from(seconds(last)).ok());
    Ok(Submission { due, queue, script, environment, directory, umask, mail, mail_to, deadline })
}

/// The job of a row, about to be claimed; its run is yet to be named.
fn claimed(row: &Row<'_>, now: Timestamp) -> rusqlite::Result<Claimed> {
    let submission = submission(row)?;
    let number = number(row)?;
    let late = now.signed_duration_since(submission.due) > LATE;
    let run = Run {
        id: RunId(0),
        job: JobId(name(number)),
        name: name(number),
        owner: row.get("owner")?,
        due: submission.due,
        trigger: if late { Trigger::CatchUp } else { Trigger::At },
        attempt: 1,
    };
    Ok(Claimed {
        number,
        uid: uid(row)?,
        queue: submission.queue,
        mail: submission.mail,
        last_start: submission.last_start(),
        recipe: submission.recipe(),
        mail_to: submission.mail_to,
        run,
    })
}
