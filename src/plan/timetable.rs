//! What the schedule of a job says of a stretch of time: when it is due in it, before it and after it, and what keeps
//! it from being due. Knows nothing of runs, and reads no clock.

use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta};

use crate::plan::catch_up::Period;
use crate::plan::civil::{Offsets, Timestamp, reading};
use crate::plan::job::Job;
use crate::plan::schedule::{Part, Schedule, refusing};

/// The due instants of a job in a stretch of time, and around it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timetable {
    /// Those in it, in order.
    pub due: Vec<Timestamp>,
    /// There are more.
    pub is_cut: bool,
    /// The last one before it.
    pub before: Option<Timestamp>,
    /// The first one after it.
    pub after: Option<Timestamp>,
    /// Which fields keep the job from being due in it, if it is due at no instant of it.
    pub refusing: Vec<Part>,
    /// The changes of the clock of its zone that are close to it.
    pub changes: Vec<Change>,
}

/// A change of the clock of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The first instant after it.
    pub at: Timestamp,
    /// By how many seconds the clock went forward then; back, where it is negative.
    pub seconds: i64,
}

/// So many instants are told.
const MOST: usize = 1440;

/// A change of the clock repeats no more than this, as far as schedules care.
const CLOSE: TimeDelta = TimeDelta::hours(3);

/// No schedule that is ever due pauses for longer.
const LONGEST_PAUSE: TimeDelta = TimeDelta::days(41 * 366);

/// What the schedule says of the time from `from` up to `until`. Where nothing is due in it, it is the time that the
/// schedule names and that the job's delay comes after.
pub fn timetable(job: &Job, from: Timestamp, until: Timestamp) -> Timetable {
    let mut due = due_between(job, from, until);
    if due.is_empty() {
        due = due_between(job, from + job.delay, until + job.delay);
    }
    let is_cut = due.len() > MOST;
    due.truncate(MOST);
    let last = due.last().copied().unwrap_or(from);
    Timetable {
        is_cut,
        before: last_before(job, due.first().copied().unwrap_or(from)),
        after: job.next_after(last.max(until - TimeDelta::seconds(1))).map(|due| due.at),
        refusing: if due.is_empty() { refusing_parts(job, from, until) } else { Vec::new() },
        changes: changes(&*job.zone, from - CLOSE, until),
        due,
    }
}

fn due_between(job: &Job, from: Timestamp, until: Timestamp) -> Vec<Timestamp> {
    let first = job.next_after(from - TimeDelta::seconds(1));
    std::iter::successors(first, |due| job.next_after(due.at))
        .map(|due| due.at)
        .take_while(|at| *at < until)
        .take(MOST + 1)
        .collect()
}

/// The last instant before `before` at which the job was due.
///
/// The next due instant after t never becomes an earlier one when t becomes later, so the last t after which there is
/// one before `before` is found by halving.
pub fn last_before(job: &Job, before: Timestamp) -> Option<Timestamp> {
    let due_after = |seconds: i64| {
        let due = job.next_after(DateTime::from_timestamp(seconds, 0)?)?;
        Some(due.at).filter(|at| *at < before)
    };
    let mut late = before.timestamp() + 1;
    let mut early = (before - LONGEST_PAUSE).timestamp();
    let mut found = due_after(early)?;
    while late - early > 1 {
        let middle = early + (late - early) / 2;
        match due_after(middle) {
            Some(due) => (early, found) = (middle, due),
            None => late = middle,
        }
    }
    Some(found)
}

/// The fields that keep a job from being due at any minute of a stretch: of a minute all, of a longer one those of
/// the day it begins on.
fn refusing_parts(job: &Job, from: Timestamp, until: Timestamp) -> Vec<Part> {
    let Schedule::Calendar(calendar) = &job.schedule else { return Vec::new() };
    let mut parts = refusing(calendar, reading(&*job.zone, from));
    if until - from > TimeDelta::minutes(1) {
        parts.retain(|part| !matches!(part, Part::Minute | Part::Hour));
    }
    // Of a month that is not selected no day is.
    if parts.contains(&Part::Month) {
        parts.retain(|part| !matches!(part, Part::Day | Part::Weekday));
    }
    parts
}

fn changes(zone: &dyn Offsets, from: Timestamp, until: Timestamp) -> Vec<Change> {
    let mut found = Vec::new();
    let mut span = zone.span_at(from.timestamp());
    while span.ends < until.timestamp() {
        let next = zone.span_at(span.ends);
        let at = DateTime::from_timestamp(span.ends, 0);
        let seconds = next.offset - span.offset;
        found.extend(at.map(|at| Change { at, seconds }));
        span = next;
    }
    found
}

/// The first day on which a period job is done for `day`: done on none of the days from then up to it, it is owed.
pub fn period_begins(period: Period, day: NaiveDate) -> NaiveDate {
    let days_before = match period {
        Period::Days(days) => days.saturating_sub(1),
        Period::Week => day.weekday().num_days_from_monday(),
        Period::Month => day.day0(),
        Period::Year => day.ordinal0(),
    };
    day.checked_sub_days(Days::new(u64::from(days_before))).unwrap_or(NaiveDate::MIN)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::plan::job::{JobId, Kind, Origin, Recipe, Source};
    use crate::plan::missed::Terms;
    use crate::plan::retry::Retries;
    use crate::plan::text::Text;
    use crate::syntax::dialect::RAT;
    use crate::syntax::expression;
    use crate::syntax::seed::Seed;
    use crate::zone::Zone;

    fn job(schedule: &str, delay: i64) -> Job {
        let seed = Seed { host: String::new(), owner: String::new() };
        Job {
            id: JobId("x".to_owned()),
            name: "x".to_owned(),
            owner: "root".to_owned(),
            schedule: expression::schedule(schedule, &seed, &RAT).unwrap(),
            written: schedule.to_owned(),
            zone: Arc::new(Zone::named("America/New_York").unwrap()),
            delay: TimeDelta::minutes(delay),
            single: false,
            terms: Terms::default(),
            retries: Retries::NEVER,
            recipe: Recipe::plain(Kind::Entry, Text::default()),
            origin: Origin { source: Source("crontab".into()), line: 1 },
        }
    }

    fn instant(text: &str) -> Timestamp {
        DateTime::parse_from_rfc3339(&format!("{text}:00-05:00")).unwrap().to_utc()
    }

    /// What the schedule says of so many minutes from then on: how often it is due, the last time before and the first
    /// after that, and the fields that refuse.
    fn check(schedule: &str, delay: i64, from: &str, minutes: i64, expected: &str) {
        let job = job(schedule, delay);
        let from = instant(from);
        let said = timetable(&job, from, from + TimeDelta::minutes(minutes));
        let shown = |at: Option<Timestamp>| {
            let shown = |at| reading(&*job.zone, at).format("%y-%m-%d %H:%M").to_string();
            at.map_or("never".to_owned(), shown)
        };
        let got = format!(
            "{} {:?} {} {}",
            said.due.len(),
            said.refusing,
            shown(said.before),
            shown(said.after)
        );
        assert_eq!(got, expected, "{schedule} {from}");
    }

    #[test]
    fn a_minute_and_what_is_around_it() {
        let from = "2026-11-20T04:00";
        check("0 4 * * *", 0, from, 1, "1 [] 26-11-19 04:00 26-11-21 04:00");
        check("0 5 * * *", 0, from, 1, "0 [Hour] 26-11-19 05:00 26-11-20 05:00");
        check("1 5 * * *", 0, from, 1, "0 [Minute, Hour] 26-11-19 05:01 26-11-20 05:01");
        check("0 4 13 * fri", 0, from, 1, "1 [] 26-11-13 04:00 26-11-27 04:00");
        check("0 4 13 * mon", 0, from, 1, "0 [Day, Weekday] 26-11-16 04:00 26-11-23 04:00");
        check("0 4 13 * *", 0, from, 1, "0 [Day] 26-11-13 04:00 26-12-13 04:00");
        check("0 4 13 1 *", 0, from, 1, "0 [Month] 26-01-13 04:00 27-01-13 04:00");
        check("0 0 29 2 *", 0, from, 1, "0 [Hour, Month] 24-02-29 00:00 28-02-29 00:00");
        check("0 0 30 2 *", 0, from, 1, "0 [Hour, Month] never never");
        check("* * * * *", 0, from, 1, "1 [] 26-11-20 03:59 26-11-20 04:01");
    }

    #[test]
    fn a_day_is_refused_by_the_fields_of_its_day() {
        let from = "2026-11-20T00:00";
        check("0 4 * * *", 0, from, 1440, "1 [] 26-11-19 04:00 26-11-21 04:00");
        check("*/20 * * * *", 0, from, 1440, "72 [] 26-11-19 23:40 26-11-21 00:00");
        check("0 4 * * 1", 0, from, 1440, "0 [Weekday] 26-11-16 04:00 26-11-23 04:00");
    }

    #[test]
    fn what_is_delayed_is_found_by_what_was_written_and_by_when_it_is_due() {
        for from in ["2026-11-20T04:00", "2026-11-20T04:07"] {
            check("0 4 * * *", 7, from, 1, "1 [] 26-11-19 04:07 26-11-21 04:07");
        }
        check("0 4 * * *", 7, "2026-11-20T04:03", 1, "0 [Minute] 26-11-19 04:07 26-11-20 04:07");
    }

    #[test]
    fn changes_of_the_clock_are_those_close_by() {
        let changes = |from: &str| {
            let from = instant(from);
            timetable(&job("0 4 * * *", 0), from, from + TimeDelta::minutes(1)).changes
        };
        let at = instant("2026-03-08T02:00");
        assert_eq!(changes("2026-03-08T02:00"), [Change { at, seconds: 3600 }]);
        assert_eq!(changes("2026-03-08T04:00"), [Change { at, seconds: 3600 }]);
        assert_eq!(changes("2026-03-08T01:00"), []);
        assert_eq!(changes("2026-03-08T05:30"), []);
    }

    #[test]
    fn periods_begin_where_what_was_done_still_counts() {
        let date = |text: &str| text.parse::<NaiveDate>().unwrap();
        for (period, begins) in [
            (Period::Days(0), "2026-11-20"),
            (Period::Days(1), "2026-11-20"),
            (Period::Days(7), "2026-11-14"),
            (Period::Week, "2026-11-16"),
            (Period::Month, "2026-11-01"),
            (Period::Year, "2026-01-01"),
        ] {
            assert_eq!(period_begins(period, date("2026-11-20")), date(begins), "{period:?}");
        }
    }
}
