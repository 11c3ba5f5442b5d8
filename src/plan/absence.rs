//! Stretches of time in which ratd handled nothing, and why. Reads no clock: all readings are handed in.

use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::plan::civil::Timestamp;

/// A stretch of time in which nothing that was due was started then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// The last instant that is known to have been handled, or that the clock showed.
    pub from: Timestamp,
    /// The first one after it.
    pub until: Timestamp,
    /// What happened.
    pub cause: Cause,
}

/// Why nothing was handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// No ratd ran, while the machine was on.
    Stopped,
    /// The machine was started anew in between.
    Off,
    /// The machine slept.
    Asleep,
    /// The clock was set forward, past this.
    Set,
    /// ratd ran, but did not come to it.
    HeldUp,
}

/// All clocks, read once a turn of the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// What the clock on the wall says.
    pub wall: Timestamp,
    /// Time that was spent awake (CLOCK_MONOTONIC).
    pub awake: Duration,
    /// The same, with the time asleep (CLOCK_BOOTTIME).
    pub since_boot: Duration,
}

/// What is shorter is no absence: no minute is passed over in it.
const SHORTEST: TimeDelta = TimeDelta::minutes(1);

/// The absence that has just ended, if ratd was to wake up at `due`, read the clocks last at `before` and reads them
/// again now.
pub fn noticed(before: &Clocks, now: &Clocks, due: Option<Timestamp>) -> Option<Absence> {
    let passed = |later: Duration, earlier: Duration| {
        TimeDelta::from_std(later.saturating_sub(earlier)).unwrap_or(TimeDelta::MAX)
    };
    let ran = passed(now.since_boot, before.since_boot);
    let slept = ran - passed(now.awake, before.awake);
    let set = now.wall - before.wall - ran;
    let until = now.wall;
    let absence = |from, cause| Some(Absence { from, until, cause });
    if set >= SHORTEST {
        // What was slept through came before it, and is passed over as well.
        return absence(until - set - slept, Cause::Set);
    }
    if slept >= SHORTEST {
        return absence(until - slept, Cause::Asleep);
    }
    match due {
        // What was overdue when the clocks were read before is none of this absence's.
        Some(due) if until - due.max(before.wall) >= SHORTEST => {
            absence(due.max(before.wall), Cause::HeldUp)
        }
        Some(_) | None => None,
    }
}

/// The absence that ends with the start of a ratd; `seen` is when an earlier one last handled something.
pub fn before_start(seen: Option<Timestamp>, now: Timestamp, restarted: bool) -> Option<Absence> {
    let cause = if restarted { Cause::Off } else { Cause::Stopped };
    seen.filter(|seen| *seen < now).map(|seen| Absence { from: seen, until: now, cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Minutes that passed awake, minutes asleep, minutes that the clock was set by, and how late ratd woke up.
    fn check(awake: i64, asleep: i64, set: i64, late: i64, expected: Option<(i64, Cause)>) {
        let minutes = TimeDelta::minutes;
        let wall = Timestamp::UNIX_EPOCH + TimeDelta::days(10_000);
        let before = Clocks { wall, awake: Duration::ZERO, since_boot: Duration::ZERO };
        let now = Clocks {
            wall: wall + minutes(awake + asleep + set),
            awake: minutes(awake).to_std().unwrap(),
            since_boot: minutes(awake + asleep).to_std().unwrap(),
        };
        let found = noticed(&before, &now, Some(now.wall - minutes(late)));
        let found = found.map(|absence| {
            assert_eq!(absence.until, now.wall);
            ((absence.until - absence.from).num_minutes(), absence.cause)
        });
        assert_eq!(found, expected, "{awake} {asleep} {set} {late}");
    }

    #[test]
    fn what_clocks_tell_of_an_absence() {
        check(600, 0, 0, 0, None);
        check(5, 0, 0, 0, None);
        check(90, 450, 0, 0, Some((450, Cause::Asleep)));
        check(90, 450, 0, 450, Some((450, Cause::Asleep)));
        check(90, 0, 120, 120, Some((120, Cause::Set)));
        check(90, 30, 120, 120, Some((150, Cause::Set)));
        check(90, 0, -120, 0, None);
        check(90, 0, 0, 7, Some((7, Cause::HeldUp)));
    }

    #[test]
    fn a_start_ends_an_absence_where_anything_is_known() {
        let at = |hour| Timestamp::UNIX_EPOCH + TimeDelta::hours(hour);
        assert_eq!(before_start(None, at(5), true), None);
        assert_eq!(before_start(Some(at(6)), at(5), true), None);
        let found = before_start(Some(at(2)), at(5), false);
        let expected = Absence { from: at(2), until: at(5), cause: Cause::Stopped };
        assert_eq!(found, Some(expected));
    }
}
