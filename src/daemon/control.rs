//! Requests: what the loop can answer from memory it answers, all else goes to the disk thread. Knows what may be
//! asked; `access` knows by whom.

use std::sync::Arc;

use nix::unistd::{Uid, geteuid};
use serde::Serialize;

use crate::daemon::access;
use crate::daemon::asked::{OfDesk, OfLoop};
use crate::daemon::connections::{Caller, Client};
use crate::daemon::disk::{Command, Errand};
use crate::daemon::explain;
use crate::daemon::state::State;
use crate::daemon::which::which;
use crate::daemon::writes::Write;
use crate::paths::Paths;
use crate::plan::civil::Timestamp;
use crate::plan::job::{Job, JobId, Source};
use crate::plan::run::RunId;
use crate::plan::schedule::Schedule;
use crate::plan::scheduler::Scheduler;
use crate::plan::text::Text;
use crate::protocol::fault::Fault;
use crate::protocol::request::ListNext;
use crate::protocol::{DESCRIPTION, INTERFACE, SERVICE, SERVICE_DESCRIPTION, reply};
use crate::spool::user_of;
use crate::store::queue::Position;
use crate::syntax::dialect::Dialect;

/// Longer requests are parsed by the disk thread, so that the clock does not wait for them.
pub const PARSED_AT_ONCE: usize = 64 * 1024;

/// So many coming runs are told in one reply, to those who may do everything and to others.
const MOST_COMING: u32 = 10_000;
const MOST_COMING_OF_ONE_USER: u32 = 1000;

/// A reply with coming runs ends after about so many bytes.
const LONGEST_NEXT: usize = 8 << 20;

/// So much of a command is told where many jobs are.
const TOLD_COMMAND: usize = 1000;

/// So many things that are wrong with crontabs are told.
const TOLD_PROBLEMS: usize = 100;

/// What the loop knows.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The jobs.
    pub scheduler: &'a Scheduler,
    /// How ratd is.
    pub state: &'a State,
    /// Where the crontabs are.
    pub paths: &'a Paths,
    /// How they are read.
    pub dialect: &'static Dialect,
}

/// Where a request is answered.
pub enum Route {
    /// Here, with these bytes.
    Reply(Vec<u8>),
    /// In the disk thread.
    Disk(Box<Errand>),
    /// This job is to be run.
    Run(JobId),
    /// When this run is over.
    Wait(Caller, RunId),
}

/// Whether the name of the caller is needed to answer this; all else, which cannot wait, is told by the uid alone.
pub fn needs_name(asked: &OfLoop, uid: Uid, state: &State, paths: &Paths) -> bool {
    match asked {
        OfLoop::Info | OfLoop::Description(_) => false,
        // Whose problems are a user's own is told by the name.
        OfLoop::Status => {
            let mut troubled = state.problems.iter().filter(|(_, problems)| !problems.is_empty());
            let is_master = uid.is_root() || uid == geteuid();
            !is_master && troubled.any(|(source, _)| user_of(&source.0, paths).is_some())
        }
        OfLoop::Next(_)
        | OfLoop::Explain(_)
        | OfLoop::Jobs
        | OfLoop::Run(_)
        | OfLoop::Wait(_)
        | OfLoop::Reload => true,
    }
}

/// Answers a request, or tells where it is answered.
pub fn route(
    now: Timestamp,
    client: Client,
    caller: Caller,
    asked: &OfLoop,
    known: &Known<'_>,
) -> Route {
    let scheduler = known.scheduler;
    match asked {
        OfLoop::Info => Route::Reply(encode(Ok(info()))),
        OfLoop::Description(request) => Route::Reply(encode(describe(&request.interface))),
        OfLoop::Status => Route::Reply(encode(Ok(status(&caller, known)))),
        OfLoop::Next(request) => Route::Reply(encode(Ok(next(&caller, request, scheduler)))),
        OfLoop::Jobs => Route::Disk(Box::new(Errand::Annotate {
            client,
            jobs: jobs(&caller, scheduler),
            owner: visible_owner(&caller),
        })),
        OfLoop::Run(request) => match job_to_run(&caller, &request.job, scheduler) {
            Ok(job) => Route::Run(job),
            Err(fault) => Route::Reply(encode(Err::<reply::Ordered, _>(fault))),
        },
        OfLoop::Explain(request) => match explain::explain(now, &caller, request, known) {
            Ok(explained) => Route::Disk(Box::new(Errand::Explain {
                client,
                explained: Box::new(explained),
                owner: visible_owner(&caller),
            })),
            Err(fault) => Route::Reply(encode(Err::<reply::Explained, _>(fault))),
        },
        OfLoop::Wait(request) => match request.run.parse() {
            Ok(run) => Route::Wait(caller, run),
            Err(_) => Route::Reply(encode(Err::<reply::Waited, _>(not_found(&request.run)))),
        },
        OfLoop::Reload => Route::Disk(Box::new(Errand::Look { client: Some(client) })),
    }
}

/// A request that the disk thread answers.
pub fn for_the_desk(now: Timestamp, client: Client, caller: Caller, asked: OfDesk) -> Command {
    match asked {
        OfDesk::Queue(asked) => Write::Change { client, caller, asked, now }.into(),
        OfDesk::Question(question) => Errand::Ask { client, caller, question }.into(),
        OfDesk::QueueInPieces => Errand::List { client, caller, from: Position::START }.into(),
        OfDesk::Crontab(asked) => Errand::Crontab { client, caller, asked }.into(),
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

fn status(caller: &Caller, known: &Known<'_>) -> reply::Status {
    let Known { scheduler, state, paths, .. } = known;
    let is_told = |source: &Source| {
        access::is_master(caller)
            || user_of(&source.0, paths).is_none_or(|user| user == caller.name)
    };
    let told = state.problems.iter().filter(|(source, _)| is_told(source));
    let problems = told.flat_map(|(_, problems)| problems).take(TOLD_PROBLEMS).cloned().collect();
    reply::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started: state.started,
        ready: state.ready,
        jobs: scheduler.count() as u64,
        running: state.running.len() as u64,
        next: scheduler.next_wakeup(),
        trouble: state.trouble.clone(),
        runs_started: state.runs_started,
        runs_missed: state.runs_missed,
        rows_dropped: state.rows_dropped,
        dialect: known.dialect.name.to_owned(),
        problems,
    }
}

/// Whose jobs and runs a caller sees: root everybody's, others their own.
pub fn visible_owner(caller: &Caller) -> Option<String> {
    (!access::is_master(caller)).then(|| caller.name.clone())
}

/// Whether a caller sees what belongs to this user.
pub fn may_see(caller: &Caller, owner: &str) -> bool {
    access::is_master(caller) || owner == caller.name
}

fn sees(caller: &Caller, job: &Job) -> bool {
    may_see(caller, &job.owner)
}

/// What is said of a run that there is not, or not for this caller.
pub fn not_found(run: &str) -> Fault {
    Fault::NotFound { message: format!("no such run: \"{run}\"") }
}

/// The job that a caller may run and means.
fn job_to_run(caller: &Caller, word: &str, scheduler: &Scheduler) -> Result<JobId, Fault> {
    let all = scheduler.jobs();
    let own: Vec<_> = all.iter().map(|(job, _)| job).filter(|job| sees(caller, job)).collect();
    match which(&own, word) {
        Ok(job) => Ok(job.id.clone()),
        // That is told whether there is such a job or not.
        Err(_) if names_another(caller, word) => {
            let message = format!("{word}: only root runs the jobs of others");
            Err(Fault::NotPermitted { message })
        }
        Err(message) => Err(Fault::NotFound { message }),
    }
}

/// The fault of a caller who names a job of a user that they are not, nor may act for.
pub fn of_another(caller: &Caller, word: &str) -> Option<Fault> {
    let message = format!("{word}: only root is told of the jobs of others");
    names_another(caller, word).then_some(Fault::NotPermitted { message })
}

/// Whether the word is `USER/NAME` of a user that the caller is not, nor may act for.
fn names_another(caller: &Caller, word: &str) -> bool {
    let is_another = |user: &str| !user.is_empty() && !may_see(caller, user);
    !word.contains(':') && word.split_once('/').is_some_and(|(user, _)| is_another(user))
}

fn next(caller: &Caller, request: &ListNext, scheduler: &Scheduler) -> reply::Next {
    let until = request.until.unwrap_or(Timestamp::MAX_UTC);
    let most = if access::is_master(caller) { MOST_COMING } else { MOST_COMING_OF_ONE_USER };
    let count = request.count.min(most) as usize;
    let coming = |(job, time): (Arc<Job>, Timestamp)| reply::Coming {
        time,
        job: job.id.0.clone(),
        name: job.name.clone(),
        owner: job.owner.clone(),
        schedule: job.written.clone(),
        command: beginning(&job.recipe.command),
    };
    let mut length = 0;
    let is_short = |run: &reply::Coming| {
        length += run.command.0.len() + run.schedule.len() + run.name.len() + run.job.len();
        length <= LONGEST_NEXT
    };
    let runs = scheduler.upcoming(until, count, |job| sees(caller, job));
    reply::Next { runs: runs.into_iter().map(coming).take_while(is_short).collect() }
}

/// As much of a command as is told where many are.
fn beginning(command: &Text) -> Text {
    let mut end = command.0.len().min(TOLD_COMMAND);
    // Not in the middle of a character.
    while end > 0 && command.0.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        end -= 1;
    }
    Text(command.0[..end].to_vec())
}

fn jobs(caller: &Caller, scheduler: &Scheduler) -> reply::Jobs {
    let visible = scheduler.jobs().into_iter().filter(|(job, _)| sees(caller, job));
    reply::Jobs { jobs: visible.map(|(job, next)| told(&job, next)).collect() }
}

/// A job, but for how it ended last.
pub fn told(job: &Job, next: Option<Timestamp>) -> reply::Job {
    reply::Job {
        id: job.id.0.clone(),
        name: job.name.clone(),
        owner: job.owner.clone(),
        schedule: job.written.clone(),
        command: beginning(&job.recipe.command),
        file: job.origin.source.0.display().to_string(),
        line: job.origin.line,
        disabled: matches!(job.schedule, Schedule::Never),
        next,
        last: None,
    }
}
