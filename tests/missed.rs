//! Instants at which entries were not started: which of them are made up for, when, in which order, and what is said.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};

use rat::paths::Paths;
use rat::plan::civil::Timestamp;
use rat::plan::clock_step::Now;
use rat::plan::job::{Job, JobId, Source};
use rat::plan::missed::{Remembered, Terms};
use rat::plan::run::{Outcome, Run, RunId, Trigger};
use rat::plan::scheduler::{Action, Event, Memory, Scheduler};
use rat::spool::jobs::{Machine, Owner, Rules, Zones, of_crontab};
use rat::syntax::config::Config;
use rat::syntax::dialect::RAT;

fn instant(text: &str) -> Timestamp {
    DateTime::parse_from_rfc3339(&format!("{text}:00Z")).unwrap().to_utc()
}

fn source() -> Source {
    Source(PathBuf::from("/var/spool/cron/crontabs/alice"))
}

/// The entries of a crontab, one a `;`, all with this share of what is spread.
fn jobs(crontab: &str, share: u16) -> Vec<Arc<Job>> {
    let machine = Machine::of(&Paths::system(Path::new("/")));
    let mut zones = Zones::new(Path::new("/"));
    let text = format!("CRON_TZ=UTC\n{}\n", crontab.replace("; ", "\n"));
    let rules = Rules { dialect: &RAT, machine: &machine, config: &Config::default() };
    let owner = Owner::All("alice");
    let (jobs, said) = of_crontab(text.as_bytes(), &source(), owner, &rules, &mut zones);
    assert!(!jobs.is_empty(), "{said:?}");
    let shared = |job: Arc<Job>| Job { terms: Terms { share, ..job.terms }, ..(*job).clone() };
    jobs.into_iter().map(|job| Arc::new(shared(job))).collect()
}

/// A machine: what its ratd does is written down in words.
struct Bench {
    now: Now,
    scheduler: Scheduler,
    running: Vec<Run>,
    mains: bool,
    said: Vec<String>,
}

impl Bench {
    fn new(at: &str) -> Bench {
        let now = Now { wall: instant(at), monotonic: Duration::ZERO };
        let scheduler = Scheduler::new(&now, Memory::default());
        Bench { now, scheduler, running: Vec::new(), mains: true, said: Vec::new() }
    }

    fn load(&mut self, jobs: Vec<Arc<Job>>) {
        self.tell(Event::Loaded { source: source(), jobs });
    }

    /// The store tells of the only entry.
    fn recall(&mut self, jobs: &[Arc<Job>], remembered: Remembered) {
        let entries = Some(vec![(jobs[0].id.clone(), remembered)]);
        self.tell(Event::Recalled { entries });
    }

    fn tell(&mut self, event: Event) {
        for action in self.scheduler.handle(&self.now, event) {
            let shown = |at: Timestamp| at.format("%dT%H:%M").to_string();
            let said = match action {
                Action::Start { run, .. } => self.begin("start", run),
                Action::MakeUp { run, .. } => self.begin("make up", run),
                Action::Missed { times, since, .. } => {
                    format!("missed {times} since {}", shown(since))
                }
                Action::Owe { owed, .. } => {
                    format!("owe {}", owed.into_iter().map(shown).collect::<Vec<_>>().join(" "))
                }
                Action::Recall { .. } => "recall".to_owned(),
                Action::Forget { .. } => "forget".to_owned(),
                Action::AskPower => {
                    let mains = self.mains;
                    self.tell(Event::Power { mains });
                    continue;
                }
                other => panic!("{other:?}"),
            };
            self.said.push(said);
        }
    }

    fn begin(&mut self, how: &str, run: Run) -> String {
        let said = format!("{how} {}", run.due.format("%dT%H:%M"));
        let late = if run.trigger == Trigger::CatchUp { "" } else { " on time" };
        self.running.push(run);
        format!("{said}{late}")
    }

    /// The oldest run that goes on is over.
    fn end(&mut self) {
        let run = self.running.remove(0).id;
        self.tell(Event::Ended { run, outcome: Outcome::Exited(0) });
    }

    /// Time passes, and every run takes a second.
    fn run_until(&mut self, time: &str) {
        let until = instant(time);
        loop {
            let next = self.scheduler.next_wakeup().filter(|next| *next <= until);
            if next.is_none() && self.running.is_empty() {
                break;
            }
            let next = next.unwrap_or(until);
            if self.running.is_empty() {
                self.pass(next);
                self.tell(Event::Woke);
            } else {
                self.pass(self.now.wall + TimeDelta::seconds(1));
                self.end();
            }
        }
        self.pass(until);
    }

    fn pass(&mut self, until: Timestamp) {
        let until = until.max(self.now.wall);
        self.now.monotonic += (until - self.now.wall).to_std().unwrap();
        self.now.wall = until;
    }

    /// The clock is set forward, or the machine sleeps.
    fn jump(&mut self, time: &str) {
        self.now.wall = instant(time);
        self.tell(Event::Woke);
    }

    fn said(&mut self) -> String {
        std::mem::take(&mut self.said).join(", ")
    }
}

/// An entry of which everything was handled up to the first time is loaded at the second, and half an hour passes.
fn check(entry: &str, handled: &str, now: &str, expected: &str) {
    let jobs = jobs(entry, 0);
    let mut machine = Bench::new(now);
    machine.load(jobs.clone());
    let handled = instant(handled);
    machine.recall(&jobs, Remembered { handled, ..Remembered::default() });
    let until = machine.now.wall + TimeDelta::minutes(30);
    machine.run_until(&until.format("%Y-%m-%dT%H:%M").to_string());
    assert_eq!(machine.said(), expected, "{entry}");
}

#[test]
fn an_entry_makes_up_for_what_it_says() {
    let down = ("2026-03-01T00:30", "2026-03-01T05:10");
    let check = |entry: &str, expected: &str| check(entry, down.0, down.1, expected);
    check(
        "#rat: catchup=once; 0 * * * * work",
        "recall, owe 01T05:00, missed 4 since 01T01:00, make up 01T05:00",
    );
    check(
        "0 * * * * RAT_CATCHUP=once work",
        "recall, owe 01T05:00, missed 4 since 01T01:00, make up 01T05:00",
    );
    check(
        "RAT_CATCHUP=once; 0 * * * * work",
        "recall, owe 01T05:00, missed 4 since 01T01:00, make up 01T05:00",
    );
    check(
        "#rat: catchup=all:2; 0 * * * * work",
        "recall, owe 01T04:00 01T05:00, missed 3 since 01T01:00, make up 01T04:00, make up 01T05:00",
    );
    check(
        "#rat: catchup=all; 0 1-3 * * * work",
        "recall, owe 01T01:00 01T02:00 01T03:00, make up 01T01:00, make up 01T02:00, make up 01T03:00",
    );
    check(
        "#rat: catchup=all deadline=2h30m; 0 * * * * work",
        "recall, owe 01T03:00 01T04:00 01T05:00, missed 2 since 01T01:00, \
         make up 01T03:00, make up 01T04:00, make up 01T05:00",
    );
    check(
        "#rat: catchup=once deadline=5m; 0 * * * * work",
        "recall, owe , missed 5 since 01T01:00",
    );
    check("#rat: catchup=once; 0 6 * * * work", "recall, owe ");
}

/// One that is to run once a week and was not is not made up for days later, unless it says so.
#[test]
fn a_day_late_is_too_late_if_nothing_else_is_said() {
    let weekly = |options: &str| format!("#rat: {options}; 0 3 * * 0 work");
    let check = |options: &str, now: &str, expected: &str| {
        check(&weekly(options), "2026-03-01T00:00", now, expected)
    };
    check("catchup=once", "2026-03-02T02:00", "recall, owe 01T03:00, make up 01T03:00");
    check("catchup=once", "2026-03-02T03:30", "recall, owe , missed 1 since 01T03:00");
    check("catchup=once deadline=6d", "2026-03-06T12:00", "recall, owe 01T03:00, make up 01T03:00");
    check("catchup=all", "2026-03-02T03:30", "recall, owe , missed 1 since 01T03:00");
}

#[test]
fn a_year_of_minutes_is_bounded_and_cheap() {
    let jobs = jobs("#rat: catchup=all; * * * * * work", 0);
    let mut machine = Bench::new("2026-03-01T12:00");
    machine.load(jobs.clone());
    let handled = instant("2025-03-01T12:00");
    let began = std::time::Instant::now();
    machine.recall(&jobs, Remembered { handled, ..Remembered::default() });
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let Some(owed) = machine.said.iter().find(|said| said.starts_with("owe")) else { panic!() };
    assert_eq!(owed.split(' ').count(), 101);
    assert!(owed.ends_with("01T12:00"), "{owed}");
}

#[test]
fn what_the_store_does_not_know_owes_nothing() {
    let jobs = jobs("#rat: catchup=all; * * * * * work", 0);
    let mut machine = Bench::new("2026-03-01T12:00");
    machine.load(jobs.clone());
    machine.run_until("2026-03-01T12:01");
    let handled = instant("2026-03-01T12:00");
    machine.recall(
        &jobs,
        Remembered { handled, done: vec![instant("2026-03-01T12:01")], owed: vec![] },
    );
    assert_eq!(machine.said(), "recall, start 01T12:01 on time, owe ");
}

#[test]
fn what_is_owed_is_still_owed_by_the_next_ratd() {
    let jobs = jobs("#rat: catchup=all:3; 0 * * * * work", 0);
    let mut machine = Bench::new("2026-03-01T12:10");
    machine.load(jobs.clone());
    let owed = ["2026-03-01T07:00", "2026-03-01T08:00"].map(instant).to_vec();
    let handled = instant("2026-03-01T10:30");
    machine.recall(&jobs, Remembered { handled, owed, done: vec![] });
    machine.run_until("2026-03-01T12:20");
    assert_eq!(
        machine.said(),
        "recall, owe 01T08:00 01T11:00 01T12:00, missed 1 since 01T07:00, \
         make up 01T08:00, make up 01T11:00, make up 01T12:00"
    );
}

#[test]
fn a_start_is_spread_but_never_past_its_deadline() {
    let first = |options: &str, share: u16, now: &str| {
        let jobs = jobs(&format!("#rat: {options}; 0 * * * * work"), share);
        let mut machine = Bench::new(now);
        machine.load(jobs.clone());
        let handled = machine.now.wall - TimeDelta::hours(2);
        machine.recall(&jobs, Remembered { handled, ..Remembered::default() });
        let began = machine.now.wall;
        while !machine.said.iter().any(|said| said.starts_with("make up")) {
            let next = machine.scheduler.next_wakeup().unwrap();
            machine.pass(next);
            machine.tell(Event::Woke);
        }
        (machine.now.wall - began).num_seconds()
    };
    assert_eq!(first("catchup=once", 0, "2026-03-01T12:10"), 0);
    assert_eq!(first("catchup=once", 500, "2026-03-01T12:10"), 150);
    assert_eq!(first("catchup=once", 999, "2026-03-01T12:10"), 299);
    // A minute is left until the next instant, or until the deadline.
    assert!((40..60).contains(&first("catchup=once", 999, "2026-03-01T12:59")));
    assert!((40..=60).contains(&first("catchup=once deadline=20m", 999, "2026-03-01T12:19")));
}

#[test]
fn a_job_is_not_made_up_for_beside_itself() {
    let jobs = jobs("#rat: catchup=all; 0 * * * * work", 0);
    let mut machine = Bench::new("2026-03-01T12:58");
    machine.load(jobs.clone());
    let handled = instant("2026-03-01T10:30");
    machine.recall(&jobs, Remembered { handled, ..Remembered::default() });
    assert_eq!(machine.said(), "recall, owe 01T11:00 01T12:00, make up 01T11:00");
    // Its time comes all the same.
    let one = instant("2026-03-01T13:00");
    assert_eq!(machine.scheduler.next_wakeup(), Some(one));
    machine.pass(one);
    machine.tell(Event::Woke);
    assert_eq!(machine.said(), "start 01T13:00 on time");
    machine.end();
    assert_eq!(machine.said(), "");
    machine.end();
    assert_eq!(machine.said(), "make up 01T12:00");
}

#[test]
fn one_that_hangs_is_given_up_when_it_is_too_late() {
    let jobs = jobs("#rat: catchup=all deadline=3h; 0 0-12 * * * work", 0);
    let mut machine = Bench::new("2026-03-01T12:58");
    machine.load(jobs.clone());
    let handled = instant("2026-03-01T10:30");
    machine.recall(&jobs, Remembered { handled, ..Remembered::default() });
    assert_eq!(machine.said(), "recall, owe 01T11:00 01T12:00, make up 01T11:00");
    machine.pass(machine.scheduler.next_wakeup().unwrap());
    machine.tell(Event::Woke);
    assert_eq!(machine.now.wall, instant("2026-03-01T15:00") + TimeDelta::seconds(1));
    assert_eq!(machine.said(), "missed 1 since 01T12:00, owe ");
}

#[test]
fn after_a_sleep_it_is_made_up_for_by_its_own_rules() {
    let check = |entry: &str, woken: &str, expected: &str| {
        let jobs = jobs(entry, 0);
        let mut machine = Bench::new("2026-03-01T10:30");
        machine.load(jobs.clone());
        machine.recall(&jobs, Remembered { handled: machine.now.wall, ..Remembered::default() });
        machine.said();
        machine.jump(woken);
        machine.run_until(woken);
        assert_eq!(machine.said(), expected, "{entry}");
    };
    // As any cron: what names its times is started, what goes by the clock is not.
    check(
        "0,20 0-23 * * * x",
        "2026-03-01T11:30",
        "start 01T11:00 on time, start 01T11:20 on time",
    );
    check("*/20 * * * * x", "2026-03-01T11:30", "missed 3 since 01T10:40");
    for minutes in ["0,20", "*/20"] {
        let entry = format!("#rat: catchup=once; {minutes} 0-23 * * * x");
        let since =
            if minutes == "*/20" { "missed 2 since 01T10:40" } else { "missed 1 since 01T11:00" };
        let expected = format!("owe 01T11:20, {since}, make up 01T11:20");
        check(&entry, "2026-03-01T11:30", &expected);
    }
    // The minute that the clock shows is on time, and is one enough; a moment is no sleep.
    check(
        "#rat: catchup=once; */20 * * * * x",
        "2026-03-01T11:20",
        "owe , missed 2 since 01T10:40, start 01T11:20 on time",
    );
    check(
        "#rat: catchup=all; */20 * * * * x",
        "2026-03-01T11:20",
        "owe 01T10:40 01T11:00, start 01T11:20 on time, make up 01T10:40, make up 01T11:00",
    );
    check("#rat: catchup=once; */2 * * * * x", "2026-03-01T10:33", "start 01T10:32 on time");
}

/// A machine without a clock of its own wakes in 1970, and is told the time by and by.
#[test]
fn what_was_handled_before_the_clock_was_lost_is_not_made_up_for() {
    let jobs = jobs("#rat: catchup=all; 0 * * * * work", 0);
    let mut machine = Bench::new("1970-01-01T00:00");
    machine.load(jobs.clone());
    let handled = instant("2026-03-01T10:30");
    machine.recall(&jobs, Remembered { handled, ..Remembered::default() });
    machine.jump("2026-03-01T12:30");
    machine.run_until("2026-03-01T12:40");
    let said = machine.said();
    assert!(said.ends_with("make up 01T11:00, make up 01T12:00"), "{said}");
    assert!(!said.contains("make up 01T10:00"), "{said}");
}

#[test]
fn a_clock_set_back_is_a_new_start() {
    let jobs = jobs("#rat: catchup=once; 0 * * * * work", 999);
    let mut machine = Bench::new("2030-01-01T00:00");
    machine.load(jobs.clone());
    let handled = instant("2026-03-01T10:30");
    machine.recall(&jobs, Remembered { handled, ..Remembered::default() });
    machine.said();
    machine.jump("2026-03-01T11:30");
    assert_eq!(machine.said(), "owe ", "what the wrong clock made it owe is not owed");
    machine.run_until("2026-03-01T12:10");
    assert_eq!(machine.said(), "start 01T12:00 on time");
}

#[test]
fn an_entry_that_goes_is_forgotten_and_one_that_changes_is_new() {
    let before = jobs("#rat: catchup=once; 0 * * * * work", 0);
    let after = jobs("#rat: catchup=once; 0 * * * * other", 0);
    let mut machine = Bench::new("2026-03-01T12:30");
    machine.load(before.clone());
    assert_eq!(machine.said(), "recall");
    machine.load(before.clone());
    assert_eq!(machine.said(), "", "read again, it is the same");
    machine.load(after);
    assert_eq!(machine.said(), "forget, recall");
    machine.load(jobs("0 * * * * other", 0));
    assert_eq!(machine.said(), "forget");
    machine.recall(&before, Remembered::default());
    assert_eq!(machine.said(), "", "and then owes nothing, whatever the store has of it");
}

#[test]
fn a_store_that_cannot_tell_is_asked_again_and_one_that_cannot_write_starts_nothing() {
    let jobs = jobs("#rat: catchup=once; 0 * * * * work", 0);
    let mut machine = Bench::new("2026-03-01T12:10");
    machine.load(jobs.clone());
    machine.tell(Event::Recalled { entries: None });
    assert_eq!(machine.said(), "recall");
    machine.run_until("2026-03-01T12:11");
    assert_eq!(machine.said(), "recall");
    let handled = instant("2026-03-01T11:30");
    machine.recall(&jobs, Remembered { handled, ..Remembered::default() });
    assert_eq!(machine.said(), "owe 01T12:00, make up 01T12:00");
    let run = machine.running.remove(0);
    machine.tell(Event::NotMadeUp { run });
    assert_eq!(machine.said(), "owe 01T12:00", "all that is owed, once there is room for it");
    machine.run_until("2026-03-01T12:13");
    assert_eq!(machine.said(), "make up 01T12:00");
}

#[test]
fn what_needs_mains_waits_for_it() {
    let mut machine = Bench::new("2026-03-01T11:50");
    machine.load(jobs("#rat: ac-only=yes; 0 * * * * work", 0));
    machine.run_until("2026-03-01T12:10");
    assert_eq!(machine.said(), "start 01T12:00 on time");
    machine.mains = false;
    machine.run_until("2026-03-01T13:10");
    assert_eq!(machine.said(), "");
    assert!(machine.scheduler.waits_for_mains());
    machine.tell(Event::Power { mains: false });
    assert_eq!(machine.said(), "");
    machine.mains = true;
    machine.tell(Event::Power { mains: true });
    machine.run_until("2026-03-01T13:20");
    assert_eq!(machine.said(), "start 01T13:00");
    assert!(!machine.scheduler.waits_for_mains());
    machine.mains = false;
    machine.run_until("2026-03-01T15:30");
    assert_eq!(machine.said(), "missed 1 since 01T14:00", "the next one is what waits then");
    machine.mains = true;
    machine.tell(Event::Power { mains: true });
    assert_eq!(machine.said(), "start 01T15:00");
}

#[test]
fn what_waits_for_mains_is_given_up_at_its_deadline() {
    let mut machine = Bench::new("2026-03-01T11:50");
    machine.mains = false;
    machine.load(jobs("#rat: ac-only=yes deadline=30m; 0 * * * * work", 0));
    machine.run_until("2026-03-01T12:30");
    assert_eq!(machine.said(), "");
    machine.run_until("2026-03-01T12:31");
    assert_eq!(machine.said(), "missed 1 since 01T12:00");
    assert!(!machine.scheduler.waits_for_mains());
}

#[test]
fn what_waits_for_mains_and_is_made_up_for_is_written_down() {
    let jobs = jobs("#rat: ac-only=yes catchup=all; 0 * * * * work", 0);
    let mut machine = Bench::new("2026-03-01T11:50");
    machine.mains = false;
    machine.load(jobs.clone());
    let handled = instant("2026-03-01T09:30");
    machine.recall(&jobs, Remembered { handled, ..Remembered::default() });
    assert_eq!(machine.said(), "recall, owe 01T10:00 01T11:00");
    machine.run_until("2026-03-01T12:10");
    assert_eq!(machine.said(), "owe 01T10:00 01T11:00 01T12:00");
    machine.mains = true;
    machine.tell(Event::Power { mains: true });
    machine.run_until("2026-03-01T12:20");
    assert_eq!(machine.said(), "make up 01T10:00, make up 01T11:00, make up 01T12:00");
}

/// What is found last is what a walk over all of it finds last.
#[test]
fn the_latest_instants_are_those_that_a_plain_walk_finds() {
    for (fields, seed) in [
        ("* * * * *", 1),
        ("0 0 29 2 *", 2),
        ("*/7 3-5 * 2,11 1", 3),
        ("30 2 8 3 *", 4),
        ("0,30 */5 1,15 * *", 5),
    ] {
        let jobs = jobs(&format!("#rat: catchup=all:5 deadline=9000d; {fields} work"), 0);
        for round in 0..20 {
            let until = instant("2026-03-01T00:17") + TimeDelta::minutes(seed * 7919 * round);
            let handled = until - TimeDelta::minutes(round * round * round * 31);
            let mut plain: Vec<_> = std::iter::successors(jobs[0].next_after(handled), |due| {
                jobs[0].next_after(due.at)
            })
            .map(|due| due.at)
            .take_while(|at| *at <= until)
            .collect();
            plain.drain(..plain.len().saturating_sub(5));
            let mut scheduler =
                Scheduler::new(&Now { wall: until, monotonic: Duration::ZERO }, Memory::default());
            let now = Now { wall: until, monotonic: Duration::ZERO };
            scheduler.handle(&now, Event::Loaded { source: source(), jobs: jobs.clone() });
            let remembered = Remembered { handled, ..Remembered::default() };
            let entries = Some(vec![(jobs[0].id.clone(), remembered)]);
            let actions = scheduler.handle(&now, Event::Recalled { entries });
            let owed: BTreeMap<JobId, Vec<Timestamp>> = actions
                .into_iter()
                .filter_map(|action| match action {
                    Action::Owe { job, owed, .. } => Some((job, owed)),
                    _ => None,
                })
                .collect();
            assert_eq!(owed[&jobs[0].id], plain, "{fields} from {handled} to {until}");
        }
    }
}

#[test]
fn nothing_is_known_of_a_run_that_was_never_made() {
    let mut machine = Bench::new("2026-03-01T11:50");
    machine.load(jobs("#rat: catchup=once; 0 * * * * work", 0));
    machine.said();
    machine.tell(Event::Ended { run: RunId(77), outcome: Outcome::Exited(0) });
    assert_eq!(machine.said(), "");
}
