//! What the scheduler does beyond schedules: entries that wait for themselves, and random delays.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};

use rat::paths::Paths;
use rat::plan::civil::Timestamp;
use rat::plan::clock_step::Now;
use rat::plan::job::{Job, Source};
use rat::plan::run::{Outcome, RunId};
use rat::plan::scheduler::{Action, Event, Memory, Scheduler};
use rat::spool::jobs::{Machine, Owner, Zones, of_crontab};
use rat::syntax::dialect::RAT;

fn jobs(crontab: &str) -> Vec<Arc<Job>> {
    let machine = Machine::of(&Paths::system(Path::new("/")));
    let mut zones = Zones::new(Path::new("/"));
    let (jobs, diagnostics) =
        of_crontab(crontab.as_bytes(), &source(), Owner::All("alice"), &RAT, &machine, &mut zones);
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
