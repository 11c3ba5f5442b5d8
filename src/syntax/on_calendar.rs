//! A calendar as systemd.time(7) writes it: `Fri *-*-13 09:00:00`. Knows systemd's grammar, and that it wants all
//! fields to match, so that some calendars need several lines.

use crate::plan::schedule::{ALL_WEEKDAYS, Calendar, LAST};

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

const ALL_DAYS: u32 = !1;

/// The lines that together are due when a calendar is, with these seconds and years; empty if none are. `None` if
/// systemd has no words for it.
pub fn lines(calendar: &Calendar, seconds: u64, years: &str) -> Option<Vec<String>> {
    if calendar.is_never_due() {
        return Some(Vec::new());
    }
    let time = format!(
        "{}:{}:{}",
        component(calendar.hours.into(), 0, 23),
        component(calendar.minutes, 0, 59),
        component(seconds, 0, 59)
    );
    let months = component(calendar.months.into(), 1, 12);
    let line = |(weekdays, days): (u64, String)| {
        let date = format!("{years}-{months}{days} {time}");
        match weekdays {
            ALL_WEEKDAYS => date,
            some => format!("{} {date}", weekday_names(some)),
        }
    };
    Some(dates(calendar)?.into_iter().map(line).collect())
}

/// Weekdays, and the days of the month with the sign before them.
fn dates(calendar: &Calendar) -> Option<Vec<(u64, String)>> {
    let weekdays = calendar.weekdays;
    let all_days = calendar.days & ALL_DAYS == ALL_DAYS;
    let all_weekdays = weekdays & ALL_WEEKDAYS == ALL_WEEKDAYS;
    if !calendar.days_are_alternatives() {
        return by_weekdays(weekdays, calendar.days);
    }
    if all_days || all_weekdays {
        return Some(vec![(ALL_WEEKDAYS, "-*".to_owned())]);
    }
    let mut found = by_weekdays(weekdays, ALL_DAYS)?;
    found.extend(by_days(ALL_WEEKDAYS, calendar.days));
    Some(found)
}

/// Days that fall on these weekdays. Bit 7 * N + D of them is the Nth weekday D of a month.
fn by_weekdays(weekdays: u64, days: u32) -> Option<Vec<(u64, String)>> {
    let numbered = |nth: u32| weekdays >> (7 * nth) & ALL_WEEKDAYS;
    let mut found = Vec::new();
    if numbered(0) != 0 {
        found.extend(by_days(numbered(0), days));
    }
    for nth in (1..LAST).filter(|nth| numbered(*nth) != 0) {
        let seven = (0x7f_u64 << (7 * nth - 6)) as u32;
        found.extend(by_days(numbered(nth), days & seven));
    }
    if numbered(LAST) != 0 {
        if days & ALL_DAYS != ALL_DAYS {
            return None;
        }
        found.push((numbered(LAST), "~07/1".to_owned()));
    }
    Some(found)
}

fn by_days(weekdays: u64, days: u32) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    if days & ALL_DAYS != 0 {
        found.push((weekdays, format!("-{}", component((days & ALL_DAYS).into(), 1, 31))));
    }
    if days & 1 == 1 && days & ALL_DAYS != ALL_DAYS {
        found.push((weekdays, "~01".to_owned()));
    }
    found
}

/// `Mon..Fri`; the week begins on Monday.
fn weekday_names(weekdays: u64) -> String {
    let from_monday: Vec<u32> = (0..7).filter(|day| weekdays >> ((day + 1) % 7) & 1 == 1).collect();
    let name = |day: u32| WEEKDAYS[day as usize % 7].to_owned();
    rows(&from_monday).map(|row| row_shown(row, name)).collect::<Vec<_>>().join(",")
}

/// `*`, `00/5`, `09..17`, `00,30`.
fn component(bits: u64, first: u32, last: u32) -> String {
    let values: Vec<u32> = (first..=last).filter(|value| bits >> value & 1 == 1).collect();
    let number = |value: u32| format!("{value:02}");
    if values.len() as u32 == last - first + 1 {
        return "*".to_owned();
    }
    if let [from, next, _, ..] = values.as_slice() {
        let step = next - from;
        let regular = values.windows(2).all(|two| two[1] - two[0] == step);
        if step > 1 && regular && values[values.len() - 1] + step > last {
            return format!("{}/{step}", number(*from));
        }
    }
    rows(&values).map(|row| row_shown(row, number)).collect::<Vec<_>>().join(",")
}

/// A list of years.
pub fn years(years: &[u32], first: u32, last: u32) -> String {
    if years.len() as u32 == last - first + 1 {
        return "*".to_owned();
    }
    rows(years).map(|row| row_shown(row, |year| year.to_string())).collect::<Vec<_>>().join(",")
}

/// Values that follow each other.
fn rows(values: &[u32]) -> impl Iterator<Item = &[u32]> {
    values.chunk_by(|a, b| a + 1 == *b)
}

fn row_shown(row: &[u32], name: impl Fn(u32) -> String) -> String {
    match row {
        [first, _, .., last] => format!("{}..{}", name(*first), name(*last)),
        row => row.iter().map(|value| name(*value)).collect::<Vec<_>>().join(","),
    }
}
