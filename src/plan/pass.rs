//! One call of anacron: which jobs it runs, in which order, and what it does next. Takes no lock, starts nothing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use crate::plan::catch_up::{Every, is_owed, may_start};
use crate::plan::civil::{Offsets, Timestamp, reading};
use crate::plan::job::Job;

/// How anacron was called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Jobs are run even if they are not owed (`-f`).
    pub forced: bool,
    /// Delays and hours are passed over (`-n`).
    pub at_once: bool,
    /// Each job waits for the one before (`-s`).
    pub serial: bool,
}

impl Call {
    /// Whether a job is run by a call that began at `began`. A machine that is never on in a job's hours does not
    /// run it outside of them, not even the first time.
    pub fn runs(self, every: &Every, began: Timestamp, zone: &dyn Offsets) -> bool {
        let today = reading(zone, began).date();
        let starts = began + TimeDelta::minutes(i64::from(every.delay));
        self.forced
            || is_owed(every.period, every.done, today)
                && (self.at_once || may_start(every, starts, zone))
    }
}

/// A job that is run, and what belongs to its run.
#[derive(Debug)]
pub struct Planned<S> {
    /// The job.
    pub job: Arc<Job>,
    /// Which of the names that were asked for it matched first.
    pub asked: usize,
    /// How long after the call began it is started.
    pub delay: Duration,
    /// What holds it for this call.
    pub held: S,
}

/// What is done next.
#[derive(Debug)]
pub enum Next<S> {
    /// Start this job.
    Start(Planned<S>),
    /// Nothing before so long after the call began, unless a job ends.
    Wait(Duration),
    /// Nothing before a job ends.
    Rest,
    /// Nothing any more.
    Over,
}

/// A call, as far as it has come.
#[derive(Debug)]
pub struct Pass<S> {
    left: VecDeque<Planned<S>>,
    /// How it was called.
    pub call: Call,
    running: usize,
}

impl<S> Pass<S> {
    /// A call that runs these jobs, given in the order of the table: those with short delays first; at once, in the
    /// order they were asked for.
    pub fn new(mut jobs: Vec<Planned<S>>, call: Call) -> Pass<S> {
        if call.at_once {
            jobs.sort_by_key(|planned| (planned.asked, planned.delay));
            jobs.iter_mut().for_each(|planned| planned.delay = Duration::ZERO);
        } else {
            jobs.sort_by_key(|planned| planned.delay);
        }
        Pass { left: jobs.into(), call, running: 0 }
    }

    /// The jobs that have not been started.
    pub fn left(&self) -> impl Iterator<Item = &Planned<S>> {
        self.left.iter()
    }

    /// What is done so long after the call began. A job that is to be started counts as running from then on.
    pub fn next(&mut self, elapsed: Duration) -> Next<S> {
        let Some(first) = self.left.front() else {
            return if self.running == 0 { Next::Over } else { Next::Rest };
        };
        if self.call.serial && self.running > 0 {
            return Next::Rest;
        }
        if first.delay > elapsed {
            return Next::Wait(first.delay);
        }
        match self.left.pop_front() {
            Some(first) => {
                self.running += 1;
                Next::Start(first)
            }
            None => Next::Over,
        }
    }

    /// A job is over.
    pub fn end(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// Starts nothing more; what waits is let go of.
    pub fn stop(&mut self) {
        self.left.clear();
    }
}
