//! Entries of such a machine: made at random, plain to reckon with, and read from text as ratd reads them.

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Datelike, Timelike};
use rat::paths::Paths;
use rat::plan::job::{Job, Source};
use rat::spool::jobs::{Machine, Owner, Rules, Zones, of_crontab};
use rat::syntax::config::Config;
use rat::syntax::dialect::RAT;

use crate::chance::Chance;

pub const MINUTE: i64 = 60;
pub const HOUR: i64 = 3600;
pub const DAY: i64 = 86_400;

/// An entry, in plain words.
#[derive(Clone, Debug)]
pub struct Entry {
    pub number: u32,
    /// Which minutes of an hour, hours of a day and weekdays; all of them where there are none.
    minutes: Vec<u32>,
    hours: Vec<u32>,
    weekdays: Vec<u32>,
    fields: String,
    /// So many are made up for.
    pub most: usize,
    pub deadline: Option<i64>,
    options: String,
}

impl Entry {
    pub fn new(number: u32, chance: &mut Chance) -> Entry {
        let minute = chance.between(0, 59) as u32;
        let hour = chance.between(0, 23) as u32;
        let weekday = chance.between(0, 6) as u32;
        let (fields, minutes, hours, weekdays) = match chance.between(1, 6) {
            1 => ("*/10 * * * *".to_owned(), (0..60).step_by(10).collect(), vec![], vec![]),
            2 => (format!("{minute} * * * *"), vec![minute], vec![], vec![]),
            3 => {
                let four = |hour: u32| (0..4).map(|n| (hour + 6 * n) % 24).collect::<Vec<_>>();
                let listed = four(hour).iter().map(u32::to_string).collect::<Vec<_>>().join(",");
                (format!("{minute} {listed} * * *"), vec![minute], four(hour), vec![])
            }
            4 | 5 => (format!("{minute} {hour} * * *"), vec![minute], vec![hour], vec![]),
            _ => {
                let fields = format!("{minute} {hour} * * {weekday}");
                (fields, vec![minute], vec![hour], vec![weekday])
            }
        };
        let (catchup, most) = match chance.between(1, 7) {
            1 => (String::new(), 0),
            2 | 3 => ("catchup=once".to_owned(), 1),
            4 => ("catchup=all".to_owned(), 100),
            _ => {
                let most = chance.between(1, 12);
                (format!("catchup=all:{most}"), most as usize)
            }
        };
        let deadlines =
            [None, None, Some(20 * MINUTE), Some(3 * HOUR), Some(3 * DAY), Some(20 * DAY)];
        let deadline = *chance.pick(&deadlines);
        let words =
            deadline.map_or(String::new(), |deadline| format!("deadline={}m", deadline / 60));
        let options = format!("{catchup} {words}");
        Entry { number, minutes, hours, weekdays, fields, most, deadline, options }
    }

    pub fn makes_up(&self) -> bool {
        self.most > 0
    }

    /// What a clock that was set back shows again is on time again.
    pub fn goes_by_the_clock(&self) -> bool {
        self.hours.is_empty()
    }

    /// Whether a minute's first second is one of its instants.
    fn is_due(&self, second: i64) -> bool {
        let at = DateTime::from_timestamp(second, 0).unwrap();
        let has = |all: &[u32], one: u32| all.is_empty() || all.contains(&one);
        has(&self.minutes, at.minute())
            && has(&self.hours, at.hour())
            && has(&self.weekdays, at.weekday().num_days_from_sunday())
    }

    /// Every instant after `after` and up to `until`.
    pub fn dues(&self, after: i64, until: i64) -> Vec<i64> {
        let first = (after.div_euclid(MINUTE) + 1) * MINUTE;
        (first..=until).step_by(60).filter(|second| self.is_due(*second)).collect()
    }

    /// The last second in which it may be started for an instant.
    pub fn last_start(&self, due: i64) -> i64 {
        if let Some(deadline) = self.deadline {
            return due + deadline;
        }
        let next = if self.most == 1 { self.dues(due, due + DAY).first().copied() } else { None };
        next.map_or(due + DAY, |next| next - 1)
    }

    pub fn written(&self) -> String {
        format!("`{}` {}", self.fields, self.options.trim())
    }

    /// The command tells which entry it is, in whatever order they stand.
    fn text(&self) -> String {
        let directive = if self.options.trim().is_empty() { "" } else { "#rat: " };
        format!("{directive}{}\n{} job{}\n", self.options, self.fields, self.number)
    }
}

/// Reads the entries from a crontab.
pub fn jobs(source: &Source, entries: &[Entry]) -> Vec<Arc<Job>> {
    let text: String = std::iter::once("CRON_TZ=UTC\n".to_owned())
        .chain(entries.iter().map(Entry::text))
        .collect();
    let machine = Machine::of(&Paths::system(Path::new("/")));
    let mut zones = Zones::new(Path::new("/"));
    let rules = Rules { dialect: &RAT, machine: &machine, config: &Config::default() };
    let owner = Owner::All("root");
    let (jobs, _) = of_crontab(text.as_bytes(), source, owner, &rules, &mut zones);
    assert_eq!(jobs.len(), entries.len(), "{text}");
    jobs
}

/// The number of the entry that a command is of.
pub fn number(command: &str) -> u32 {
    command.trim_start_matches("job").parse().unwrap()
}
