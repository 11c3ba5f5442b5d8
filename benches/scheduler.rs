//! What crontabs cost ratd: reading them, the minute in which one entry of many is due, and one file read again
//! beside many. `cargo bench --bench scheduler`; where there is valgrind, instructions are counted too, which no
//! other load of the machine changes.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta};

use rat::paths::Paths;
use rat::plan::clock_step::Now;
use rat::plan::job::{Job, Source};
use rat::plan::scheduler::{Event, Memory, Scheduler};
use rat::spool::jobs::{Machine, Owner, Rules, Zones, of_crontab};
use rat::syntax::config::Config;
use rat::syntax::crontab::{self, Form};
use rat::syntax::dialect::{OTHERS, RAT};
use rat::syntax::seed::Seed;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, verb, entries, wakes] = arguments.as_slice()
        && verb == "wakes"
    {
        // What valgrind runs.
        let number = |text: &str| text.parse().unwrap_or_default();
        Bench::new(number(entries), 1).wakes(number(wakes) as u32);
        return;
    }
    parse();
    println!(
        "\n{:>9} {:>7} {:>12} {:>12} {:>13} {:>14}",
        "entries", "files", "load", "minute", "instructions", "one file again"
    );
    for (entries, files) in [(100, 1), (10_000, 1), (1_000_000, 1), (1_000_000, 10_000)] {
        let mut bench = Bench::new(entries, files);
        let minute = bench.wakes(2000);
        let again = bench.loads_again(2000);
        let instructions = (entries <= 10_000).then(|| instructions(entries)).flatten();
        let instructions = instructions.map_or("-".to_owned(), |count| count.to_string());
        let load = bench.load;
        println!(
            "{entries:>9} {files:>7} {load:>12.1?} {minute:>12.1?} {instructions:>13} {again:>14.1?}"
        );
    }
}

/// 100,000 lines of crontabs in files of 10,000, as each dialect reads them, beside the `cron` crate, which reads
/// their schedules only.
fn parse() {
    let seed = Seed { host: "host".to_owned(), owner: "root".to_owned() };
    let text: String = (0..10_000).map(|line| entry(line) + "\n").collect();
    println!("100,000 lines, {} KiB", text.len() * 10 / 1024);
    let crate_took = best(|| {
        for line in 0..10_000 {
            let _ = black_box(cron::Schedule::from_str(black_box(&of_crate(line))));
        }
    });
    for dialect in [&RAT].into_iter().chain(OTHERS) {
        let took = best(|| {
            black_box(crontab::parse(black_box(text.as_bytes()), Form::User, &seed, dialect));
        });
        let ratio = crate_took.as_secs_f64() / took.as_secs_f64();
        println!(
            "{:<8} {:>8.1?}   the cron crate takes {ratio:.1} times as long",
            dialect.name,
            took * 10
        );
    }
}

/// An entry that is due in one night of the year.
fn entry(line: usize) -> String {
    let (minute, hour, day, month) = (line % 60, line % 7, 1 + line % 28, 1 + line % 12);
    format!("{minute} {hour} {day} {month} * /usr/bin/job --number {line} >/dev/null 2>&1")
}

fn of_crate(line: usize) -> String {
    format!("0 {} {} {} {} *", line % 60, line % 7, 1 + line % 28, 1 + line % 12)
}

/// A scheduler with many entries, one of which is due each minute, and its clock.
struct Bench {
    now: Now,
    scheduler: Scheduler,
    /// A file of ten entries beside the others.
    small: Vec<Arc<Job>>,
    /// How long it took to load all.
    load: Duration,
}

impl Bench {
    fn new(entries: usize, files: usize) -> Bench {
        let wall = DateTime::from_timestamp(1_786_000_000, 0).unwrap_or_default();
        let now = Now { wall, monotonic: Duration::ZERO };
        let mut scheduler = Scheduler::new(&now, Memory::default());
        let per_file = entries / files;
        let tables: Vec<_> = (0..files)
            .map(|file| {
                let first = file * per_file;
                let lines: String =
                    (first..first + per_file - 1).map(|line| entry(line) + "\n").collect();
                let last =
                    if file == 0 { "* * * * * due\n".to_owned() } else { entry(first) + "\n" };
                jobs(file, &(lines + &last))
            })
            .collect();
        let begun = Instant::now();
        for (file, jobs) in tables.into_iter().enumerate() {
            scheduler.handle(&now, Event::Loaded { source: source(file), jobs });
        }
        let load = begun.elapsed();
        let small: String = (0..10).map(|line| entry(line) + "\n").collect();
        Bench { now, scheduler, small: jobs(files, &small), load }
    }

    /// So many minutes; the mean cost of one. The run of each ends before the next.
    fn wakes(&mut self, wakes: u32) -> Duration {
        let mut took = Duration::ZERO;
        for _ in 0..wakes {
            let next =
                self.scheduler.next_wakeup().unwrap_or(self.now.wall + TimeDelta::minutes(1));
            self.now.monotonic += (next - self.now.wall).to_std().unwrap_or_default();
            self.now.wall = next;
            let begun = Instant::now();
            let actions = self.scheduler.handle(&self.now, Event::Woke);
            let runs = actions.iter().filter_map(|action| match action {
                rat::plan::scheduler::Action::Start { run, .. } => Some(run.id),
                _ => None,
            });
            for run in runs {
                let outcome = rat::plan::run::Outcome::Exited(0);
                self.scheduler.handle(&self.now, Event::Ended { run, outcome });
            }
            took += begun.elapsed();
        }
        took / wakes.max(1)
    }

    fn loads_again(&mut self, times: u32) -> Duration {
        let begun = Instant::now();
        for _ in 0..times {
            let event = Event::Loaded { source: source(usize::MAX), jobs: self.small.clone() };
            self.scheduler.handle(&self.now, event);
        }
        begun.elapsed() / times
    }
}

fn source(file: usize) -> Source {
    Source(PathBuf::from(format!("/var/spool/cron/crontabs/{file}")))
}

fn jobs(file: usize, text: &str) -> Vec<Arc<Job>> {
    let machine = Machine::of(&Paths::system(Path::new("/")));
    let mut zones = Zones::new(Path::new("/"));
    let rules = Rules { dialect: &RAT, machine: &machine, config: &Config::default() };
    of_crontab(text.as_bytes(), &source(file), Owner::All("root"), &rules, &mut zones).0
}

/// Instructions of one minute, counted by valgrind: the difference that a hundred of them make.
fn instructions(entries: usize) -> Option<u64> {
    let count = |wakes: &str| {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe().ok()?)
            .args(["wakes", &entries.to_string(), wakes])
            .output()
            .ok()?;
        let said = String::from_utf8(output.stderr).ok()?;
        said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse::<u64>().ok())
    };
    Some((count("100")? - count("0")?) / 100)
}

/// The best of a few.
fn best(mut call: impl FnMut()) -> Duration {
    let once = |_| {
        let begun = Instant::now();
        call();
        begun.elapsed()
    };
    (0..20).map(once).min().unwrap_or_default()
}
