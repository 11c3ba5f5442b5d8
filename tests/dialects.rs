//! What other crons make of the same text: `tests/golden/dialects/FORM.txt` holds pieces of crontabs, and under
//! each what rat and the others read. The others' readings are theirs, as measured; UPDATE=1 rewrites them.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fmt::Write;
use std::path::Path;

use chrono::{DateTime, TimeDelta};

use rat::plan::civil::Beside;
use rat::plan::schedule::{Calendar, Schedule};
use rat::plan::text::Text;
use rat::syntax::crontab::{self, Crontab, Entry, Form};
use rat::syntax::diagnostic::{Diagnostic, Severity};
use rat::syntax::dialect::{BUSYBOX, CONTAINER, CRONIE, DEBIAN, Dialect, OTHERS, RAT};
use rat::syntax::seed::Seed;
use rat::syntax::{explain, expression, portability};
use rat::zone::Zone;

fn seed(owner: &str) -> Seed {
    Seed { host: "4d9b8c0e".to_owned(), owner: owner.to_owned() }
}

const ALL: [&Dialect; 4] = [&DEBIAN, &CRONIE, &BUSYBOX, &RAT];

#[test]
fn the_golden_tables_hold() {
    for (name, form, owner) in [
        ("user", Form::User, "anna"),
        ("root", Form::User, "root"),
        ("measured", Form::User, "root"),
        ("system", Form::System, "root"),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/dialects");
        let path = path.join(name).with_extension("txt");
        let table = std::fs::read_to_string(&path).unwrap();
        let mut is = String::new();
        for line in table.lines().filter(|line| !line.starts_with("  ")) {
            writeln!(is, "{line}").unwrap();
            if line.is_empty() || line.starts_with("##") {
                continue;
            }
            let text = unescaped(line);
            for dialect in ALL {
                let crontab = crontab::parse(&text, form, &seed(owner), dialect);
                writeln!(is, "  {:<8}{}", dialect.name, shown(&crontab)).unwrap();
            }
        }
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &is).unwrap();
            continue;
        }
        for (was, is) in table.lines().zip(is.lines()) {
            assert_eq!(was, is);
        }
        assert_eq!(table.lines().count(), is.lines().count());
    }
}

/// The text of a case: what stands there and a newline, unless it ends in `\c`. `\n`, `\r`, `\t`, `\0` and `\xNN`
/// are what they are in C; any other backslash is one.
fn unescaped(line: &str) -> Vec<u8> {
    let (line, end) = line.strip_suffix("\\c").map_or((line, "\n"), |line| (line, ""));
    let marks = [("\\n", "\n"), ("\\r", "\r"), ("\\t", "\t"), ("\\0", "\0"), ("\\v", "\u{b}")];
    let text = marks.iter().fold(line.to_owned(), |text, (mark, is)| text.replace(mark, is));
    let mut bytes = Vec::new();
    for (index, part) in text.split("\\x").enumerate() {
        match part.get(..2).map(|digits| u8::from_str_radix(digits, 16)) {
            Some(Ok(byte)) if index > 0 => {
                bytes.push(byte);
                bytes.extend_from_slice(&part.as_bytes()[2..]);
            }
            _ => bytes.extend_from_slice(part.as_bytes()),
        }
    }
    bytes.extend_from_slice(end.as_bytes());
    bytes
}

fn shown(crontab: &Crontab) -> String {
    let entries = crontab.entries.iter().map(entry_shown);
    let said = crontab.diagnostics.iter().map(said_shown);
    let all: Vec<String> = entries.chain(said).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(" ; ") }
}

fn said_shown(said: &Diagnostic) -> String {
    match said.severity {
        Severity::Error => format!("!{}", said.code),
        Severity::Warning | Severity::Note => said.code.to_owned(),
    }
}

fn entry_shown(entry: &Entry) -> String {
    let mut is = match &entry.schedule {
        Schedule::Calendar(calendar) => calendar_shown(calendar),
        Schedule::Reboot => "reboot".to_owned(),
        other => format!("{other:?}"),
    };
    let flags = &entry.flags;
    for (set, flag) in
        [(flags.mail_on_failure_only, "-n"), (flags.quiet, "-q"), (flags.single, "-s")]
    {
        is += if set { flag } else { "" };
    }
    for (name, value) in [("user", &entry.user), ("zone", &entry.zone)] {
        if let Some(value) = value {
            write!(is, " {name} {value}").unwrap();
        }
    }
    if entry.random_delay > 0 {
        write!(is, " random {}", entry.random_delay).unwrap();
    }
    let command = match entry.command.0.len() {
        length @ 200.. => format!("{length} bytes"),
        _ => format!("{:?}", entry.command),
    };
    write!(is, ": {command}").unwrap();
    if let Some(input) = &entry.input {
        write!(is, " < {input:?}").unwrap();
    }
    for (name, value) in entry.environment.iter() {
        match value.0.len() {
            length @ 200.. => write!(is, " {}={length} bytes", name.shown()).unwrap(),
            _ => write!(is, " {}={value:?}", name.shown()).unwrap(),
        }
    }
    is
}

fn calendar_shown(calendar: &Calendar) -> String {
    let field = |bits: u64, first: u32, last: u32| {
        let values: Vec<u32> = (first..=last).filter(|value| bits >> value & 1 == 1).collect();
        let rows = values.chunk_by(|a, b| a + 1 == *b).map(|row| match row {
            [first, .., last] => format!("{first}-{last}"),
            row => row[0].to_string(),
        });
        match values.len() as u32 {
            0 => "never".to_owned(),
            count if count == last - first + 1 => "all".to_owned(),
            _ => rows.collect::<Vec<_>>().join(","),
        }
    };
    format!(
        "{} {} {}{} {} {} {}{}",
        field(calendar.minutes, 0, 59),
        field(calendar.hours.into(), 0, 23),
        field(calendar.days.into(), 1, 31),
        if calendar.days & 1 == 1 { "+L" } else { "" },
        field(calendar.months.into(), 1, 12),
        field(calendar.weekdays, 0, 6),
        if calendar.days_are_alternatives() { "or" } else { "and" },
        if calendar.is_wildcard() { " by the clock" } else { "" },
    )
}

/// When a line is due on both days on which New York's clock changes. A line is `SCHEDULE`, and under it what is
/// due in each dialect from midnight to four, in local time.
#[test]
fn both_golden_days_hold() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/dialects/days.txt");
    let table = std::fs::read_to_string(&path).unwrap();
    let mut is = String::new();
    for line in table.lines().filter(|line| !line.starts_with("  ")) {
        writeln!(is, "{line}").unwrap();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        for dialect in ALL {
            for (day, name) in
                [("2026-03-08T05:00:00Z", "spring"), ("2026-11-01T04:00:00Z", "autumn")]
            {
                writeln!(is, "  {:<8}{name} {}", dialect.name, due(line, dialect, day)).unwrap();
            }
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &is).unwrap();
        return;
    }
    assert_eq!(table, is);
}

fn due(line: &str, dialect: &'static Dialect, midnight: &str) -> String {
    let local = Zone::named("America/New_York").unwrap();
    let text = line.replace("; ", "\n") + "\n";
    let crontab = crontab::parse(text.as_bytes(), Form::User, &seed("anna"), dialect);
    let Some(entry) = crontab.entries.first() else { return "nothing".to_owned() };
    let zone = entry.zone.as_deref().map_or(local.clone(), |name| Zone::named(name).unwrap());
    let Schedule::Calendar(calendar) = &entry.schedule else { panic!("{line}") };
    let begin = DateTime::parse_from_rfc3339(midnight).unwrap().to_utc();
    let mut after = begin - TimeDelta::seconds(1);
    let mut is = Vec::new();
    let rules = Beside { zone, own: local.clone() };
    while let Some(due) = calendar.next_after(after, &rules) {
        if due.at >= begin + TimeDelta::hours(4) {
            break;
        }
        let times = if due.times > 1 { format!("x{}", due.times) } else { String::new() };
        is.push(format!("{}{times}", due.at.with_timezone(&local).format("%H:%M%:::z")));
        after = due.at;
    }
    if is.is_empty() { "nothing".to_owned() } else { is.join(" ") }
}

#[test]
fn limits_are_those_of_the_real_ones() {
    let entries = |text: &str, owner: &str, dialect| {
        crontab::parse(text.as_bytes(), Form::User, &seed(owner), dialect).entries.len()
    };
    let command = |length| format!("* * * * * {}\n", "x".repeat(length));
    assert_eq!(entries(&command(998), "anna", &DEBIAN), 1);
    assert_eq!(entries(&command(999), "anna", &DEBIAN), 0);
    let long = crontab::parse(command(200_000).as_bytes(), Form::User, &seed("anna"), &CRONIE);
    assert_eq!(long.entries[0].command.0.len(), 131_071);
    assert_eq!(entries(&command(200_000), "anna", &BUSYBOX), 1);
    let many = |count| "* * * * * x\n".repeat(count);
    assert_eq!(entries(&many(10_003), "anna", &DEBIAN), 10_003);
    assert_eq!(entries(&many(10_004), "anna", &DEBIAN), 0);
    assert_eq!(entries(&many(10_000), "anna", &CRONIE), 10_000);
    assert_eq!(entries(&many(10_001), "anna", &CRONIE), 0);
    assert_eq!(entries(&many(300), "anna", &BUSYBOX), 255);
    assert_eq!(entries(&many(300), "root", &BUSYBOX), 300);
    let assigned = |count| "A=b\n".repeat(count) + "* * * * * x\n";
    assert_eq!(entries(&assigned(1000), "anna", &CRONIE), 1);
    assert_eq!(entries(&assigned(1001), "anna", &CRONIE), 0);
    let garbage = |length| format!("#{}\n* * * * * x\n", "x".repeat(length));
    assert_eq!(entries(&garbage(32_765), "anna", &CRONIE), 1);
    assert_eq!(entries(&garbage(32_766), "anna", &CRONIE), 0);
    let value = format!("A={}\n* * * * * x\n", "x".repeat(2000));
    let cut = crontab::parse(value.as_bytes(), Form::User, &seed("anna"), &DEBIAN);
    assert_eq!(cut.entries[0].environment[0], (Text::from("A"), Text(vec![b'x'; 996])));
}

#[test]
fn no_bytes_make_a_dialect_panic() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    };
    let pieces: &[&str] = &[
        "* ",
        "*/5 ",
        "0",
        "-",
        ",",
        "/",
        "~",
        "L",
        "\n",
        "\r\n",
        " ",
        "\t",
        "%",
        "\\",
        "\"",
        "'",
        "=",
        "A=",
        "CRON_TZ=",
        "RANDOM_DELAY=",
        "@daily ",
        "@",
        "sun",
        "jan",
        "-n ",
        "0 0 1 1 * ",
        "root ",
        "\0",
        "é",
        "99999999999",
        "2147483648",
        "4294967295",
        "#",
        "* * * * * ",
        "MAILTO=",
        "\\\n",
        "\u{feff}",
    ];
    for _ in 0..20_000 {
        let mut text = Vec::new();
        for _ in 0..below(24) {
            match below(6) {
                0 => text.push(below(256) as u8),
                _ => text.extend_from_slice(pieces[below(pieces.len())].as_bytes()),
            }
        }
        for form in [Form::User, Form::System, Form::Single] {
            for owner in ["anna", "root"] {
                portability::lints(&text, form, &seed(owner), &OTHERS);
                for dialect in OTHERS {
                    for entry in crontab::parse(&text, form, &seed(owner), dialect).entries {
                        if let Schedule::Calendar(calendar) = &entry.schedule {
                            assert!(!explain::calendar(calendar).is_empty());
                            assert_eq!(calendar.days & 1, 0);
                        }
                    }
                }
            }
        }
        for dialect in OTHERS {
            let _ = expression::schedule(&String::from_utf8_lossy(&text), &seed("anna"), dialect);
        }
    }
}

/// What `rat check` adds for people who also use other crons: nothing for what all read alike.
#[test]
fn ordinary_crontabs_are_quiet() {
    let quiet = |text: &str, form| {
        let said = portability::lints(text.as_bytes(), form, &seed("root"), &OTHERS[..2]);
        assert!(said.is_empty(), "{said:?}");
        let crontab = crontab::parse(text.as_bytes(), form, &seed("root"), &RAT);
        assert!(crontab.diagnostics.is_empty(), "{:?}", crontab.diagnostics);
    };
    quiet(
        "SHELL=/bin/sh\n# m h dom mon dow user\tcommand\n17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly\n\
         25 6\t* * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }\n\
         47 6\t* * 7\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.weekly; }\n\
         52 6\t1 * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.monthly; }\n",
        Form::System,
    );
    quiet(
        "SHELL=/bin/bash\nPATH=/sbin:/bin:/usr/sbin:/usr/bin\nMAILTO=root\n01 * * * * root run-parts /etc/cron.hourly\n",
        Form::System,
    );
    quiet(
        "*/15\t*\t*\t*\t*\trun-parts /etc/periodic/15min\n0\t*\t*\t*\t*\trun-parts /etc/periodic/hourly\n\
         0\t2\t*\t*\t*\trun-parts /etc/periodic/daily\n0\t3\t*\t*\t6\trun-parts /etc/periodic/weekly\n\
         0\t5\t1\t*\t*\trun-parts /etc/periodic/monthly\n",
        Form::User,
    );
    quiet(
        "@daily /usr/bin/x\n@reboot y\n5 4 * * sun z\n0 0 1,15 jan-mar * echo \"a\" \\%d\n",
        Form::User,
    );
}

/// What a container's crontab means: its entries with the instants that come after one, their commands, and what the
/// whole file assigns. UPDATE=1 rewrites the table; `tests/golden/container.txt` says where its lines come from.
#[test]
fn a_container_reads_what_supercronics_users_have() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/container.txt");
    let table = std::fs::read_to_string(&path).unwrap();
    let mut is = String::new();
    for line in table.lines().filter(|line| !line.starts_with("=> ")) {
        writeln!(is, "{line}").unwrap();
        if line.is_empty() || line.starts_with("##") {
            continue;
        }
        let crontab = crontab::parse(&unescaped(line), Form::Single, &seed("anna"), &CONTAINER);
        for entry in &crontab.entries {
            writeln!(is, "=> {}", contained(entry)).unwrap();
        }
        for said in crontab.diagnostics.iter().filter(|said| said.severity == Severity::Error) {
            writeln!(is, "=> refused: {}", said.message).unwrap();
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &is).unwrap();
        return;
    }
    for (was, is) in table.lines().zip(is.lines()) {
        assert_eq!(was, is);
    }
    assert_eq!(table.lines().count(), is.lines().count());
}

fn contained(entry: &Entry) -> String {
    let zone = entry.zone.as_deref().map_or_else(Zone::utc, |name| Zone::named(name).unwrap());
    let mut after = DateTime::parse_from_rfc3339("2026-01-30T23:58:30Z").unwrap().to_utc();
    let next = |after| match &entry.schedule {
        Schedule::Calendar(calendar) => calendar.next_after(after, &zone),
        Schedule::Seconds(seconds) => seconds.next_after(after, &zone),
        Schedule::Reboot | Schedule::Every(_) | Schedule::Never => None,
    };
    let mut is = String::new();
    for _ in 0..4 {
        let Some(due) = next(after) else { break };
        write!(is, "{} ", due.at.format("%Y-%m-%dT%H:%M:%S")).unwrap();
        after = due.at;
    }
    write!(is, "{:?}", entry.command.shown()).unwrap();
    for (name, value) in entry.environment.iter() {
        write!(is, " {}={:?}", name.shown(), value.shown()).unwrap();
    }
    is
}
