//! What the scheduler does beyond schedules: clocks that are set, entries that wait for themselves, random delays.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta};

use rat::paths::Paths;
use rat::plan::civil::{Meaning, Offsets, Timestamp, meaning};
use rat::plan::clock_step::Now;
use rat::plan::job::{Job, Source};
use rat::plan::run::{Outcome, RunId};
use rat::plan::scheduler::{Action, Event, Memory, Scheduler};
use rat::spool::jobs::{Machine, Owner, Rules, Zones, of_crontab};
use rat::syntax::config::Config;
use rat::syntax::dialect::{Dialect, RAT};
use rat::zone::Zone;

fn jobs(crontab: &str) -> Vec<Arc<Job>> {
    let machine = Machine::of(&Paths::system(Path::new("/")));
    let mut zones = Zones::new(Path::new("/"));
    let rules = Rules { dialect: &RAT, machine: &machine, config: &Config::default() };
    let owner = Owner::All("alice");
    let (jobs, diagnostics) = of_crontab(crontab.as_bytes(), &source(), owner, &rules, &mut zones);
    assert!(!jobs.is_empty(), "{diagnostics:?}");
    jobs
}

fn source() -> Source {
    Source(PathBuf::from("/var/spool/cron/crontabs/alice"))
}

/// A scheduler and its clock.
struct Bench {
    now: Now,
    scheduler: Scheduler,
}

impl Bench {
    fn new(at: &str, crontab: &str) -> Bench {
        let now = Now { wall: instant(at), monotonic: Duration::ZERO };
        let scheduler = Scheduler::new(&now, Memory::default());
        let mut bench = Bench { now, scheduler };
        let loaded = bench.tell(Event::Loaded { source: source(), jobs: jobs(crontab) });
        assert!(loaded.is_empty(), "{loaded:?}");
        bench
    }

    fn tell(&mut self, event: Event) -> Vec<Action> {
        self.scheduler.handle(&self.now, event)
    }

    /// Sleeps until the scheduler wants to be woken.
    fn wake(&mut self) -> Vec<Action> {
        let next = self.scheduler.next_wakeup().unwrap();
        self.now.monotonic += (next - self.now.wall).to_std().unwrap();
        self.now.wall = next;
        self.tell(Event::Woke)
    }
}

fn instant(text: &str) -> Timestamp {
    DateTime::parse_from_rfc3339(&format!("{text}Z")).unwrap().to_utc()
}

fn shown(actions: &[Action]) -> String {
    let shown = |action: &Action| match action {
        Action::Start { run, .. } => format!("start {}", run.id.0),
        Action::Skipped { due, .. } => format!("skip {}", due.format("%H:%M")),
        other => panic!("{other:?}"),
    };
    actions.iter().map(shown).collect::<Vec<_>>().join(" ")
}

#[test]
fn an_entry_of_its_own_waits_for_itself() {
    let mut bench = Bench::new("2026-03-01T10:00:30", "CRON_TZ=UTC\n* * * * * -s work\n");
    assert_eq!(shown(&bench.wake()), "start 0");
    assert_eq!(shown(&bench.wake()), "skip 10:02");
    assert_eq!(shown(&bench.wake()), "skip 10:03");
    let ended = Event::Ended { run: RunId(0), outcome: Outcome::Exited(0) };
    assert!(bench.tell(ended).is_empty(), "what was skipped is not made up for");
    assert_eq!(shown(&bench.wake()), "start 1");
    let mut others = Bench::new("2026-03-01T10:00:30", "CRON_TZ=UTC\n* * * * * work\n");
    assert_eq!(shown(&others.wake()), "start 0");
    assert_eq!(shown(&others.wake()), "start 1");
}

#[test]
fn a_random_delay_is_within_its_bounds_and_stays_the_same() {
    let crontab = |minutes: u32| {
        let lines: String = (0..50).map(|n| format!("0 10 * * * work {n}\n")).collect();
        format!("CRON_TZ=UTC\nRANDOM_DELAY={minutes}\n{lines}")
    };
    let delays = |minutes| -> Vec<i64> {
        jobs(&crontab(minutes)).iter().map(|job| job.delay.num_minutes()).collect()
    };
    assert!(delays(0).iter().all(|delay| *delay == 0));
    assert!(delays(30).iter().all(|delay| (0..=30).contains(delay)));
    assert!(delays(30).iter().collect::<std::collections::BTreeSet<_>>().len() > 10);
    assert_eq!(delays(30), delays(30));
}

#[test]
fn a_delayed_entry_runs_later_by_its_delay_and_never_twice() {
    let crontab = "CRON_TZ=UTC\nRANDOM_DELAY=50\n0 10 * * * work\n";
    let delay = jobs(crontab)[0].delay;
    let mut bench = Bench::new("2026-03-01T00:00:00", crontab);
    for day in 1..4 {
        assert!(shown(&bench.wake()).starts_with("start "));
        let expected = instant(&format!("2026-03-{day:02}T10:00:00")) + delay;
        assert_eq!(bench.now.wall, expected);
        // Read anew, be it in the middle of its delay, it is due no second time, and is not forgotten.
        bench.tell(Event::Loaded { source: source(), jobs: jobs(crontab) });
        assert_eq!(bench.scheduler.next_wakeup(), Some(expected + TimeDelta::days(1)));
    }
    let mut late = Bench::new("2026-03-01T10:00:01", crontab);
    if delay > TimeDelta::zero() {
        assert_eq!(shown(&late.wake()), "start 0");
        assert_eq!(late.now.wall, instant("2026-03-01T10:00:00") + delay);
    }
}

/// A line is `DIALECTS | ZONE | START | what befalls the clock | UNTIL | CRONTAB | what runs when, and for when if
/// that is another minute`, and alike in all the dialects. All times are what the clock shows in the zone.
#[test]
fn the_golden_table_of_clocks_holds() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/clocks.txt");
    let table = std::fs::read_to_string(path).unwrap();
    let crontabs: HashMap<&str, &str> =
        table.lines().filter_map(|line| line.split_once(" = ")).collect();
    let is = table.lines().fold(String::new(), |is, line| is + &clock_line(line, &crontabs) + "\n");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &is).unwrap();
        return;
    }
    for (was, is) in table.lines().zip(is.lines()) {
        assert_eq!(was, is);
    }
}

fn clock_line(line: &str, crontabs: &HashMap<&str, &str>) -> String {
    if line.starts_with('#') || line.is_empty() || line.contains(" = ") {
        return line.to_owned();
    }
    let columns: Vec<&str> = line.split('|').map(str::trim).collect();
    let [dialects, zone, start, befalls, until, crontab, ..] = columns.as_slice() else {
        panic!("{line}")
    };
    let starts = |dialect: &str| {
        let mut machine = Clocked::new(dialect, zone, start, crontabs[crontab]);
        for befalling in befalls.split(", ").filter(|befalling| !befalling.is_empty()) {
            let [at, what, how] = befalling.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{befalling}")
            };
            machine.run_until(at);
            machine.befall(what, how);
        }
        machine.run_until(until);
        machine.starts.join(" ")
    };
    let all: Vec<String> = dialects.split(' ').map(starts).collect();
    assert!(all.iter().all(|starts| *starts == all[0]), "{line}: {all:?}");
    let columns = [*dialects, zone, start, befalls, until, crontab].join(" | ");
    format!("{columns} | {}", all[0]).trim_end().to_owned()
}

/// A machine whose clock is set, and what it started.
struct Clocked {
    now: Now,
    zone: Zone,
    dialect: &'static Dialect,
    crontab: String,
    scheduler: Scheduler,
    starts: Vec<String>,
}

impl Clocked {
    fn new(dialect: &str, zone: &str, start: &str, entries: &str) -> Clocked {
        let zone = Zone::named(zone).unwrap();
        let now = Now { wall: shown_at(&zone, start), monotonic: Duration::ZERO };
        let scheduler = Scheduler::new(&now, Memory::default());
        let dialect = if dialect == "rat" { &RAT } else { Dialect::named(dialect).unwrap() };
        let crontab = entries.split(';').map(|entry| entry.trim().to_owned() + "\n").collect();
        let mut machine = Clocked { now, zone, dialect, crontab, scheduler, starts: Vec::new() };
        machine.load();
        machine
    }

    fn load(&mut self) {
        let machine = Machine::of(&Paths::system(Path::new("/")));
        let mut zones = Zones::new(Path::new("/"));
        let owner = Owner::All("root");
        let crontab = self.crontab.as_bytes();
        let config = &Config::default();
        let rules = Rules { dialect: self.dialect, machine: &machine, config };
        let (jobs, said) = of_crontab(crontab, &source(), owner, &rules, &mut zones);
        assert!(!jobs.is_empty(), "{said:?}");
        let here: Arc<dyn Offsets> = Arc::new(self.zone.clone());
        let here = |job: &Arc<Job>| Arc::new(Job { zone: here.clone(), ..(**job).clone() });
        let jobs = jobs.iter().map(here).collect();
        self.tell(Event::Loaded { source: source(), jobs });
    }

    fn tell(&mut self, event: Event) {
        let actions = self.scheduler.handle(&self.now, event);
        for action in actions {
            let Action::Start { run, recipe, .. } = action else { continue };
            let command = String::from_utf8_lossy(&recipe.command.0).into_owned();
            let shown = |at: Timestamp, form| at.with_timezone(&self.zone).format(form).to_string();
            let (at, due) = (shown(self.now.wall, "%H:%M"), shown(run.due, "%H:%M"));
            let late = if at == due { String::new() } else { format!("({due})") };
            self.starts.push(format!("{at}={command}{late}"));
            // It is over at once, or where no entry runs twice at a time it would be the last.
            self.tell(Event::Ended { run: run.id, outcome: Outcome::Exited(0) });
        }
    }

    /// Lets time pass until the clock shows this.
    fn run_until(&mut self, time: &str) {
        let until = shown_at(&self.zone, time);
        while let Some(next) = self.scheduler.next_wakeup().filter(|next| *next <= until) {
            self.pass(next);
            self.tell(Event::Woke);
        }
        self.pass(until);
    }

    fn pass(&mut self, until: Timestamp) {
        let until = until.max(self.now.wall);
        self.now.monotonic += (until - self.now.wall).to_std().unwrap();
        self.now.wall = until;
    }

    /// The clock is set, the machine sleeps, or it is moved to another zone.
    fn befall(&mut self, what: &str, how: &str) {
        match what {
            "set" | "sleep" => {
                self.now.wall += TimeDelta::seconds(how.parse().unwrap());
                self.tell(Event::Woke);
            }
            "zone" => {
                self.zone = Zone::named(how).unwrap();
                self.load();
            }
            what => panic!("{what}"),
        }
    }
}

/// When the clock first shows a day and a time, or behind a `+` shows it again.
fn shown_at(zone: &Zone, time: &str) -> Timestamp {
    let again = time.starts_with('+');
    let civil = NaiveDateTime::parse_from_str(time.trim_start_matches('+'), "%Y-%m-%dT%H:%M:%S");
    match meaning(zone, civil.unwrap()) {
        Meaning::Twice(_, second) if again => second,
        meaning => meaning.instant(),
    }
}
