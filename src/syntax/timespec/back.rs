//! at's words said of what has been: `yesterday`, `04:00 mon`, `nov 20`. A time alone is today's, a weekday the last
//! one, today included, and nothing is past. Reads no clock.

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use crate::plan::civil::{Fixed, Meaning, Offsets, Timestamp, meaning, reading};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::timespec::{Day, Place, Step, at_clock, day_in, minute_of, parse, too_far};

/// What was spoken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it: of a time a minute later, of a day that of the next day.
    pub until: Timestamp,
    /// The reading that was spoken of, if the clock jumped over it at `from`.
    pub skipped: Option<NaiveDateTime>,
}

impl Spoken {
    /// The minute that begins at a reading of the clock in `zone`.
    pub fn minute(shown: NaiveDateTime, zone: &dyn Offsets) -> Spoken {
        let meant = meaning(zone, shown);
        let skipped = matches!(meant, Meaning::Skipped(_)).then_some(shown);
        Spoken { skipped, ..Spoken::at(meant.instant()) }
    }

    /// The minute that begins at an instant.
    pub fn at(from: Timestamp) -> Spoken {
        Spoken { from, until: from + TimeDelta::minutes(1), skipped: None }
    }

    /// A day in `zone`.
    pub fn day(date: NaiveDate, zone: &dyn Offsets) -> Spoken {
        let midnight = |date: NaiveDate| meaning(zone, date.and_time(NaiveTime::MIN)).instant();
        let tomorrow = date.checked_add_days(Days::new(1)).unwrap_or(date);
        Spoken { from: midnight(date), until: midnight(tomorrow), skipped: None }
    }
}

/// What the words say, spoken at `now` in `zone`.
pub fn look_back(words: &str, now: Timestamp, zone: &dyn Offsets) -> Result<Spoken, Diagnostic> {
    let today = reading(zone, now).date();
    let is_yesterday = |word: &str| word.eq_ignore_ascii_case("yesterday");
    let replaced: Vec<&str> = words
        .split_whitespace()
        .map(|word| if is_yesterday(word) { "today" } else { word })
        .collect();
    let back = u64::from(words.split_whitespace().any(is_yesterday));
    let timespec = parse(&replaced.join(" "))?;
    let far = || too_far(timespec.columns.clone());
    let day = match &timespec.day {
        None | Some(Day::Now | Day::Today) => today.checked_sub_days(Days::new(back)),
        Some(Day::Tomorrow) => today.checked_add_days(Days::new(1)),
        Some(Day::Weekday(weekday)) => {
            let ago = today.weekday().days_since(*weekday);
            today.checked_sub_days(Days::new(u64::from(ago)))
        }
        Some(Day::Date { year, month, day }) => {
            day_in((year.unwrap_or(today.year()), *month, *day))
        }
    };
    let day = day.ok_or_else(far)?;
    if timespec.clock.is_none()
        && timespec.steps.is_empty()
        && !matches!(timespec.day, None | Some(Day::Now))
    {
        return Ok(Spoken::day(day, zone));
    }
    let utc = timespec.clock.is_some_and(|clock| clock.utc);
    let frame: &dyn Offsets = if utc { &Fixed { offset: 0 } } else { zone };
    let now = minute_of(now, zone);
    let start = match timespec.clock {
        Some(clock) => Place::Reading(at_clock(day, clock).ok_or_else(far)?),
        None if day == today => Place::Instant(now),
        None => Place::Reading(day.and_time(reading(frame, now).time())),
    };
    let moved = |place: Place, step: &Step| place.moved(step, frame, now);
    Ok(match timespec.steps.iter().try_fold(start, moved)? {
        Place::Instant(at) => Spoken::at(at),
        Place::Reading(shown) => Spoken::minute(shown, frame),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::Zone;

    /// Spoken on Thursday, the 26th of November 2026, at 16:48:52 in New York.
    fn check(words: &str, expected: &str) {
        let zone = Zone::named("America/New_York").unwrap();
        let now = "2026-11-26T21:48:52Z".parse().unwrap();
        let shown = |at| reading(&zone, at).format("%m-%d %H:%M").to_string();
        let got = match look_back(words, now, &zone) {
            Ok(Spoken { from, until, skipped }) => {
                let length = (until - from).num_minutes();
                let skipped = skipped.map(|shown| shown.format(" not %H:%M").to_string());
                format!("{} +{length}{}", shown(from), skipped.unwrap_or_default())
            }
            Err(said) => said.message,
        };
        assert_eq!(got, expected, "{words}");
    }

    #[test]
    fn what_is_said_without_a_date_is_not_ahead() {
        check("04:00", "11-26 04:00 +1");
        check("18:00", "11-26 18:00 +1");
        check("mon 04:00", "11-23 04:00 +1");
        check("4am thu", "11-26 04:00 +1");
        check("now", "11-26 16:48 +1");
        check("now - 2 hours", "11-26 14:48 +1");
        check("today 04:00", "11-26 04:00 +1");
        check("yesterday 04:00", "11-25 04:00 +1");
        check("noon yesterday", "11-25 12:00 +1");
        check("tomorrow 04:00", "11-27 04:00 +1");
        check("04:00 nov 20", "11-20 04:00 +1");
        check("09:00 utc", "11-26 04:00 +1");
        check("nonsense", "no such word: \"nonsense\"");
    }

    #[test]
    fn a_day_is_all_of_it() {
        check("yesterday", "11-25 00:00 +1440");
        check("today", "11-26 00:00 +1440");
        check("monday", "11-23 00:00 +1440");
        check("2026-11-01", "11-01 00:00 +1500");
        check("2026-03-08", "03-08 00:00 +1380");
    }

    #[test]
    fn what_the_clock_jumps_over_is_where_it_lands() {
        check("02:30 2026-03-08", "03-08 03:00 +1 not 02:30");
    }
}
