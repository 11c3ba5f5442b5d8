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
//! - A month and day without a year that lies before today, after any increment, is next year's. The time of day
//!   does not count: 10:00 today is past after ten. Nothing but a spelled month and day is put off for a year.
//! - A year below 70 is 20xx, to 99 it is 19xx, and any other is what it says.
//! - A day that the month does not have is refused. 24:00 is the end of a day.
//! - A reading the clock jumps over is the end of the jump; of two the first that is not past.
//! - `utc` reads the clock, and adds, in UTC; a date beside it is counted from today here.
//! - What is past then is refused, with the time that was understood.

use std::ops::Range;

use chrono::{
    DateTime, Datelike, Days, FixedOffset, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Weekday,
};

use crate::plan::civil::{Fixed, Meaning, Offsets, Timestamp, meaning, reading};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::words::{Number, Piece, Token, Unit, Word, split};

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
    Today,
    Tomorrow,
    Weekday(Weekday),
    Date { year: Option<i32>, month: u32, day: u32, columns: Range<usize> },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    amount: i64,
    unit: Unit,
    columns: Range<usize>,
}

/// What the words say.
pub fn parse(words: &str) -> Result<Timespec, Diagnostic> {
    let pieces = split(words)?;
    let columns = match (pieces.first(), pieces.last()) {
        (Some(first), Some(last)) => first.columns.start..last.columns.end,
        _ => return Err(Diagnostic::error("T002", 1, 0..words.len(), "no time given".to_owned())),
    };
    let mut reader = Reader { words, pieces: &pieces, columns };
    let timespec = reader.timespec()?;
    match reader.pieces {
        [] => Ok(timespec),
        _ => Err(reader.out_of_place("nothing more")),
    }
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

    let date = match &timespec.day {
        None => present.date(),
        Some(day) => date_of(day, today, timespec.steps.is_empty())?,
    };
    let clock = timespec.clock.unwrap_or(Clock {
        hour: present.hour(),
        minute: present.minute(),
        utc: false,
    });
    let mut place = Place::Reading(at_clock(date, clock));
    for step in &timespec.steps {
        place = place.moved(step, frame, now)?;
    }
    let shown = place.reading(frame);
    match &timespec.day {
        None if timespec.steps.iter().all(Step::is_elapsed) => {
            let passed = match place {
                Place::Reading(reading) => reading <= present,
                Place::Instant(instant) => instant <= now,
            };
            if passed && shown.date() == present.date() {
                place = Place::Reading(shown + Days::new(1));
            }
        }
        Some(Day::Date { year: None, .. }) => {
            if shown.year() == today.year() && shown.date() < today {
                let step = Step { amount: 1, unit: Unit::Year, columns: timespec.columns.clone() };
                place = Place::Reading(shown).moved(&step, frame, now)?;
            }
        }
        None | Some(Day::Today | Day::Tomorrow | Day::Weekday(_) | Day::Date { .. }) => {}
    }
    not_past(place.instant(frame, now), now, zone, timespec.columns.clone())
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
        let months = |months: Option<i64>| dated(months_after(reading.date(), months?));
        let place = match step.unit {
            Unit::Minute => elapsed(Some(step.amount)),
            Unit::Hour => elapsed(step.amount.checked_mul(60)),
            Unit::Day => days(Some(step.amount)),
            Unit::Week => days(step.amount.checked_mul(7)),
            Unit::Month => months(Some(step.amount)),
            Unit::Year => months(step.amount.checked_mul(12)),
        };
        // Four digits show a year; what is further off is a slip of the finger.
        place.filter(|place| (1..=9999).contains(&place.reading(frame).year())).ok_or_else(|| {
            Diagnostic::error("T006", 1, step.columns.clone(), "too far away".to_owned())
        })
    }
}

impl Step {
    fn is_elapsed(&self) -> bool {
        matches!(self.unit, Unit::Minute | Unit::Hour)
    }
}

/// The same day of another month; where that month is too short, as many days into the next.
fn months_after(date: NaiveDate, months: i64) -> Option<NaiveDate> {
    let month = (i64::from(date.year()) * 12 + i64::from(date.month0())).checked_add(months)?;
    let year = i32::try_from(month.div_euclid(12)).ok()?;
    let first = NaiveDate::from_ymd_opt(year, u32::try_from(month.rem_euclid(12)).ok()? + 1, 1)?;
    first.checked_add_days(Days::new(u64::from(date.day0())))
}

fn at_clock(date: NaiveDate, clock: Clock) -> NaiveDateTime {
    date.and_time(chrono::NaiveTime::MIN)
        + TimeDelta::minutes(i64::from(clock.hour * 60 + clock.minute))
}

/// `now` without the seconds its clock shows.
fn minute_of(now: Timestamp, zone: &dyn Offsets) -> Timestamp {
    let seconds = i64::from(reading(zone, now).second());
    DateTime::from_timestamp(now.timestamp() - seconds, 0).unwrap_or(now)
}

fn date_of(day: &Day, today: NaiveDate, alone: bool) -> Result<NaiveDate, Diagnostic> {
    match day {
        Day::Today => Ok(today),
        Day::Tomorrow => Ok(today + Days::new(1)),
        Day::Weekday(weekday) => {
            let ahead = weekday.days_since(today.weekday());
            Ok(today + Days::new(if ahead == 0 { 7 } else { u64::from(ahead) }))
        }
        Day::Date { year, month, day, columns } => {
            let before_today = (*month, *day) < (today.month(), today.day());
            let year = match year {
                Some(year) => *year,
                None if alone && before_today => today.year() + 1,
                None => today.year(),
            };
            NaiveDate::from_ymd_opt(year, *month, *day).ok_or_else(|| {
                let message = format!("there is no day {year:04}-{month:02}-{day:02}");
                Diagnostic::error("T004", 1, columns.clone(), message)
            })
        }
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
    let diagnostic = Diagnostic::error("T005", 1, columns, message);
    match due.year() {
        ..1970 => {
            Err(diagnostic
                .help("digits after a day are its year; write a time with a colon: 10:30"))
        }
        _ => Err(diagnostic),
    }
}

/// The pieces not yet read.
struct Reader<'a> {
    words: &'a str,
    pieces: &'a [Piece],
    columns: Range<usize>,
}

impl Reader<'_> {
    fn timespec(&mut self) -> Result<Timespec, Diagnostic> {
        let mut timespec =
            Timespec { clock: None, day: None, steps: Vec::new(), columns: self.columns.clone() };
        if self.take(Token::Word(Word::Now)) {
            timespec.day = Some(Day::Today);
        } else if let Some(clock) = self.clock()? {
            timespec.clock = Some(clock);
            self.date(&mut timespec)?;
        } else if self.date(&mut timespec)? {
            let elapsed = timespec.steps.iter().any(Step::is_elapsed);
            if !elapsed && !self.pieces.first().is_some_and(|piece| piece.glued) {
                timespec.clock = self.clock()?;
            }
        } else {
            return Err(self.out_of_place("a time or a date"));
        }
        if let Some(step) = self.increment(timespec.steps.is_empty())? {
            timespec.steps.push(step);
        }
        Ok(timespec)
    }

    /// A time of day, if one stands here.
    fn clock(&mut self) -> Result<Option<Clock>, Diagnostic> {
        let Some(piece) = self.pieces.first() else { return Ok(None) };
        let columns = piece.columns.clone();
        let (hour, minute) = match piece.token {
            Token::Word(Word::Noon) => return self.fixed_clock(12),
            Token::Word(Word::Midnight) => return self.fixed_clock(0),
            Token::Word(Word::Teatime) => return self.fixed_clock(16),
            Token::Clock { hour, minute } => {
                self.skip(1);
                (hour, minute)
            }
            Token::Number(Number { value, digits: 4 }) => {
                self.skip(1);
                (value / 100, value % 100)
            }
            Token::Number(Number { value, digits: 1 | 2 }) => match self.pieces[1..] {
                [Piece { token: Token::Mark(b'/'), .. }, ..] => return Ok(None),
                [Piece { token: Token::Word(Word::Month(_)), .. }, ref rest @ ..]
                    if !is_day_comma_year(rest) =>
                {
                    return Ok(None);
                }
                [
                    Piece { token: Token::Mark(b':'), .. },
                    Piece { token: Token::Number(Number { value: minute, digits: 1 | 2 }), .. },
                    ..,
                ] => {
                    self.skip(3);
                    (value, minute)
                }
                [Piece { token: Token::Word(Word::Am | Word::Pm), .. }, ..] => {
                    self.skip(1);
                    (value, 0)
                }
                _ if value > 23 => return Err(past("hour", value, 23, columns)),
                _ => {
                    self.skip(1);
                    (value, 0)
                }
            },
            _ => return Ok(None),
        };
        let hour = self.half_of_day(hour, columns.clone())?;
        if hour > 24 {
            return Err(past("hour", hour, 24, columns));
        }
        if minute > 60 {
            return Err(past("minute", minute, 59, columns));
        }
        Ok(Some(Clock { hour, minute, utc: self.take(Token::Word(Word::Utc)) }))
    }

    fn fixed_clock(&mut self, hour: u32) -> Result<Option<Clock>, Diagnostic> {
        self.skip(1);
        Ok(Some(Clock { hour, minute: 0, utc: self.take(Token::Word(Word::Utc)) }))
    }

    /// The hour of the day from one that am or pm may follow.
    fn half_of_day(&mut self, hour: u32, columns: Range<usize>) -> Result<u32, Diagnostic> {
        let afternoon = match self.pieces.first().map(|piece| piece.token) {
            Some(Token::Word(Word::Am)) => 0,
            Some(Token::Word(Word::Pm)) => 12,
            _ => return Ok(hour),
        };
        if hour > 12 {
            return Err(past("hour", hour, 12, columns)
                .help("am and pm go with 12 hours; leave them out for 24"));
        }
        self.skip(1);
        Ok(hour % 12 + afternoon)
    }

    /// Reads a date, if one stands here, and says whether it did.
    fn date(&mut self, timespec: &mut Timespec) -> Result<bool, Diagnostic> {
        let Some(piece) = self.pieces.first() else { return Ok(false) };
        let begins = piece.columns.start;
        let spelled = match piece.token {
            Token::Word(Word::Today) => {
                self.skip(1);
                Day::Today
            }
            Token::Word(Word::Tomorrow) => {
                self.skip(1);
                Day::Tomorrow
            }
            Token::Word(Word::Weekday(weekday)) => {
                self.skip(1);
                Day::Weekday(weekday)
            }
            Token::Word(Word::Next) => {
                self.skip(1);
                match self.pieces.first().map(|piece| piece.token) {
                    Some(Token::Word(Word::Weekday(weekday))) => {
                        self.skip(1);
                        Day::Weekday(weekday)
                    }
                    _ => {
                        timespec.steps.push(self.step(1, 1, begins)?);
                        Day::Today
                    }
                }
            }
            Token::Word(Word::Month(month)) => self.month_day(month)?,
            Token::Number(Number { value: day, digits: 1 | 2 }) => match self.pieces[1..] {
                [Piece { token: Token::Word(Word::Month(month)), .. }, ..] => {
                    self.skip(2);
                    let year = self.year_after_day_and_month()?;
                    self.spelled(year, month, day, begins)?
                }
                [Piece { token: Token::Mark(b'/'), .. }, ..] => self.slashes(day)?,
                _ => return Ok(false),
            },
            Token::Number(Number { value, digits: digits @ 5..=8 }) => {
                self.skip(1);
                let base = if digits <= 6 { 100 } else { 10_000 };
                let (year, day, month) = (value % base, value / base % 100, value / base / 100);
                self.spelled(Some(year), month, day, begins)?
            }
            Token::Date { year, month, day } => {
                self.skip(1);
                self.spelled(Some(year), month, day, begins)?
            }
            _ => return Ok(false),
        };
        timespec.day = Some(spelled);
        Ok(true)
    }

    /// `month day [[","] year]`
    fn month_day(&mut self, month: u32) -> Result<Day, Diagnostic> {
        let begins = self.place();
        self.skip(1);
        let Some(day) = self.number(&[1, 2]) else {
            return Err(self.out_of_place("the day of the month"));
        };
        let year = if self.take(Token::Mark(b',')) {
            Some(self.number(&[2, 4]).ok_or_else(|| self.out_of_place("a year"))?)
        } else {
            self.year()
        };
        self.spelled(year, month, day, begins)
    }

    /// `8 jul 31 2026` reads as the 8th of July 2031 at 20:26 and as 8 o'clock on the 31st of July 2026:
    /// at refuses it, and so does rat.
    fn year_after_day_and_month(&mut self) -> Result<Option<u32>, Diagnostic> {
        match self.pieces {
            [
                Piece { token: Token::Number(Number { digits: 2, .. }), .. },
                Piece { token: Token::Number(Number { digits: 4, .. }), columns, .. },
                ..,
            ] => {
                let message =
                    format!("\"{}\" could be a year or a time", &self.words[columns.clone()]);
                Err(Diagnostic::error("T002", 1, columns.clone(), message)
                    .help("write a time with a colon: 10:30"))
            }
            _ => Ok(self.year()),
        }
    }

    /// `month "/" day "/" year`
    fn slashes(&mut self, month: u32) -> Result<Day, Diagnostic> {
        let begins = self.place();
        self.skip(2);
        let wanted = "month/day/year";
        let day = self.number(&[1, 2]).ok_or_else(|| self.out_of_place(wanted))?;
        if !self.take(Token::Mark(b'/')) {
            return Err(self.out_of_place(wanted));
        }
        let year = self.number(&[2, 4]).ok_or_else(|| self.out_of_place(wanted))?;
        self.spelled(Some(year), month, day, begins)
    }

    /// A year after a day, if one stands here. Two digits before am, pm or a colon are an hour.
    fn year(&mut self) -> Option<u32> {
        match self.pieces.get(1).map(|piece| piece.token) {
            Some(Token::Word(Word::Am | Word::Pm) | Token::Mark(b':')) => None,
            _ => self.number(&[2, 4]),
        }
    }

    fn spelled(
        &self,
        year: Option<u32>,
        month: u32,
        day: u32,
        begins: usize,
    ) -> Result<Day, Diagnostic> {
        let columns = begins..begins + self.words[begins..self.place()].trim_end().len();
        if !(1..=12).contains(&month) {
            return Err(Diagnostic::error(
                "T003",
                1,
                columns,
                format!("there is no month {month}"),
            ));
        }
        if !(1..=31).contains(&day) {
            return Err(Diagnostic::error("T003", 1, columns, format!("there is no day {day}")));
        }
        let year = year.map(|year| match year as i32 {
            year @ ..70 => 2000 + year,
            year @ ..100 => 1900 + year,
            year => year,
        });
        Ok(Day::Date { year, month, day, columns })
    }

    /// `("+" | "-") number unit`, or POSIX's `"next" unit` where no other stands before it.
    fn increment(&mut self, first: bool) -> Result<Option<Step>, Diagnostic> {
        let begins = self.place();
        let sign = match self.pieces.first().map(|piece| piece.token) {
            Some(Token::Mark(b'+')) => 1,
            Some(Token::Mark(b'-')) => -1,
            Some(Token::Word(Word::Next)) if first => {
                self.skip(1);
                return self.step(1, 1, begins).map(Some);
            }
            _ => return Ok(None),
        };
        self.skip(1);
        match self.pieces.first() {
            Some(Piece { token: Token::Number(Number { value, .. }), .. }) => {
                self.skip(1);
                self.step(sign, *value, begins).map(Some)
            }
            _ => Err(self.out_of_place("a number")),
        }
    }

    fn step(&mut self, sign: i64, number: u32, begins: usize) -> Result<Step, Diagnostic> {
        match self.pieces.first() {
            Some(Piece { token: Token::Word(Word::Unit(unit)), columns, .. }) => {
                self.skip(1);
                let columns = begins..columns.end;
                Ok(Step { amount: sign * i64::from(number), unit: *unit, columns })
            }
            _ => Err(self.out_of_place("minutes, hours, days, weeks, months or years")),
        }
    }

    /// A number of so many digits, if one stands here.
    fn number(&mut self, lengths: &[usize]) -> Option<u32> {
        match self.pieces.first()?.token {
            Token::Number(Number { value, digits }) if lengths.contains(&digits) => {
                self.skip(1);
                Some(value)
            }
            _ => None,
        }
    }

    fn take(&mut self, token: Token) -> bool {
        let here = self.pieces.first().is_some_and(|piece| piece.token == token);
        if here {
            self.skip(1);
        }
        here
    }

    fn skip(&mut self, count: usize) {
        self.pieces = &self.pieces[count..];
    }

    /// Where the next piece begins, or the words end.
    fn place(&self) -> usize {
        self.pieces.first().map_or(self.columns.end, |piece| piece.columns.start)
    }

    /// Says that the next piece, or the end, is not what was wanted.
    fn out_of_place(&self, wanted: &str) -> Diagnostic {
        let Some(piece) = self.pieces.first() else {
            let end = self.columns.end;
            return Diagnostic::error("T002", 1, end..end, format!("{wanted} is missing"));
        };
        let columns = piece.columns.clone();
        let message = format!("\"{}\" is out of place", &self.words[columns.clone()]);
        let diagnostic =
            Diagnostic::error("T002", 1, columns, message).label(format!("{wanted} expected"));
        match piece.token {
            Token::Mark(b'+' | b'-') => diagnostic.help("one increment can be added, at the end"),
            Token::Word(Word::Unit(_)) => diagnostic.help("write it as in \"now + 2 days\""),
            Token::Number(Number { digits: 3, .. }) => {
                diagnostic.help("write a time with a colon: 8:15")
            }
            _ => diagnostic,
        }
    }
}

/// POSIX's `8 jul 31, 2026`: with a comma the first number can only be the hour.
fn is_day_comma_year(pieces: &[Piece]) -> bool {
    matches!(
        pieces,
        [
            Piece { token: Token::Number(Number { digits: 1 | 2, .. }), .. },
            Piece { token: Token::Mark(b','), .. },
            Piece { token: Token::Number(Number { digits: 4, .. }), .. },
            ..,
        ]
    )
}

fn past(what: &str, value: u32, last: u32, columns: Range<usize>) -> Diagnostic {
    Diagnostic::error("T003", 1, columns, format!("{what} {value} is past {last}"))
}
