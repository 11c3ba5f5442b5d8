//! When schedules are due: a golden table, every clock change of many zones against a scan minute by minute,
//! and the `cron` crate as a second opinion.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::HashSet;
use std::fmt::Write;

use chrono::{DateTime, Datelike, TimeDelta, Utc};

use rat::plan::civil::{Fixed, Offsets, Timestamp, meaning, reading};
use rat::plan::schedule::{Calendar, Due, Schedule, selects};
use rat::syntax::dialect::RAT;
use rat::syntax::expression::schedule;
use rat::syntax::seed::Seed;
use rat::zone::{Zone, zoneinfo};

fn calendar(text: &str) -> Calendar {
    match schedule(text, &Seed::default(), &RAT) {
        Ok(Schedule::Calendar(calendar)) => calendar,
        other => panic!("{text}: {other:?}"),
    }
}

fn next(schedule: &Schedule, after: Timestamp, zone: &Zone) -> Option<Due> {
    match schedule {
        Schedule::Calendar(calendar) => calendar.next_after(after, zone),
        Schedule::Seconds(seconds) => seconds.next_after(after, zone),
        Schedule::Reboot | Schedule::Every(_) | Schedule::Never => None,
    }
}

/// A line is `SCHEDULE | ZONE | FROM | HOW MANY | what is due from then on`.
#[test]
fn the_golden_table_holds() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/schedules.txt");
    let table = std::fs::read_to_string(path).unwrap();
    let is = table.lines().fold(String::new(), |is, line| is + &due_line(line) + "\n");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &is).unwrap();
        return;
    }
    for (was, is) in table.lines().zip(is.lines()) {
        assert_eq!(was, is);
    }
}

fn due_line(line: &str) -> String {
    if line.starts_with('#') || line.is_empty() {
        return line.to_owned();
    }
    let columns: Vec<&str> = line.split('|').map(str::trim).collect();
    let [text, zone_name, from, many, ..] = columns.as_slice() else { panic!("{line}") };
    let zone = Zone::named(zone_name).unwrap();
    let civil = chrono::NaiveDateTime::parse_from_str(from, "%Y-%m-%dT%H:%M").unwrap();
    let mut after = meaning(&zone, civil).instant() - TimeDelta::seconds(1);
    let mut is = format!("{text} | {zone_name} | {from} | {many} |");
    let schedule = match schedule(text, &Seed::default(), &RAT) {
        Ok(schedule) => schedule,
        Err(error) => return format!("{is} {}: {}", error.code, error.message),
    };
    for _ in 0..many.parse().unwrap() {
        let Some(due) = next(&schedule, after, &zone) else {
            is += " never";
            break;
        };
        write!(is, " {}", due.at.with_timezone(&zone).format("%Y-%m-%dT%H:%M:%S%:z")).unwrap();
        if due.times > 1 {
            write!(is, " x{}", due.times).unwrap();
        }
        after = due.at;
    }
    is
}

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn field(&mut self, first: u64, last: u64) -> String {
        let mut value = || first + self.below(last - first + 1);
        let (a, b) = (value(), value());
        let (low, high) = (a.min(b), a.max(b));
        let step = 1 + self.below(last);
        match self.below(9) {
            0..=2 => "*".to_owned(),
            3 => format!("*/{step}"),
            4 => format!("{low}-{high}"),
            5 => format!("{low}-{high}/{step}"),
            6 => format!("{a},{b}"),
            7 => format!("*,{a}"),
            _ => a.to_string(),
        }
    }

    /// One that is often due within hours of a civil instant: any other would hardly ever test it.
    fn expression_near(&mut self, civil: i64) -> String {
        let hour = civil.div_euclid(3600).rem_euclid(24);
        let near = |hour: i64| hour.rem_euclid(24);
        let hours = match self.below(6) {
            0 => "*".to_owned(),
            1 => format!("*/{}", 1 + self.below(4)),
            2 => "0-23".to_owned(),
            3 => format!("{},{}", near(hour - 1), near(hour + 1)),
            _ => near(hour - 2 + self.below(5) as i64).to_string(),
        };
        let days = match self.below(4) {
            0 => format!("{} * {}", self.field(1, 31), self.weekday()),
            _ => "* * *".to_owned(),
        };
        format!("{} {hours} {days}", self.field(0, 59))
    }

    fn expression(&mut self) -> String {
        let day = if self.below(8) == 0 { "L".to_owned() } else { self.field(1, 31) };
        format!(
            "{} {} {day} {} {}",
            self.field(0, 59),
            self.field(0, 23),
            self.field(1, 12),
            self.weekday()
        )
    }

    /// Every third has weekdays by number.
    fn weekday(&mut self) -> String {
        let mut weekdays = self.field(0, 7);
        for _ in 0..self.below(6).saturating_sub(3) {
            let weekday = self.below(8);
            let nth = self.below(6);
            let mark = if nth == 0 { "L".to_owned() } else { format!("#{nth}") };
            let one = format!("{weekday}{mark}");
            weekdays = if self.below(2) == 0 { one } else { format!("{weekdays},{one}") };
        }
        weekdays
    }
}

/// The rule itself, minute by minute: wildcard jobs by the clock, the others each reading once. `due` holds
/// each instant as often as it is due.
fn scan(calendar: &Calendar, zone: &dyn Offsets, from: i64, until: i64) -> Vec<i64> {
    scan_every(60, calendar, zone, from, until)
}

/// The same for a calendar that is only ever due at multiples of `unit` seconds of civil time.
fn scan_every(
    unit: i64,
    calendar: &Calendar,
    zone: &dyn Offsets,
    from: i64,
    until: i64,
) -> Vec<i64> {
    let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
    let shows = |instant| reading(zone, at(instant));
    let selected = |civil: chrono::NaiveDateTime| {
        civil.and_utc().timestamp() % 60 == 0 && selects(calendar, civil)
    };
    let mut due = Vec::new();
    for instant in candidates(unit, zone, from, until) {
        let civil = shows(instant);
        let before = shows(instant - 1);
        let change = (civil - before).num_seconds() - 1;
        if change > 0 && change < 3 * 3600 && !calendar.is_wildcard() {
            due.extend(
                (1..=change)
                    .filter(|second| selected(before + TimeDelta::seconds(*second)))
                    .map(|_| instant),
            );
        }
        if !selected(civil) {
            continue;
        }
        let again = !calendar.is_wildcard()
            && matches!(meaning(zone, civil), rat::plan::civil::Meaning::Twice(first, second)
                if second.timestamp() == instant && (second - first).num_seconds() <= 3 * 3600);
        if !again {
            due.push(instant);
        }
    }
    due
}

/// The instants at which a civil unit begins or the clock changes: nothing else can be due.
fn candidates(unit: i64, zone: &dyn Offsets, from: i64, until: i64) -> Vec<i64> {
    let mut instants = Vec::new();
    let mut at = from;
    while at < until {
        let span = zone.span_at(at);
        instants.push(at);
        let next = at + unit - (at + span.offset).rem_euclid(unit);
        instants.extend((next..span.ends.min(until)).step_by(unit as usize));
        at = span.ends;
    }
    instants
}

fn chain(calendar: &Calendar, zone: &dyn Offsets, from: i64, until: i64) -> Vec<i64> {
    let mut due = Vec::new();
    let mut after = from - 1;
    while let Some(next) = calendar.next_after(DateTime::from_timestamp(after, 0).unwrap(), zone) {
        after = next.at.timestamp();
        if after >= until {
            break;
        }
        due.extend(std::iter::repeat_n(after, next.times as usize));
    }
    due
}

const ZONES: &[&str] = &[
    "America/New_York",
    "Europe/Berlin",
    "Europe/Dublin",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Asia/Beirut",
    "America/Santiago",
    "America/Havana",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "Antarctica/Casey",
    "Antarctica/Troll",
    "Africa/Casablanca",
    "Africa/Monrovia",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Asia/Gaza",
    "America/Caracas",
    "Pacific/Kiritimati",
    "Europe/Moscow",
];

/// Every zone of the system, those of the same rules once.
fn all_zones() -> Vec<Zone> {
    let (mut directories, mut known, mut zones) = (vec![zoneinfo()], HashSet::new(), Vec::new());
    while let Some(directory) = directories.pop() {
        for file in std::fs::read_dir(directory).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                // `right` counts leap seconds, which no clock of a computer shows.
                let twin = ["right", "posix"].iter().any(|name| path.ends_with(name));
                directories.extend(Some(path).filter(|_| !twin));
                continue;
            }
            let rules = std::fs::read(&path).unwrap_or_default();
            if rules.starts_with(b"TZif") && known.insert(rules) {
                zones.push(Zone::named(path.to_str().unwrap()).unwrap());
            }
        }
    }
    assert!(zones.len() > 200, "{}", zones.len());
    zones.sort_by(|a, b| a.name().cmp(b.name()));
    zones
}

/// 1970 to 2070.
const CENTURY: i64 = 3_155_760_000;

#[test]
fn at_every_clock_change_of_a_century_next_equals_a_scan() {
    let changes: usize = shared(|random, zone| {
        let mut changes = 0;
        let mut at = zone.span_at(0).ends;
        while at < CENTURY {
            changes += 1;
            let text = random.expression_near(zone.span_at(at).offset + at);
            check(&text, zone, at - 5400, at + 4 * 3600);
            at = zone.span_at(at).ends;
        }
        changes
    });
    assert!(changes > 10_000, "{changes}");
}

#[test]
fn on_random_days_of_a_century_next_equals_a_scan() {
    shared(|random, zone| {
        for _ in 0..4 {
            let from = random.below(CENTURY as u64) as i64;
            let near = from + random.below(86_400) as i64;
            let text = random.expression_near(zone.span_at(near).offset + near);
            check(&text, zone, from, from + 86_400);
        }
        1
    });
}

/// Asks every zone, on all processors, and adds the answers.
fn shared(ask: impl Fn(&mut Random, &Zone) -> usize + Sync) -> usize {
    let zones = all_zones();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let asked = zones.chunks(zones.len().div_ceil(threads)).enumerate().map(|(seed, zones)| {
            let mut random = Random(0x5eed_0001 + seed as u64);
            let ask = &ask;
            scope.spawn(move || zones.iter().map(|zone| ask(&mut random, zone)).sum::<usize>())
        });
        let asked: Vec<_> = asked.collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

fn check(text: &str, zone: &Zone, from: i64, until: i64) {
    let calendar = calendar(text);
    let due = chain(&calendar, zone, from, until);
    let said = || format!("{text} in {} from {from}", zone.name());
    assert_eq!(due, scan(&calendar, zone, from, until), "{}", said());
    if !calendar.is_wildcard() && is_plain(zone, from, until) {
        let shown = |instant: i64| instant + zone.span_at(instant).offset;
        let readings = (shown(from) + 59).div_euclid(60)..(shown(until) + 59).div_euclid(60);
        let civil = |minute: i64| DateTime::from_timestamp(minute * 60, 0).unwrap().naive_utc();
        let named = readings.filter(|minute| selects(&calendar, civil(*minute))).count();
        assert_eq!(due.len(), named, "each named time once: {}", said());
    }
}

/// Whether the clock is changed at most once in a stretch, by less than three hours, and shows nothing at its ends
/// that it shows again.
fn is_plain(zone: &Zone, from: i64, until: i64) -> bool {
    let (first, last) = (zone.span_at(from), zone.span_at(until));
    let change = last.offset - first.offset;
    let quiet = first.begins.saturating_add(3 * 3600) < from && until < last.ends - 3 * 3600;
    quiet
        && (first == last || first.ends == last.begins)
        && (change.abs() < 3 * 3600)
        && (first == last
            || (first.ends - from > change.abs() && until - last.begins > change.abs()))
}

#[test]
fn a_rare_schedule_is_found_beyond_many_clock_changes() {
    let mut random = Random(0x5eed_0005);
    for name in ZONES {
        let zone = Zone::named(name).unwrap();
        for _ in 0..12 {
            let from = random.below(3_000_000_000) as i64;
            // Half of them on a day of a clock change, where all of it can go wrong.
            let change = zone.span_at(from).ends.min(4_000_000_000) + zone.span_at(from).offset;
            let day = DateTime::from_timestamp(change, 0).unwrap();
            let (day, month) = match random.below(2) {
                0 => (day.format("%-d").to_string(), day.format("%-m").to_string()),
                _ => (random.field(1, 31), random.field(1, 12)),
            };
            let (hours, weekdays) = (random.field(0, 23), random.field(0, 7));
            let weekdays = if random.below(3) == 0 { weekdays } else { "*".to_owned() };
            let text = format!("0 {hours} {day} {month} {weekdays}");
            let (calendar, until) = (calendar(&text), from + 900 * 86_400);
            assert_eq!(
                chain(&calendar, &zone, from, until),
                scan_every(3600, &calendar, &zone, from, until),
                "{text} in {name} from {from}"
            );
        }
    }
}

#[test]
fn over_forty_days_next_equals_a_scan_of_minutes() {
    let mut random = Random(0x5eed_0002);
    let utc = Fixed { offset: 0 };
    for _ in 0..300 {
        let text = random.expression();
        let calendar = calendar(&text);
        let from = random.below(4_000_000_000) as i64;
        let until = from + 40 * 86_400;
        let first = (from + 59) / 60 * 60;
        let scanned: Vec<i64> = (first..until)
            .step_by(60)
            .filter(|at| selects(&calendar, DateTime::from_timestamp(*at, 0).unwrap().naive_utc()))
            .collect();
        assert_eq!(chain(&calendar, &utc, from, until), scanned, "{text} from {from}");
    }
}

#[test]
fn the_cron_crate_agrees() {
    let mut random = Random(0x5eed_0003);
    let utc = Fixed { offset: 0 };
    for _ in 0..2500 {
        let text = random.expression();
        let calendar = calendar(&text);
        let from = DateTime::from_timestamp(random.below(3_500_000_000) as i64, 0).unwrap();
        let Ok(Schedule::Seconds(seconds)) =
            schedule(&format!("0 {text} *"), &Seed::default(), &RAT)
        else {
            panic!("{text}")
        };
        let (mut own, mut other) = (from, from);
        for _ in 0..5 {
            let next = calendar.next_after(own, &utc).map(|due| due.at);
            // The crate ends with the year 2100.
            let next =
                next.filter(|at| *at < DateTime::<Utc>::from_timestamp(4_133_980_800, 0).unwrap());
            assert_eq!(
                next,
                seconds.next_after(other, &utc).map(|due| due.at),
                "{text} after {own}"
            );
            let Some(at) = next else { break };
            (own, other) = (at, at);
        }
    }
}

#[test]
fn a_schedule_that_is_never_due_is_known_at_once() {
    let mut random = Random(0x5eed_0004);
    let mut never = 0;
    // The days of the longest gap there is between leap years of one kind, and of one around a century.
    let start = chrono::NaiveDate::from_ymd_opt(1880, 1, 1).unwrap();
    let days: Vec<_> = start.iter_days().take(366 * 41).map(|day| day.into()).collect();
    for _ in 0..1000 {
        let (day, month) = (random.field(1, 31), 1 + random.below(12));
        let day = if random.below(3) == 0 { day } else { format!("*/40,{}", 28 + random.below(4)) };
        let text = format!("0 0 {day} {month} {}", random.weekday());
        let calendar = calendar(&text);
        let due = days.iter().any(|day| selects(&calendar, *day));
        assert_eq!(due, !calendar.is_never_due(), "{text}");
        never += u32::from(!due);
    }
    assert!(never > 50, "{never}");
}

#[test]
fn no_instant_is_too_early_or_too_late_to_ask() {
    let days = TimeDelta::days(400);
    let (first, last) = (Timestamp::MIN_UTC, Timestamp::MAX_UTC);
    let years = [-20_000i64, 1800, 9998, 10_000, 200_000]
        .map(|year| DateTime::from_timestamp((year - 1970) * 31_556_952, 0).unwrap());
    for name in ["UTC", "America/New_York", "Pacific/Apia"] {
        let zone = Zone::named(name).unwrap();
        for text in ["* * * * *", "30 2 * * *", "0 0 29 2 *", "0 0 * 2 sun#5", "0 0 31 2 *"] {
            let calendar = calendar(text);
            for at in years.into_iter().chain([first, first + days, last - days]) {
                let due = calendar.next_after(at, &zone);
                assert_eq!(
                    due.is_none(),
                    text == "0 0 31 2 *" || due.is_none_or(|due| due.at <= at)
                );
            }
            assert_eq!(calendar.next_after(last, &zone), None);
        }
    }
}

#[test]
fn every_kind_of_year_comes_within_41_years() {
    let kinds: Vec<_> = (1600..2441)
        .map(|year| chrono::NaiveDate::from_ymd_opt(year, 1, 1).unwrap())
        .map(|first| (first.weekday(), first.leap_year()))
        .collect();
    for window in kinds.windows(41) {
        assert_eq!(window.iter().collect::<HashSet<_>>().len(), 14);
    }
}

#[test]
fn a_calendar_takes_32_bytes() {
    assert_eq!(size_of::<Calendar>(), 32);
}

#[test]
fn a_tilde_draws_the_same_every_time_and_differs_between_machines() {
    let on = |host: &str| {
        let seed = Seed { host: host.to_owned(), owner: "anna".to_owned() };
        match schedule("~ ~ * * *", &seed, &RAT) {
            Ok(Schedule::Calendar(calendar)) => (calendar.minutes, calendar.hours),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(on("a"), on("a"));
    let drawn: HashSet<_> = (0..200).map(|host| on(&host.to_string())).collect();
    assert!(drawn.len() > 150, "{}", drawn.len());
    for text in ["~", "10~", "~10", "10~20", "~/15", "0~59/15", "7~7"] {
        for host in 0..50 {
            let seed = Seed { host: host.to_string(), owner: String::new() };
            let Ok(Schedule::Calendar(calendar)) =
                schedule(&format!("{text} * * * *"), &seed, &RAT)
            else {
                panic!("{text}")
            };
            let count = calendar.minutes.count_ones();
            assert_eq!(count, if text.contains('/') { 4 } else { 1 }, "{text}");
            assert!(!calendar.stars().minute);
        }
    }
}
