//! What crontabs mean: each `tests/golden/crontabs/FORM-NAME.crontab` beside what is read from it. UPDATE=1
//! rewrites the latter.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use rat::plan::job::Assignments;
use rat::plan::schedule::{Calendar, Schedule};
use rat::plan::text::Text;
use rat::syntax::anacrontab;
use rat::syntax::crontab::{self, Crontab, Entry, Form};
use rat::syntax::diagnostic::{Diagnostic, Severity};
use rat::syntax::dialect::RAT;
use rat::syntax::explain;
use rat::syntax::expression;
use rat::syntax::lines::lines;
use rat::syntax::seed::Seed;

fn seed() -> Seed {
    Seed { host: "4d9b8c0e".to_owned(), owner: "anna".to_owned() }
}

#[test]
fn the_golden_crontabs_are_read_as_written_down() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/crontabs");
    let mut inputs: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "crontab"))
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty());
    for input in inputs {
        let text = std::fs::read(&input).unwrap();
        let name = input.file_stem().unwrap().to_str().unwrap();
        let is = match name.split('-').next().unwrap() {
            "user" => crontab_shown(&text, Form::User),
            "system" => crontab_shown(&text, Form::System),
            "single" => crontab_shown(&text, Form::Single),
            "anacrontab" => anacrontab_shown(&text),
            form => panic!("no such form: {form}"),
        };
        let expected = input.with_extension("expected");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&expected, &is).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&expected).unwrap(), is, "{}", input.display());
    }
}

fn crontab_shown(text: &[u8], form: Form) -> String {
    let Crontab { entries, diagnostics, .. } = crontab::parse(text, form, &seed(), &RAT);
    let entries = entries.iter().map(|entry| (entry.line, entry_shown(entry)));
    shown(text, entries.collect(), &diagnostics)
}

fn anacrontab_shown(text: &[u8]) -> String {
    let read = anacrontab::parse(text);
    let jobs = read.jobs.iter().map(|job| {
        let mut is = format!("{} {:?} {} delay {}", job.written, job.period, job.ident, job.delay);
        write!(is, " hours {:?} random {}", job.hours, job.random_delay).unwrap();
        write!(is, " preferred {:?}: {:?}", job.preferred_hour, job.command).unwrap();
        (job.line, is + &environment_shown(&job.environment))
    });
    shown(text, jobs.collect(), &read.diagnostics)
}

/// Every line of the text that gave something, and what it gave.
fn shown(text: &[u8], entries: Vec<(u32, String)>, said: &[Diagnostic]) -> String {
    let mut is = String::new();
    for (number, line) in (1..).zip(lines(text)) {
        let entries = entries.iter().filter(|(line, _)| *line == number);
        let said = said.iter().filter(|said| said.line == number);
        let mut about: Vec<String> = entries.map(|(_, entry)| format!("  {entry}\n")).collect();
        about.extend(said.map(said_shown));
        if !about.is_empty() {
            write!(is, "{number}: {}\n{}", line.escape_ascii(), about.concat()).unwrap();
        }
    }
    is
}

fn said_shown(said: &Diagnostic) -> String {
    let severity = match said.severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let columns = &said.columns;
    let mut is = format!("  {severity} {} {}-{}: ", said.code, columns.start + 1, columns.end);
    write!(is, "{}", said.message).unwrap();
    if !said.label.is_empty() {
        write!(is, " ({})", said.label).unwrap();
    }
    if let Some(help) = &said.help {
        write!(is, "; {help}").unwrap();
    }
    is + "\n"
}

fn entry_shown(entry: &Entry) -> String {
    let mut is = format!("[{}]", entry.written);
    match &entry.schedule {
        Schedule::Calendar(calendar) => write!(is, " {}", calendar_shown(calendar)).unwrap(),
        Schedule::Seconds(seconds) => {
            for schedule in &seconds.alternatives {
                write!(is, " <{schedule}>").unwrap();
            }
            write!(is, " wildcard {}", seconds.wildcard).unwrap();
        }
        Schedule::Reboot => is += " reboot",
        Schedule::Every(_) => is += " every",
    }
    for (set, flag) in [
        (entry.flags.mail_on_failure_only, "-n"),
        (entry.flags.quiet, "-q"),
        (entry.flags.single, "-s"),
    ] {
        if set {
            write!(is, " {flag}").unwrap();
        }
    }
    for (name, value) in [("user", &entry.user), ("zone", &entry.zone)] {
        if let Some(value) = value {
            write!(is, " {name} {value}").unwrap();
        }
    }
    if entry.random_delay > 0 {
        write!(is, " random {}", entry.random_delay).unwrap();
    }
    write!(is, ": {:?}", entry.command).unwrap();
    if let Some(input) = &entry.input {
        write!(is, " < {input:?}").unwrap();
    }
    is + &environment_shown(&entry.environment)
}

fn environment_shown(environment: &Assignments) -> String {
    let show = |(name, value): &(Text, Text)| format!(" {}={value:?}", name.shown());
    environment.iter().map(show).collect()
}

fn calendar_shown(calendar: &Calendar) -> String {
    let stars = calendar.stars();
    let field = |bits: u64, first: u32, last: u32, star: bool| {
        let values: Vec<u32> = (first..=last).filter(|value| bits >> value & 1 == 1).collect();
        let all = values.len() == (last - first + 1) as usize;
        let rows = values.chunk_by(|a, b| a + 1 == *b).map(|row| match row {
            [first, .., last] => format!("{first}-{last}"),
            row => row[0].to_string(),
        });
        let text = if all { "all".to_owned() } else { rows.collect::<Vec<_>>().join(",") };
        format!("{text}{}", if star { "*" } else { "" })
    };
    let last_day = if calendar.days & 1 == 1 { "+L" } else { "" };
    let numbered = |bit: &u32| *bit > 6 && calendar.weekdays >> bit & 1 == 1;
    let numbered: String = (0..u64::BITS)
        .filter(numbered)
        .map(|bit| format!("+{}#{}", bit % 7, bit / 7).replace("#6", "L"))
        .collect();
    format!(
        "{} {} {}{last_day} {} {}{numbered}",
        field(calendar.minutes, 0, 59, stars.minute),
        field(calendar.hours.into(), 0, 23, stars.hour),
        field(calendar.days.into(), 1, 31, stars.day),
        field(calendar.months.into(), 1, 12, false),
        field(calendar.weekdays, 0, 6, stars.weekday),
    )
}

#[test]
fn no_bytes_make_the_parsers_panic() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    };
    let pieces: &[&[u8]] = &[
        b"* ",
        b"*/5 ",
        b"0",
        b"-",
        b",",
        b"/",
        b"~",
        b"L",
        b"$",
        b"\n",
        b"\r\n",
        b" ",
        b"\t",
        b"%",
        b"\\",
        b"\"",
        b"'",
        b"=",
        b"A=",
        b"CRON_TZ=",
        b"RANDOM_DELAY=",
        b"@daily ",
        b"@",
        b"sun",
        b"jan",
        b"-n ",
        b"0 0 1 1 * ",
        b"root ",
        b"\0",
        b"\xff",
        b"\xc3",
        b"\xef\xbb\xbf",
        b"99999999999",
        b"#",
        b"5#2",
        b"* * * * * * 2026 x",
        b"START_HOURS_RANGE=",
        b"1 5 x y",
        "é".as_bytes(),
    ];
    for _ in 0..20_000 {
        let mut text = Vec::new();
        for _ in 0..below(24) {
            match below(6) {
                0 => text.push(below(256) as u8),
                _ => text.extend_from_slice(pieces[below(pieces.len())]),
            }
        }
        let numbered: Vec<&[u8]> = lines(&text).collect();
        let mut said = anacrontab::parse(&text).diagnostics;
        for form in [Form::User, Form::System, Form::Single] {
            let crontab = crontab::parse(&text, form, &seed(), &RAT);
            let calendars = crontab.entries.iter().filter_map(|entry| match &entry.schedule {
                Schedule::Calendar(calendar) => Some(calendar),
                _ => None,
            });
            calendars.for_each(|calendar| assert!(!explain::calendar(calendar).is_empty()));
            for said in &crontab.diagnostics {
                let line = numbered.get(said.line as usize - 1).copied().unwrap_or_default();
                assert!(numbered.len().max(1) >= said.line as usize, "{said:?}");
                let columns = &said.columns;
                assert!(columns.start <= columns.end && columns.end <= line.len(), "{said:?}");
            }
            said.extend(crontab.diagnostics);
        }
        let text = String::from_utf8_lossy(&text);
        if let Err(error) = expression::schedule(&text, &seed(), &RAT) {
            said.push(error);
        }
        for said in said {
            assert!(!said.picture("tab", &text).is_empty());
        }
    }
}

#[test]
fn a_user_has_ten_thousand_entries_and_root_as_many_as_he_likes() {
    let text = "* * * * * x\n".repeat(10_001);
    let crontab = crontab::parse(text.as_bytes(), Form::User, &seed(), &RAT);
    assert_eq!(crontab.entries.len(), 10_000);
    assert_eq!(crontab.diagnostics[0].code, "E016");
    let root = Seed { owner: "root".to_owned(), ..seed() };
    assert_eq!(crontab::parse(text.as_bytes(), Form::User, &root, &RAT).entries.len(), 10_001);
    assert_eq!(crontab::parse(text.as_bytes(), Form::Single, &seed(), &RAT).entries.len(), 10_001);
}

#[test]
fn a_command_that_no_shell_could_be_given_is_refused_whole() {
    let entry = |length| format!("* * * * * {}\n", "x".repeat(length));
    let longest = crontab::parse(entry(131_071).as_bytes(), Form::User, &seed(), &RAT);
    assert_eq!(longest.entries[0].command.0.len(), 131_071);
    let longer = crontab::parse(entry(131_072).as_bytes(), Form::User, &seed(), &RAT);
    assert!(longer.entries.is_empty());
    assert_eq!(longer.diagnostics[0].code, "E015");
}

#[test]
fn environments_of_one_file_cannot_fill_the_memory() {
    let mut text = format!("BIG={}\n", "x".repeat(100_000));
    for number in 0..2000 {
        text += &format!("A={number}\n* * * * * x\n");
    }
    let crontab = crontab::parse(text.as_bytes(), Form::User, &seed(), &RAT);
    assert!(crontab.entries.len() < 700);
    assert_eq!(crontab.diagnostics[0].code, "E016");
}

#[test]
fn an_expression_is_explained_in_a_sentence() {
    let check = |text: &str, words: &str| match expression::schedule(text, &seed(), &RAT) {
        Ok(Schedule::Calendar(calendar)) => {
            assert_eq!(explain::calendar(&calendar), words, "{text}")
        }
        other => panic!("{text}: {other:?}"),
    };
    check("0 9 13 * fri", "At 09:00, on the 13th of every month and also on every Friday.");
    check("30 2 * * *", "At 02:30 every day.");
    check("* * * * *", "Every minute.");
    check("*/5 * * * *", "Every 5 minutes.");
    check("7 * * * *", "Every hour, at 7 minutes past.");
    check("@hourly", "Every hour, on the hour.");
    check("0 9,17 * * 1-5", "At 09:00 and 17:00, on every weekday from Monday to Friday.");
    check("*/10 9-17 * * *", "Every 10 minutes in hours 9 to 17.");
    check("0 */4 * * *", "At 00:00, 04:00, 08:00, 12:00, 16:00 and 20:00 every day.");
    check("0 0 L * *", "At 00:00, on the last day of every month.");
    check("0 0 1,15 jan-mar *", "At 00:00, on the 1st and 15th of January to March.");
    check("0 0 * 12 *", "At 00:00, every day in December.");
    check(
        "0 0 */2 * 1",
        "At 00:00, on every Monday that falls on the 1st, 3rd, 5th, 7th, 9th, 11th, 13th, 15th, 17th, 19th, 21st, 23rd, 25th, 27th, 29th and 31st of every month.",
    );
    check("0 0 30 2 *", "Never: no month that is selected has such a day.");
    check("0 0 13 * 0-6", "At 00:00 every day.");
    check("@weekly", "At 00:00, on every Sunday.");
    check("0 0 1 1 *", "At 00:00, on the 1st of January.");
    check("0 9 * * fri#2", "At 09:00, on the second Friday of every month.");
    check("0 9 * 6 5L", "At 09:00, on the last Friday of June.");
    check(
        "0 9 * * wed,mon#1,mon#3,friL",
        "At 09:00, on every Wednesday, the first Monday, the third Monday and the last Friday of every month.",
    );
    check("0 9 13 * fri#2", "At 09:00, on the 13th and also on the second Friday of every month.");
    check(
        "0 9 */14 * sunL",
        "At 09:00, on the last Sunday that falls on the 1st, 15th and 29th of every month.",
    );
    check("0 9 */100 * fri#5", "Never: no month that is selected has such a day.");
    check("0 9 * * *,fri#5", "At 09:00 every day.");
}
