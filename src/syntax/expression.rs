//! A schedule as people write it: five fields, seven fields or a nickname. Knows how fields make a schedule,
//! and what is surprising about one; does not know what stands after it.

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
        [Some(word), None, ..] if word.text.starts_with(b"@") => nickname(word, dialect, &mut said),
        [Some(a), Some(b), Some(c), Some(d), Some(e), None, ..] => {
            five([a, b, c, d, e], dialect, &mut dice, &mut said).map(Schedule::Calendar)
        }
        [Some(a), Some(b), Some(c), Some(d), Some(e), Some(f), Some(g), None]
            if dialect.is_rat() =>
        {
            seven([a, b, c, d, e, f, g], &mut dice, &mut said)
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

/// Where what counts is whether a day field leaves anything out, and not how it begins: with one that leaves
/// nothing out, the other; with two that do, either. A ring of days has a day 0, which only `*` fills.
fn restricted(days: Field, weekdays: Field) -> (Field, Field) {
    let all_days = days.bits == u64::from(u32::MAX);
    let all_weekdays = weekdays.bits == ALL_WEEKDAYS;
    let either = all_days == all_weekdays && !all_days;
    (
        Field { bits: days.bits & u64::from(ALL_DAYS), star: !either && all_days },
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
    dice: &mut Dice<'_>,
    said: &mut Vec<Diagnostic>,
) -> Option<Schedule> {
    let [second, minute, hour, day, month, weekday, year] = words;
    let seconds = one(second, &SECOND, Fields::Rat, dice, said);
    let minutes = one(minute, &MINUTE, Fields::Rat, dice, said);
    let hours = one(hour, &HOUR, Fields::Rat, dice, said);
    let days = one(day, &DAY, Fields::Rat, dice, said);
    let months = one(month, &MONTH, Fields::Rat, dice, said);
    let weekdays = one(weekday, &WEEKDAY, Fields::Rat, dice, said);
    let years = field::years(year.text, year.place, dice, said).map_err(|error| said.push(error));
    let (seconds, minutes, hours, years) = (seconds?, minutes?, hours?, years.ok()?);
    let calendar = calendar(minutes, hours, days?, months?, weekdays?);
    check_days(&calendar, day, weekday, said);
    let time = format!("{} {} {}", list(seconds.bits), list(minutes.bits), list(hours.bits));
    let alternatives = dates(&calendar, &years);
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

/// Months of one length.
struct Months {
    months: u16,
    length: u32,
    years: Vec<u32>,
}

impl Months {
    fn by_length(years: &[u32]) -> [Months; 4] {
        let is_leap = |year: &u32| {
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
        };
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
