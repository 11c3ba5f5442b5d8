//! What crontabs mean: each `tests/golden/crontabs/FORM-NAME.crontab` beside what is read from it. UPDATE=1
//! rewrites the latter.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use chrono::DateTime;
use rat::plan::job::Assignments;
use rat::plan::schedule::{Calendar, Schedule};
use rat::plan::text::Text;
use rat::syntax::anacrontab;
use rat::syntax::crontab::{self, Crontab, Entry, Form};
use rat::syntax::diagnostic::Diagnostic;
use rat::syntax::dialect::{Dialect, RAT};
use rat::syntax::directive::Options;
use rat::syntax::explain;
use rat::syntax::expression;
use rat::syntax::lines::lines;
use rat::syntax::lints::{self, Crowd};
use rat::syntax::on_calendar;
use rat::syntax::rat_conf;
use rat::syntax::seed::Seed;
use rat::zone::Zone;

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
            "config" => config_shown(&text),
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
    let crontab = crontab::parse(text, form, &seed(), &RAT);
    let numbered: Vec<&[u8]> = lines(text).collect();
    let lints = lints::lints(&crontab, &numbered);
    let Crontab { entries, mut diagnostics, .. } = crontab;
    diagnostics.extend(lints);
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

/// A rat.conf: what each line is wrong about, and at the end what came of all of them.
fn config_shown(text: &[u8]) -> String {
    let rat_conf::Read { config, diagnostics } = rat_conf::parse(text);
    let options = |options: &Options| {
        let shown = options.all().map(|chosen| {
            format!(" {}={:?} line {}", chosen.key.known().name, chosen.value, chosen.line)
        });
        shown.collect::<Vec<_>>().join(",")
    };
    let mut is = shown(text, Vec::new(), &diagnostics);
    let named = |dialect: &Dialect| dialect.name;
    let places = config.dialects.places.iter();
    let places: Vec<_> = places.map(|(place, dialect)| (place, named(dialect))).collect();
    writeln!(is, "dialects {:?} {places:?}", config.dialects.default.map(named)).unwrap();
    writeln!(is, "at {:?}", config.at).unwrap();
    writeln!(is, "sendmail {:?}, {:?}", config.sendmail, config.kept).unwrap();
    writeln!(is, "defaults{}", options(&config.defaults)).unwrap();
    for (user, chosen) in &config.users {
        writeln!(is, "user {user}{}", options(chosen)).unwrap();
    }
    for limit in &config.limits {
        writeln!(is, "limit {} {:?}", limit.key.known().name, limit.bound).unwrap();
    }
    is
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
    let severity = said.severity.word();
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
        Schedule::Never => is += " never",
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
    for chosen in entry.options.all() {
        let name = chosen.key.known().name;
        write!(is, " {name}={:?} ({:?} {})", chosen.value, chosen.level, chosen.line).unwrap();
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
        b"#rat: ",
        b"# rat: timeout=1h ",
        b"RAT_TIMEOUT=",
        b"RAT_TZ='",
        b"match=",
        b"tz=\"",
        b"#Ansible: x",
        b"\n30 2 * * * ",
        b" >/dev/null 2>&1",
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
            let mut crontab = crontab;
            crontab.diagnostics.extend(lints::lints(&crontab, &numbered));
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

/// A line is a schedule; under it stand its sentence and systemd's lines for it.
#[test]
fn schedules_are_explained_as_written_down() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/explain.txt");
    let table = std::fs::read_to_string(&path).unwrap();
    let mut is = String::new();
    for line in table.lines().filter(|line| !line.starts_with("  ")) {
        writeln!(is, "{line}").unwrap();
        if line.is_empty() || line.starts_with("# ") {
            continue;
        }
        match expression::schedule(line, &seed(), &RAT) {
            Ok(Schedule::Calendar(calendar)) => {
                writeln!(is, "  {}", explain::calendar(&calendar)).unwrap();
                match on_calendar::lines(&calendar, 1, "*") {
                    Some(lines) => lines.iter().for_each(|it| writeln!(is, "  = {it}").unwrap()),
                    None => writeln!(is, "  = nothing").unwrap(),
                }
            }
            other => panic!("{line}: {other:?}"),
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &is).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), is);
}

#[test]
fn seconds_are_said_too() {
    let check = |seconds: u64, fields: &str, years: &[u32], words: &str| {
        let Ok(Schedule::Calendar(calendar)) = expression::schedule(fields, &seed(), &RAT) else {
            panic!("{fields}")
        };
        assert_eq!(explain::seconds(&calendar, seconds, years), words);
    };
    let all = (1 << 60) - 1;
    check(1, "0 9 * * *", &[2027], "At 09:00 every day, in 2027.");
    check(1 << 30, "5 0 1 1 *", &[], "At 00:05, on the 1st of January, at second 30.");
    check(all, "* * * * *", &[], "Every second.");
    check(all, "0 9 * * *", &[], "At 09:00 every day, at every second.");
    check(1 | 1 << 30, "* * * * *", &[2026, 2027], "Every 30 seconds, in 2026 and 2027.");
    check(0b111, "* 9 * * *", &[], "Every minute of hour 9, at seconds 0 to 2.");
    check(1, "0 0 30 2 *", &[], "Never: no second of any day is selected.");
}

/// The lints of whole files that need a machine's zone, and the time.
#[test]
fn what_the_clock_changes_is_told_with_its_dates() {
    let check = |text: &str, told: &[&str]| {
        let crontab = crontab::parse(text.as_bytes(), Form::User, &seed(), &RAT);
        let zone = Zone::named("Europe/Berlin").unwrap();
        let now = DateTime::parse_from_rfc3339("2026-11-26T00:00:00Z").unwrap().to_utc();
        let lines: Vec<&[u8]> = lines(text.as_bytes()).collect();
        let entries = crontab.entries.iter().map(|entry| (entry, &zone));
        let said = lints::clock_changes(entries, &lines, now);
        assert_eq!(said.iter().map(said_shown).collect::<Vec<_>>(), told, "{text}");
    };
    check("0 9 * * * x\n0 * * * * x\n* * * * * x\n0 0 30 2 * x\n@reboot x\n", &[]);
    check(
        "30 2 * * * x\n30 2 * * * y\n",
        &[
            "  note W033 1-10: the clock changes while this is due (on Sun 28 Mar 2027 02:30 does not exist, and it runs at 03:00; on Sun 31 Oct 2027 02:30 comes twice, and it runs the first time)\n",
        ],
    );
    check(
        "*/20 2 * * 0 x\n",
        &[
            "  warning W033 1-12: the clock changes while this is due (on Sun 28 Mar 2027 02:00 does not exist and is skipped; on Sun 31 Oct 2027 02:00 comes twice, and it runs twice); it goes by the clock, because a field begins with `*`\n",
        ],
    );
    check("30 2 * 6 * x\n30 2 * * 1 x\n", &[]);
}

#[test]
fn jobs_that_begin_together_are_counted_in_all_files() {
    let check = |text: &str, told: Option<&str>| {
        let crontab = crontab::parse(text.as_bytes(), Form::User, &seed(), &RAT);
        let lines: Vec<&[u8]> = lines(text.as_bytes()).collect();
        let mut crowd = Crowd::default();
        crontab.entries.iter().for_each(|entry| crowd.count(entry));
        let said = crowd.busiest().map(|busy| {
            let last = crontab.entries.iter().rev().find(|entry| busy.has(entry)).unwrap();
            said_shown(&busy.told(last, lints::line_of(&lines, last.line), &[]))
        });
        assert_eq!(said.as_deref(), told, "{text}");
    };
    check("0 0 * * * x\n0 0 * * * x\n* * * * * x\n*/5 * * * * x\n0 0 1 * * x\n", None);
    check("0 0 * * 1 x\n0 0 * * 2 x\n0 0 * * 3 x\n", None);
    check(
        "0 0 * * * x\n0 0 * * 5 x\n0 0,12 * * 1-5 x\n",
        Some(
            "  note W036 1-14: 3 jobs begin at 00:00 (this is one of them); 00:30 is free: `30 0 …`; or write `~` for a minute of its own\n",
        ),
    );
    let full: String = (0..60).map(|minute| format!("{minute} 0 * * * x\n")).collect();
    check(
        &(full + "0 0 * * * x\n0 0 * * * x\n"),
        Some(
            "  note W036 1-9: 3 jobs begin at 00:00 (this is one of them); 01:29 is free: `29 1 …`; or write `~` for a minute of its own\n",
        ),
    );
}
