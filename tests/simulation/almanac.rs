//! What the civil clock shows at every minute of a year, and which of those minutes five fields mean.
//! The plain definitions: a table a zone and a look at each minute. Shares nothing with `rat::plan` or `rat::zone`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use chrono::{Datelike, NaiveDate};

/// What the civil clock shows in one minute.
#[derive(Clone, Copy)]
struct Shown {
    /// Civil minutes since 1970.
    civil: i32,
    /// So many readings were jumped over just before this one.
    skipped: u8,
    /// This reading was shown before.
    again: bool,
}

/// One zone over one year and some weeks on either side.
pub struct Almanac {
    first: i64,
    minutes: Vec<Shown>,
}

/// A clock that changes by as much as this is set anew, and nothing is made up for or held back.
const ANEW: i64 = 180;

impl Almanac {
    /// The almanac of a zone for a year; made once and kept.
    pub fn of(zone: &str, year: i32) -> Arc<Almanac> {
        type Shelf = Mutex<HashMap<(String, i32), Arc<Almanac>>>;
        static SHELF: OnceLock<Shelf> = OnceLock::new();
        let mut shelf = SHELF.get_or_init(Shelf::default).lock().unwrap();
        shelf
            .entry((zone.to_owned(), year))
            .or_insert_with(|| Arc::new(Almanac::new(zone, year)))
            .clone()
    }

    fn new(zone: &str, year: i32) -> Almanac {
        let rules = if zone == "UTC" {
            jiff::tz::TimeZone::UTC
        } else {
            let file = std::fs::read(format!("/usr/share/zoneinfo/{zone}")).unwrap();
            jiff::tz::TimeZone::tzif(zone, &file).unwrap()
        };
        let new_year = |year| minutes_at(NaiveDate::from_ymd_opt(year, 1, 1).unwrap());
        let first = new_year(year) - 30 * 1440;
        let last = new_year(year + 1) + 60 * 1440;
        let civil = |minute: i64| {
            let at = jiff::Timestamp::from_second(minute * 60).unwrap();
            minute + i64::from(rules.to_offset(at).seconds()) / 60
        };
        let mut minutes = Vec::new();
        let mut before = civil(first - 1);
        let mut furthest = before;
        for minute in first..last {
            let now = civil(minute);
            let jump = now - before - 1;
            if jump < -ANEW {
                furthest = now - 1;
            }
            let skipped =
                if jump > 0 && jump < ANEW { (now - 1 - furthest).clamp(0, jump) } else { 0 };
            minutes.push(Shown {
                civil: now as i32,
                skipped: skipped as u8,
                again: now <= furthest,
            });
            furthest = furthest.max(now);
            before = now;
        }
        Almanac { first, minutes }
    }

    fn at(&self, second: i64) -> Shown {
        self.minutes[(second.div_euclid(60) - self.first) as usize]
    }

    /// The local date at an instant.
    pub fn date(&self, second: i64) -> NaiveDate {
        date(i64::from(self.at(second).civil).div_euclid(1440))
    }

    /// The local hour at an instant.
    pub fn hour(&self, second: i64) -> i64 {
        i64::from(self.at(second).civil).rem_euclid(1440) / 60
    }

    /// Whether the clock was put forward in the two hours before an instant.
    pub fn jumped_lately(&self, second: i64) -> bool {
        (0..120).any(|ago| self.at(second - ago * 60).skipped > 0)
    }

    /// The first instant from `from` on at which the local date is `wanted` or later.
    pub fn opening(&self, wanted: NaiveDate, from: i64) -> Option<i64> {
        let wanted = minutes_at(wanted);
        let mut minute = from.div_euclid(60);
        while (minute - self.first) < self.minutes.len() as i64 {
            if i64::from(self.at(minute * 60).civil) >= wanted {
                return Some(from.max(minute * 60));
            }
            minute += 1;
        }
        None
    }

    /// Every due instant of `fields` after `after` and up to `until`, in seconds, and how many runs fall on it.
    pub fn dues(&self, fields: &Fields, after: i64, until: i64) -> Vec<(i64, u32)> {
        let mut dues = Vec::new();
        let begin = ((after + 1).div_euclid(60) - self.first) as usize;
        let end = (until.div_euclid(60) - self.first) as usize;
        let names_its_times = !fields.wildcard;
        let mut minute = (begin as i64 + self.first) * 60;
        for shown in &self.minutes[begin..=end] {
            let own = fields.select(shown.civil) && !(names_its_times && shown.again);
            let skipped = if names_its_times { i32::from(shown.skipped) } else { 0 };
            if own || skipped > 0 {
                let jumped_over =
                    (shown.civil - skipped..shown.civil).filter(|reading| fields.select(*reading));
                let made_up = jumped_over.count() * fields.seconds.len();
                fields.add(minute, own, made_up as u32, &mut dues);
            }
            minute += 60;
        }
        dues.retain(|(at, _)| *at > after && *at <= until);
        dues
    }
}

impl Almanac {
    /// Of the runs that fall on an instant: how many seconds before it their readings belong, those that a jump of the
    /// clock skipped.
    pub fn behind(&self, fields: &Fields, at: i64) -> Vec<i64> {
        let shown = &self.minutes[(at.div_euclid(60) - self.first) as usize];
        if fields.wildcard || at.rem_euclid(60) != 0 {
            return vec![0];
        }
        let mut behind = Vec::new();
        for reading in shown.civil - i32::from(shown.skipped)..=shown.civil {
            let minutes = i64::from(shown.civil - reading);
            let seconds = fields.seconds.iter().filter(|second| minutes > 0 || **second == 0);
            if fields.select(reading) && (minutes > 0 || !shown.again) {
                behind.extend(seconds.map(|second| minutes * 60 - second));
            }
        }
        behind
    }
}

fn minutes_at(date: NaiveDate) -> i64 {
    date.signed_duration_since(NaiveDate::default()).num_minutes()
}

fn date(day: i64) -> NaiveDate {
    NaiveDate::default() + chrono::TimeDelta::days(day)
}

/// One field: the values it selects, and how it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The values.
    pub values: Vec<u32>,
    /// As it was written.
    pub written: String,
}

impl Field {
    /// Whether it begins with a star.
    pub fn star(&self) -> bool {
        self.written.starts_with('*')
    }

    fn has(&self, value: u32) -> bool {
        self.values.contains(&value)
    }
}

/// The fields of a schedule, as sets and as readable text, and the days and times of day they select.
pub struct Fields {
    /// Seconds of the minute; `[0]` for five fields.
    pub seconds: Vec<i64>,
    /// Whether it is a schedule of seven fields whose seconds were written first.
    pub written_seconds: Option<String>,
    /// Minute, hour, day (0 is the last of the month), month, weekday.
    pub five: [Field; 5],
    /// Whether the clock's changes skip and repeat it: a star at the minute or the hour (or the second).
    pub wildcard: bool,
    first_day: i32,
    days: Vec<bool>,
    times: Vec<bool>,
}

impl Fields {
    /// Looks at every day of the year, and every minute of a day, once.
    pub fn new(seconds: Option<Field>, five: [Field; 5], year: i32) -> Fields {
        let [minute, hour, day, month, weekday] = &five;
        let first_day = minutes_at(NaiveDate::from_ymd_opt(year, 1, 1).unwrap()) / 1440 - 32;
        let selects = |date: NaiveDate| {
            let is_last = (date + chrono::TimeDelta::days(1)).day() == 1;
            let by_day = day.has(date.day()) || (is_last && day.has(0));
            let by_weekday = weekday.has(date.weekday().num_days_from_sunday());
            let either = !day.star() && !weekday.star();
            month.has(date.month())
                && if either { by_day || by_weekday } else { by_day && by_weekday }
        };
        let days = (0..465).map(|number| selects(date(first_day + number))).collect();
        let times = (0..1440).map(|time| hour.has(time / 60) && minute.has(time % 60)).collect();
        let stars = [seconds.as_ref(), Some(minute), Some(hour)];
        let wildcard = stars.into_iter().flatten().any(Field::star);
        let written_seconds = seconds.as_ref().map(|field| field.written.clone());
        let seconds = seconds
            .map_or(vec![0], |field| field.values.iter().map(|value| i64::from(*value)).collect());
        let first_day = first_day as i32;
        Fields { seconds, written_seconds, five, wildcard, first_day, days, times }
    }

    /// The fields as people write them.
    pub fn written(&self) -> String {
        let mut words: Vec<&str> = self.written_seconds.iter().map(String::as_str).collect();
        words.extend(self.five.iter().map(|field| field.written.as_str()));
        words.join(" ")
    }

    /// Adds what is due in a minute: its own seconds, and at its beginning what is made up for.
    fn add(&self, minute: i64, own: bool, made_up: u32, dues: &mut Vec<(i64, u32)>) {
        let at_once = made_up + u32::from(own && self.seconds.contains(&0));
        if at_once > 0 {
            dues.push((minute, at_once));
        }
        if own {
            let later = self.seconds.iter().filter(|second| **second > 0);
            dues.extend(later.map(|second| (minute + second, 1)));
        }
    }

    fn select(&self, civil: i32) -> bool {
        let (day, time) = (civil / 1440, civil % 1440);
        self.times[time as usize] && self.days[(day - self.first_day) as usize]
    }
}

#[test]
fn new_york_in_spring_and_autumn() {
    let at = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp();
    let check = |hour: &str,
                 hours: &[u32],
                 minute: &str,
                 minutes: &[u32],
                 from: &str,
                 until: &str,
                 expected: &[(&str, u32)]| {
        let field = |values: &[u32], written: &str| Field {
            values: values.to_vec(),
            written: written.to_owned(),
        };
        let every = |least: u32, most: u32| field(&(least..=most).collect::<Vec<_>>(), "*");
        let five =
            [field(minutes, minute), field(hours, hour), every(1, 31), every(1, 12), every(0, 6)];
        let dues = Almanac::of("America/New_York", 2026).dues(
            &Fields::new(None, five, 2026),
            at(from),
            at(until),
        );
        assert_eq!(
            dues,
            expected.iter().map(|(text, times)| (at(text), *times)).collect::<Vec<_>>()
        );
    };
    let (spring, morning) = ("2026-03-08T01:40:00-05:00", "2026-03-08T03:20:00-04:00");
    check(
        "1-3",
        &[1, 2, 3],
        "15,45",
        &[15, 45],
        spring,
        morning,
        &[
            ("2026-03-08T01:45:00-05:00", 1),
            ("2026-03-08T03:00:00-04:00", 2),
            ("2026-03-08T03:15:00-04:00", 1),
        ],
    );
    check("2", &[2], "*/30", &[0, 30], spring, morning, &[]);
    check("3", &[3], "0", &[0], spring, morning, &[("2026-03-08T03:00:00-04:00", 1)]);
    let (autumn, later) = ("2026-11-01T00:40:00-04:00", "2026-11-01T02:20:00-05:00");
    check("1", &[1], "30", &[30], autumn, later, &[("2026-11-01T01:30:00-04:00", 1)]);
    check(
        "1",
        &[1],
        "*/30",
        &[0, 30],
        autumn,
        later,
        &[
            ("2026-11-01T01:00:00-04:00", 1),
            ("2026-11-01T01:30:00-04:00", 1),
            ("2026-11-01T01:00:00-05:00", 1),
            ("2026-11-01T01:30:00-05:00", 1),
        ],
    );
}
