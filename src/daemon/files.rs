//! What was read in files, as the loop hears of it: the scheduler is told of jobs, the log of what is wrong. Reads none.

use std::sync::Arc;

use crate::daemon::ratd::Ratd;
use crate::daemon::say;
use crate::plan::clock_step::Now;
use crate::plan::job::{Job, Source};
use crate::plan::scheduler::Event;
use crate::syntax::config::Config;

impl Ratd {
    /// A crontab was read.
    pub fn load(&mut self, now: &Now, source: Source, jobs: Vec<Arc<Job>>, problems: Vec<String>) {
        let who = say::who(&source, &self.mode.paths);
        say::loaded(&mut self.syslog, who, &source, jobs.len(), self.state.ready);
        say::complain(&mut self.syslog, who, &problems);
        self.state.problems.insert(source.clone(), problems);
        self.state.loaded = true;
        self.decide(now, Event::Loaded { source, jobs });
    }

    /// A crontab could not be read. It is tried at every look, and complained of once.
    pub fn keep(&mut self, source: Source, problems: Vec<String>) {
        if self.state.problems.get(&source) != Some(&problems) {
            let who = say::who(&source, &self.mode.paths);
            say::complain(&mut self.syslog, who, &problems);
        }
        self.state.problems.insert(source, problems);
    }

    /// rat.conf was read. One that does not count is tried at every look, and complained of once.
    pub fn configure(
        &mut self,
        now: &Now,
        source: Source,
        problems: Vec<String>,
        config: Option<Box<Config>>,
    ) {
        if self.state.problems.get(&source) != Some(&problems) {
            say::configured(&mut self.syslog, &source, &problems, config.is_some());
        }
        self.state.problems.remove(&source);
        if !problems.is_empty() {
            self.state.problems.insert(source, problems);
        }
        if let Some(config) = config {
            self.mode.configure(&config);
            self.scheduler.limit_at_jobs(self.mode.at.limits);
            // There may be room for some that wait.
            self.decide(now, Event::Woke);
        }
    }

    /// A crontab is gone, or not to be used. A link that is not to be followed is tried at every look, and complained
    /// of once.
    pub fn unload(&mut self, now: &Now, source: Source, problems: Vec<String>) {
        if problems.is_empty() || self.state.problems.get(&source) != Some(&problems) {
            let who = say::who(&source, &self.mode.paths);
            say::gone(&mut self.syslog, who, &source, &problems);
        }
        self.state.problems.remove(&source);
        self.state.left.remove(&source);
        if !problems.is_empty() {
            self.state.problems.insert(source.clone(), problems);
        }
        self.decide(now, Event::Gone { source });
    }
}
