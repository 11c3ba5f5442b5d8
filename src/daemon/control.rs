//! Requests: what the loop can answer from memory it answers, all else goes to the disk thread. Knows what may be
//! asked; `access` knows by whom.

use std::sync::Arc;

use serde::Serialize;

use crate::daemon::access;
use crate::daemon::connections::{Caller, Client};
use crate::daemon::disk::Command;
use crate::daemon::state::State;
use crate::plan::civil::Timestamp;
use crate::plan::job::Job;
use crate::plan::scheduler::Scheduler;
use crate::protocol::fault::Fault;
use crate::protocol::request::{ListNext, Request};
use crate::protocol::{DESCRIPTION, INTERFACE, SERVICE, SERVICE_DESCRIPTION, reply};

/// Longer requests are parsed by the disk thread, so that the clock does not wait for them.
pub const PARSED_AT_ONCE: usize = 64 * 1024;

/// So many coming runs are told in one reply.
const MOST_COMING: u32 = 10_000;

/// Where a request is answered.
pub enum Route {
    /// Here, with these bytes.
    Reply(Vec<u8>),
    /// In the disk thread.
    Disk(Box<Command>),
}

/// Answers a request, or tells where it is answered.
pub fn route(
    now: Timestamp,
    client: Client,
    caller: Caller,
    request: Result<Request, Fault>,
    scheduler: &Scheduler,
    state: &State,
) -> Route {
    let request = match request {
        Ok(request) => request,
        Err(fault) => return Route::Reply(encode(Err::<reply::Done, _>(fault))),
    };
    match request {
        Request::GetInfo(_) => Route::Reply(encode(Ok(info()))),
        Request::GetInterfaceDescription(request) => {
            Route::Reply(encode(describe(&request.interface)))
        }
        Request::GetStatus(_) => Route::Reply(encode(Ok(status(scheduler, state)))),
        Request::ListNext(request) => Route::Reply(encode(Ok(next(&caller, &request, scheduler)))),
        Request::ListJobs(_) => Route::Disk(Box::new(Command::Annotate {
            client,
            jobs: jobs(&caller, scheduler),
            owner: visible_owner(&caller),
        })),
        Request::Reload(_) => Route::Disk(Box::new(Command::Look { client: Some(client) })),
        request @ (Request::ListRuns(_)
        | Request::SubmitJob(_)
        | Request::ListQueue(_)
        | Request::RemoveJob(_)
        | Request::ShowJob(_)
        | Request::GetCrontab(_)
        | Request::PutCrontab(_)
        | Request::RemoveCrontab(_)) => {
            Route::Disk(Box::new(Command::Ask { client, caller, request, now }))
        }
    }
}

/// The bytes of a reply.
pub fn encode<R: Serialize>(reply: Result<R, Fault>) -> Vec<u8> {
    reply::encode(&reply)
}

fn info() -> reply::Info {
    reply::Info {
        vendor: "The rat authors".to_owned(),
        product: "ratd".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        url: "man:ratd(8)".to_owned(),
        interfaces: vec![SERVICE.to_owned(), INTERFACE.to_owned()],
    }
}

fn describe(interface: &str) -> Result<reply::Description, Fault> {
    let description = match interface {
        INTERFACE => DESCRIPTION,
        SERVICE => SERVICE_DESCRIPTION,
        _ => return Err(Fault::InterfaceNotFound { interface: interface.to_owned() }),
    };
    Ok(reply::Description { description: description.to_owned() })
}

fn status(scheduler: &Scheduler, state: &State) -> reply::Status {
    reply::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started: state.started,
        ready: state.ready,
        jobs: scheduler.jobs().len() as u64,
        running: state.running.len() as u64,
        next: scheduler.next_wakeup(),
        trouble: state.trouble.clone(),
        runs_started: state.runs_started,
        runs_missed: state.runs_missed,
        rows_dropped: state.rows_dropped,
        problems: state.problems.values().flatten().cloned().collect(),
    }
}

/// Whose jobs and runs a caller sees: root everybody's, others their own.
pub fn visible_owner(caller: &Caller) -> Option<String> {
    (!access::is_master(caller)).then(|| caller.name.clone())
}

fn sees(caller: &Caller, job: &Job) -> bool {
    access::is_master(caller) || job.owner == caller.name
}

fn next(caller: &Caller, request: &ListNext, scheduler: &Scheduler) -> reply::Next {
    let until = request.until.unwrap_or(Timestamp::MAX_UTC);
    let count = request.count.min(MOST_COMING) as usize;
    let coming = |(job, time): (Arc<Job>, Timestamp)| reply::Coming {
        time,
        job: job.id.0.clone(),
        name: job.name.clone(),
        owner: job.owner.clone(),
        schedule: job.written.clone(),
        command: job.recipe.command.clone(),
    };
    let runs = scheduler.upcoming(until, count, |job| sees(caller, job));
    reply::Next { runs: runs.into_iter().map(coming).collect() }
}

fn jobs(caller: &Caller, scheduler: &Scheduler) -> reply::Jobs {
    let told = |(job, next): (Arc<Job>, Option<Timestamp>)| reply::Job {
        id: job.id.0.clone(),
        name: job.name.clone(),
        owner: job.owner.clone(),
        schedule: job.written.clone(),
        command: job.recipe.command.clone(),
        file: job.origin.source.0.display().to_string(),
        line: job.origin.line,
        next,
        last: None,
    };
    let visible = scheduler.jobs().into_iter().filter(|(job, _)| sees(caller, job));
    reply::Jobs { jobs: visible.map(told).collect() }
}
