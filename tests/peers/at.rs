//! Real at, from its package, as the judge of what words mean: thousands of times of day and dates, some of them
//! garbled, each asked of both. What differs must be a defect of at that rat-at(1) tells of.
//!
//! Needs root, the network and a C compiler, so it is ignored by `cargo test`; `.ci/run` asks for it. RAT_SEED and
//! RAT_CASES choose what is asked.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use chrono::{DateTime, NaiveDate};
use rat::plan::civil::{Meaning, Offsets, Timestamp, meaning, reading};
use rat::syntax::timespec::{iso, parse, parse_touch, resolve};
use rat::zone::Zone;

/// How at is told the time, and how it tells what it understood without queueing anything: `-v` prints the due time
/// with asctime(3), which says the instant here and is the last thing at does.
const SHIM: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

time_t time(time_t *told)
{
    time_t now = atoll(getenv("RAT_PEER_NOW"));
    if (told)
        *told = now;
    return now;
}

char *asctime(const struct tm *due)
{
    struct tm copy = *due;
    printf("%lld", (long long)timegm(&copy) - due->tm_gmtoff);
    fflush(stdout);
    _exit(0);
}
"#;

/// at's own test of its parser calls `./parsetest NOW WORDS...`, which prints as ctime(3) does. Here rat answers.
const ADAPTER: &str = r#"#!/bin/sh
now=$1
shift
due=$("$RAT_AT" --dry-run --now "$now" -- "$*") || { echo Ooops...; exit 1; }
LC_ALL=C exec date -d "$due" +'%a %b %e %H:%M:%S %Y'
"#;

/// The sources of the package, asked for as the system asks for its packages.
const FETCH_SOURCE: &str = r#"
mkdir -p apt/parts apt/lists/partial apt/cache
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
    case $list in
        *.sources) sed 's/^Types:.*/Types: deb-src/' "$list" > "apt/parts/${list##*/}" ;;
        *.list) [ ! -f "$list" ] || sed 's/^deb /deb-src /' "$list" > "apt/parts/${list##*/}" ;;
    esac
done
apt() {
    apt-get -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$PWD/apt/parts" \
        -o Dir::State::Lists="$PWD/apt/lists" -o Dir::Cache="$PWD/apt/cache" "$@"
}
apt update
# Only the tarball of at's authors matters; a mirror may have dropped the packager's part of an older release.
apt source --download-only at || ls at_*.orig.tar.gz
tar -xzf at_*.orig.tar.gz --wildcards --strip-components=1 '*/parsetime.pl' '*/posixtm.c'
"#;

/// Where the peer and what belongs to it is kept, so that it is fetched once.
fn place() -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peer-at");
    fs::create_dir_all(&place).unwrap();
    place
}

/// Real at.
struct Peer {
    program: PathBuf,
    shim: PathBuf,
}

fn succeed(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}; without its peer this test means nothing");
}

/// Fetched once, whichever test is first.
static PEER: LazyLock<Peer> = LazyLock::new(Peer::fetch);

impl Peer {
    /// Unpacks the package and builds the shim.
    fn fetch() -> Peer {
        let place = place();
        let (program, shim) = (place.join("tree/usr/bin/at"), place.join("shim.so"));
        if !program.exists() {
            succeed(Command::new("apt-get").args(["-q", "download", "at"]).current_dir(&place));
            let unpack = "dpkg-deb -x at_*.deb tree";
            succeed(Command::new("sh").args(["-c", unpack]).current_dir(&place));
            // The loader heeds no LD_PRELOAD of a set-id program.
            fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        }
        let mut compiler = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-x", "c", "-", "-o"])
            .arg(&shim)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        compiler.stdin.take().unwrap().write_all(SHIM.as_bytes()).unwrap();
        assert!(compiler.wait().unwrap().success(), "cc");
        let peer = Peer { program, shim };
        let asked = Asked { zone: "UTC", now: 1_258_462_020, words: "now + 1 min" };
        assert_eq!(peer.answer(&asked, &["now + 1 min"]), Ok(1_258_462_080));
        peer
    }

    fn answer(&self, asked: &Asked<'_>, arguments: &[&str]) -> Result<i64, String> {
        let output = Command::new(&self.program)
            .arg("-v")
            .args(arguments)
            .env_clear()
            .env("LD_PRELOAD", &self.shim)
            .env("RAT_PEER_NOW", asked.now.to_string())
            .env("TZ", asked.zone)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        match String::from_utf8_lossy(&output.stdout).parse() {
            Ok(due) if output.status.success() => Ok(due),
            _ => Err(String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ")),
        }
    }
}

/// What both are asked.
struct Asked<'a> {
    zone: &'a str,
    now: i64,
    words: &'a str,
}

fn ours(asked: &Asked<'_>, zone: &Zone) -> Result<i64, String> {
    let now = instant(asked.now);
    parse(asked.words)
        .and_then(|timespec| resolve(&timespec, now, zone))
        .map(|due| due.timestamp())
        .map_err(|wrong| wrong.message)
}

fn instant(seconds: i64) -> Timestamp {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

/// Chance that can be had again (xorshift64).
struct Chance(u64);

impl Chance {
    /// RAT_SEED, or a seed of the moment; printed, so that a failure can be had again.
    fn of_environment() -> Chance {
        let given = std::env::var("RAT_SEED").ok().map(|seed| seed.parse().unwrap());
        let seed = given.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            u64::from(now.subsec_nanos()) << 20 | u64::from(std::process::id())
        });
        println!("RAT_SEED={seed}");
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % bound as u64).unwrap()
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn between(&mut self, first: usize, last: usize) -> usize {
        first + self.below(last - first + 1)
    }
}

const ZONES: &[&str] = &[
    "UTC",
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
    "Pacific/Apia",
    "America/Sao_Paulo",
];

/// A moment: any, the ends of months and years, and the days on which clocks change.
fn moment(chance: &mut Chance) -> i64 {
    const DAYS: &[(i32, u32, u32)] = &[
        (2026, 12, 31),
        (2027, 1, 1),
        (2028, 2, 28),
        (2028, 2, 29),
        (2027, 2, 28),
        (2026, 1, 31),
        (2026, 3, 8),
        (2026, 11, 1),
        (2027, 3, 28),
        (2026, 10, 4),
    ];
    let random = 1_767_225_600 + i64::try_from(chance.below(12 * 31_557_600)).unwrap();
    if chance.below(3) > 0 {
        return random;
    }
    let (year, month, day) = chance.one_of(DAYS);
    let date = NaiveDate::from_ymd_opt(year, month, day).unwrap().and_hms_opt(0, 0, 0).unwrap();
    date.and_utc().timestamp() + random.rem_euclid(86_400)
}

const MONTHS: &[&str] = &[
    "jan",
    "february",
    "Mar",
    "apr",
    "may",
    "JUNE",
    "jul",
    "august",
    "sep",
    "september",
    "oct",
    "nov",
    "december",
    "dec",
];
const WEEKDAYS: &[&str] =
    &["mon", "tuesday", "Wed", "thu", "thursday", "FRI", "saturday", "sun", "Sunday"];
const UNITS: &[&str] = &[
    "min", "minute", "minutes", "hour", "hours", "day", "days", "week", "weeks", "month", "months",
    "year", "years",
];

fn clock(chance: &mut Chance) -> String {
    let (hour, minute) = (chance.between(0, 24), chance.between(0, 60));
    let mark = chance.one_of(&[":", ":", ":", ":", "'", "h", ",", "."]);
    match chance.below(10) {
        0 => "noon".to_owned(),
        1 => "midnight".to_owned(),
        2 => "teatime".to_owned(),
        3 => format!("{hour:02}{minute:02}"),
        4 => format!("{}{}", chance.between(0, 12), chance.one_of(&["am", " pm", "PM", " am"])),
        5 => format!("{}{mark}{minute:02} {}", chance.between(0, 12), chance.one_of(&["am", "pm"])),
        6 => format!("{hour:02}{mark}{minute:02}"),
        _ => format!("{hour}:{minute:02}"),
    }
}

fn year(chance: &mut Chance) -> String {
    match chance.below(8) {
        0 => format!("{:02}", chance.below(100)),
        1 => format!("{:04}", chance.below(2500)),
        2 | 3 => format!("{}", chance.between(26, 40)),
        _ => format!("{}", chance.between(2026, 2040)),
    }
}

fn date(chance: &mut Chance) -> String {
    let month = chance.one_of(MONTHS);
    let day = chance.between(1, 31);
    let number = chance.between(1, 12);
    match chance.below(16) {
        0 => "today".to_owned(),
        1 => "tomorrow".to_owned(),
        2 | 3 => chance.one_of(WEEKDAYS).to_owned(),
        4 => format!("next {}", chance.one_of(WEEKDAYS)),
        5 => format!("next {}", chance.one_of(UNITS)),
        6 | 7 => format!("{month} {day}"),
        8 => format!("{month} {day} {}", year(chance)),
        9 => format!("{month} {day}, {}", year(chance)),
        10 => format!("{day} {month}"),
        11 => format!("{day} {month} {}", year(chance)),
        12 => format!("{}-{number:02}-{day:02}", year(chance)),
        13 => format!("{day}.{number}.{}", year(chance)),
        14 => format!("{number}/{day}/{}", year(chance)),
        _ => format!("{number:02}{day:02}{}", year(chance)),
    }
}

fn increment(chance: &mut Chance) -> String {
    let most = chance.one_of(&[3, 30, 100, 2000]);
    let (sign, unit) = (chance.one_of(&["+", "+", "+", "-"]), chance.one_of(UNITS));
    format!("{sign} {} {unit}", chance.between(0, most))
}

/// Words of at's own grammar.
fn words(chance: &mut Chance) -> String {
    let time = |chance: &mut Chance| match chance.below(12) {
        0 => clock(chance) + " utc",
        _ => clock(chance),
    };
    let base = match chance.below(8) {
        0 => "now".to_owned(),
        1 | 2 => time(chance),
        3 | 4 => date(chance),
        _ => format!("{} {}", time(chance), date(chance)),
    };
    match chance.below(5) {
        0 | 1 => format!("{base} {}", increment(chance)),
        _ => base,
    }
}

/// One slip of the fingers: a letter, a blank or a whole word gone, doubled, changed or swapped.
fn slip(words: &str, chance: &mut Chance) -> String {
    if chance.below(2) == 0 {
        let mut pieces: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let at = chance.below(pieces.len());
        match chance.below(4) {
            0 => drop(pieces.remove(at)),
            1 => pieces.insert(at, pieces[at].clone()),
            2 => pieces.swap(at, 0),
            _ => pieces[at] = self::words(chance),
        }
        return pieces.join(chance.one_of(&[" ", " ", "", "  "]));
    }
    let mut letters: Vec<char> = words.chars().collect();
    let at = chance.below(letters.len());
    let other = chance.one_of(&[
        '0', '1', '2', '9', ' ', ':', '.', ',', '-', '+', '/', 's', 'a', 'p', 'm', 'h', '\'',
    ]);
    match chance.below(4) {
        0 => drop(letters.remove(at)),
        1 => letters.insert(at, other),
        2 => letters[at] = other,
        _ => letters.swap(at, 0),
    }
    letters.into_iter().collect()
}

/// One case, and what both made of it.
struct Answers<'a> {
    asked: &'a Asked<'a>,
    zone: &'a Zone,
    theirs: Result<i64, String>,
    ours: Result<i64, String>,
}

impl std::fmt::Display for Answers<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |answer: &Result<i64, String>| match answer {
            Ok(due) => iso(instant(*due), self.zone),
            Err(why) => why.clone(),
        };
        let (theirs, ours) = (shown(&self.theirs), shown(&self.ours));
        let now = iso(instant(self.asked.now), self.zone);
        let Asked { zone, words, .. } = self.asked;
        write!(f, "{zone} | {now} | {words} | at {theirs} | rat {ours}")
    }
}

impl Answers<'_> {
    fn agree(&self) -> bool {
        match (&self.theirs, &self.ours) {
            (Ok(theirs), Ok(ours)) => theirs == ours,
            (Err(_), Err(_)) => true,
            _ => false,
        }
    }

    /// Which defect of at makes the difference, of those that rat-at(1) tells of.
    fn defect(&self) -> Option<&'static str> {
        let known = [
            ("years from 100 to 1900 are taken for others", self.is_early_year()),
            ("utc is set beside the local day", self.is_utc()),
            ("hours and days are counted on the clock", self.is_clock_change()),
            ("the next day is told by the day of the month alone", self.is_month_on()),
            ("there is no end to years", self.is_far()),
            ("a day that its zone skipped is counted", self.is_skipped_day()),
        ];
        known.iter().find(|(_, is)| *is).map(|(name, _)| *name)
    }

    fn is_early_year(&self) -> bool {
        let runs = self.asked.words.split(|c: char| !c.is_ascii_digit());
        let mut years = runs.filter(|run| run.len() >= 4);
        self.theirs.is_ok()
            && years.any(|run| (100..=1900).contains(&run[run.len() - 4..].parse().unwrap_or(0)))
    }

    fn is_utc(&self) -> bool {
        let offset = self.zone.span_at(self.asked.now).offset;
        let is_a_day_off = match (&self.theirs, &self.ours) {
            (Ok(theirs), Ok(ours)) => (theirs - ours).rem_euclid(86_400) == 0,
            (theirs, Ok(_)) => is_past(theirs),
            (_, ours) => is_past(ours),
        };
        offset != 0 && self.asked.words.to_lowercase().contains("utc") && is_a_day_off
    }

    /// No more than a change of the clock, or two, and there is one: near the time itself where none is counted from.
    fn is_clock_change(&self) -> bool {
        const YEAR: i64 = 366 * 86_400;
        let Asked { now, words, .. } = *self.asked;
        let off = match (&self.theirs, &self.ours) {
            (Ok(theirs), Ok(ours)) => theirs - ours,
            (theirs, Ok(ours)) if is_past(theirs) => ours - now,
            (Ok(theirs), ours) if is_past(ours) => theirs - now,
            _ => return false,
        };
        let due = self.ours.as_ref().or(self.theirs.as_ref()).copied().unwrap_or(now);
        let words = words.to_lowercase();
        let is_counted = words.contains(['+', '-'])
            || ["next", "tomorrow", "mon", "tue", "wed", "thu", "fri", "sat", "sun"]
                .iter()
                .any(|word| words.contains(word));
        let (from, to) =
            if is_counted { (now - YEAR, due.max(now) + YEAR) } else { (due - 7200, due + 7200) };
        // What at takes for past after a change of today is a day on.
        let changes_today = self.zone.span_at(now - 86_400).ends < now + 86_400;
        let off = if changes_today && off > 40_000 { off - 86_400 } else { off };
        // What is carried on to the next year keeps what at makes of the change in this one, and meets another.
        let most = if due - now > YEAR / 2 { 2 * 3600 + 60 } else { 3660 };
        off.abs() <= most && self.zone.span_at(from).ends < to
    }

    fn is_month_on(&self) -> bool {
        let words = self.asked.words.to_lowercase();
        match (&self.theirs, &self.ours) {
            (Ok(theirs), Ok(ours)) => {
                (theirs - ours - 86_400).abs() <= 3600
                    && ours - self.asked.now > 27 * 86_400
                    && (words.contains("min") || words.contains("hour"))
            }
            _ => false,
        }
    }

    fn is_skipped_day(&self) -> bool {
        let (Ok(theirs), Ok(ours)) = (&self.theirs, &self.ours) else { return false };
        let mut spans = vec![self.zone.span_at(0)];
        while let Some(last) = spans.last().copied().filter(|last| last.ends < *ours) {
            spans.push(self.zone.span_at(last.ends));
        }
        let skips =
            |pair: &[rat::plan::civil::Span]| (pair[0].offset - pair[1].offset).abs() > 80_000;
        (theirs - ours).abs() == 86_400 && spans.windows(2).any(skips)
    }

    fn is_far(&self) -> bool {
        self.theirs.is_ok() && self.ours.as_ref().is_err_and(|why| why == "too far away")
    }
}

fn is_past(answer: &Result<i64, String>) -> bool {
    answer.as_ref().is_err_and(|why| why.contains("past"))
}

#[test]
#[ignore = "needs the package of at; .ci/run asks for it"]
fn words_mean_what_they_mean_to_at() {
    let peer = &*PEER;
    let mut chance = Chance::of_environment();
    let cases = std::env::var("RAT_CASES").map_or(6000, |cases| cases.parse().unwrap());
    let (mut accepted, mut known, mut beyond) = (0, BTreeMap::new(), 0);
    for case in 0..cases {
        let zone_name = chance.one_of(ZONES);
        let zone = Zone::named(zone_name).unwrap();
        let mut words = words(&mut chance);
        let is_garbled = case % 3 == 0;
        if is_garbled {
            words = slip(&words, &mut chance);
        }
        // What begins with a minus is an option, or an error of getopt(3).
        if words.trim_start().starts_with('-') {
            continue;
        }
        let asked = Asked { zone: zone_name, now: moment(&mut chance), words: &words };
        let theirs = peer.answer(&asked, &[&words]);
        let answers = Answers { asked: &asked, zone: &zone, theirs, ours: ours(&asked, &zone) };
        accepted += usize::from(answers.theirs.is_ok());
        if answers.agree() {
            continue;
        }
        if let Some(defect) = answers.defect() {
            *known.entry(defect).or_insert(0) += 1;
            continue;
        }
        let is_grammar = answers.theirs.as_ref().is_err_and(|why| !why.contains("past"));
        assert!(is_garbled && is_grammar && answers.ours.is_ok(), "{answers}");
        assert!(means_in_other_words(peer, &answers), "in no words of at's: {answers}");
        beyond += 1;
    }
    println!("{cases} asked, {accepted} accepted by at, {beyond} by rat alone; defects: {known:?}");
    assert!(accepted * 3 > cases, "at accepted only {accepted}");
}

/// What `-t` takes: most of the time something that there is.
fn touch(chance: &mut Chance) -> String {
    let year = match chance.below(4) {
        0 => String::new(),
        1 => format!("{:02}", chance.below(100)),
        2 => format!("{:04}", chance.between(1960, 2045)),
        _ => format!("{}", chance.between(2026, 2040)),
    };
    let seconds = match chance.below(4) {
        0 => format!(".{:02}", chance.between(0, 61)),
        _ => String::new(),
    };
    let (month, day) = (chance.between(1, 12), chance.between(1, 31));
    let (hour, minute) = match chance.below(8) {
        0 => (chance.between(0, 25), chance.between(0, 61)),
        // Where clocks change.
        1 | 2 => (chance.between(0, 3), chance.between(0, 59)),
        _ => (chance.between(0, 23), chance.between(0, 59)),
    };
    let text = format!("{year}{month:02}{day:02}{hour:02}{minute:02}{seconds}");
    match chance.below(12) {
        0 => slip(&text, chance),
        _ => text,
    }
}

#[test]
#[ignore = "needs the package of at; .ci/run asks for it"]
fn the_times_of_touch_mean_what_they_mean_to_at() {
    let peer = &*PEER;
    let mut chance = Chance::of_environment();
    let cases = std::env::var("RAT_CASES").map_or(6000, |cases| cases.parse().unwrap()) / 2;
    let (mut agreed, mut past, mut twice) = (0, 0, 0);
    for _ in 0..cases {
        let zone_name = chance.one_of(ZONES);
        let zone = Zone::named(zone_name).unwrap();
        let text = touch(&mut chance);
        let asked = Asked { zone: zone_name, now: moment(&mut chance), words: &text };
        // A blank and a word behind it would be words.
        if text.contains(' ') || text.starts_with('-') {
            continue;
        }
        let theirs = peer.answer(&asked, &["-t", &text]);
        let ours = parse_touch(&text, instant(asked.now), &zone);
        let ours = ours.map(|due| due.timestamp()).map_err(|wrong| wrong.message);
        let answers = Answers { asked: &asked, zone: &zone, theirs, ours };
        // at never looks whether the time has passed.
        let is_past_to_at = |due: &i64| *due < asked.now.div_euclid(60) * 60;
        // Where the clock shows a time twice at leaves the choice to mktime(3).
        let is_shown_twice =
            |due: &i64| matches!(meaning(&zone, reading(&zone, instant(*due))), Meaning::Twice(..));
        match (&answers.theirs, &answers.ours) {
            (Ok(due), Err(why)) if is_past_to_at(due) && why.contains("past") => past += 1,
            (Ok(due), _) if is_shown_twice(due) => twice += 1,
            _ => {
                assert!(answers.agree(), "{answers}");
                agreed += usize::from(answers.theirs.is_ok());
            }
        }
    }
    println!("{cases} asked, {agreed} the same minute, {past} past, {twice} shown twice");
    assert!(agreed * 4 > cases && past > 0, "only {agreed} agreed");
}

/// A file of at's sources.
fn source(name: &str) -> PathBuf {
    static SOURCES: LazyLock<PathBuf> = LazyLock::new(|| {
        let place = place();
        if !place.join("posixtm.c").exists() {
            succeed(Command::new("sh").args(["-e", "-c", FETCH_SOURCE]).current_dir(&place));
        }
        place
    });
    SOURCES.join(name)
}

/// The table that at's authors test `-t` by: what is written, in which syntax, the second, and its date; `*` for what is
/// none. Syntax 13 is that of at; the year is in front or left out, and then it is 2002.
#[test]
#[ignore = "needs the sources of at; .ci/run asks for it"]
fn what_is_written_for_touch_is_what_at_s_own_table_says() {
    let text = fs::read_to_string(source("posixtm.c")).unwrap();
    let (_, table) = text.split_once("BEGIN-DATA\n").unwrap();
    let (table, _) = table.split_once("END-DATA").unwrap();
    let mut asked = 0;
    for line in table.lines() {
        let mut words = line.split_whitespace();
        let (written, syntax, due) = (words.next(), words.next(), words.next().unwrap());
        // The table has no 29th of February in the year 0, which RFC 3339 and the C library have.
        if syntax != Some("13") || written == Some("000001010000.00") {
            continue;
        }
        // A moment before: what is past is refused.
        let now = due.parse().map_or(0, |due: i64| due - 1).to_string();
        let mut at = Command::new(env!("CARGO_BIN_EXE_rat-at"));
        at.args(["--dry-run", "--now", &now, "-t", written.unwrap()]).env("TZ", "UTC0");
        let output = at.output().unwrap();
        let ours = match output.status.success() {
            true => DateTime::parse_from_rfc3339(String::from_utf8_lossy(&output.stdout).trim())
                .unwrap()
                .timestamp()
                .to_string(),
            false => "*".to_owned(),
        };
        assert_eq!(ours, due, "{line}: {}", String::from_utf8_lossy(&output.stderr));
        asked += 1;
    }
    assert!(asked >= 36, "only {asked} lines");
}

#[test]
#[ignore = "needs the sources of at; .ci/run asks for it"]
fn at_s_own_suite_passes() {
    let (place, script) = (place(), source("parsetime.pl"));
    let adapter = place.join("parsetest");
    fs::write(&adapter, ADAPTER).unwrap();
    fs::set_permissions(&adapter, PermissionsExt::from_mode(0o755)).unwrap();
    let output = Command::new("perl")
        .arg(&script)
        .current_dir(&place)
        .env("RAT_AT", env!("CARGO_BIN_EXE_rat-at"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let passed = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(passed >= 25, "only {passed} of at's own cases passed");
}

/// Whether some of at's own words, a few rewritings away, mean to at what rat makes of words that at refuses.
fn means_in_other_words(peer: &Peer, answers: &Answers<'_>) -> bool {
    const MOST: usize = 3000;
    let mut seen = vec![answers.asked.words.to_lowercase()];
    let mut next = 0;
    while next < seen.len().min(MOST) {
        let words = seen[next].clone();
        next += 1;
        let asked = Asked { words: &words, ..*answers.asked };
        let theirs = peer.answer(&asked, &[&words]);
        let retold = Answers { asked: &asked, theirs, ours: answers.ours.clone(), ..*answers };
        // Its defects make it take some words for the past.
        let is_read = retold.theirs.is_ok() || is_past(&retold.theirs);
        if is_read && (retold.agree() || retold.defect().is_some()) {
            return true;
        }
        for other in rewritings(&words) {
            if !seen.contains(&other) {
                seen.push(other);
            }
        }
    }
    false
}

/// The words said in each other way that rat-at(1) lists.
fn rewritings(words: &str) -> Vec<String> {
    let pieces = pieces(words);
    let said = |pieces: &[String]| pieces.join(" ").replace(" : ", ":");
    let with = |at: usize, count: usize, text: &str| {
        let mut changed = pieces.clone();
        changed.splice(at..at + count, [text.to_owned()]);
        said(&changed)
    };
    let mut all = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let is_number = |piece: &str| piece.bytes().all(|byte| byte.is_ascii_digit());
        match (piece.as_str(), pieces.get(at + 1), pieces.get(at + 2)) {
            ("next", Some(unit), _) => all.push(with(at, 2, &format!("+ 1 {unit}"))),
            (_, Some(mark), Some(minute))
                if matches!(mark.as_str(), ":" | "h") && is_number(minute) =>
            {
                all.push(with(at, 3, &format!("{piece}:{minute:0>2}")));
            }
            _ => {}
        }
        match piece.len() {
            1 | 2 if is_number(piece) => all.push(with(at, 1, &format!("{piece}:00"))),
            4 if is_number(piece) => {
                all.push(with(at, 1, &format!("{}:{}", &piece[..2], &piece[2..])));
            }
            _ => {}
        }
        // Words and marks that are run together.
        for cut in 1..piece.len() {
            let (one, other) = piece.split_at(cut);
            if !(is_number(one) && is_number(other)) {
                all.push(with(at, 1, &format!("{one} {other}")));
            }
        }
        if let Some((hour, minute)) = piece.split_once(':') {
            all.push(with(at, 1, &format!("{hour}:{minute:0>2}")));
        }
        for (forgiven, own) in [("mins", "min"), ("hr", "hour"), ("hrs", "hour"), ("sept", "sep")] {
            if piece == forgiven {
                all.push(with(at, 1, own));
            }
        }
        // The time in front of the date.
        for count in 1..=3.min(pieces.len() - at) {
            let mut moved = pieces.clone();
            let clock: Vec<String> = moved.drain(at..at + count).collect();
            moved.splice(0..0, clock);
            all.push(said(&moved));
        }
    }
    all
}

/// Words, numbers with the marks inside them, and other marks.
fn pieces(words: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut joins = false;
    let letters: Vec<char> = words.chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        let kind = |letter: &char| (letter.is_ascii_digit(), letter.is_ascii_alphabetic());
        let is_inside = |letter: &char| {
            !letter.is_ascii_alphanumeric()
                && !letter.is_whitespace()
                && *letter != '+'
                && at > 0
                && letters[at - 1].is_ascii_digit()
                && letters.get(at + 1).is_some_and(char::is_ascii_digit)
        };
        if letter.is_whitespace() {
            joins = false;
        } else if is_inside(letter) {
            pieces.last_mut().expect("a digit stands before it").push(*letter);
            joins = true;
        } else {
            let same = at > 0
                && (kind(&letters[at - 1]) == kind(letter)
                    || !letters[at - 1].is_ascii_alphanumeric());
            match pieces.last_mut() {
                Some(piece) if joins && same && letter.is_ascii_alphanumeric() => {
                    piece.push(*letter)
                }
                _ => pieces.push(letter.to_string()),
            }
            joins = letter.is_ascii_alphanumeric();
        }
    }
    pieces
}
