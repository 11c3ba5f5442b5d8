//! at's words against a table, and against noise. `UPDATE=1 cargo test` rewrites the table's results.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use chrono::{DateTime, FixedOffset, NaiveDateTime};
use rat::plan::civil::{Meaning, Timestamp, meaning, reading};
use rat::syntax::diagnostic::Diagnostic;
use rat::syntax::timespec::{iso, parse, parse_touch, resolve};
use rat::zone::Zone;

/// `zone | now | words`, or `zone | now | -t text`: the instant, or why not and at which bytes of the words.
fn answer(case: &str) -> String {
    let [zone, now, words] = case
        .splitn(3, '|')
        .map(|field| field.strip_prefix(' ').unwrap_or(field))
        .collect::<Vec<_>>()
        .try_into()
        .unwrap_or_else(|_| panic!("zone | now | words: {case}"));
    let zone = Zone::named(zone.trim()).unwrap();
    let now = present(now.trim(), &zone);
    let due = match words.strip_prefix("-t ") {
        Some(text) => parse_touch(text, now, &zone),
        None => parse(words).and_then(|timespec| resolve(&timespec, now, &zone)),
    };
    match due {
        Ok(due) => iso(due, &zone),
        Err(Diagnostic { message, columns, help, .. }) => {
            let help = help.map_or(String::new(), |help| format!("; {help}"));
            format!("refused at {}..{}: {message}{help}", columns.start, columns.end)
        }
    }
}

/// A civil reading, or one with its offset where the clock shows it twice.
fn present(text: &str, zone: &Zone) -> Timestamp {
    match text.parse::<DateTime<FixedOffset>>() {
        Ok(now) => now.to_utc(),
        Err(_) => meaning(zone, text.parse::<NaiveDateTime>().unwrap()).instant(),
    }
}

#[test]
fn every_line_of_the_table_holds() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/timespecs.txt");
    let table = std::fs::read_to_string(&path).unwrap();
    let mut cases = 0;
    let mut found = String::new();
    for line in table.lines() {
        match line.rsplit_once(" | ") {
            Some((case, _)) if !line.starts_with('#') => {
                cases += 1;
                found.push_str(&format!("{case} | {}\n", answer(case)));
            }
            _ => found.push_str(&format!("{line}\n")),
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, found).unwrap();
        return;
    }
    for (wanted, found) in table.lines().zip(found.lines()) {
        assert_eq!(wanted, found);
    }
    assert!(cases >= 250, "only {cases} cases");
}

/// Noise that is the same every time (xorshift64).
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

const SOUP: &[&str] = &[
    "now",
    "am",
    "pm",
    "noon",
    "midnight",
    "teatime",
    "today",
    "tomorrow",
    "next",
    "utc",
    "mon",
    "sunday",
    "thurs",
    "jan",
    "feb",
    "sept",
    "december",
    "min",
    "hours",
    "day",
    "weeks",
    "month",
    "years",
    "hr",
    "+",
    "-",
    "/",
    ",",
    ":",
    ".",
    "0",
    "1",
    "8",
    "12",
    "24",
    "29",
    "31",
    "99",
    "815",
    "0815",
    "2400",
    "2026",
    "2027",
    "0229",
    "9999",
    "073126",
    "02292028",
    "999999999",
    "99999999999999999999",
    "10:30",
    "24:00",
    "1:60",
    "10h30",
    "2028-02-29",
    "26-7-31",
    "31.7.2026",
    "7/31/2026",
    "tommorow",
    "é",
    "\u{0}",
    "'",
];

/// What `-t` makes of an instant as it prints it; the instant itself where the clock shows that reading twice.
fn reparsed(due: Timestamp, now: Timestamp, zone: &Zone) -> Option<Timestamp> {
    let shown = reading(zone, due);
    match meaning(zone, shown) {
        Meaning::Once(_) => {}
        Meaning::Twice(..) | Meaning::Skipped(_) => return Some(due),
    }
    let touch = parse_touch(&shown.format("%Y%m%d%H%M").to_string(), now, zone).ok();
    let words = shown.format("%H:%M %Y-%m-%d").to_string();
    let words = parse(&words).and_then(|timespec| resolve(&timespec, now, zone)).ok();
    touch.filter(|touch| words == Some(*touch))
}

#[test]
fn no_soup_of_words_is_answered_with_the_past() {
    let zones = ["UTC", "America/New_York", "Australia/Lord_Howe", "Europe/Berlin", "Pacific/Apia"]
        .map(|name| Zone::named(name).unwrap());
    let mut noise = Noise(0x2026_0715_1234_5678);
    let mut resolved = 0;
    for _ in 0..20_000 {
        let mut words = String::new();
        for _ in 0..=noise.below(6) {
            words.push_str(noise.one_of(SOUP));
            words.push_str(noise.one_of(&["", " ", " ", " ", "\t", "\n"]));
        }
        let zone = &zones[noise.below(zones.len())];
        let now = i64::try_from(noise.below(4_200_000_000)).unwrap();
        let now = DateTime::from_timestamp(now, 0).unwrap();
        match parse(&words).and_then(|timespec| resolve(&timespec, now, zone)) {
            Ok(due) => {
                assert_eq!(reparsed(due, now, zone), Some(due), "{words:?} at {now} in {zone:?}");
                let minute = now.timestamp().div_euclid(60) * 60;
                assert!(due.timestamp() >= minute, "{words:?} at {now} in {zone:?}: {due}");
                assert_eq!(due.timestamp() % 60, 0, "{words:?} at {now} in {zone:?}: {due}");
                resolved += 1;
            }
            Err(wrong) => {
                assert!(words.get(wrong.columns.clone()).is_some(), "{words:?}: {wrong:?}");
            }
        }
    }
    assert!(resolved > 400, "only {resolved} of the soups mean anything");
}

#[test]
fn no_bytes_make_it_panic() {
    let mut noise = Noise(42);
    let now = DateTime::from_timestamp(1_784_133_296, 0).unwrap();
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..noise.below(20))
            .map(|_| match noise.below(3) {
                0 => u8::try_from(noise.below(256)).unwrap(),
                1 => b"0123456789:.,-+/'"[noise.below(17)],
                _ => b"aehimnoprtuy "[noise.below(13)],
            })
            .collect();
        let text = String::from_utf8_lossy(&bytes);
        if let Err(wrong) = parse(&text) {
            assert!(text.get(wrong.columns.clone()).is_some(), "{text:?}: {wrong:?}");
            wrong.picture("words", &text);
        }
        let _ = parse_touch(&text, now, &Zone::utc());
    }
}

#[test]
fn the_ends_of_the_calendar_are_refused() {
    let zone = Zone::named("Asia/Tokyo").unwrap();
    for now in [Timestamp::MAX_UTC, Timestamp::MIN_UTC] {
        for words in [
            "teatime tomorrow",
            "now",
            "10:00",
            "24:00",
            "monday",
            "jul 4",
            "now - 1 day",
            "noon utc",
        ] {
            let timespec = parse(words).unwrap();
            assert!(resolve(&timespec, now, &zone).is_err(), "{words} at {now}");
        }
    }
    assert!(parse_touch("12312359", Timestamp::MAX_UTC, &zone).is_err());
}
