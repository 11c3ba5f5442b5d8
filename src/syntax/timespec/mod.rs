//! What at was told: "teatime tomorrow". Words to a `Timespec`, a `Timespec` and one reading of the clock to
//! an instant; `words` knows the spellings. Reads no clock.
//!
//! The grammar (numbers stand for their digits, `D12` for one or two of them):
//! ```text
//! timespec  = ("now" | time [date] | date [time]) [increment]
//! time      = (HHMM | D12 | D12 ":" D12) ["am" | "pm"] ["utc"], also with "noon" "midnight" "teatime"
//! date      = month day [[","] year] | day month [year] | weekday | "today" | "tomorrow"
//!           | YYYY-MM-DD | DD.MM.YYYY | MM/DD/YYYY | MMDDYYYY | "next" unit | "next" weekday
//! increment = ("+" | "-") number unit | "next" unit
//! ```
//! What at accepts keeps its meaning: `8 jul 31` is the 8th of July 2031, never eight o'clock.
//!
//! The rules, in this order:
//! - Seconds are dropped from the present first; a time not before that minute is not past.
//! - A date without a time takes the present time of day. A weekday is the next one after today.
//! - Minutes and hours are real time: they are counted on the instant. Days, weeks, months and years keep the
//!   reading of the clock; a month too short for the day runs over into the next (Jan 31 + 1 month is Mar 3).
//! - A time alone, with or without minutes and hours added, that falls on today and is not later than the
//!   present is tomorrow's.
//! - What is said without a year, and not from `now`, and lies before today after any increment is next year's. The
//!   time of day does not count: 10:00 today is past after ten.
//! - A year below 70 is 20xx, to 99 it is 19xx, and any other is what it says.
//! - A day that its month is too short for runs over into the next, as at has it: `feb 30` is Mar 1 or 2. In
//!   YYYY-MM-DD and DD.MM.YYYY it is refused, by at as well. 24:00 is the end of a day.
//! - A reading the clock jumps over is the end of the jump; of two the first that is not past.
//! - `utc` reads the clock, and adds, in UTC; a date or days added beside it are counted from today here.
//! - What is past then is refused, with the time that was understood.

pub mod back;
mod grammar;
mod words;

use std::ops::Range;

use chrono::{
    DateTime, Datelike, Days, FixedOffset, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Weekday,
};

use crate::plan::civil::{Fixed, Meaning, Offsets, Timestamp, meaning, reading};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::timespec::words::Unit;

/// What at was told, understood but not yet placed in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timespec {
    clock: Option<Clock>,
    /// `None` only with a clock: the next time it shows that.
    day: Option<Day>,
    steps: Vec<Step>,
    columns: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Clock {
    /// To 24: a day ends at 24:00.
    hour: u32,
    /// To 60, as at has it.
    minute: u32,
    utc: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Day {
    /// Today, and never another year's: what is said is counted from this very minute.
    Now,
    Today,
    Tomorrow,
    Weekday(Weekday),
    /// To the 31st, whatever the month.
    Date {
        year: Option<i32>,
        month: u32,
        day: u32,
    },
}

impl Day {
    fn has_year(&self) -> bool {
        match self {
            Day::Now | Day::Date { year: Some(_), .. } => true,
            Day::Today | Day::Tomorrow | Day::Weekday(_) | Day::Date { year: None, .. } => false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    amount: i64,
    unit: Unit,
    columns: Range<usize>,
}

/// What the words say.
pub fn parse(words: &str) -> Result<Timespec, Diagnostic> {
    grammar::read(words)
}

/// The instant the words mean, spoken at `now` in `zone`.
pub fn resolve(
    timespec: &Timespec,
    now: Timestamp,
    zone: &dyn Offsets,
) -> Result<Timestamp, Diagnostic> {
    let utc = timespec.clock.is_some_and(|clock| clock.utc);
    let frame: &dyn Offsets = if utc { &Fixed { offset: 0 } } else { zone };
    let now = minute_of(now, zone);
    let today = reading(zone, now).date();
    let present = reading(frame, now);

    let next_time = timespec.day.is_none() && timespec.steps.iter().all(Step::is_elapsed);

    let far = || too_far(timespec.columns.clone());
    let day = match &timespec.day {
        None if next_time => ymd(present.date()),
        None => ymd(today),
        Some(day) => written(day, today, timespec.steps.is_empty()).ok_or_else(far)?,
    };
    let (date, steps) = match &timespec.day {
        // Already a day on, at has the clock in its range before it counts.
        Some(Day::Tomorrow | Day::Weekday(_)) => {
            (day_in(day).ok_or_else(far)?, &timespec.steps[..])
        }
        _ => turned(day, &timespec.steps).ok_or_else(far)?,
    };
    let clock = timespec.clock.unwrap_or(Clock {
        hour: present.hour(),
        minute: present.minute(),
        utc: false,
    });
    let mut place = Place::Reading(at_clock(date, clock).ok_or_else(far)?);
    for step in steps {
        place = place.moved(step, frame, now)?;
    }
    let shown = place.reading(frame);
    if next_time {
        let passed = match place {
            Place::Reading(reading) => reading <= present,
            Place::Instant(instant) => instant <= now,
        };
        if passed && shown.date() == present.date() {
            place = Place::Reading(shown.checked_add_days(Days::new(1)).ok_or_else(far)?);
        }
    } else if !timespec.day.as_ref().is_some_and(Day::has_year)
        && shown.year() == today.year()
        && shown.date() < today
    {
        let step = Step { amount: 1, unit: Unit::Year, columns: timespec.columns.clone() };
        place = Place::Reading(shown).moved(&step, frame, now)?;
    }
    let due = place.instant(frame, now);
    if !(1..=9999).contains(&reading(zone, due).year()) {
        return Err(too_far(timespec.columns.clone()));
    }
    not_past(due, now, zone, timespec.columns.clone()).map_err(|past| match due.year() {
        ..1970 => {
            past.help("four digits after a day are its year; write a time with a colon: 10:30")
        }
        _ => past,
    })
}

/// The instant of at's and touch's `-t [[CC]YY]MMDDhhmm[.SS]`. Its seconds are kept.
///
/// Without a year it is this year's. What is past, does not exist or is jumped over by the clock is refused.
pub fn parse_touch(
    text: &str,
    now: Timestamp,
    zone: &dyn Offsets,
) -> Result<Timestamp, Diagnostic> {
    let wrong = |message: String| {
        Diagnostic::error("T007", 1, 0..text.len(), message).help("write [[CC]YY]MMDDhhmm[.SS]")
    };
    let (minutes, seconds) = text.split_once('.').unwrap_or((text, "00"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(minutes) || !digits(seconds) || seconds.len() != 2 {
        return Err(wrong(format!("no such time: \"{}\"", text.escape_debug())));
    }
    let number = |digits: &str| digits.parse::<u32>().unwrap_or(u32::MAX);
    let now = minute_of(now, zone);
    let (year, rest) = match minutes.len() {
        8 => (reading(zone, now).year(), minutes),
        // POSIX draws the line for two digits at 69 here, a year before at's words do.
        10 => match number(&minutes[..2]) as i32 {
            year @ ..69 => (2000 + year, &minutes[2..]),
            year => (1900 + year, &minutes[2..]),
        },
        12 => (number(&minutes[..4]) as i32, &minutes[4..]),
        count => return Err(wrong(format!("{count} digits where 8, 10 or 12 are wanted"))),
    };
    let part = |at: usize| number(&rest[at..at + 2]);
    let date = NaiveDate::from_ymd_opt(year, part(0), part(2))
        .ok_or_else(|| wrong(format!("there is no day {year:04}-{:02}-{:02}", part(0), part(2))))?;
    let reading = date.and_hms_opt(part(4), part(6), number(seconds)).ok_or_else(|| {
        wrong(format!("there is no time {:02}:{:02}:{seconds}", part(4), part(6)))
    })?;
    if let Meaning::Skipped(instant) = meaning(zone, reading) {
        let message =
            format!("the clock never shows {reading}; it jumps to {}", iso(instant, zone));
        return Err(Diagnostic::error("T004", 1, 0..text.len(), message));
    }
    if year > 9999 {
        return Err(too_far(0..text.len()));
    }
    not_past(Place::Reading(reading).instant(zone, now), now, zone, 0..text.len())
}

/// An instant as people and programs read it: `2026-11-23T16:00:00-05:00`.
pub fn iso(instant: Timestamp, zone: &dyn Offsets) -> String {
    let offset = i32::try_from(zone.span_at(instant.timestamp()).offset).ok();
    let offset = offset
        .and_then(FixedOffset::east_opt)
        .unwrap_or(FixedOffset::east_opt(0).expect("0 is an offset"));
    instant.with_timezone(&offset).format("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// Where the steps have led: a reading of the clock, until real time is counted from it.
#[derive(Clone, Copy)]
enum Place {
    Reading(NaiveDateTime),
    Instant(Timestamp),
}

impl Place {
    fn reading(self, frame: &dyn Offsets) -> NaiveDateTime {
        match self {
            Place::Reading(reading) => reading,
            Place::Instant(instant) => reading(frame, instant),
        }
    }

    fn instant(self, frame: &dyn Offsets, now: Timestamp) -> Timestamp {
        match self {
            Place::Instant(instant) => instant,
            Place::Reading(reading) => match meaning(frame, reading) {
                Meaning::Twice(first, second) if first < now => second,
                meaning => meaning.instant(),
            },
        }
    }

    fn moved(self, step: &Step, frame: &dyn Offsets, now: Timestamp) -> Result<Place, Diagnostic> {
        let elapsed = |minutes: Option<i64>| {
            let delta = TimeDelta::try_minutes(minutes?)?;
            self.instant(frame, now).checked_add_signed(delta).map(Place::Instant)
        };
        let reading = self.reading(frame);
        let dated = |date: Option<NaiveDate>| Some(Place::Reading(date?.and_time(reading.time())));
        let days = |days: Option<i64>| {
            dated(reading.date().checked_add_signed(TimeDelta::try_days(days?)?))
        };
        let date = ymd(reading.date());
        let place = match step.unit {
            Unit::Minute => elapsed(Some(step.amount)),
            Unit::Hour => elapsed(step.amount.checked_mul(60)),
            Unit::Day => days(Some(step.amount)),
            Unit::Week => days(step.amount.checked_mul(7)),
            Unit::Month => dated(months_after(date, step.amount)),
            Unit::Year => dated(years_after(date, step.amount)),
        };
        place
            .filter(|place| (1..=9999).contains(&place.reading(frame).year()))
            .ok_or_else(|| too_far(step.columns.clone()))
    }
}

impl Step {
    fn is_elapsed(&self) -> bool {
        matches!(self.unit, Unit::Minute | Unit::Hour)
    }
}

/// Four digits show a year; what is further off is a slip of the finger.
fn too_far(columns: Range<usize>) -> Diagnostic {
    Diagnostic::error("T006", 1, columns, "too far away".to_owned())
}

/// The same day of another month; where that month is too short, as many days into the next. At turns the
/// month first and the year after it, so it is the old year's February that is too short for Dec 31 + 2 months.
fn months_after((year, month, day): (i32, u32, u32), months: i64) -> Option<NaiveDate> {
    let months = i64::from(month - 1).checked_add(months)?;
    let month = u32::try_from(months.rem_euclid(12)).ok()? + 1;
    let turned = day_in((year, month, day))?;
    match months.div_euclid(12) {
        0 => Some(turned),
        years => years_after(ymd(turned), years),
    }
}

/// The same day of another year, or the day after it.
fn years_after((year, month, day): (i32, u32, u32), years: i64) -> Option<NaiveDate> {
    day_in((year.checked_add(i32::try_from(years).ok()?)?, month, day))
}

fn ymd(date: NaiveDate) -> (i32, u32, u32) {
    (date.year(), date.month(), date.day())
}

/// That day of that month, or as many days into the next as the month is too short for it; the last of the month
/// before for the day 0.
fn day_in((year, month, day): (i32, u32, u32)) -> Option<NaiveDate> {
    let first = NaiveDate::from_ymd_opt(year, month, 1)?;
    first.checked_add_signed(TimeDelta::days(i64::from(day) - 1))
}

fn at_clock(date: NaiveDate, clock: Clock) -> Option<NaiveDateTime> {
    let minutes = i64::from(clock.hour * 60 + clock.minute);
    date.and_time(chrono::NaiveTime::MIN).checked_add_signed(TimeDelta::minutes(minutes))
}

/// `now` without the seconds its clock shows.
fn minute_of(now: Timestamp, zone: &dyn Offsets) -> Timestamp {
    let seconds = i64::from(reading(zone, now).second());
    DateTime::from_timestamp(now.timestamp() - seconds, 0).unwrap_or(now)
}

/// Year, month and day of the month as they are written, to the 31st of any month. A day that has passed is next
/// year's where it is all that was said.
fn written(day: &Day, today: NaiveDate, is_all: bool) -> Option<(i32, u32, u32)> {
    let ahead = |days| today.checked_add_days(Days::new(days)).map(ymd);
    match day {
        Day::Now | Day::Today => ahead(0),
        Day::Tomorrow => ahead(1),
        Day::Weekday(weekday) => match weekday.days_since(today.weekday()) {
            0 => ahead(7),
            days => ahead(u64::from(days)),
        },
        Day::Date { year, month, day } => {
            let has_passed = (*month, *day) < (today.month(), today.day());
            let next = i32::from(is_all && has_passed);
            Some((year.unwrap_or(today.year() + next), *month, *day))
        }
    }
}

/// The date of a day, and the steps that are still to be made from it. Months and years are counted from the day
/// that was written, before it runs over and before 24:00 is the next one: `feb 29 + 1 year`.
fn turned(day: (i32, u32, u32), steps: &[Step]) -> Option<(NaiveDate, &[Step])> {
    match steps {
        [Step { amount, unit: Unit::Month, .. }, rest @ ..] => {
            Some((months_after(day, *amount)?, rest))
        }
        [Step { amount, unit: Unit::Year, .. }, rest @ ..] => {
            Some((years_after(day, *amount)?, rest))
        }
        _ => Some((day_in(day)?, steps)),
    }
}

fn not_past(
    due: Timestamp,
    now: Timestamp,
    zone: &dyn Offsets,
    columns: Range<usize>,
) -> Result<Timestamp, Diagnostic> {
    if due >= now {
        return Ok(due);
    }
    let message = format!("that time is past: {}", iso(due, zone));
    Err(Diagnostic::error("T005", 1, columns, message))
}
