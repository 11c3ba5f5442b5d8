//! The queue of at: jobs that wait for their time or are running. Does not know what running one takes.

use nix::unistd::Uid;
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use crate::plan::civil::Timestamp;
use crate::plan::job::{JobId, Mail, Recipe};
use crate::plan::run::{Outcome, Run, RunId, Trigger};
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
    WasRunning,
    /// It belongs to somebody else, and stays.
    NotOwner,
    /// There is none of this number.
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
        self.write(|connection| {
            connection
                .prepare_cached(
                    "INSERT INTO jobs (uid, owner, queue, due, submitted) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![
                    uid.as_raw(),
                    owner,
                    Column(submission.queue),
                    Column(submission.due),
                    Column(submitted),
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
        })
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

    /// Claims the jobs that are due at `now`, at most `limit` of them, and fewer if they are large, in order of due time and number, and
    /// records their runs, named `first` and onward. They may be started after the commit, and never again.
    pub fn claim_due(
        &self,
        now: Timestamp,
        first: RunId,
        limit: usize,
    ) -> Result<Vec<Claimed>, Error> {
        self.write(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT number, uid, owner, queue, due, umask, mail, mail_to, directory, environment, script
                 FROM jobs JOIN recipes USING (number)
                 WHERE state = 'queued' AND due <= ?1 ORDER BY due, number LIMIT ?2",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut claimable = Vec::new();
            let (mut rows, mut bytes) = (select.query(params![Column(now), limit])?, 0);
            while bytes < CLAIMED_BYTES
                && let Some(row) = rows.next()?
            {
                let claimed = claimed(row, now)?;
                bytes += claimed.recipe.command.0.len();
                let environment = claimed.recipe.environment.iter();
                bytes += environment.map(|(name, value)| name.0.len() + value.0.len()).sum::<usize>();
                claimable.push(claimed);
            }
            let mut mark = connection
                .prepare_cached("UPDATE jobs SET state = 'claimed', run = ?2 WHERE number = ?1")?;
            (first.0..)
                .zip(claimable)
                .map(|(id, mut claimed)| {
                    claimed.run.id = RunId(id);
                    mark.execute(params![claimed.number.cast_signed(), Column(claimed.run.id)])?;
                    runs::insert(connection, &claimed.run)?;
                    Ok(claimed)
                })
                .collect()
        })
    }

    /// Takes a job off the queue, for its owner or for root.
    pub fn remove(&self, number: u64, caller: Uid) -> Result<Removed, Error> {
        self.write(|connection| {
            let found = connection
                .prepare_cached("SELECT uid, state FROM jobs WHERE number = ?1 AND ended IS NULL")?
                .query_row([number.cast_signed()], |row| Ok((uid(row)?, state(row)?)))
                .optional()?;
            let Some((owner, state)) = found else { return Ok(Removed::NoSuchJob) };
            if caller != owner && !caller.is_root() {
                return Ok(Removed::NotOwner);
            }
            connection
                .prepare_cached("DELETE FROM jobs WHERE number = ?1")?
                .execute([number.cast_signed()])?;
            Ok(if state == State::Queued { Removed::Gone } else { Removed::WasRunning })
        })
    }
}

impl Store {
    /// When the next job is due.
    pub fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT due FROM jobs WHERE state = 'queued' ORDER BY due, number LIMIT 1",
                )?
                .query_row([], |row| row.get(0).map(|Column(due)| due))
                .optional()
        })
    }

    /// The jobs that wait or run, of one user or of all, in order of due time and number.
    pub fn list(&self, owner: Option<Uid>) -> Result<Vec<Queued>, Error> {
        self.read(|connection| match owner {
            None => connection
                .prepare_cached(
                    "SELECT number, uid, owner, queue, due, submitted, state FROM jobs
                     WHERE ended IS NULL ORDER BY due, number",
                )?
                .query_map([], queued)?
                .collect(),
            Some(uid) => connection
                .prepare_cached(
                    "SELECT number, uid, owner, queue, due, submitted, state FROM jobs
                     WHERE ended IS NULL AND uid = ?1 ORDER BY due, number",
                )?
                .query_map([uid.as_raw()], queued)?
                .collect(),
        })
    }

    /// A job whole, while what it runs is known: until it is over, and a lost one for some time more.
    pub fn show(&self, number: u64) -> Result<Option<(Queued, Submission)>, Error> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT number, uid, owner, queue, due, submitted, state,
                         umask, mail, mail_to, directory, environment, script
                     FROM jobs JOIN recipes USING (number) WHERE number = ?1",
                )?
                .query_row([number.cast_signed()], |row| Ok((queued(row)?, submission(row)?)))
                .optional()
        })
    }
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
        Outcome::Exited(_) | Outcome::Killed(_) | Outcome::NotStarted(_) => "failed",
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

fn state(row: &Row<'_>) -> rusqlite::Result<State> {
    let state: String = row.get("state")?;
    Ok(match state.as_str() {
        "queued" => State::Queued,
        "claimed" => State::Claimed,
        "done" => State::Done,
        "failed" => State::Failed,
        // The table's own check leaves nothing else.
        _ => State::Lost,
    })
}

fn queued(row: &Row<'_>) -> rusqlite::Result<Queued> {
    let (Column(queue), Column(due), Column(submitted)) =
        (row.get("queue")?, row.get("due")?, row.get("submitted")?);
    let owner = row.get("owner")?;
    Ok(Queued {
        number: number(row)?,
        uid: uid(row)?,
        owner,
        queue,
        due,
        submitted,
        state: state(row)?,
    })
}

fn submission(row: &Row<'_>) -> rusqlite::Result<Submission> {
    let (Column(due), Column(queue), Column(mail)) =
        (row.get("due")?, row.get("queue")?, row.get("mail")?);
    let (Column(script), Column(environment), Column(directory)) =
        (row.get("script")?, row.get("environment")?, row.get("directory")?);
    let (umask, mail_to) = (row.get("umask")?, row.get("mail_to")?);
    Ok(Submission { due, queue, script, environment, directory, umask, mail, mail_to })
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
    };
    Ok(Claimed {
        number,
        uid: uid(row)?,
        queue: submission.queue,
        mail: submission.mail,
        recipe: submission.recipe(),
        mail_to: submission.mail_to,
        run,
    })
}
