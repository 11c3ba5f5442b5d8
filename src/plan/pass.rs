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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::catch_up::Period;
    use crate::plan::civil::Fixed;
    use crate::plan::job::{JobId, Kind, Origin, Recipe, Source};
    use crate::plan::missed::Terms;
    use crate::plan::retry::Retries;
    use crate::plan::schedule::Schedule;
    use crate::plan::text::Text;

    fn planned(name: &str, asked: usize, delay: u32) -> Planned<()> {
        let job = Arc::new(Job {
            id: JobId(name.to_owned()),
            name: name.to_owned(),
            owner: "root".to_owned(),
            schedule: Schedule::Every(every(delay, None)),
            written: "1".to_owned(),
            zone: Arc::new(Fixed { offset: 0 }),
            delay: TimeDelta::zero(),
            single: false,
            terms: Terms::default(),
            retries: Retries::NEVER,
            recipe: Recipe::plain(Kind::Period, Text::default()),
            origin: Origin { source: Source("anacrontab".into()), line: 1 },
        });
        Planned { job, asked, delay: Duration::from_secs(60 * u64::from(delay)), held: () }
    }

    /// What a call of these jobs, each a name, its place among those asked for and its delay, does minute by
    /// minute, if each takes ten minutes.
    fn check(call: Call, jobs: &[(&str, usize, u32)], expected: &str) {
        let jobs = jobs.iter().map(|(name, asked, delay)| planned(name, *asked, *delay));
        let mut pass = Pass::new(jobs.collect(), call);
        let (mut ends, mut starts) = (Vec::new(), Vec::new());
        for minute in 0.. {
            ends.iter().filter(|end| **end == minute).for_each(|_| pass.end());
            loop {
                match pass.next(Duration::from_secs(60 * minute)) {
                    Next::Start(planned) => {
                        starts.push(format!("{}@{minute}", planned.job.name));
                        ends.push(minute + 10);
                    }
                    Next::Wait(until) => {
                        assert!(until > Duration::from_secs(60 * minute));
                        break;
                    }
                    Next::Rest => break,
                    Next::Over => return assert_eq!(starts.join(" "), expected),
                }
            }
        }
    }

    #[test]
    fn delays_count_from_the_call_and_short_ones_go_first() {
        let jobs = [("a", 0, 15), ("b", 0, 5), ("c", 0, 5)];
        check(Call::default(), &jobs, "b@5 c@5 a@15");
        check(Call { serial: true, ..Call::default() }, &jobs, "b@5 c@15 a@25");
    }

    #[test]
    fn at_once_they_go_as_they_were_asked_for() {
        let jobs = [("a", 1, 15), ("b", 0, 5), ("c", 1, 5)];
        check(Call { at_once: true, serial: true, forced: false }, &jobs, "b@0 c@10 a@20");
    }

    fn every(delay: u32, hours: Option<(u8, u8)>) -> Every {
        Every { period: Period::Days(1), delay, hours, done: None }
    }

    #[test]
    fn hours_have_to_contain_the_end_of_the_delay() {
        let at = |hour: i64| Timestamp::UNIX_EPOCH + TimeDelta::hours(hour);
        let (plain, at_once) = (Call::default(), Call { at_once: true, ..Call::default() });
        for (call, hour, delay, hours, expected) in [
            (plain, 4, 0, Some((3, 22)), true),
            (plain, 2, 59, Some((3, 22)), false),
            (plain, 2, 60, Some((3, 22)), true),
            (plain, 21, 60, Some((3, 22)), false),
            (plain, 23, 0, Some((22, 4)), true),
            (plain, 12, 0, Some((22, 4)), false),
            (at_once, 12, 0, Some((22, 4)), true),
        ] {
            let runs = call.runs(&every(delay, hours), at(hour), &Fixed { offset: 0 });
            assert_eq!(runs, expected, "{call:?} {hour} {delay} {hours:?}");
        }
    }
}
