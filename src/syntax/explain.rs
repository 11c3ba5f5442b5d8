//! A calendar in words. Knows English; not how the fields were written.

use crate::plan::schedule::{ALL_WEEKDAYS, Calendar, LAST};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

const NUMBERS: [&str; LAST as usize] = ["first", "second", "third", "fourth", "fifth", "last"];

/// One sentence that says when a calendar is due: `At 09:00, on the 13th of every month AND ALSO on every Friday.`
pub fn calendar(calendar: &Calendar) -> String {
    if calendar.minutes == 0 || calendar.hours == 0 || calendar.months == 0 {
        return "Never: one of the fields selects nothing.".to_owned();
    }
    if calendar.is_never_due() {
        return "Never: no month that is selected has such a day.".to_owned();
    }
    let time = time(calendar);
    let days = days(calendar);
    if days.is_empty() { format!("{time}.") } else { format!("{time}, {days}.") }
}

/// The same with seconds and years: `At 09:00 every day, at second 30, in 2026.` An empty `years` is all.
pub fn seconds(calendar: &Calendar, seconds: u64, years: &[u32]) -> String {
    let selected = values(seconds, 0, 59);
    let sentence = self::calendar(calendar);
    if calendar.is_never_due() || selected.is_empty() {
        return "Never: no second of any day is selected.".to_owned();
    }
    let every_minute = sentence.strip_prefix("Every minute");
    let second = match (selected.as_slice(), step(&selected, 60), every_minute) {
        ([0], _, _) => sentence.trim_end_matches('.').to_owned(),
        (all, _, Some(rest)) if all.len() == 60 => format!("Every second{}", end_cut(rest)),
        (_, Some(step), Some(rest)) => format!("Every {step} seconds{}", end_cut(rest)),
        (all, ..) if all.len() == 60 => format!("{}, at every second", end_cut(&sentence)),
        (_, Some(step), None) => format!("{}, every {step} seconds", end_cut(&sentence)),
        (some, ..) => {
            let plural = if some.len() == 1 { "" } else { "s" };
            let seconds = list(some, |second| second.to_string());
            format!("{}, at second{plural} {seconds}", end_cut(&sentence))
        }
    };
    match years {
        [] => format!("{second}."),
        years => format!("{second}, in {}.", list(years, |year| year.to_string())),
    }
}

fn end_cut(sentence: &str) -> &str {
    sentence.trim_end_matches('.')
}

fn time(calendar: &Calendar) -> String {
    let minutes = values(calendar.minutes, 0, 59);
    let hours = values(u64::from(calendar.hours), 0, 23);
    let days = days(calendar);
    let every_day = if days.is_empty() { " every day" } else { "" };
    match (minutes.len(), hours.len()) {
        (60, 24) => "Every minute".to_owned(),
        (60, _) => format!("Every minute of {}", of_hours(&hours)),
        (1, 24) if minutes[0] == 0 => "Every hour, on the hour".to_owned(),
        (1, 24) => format!("Every hour, at {} past", count(minutes[0], "minute")),
        (_, 24) => match step(&minutes, 60) {
            Some(step) => format!("Every {step} minutes"),
            None => {
                format!("Every hour, at minutes {}", list(&minutes, |minute| minute.to_string()))
            }
        },
        (some, many) if some * many <= 6 => {
            let times: Vec<u32> = hours
                .iter()
                .flat_map(|hour| minutes.iter().map(move |minute| hour * 60 + minute))
                .collect();
            format!(
                "At {}{every_day}",
                list(&times, |time| format!("{:02}:{:02}", time / 60, time % 60))
            )
        }
        (1, _) => match step(&hours, 24) {
            Some(step) => format!("Every {step} hours, at {} past", count(minutes[0], "minute")),
            None => format!("At {} past {}", count(minutes[0], "minute"), of_hours(&hours)),
        },
        _ => match step(&minutes, 60) {
            Some(step) => format!("Every {step} minutes in {}", of_hours(&hours)),
            None => {
                format!(
                    "At minutes {} of {}",
                    list(&minutes, |minute| minute.to_string()),
                    of_hours(&hours)
                )
            }
        },
    }
}

fn of_hours(hours: &[u32]) -> String {
    let plural = if hours.len() == 1 { "" } else { "s" };
    format!("hour{plural} {}", list(hours, |hour| hour.to_string()))
}

fn days(calendar: &Calendar) -> String {
    let month = months(calendar);
    let all_days = calendar.days >> 1 == u32::MAX >> 1;
    let all_weekdays = calendar.weekdays & ALL_WEEKDAYS == ALL_WEEKDAYS;
    let dates = dates(calendar);
    let weekdays = weekdays(calendar);
    let either = calendar.days_are_alternatives();
    let of = month.clone().unwrap_or("every month".to_owned());
    if (either && (all_days || all_weekdays)) || (all_days && all_weekdays) {
        return month.map(|month| format!("every day in {month}")).unwrap_or_default();
    }
    match (all_days, all_weekdays) {
        (true, _) if calendar.weekdays > ALL_WEEKDAYS => format!("{weekdays} of {of}"),
        (true, _) => {
            let month = month.map(|month| format!(" in {month}")).unwrap_or_default();
            format!("{weekdays}{month}")
        }
        (_, true) => format!("on {dates} of {of}"),
        _ if either && calendar.weekdays > ALL_WEEKDAYS => {
            format!("on {dates} AND ALSO {weekdays} of {of}")
        }
        _ if either => {
            let month = month.map(|month| format!(" in {month}")).unwrap_or_default();
            format!("on {dates} of {of} AND ALSO {weekdays}{month}")
        }
        _ => format!("{weekdays} that falls on {dates} of {of}"),
    }
}

fn dates(calendar: &Calendar) -> String {
    let days = values(u64::from(calendar.days), 1, 31);
    if calendar.days & 1 == 0
        && let Some(every) = every_nth(&days)
    {
        return every;
    }
    if calendar.days & 1 == 0 {
        return format!("the {}", list(&days, ordinal));
    }
    if days.is_empty() {
        return "the last day".to_owned();
    }
    format!("the {} and the last day", list(&days, ordinal))
}

/// `every 2nd day (1st, 3rd … 31st)`, of days that go on evenly from the first to the end of a month.
fn every_nth(days: &[u32]) -> Option<String> {
    let [1, second, third, .., last] = days else { return None };
    let step = second - 1;
    let even = days.windows(2).all(|two| two[1] - two[0] == step);
    (step > 1 && third - second == step && even && last + step > 31).then(|| {
        let shown = format!("1st, {} … {}", ordinal(*second), ordinal(*last));
        format!("every {} day ({shown})", ordinal(step))
    })
}

fn weekdays(calendar: &Calendar) -> String {
    let every = calendar.weekdays & ALL_WEEKDAYS;
    let mut parts = if every == 0 { Vec::new() } else { vec![every_week(every)] };
    for (nth, name) in (1..=LAST).zip(NUMBERS) {
        let days = values(calendar.weekdays >> (7 * nth) & ALL_WEEKDAYS, 0, 6);
        let day = |day: u32| format!("the {name} {}", WEEKDAYS[day as usize % 7]);
        parts.extend(days.into_iter().map(day));
    }
    format!("on {}", joined(&parts))
}

fn every_week(weekdays: u64) -> String {
    // The week of a list begins on Monday, unless Sunday opens a row.
    let days = values(weekdays, 0, 6);
    let name = |day: u32| WEEKDAYS[day as usize % 7].to_owned();
    match days.as_slice() {
        [1, 2, 3, 4, 5] => "every weekday from Monday to Friday".to_owned(),
        [0, 6] => "every Saturday and Sunday".to_owned(),
        days => format!("every {}", list(days, name)),
    }
}

fn months(calendar: &Calendar) -> Option<String> {
    let months = values(u64::from(calendar.months), 1, 12);
    (months.len() < 12).then(|| list(&months, |month| MONTHS[month as usize - 1].to_owned()))
}

fn values(bits: u64, first: u32, last: u32) -> Vec<u32> {
    (first..=last).filter(|value| bits >> value & 1 == 1).collect()
}

/// The distance of values that begin at 0 and divide the whole evenly.
fn step(values: &[u32], whole: u32) -> Option<u32> {
    let step = *values.get(1)?;
    let even = whole.is_multiple_of(step) && values.len() as u32 == whole / step;
    (even && values.iter().zip(0..).all(|(value, index)| *value == index * step)).then_some(step)
}

fn count(number: u32, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// `1, 2 and 5`, with three and more in a row as `1 to 3`.
fn list(values: &[u32], name: impl Fn(u32) -> String) -> String {
    let mut rows: Vec<(u32, u32)> = Vec::new();
    for value in values {
        match rows.last_mut() {
            Some((_, last)) if *last + 1 == *value => *last = *value,
            _ => rows.push((*value, *value)),
        }
    }
    let parts: Vec<String> = rows
        .into_iter()
        .flat_map(|(first, last)| match last - first {
            0 => vec![name(first)],
            1 => vec![name(first), name(last)],
            _ => vec![format!("{} to {}", name(first), name(last))],
        })
        .collect();
    joined(&parts)
}

/// `a, b and c`.
fn joined(parts: &[String]) -> String {
    match parts {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        parts => parts.concat(),
    }
}

/// `Sunday` for 0.
pub fn weekday(day: u32) -> &'static str {
    WEEKDAYS[day as usize % 7]
}

/// `13th`
pub fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number) {
        (1, n) if n != 11 => "st",
        (2, n) if n != 12 => "nd",
        (3, n) if n != 13 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}
