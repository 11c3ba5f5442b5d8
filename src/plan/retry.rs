//! Which runs are tried again, after how long, and which wait for that. Knows how a run ended; not when anything else
//! is due.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;

use crate::plan::civil::Timestamp;
use crate::plan::digest::digest;
use crate::plan::job::JobId;
use crate::plan::run::{Outcome, RunId};

/// What happens to a job whose run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retries {
    /// How often it is tried again at most; 0 is never.
    pub times: u32,
    /// After how long it is tried again first.
    pub delay: Duration,
    /// How long that becomes at most.
    pub longest: Duration,
    /// Each time twice as long as the time before.
    pub grows: bool,
    /// After which ends.
    pub after: Vec<End>,
}

/// A way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Any other status than 0, or any signal.
    Any,
    /// This status.
    Status(i32),
    /// Any signal.
    Signal,
}

impl Retries {
    /// Nothing is tried again.
    pub const NEVER: Retries = Retries {
        times: 0,
        delay: Duration::from_secs(30),
        longest: Duration::from_secs(3600),
        grows: true,
        after: Vec::new(),
    };

    /// After how long a run that ended so is tried again, if it is. It was the how-manieth for its instant.
    pub fn pause(&self, run: RunId, outcome: &Outcome, attempt: u32) -> Option<TimeDelta> {
        if attempt > self.times || !self.after.iter().any(|end| end.is(outcome)) {
            return None;
        }
        let doublings = if self.grows { attempt.saturating_sub(1).min(31) } else { 0 };
        let pause = self.delay.saturating_mul(1 << doublings).min(self.longest);
        // Up to a tenth longer, so that what failed together does not come back together.
        let spread = pause.as_secs() / 10 + 1;
        let pause = pause.as_secs() + digest(&[&run.0.to_le_bytes()]) % spread;
        TimeDelta::try_seconds(i64::try_from(pause).ok()?)
    }
}

impl End {
    fn is(self, outcome: &Outcome) -> bool {
        match (self, outcome) {
            (End::Any, Outcome::Exited(status)) => *status != 0,
            (End::Status(wanted), Outcome::Exited(status)) => *status == wanted,
            (End::Any | End::Signal, Outcome::Killed(_)) => true,
            (End::Signal, Outcome::Exited(_)) | (End::Status(_), Outcome::Killed(_)) => false,
            // What never ran is not a failure of the job.
            (_, Outcome::NotStarted(_) | Outcome::LeftToAnother(_) | Outcome::Lost(_)) => false,
        }
    }
}

/// What failed and is tried again.
#[derive(Clone, Debug)]
pub struct Again {
    /// The job.
    pub job: JobId,
    /// The instant it is for.
    pub due: Timestamp,
    /// The how-manieth run for that it will be.
    pub attempt: u32,
    /// How long it waits.
    pub pause: TimeDelta,
}

/// All that waits to be tried again, by when and by the run that failed.
#[derive(Debug, Default)]
pub struct Waiting(BTreeMap<(i64, RunId), Again>);

impl Waiting {
    /// The second from which on there is something to start.
    pub fn wakeup(&self) -> Option<i64> {
        self.0.first_key_value().map(|((at, _), _)| *at)
    }

    /// Has what failed wait until then.
    pub fn add(&mut self, until: Timestamp, run: RunId, again: Again) {
        self.0.insert((until.timestamp(), run), again);
    }

    /// The first that has waited long enough, and the run that failed.
    pub fn take(&mut self, now: Timestamp) -> Option<(RunId, Again)> {
        let first = self.0.first_entry().filter(|first| first.key().0 <= now.timestamp())?;
        let ((_, run), again) = first.remove_entry();
        Some((run, again))
    }

    /// Whether a run of the job waits.
    pub fn has(&self, job: &JobId) -> bool {
        self.0.values().any(|again| again.job == *job)
    }

    /// The job is planned otherwise.
    pub fn forget(&mut self, job: &JobId) {
        self.0.retain(|_, again| again.job != *job);
    }

    /// The clock was set back: nothing waits longer than it was to.
    pub fn clock_was_set(&mut self, now: Timestamp) {
        let waiting = std::mem::take(&mut self.0);
        let until = |at: i64, again: &Again| at.min((now + again.pause).timestamp());
        self.0 = waiting
            .into_iter()
            .map(|((at, run), again)| ((until(at, &again), run), again))
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pauses after each of the failures, in seconds, without what spreads them.
    fn check(delay: u64, longest: u64, grows: bool, expected: &[i64]) {
        let retries = Retries {
            times: 5,
            delay: Duration::from_secs(delay),
            longest: Duration::from_secs(longest),
            grows,
            after: vec![End::Any],
        };
        let pause = |attempt| retries.pause(RunId(7), &Outcome::Exited(1), attempt);
        for (attempt, expected) in (1..).zip(expected) {
            let pause = pause(attempt).unwrap_or_default().num_seconds();
            assert!((*expected..=expected + expected / 10).contains(&pause), "{attempt}: {pause}");
        }
        assert_eq!(pause(6), None);
    }

    #[test]
    fn a_pause_doubles_up_to_the_longest() {
        check(30, 200, true, &[30, 60, 120, 200, 200]);
        check(30, 200, false, &[30, 30, 30, 30, 30]);
        check(300, 200, true, &[200, 200, 200, 200, 200]);
        check(u64::MAX, u64::MAX, true, &[]);
        check(0, 0, true, &[0, 0, 0]);
    }

    #[test]
    fn only_what_failed_as_said_is_tried_again() {
        let ends = [
            Outcome::Exited(0),
            Outcome::Exited(75),
            Outcome::Exited(1),
            Outcome::Killed(9),
            Outcome::NotStarted(String::new()),
            Outcome::Lost(String::new()),
        ];
        for (after, expected) in [
            (End::Any, [false, true, true, true, false, false]),
            (End::Status(75), [false, true, false, false, false, false]),
            (End::Signal, [false, false, false, true, false, false]),
        ] {
            let retries = Retries { times: 1, after: vec![after], ..Retries::NEVER };
            let is_tried = |end| retries.pause(RunId(1), end, 1).is_some();
            assert_eq!(ends.each_ref().map(is_tried), expected, "{after:?}");
        }
    }
}
