//! What rat makes of the same crontabs in the same time, through the doors that the daemon uses.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};

use rat::paths::Paths;
use rat::plan::civil::Timestamp;
use rat::plan::clock_step::Now;
use rat::plan::job::{Job, Source};
use rat::plan::schedule::Schedule;
use rat::plan::scheduler::{Action, Event, Memory, Scheduler};
use rat::spool::jobs::{Machine, Owner, Rules, Zones, of_crontab};
use rat::syntax::config::Config;
use rat::syntax::dialect::{Dialect, Loss};

use crate::generate::{Case, Whose};
use crate::peer::Stretch;

/// The jobs of a crontab on a machine in the zone under `root`, and whether anything in it is wrong.
pub fn jobs(case: &Case, dialect: &'static Dialect, root: &Path) -> Vec<Arc<Job>> {
    let machine = Machine::of(&Paths::system(Path::new("/")));
    let mut zones = Zones::new(root);
    let owner = match case.whose {
        Whose::User => Owner::All("user"),
        Whose::Root => Owner::All("root"),
        Whose::System => Owner::Column,
    };
    let rules = Rules { dialect, machine: &machine, config: &Config::default() };
    let jobs = of_crontab(&case.text, &source(), owner, &rules, &mut zones).0;
    let unknown = |job: &Arc<Job>| !["root", "nobody", "user"].contains(&job.owner.as_str());
    match dialect.unknown_users {
        Loss::File if jobs.iter().any(unknown) => Vec::new(),
        // It is never started, but it is an entry.
        _ => jobs,
    }
}

fn source() -> Source {
    Source(PathBuf::from("/etc/cron.d/case"))
}

/// A root whose machine is in this zone.
pub fn machine_in(zone: &str, place: &Path) -> PathBuf {
    let etc = place.join("etc");
    std::fs::create_dir_all(&etc).unwrap();
    let _ = std::fs::remove_file(etc.join("localtime"));
    std::os::unix::fs::symlink(Path::new("/usr/share/zoneinfo").join(zone), etc.join("localtime"))
        .unwrap();
    place.to_owned()
}

/// When a job is due in these stretches.
pub fn due(job: &Job, stretches: &[Stretch]) -> Vec<i64> {
    let mut due = Vec::new();
    let Schedule::Calendar(calendar) = &job.schedule else { return due };
    for (from, until) in stretches {
        let mut after = instant(from - 1);
        while let Some(next) =
            calendar.next_after(after, &*job.zone).filter(|next| next.at.timestamp() < *until)
        {
            due.extend(std::iter::repeat_n(next.at.timestamp(), next.times as usize));
            after = next.at;
        }
    }
    due
}

/// When the scheduler starts these jobs on a clock that is set from the end of each stretch to the beginning of the
/// next.
pub fn starts(jobs: &[Arc<Job>], stretches: &[Stretch]) -> Vec<i64> {
    let begin = stretches[0].0;
    let mut now = Now { wall: instant(begin), monotonic: Duration::ZERO };
    let mut scheduler = Scheduler::new(&now, Memory::default());
    let mut starts = Vec::new();
    let mut note = |now: &Now, actions: Vec<Action>| {
        for action in actions {
            if let Action::Start { .. } = action {
                starts.push(now.wall.timestamp());
            }
        }
    };
    note(&now, scheduler.handle(&now, Event::Loaded { source: source(), jobs: jobs.to_vec() }));
    for (index, (_, until)) in stretches.iter().enumerate() {
        while let Some(next) = scheduler.next_wakeup().filter(|next| next.timestamp() < *until) {
            let sleep = (next - now.wall).max(TimeDelta::zero());
            now =
                Now { wall: now.wall + sleep, monotonic: now.monotonic + sleep.to_std().unwrap() };
            note(&now, scheduler.handle(&now, Event::Woke));
        }
        let rest = (instant(*until) - now.wall).to_std().unwrap();
        now.monotonic += rest;
        if let Some((from, _)) = stretches.get(index + 1) {
            now.wall = instant(*from);
            note(&now, scheduler.handle(&now, Event::Woke));
        }
    }
    starts
}

fn instant(seconds: i64) -> Timestamp {
    DateTime::from_timestamp(seconds, 0).unwrap()
}
