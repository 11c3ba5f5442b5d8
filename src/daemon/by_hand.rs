//! Runs that somebody asks for, and those who wait for a run to end. What was asked for is written down before it is
//! ordered and before that is told; who waits costs a connection, until the run ends or they go.

use crate::daemon::asked::Question;
use crate::daemon::connections::{Caller, Client};
use crate::daemon::control::{self, encode, not_found};
use crate::daemon::desk;
use crate::daemon::disk::Errand;
use crate::daemon::ratd::Ratd;
use crate::daemon::writes::Write;
use crate::plan::clock_step::Now;
use crate::plan::job::{Job, JobId};
use crate::plan::run::{Outcome, Run, RunId};
use crate::plan::scheduler::Event;
use crate::protocol::fault::Fault;
use crate::protocol::reply::Ordered;

impl Ratd {
    /// Has a run of the job written down; the reply comes at once only if there is to be none.
    pub fn run_by_hand(&mut self, now: &Now, client: Client, job: &JobId) -> Option<Vec<u8>> {
        match self.scheduler.by_hand(now.wall, job) {
            Ok((run, job)) => {
                self.disk.must(Write::Order { client, run, job, at: now.wall });
                None
            }
            Err(message) => Some(desk::refused(Fault::Unavailable { message })),
        }
    }

    /// It is written down: it starts, and whoever asked for it is told.
    pub fn begin_by_hand(&mut self, now: &Now, client: Client, run: Run, job: &Job) {
        let told = Ordered {
            run: run.id.to_string(),
            job: run.job.0.clone(),
            name: run.name.clone(),
            owner: run.owner.clone(),
        };
        let once = self.scheduler.once_by_hand(now.wall, &run.job);
        let source = Some(job.origin.source.clone());
        let order = self.order_to_start(run, job.recipe.clone(), source, once);
        self.start(now.wall, order);
        self.connections.reply(client, encode(Ok(told)), &self.wait);
    }

    /// It could not be written down, and so is not started.
    pub fn give_up_by_hand(&mut self, now: &Now, client: Client, run: RunId, why: String) {
        let reply = desk::unavailable(&why);
        self.decide(now, Event::Ended { run, outcome: Outcome::NotStarted(why) });
        self.connections.reply(client, reply, &self.wait);
    }

    /// Has the client wait while the run goes on; what is over is told from the store.
    pub fn await_run(&mut self, client: Client, caller: Caller, run: RunId) -> Option<Vec<u8>> {
        let Some(known) = self.state.running.get(&run) else {
            self.disk.must(Errand::Ask { client, caller, question: Question::Run(run) });
            return None;
        };
        if !control::may_see(&caller, &known.owner) {
            return Some(desk::refused(not_found(&run.to_string())));
        }
        self.state.waiting.push((run, client));
        self.connections.expect_end(client, &self.wait);
        None
    }

    /// A run is over: whoever waited for it is told as soon as its report has been stored.
    pub fn tell_waiting(&mut self, run: &Run, outcome: &Outcome) {
        let waited = self.state.waiting.extract_if(.., |(waited, _)| *waited == run.id);
        for (_, client) in waited {
            let (run, outcome) = (run.clone(), outcome.clone());
            self.disk.must(Errand::Tell { client, run, outcome });
        }
    }

    /// A client that waits for a run can only have gone away. False: it does not wait for any.
    pub fn forget_waiting(&mut self, client: Client) -> bool {
        let before = self.state.waiting.len();
        self.state.waiting.retain(|(_, waiting)| *waiting != client);
        let waited = self.state.waiting.len() < before;
        if waited {
            self.connections.forget(client);
        }
        waited
    }
}
