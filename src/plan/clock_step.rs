//! What a clock that moved means for jobs due in between. Reads no clock: both readings are handed in.

use std::time::Duration;

use chrono::TimeDelta;

use crate::plan::civil::Timestamp;

/// Both clocks, read once a turn of the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// What the clock on the wall says.
    pub wall: Timestamp,
    /// Time since some fixed instant that no step and no sleep of the machine adds to (CLOCK_MONOTONIC).
    pub monotonic: Duration,
}

/// What became of the clock since it was last read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It ran on, or moved so little that nothing is owed and nothing repeats.
    None,
    /// It jumped forward, or the machine slept, for so long.
    Forward(TimeDelta),
    /// It shows again what it has shown: jobs that go by the clock repeat what the clock repeats.
    Back,
    /// It was set anew: planning starts from what it says now.
    Anew,
}

/// A clock that is so far behind what it has shown is set anew (Vixie cron's limit); so is one stepped forward
/// by as much.
pub const ANEW: TimeDelta = TimeDelta::hours(3);

/// A clock that is less behind repeats no minute that has been handled: it is being corrected.
const CORRECTION: TimeDelta = TimeDelta::minutes(2);

/// Everything that came due in a delay up to this is started, one instant after the other.
const SMALL_DELAY: TimeDelta = TimeDelta::minutes(6);

/// A cron that knows only jobs that go by the clock looks once a minute, and back over what passed since the last
/// time if it is an hour or less.
const WALKED_BACK: TimeDelta = TimeDelta::minutes(59);

/// The clock as the scheduler last saw it.
///
/// It is set back if it is behind what it has shown when it was looked at: a clock may be stepped back while
/// nobody looked and still be ahead of all that was handled. By how much is told by the step, or by how far it is
/// behind: a clock may also be put back in many small steps.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    last: Now,
    /// The furthest that the wall clock got. Jobs that name their times are done up to here, and are not done
    /// again when the clock is set back a little.
    pub reached: Timestamp,
    /// The furthest that it got since it was last set back. Jobs that go by the clock are done up to here, and
    /// are not done again while it is being corrected.
    pub shown: Timestamp,
}

impl Clock {
    /// A clock that starts now.
    pub fn new(now: &Now) -> Clock {
        Clock { last: *now, reached: now.wall, shown: now.wall }
    }

    /// Takes a new reading, and tells how the clock moved other than by running.
    pub fn advance(&mut self, now: &Now) -> Step {
        let ran = now.monotonic.saturating_sub(self.last.monotonic);
        let step = now.wall - self.last.wall - TimeDelta::from_std(ran).unwrap_or(TimeDelta::MAX);
        self.last = *now;
        let set_back = |shown: Timestamp, limit: TimeDelta| {
            now.wall < shown && (step <= -limit || shown - now.wall >= limit)
        };
        if set_back(self.reached, ANEW) {
            (self.reached, self.shown) = (now.wall, now.wall);
            return Step::Anew;
        }
        self.reached = self.reached.max(now.wall);
        if set_back(self.shown, CORRECTION) {
            self.shown = now.wall;
            return Step::Back;
        }
        self.shown = self.shown.max(now.wall);
        if step >= TimeDelta::seconds(1) { Step::Forward(step) } else { Step::None }
    }
}

/// How much of what is overdue is still started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owed {
    /// Every instant of every job.
    Everything,
    /// Every instant of jobs that name their times; of those that go by the clock, this minute's.
    NamedTimes,
    /// What is due in this minute.
    ThisMinute,
}

/// For how long something due may have waited after `step`, when the oldest job due has waited for `overdue`.
pub fn delay(step: Step, overdue: TimeDelta) -> TimeDelta {
    match step {
        Step::Forward(step) => step.max(overdue),
        Step::None | Step::Back | Step::Anew => overdue,
    }
}

/// What is owed after a delay.
pub fn owed(delay: TimeDelta) -> Owed {
    if delay < SMALL_DELAY {
        Owed::Everything
    } else if delay < ANEW {
        Owed::NamedTimes
    } else {
        Owed::ThisMinute
    }
}

/// Whether a cron that knows only jobs that go by the clock starts what came due in a delay, each job once.
pub fn is_walked_back(delay: TimeDelta) -> bool {
    delay <= WALKED_BACK
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{DateTime, TimeDelta};

    use crate::plan::clock_step::{Clock, Now, Step};

    /// Readings of the wall clock and of the other one, in minutes and a half, and what each of them means.
    fn check(readings: &[(i64, u64, Step)]) {
        let now = |(wall, ran): (i64, u64)| Now {
            wall: DateTime::UNIX_EPOCH + TimeDelta::seconds(wall * 30),
            monotonic: Duration::from_secs(ran * 30),
        };
        let mut clock = Clock::new(&now((0, 0)));
        for (wall, ran, expected) in readings {
            assert_eq!(
                clock.advance(&now((*wall, *ran))),
                *expected,
                "at {wall}, having run {ran}"
            );
        }
    }

    #[test]
    fn a_clock_that_runs_did_not_step() {
        check(&[(1, 1, Step::None), (600, 600, Step::None)]);
    }

    #[test]
    fn a_step_forward_is_as_long_as_it_is() {
        check(&[(21, 1, Step::Forward(TimeDelta::minutes(10)))]);
    }

    #[test]
    fn small_steps_back_are_a_correction_until_they_are_two_minutes() {
        check(&[
            (-1, 0, Step::None),
            (-3, 0, Step::None),
            (-4, 0, Step::Back),
            (-5, 0, Step::None),
        ]);
    }

    #[test]
    fn a_step_back_is_as_long_as_it_is_where_it_shows_something_again() {
        check(&[(-1, 2, Step::None), (4, 7, Step::None), (2, 9, Step::Back)]);
        check(&[(-1, 400, Step::Anew)]);
        check(&[(0, 400, Step::None)]);
    }

    #[test]
    fn steps_back_that_come_to_three_hours_are_a_clock_set_anew() {
        check(&[(-240, 0, Step::Back), (-350, 0, Step::Back), (-360, 0, Step::Anew)]);
    }

    #[test]
    fn a_step_back_that_shows_nothing_again_is_none() {
        check(&[(10, 20, Step::None), (12, 600, Step::None)]);
    }
}
