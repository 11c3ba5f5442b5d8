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
const ANEW: TimeDelta = TimeDelta::hours(3);

/// A clock that is less behind repeats no minute that has been handled: it is being corrected.
const CORRECTION: TimeDelta = TimeDelta::minutes(2);

/// Everything that came due in a delay up to this is started, one instant after the other.
const SMALL_DELAY: TimeDelta = TimeDelta::minutes(6);

/// The clock as the scheduler last saw it.
///
/// Whether it was set back is told by what it has shown and not by how far it was stepped: a clock may be put
/// back in many small steps, or be stepped back while nobody looked and still be ahead of all that was handled.
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
        if self.reached - now.wall >= ANEW {
            (self.reached, self.shown) = (now.wall, now.wall);
            return Step::Anew;
        }
        self.reached = self.reached.max(now.wall);
        if self.shown - now.wall >= CORRECTION {
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

/// What is owed after `step`, when the oldest job due has waited for `overdue`.
pub fn owed(step: Step, overdue: TimeDelta) -> Owed {
    let delay = match step {
        Step::Forward(step) => step.max(overdue),
        Step::None | Step::Back | Step::Anew => overdue,
    };
    if delay < SMALL_DELAY {
        Owed::Everything
    } else if delay < ANEW {
        Owed::NamedTimes
    } else {
        Owed::ThisMinute
    }
}
