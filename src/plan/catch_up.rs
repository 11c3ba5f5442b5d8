//! When a period job is due: once in each period, however long the machine was off. Reads no stamp file.

use chrono::{Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Timelike};
use serde::{Deserialize, Serialize};

use crate::plan::civil::{Offsets, Timestamp, meaning, reading};
use crate::plan::run::Outcome;

/// A period of an anacrontab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Period {
    /// So many days after the last time; 0 is at every call of anacron, and for a daemon once a day.
    Days(u32),
    /// Once in each calendar week, which begins on Monday.
    Week,
    /// Once in each calendar month.
    Month,
    /// Once in each calendar year.
    Year,
}

/// When a period job is due, and when it was last done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Every {
    /// The period.
    pub period: Period,
    /// Wait after the job became due, in minutes; it spreads the load after boot.
    pub delay: u32,
    /// Hours in which it may start: from the first up to, not including, the second.
    pub hours: Option<(u8, u8)>,
    /// The local date of the last run; `None` if it never ran.
    pub done: Option<NaiveDate>,
}

/// The one run of a period: what it is for, and the date of its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Once {
    /// The period.
    pub period: Period,
    /// The local date on which it is started, and which its stamp will say.
    pub date: NaiveDate,
    /// Somebody asked for it, owed or not.
    pub forced: bool,
    /// It is done only if it succeeds. Of anacron's own jobs that is not so.
    #[serde(default)]
    pub on_success: bool,
}

impl Once {
    /// Whether the run is still owed, if the job was last done then.
    pub fn is_owed(&self, done: Option<NaiveDate>) -> bool {
        self.forced || is_owed(self.period, done, self.date)
    }

    /// Whether a run that ended so was the one of its period.
    pub fn is_done_by(&self, outcome: &Outcome) -> bool {
        is_done_by(self.on_success, outcome)
    }
}

/// Whether a period job is done by a run that ended so; if `on_success`, only one that succeeded.
pub fn is_done_by(on_success: bool, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Exited(status) => !on_success || *status == 0,
        Outcome::Killed(_) => !on_success,
        Outcome::NotStarted(_) | Outcome::LeftToAnother(_) | Outcome::Lost(_) => false,
    }
}

/// Whether a job of this period that was last done then is owed today.
pub fn is_owed(period: Period, done: Option<NaiveDate>, today: NaiveDate) -> bool {
    period == Period::Days(0) || done.is_none_or(|done| next_date(period, done, today) <= today)
}

/// The first instant from `now` on at which the job is to start, its delay and hours included.
pub fn due(every: &Every, now: Timestamp, zone: &dyn Offsets) -> Timestamp {
    let today = reading(zone, now).date();
    let opens = every.done.map_or(today, |done| next_date(every.period, done, today));
    let owed = now.max(meaning(zone, opens.and_time(NaiveTime::MIN)).instant());
    within_hours(every, owed, zone)
}

/// How long it is until the next local day begins.
pub fn until_tomorrow(now: Timestamp, zone: &dyn Offsets) -> TimeDelta {
    let tomorrow = reading(zone, now).date().succ_opt().unwrap_or(NaiveDate::MAX);
    meaning(zone, tomorrow.and_time(NaiveTime::MIN)).instant() - now
}

/// Whether the hours of a period job contain `now`.
pub fn may_start(every: &Every, now: Timestamp, zone: &dyn Offsets) -> bool {
    every.hours.is_none_or(|(from, until)| is_open(from, until, reading(zone, now).hour()))
}

/// The date from which on the job is owed again. A stamp from the future says nothing: owed today.
fn next_date(period: Period, done: NaiveDate, today: NaiveDate) -> NaiveDate {
    if done > today {
        return today;
    }
    let next = match period {
        Period::Days(days) => done.checked_add_days(Days::new(u64::from(days.max(1)))),
        Period::Week => {
            let left = 7 - done.weekday().num_days_from_monday();
            done.checked_add_days(Days::new(u64::from(left)))
        }
        Period::Month if done.month() == 12 => NaiveDate::from_ymd_opt(done.year() + 1, 1, 1),
        Period::Month => NaiveDate::from_ymd_opt(done.year(), done.month() + 1, 1),
        Period::Year => NaiveDate::from_ymd_opt(done.year() + 1, 1, 1),
    };
    next.unwrap_or(NaiveDate::MAX)
}

/// `owed` plus the delay, or else the first opening of the hours after it plus the delay.
fn within_hours(every: &Every, owed: Timestamp, zone: &dyn Offsets) -> Timestamp {
    let delay = TimeDelta::minutes(i64::from(every.delay));
    let start = owed + delay;
    let Some((from, until)) = every.hours else { return start };
    if is_open(from, until, reading(zone, start).hour()) {
        return start;
    }
    let opening = next_opening(from, owed, zone);
    let delayed = opening + delay;
    if is_open(from, until, reading(zone, delayed).hour()) { delayed } else { opening }
}

/// Whether the hours `from` to `until` contain `hour`; they may span midnight, and equal ones are the whole day.
fn is_open(from: u8, until: u8, hour: u32) -> bool {
    let (from, until) = (u32::from(from), u32::from(until));
    if from < until { (from..until).contains(&hour) } else { hour >= from || hour < until }
}

fn next_opening(from: u8, after: Timestamp, zone: &dyn Offsets) -> Timestamp {
    let today = reading(zone, after).date();
    let time = NaiveTime::from_hms_opt(u32::from(from) % 24, 0, 0).unwrap_or(NaiveTime::MIN);
    let opening = |date: NaiveDate| meaning(zone, date.and_time(time)).instant();
    match opening(today) {
        opening if opening >= after => opening,
        _ => opening(today.succ_opt().unwrap_or(today)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap()
    }

    /// The dates on which a job runs that is looked at each day from `first` to `last`, and had never run.
    fn check(period: Period, first: &str, last: &str, expected: &str) {
        let mut done = None;
        let mut runs = Vec::new();
        for today in date(first).iter_days().take_while(|today| *today <= date(last)) {
            if is_owed(period, done, today) {
                runs.push(today.format("%m-%d").to_string());
                done = Some(today);
            }
        }
        assert_eq!(runs.join(" "), expected);
    }

    #[test]
    fn days_are_counted_from_the_last_time_as_anacron_does() {
        check(Period::Days(1), "2027-02-27", "2027-03-02", "02-27 02-28 03-01 03-02");
        check(Period::Days(7), "2027-01-01", "2027-02-06", "01-01 01-08 01-15 01-22 01-29 02-05");
        check(Period::Days(30), "2028-02-01", "2028-04-30", "02-01 03-02 04-01");
    }

    /// anacron runs these on 03-29 as well, and ever earlier from then on.
    #[test]
    fn a_month_is_once_in_each_month_of_the_calendar() {
        let firsts = "01-01 02-01 03-01 04-01 05-01 06-01 07-01 08-01 09-01 10-01 11-01 12-01";
        check(Period::Month, "2027-01-01", "2027-12-31", firsts);
        check(Period::Month, "2027-01-31", "2027-04-30", "01-31 02-01 03-01 04-01");
        check(Period::Month, "2028-02-29", "2028-03-31", "02-29 03-01");
    }

    /// anacron's second year ends on 2028-12-31.
    #[test]
    fn a_week_and_a_year_are_the_calendars() {
        check(Period::Year, "2027-01-01", "2029-12-31", "01-01 01-01 01-01");
        check(Period::Year, "2027-12-31", "2028-12-31", "12-31 01-01");
        // 2027-01-01 is a Friday.
        check(Period::Week, "2027-01-01", "2027-01-18", "01-01 01-04 01-11 01-18");
        check(Period::Week, "2026-12-27", "2026-12-28", "12-27 12-28");
    }

    #[test]
    fn a_stamp_of_the_future_says_nothing() {
        for period in [Period::Days(1), Period::Week, Period::Month, Period::Year] {
            assert!(is_owed(period, Some(date("2027-01-02")), date("2027-01-01")), "{period:?}");
            assert!(!is_owed(period, Some(date("2027-01-01")), date("2027-01-01")), "{period:?}");
        }
    }
}
