//! How a ratd in a container ends: it starts nothing more, waits for what runs, asks that to end when it was told to
//! or its patience is over, and leaves last. Elsewhere ratd leaves at once, and its jobs go on.

use std::time::Duration;

use chrono::TimeDelta;
use nix::sys::signal::Signal;

use crate::daemon::disk::Errand;
use crate::daemon::options::Container;
use crate::daemon::ratd::Ratd;
use crate::plan::clock_step::Now;

/// A session that was asked to end its job kills it after ten seconds; one that has not reported by then never will.
const LAST_PATIENCE: Duration = Duration::from_secs(15);

/// A ratd that ends when its jobs have.
#[derive(Clone, Copy, Debug)]
pub struct Stopping {
    /// When something is to be done though no job ended, by the clock that nobody sets.
    pub until: Option<Duration>,
    /// The jobs have been asked to end.
    are_asked: bool,
}

impl Ratd {
    /// The first signal has ratd wait for its jobs, as long as it was told to; the next one has it ask them to end, as
    /// QUIT does at once.
    pub fn stop_in_container(&mut self, now: &Now, container: Container, signal: Signal) {
        let is_urgent = signal == Signal::SIGQUIT || container.wait == Some(TimeDelta::zero());
        match self.stopping {
            None if !is_urgent => {
                let until = container.wait.and_then(|wait| wait.to_std().ok());
                let until = until.and_then(|wait| now.monotonic.checked_add(wait));
                self.stopping = Some(Stopping { until, are_asked: false });
                let running = self.state.running.len();
                tracing::info!(event = "stop", running, "stopping: {running} jobs are waited for");
            }
            None | Some(Stopping { are_asked: false, .. }) => self.ask_to_end(now),
            Some(Stopping { are_asked: true, .. }) => {}
        }
    }

    fn ask_to_end(&mut self, now: &Now) {
        let runs: Vec<_> = self.state.running.keys().copied().collect();
        let running = runs.len();
        tracing::info!(event = "stop", running, "stopping: {running} jobs are asked to end");
        self.disk.must(Errand::End { runs });
        let until = Some(now.monotonic + LAST_PATIENCE);
        self.stopping = Some(Stopping { until, are_asked: true });
    }

    /// Whether the last job has ended, or nothing can be waited for any more.
    pub fn has_outlived_jobs(&mut self, now: &Now) -> bool {
        let Some(stopping) = self.stopping else { return false };
        let is_over = stopping.until.is_some_and(|until| until <= now.monotonic);
        if is_over && !stopping.are_asked {
            self.ask_to_end(now);
        }
        self.state.running.is_empty() || (is_over && stopping.are_asked)
    }
}
