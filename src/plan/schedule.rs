//! When a job is due: five fields and their day rule, read in a zone, across its clock changes.
//! Does not know how the fields were written.

use chrono::{DateTime, Datelike, NaiveDateTime, Timelike, Utc};

use crate::plan::catch_up::Every;
use crate::plan::civil::{Offsets, Span, Timestamp};

/// When a job is due.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// At the minutes that five fields select.
    Calendar(Calendar),
    /// At the seconds that seven fields select (`ratd FILE` only).
    Seconds(Box<Seconds>),
    /// When ratd starts for the first time after a boot.
    Reboot,
    /// Once in every period, as anacron does.
    Every(Every),
    /// Not at all, and not by hand either: it is disabled.
    Never,
}

/// The next time a job is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The instant.
    pub at: Timestamp,
    /// How many runs fall on it: more than one only where a clock change skipped some of them.
    pub times: u32,
}

/// The star flags of Vixie cron: set when the field's text begins with `*`, whatever follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stars {
    /// The minute field begins with a star.
    pub minute: bool,
    /// The hour field begins with a star.
    pub hour: bool,
    /// The day-of-month field begins with a star.
    pub day: bool,
    /// The weekday field begins with a star.
    pub weekday: bool,
}

/// Five fields as sets of bits, bit N for value N.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// 0 to 59.
    pub minutes: u64,
    /// 0 to 23.
    pub hours: u32,
    /// 1 to 31; bit 0 is the last day of the month.
    pub days: u32,
    /// 1 to 12.
    pub months: u16,
    /// 0 (Sunday) to 6; bit 7 * N + D is the Nth weekday D of a month, and the last one for N = `LAST`.
    pub weekdays: u64,
    /// Which fields began with a star, and which clock counts.
    stars: u8,
}

const MINUTE_STAR: u8 = 1;
const HOUR_STAR: u8 = 2;
const DAY_STAR: u8 = 4;
const WEEKDAY_STAR: u8 = 8;
const BY_THE_CLOCK: u8 = 16;
const BY_THE_ZONE: u8 = 32;

/// A clock that jumps forward by this much, or back by more, is taken for set anew: nothing is caught up or
/// held back. (Vixie cron counts the minute that passes with the jump, hence the one-sided bound.)
const LONGEST_CLOCK_CHANGE: i64 = 3 * 3600;

const ALL_MONTHS: u16 = 0x1ffe;

/// The weekdays of every week.
pub const ALL_WEEKDAYS: u64 = 0x7f;

/// What stands for the last weekday of a month beside the numbers 1 to 5.
pub const LAST: u32 = 6;

/// Within so many years comes every kind of year: common and leap, beginning on each weekday (as 1880 and 1920,
/// the leap years that begin on a Thursday).
const ALL_KINDS_OF_YEARS: u32 = 41;

const MINUTES_A_DAY: i64 = 24 * 60;

impl Calendar {
    /// A calendar of these sets. An empty set makes a calendar that is never due.
    pub fn new(
        minutes: u64,
        hours: u32,
        days: u32,
        months: u16,
        weekdays: u64,
        stars: Stars,
    ) -> Calendar {
        let flag = |set, bit| if set { bit } else { 0 };
        let stars = flag(stars.minute, MINUTE_STAR)
            | flag(stars.hour, HOUR_STAR)
            | flag(stars.day, DAY_STAR)
            | flag(stars.weekday, WEEKDAY_STAR);
        Calendar { minutes, hours, days, months, weekdays, stars }
    }

    /// Which fields began with a star.
    pub fn stars(&self) -> Stars {
        let has = |bit| self.stars & bit != 0;
        Stars {
            minute: has(MINUTE_STAR),
            hour: has(HOUR_STAR),
            day: has(DAY_STAR),
            weekday: has(WEEKDAY_STAR),
        }
    }

    /// The same times, by the clock whatever the fields say: for a cron that knows no other jobs.
    pub fn by_the_clock(self) -> Calendar {
        Calendar { stars: self.stars | BY_THE_CLOCK, ..self }
    }

    /// Whether no other jobs are known where this one comes from.
    pub fn is_by_the_clock(&self) -> bool {
        self.stars & BY_THE_CLOCK != 0
    }

    /// The same times, by what the clock of its zone shows when that changes, as cronie's `CRON_TZ`; when the
    /// machine's clock is set, it still names its times.
    pub fn by_its_zone(self) -> Calendar {
        Calendar { stars: self.stars | BY_THE_ZONE, ..self }
    }

    /// Vixie's "wildcard job": it goes by the clock, so that a change of the clock skips or repeats it.
    /// Any other job names its times and runs at each of them exactly once.
    pub fn is_wildcard(&self) -> bool {
        self.stars & (MINUTE_STAR | HOUR_STAR | BY_THE_CLOCK) != 0
    }

    /// Vixie's day rule: with both day fields restricted either may match; with a star in one, both must.
    pub fn days_are_alternatives(&self) -> bool {
        self.stars & (DAY_STAR | WEEKDAY_STAR) == 0
    }

    /// Whether no civil minute of any year is selected: an empty set, or days that its months do not have.
    pub fn is_never_due(&self) -> bool {
        self.next_minute(0).is_none()
    }

    /// The first due instant after `after` in `zone`.
    pub fn next_after(&self, after: Timestamp, zone: &dyn Offsets) -> Option<Due> {
        let due = next_in_zone(self, after.timestamp(), zone)?;
        if self.stars & BY_THE_ZONE == 0 || self.is_wildcard() {
            return Some(due);
        }
        let held = zone.passed_over_until(due.at.timestamp());
        if held == due.at.timestamp() {
            return Some(due);
        }
        self.next_after(DateTime::from_timestamp(held - 1, 0)?, zone)
    }

    /// How many seconds before `at` the readings belong that are due then, the furthest first: those that a jump of the
    /// clock skipped; 0 is the reading of `at` itself.
    pub fn behind(&self, at: Timestamp, zone: &dyn Offsets) -> Vec<i64> {
        behind(self, at.timestamp(), zone)
    }

    /// The first minute from `from` on, both in minutes of civil time since 1970.
    fn next_minute(&self, from: i64) -> Option<i64> {
        let (day, minute) = (from.div_euclid(MINUTES_A_DAY), from.rem_euclid(MINUTES_A_DAY) as u32);
        if let Some(today) = self.next_time_of_day(minute)
            && self.next_day(day)? == day
        {
            return Some(day * MINUTES_A_DAY + i64::from(today));
        }
        let first = self.next_time_of_day(0)?;
        Some(self.next_day(day + 1)? * MINUTES_A_DAY + i64::from(first))
    }

    /// The first minute of the day from `minute` on.
    fn next_time_of_day(&self, minute: u32) -> Option<u32> {
        let (hour, minute) = (minute / 60, minute % 60);
        let left = self.minutes >> minute;
        if self.hours >> hour & 1 == 1 && left != 0 {
            return Some(hour * 60 + minute + left.trailing_zeros());
        }
        let hours = self.hours >> (hour + 1);
        if hours == 0 || self.minutes == 0 {
            return None;
        }
        Some((hour + 1 + hours.trailing_zeros()) * 60 + self.minutes.trailing_zeros())
    }

    /// The first matching day from `from` on, both in days since 1970.
    ///
    /// One step a selected month, until every kind of year has been seen: what is not found by then never comes.
    #[inline]
    fn next_day(&self, from: i64) -> Option<i64> {
        let every_week = self.weekdays <= ALL_WEEKDAYS;
        if self.days | 1 == u32::MAX && self.months & ALL_MONTHS == ALL_MONTHS && every_week {
            return self.next_weekday(from);
        }
        let (mut year, mut month, day) = civil_date(from);
        if self.months >> month & 1 == 1 {
            let first = from - i64::from(day - 1);
            let matching = self.days_of_month(first, month_length(year, month)) >> day;
            if matching != 0 {
                return Some(from + i64::from(matching.trailing_zeros()));
            }
        }
        for _ in 0..=ALL_KINDS_OF_YEARS * self.months.count_ones() {
            let later = (self.months & ALL_MONTHS) >> (month + 1);
            if later != 0 {
                month += 1 + later.trailing_zeros();
            } else if self.months & ALL_MONTHS != 0 {
                year += 1;
                month = (self.months & ALL_MONTHS).trailing_zeros();
            } else {
                return None;
            }
            let length = month_length(year, month);
            if self.lacks_its_days(length) {
                continue;
            }
            let first = first_of_month(year, month);
            let matching = self.days_of_month(first, length);
            if matching != 0 {
                return Some(first + i64::from(matching.trailing_zeros()) - 1);
            }
        }
        None
    }

    /// The first matching day where every date is selected, so that only the week counts.
    fn next_weekday(&self, from: i64) -> Option<i64> {
        let week = if self.days_are_alternatives() { ALL_WEEKDAYS } else { self.weekdays };
        let from_today = (week | week << 7) >> weekday(from);
        (from_today != 0).then(|| from + i64::from(from_today.trailing_zeros()))
    }

    /// Whether a month of this length has none of the days, and the week cannot help: seven years out of
    /// eight for 29 February, and cheaper to know than where the month begins.
    fn lacks_its_days(&self, length: u32) -> bool {
        let has = (1u64 << (length + 1)) - 1;
        u64::from(self.days) & has == 0 && !self.days_are_alternatives()
    }

    /// The matching days of a month that begins on day `first` (since 1970), as bits 1 to `length`.
    fn days_of_month(&self, first: i64, length: u32) -> u32 {
        let whole = (((1u64 << length) - 1) << 1) as u32;
        let last = (self.days & 1) << length;
        let days = (self.days & !1) | last;
        let first = weekday(first);
        let week = self.weekdays & ALL_WEEKDAYS;
        let weeks = week | week << 7 | week << 14 | week << 21 | week << 28 | week << 35;
        let mut weekdays = ((weeks >> first) << 1) as u32;
        if self.weekdays > ALL_WEEKDAYS {
            weekdays |= self.weekdays_by_number(first, length);
        }
        whole & if self.days_are_alternatives() { days | weekdays } else { days & weekdays }
    }

    /// The days that are the Nth or the last of their weekday in a month that begins on weekday `first`. The
    /// Nth are found in the Nth seven days of the month, the last ones in its last seven.
    fn weekdays_by_number(&self, first: u32, length: u32) -> u32 {
        let seven = |nth: u32, first: u32| {
            let week = self.weekdays >> (7 * nth) & ALL_WEEKDAYS;
            ((week | week << 7) >> first & ALL_WEEKDAYS) as u32
        };
        let last = seven(LAST, (first + length) % 7) << (length - 6);
        (1..LAST).fold(last, |days, nth| days | seven(nth, first) << (7 * nth - 6))
    }
}

/// Seven fields, second to year, for schedules finer than cron's. Evaluated by the `cron` crate on civil
/// time; the clock changes are ours.
#[derive(Clone, Debug)]
pub struct Seconds {
    /// One schedule, or two where either of the day fields may match.
    pub alternatives: Vec<cron::Schedule>,
    /// It goes by the clock: the second, minute or hour field begins with a star.
    pub wildcard: bool,
}

impl Seconds {
    /// The first due instant after `after` in `zone`.
    pub fn next_after(&self, after: Timestamp, zone: &dyn Offsets) -> Option<Due> {
        next_in_zone(self, after.timestamp(), zone)
    }

    /// The same as of a calendar.
    pub fn behind(&self, at: Timestamp, zone: &dyn Offsets) -> Vec<i64> {
        behind(self, at.timestamp(), zone)
    }
}

/// A set of readings of the civil clock, in some unit of seconds.
trait Readings {
    /// Seconds from one reading to the next possible one.
    const UNIT: i64;
    /// Whether a change of the clock skips and repeats them.
    fn go_by_the_clock(&self) -> bool;
    /// The first reading from `from` on, in civil seconds since 1970.
    fn first_from(&self, from: i64) -> Option<i64>;
}

impl Readings for Calendar {
    const UNIT: i64 = 60;

    #[inline]
    fn go_by_the_clock(&self) -> bool {
        self.is_wildcard() || self.stars & BY_THE_ZONE != 0
    }

    #[inline]
    fn first_from(&self, from: i64) -> Option<i64> {
        Some(self.next_minute((from + 59).div_euclid(60))? * 60)
    }
}

impl Readings for Seconds {
    const UNIT: i64 = 1;

    fn go_by_the_clock(&self) -> bool {
        self.wildcard
    }

    fn first_from(&self, from: i64) -> Option<i64> {
        let before: DateTime<Utc> = DateTime::from_timestamp(from - 1, 0)?;
        self.alternatives
            .iter()
            .filter_map(|schedule| schedule.after(&before).next())
            .min()
            .map(|at| at.timestamp())
    }
}

/// The first due instant after `after`, span by span of constant offset.
///
/// Inside a span civil time and instants run side by side, so a reading found is the answer. Spans differ
/// only at their edges. Readings that go by the clock exist exactly where the clock shows them. The others
/// mean each reading once: those that a jump forward skipped are due at the instant of the jump, those that a
/// jump back shows again have been done. A jump forward by three hours or more, or back by more than three, is
/// a clock set anew (Vixie cron's limits, which only changes of a zone's standard time reach), and there too
/// what the clock shows is what counts.
///
/// A reading that lies beyond the span is the next one in every span up to it, unless a clock set back shows
/// earlier ones again; so spans from which no clock can be set back that far are passed over in one step.
#[inline]
fn next_in_zone<R: Readings>(readings: &R, after: i64, zone: &dyn Offsets) -> Option<Due> {
    let mut from = after + 1;
    // No reading from the first of these up to the second but the second itself.
    let mut known = (i64::MAX, i64::MIN);
    loop {
        let span = zone.span_at(from);
        let edge = if readings.go_by_the_clock()
            || from.saturating_sub(span.begins) > LONGEST_CLOCK_CHANGE
        {
            Edge::None
        } else {
            edge(span, zone)
        };
        let mut civil = from + span.offset;
        match edge {
            Edge::Jump(skipped) if from == span.begins => {
                let times = count(readings, civil - skipped, civil + 1);
                if times > 0 {
                    return due(from, times);
                }
            }
            Edge::Repeat(repeated) => civil = civil.max(span.begins + span.offset + repeated),
            Edge::Jump(_) | Edge::None => {}
        }
        if !(known.0..=known.1).contains(&civil) {
            known = (civil, readings.first_from(civil)?);
        }
        let found = known.1 - span.offset;
        if found < span.ends {
            return due(found, 1);
        }
        from = if span.ends - from > LARGEST_DIFFERENCE {
            span.ends.max(found - LARGEST_DIFFERENCE)
        } else {
            span.ends
        };
    }
}

/// More than two offsets of any one zone differ by.
const LARGEST_DIFFERENCE: i64 = 2 * 86_400;

/// How the clock changed at the beginning of a span.
enum Edge {
    /// Not at all, or by so much that it was set anew.
    None,
    /// Forward by so many seconds.
    Jump(i64),
    /// Back by so many seconds.
    Repeat(i64),
}

fn edge(span: Span, zone: &dyn Offsets) -> Edge {
    if span.begins == i64::MIN {
        return Edge::None;
    }
    let change = span.offset - zone.span_at(span.begins - 1).offset;
    if change > 0 && change < LONGEST_CLOCK_CHANGE {
        Edge::Jump(change)
    } else if (-LONGEST_CLOCK_CHANGE..0).contains(&change) {
        Edge::Repeat(-change)
    } else {
        Edge::None
    }
}

fn behind<R: Readings>(readings: &R, at: i64, zone: &dyn Offsets) -> Vec<i64> {
    let span = zone.span_at(at);
    if span.begins != at || readings.go_by_the_clock() {
        return vec![0];
    }
    let Edge::Jump(skipped) = edge(span, zone) else { return vec![0] };
    let civil = at + span.offset;
    let mut found = Vec::new();
    let mut from = civil - skipped;
    while let Some(reading) = readings.first_from(from).filter(|reading| *reading <= civil) {
        found.push(civil - reading);
        from = reading + R::UNIT;
    }
    found
}

/// How many readings there are in a stretch of civil time.
fn count<R: Readings>(readings: &R, mut from: i64, until: i64) -> u32 {
    let mut times = 0;
    while let Some(found) = readings.first_from(from).filter(|found| *found < until) {
        times += 1;
        from = found + R::UNIT;
    }
    times
}

fn due(at: i64, times: u32) -> Option<Due> {
    Some(Due { at: DateTime::from_timestamp(at, 0)?, times })
}

/// Year, month and day of a day since 1970 (proleptic Gregorian; Hinnant's algorithm, on 400-year eras
/// that begin in March so that the leap day comes last).
fn civil_date(day: i64) -> (i64, u32, u32) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let day_of_era = day.rem_euclid(146_097) as u32;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = i64::from(year_of_era) + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// The day since 1970 on which a month begins: `civil_date` the other way round.
fn first_of_month(year: i64, month: u32) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * shifted + 2) / 5;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// 0 for Sunday. 1970 began on a Thursday.
fn weekday(day: i64) -> u32 {
    (day + 4).rem_euclid(7) as u32
}

fn month_length(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// A field of a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Minute,
    Hour,
    Day,
    Month,
    Weekday,
}

/// Whether a civil minute is one that `calendar` selects; the plain definition that `next_after` must equal.
pub fn selects(calendar: &Calendar, reading: NaiveDateTime) -> bool {
    let (day, weekday) = selects_day(calendar, reading);
    calendar.minutes >> reading.minute() & 1 == 1
        && calendar.hours >> reading.hour() & 1 == 1
        && calendar.months >> reading.month() & 1 == 1
        && if calendar.days_are_alternatives() { day || weekday } else { day && weekday }
}

/// The fields that do not select a civil minute. Where either day field would do, both or none of them.
pub fn refusing(calendar: &Calendar, reading: NaiveDateTime) -> Vec<Part> {
    let (day, weekday) = selects_day(calendar, reading);
    let either = calendar.days_are_alternatives() && (day || weekday);
    let parts = [
        (Part::Minute, calendar.minutes >> reading.minute() & 1 == 1),
        (Part::Hour, calendar.hours >> reading.hour() & 1 == 1),
        (Part::Day, day || either),
        (Part::Month, calendar.months >> reading.month() & 1 == 1),
        (Part::Weekday, weekday || either),
    ];
    parts.into_iter().filter(|(_, selects)| !selects).map(|(part, _)| part).collect()
}

/// Whether the day of the month, and whether the weekday is one that the field for it selects.
fn selects_day(calendar: &Calendar, reading: NaiveDateTime) -> (bool, bool) {
    let last_day = reading.day() == month_length(i64::from(reading.year()), reading.month());
    let day = calendar.days >> reading.day() & 1 == 1 || (last_day && calendar.days & 1 == 1);
    let is_last = reading.day() + 7 > month_length(i64::from(reading.year()), reading.month());
    let has = |nth| {
        let bit = 7 * nth + reading.weekday().num_days_from_sunday();
        calendar.weekdays >> bit & 1 == 1
    };
    (day, has(0) || has(reading.day().div_ceil(7)) || (is_last && has(LAST)))
}
