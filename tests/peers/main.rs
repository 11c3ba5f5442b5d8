//! rat beside the crons it takes the place of: the same crontabs, the same days, one after the other and compared.
//! The others are fetched by tests/peers/fetch, so these tests are run by `.ci/run`:
//!
//!     tests/peers/fetch && cargo test --test peers -- --ignored --nocapture
//!
//! PEERS_SEED and PEERS_CASES repeat a run, or make it longer.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../simulation/chance.rs"]
mod chance;
mod generate;
mod ours;
mod peer;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, LazyLock};

use chrono::NaiveDate;

use rat::plan::job::Job;
use rat::plan::schedule::Schedule;
use rat::syntax::crontab::{self, Form};
use rat::syntax::diagnostic::Severity;
use rat::syntax::dialect::{BUSYBOX, CRONIE, DEBIAN, Dialect, Fields, RAT, Vixie};
use rat::syntax::seed::Seed;

use crate::chance::Chance;
use crate::generate::{Case, Whose};
use crate::peer::{Peer, Record, Stretch};

/// cronie as trixie has it: ranges down to 0 end in 7 only in later versions, which the dialect follows.
static CRONIE_1_7_2: LazyLock<Dialect> = LazyLock::new(|| Dialect {
    fields: match CRONIE.fields {
        Fields::Vixie(vixie) => Fields::Vixie(Vixie { zero_is_seven: false, ..vixie }),
        other => other,
    },
    manner: CRONIE.manner.clone(),
    ..CRONIE
});

/// Whether one of the fields draws a number: each cron draws its own, and takes the line or not as it comes out.
fn draws(case: &Case, peer: Peer) -> bool {
    let is_blank = |byte: &u8| b" \t".contains(byte);
    let words = |line: &[u8]| -> Vec<Vec<u8>> {
        let words = line.split(is_blank).filter(|word| !word.is_empty());
        words.take(5).map(<[u8]>::to_vec).collect()
    };
    let mut lines = case.text.split(|byte| b"\n\0".contains(byte));
    peer == Peer::Cronie && lines.any(|line| words(line).iter().any(|word| word.contains(&b'~')))
}

/// Numbers of more than 31 bits make busybox write where it should not, until it dies; of a nickname Debian's build,
/// which is without directories of crontabs, dies at once.
fn breaks(case: &Case, peer: Peer) -> bool {
    let is_long = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
    peer == Peer::Busybox && (case.text.contains(&b'@') || case.text.windows(10).any(is_long))
}

fn dialect(peer: Peer) -> &'static Dialect {
    match peer {
        Peer::Debian => &DEBIAN,
        Peer::Cronie => &CRONIE_1_7_2,
        Peer::Busybox => &BUSYBOX,
        Peer::Bcron => &RAT,
    }
}

/// Whether there is a source by now; if not it is said why.
fn is_there(what: &str, file: &str) -> bool {
    let there = peer::peers().join(file).exists();
    if !there {
        let why = std::fs::read_to_string(peer::peers().join(what).with_extension("why"));
        println!("skipped: {}", why.unwrap_or_else(|_| format!("{what}: run tests/peers/fetch")));
    }
    there
}

fn is_cronie_there() -> bool {
    is_there("cronie", "cronie/src/crond")
}

fn seed() -> u64 {
    let seed = std::env::var("PEERS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("PEERS_SEED={seed}");
    seed
}

fn count(usual: usize) -> usize {
    std::env::var("PEERS_CASES").ok().and_then(|count| count.parse().ok()).unwrap_or(usual)
}

fn place(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("rat-peers-{}-{name}", std::process::id()))
}

fn midnight(year: i32, month: u32, day: u32) -> i64 {
    NaiveDate::from_ymd_opt(year, month, day)
        .unwrap()
        .and_hms_opt(0, 0, 0)
        .unwrap()
        .and_utc()
        .timestamp()
}

/// Whole days: ends of months, leap days, and others as they come.
fn days(chance: &mut Chance) -> Vec<Stretch> {
    let mut days: Vec<i64> = [
        (2024, 2, 28),
        (2024, 2, 29),
        (2025, 2, 28),
        (2026, 1, 31),
        (2026, 4, 30),
        (2026, 12, 31),
        (2027, 1, 1),
    ]
    .map(|(year, month, day)| midnight(year, month, day))
    .to_vec();
    days.extend((0..5).map(|_| midnight(2025, 1, 1) + 86_400 * chance.between(0, 1500)));
    days.sort_unstable();
    days.dedup();
    let mut stretches: Vec<Stretch> = Vec::new();
    for day in days {
        match stretches.last_mut() {
            Some(last) if last.1 == day => last.1 += 86_400,
            _ => stretches.push((day, day + 86_400)),
        }
    }
    stretches
}

/// Starts of one case, as they are compared: a command and its minutes.
type Minutes = BTreeMap<Vec<u8>, Vec<i64>>;

fn minutes_of_peer(record: &Record, case: usize, within: &[Stretch]) -> Minutes {
    let mut minutes = Minutes::new();
    for (at, id) in &record.starts[case] {
        if within.iter().any(|(from, until)| (*from..*until).contains(at)) {
            let Some(started) = record.started.get(id) else { continue };
            let command = started.command.clone();
            minutes.entry(command).or_default().push(at.div_euclid(60) * 60);
        }
    }
    minutes.values_mut().for_each(|minutes| minutes.sort_unstable());
    minutes
}

fn can_start(job: &Job) -> bool {
    ["root", "nobody", "user"].contains(&job.owner.as_str())
}

fn minutes_of_ours(jobs: &[Arc<Job>], within: &[Stretch]) -> Minutes {
    let mut minutes = Minutes::new();
    for job in jobs.iter().filter(|job| can_start(job)) {
        let due = ours::due(job, within);
        if !due.is_empty() {
            minutes.entry(job.recipe.command.0.clone()).or_default().extend(due);
        }
    }
    minutes.values_mut().for_each(|minutes| minutes.sort_unstable());
    minutes
}

/// Differences found, of which the first few are shown.
#[derive(Default)]
struct Differences {
    count: usize,
    cases: usize,
}

impl Differences {
    fn add(&mut self, peer: Peer, case: &Case, what: &str) {
        self.count += 1;
        if self.count <= 40 {
            let text = case.text.escape_ascii().to_string();
            let text = text.get(..600).unwrap_or(&text);
            println!("{peer:?}, {:?}: {text}\n    {what}", case.whose);
        }
    }

    fn end(&self, peer: Peer) {
        println!("{peer:?}: {} cases, {} differences", self.cases, self.count);
        assert_eq!(self.count, 0, "{peer:?} differs");
    }
}

fn shown(minutes: &[i64]) -> String {
    let shown =
        |at: &i64| chrono::DateTime::from_timestamp(*at, 0).unwrap().format("%F %H:%M").to_string();
    minutes.iter().take(3).map(shown).collect::<Vec<_>>().join(", ")
}

fn compare_minutes(theirs: &Minutes, ours: &Minutes) -> Option<String> {
    if theirs == ours {
        return None;
    }
    let none = Vec::new();
    let differs = |command: &&Vec<u8>| theirs.get(*command) != ours.get(*command);
    let command = theirs.keys().chain(ours.keys()).find(differs)?;
    let (theirs, ours) = (theirs.get(command).unwrap_or(&none), ours.get(command).unwrap_or(&none));
    Some(format!(
        "{}: it starts {} and rat {}; only it: {}; only rat: {}",
        command.escape_ascii(),
        theirs.len(),
        ours.len(),
        shown(&missing(theirs, ours)),
        shown(&missing(ours, theirs)),
    ))
}

/// Everything a case shows on ordinary days.
fn beside(peer: Peer, usual: usize) {
    let mut chance = Chance::new(seed());
    let mut differences = Differences::default();
    let root = ours::machine_in("UTC", &place(&format!("{peer:?}-utc")));
    let mut left = count(usual);
    while left > 0 {
        // busybox looks its users up in one long file, again for each start.
        let batch = left.min(if peer == Peer::Busybox { 200 } else { 3000 });
        left -= batch;
        let cases: Vec<Case> = (0..batch)
            .map(|number| match peer {
                Peer::Bcron => generate::plain(&mut chance, number),
                _ => generate::case(&mut chance),
            })
            .collect();
        let mut cases: Vec<Case> = cases.into_iter().filter(|case| !breaks(case, peer)).collect();
        if peer == Peer::Busybox {
            // It has users' crontabs only.
            cases.iter_mut().for_each(|case| case.whose = Whose::User);
        }
        let days = days(&mut chance);
        let record = peer.run(&cases, "UTC", &days, &place(&format!("{peer:?}")));
        for (number, case) in cases.iter().enumerate() {
            if draws(case, peer) {
                continue;
            }
            if record.starts[number].iter().any(|(_, id)| !record.started.contains_key(id)) {
                // What it started was not seen, for once.
                continue;
            }
            differences.cases += 1;
            let jobs = ours::jobs(case, dialect(peer), &root);
            if let Some(entries) = record.entries.get(number)
                && entries.len() != jobs.len()
            {
                differences.add(
                    peer,
                    case,
                    &format!("it has {} entries and rat {}", entries.len(), jobs.len()),
                );
                continue;
            }
            let theirs = minutes_of_peer(&record, number, &days);
            let ours = minutes_of_ours(&jobs, &days);
            if let Some(what) = compare_minutes(&theirs, &ours) {
                differences.add(peer, case, &what);
                continue;
            }
            compare_started(peer, case, &record, number, &jobs, &mut differences);
        }
    }
    let _ = std::fs::remove_dir_all(&root);
    differences.end(peer);
}

/// Standard input and environment of what was started, where the peer shows them.
fn compare_started(
    peer: Peer,
    case: &Case,
    record: &Record,
    number: usize,
    jobs: &[Arc<Job>],
    differences: &mut Differences,
) {
    let Some(entries) = record.entries.get(number) else { return };
    for (id, job) in entries.iter().zip(jobs) {
        let Some(theirs) = record.started.get(id) else { continue };
        let input = job.recipe.input.as_ref().map(|input| input.0.clone()).unwrap_or_default();
        if theirs.input != input || theirs.command != job.recipe.command.0 {
            let what = format!(
                "it starts {} with {}, and rat {} with {}",
                theirs.command.escape_ascii(),
                theirs.input.escape_ascii(),
                job.recipe.command.0.escape_ascii(),
                input.escape_ascii()
            );
            differences.add(peer, case, &what);
        }
        let ours: HashMap<&[u8], &[u8]> = job
            .recipe
            .environment
            .iter()
            .map(|(name, value)| (&name.0[..], &value.0[..]))
            .collect();
        for (name, value) in ours {
            if ["LOGNAME", "USER"].iter().any(|forced| forced.as_bytes() == name) {
                continue;
            }
            if !theirs.environment.iter().any(|(its, is)| its == name && is == value) {
                let what = format!("rat has {}={}", name.escape_ascii(), value.escape_ascii());
                differences.add(peer, case, &what);
            }
        }
    }
}

/// A night on which the clocks of a zone change: its name, and the instant.
const NIGHTS: &[(&str, i64)] = &[
    ("America/New_York", 1_772_953_200), // 2026-03-08, 02:00 to 03:00
    ("America/New_York", 1_793_512_800), // 2026-11-01, 02:00 to 01:00
    ("Europe/Berlin", 1_774_746_000),    // 2026-03-29, 02:00 to 03:00
    ("Europe/Berlin", 1_792_890_000),    // 2026-10-25, 03:00 to 02:00
    ("Australia/Lord_Howe", 1_775_314_800), // 2026-04-05, half an hour back
    ("Australia/Lord_Howe", 1_791_041_400), // 2026-10-04, half an hour forward
    ("Asia/Beirut", 1_774_735_200),      // 2026-03-29, at midnight
    ("Africa/Cairo", 1_776_981_600),     // 2026-04-24, at midnight
];

/// What is started when the clock of the zone changes, and for hours around it. What names its times is started as
/// soon as it can be, which is soon here and takes a cron of Vixie's line ten seconds for each minute it missed.
fn nights(peer: Peer, usual: usize) {
    let mut chance = Chance::new(seed());
    let mut differences = Differences::default();
    let root = place(&format!("{peer:?}-zone"));
    for (zone, change) in NIGHTS {
        let cases: Vec<Case> =
            (0..count(usual)).map(|number| generate::plain(&mut chance, number)).collect();
        let night = [(change - 8 * 3600, change + 8 * 3600)];
        let record = peer.run(&cases, zone, &night, &place(&format!("{peer:?}-night")));
        ours::machine_in(zone, &root);
        for (number, case) in cases.iter().enumerate() {
            differences.cases += 1;
            let jobs = ours::jobs(case, dialect(peer), &root);
            let mut theirs = minutes_of_peer(&record, number, &night);
            let ours = minutes_of_ours(&jobs, &night);
            let named = jobs.iter().all(|job| !is_wildcard(job));
            let late = if named { LATEST } else { 0 };
            if !named {
                for (command, theirs) in &mut theirs {
                    let ours = ours.get(command).map_or(&[][..], Vec::as_slice);
                    once_a_minute(theirs, ours, *change);
                }
            }
            let is_same = theirs.len() == ours.len()
                && theirs.iter().zip(&ours).all(|((_, its), (_, ours))| is_near(its, ours, late));
            if !is_same {
                let what = compare_minutes(&theirs, &ours).unwrap_or_default();
                differences.add(peer, case, &format!("{zone} around {change}: {what}"));
            }
        }
    }
    let _ = std::fs::remove_dir_all(&root);
    differences.end(peer);
}

/// A cron that is still making up for missed minutes begins a minute twice, and those of the last five again when it
/// is through.
fn once_a_minute(theirs: &mut Vec<i64>, ours: &[i64], change: i64) {
    for at in theirs.iter_mut().filter(|at| (change..change + LATEST).contains(*at)) {
        let minute = ours.iter().rfind(|minute| (*at - SMALL..=*at).contains(minute));
        *at = minute.copied().unwrap_or(*at);
    }
    theirs.dedup();
}

/// So many missed minutes as there can be, 180, take thirty of them to make up for, and those take five.
const LATEST: i64 = 40 * 60;

/// Whether the same is started, by the peer perhaps a little later.
fn is_near(theirs: &[i64], ours: &[i64], late: i64) -> bool {
    theirs.len() == ours.len()
        && theirs.iter().zip(ours).all(|(its, ours)| (0..=late).contains(&(its - ours)))
}

/// What there is in one and not in the other.
fn missing(these: &[i64], others: &[i64]) -> Vec<i64> {
    these.iter().filter(|at| !others.contains(at)).copied().collect()
}

fn is_wildcard(job: &Job) -> bool {
    matches!(&job.schedule, Schedule::Calendar(calendar) if calendar.is_wildcard())
}

/// Steps of a clock in seconds, none of them within a minute of where another rule begins.
const STEPS: &[i64] = &[
    120, 180, 240, 360, 600, 1800, 5400, 9000, 10_740, 10_860, 36_000, -60, -180, -600, -3600,
    -5400, -10_500, -36_000,
];

/// Up to here nothing is left out.
const SMALL: i64 = 300;

/// What is started when the clock is set some minutes after noon.
fn steps(peer: Peer, usual: usize) {
    let mut chance = Chance::new(seed());
    let mut differences = Differences::default();
    let root = ours::machine_in("UTC", &place(&format!("{peer:?}-steps")));
    for step in STEPS {
        let cases: Vec<Case> =
            (0..count(usual)).map(|number| generate::plain(&mut chance, number)).collect();
        let noon = midnight(2026, 6, 1) + 86_400 * chance.between(0, 20) + 43_200;
        // A cron that sleeps finds out at the end of a minute, and rat at once: forward the clock is set at that end,
        // where both begin the minute that it shows, and back within a minute, whose rest neither begins.
        let set = if *step > 0 { noon + 240 } else { noon + 210 };
        let to = set + step;
        let stretches = [(noon - 3600, set), (to, to + 5 * 3600)];
        let record = peer.run(&cases, "UTC", &stretches, &place(&format!("{peer:?}-step")));
        // A minute more, because a scheduler starts nothing in the minute in which it begins.
        let longer = [(noon - 3660, set), stretches[1]];
        for (number, case) in cases.iter().enumerate() {
            differences.cases += 1;
            let jobs = ours::jobs(case, dialect(peer), &root);
            let begun = |at: &i64| *at >= noon - 86_400;
            let minute = |(at, _): &(i64, u64)| at.div_euclid(60) * 60;
            let mut theirs: Vec<i64> =
                record.starts[number].iter().map(minute).filter(begun).collect();
            let ours: Vec<i64> = ours::starts(&jobs, &longer);
            let named = jobs.iter().all(|job| !is_wildcard(job));
            if !named && *step > SMALL {
                once_a_minute(&mut theirs, &ours, to);
            }
            if !is_near(
                &theirs,
                &ours,
                if named {
                    LATEST
                } else if *step > 0 {
                    60
                } else {
                    0
                },
            ) {
                let (only_it, only_rat) = (missing(&theirs, &ours), missing(&ours, &theirs));
                let what = format!(
                    "set by {step} at {}: it starts {} and rat {}; only it: {}; only rat: {}",
                    shown(&[set]),
                    theirs.len(),
                    ours.len(),
                    shown(&only_it),
                    shown(&only_rat)
                );
                differences.add(peer, case, &what);
            }
        }
    }
    let _ = std::fs::remove_dir_all(&root);
    differences.end(peer);
}

#[test]
#[ignore = "needs Debian's cron: tests/peers/fetch"]
fn debian_has_the_same_nights() {
    nights(Peer::Debian, 100);
}

#[test]
#[ignore = "needs cronie: tests/peers/fetch"]
fn cronie_has_the_same_nights() {
    if is_cronie_there() {
        nights(Peer::Cronie, 100);
    }
}

#[test]
#[ignore = "needs busybox's crond: tests/peers/fetch"]
fn busybox_has_the_same_nights() {
    nights(Peer::Busybox, 30);
}

#[test]
#[ignore = "needs Debian's cron: tests/peers/fetch"]
fn debian_takes_a_clock_that_is_set_the_same_way() {
    steps(Peer::Debian, 60);
}

#[test]
#[ignore = "needs cronie: tests/peers/fetch"]
fn cronie_takes_a_clock_that_is_set_the_same_way() {
    if is_cronie_there() {
        steps(Peer::Cronie, 60);
    }
}

/// `crontab -n` says which files would be taken.
#[test]
#[ignore = "needs Debian's cron: tests/peers/fetch"]
fn debian_takes_the_same_files() {
    let mut chance = Chance::new(seed());
    let mut differences = Differences::default();
    let root = ours::machine_in("UTC", &place("takes"));
    for _ in 0..count(300) {
        let case = Case { whose: Whose::User, ..generate::case(&mut chance) };
        differences.cases += 1;
        let taken = peer::crontab_takes(&case, &root);
        let seed = Seed { host: String::new(), owner: "user".to_owned() };
        let read = crontab::parse(&case.text, Form::User, &seed, &DEBIAN);
        let ours = !read.diagnostics.iter().any(|said| said.severity == Severity::Error);
        if taken != ours {
            differences.add(
                Peer::Debian,
                &case,
                &format!("crontab takes it: {taken}, and rat: {ours}"),
            );
        }
    }
    let _ = std::fs::remove_dir_all(&root);
    differences.end(Peer::Debian);
}

/// The tables of next runs in bcron's own tests, as they are written there.
#[test]
#[ignore = "needs bcron's source: tests/peers/fetch"]
fn the_tables_of_bcrons_tests_hold() {
    if !is_there("bcron_source", "bcron-source/tests.sh") {
        return;
    }
    let tests = std::fs::read_to_string(peer::peers().join("bcron-source/tests.sh")).unwrap();
    let mut lines = tests.lines();
    let mut rows = 0;
    while let Some(line) = lines.next() {
        let Some(test) = line.strip_prefix("run_compare_test tests/sched-") else { continue };
        let words: Vec<&str> = test.split('\'').collect();
        let ["dst " | "misc ", schedule, _, start, ..] = words[..] else { continue };
        let next = lines.nth(1).and_then(|line| line.split(' ').nth(1)).unwrap();
        let fields: Vec<&str> = schedule.split(' ').collect();
        // Where both days are restricted bcron wants both, and no other cron does.
        if fields[2] != "*" && fields[4] != "*" {
            continue;
        }
        let zone = if test.starts_with("dst") { "EST5EDT" } else { "UTC" };
        let from = chrono::DateTime::from_timestamp(start.parse().unwrap(), 0).unwrap();
        let rat = Command::new(env!("CARGO_BIN_EXE_rat"))
            .args([
                "next",
                "--json",
                "--tz",
                zone,
                "--expr",
                schedule,
                "--from",
                &from.to_rfc3339(),
            ])
            .output()
            .unwrap();
        let said = String::from_utf8(rat.stdout).unwrap();
        let first: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
        let time = chrono::DateTime::parse_from_rfc3339(first["time"].as_str().unwrap()).unwrap();
        assert_eq!(time.timestamp().to_string(), next, "{schedule} from {start}");
        rows += 1;
    }
    println!("{rows} rows of bcron's tables");
    assert!(rows >= 48);
}

#[test]
#[ignore = "needs Debian's cron: tests/peers/fetch"]
fn debian_reads_and_runs_the_same() {
    beside(Peer::Debian, 1500);
}

#[test]
#[ignore = "needs cronie: tests/peers/fetch"]
fn cronie_reads_and_runs_the_same() {
    if is_cronie_there() {
        beside(Peer::Cronie, 1000);
    }
}

#[test]
#[ignore = "needs busybox's crond: tests/peers/fetch"]
fn busybox_reads_and_runs_the_same() {
    beside(Peer::Busybox, 400);
}

#[test]
#[ignore = "needs bcron: tests/peers/fetch"]
fn bcron_runs_the_same() {
    beside(Peer::Bcron, 300);
}
