//! A schedule as people write it: five fields, seven fields or a nickname. Knows how fields make a schedule,
//! and what is surprising about one; does not know what stands after it.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate, Weekday};

use crate::plan::schedule::{ALL_WEEKDAYS, Calendar, LAST, Schedule, Seconds, Stars};
use crate::syntax::diagnostic::{Diagnostic, Severity};
use crate::syntax::dialect::{Dialect, Fields};
use crate::syntax::field::{
    self, DAY, Field, HOUR, MINUTE, MONTH, Place, SECOND, Unit, WEEKDAY, YEAR,
};
use crate::syntax::seed::{Dice, Seed};

/// The nicknames that stand for five fields.
pub const NICKNAMES: &[(&str, &str)] = &[
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
    ("@every_minute", "* * * * *"),
];

/// A piece of a line between blanks.
#[derive(Clone, Copy, Debug)]
pub struct Word<'t> {
    /// Its bytes.
    pub text: &'t [u8],
    /// Where it begins.
    pub place: Place,
}

impl Word<'_> {
    /// The bytes of the line it covers.
    pub fn columns(&self) -> std::ops::Range<usize> {
        self.place.column..self.place.column + self.text.len()
    }

    /// Its text for people.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(self.text).escape_debug().to_string()
    }
}

/// A schedule that stands alone, with every warning about it.
pub fn parse(
    text: &str,
    seed: &Seed,
    dialect: &'static Dialect,
) -> Result<(Schedule, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut found = words(text.as_bytes(), 1, 0);
    let words = [(); 8].map(|()| found.next());
    let mut dice = Dice::new(seed, text.trim().as_bytes());
    let mut said = Vec::new();
    let schedule = match words {
        [Some(a), Some(b), Some(c), Some(d), Some(e), year, None, ..]
            if dialect.fields == Fields::Quartz =>
        {
            let words = [a, b, c, d, e].into_iter().chain(year).collect::<Vec<_>>();
            six(&words, dialect, &mut dice, &mut said)
        }
        [Some(word), None, ..] if word.text.starts_with(b"@") => nickname(word, dialect, &mut said),
        [Some(a), Some(b), Some(c), Some(d), Some(e), None, ..] => {
            five([a, b, c, d, e], dialect, &mut dice, &mut said).map(Schedule::Calendar)
        }
        [Some(a), Some(b), Some(c), Some(d), Some(e), Some(f), Some(g), None]
            if dialect.is_rat() =>
        {
            seven([a, b, c, d, e, f, g], dialect.fields, &mut dice, &mut said)
        }
        [_, _, _, _, _, Some(sixth), None, None] => {
            said.push(six_fields(sixth));
            None
        }
        _ => {
            let columns = 0..text.len();
            let message = "a schedule has five fields, seven fields, or is a nickname".to_owned();
            said.push(
                Diagnostic::error("E001", 1, columns, message)
                    .help("write minute, hour, day, month and weekday: `30 4 * * *`, or `@daily`"),
            );
            None
        }
    };
    match schedule {
        Some(schedule) => Ok((schedule, said)),
        None => Err(said),
    }
}

/// A schedule that stands alone; the first error, if it is not one.
pub fn schedule(
    text: &str,
    seed: &Seed,
    dialect: &'static Dialect,
) -> Result<Schedule, Diagnostic> {
    parse(text, seed, dialect).map(|(schedule, _)| schedule).map_err(|said| {
        let error = said.iter().position(|said| said.severity == Severity::Error);
        said.into_iter().nth(error.unwrap_or(0)).unwrap_or_else(|| {
            Diagnostic::error("E001", 1, 0..text.len(), "no schedule".to_owned())
        })
    })
}

/// The words of a line from `column` on, lazily.
pub fn words(text: &[u8], line: u32, column: usize) -> impl Iterator<Item = Word<'_>> {
    let mut at = column;
    std::iter::from_fn(move || {
        at += text.get(at..)?.iter().take_while(|byte| is_blank(**byte)).count();
        let length = text[at..].iter().take_while(|byte| !is_blank(**byte)).count();
        let word = Word { text: &text[at..at + length], place: Place { line, column: at } };
        at += length;
        (length > 0).then_some(word)
    })
}

/// Blanks between fields are spaces and tabs and nothing else.
pub fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// What `@word` stands for. An error about it is added to `said`, as are warnings.
pub fn nickname(
    word: Word<'_>,
    dialect: &'static Dialect,
    said: &mut Vec<Diagnostic>,
) -> Option<Schedule> {
    let line = word.place.line;
    let more = dialect.more_nicknames;
    let lower = if more { word.text.to_ascii_lowercase() } else { word.text.to_vec() };
    let known = &NICKNAMES[..NICKNAMES.len() - usize::from(!more)];
    let fields = known.iter().find(|(name, _)| name.as_bytes() == lower);
    if lower != word.text && (fields.is_some() || lower == b"@reboot") {
        let message = format!("other crons know \"{}\" only in lower case", word.shown());
        said.push(Diagnostic::warning("W051", line, word.columns(), message));
    }
    if lower == b"@reboot" {
        return Some(Schedule::Reboot);
    }
    let Some((_, fields)) = fields else {
        said.push(unknown_nickname(word));
        return None;
    };
    let seed = Seed::default();
    let mut fields = words(fields.as_bytes(), line, 0);
    let fields = [(); 5].map(|()| fields.next());
    let [Some(a), Some(b), Some(c), Some(d), Some(e)] = fields else { return None };
    five([a, b, c, d, e], dialect, &mut Dice::new(&seed, &[]), &mut Vec::new())
        .map(Schedule::Calendar)
}

#[cold]
fn unknown_nickname(word: Word<'_>) -> Diagnostic {
    let shown = word.shown();
    let error = Diagnostic::error(
        "E005",
        word.place.line,
        word.columns(),
        format!("unknown nickname \"{shown}\""),
    );
    let names = NICKNAMES.iter().map(|(name, _)| *name).chain(["@reboot"]);
    match field::nearest(&shown, names.clone()) {
        Some(name) => error.label(format!("did you mean `{name}`?")),
        None => error.help(format!("nicknames are {}", names.collect::<Vec<_>>().join(", "))),
    }
}

/// Six words that all look like fields.
pub fn six_fields(sixth: Word<'_>) -> Diagnostic {
    let message = "six fields are never guessed".to_owned();
    Diagnostic::error("E018", sixth.place.line, sixth.columns(), message)
        .label("a second in front, or a year behind?")
        .help("write five fields (minute … weekday) or all seven (second … weekday, year)")
}

/// Minute, hour, day, month, weekday. Errors and warnings are added to `said`; `None` if there was an error.
pub fn five(
    words: [Word<'_>; 5],
    dialect: &'static Dialect,
    dice: &mut Dice<'_>,
    said: &mut Vec<Diagnostic>,
) -> Option<Calendar> {
    let [minute, hour, day, month, weekday] = words;
    // All five are read even if one is wrong, so that one look shows all that is to be mended.
    let minutes = one(minute, &MINUTE, dialect.fields, dice, said);
    let hours = one(hour, &HOUR, dialect.fields, dice, said);
    let days = one(day, &DAY, dialect.fields, dice, said);
    let months = one(month, &MONTH, dialect.fields, dice, said);
    let weekdays = one(weekday, &WEEKDAY, dialect.fields, dice, said);
    let (minutes, hours, days, months, weekdays) = (minutes?, hours?, days?, months?, weekdays?);
    let calendar = if dialect.fields == Fields::Ring {
        let saturday = (months.bits & 1) << 6;
        let months = Field { bits: months.bits & !1, ..months };
        let weekdays = Field { bits: weekdays.bits | saturday, ..weekdays };
        let (days, weekdays) = restricted(days, weekdays);
        calendar(minutes, hours, days, months, weekdays)
    } else {
        calendar(minutes, hours, days, months, weekdays)
    };
    check_days(&calendar, day, weekday, said);
    if !dialect.is_rat() {
        // What would help is not known there.
        let about_months = |said: &&mut Diagnostic| ["W034", "W035"].contains(&said.code);
        said.iter_mut().filter(about_months).for_each(|said| said.help = None);
    }
    Some(if dialect.by_the_clock { calendar.by_the_clock() } else { calendar })
}

/// Whether these are fields, the last of which is a year, and there may be a second before the minute.
pub fn are_fields(words: &[Word<'_>], fields: Fields) -> bool {
    const UNITS: [&Unit; 6] = [&SECOND, &MINUTE, &HOUR, &DAY, &MONTH, &WEEKDAY];
    let Some((year, words)) = words.split_last() else { return false };
    let seed = Seed::default();
    let (dice, said) = (&mut Dice::new(&seed, &[]), &mut Vec::new());
    let units = &UNITS[UNITS.len() - words.len().min(UNITS.len())..];
    field::years(year.text, year.place, fields, dice, said).is_ok()
        && words
            .iter()
            .zip(units)
            .all(|(word, unit)| one(*word, unit, fields, dice, said).is_some())
}

/// Minute, hour, day, month, weekday, and perhaps a year, as a container has them.
pub fn six(
    words: &[Word<'_>],
    dialect: &'static Dialect,
    dice: &mut Dice<'_>,
    said: &mut Vec<Diagnostic>,
) -> Option<Schedule> {
    let [minute, hour, day, month, weekday, year @ ..] = words else { return None };
    let (minute, hour, day, month, weekday) = (*minute, *hour, *day, *month, *weekday);
    let has_workdays = day.text.iter().any(|byte| byte.eq_ignore_ascii_case(&b'w'));
    if year.is_empty() && !has_workdays {
        let words = [minute, hour, day, month, weekday];
        return five(words, dialect, dice, said).map(Schedule::Calendar);
    }
    // The full minute of any year, which stand nowhere.
    let second = Word { text: b"0", ..minute };
    let year = year.first().copied().unwrap_or(Word { text: b"*", ..weekday });
    let words = [second, minute, hour, day, month, weekday, year];
    seven(words, dialect.fields, dice, said)
}

/// Where what counts is whether a day field leaves anything out, and not how it begins: with one that leaves
/// nothing out, the other; with two that do, either. A ring of days has a day 0, which only `*` fills.
fn restricted(days: Field, weekdays: Field) -> (Field, Field) {
    let all_days = days.bits == u64::from(u32::MAX);
    let all_weekdays = weekdays.bits == ALL_WEEKDAYS;
    let either = all_days == all_weekdays && !all_days;
    (
        Field { bits: days.bits & u64::from(ALL_DAYS), star: !either && all_days, ..days },
        Field { star: !either && all_weekdays, ..weekdays },
    )
}

fn calendar(minutes: Field, hours: Field, days: Field, months: Field, weekdays: Field) -> Calendar {
    let stars =
        Stars { minute: minutes.star, hour: hours.star, day: days.star, weekday: weekdays.star };
    // A field's bits end at its unit's last number, so nothing is cut off here.
    Calendar::new(
        minutes.bits,
        hours.bits as u32,
        days.bits as u32,
        months.bits as u16,
        weekdays.bits,
        stars,
    )
}

fn one(
    word: Word<'_>,
    unit: &'static Unit,
    fields: Fields,
    dice: &mut Dice<'_>,
    said: &mut Vec<Diagnostic>,
) -> Option<Field> {
    field::parse(word.text, unit, word.place, fields, dice, said)
        .map_err(|error| said.push(error))
        .ok()
}

const ALL_DAYS: u32 = !1;

/// What surprises people about the two day fields.
fn check_days(calendar: &Calendar, day: Word<'_>, weekday: Word<'_>, said: &mut Vec<Diagnostic>) {
    let line = day.place.line;
    let stars = calendar.stars();
    let both = day.columns().start..weekday.columns().end;
    if calendar.is_never_due() {
        let empty = calendar.minutes == 0 || calendar.hours == 0 || calendar.months == 0;
        let empty = empty || calendar.weekdays == 0 || calendar.days == 0;
        let message = match empty {
            true => "one of the fields selects nothing".to_owned(),
            false => "no month that is selected has such a day".to_owned(),
        };
        said.push(Diagnostic::warning("E009", line, both, message).label("this never fires"));
    } else if let Some(warning) = check_months(calendar, day) {
        said.push(warning);
    } else if calendar.days_are_alternatives() {
        let message = "both day fields are set: either of them may match".to_owned();
        said.push(
            Diagnostic::warning("W032", line, both, message)
                .label("cron takes one or the other")
                .help("if both must match, test for one of them in the command"),
        );
    } else if calendar.days & ALL_DAYS != ALL_DAYS && calendar.weekdays != ALL_WEEKDAYS {
        let (field, name) = if stars.day { (day, "day") } else { (weekday, "weekday") };
        let message =
            format!("both day fields must match, because the {name} field begins with `*`");
        said.push(
            Diagnostic::warning("W057", line, field.columns(), message)
                .label("Vixie's rule looks at the first character only"),
        );
    }
}

/// Days that not every month has, where they are all that is selected.
fn check_months(calendar: &Calendar, day: Word<'_>) -> Option<Diagnostic> {
    const ALL_MONTHS: u16 = 0x1ffe;
    let first = calendar.days.trailing_zeros();
    let of_days = calendar.weekdays == ALL_WEEKDAYS && !calendar.days_are_alternatives();
    if !of_days || !(29..32).contains(&first) {
        return None;
    }
    let columns = day.columns();
    let line = day.place.line;
    if calendar.months == 1 << 2 {
        let message = "29 February comes only in leap years".to_owned();
        return Some(
            Diagnostic::warning("W035", line, columns, message)
                .help("for the end of every February write `L`"),
        );
    }
    if calendar.months != ALL_MONTHS {
        return None;
    }
    let which = match first {
        31 => "seven months have a 31st",
        30 => "February has no 30th",
        _ => "February has a 29th only in leap years",
    };
    let message = format!("not every month has this day: {which}");
    let warning = Diagnostic::warning("W034", line, columns, message);
    Some(warning.help("for the last day of every month write `L`"))
}

/// Second, minute, hour, day, month, weekday, year, with crontab's weekday numbers and day rule.
pub fn seven(
    words: [Word<'_>; 7],
    fields: Fields,
    dice: &mut Dice<'_>,
    said: &mut Vec<Diagnostic>,
) -> Option<Schedule> {
    let [second, minute, hour, day, month, weekday, year] = words;
    let seconds = one(second, &SECOND, fields, dice, said);
    let minutes = one(minute, &MINUTE, fields, dice, said);
    let hours = one(hour, &HOUR, fields, dice, said);
    let days = one(day, &DAY, fields, dice, said);
    let months = one(month, &MONTH, fields, dice, said);
    let weekdays = one(weekday, &WEEKDAY, fields, dice, said);
    let years = field::years(year.text, year.place, fields, dice, said);
    let years = years.map_err(|error| said.push(error));
    let (seconds, minutes, hours, years) = (seconds?, minutes?, hours?, years.ok()?);
    let days = days?;
    // Where a star leaves it to the weekdays, no day is more than the others.
    let workdays = if days.star { 0 } else { days.workdays };
    let calendar = calendar(minutes, hours, days, months?, weekdays?);
    if workdays == 0 {
        check_days(&calendar, day, weekday, said);
    }
    let time = format!("{} {} {}", list(seconds.bits), list(minutes.bits), list(hours.bits));
    let mut alternatives = dates(&calendar, &years);
    if workdays != 0 {
        alternatives.append(&mut working_days(workdays, calendar.months, &years));
    }
    let alternatives: Result<Vec<cron::Schedule>, _> =
        alternatives.iter().map(|dates| format!("{time} {dates}").parse()).collect();
    match alternatives {
        Ok(alternatives) => Some(Schedule::Seconds(Box::new(Seconds {
            alternatives,
            wildcard: seconds.star || calendar.is_wildcard(),
        }))),
        Err(error) => {
            let columns = second.columns().start..year.columns().end;
            let message = format!("these seven fields cannot be read: {error}");
            said.push(Diagnostic::error("E002", day.place.line, columns, message));
            None
        }
    }
}

/// The days that a calendar selects in some years, as `DAYS MONTHS WEEKDAYS YEARS` in the `cron` crate's
/// numbers (Sunday is 1). The crate wants every field to match and knows neither the last day of a month nor
/// numbered weekdays, so there is one text for each of Vixie's alternatives, for each length of a month, and for
/// each seven days in which weekdays of one number are found.
fn dates(calendar: &Calendar, years: &[u32]) -> Vec<String> {
    let either = calendar.days_are_alternatives();
    let mut dates = Vec::new();
    let mut add = |days: u64, month: &Months, weekdays: u64| {
        let months = u64::from(calendar.months & month.months);
        let weekdays = weekdays & ALL_WEEKDAYS;
        if days != 0 && months != 0 && weekdays != 0 && !month.years.is_empty() {
            let (weekdays, years) = (list(weekdays << 1), commas(&month.years));
            dates.push(format!("{} {} {weekdays} {years}", list(days), list(months)));
        }
    };
    let any = Months { months: 0x1ffe, length: 31, years: years.to_vec() };
    let days = u64::from(calendar.days & ALL_DAYS);
    let of_days = if either { ALL_WEEKDAYS } else { calendar.weekdays };
    let of_weekdays = if either { u64::from(ALL_DAYS) } else { days };
    add(days, &any, of_days);
    if either {
        add(of_weekdays, &any, calendar.weekdays);
    }
    let seven = |first: u32| 0x7f << first;
    for nth in 1..LAST {
        add(of_weekdays & seven(7 * nth - 6), &any, calendar.weekdays >> (7 * nth));
    }
    for month in Months::by_length(years) {
        let last_day = if calendar.days & 1 == 1 { 1 << month.length } else { 0 };
        add(last_day, &month, of_days);
        if !either {
            for nth in 1..LAST {
                add(last_day & seven(7 * nth - 6), &month, calendar.weekdays >> (7 * nth));
            }
        }
        let last_seven = seven(month.length - 6);
        add((of_weekdays | last_day) & last_seven, &month, calendar.weekdays >> (7 * LAST));
    }
    dates
}

/// The days nearest to these that are neither Saturday nor Sunday, without leaving their month, in the same form. Years
/// that begin on the same weekday and are as long have the same ones.
fn working_days(near: u32, months: u16, years: &[u32]) -> Vec<String> {
    let mut alike: BTreeMap<(u32, bool), Vec<u32>> = BTreeMap::new();
    for year in years {
        let first = NaiveDate::from_ymd_opt(*year as i32, 1, 1);
        let weekday = first.map_or(0, |first| first.weekday().num_days_from_sunday());
        alike.entry((weekday, is_leap(year))).or_default().push(*year);
    }
    let mut dates = Vec::new();
    for years in alike.values() {
        let mut months_by_days: BTreeMap<u64, u64> = BTreeMap::new();
        for month in (1..=12).filter(|month| months >> month & 1 == 1) {
            let days = working_days_of(near, years[0], month);
            *months_by_days.entry(days).or_default() |= 1 << month;
        }
        months_by_days.remove(&0);
        let text = |(days, months)| format!("{} {} * {}", list(days), list(months), commas(years));
        dates.extend(months_by_days.into_iter().map(text));
    }
    dates
}

fn working_days_of(near: u32, year: u32, month: u32) -> u64 {
    let date = |day| NaiveDate::from_ymd_opt(year as i32, month, day);
    let Some(last) = (28..=31).rev().find(|day| date(*day).is_some()) else { return 0 };
    let wanted = (0..=last).filter(|day| near >> day & 1 == 1);
    let nearest = wanted.filter_map(|day| {
        let day = if day == 0 { last } else { day };
        Some(match date(day)?.weekday() {
            Weekday::Sat if day > 1 => day - 1,
            Weekday::Sat => day + 2,
            Weekday::Sun if day < last => day + 1,
            Weekday::Sun => day - 2,
            _ => day,
        })
    });
    nearest.fold(0, |days, day| days | 1 << day)
}

fn is_leap(year: &u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Months of one length.
struct Months {
    months: u16,
    length: u32,
    years: Vec<u32>,
}

impl Months {
    fn by_length(years: &[u32]) -> [Months; 4] {
        let months = |list: &[u16]| list.iter().fold(0, |bits, month| bits | 1 << month);
        let (leap, common) = years.iter().partition(|year| is_leap(year));
        [
            Months { months: months(&[1, 3, 5, 7, 8, 10, 12]), length: 31, years: years.to_vec() },
            Months { months: months(&[4, 6, 9, 11]), length: 30, years: years.to_vec() },
            Months { months: months(&[2]), length: 29, years: leap },
            Months { months: months(&[2]), length: 28, years: common },
        ]
    }
}

fn list(bits: u64) -> String {
    commas(&(0..64).filter(|value| bits >> value & 1 == 1).collect::<Vec<u32>>())
}

fn commas(values: &[u32]) -> String {
    if values.len() == (YEAR.last - YEAR.first + 1) as usize {
        return "*".to_owned();
    }
    let values: Vec<String> = values.iter().map(u32::to_string).collect();
    values.join(",")
}
