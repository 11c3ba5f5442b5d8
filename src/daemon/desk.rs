//! Requests that need the store, answered for the clerk: who may, what is read, what is said. Writes to the store are
//! made in the clerk's transaction. What is asked about crontabs is answered by `crontabs`.

use std::path::Path;

use nix::unistd::{Uid, User};
use serde::Serialize;

use crate::daemon::access::{self, Tool};
use crate::daemon::asked::{OfQueue, Question};
use crate::daemon::connections::Caller;
use crate::daemon::control::{encode, may_see, not_found, visible_owner};
use crate::paths::Paths;
use crate::plan::civil::Timestamp;
use crate::plan::run::{Outcome, Run, RunId, Usage};
use crate::plan::submission::Submission;
use crate::plan::text::Text;
use crate::protocol::fault::Fault;
use crate::protocol::reply;
use crate::protocol::request::{ImportJob, ListRuns, RemoveJob};
use crate::store::error::Error;
use crate::store::queue::{self, Position, Removed, Retried, State};
use crate::store::runs::{Filter, Past};
use crate::store::{Change, Store};

/// No more than this of the last line that a run printed is told.
const LONGEST_LINE: usize = 1024;

/// So many jobs are in one piece of the at queue: what takes the disk thread a few thousandths of a second.
const LISTED: usize = 4000;

/// So many runs are told in one reply.
const MOST_RUNS: u32 = 10_000;

/// What a ratd of one file says to who asks for a crontab: the system's spool is not its own.
pub fn keeps_no_crontabs(file: &Path) -> Vec<u8> {
    let file = file.display();
    let message = format!("this ratd runs the jobs of {file} alone; edit that file");
    refused(Fault::Unavailable { message })
}

/// What a change of the queue led to; it counts after the commit.
pub struct Changed {
    /// The reply.
    pub reply: Vec<u8>,
    /// The run that is to be asked to end.
    pub end: Option<RunId>,
}

/// Changes the at queue. The reply may be told after the commit.
pub fn change(
    change: &Change,
    caller: &Caller,
    asked: &OfQueue,
    now: Timestamp,
    paths: &Paths,
) -> Result<Changed, Error> {
    let only = |reply| Changed { reply, end: None };
    if let Err(message) = access::check(Tool::At, caller, paths) {
        return Ok(only(refused(Fault::NotPermitted { message })));
    }
    match asked {
        OfQueue::Submit(request) => submit(change, caller, &request.job, now).map(only),
        OfQueue::Import(request) => import(change, caller, request, now).map(only),
        OfQueue::Retry(request) => retry(change, caller, request.number, now).map(only),
        OfQueue::Remove(request) => remove(change, caller, request),
    }
}

fn submit(
    change: &Change,
    caller: &Caller,
    job: &Submission,
    now: Timestamp,
) -> Result<Vec<u8>, Error> {
    if caller.user.is_none() {
        let message =
            format!("uid {} has no passwd entry, so nobody could run this job", caller.uid);
        return Ok(refused(Fault::NotPermitted { message }));
    }
    if let Err(message) = job.check_size() {
        return Ok(refused(Fault::Unavailable { message }));
    }
    let number = change.submit(caller.uid, &caller.name, now, job)?;
    Ok(encode(Ok(reply::Submitted { number })))
}

/// Whose a job is says the one who hands it in: that must be somebody who could run it as that user anyway.
fn import(
    change: &Change,
    caller: &Caller,
    request: &ImportJob,
    now: Timestamp,
) -> Result<Vec<u8>, Error> {
    if !access::is_master(caller) {
        let message = "only root may import jobs".to_owned();
        return Ok(refused(Fault::NotPermitted { message }));
    }
    if let Err(message) = request.job.check_size() {
        return Ok(refused(Fault::Unavailable { message }));
    }
    let uid = Uid::from_raw(request.uid);
    let owner = match User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        Ok(None) => {
            let message = format!("uid {uid} has no passwd entry, so nobody could run this job");
            return Ok(refused(Fault::NotFound { message }));
        }
        Err(error) => {
            let message = format!("cannot look up uid {uid}: {error}");
            return Ok(refused(Fault::Unavailable { message }));
        }
    };
    let (number, new) = change.import(&request.source, uid, &owner, now, &request.job)?;
    Ok(encode(Ok(reply::Imported { number, new })))
}

fn retry(change: &Change, caller: &Caller, number: u64, now: Timestamp) -> Result<Vec<u8>, Error> {
    Ok(match change.retry(number, effective(caller), now)? {
        Retried::As(number) => encode(Ok(reply::Submitted { number })),
        Retried::NotLost => refused(Fault::Unavailable {
            message: format!("job {number} is not lost; only a lost one is queued again"),
        }),
        Retried::NotOwner => refused(not_owner(number)),
        Retried::NoSuchJob => refused(no_such_job(number)),
    })
}

fn remove(change: &Change, caller: &Caller, request: &RemoveJob) -> Result<Changed, Error> {
    let number = request.number;
    let removed = change.remove(number, effective(caller))?;
    let reply = match removed {
        Removed::Gone => encode(Ok(reply::Removed { running: false })),
        Removed::WasRunning(_) => encode(Ok(reply::Removed { running: true })),
        Removed::NotOwner => refused(not_owner(number)),
        Removed::NoSuchJob => refused(no_such_job(number)),
    };
    let end = match removed {
        Removed::WasRunning(run) => request.kill.then_some(run),
        Removed::Gone | Removed::NotOwner | Removed::NoSuchJob => None,
    };
    Ok(Changed { reply, end })
}

/// The words are at's.
fn not_owner(number: u64) -> Fault {
    Fault::NotPermitted { message: format!("{number}: Not owner") }
}

fn no_such_job(number: u64) -> Fault {
    Fault::NotFound { message: format!("Cannot find jobid {number}") }
}

/// The uid whose rights the caller has: the user that ratd runs as is the master of a ratd that is not root's.
fn effective(caller: &Caller) -> Uid {
    if access::is_master(caller) { Uid::from_raw(0) } else { caller.uid }
}

/// Answers what only has to be read in the store.
pub fn answer(
    store: Result<&Store, String>,
    caller: &Caller,
    question: &Question,
    paths: &Paths,
) -> Vec<u8> {
    match question {
        Question::Runs(request) => encode(list_runs(store, caller, request)),
        Question::Run(run) => encode(waited(store, caller, *run)),
        Question::Queue => encode(list_queue(store, caller, paths)),
        Question::Job(request) => encode(show(store, caller, request.number, paths)),
    }
}

/// The bytes that refuse a request.
pub fn refused(fault: Fault) -> Vec<u8> {
    encode(Err::<reply::Done, _>(fault))
}

/// The bytes that say the store cannot do it now.
pub fn unavailable(why: &str) -> Vec<u8> {
    refused(Fault::Unavailable { message: format!("ratd cannot use its store: {why}") })
}

fn usable<T>(result: Result<T, Error>) -> Result<T, Fault> {
    result.map_err(|error| Fault::Unavailable {
        message: format!("ratd cannot use its store: {error}"),
    })
}

fn opened(store: Result<&Store, String>) -> Result<&Store, Fault> {
    store.map_err(|why| Fault::Unavailable { message: format!("ratd cannot use its store: {why}") })
}

fn list_runs(
    store: Result<&Store, String>,
    caller: &Caller,
    request: &ListRuns,
) -> Result<reply::Runs, Fault> {
    let owner = visible_owner(caller);
    let limit = request.limit.min(MOST_RUNS) as usize;
    let filter = Filter {
        owner: owner.as_deref(),
        job: request.job.as_deref(),
        limit,
        only_ends: !request.output,
    };
    let runs = usable(opened(store)?.history(&filter))?;
    Ok(reply::Runs { runs: runs.into_iter().map(told).collect() })
}

/// A run that does not go on, to somebody who would wait for its end.
fn waited(
    store: Result<&Store, String>,
    caller: &Caller,
    run: RunId,
) -> Result<reply::Waited, Fault> {
    let past = usable(opened(store)?.past(run))?;
    let past = past
        .filter(|past| may_see(caller, &past.run.owner))
        .ok_or_else(|| not_found(&run.to_string()))?;
    Ok(reply::Waited { run: told(past) })
}

/// How a run ended, to those who waited for it; what is not in the store is told as far as it is known.
pub fn ended(store: Option<&Store>, run: &Run, outcome: Outcome) -> Vec<u8> {
    let stored = store.and_then(|store| store.past(run.id).ok().flatten());
    let past = stored.filter(|past| past.outcome.is_some()).unwrap_or_else(|| Past {
        run: run.clone(),
        started: None,
        ended: None,
        outcome: Some(outcome),
        usage: Usage::default(),
        output: Text::default(),
        only_end: true,
        output_bytes: 0,
    });
    encode(Ok(reply::Waited { run: told(past) }))
}

/// A run as it is told.
pub fn told(past: Past) -> reply::Run {
    let mut lines = past.output.0.rsplit(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let last_line = lines.next().unwrap_or_default();
    let last_line = Text(last_line[last_line.len().saturating_sub(LONGEST_LINE)..].to_vec());
    reply::Run {
        id: past.run.id.to_string(),
        job: past.run.job.0,
        name: past.run.name,
        owner: past.run.owner,
        due: past.run.due,
        trigger: past.run.trigger,
        started: past.started,
        ended: past.ended,
        end: reply::End::from(past.outcome.as_ref()),
        usage: past.usage,
        output_bytes: past.output_bytes,
        last_line,
        output: (!past.only_end).then_some(past.output),
    }
}

/// The whole queue.
fn list_queue(
    store: Result<&Store, String>,
    caller: &Caller,
    paths: &Paths,
) -> Result<reply::Queue, Fault> {
    page(store, caller, Position::START, usize::MAX, paths).map(|(queue, _)| queue)
}

/// A piece of the queue, for those who take it so; and where the next begins, if there is more.
pub fn piece_of_queue(
    store: Result<&Store, String>,
    caller: &Caller,
    from: Position,
    paths: &Paths,
) -> (Vec<u8>, Option<Position>) {
    match page(store, caller, from, LISTED, paths) {
        Ok((queue, Some(next))) => (reply::encode_piece(&queue), Some(next)),
        last => (encode(last.map(|(queue, _)| queue)), None),
    }
}

fn page(
    store: Result<&Store, String>,
    caller: &Caller,
    from: Position,
    limit: usize,
    paths: &Paths,
) -> Result<(reply::Queue, Option<Position>), Fault> {
    permitted(Tool::At, caller, paths)?;
    let owner = (!access::is_master(caller)).then_some(caller.uid);
    let queued = |job: queue::Listed| reply::Queued {
        number: job.number,
        due: job.due,
        queue: job.queue.letter(),
        owner: job.owner,
        running: job.state == State::Claimed,
        lost: job.state == State::Lost,
    };
    let page = usable(opened(store)?.list(owner, from, limit))?;
    Ok((reply::Queue { jobs: page.jobs.into_iter().map(queued).collect() }, page.next))
}

fn show(
    store: Result<&Store, String>,
    caller: &Caller,
    number: u64,
    paths: &Paths,
) -> Result<reply::Shown, Fault> {
    permitted(Tool::At, caller, paths)?;
    match usable(opened(store)?.show(number))? {
        Some((queued, job)) if access::owns(caller, queued.uid) => {
            Ok(reply::Shown { uid: queued.uid.as_raw(), owner: queued.owner, job })
        }
        Some(_) => Err(Fault::NotPermitted { message: format!("{number}: Not owner") }),
        None => Err(Fault::NotFound { message: format!("Cannot find jobid {number}") }),
    }
}

fn permitted(tool: Tool, caller: &Caller, paths: &Paths) -> Result<(), Fault> {
    access::check(tool, caller, paths).map_err(|message| Fault::NotPermitted { message })
}

/// How each of these jobs ended last, put into the reply.
pub fn annotate<'a>(
    store: Option<&Store>,
    jobs: &'a mut reply::Jobs,
    owner: Option<&str>,
) -> &'a impl Serialize {
    let last = store.and_then(|store| store.last_of_each(owner).ok()).unwrap_or_default();
    for job in &mut jobs.jobs {
        // The store sorts by job.
        if let Ok(at) = last.binary_search_by(|past| past.run.job.0.as_str().cmp(&job.id)) {
            let past = &last[at];
            let end = reply::End::from(past.outcome.as_ref());
            job.last = Some(reply::Last { started: past.started, end });
        }
    }
    jobs
}
