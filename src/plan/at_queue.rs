//! When jobs of the at queue are claimed: those that are due, as many as may run at once, and of the batch queues one
//! at a time while the load lets it. The jobs themselves stay in the store until then.

use chrono::TimeDelta;

use crate::plan::civil::Timestamp;

/// When the earliest of the jobs that wait are due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// In the queues whose jobs start at their time.
    pub timed: Option<Timestamp>,
    /// In the batch queues.
    pub batch: Option<Timestamp>,
}

/// Bounds that whoever runs ratd sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// So many at-jobs run at once; `None` is any number.
    pub parallel: Option<u32>,
    /// A batch job starts only while the load average of the last minute is below this, in hundredths.
    pub load: u32,
    /// No two batch jobs start closer together.
    pub interval: TimeDelta,
}

impl Limits {
    /// What atd does: no bound on parallel jobs, a minute between two batch jobs, and a load that leaves room: 1.5,
    /// or half a processor less than there are.
    pub fn of_machine(processors: u32) -> Limits {
        let load = processors.saturating_mul(100).saturating_sub(50).max(150);
        Limits { parallel: None, load, interval: TimeDelta::seconds(60) }
    }
}

/// Which of the jobs that are due are claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueKind {
    /// Those that start at their time.
    Timed,
    /// Those that wait for a low load.
    Batch,
}

/// What is to be done about the queue now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Claim up to so many jobs.
    Claim(QueueKind, u32),
    /// Find out the load, for a batch job that is due.
    AskLoad,
}

/// Jobs are claimed and started in portions, so that a great many do not fill the memory.
const PORTION: u32 = 256;

/// What is known of the queue.
#[derive(Debug)]
pub struct AtQueue {
    limits: Limits,
    waiting: Waiting,
    /// A claim, or the load, was asked for and not yet answered.
    asked: bool,
    running: u32,
    /// No batch job starts before this.
    next_batch: Option<Timestamp>,
}

impl AtQueue {
    /// A queue of which nothing is known yet.
    pub fn new(limits: Limits) -> AtQueue {
        AtQueue { limits, waiting: Waiting::default(), asked: false, running: 0, next_batch: None }
    }

    /// Other bounds hold from now on.
    pub fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The store's jobs changed. What is being claimed is told of by the claim's answer.
    pub fn expect(&mut self, waiting: Waiting) {
        if !self.asked {
            self.waiting = waiting;
        }
    }

    /// An at-job runs.
    pub fn began(&mut self) {
        self.running += 1;
    }

    /// An at-job is over.
    pub fn ended(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// A claim was answered: this is what is left.
    pub fn claimed(&mut self, waiting: Waiting) {
        self.asked = false;
        self.waiting = waiting;
    }

    /// A wall clock that was set says nothing about how long ago the last batch job started.
    pub fn clock_was_set(&mut self) {
        self.next_batch = None;
    }

    /// What is to be done now.
    pub fn step(&mut self, now: Timestamp) -> Option<Step> {
        let room = self.room();
        if self.asked || room == 0 {
            return None;
        }
        let is_due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        let step = if is_due(self.waiting.timed) {
            Step::Claim(QueueKind::Timed, room.min(PORTION))
        } else if is_due(self.batch_wakeup()) {
            Step::AskLoad
        } else {
            return None;
        };
        self.asked = true;
        Some(step)
    }

    /// The load was asked for, and is this, in hundredths.
    pub fn weigh(&mut self, now: Timestamp, load: u32) -> Option<Step> {
        self.next_batch = now.checked_add_signed(self.limits.interval);
        self.asked = load < self.limits.load;
        self.asked.then_some(Step::Claim(QueueKind::Batch, 1))
    }

    /// When there is something to do next, if nothing happens before.
    pub fn wakeup(&self) -> Option<Timestamp> {
        if self.asked || self.room() == 0 {
            return None;
        }
        [self.waiting.timed, self.batch_wakeup()].into_iter().flatten().min()
    }

    fn batch_wakeup(&self) -> Option<Timestamp> {
        let due = self.waiting.batch?;
        Some(self.next_batch.map_or(due, |next| due.max(next)))
    }

    fn room(&self) -> u32 {
        self.limits.parallel.map_or(u32::MAX, |most| most.saturating_sub(self.running))
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn queue(parallel: Option<u32>, timed: Option<i64>, batch: Option<i64>) -> AtQueue {
        let mut queue = AtQueue::new(Limits { parallel, ..Limits::of_machine(1) });
        queue.expect(Waiting { timed: timed.map(at), batch: batch.map(at) });
        queue
    }

    #[test]
    fn a_claim_is_asked_for_once_until_it_is_answered() {
        let mut queue = queue(None, Some(10), None);
        assert_eq!(queue.step(at(9)), None);
        assert_eq!(queue.wakeup(), Some(at(10)));
        assert_eq!(queue.step(at(10)), Some(Step::Claim(QueueKind::Timed, PORTION)));
        assert_eq!((queue.step(at(11)), queue.wakeup()), (None, None));
        queue.claimed(Waiting { timed: Some(at(10)), batch: None });
        assert_eq!(queue.step(at(11)), Some(Step::Claim(QueueKind::Timed, PORTION)));
    }

    #[test]
    fn no_more_run_than_may_and_a_full_house_wakes_nobody() {
        let mut queue = queue(Some(2), Some(0), None);
        assert_eq!(queue.step(at(1)), Some(Step::Claim(QueueKind::Timed, 2)));
        queue.began();
        queue.began();
        queue.claimed(Waiting { timed: Some(at(0)), batch: Some(at(0)) });
        assert_eq!((queue.step(at(2)), queue.wakeup()), (None, None));
        queue.ended();
        assert_eq!(queue.step(at(3)), Some(Step::Claim(QueueKind::Timed, 1)));
    }

    #[test]
    fn a_batch_job_starts_below_the_limit_alone_in_its_minute() {
        let mut queue = queue(None, None, Some(5));
        assert_eq!(queue.step(at(5)), Some(Step::AskLoad));
        assert_eq!(queue.weigh(at(5), 150), None);
        assert_eq!((queue.step(at(64)), queue.wakeup()), (None, Some(at(65))));
        assert_eq!(queue.step(at(65)), Some(Step::AskLoad));
        assert_eq!(queue.weigh(at(65), 149), Some(Step::Claim(QueueKind::Batch, 1)));
        queue.claimed(Waiting { timed: None, batch: Some(at(6)) });
        assert_eq!((queue.step(at(66)), queue.wakeup()), (None, Some(at(125))));
        queue.clock_was_set();
        assert_eq!(queue.step(at(66)), Some(Step::AskLoad));
    }

    #[test]
    fn jobs_that_have_a_time_go_first() {
        let mut queue = queue(None, Some(0), Some(0));
        assert_eq!(queue.step(at(0)), Some(Step::Claim(QueueKind::Timed, PORTION)));
        queue.claimed(Waiting { timed: None, batch: Some(at(0)) });
        assert_eq!(queue.step(at(0)), Some(Step::AskLoad));
    }

    #[test]
    fn the_limit_grows_with_the_machine() {
        for (processors, load) in [(0, 150), (1, 150), (2, 150), (4, 350), (64, 6350)] {
            assert_eq!(Limits::of_machine(processors).load, load);
        }
    }
}
