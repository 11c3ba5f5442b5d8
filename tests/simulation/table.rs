//! The jobs of a simulated file: made at random, described plainly, and built as the jobs that ratd would load.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{NaiveDate, TimeDelta};
use rat::plan::catch_up::{Every, Period};
use rat::plan::civil::Offsets;
use rat::plan::job::{Job, JobId, Kind, Origin, Recipe, Source};
use rat::plan::missed::Terms;
use rat::plan::retry::Retries;
use rat::plan::schedule::{Calendar, Schedule, Seconds, Stars};
use rat::plan::text::Text;
use rat::zone::Zone;

use crate::almanac::{Almanac, Field, Fields};
use crate::chance::Chance;

/// Zones with an hour, half an hour and midnight changes, with a skipped day, and with none.
const ZONES: &[&str] = &[
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Asia/Beirut",
    "America/Santiago",
    "Pacific/Apia",
    "Asia/Kolkata",
    "UTC",
];

/// Years to simulate: in 2011 Apia had no 30 December and Cairo no summer time.
const YEARS: &[i32] = &[2011, 2026];

/// One file of jobs.
pub struct Table {
    /// Its path.
    pub source: Source,
    /// Its jobs, in order.
    pub jobs: Vec<Arc<Spec>>,
}

/// A job, as plain as can be.
pub struct Spec {
    /// Its identity; the first letter tells its sort.
    pub id: String,
    /// When it is due.
    pub timing: Timing,
    /// The zone it is read in.
    pub zone: String,
    /// What that zone's clock shows.
    pub almanac: Arc<Almanac>,
    /// The same zone as ratd has it.
    rules: Arc<dyn Offsets>,
}

/// When a job is due.
#[allow(clippy::large_enum_variant)] // A few of them exist at a time.
pub enum Timing {
    /// At the times of five or seven fields.
    Fields(Fields),
    /// Once in each period.
    Period { period: Period, delay: i64, hours: Option<(i64, i64)> },
    /// At boot.
    Reboot,
}

/// Where tables come from.
pub struct Author {
    /// The year that is simulated.
    pub year: i32,
    zone: String,
    rules: HashMap<String, Arc<dyn Offsets>>,
    count: u32,
}

impl Author {
    /// Picks the year and the host's zone.
    pub fn new(chance: &mut Chance) -> Author {
        Author {
            year: *chance.pick(YEARS),
            zone: chance.pick(ZONES).to_string(),
            rules: HashMap::new(),
            count: 0,
        }
    }

    /// The file of that number, with some jobs of every sort.
    pub fn table(&mut self, number: usize, chance: &mut Chance) -> Table {
        let jobs = (0..chance.between(2, 5)).map(|_| self.job(chance)).collect();
        Table { source: Source(format!("/etc/cron.d/{number}").into()), jobs }
    }

    /// Changes one job, adds one, takes one away, or swaps two; at times nothing.
    pub fn edit(&mut self, table: &mut Table, chance: &mut Chance) {
        let last = table.jobs.len() as i64 - 1;
        match chance.between(0, 4) {
            0 => {}
            1 if last < 6 => {
                table.jobs.insert(chance.between(0, last + 1) as usize, self.job(chance))
            }
            2 if last > 0 => drop(table.jobs.remove(chance.between(0, last) as usize)),
            3 if last > 0 => table.jobs.swap(chance.between(0, last) as usize, 0),
            _ => table.jobs[chance.between(0, last) as usize] = self.job(chance),
        }
    }

    fn job(&mut self, chance: &mut Chance) -> Arc<Spec> {
        self.count += 1;
        let zone =
            if chance.one_in(2) { self.zone.clone() } else { chance.pick(ZONES).to_string() };
        let (letter, timing) = match chance.between(1, 16) {
            1 => ("r", Timing::Reboot),
            2..=4 => ("p", period(chance)),
            5 => {
                ("s", Timing::Fields(Fields::new(Some(second(chance)), seldom(chance), self.year)))
            }
            _ => ("c", Timing::Fields(Fields::new(None, often(chance), self.year))),
        };
        let almanac = Almanac::of(&zone, self.year);
        let rules = self
            .rules
            .entry(zone.clone())
            .or_insert_with(|| Arc::new(Zone::named(&zone).unwrap()))
            .clone();
        Arc::new(Spec { id: format!("{letter}{}", self.count), timing, zone, almanac, rules })
    }
}

fn period(chance: &mut Chance) -> Timing {
    let period = match chance.between(1, 4) {
        1 => Period::Month,
        2 => Period::Days(7),
        3 if chance.one_in(4) => Period::Year,
        _ => Period::Days(1),
    };
    let hours = [None, Some((3, 22)), Some((22, 4)), Some((6, 8)), Some((0, 24))];
    Timing::Period { period, delay: *chance.pick(&[0, 5, 45, 90]), hours: *chance.pick(&hours) }
}

fn second(chance: &mut Chance) -> Field {
    match chance.between(1, 3) {
        1 => stepped(20, 0, 59),
        2 => listed(&[chance.between(0, 59) as u32]),
        _ => listed(&[7, 37, 53]),
    }
}

/// Five fields that are due now and then, mostly in the hours in which clocks are changed.
fn often(chance: &mut Chance) -> [Field; 5] {
    let minute = match chance.between(1, 12) {
        1 if chance.one_in(3) => stepped(1, 0, 59),
        1 | 2 => stepped(15, 0, 59),
        3 | 4 => stepped(30, 0, 59),
        5 => listed(&[15, 45]),
        6 | 7 => listed(&[0]),
        8 => listed(&[chance.between(0, 29) as u32, chance.between(30, 59) as u32]),
        _ => listed(&[chance.between(0, 59) as u32]),
    };
    let hour = match chance.between(1, 10) {
        1 | 2 if minute.values.len() < 5 => stepped(1, 0, 23),
        3 => stepped(2, 0, 23),
        4 => ranged(1, 3),
        5 => ranged(0, 2),
        6 => listed(&[0, 12]),
        7 => listed(&[chance.between(0, 23) as u32]),
        _ => listed(&[chance.between(0, 4) as u32]),
    };
    let [day, month, weekday] = days(chance);
    [minute, hour, day, month, weekday]
}

/// Five fields for a schedule that also has seconds.
fn seldom(chance: &mut Chance) -> [Field; 5] {
    let minute = listed(&[chance.between(0, 59) as u32]);
    let hour =
        if chance.one_in(4) { stepped(8, 0, 23) } else { listed(&[chance.between(0, 4) as u32]) };
    [minute, hour, stepped(1, 1, 31), stepped(1, 1, 12), stepped(1, 0, 6)]
}

fn days(chance: &mut Chance) -> [Field; 3] {
    let day = match chance.between(1, 10) {
        1 => stepped(2, 1, 31),
        2 => Field { values: vec![0], written: "L".to_owned() },
        3 => listed(&[1, 15]),
        4 => listed(&[chance.between(28, 31) as u32]),
        5 => ranged(8, 14),
        _ => stepped(1, 1, 31),
    };
    let month = match chance.between(1, 8) {
        1 => ranged(2, 4),
        2 => listed(&[2, 10, 11]),
        _ => stepped(1, 1, 12),
    };
    let weekday = match chance.between(1, 8) {
        1 => listed(&[0]),
        2 => ranged(1, 5),
        3 => stepped(3, 0, 6),
        _ => stepped(1, 0, 6),
    };
    [day, month, weekday]
}

fn stepped(step: u32, least: u32, most: u32) -> Field {
    let written = if step == 1 { "*".to_owned() } else { format!("*/{step}") };
    Field { values: (least..=most).step_by(step as usize).collect(), written }
}

fn ranged(least: u32, most: u32) -> Field {
    Field { values: (least..=most).collect(), written: format!("{least}-{most}") }
}

fn listed(values: &[u32]) -> Field {
    let written: Vec<_> = values.iter().map(u32::to_string).collect();
    Field { values: values.to_vec(), written: written.join(",") }
}

impl Spec {
    /// The job as a line of text.
    pub fn written(&self) -> String {
        match &self.timing {
            Timing::Fields(fields) => format!("{} `{}` {}", self.id, fields.written(), self.zone),
            Timing::Period { period, delay, hours } => {
                format!("{} {period:?} delay {delay} hours {hours:?} {}", self.id, self.zone)
            }
            Timing::Reboot => format!("{} @reboot", self.id),
        }
    }

    /// The job as ratd would load it; `done` is when its period was last done.
    pub fn job(&self, source: &Source, line: u32, done: Option<NaiveDate>) -> Arc<Job> {
        Arc::new(Job {
            id: JobId(self.id.clone()),
            name: self.id.clone(),
            owner: "root".to_owned(),
            schedule: self.schedule(done),
            written: self.written(),
            zone: self.rules.clone(),
            delay: TimeDelta::zero(),
            single: false,
            terms: Terms::default(),
            retries: Retries::NEVER,
            recipe: recipe(),
            origin: Origin { source: source.clone(), line },
        })
    }

    fn schedule(&self, done: Option<NaiveDate>) -> Schedule {
        match &self.timing {
            Timing::Reboot => Schedule::Reboot,
            Timing::Period { period, delay, hours } => {
                let hours = hours.map(|(from, until)| (from as u8, until as u8));
                Schedule::Every(Every { period: *period, delay: *delay as u32, hours, done })
            }
            Timing::Fields(fields) => match &fields.written_seconds {
                Some(_) => Schedule::Seconds(Box::new(Seconds {
                    alternatives: vec![format!("{} *", fields.written()).parse().unwrap()],
                    wildcard: fields.wildcard,
                })),
                None => Schedule::Calendar(calendar(&fields.five)),
            },
        }
    }
}

fn calendar(five: &[Field; 5]) -> Calendar {
    let bits = |field: &Field| field.values.iter().fold(0u64, |bits, value| bits | 1 << value);
    let [minute, hour, day, month, weekday] = five;
    let stars = Stars {
        minute: minute.star(),
        hour: hour.star(),
        day: day.star(),
        weekday: weekday.star(),
    };
    Calendar::new(
        bits(minute),
        bits(hour) as u32,
        bits(day) as u32,
        bits(month) as u16,
        bits(weekday),
        stars,
    )
}

/// What every simulated job runs.
pub fn recipe() -> Recipe {
    Recipe::plain(Kind::SystemEntry, Text::from("true"))
}
