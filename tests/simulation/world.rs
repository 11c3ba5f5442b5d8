//! A machine for a year: its clocks, its timer, its files, its sessions and its store, and what befalls them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use rat::plan::at_queue::Waiting;
use rat::plan::catch_up::Once;
use rat::plan::clock_step::Now;
use rat::plan::job::{JobId, Recipe};
use rat::plan::run::{Outcome, Run, RunId, Trigger};
use rat::plan::scheduler::{Action, Event, Memory};

use crate::chance::Chance;
use crate::mutation::{Mutation, Ratd};
use crate::oracle::{Oracle, Turn, shown};
use crate::table::{Author, Table, Timing, recipe};

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A call of the scheduler more than this in a year is a loop that spins.
const MANY_TURNS: u64 = 3_000_000;

/// Something that befalls the machine, or that ratd is told when it has time.
enum Coming {
    Tell(Event),
    Poke,
    Edit(usize),
    EditWhenDue(usize),
    Remove(usize),
    Step(i64),
    Sleep(i64),
    Hold(i64),
    Stop {
        down: i64,
        boot: bool,
    },
    Begin {
        boot: bool,
    },
    Submit {
        jobs: i64,
        after: i64,
    },
    Withdraw,
    Claim {
        first: RunId,
        limit: u32,
    },
    /// A job of a session's is over, and stamped.
    Done(RunId),
    /// Another anacron is called.
    Another,
    /// It is done with a job that it began on this date.
    AnotherDone {
        job: String,
        date: NaiveDate,
    },
}

/// The machine.
pub struct World {
    seed: u64,
    chance: Chance,
    mutation: Option<Mutation>,
    author: Author,
    tables: Vec<Table>,
    oracle: Oracle,
    ratd: Option<Ratd>,
    /// Milliseconds of true time, of which the machine slept some; the wall clock is true time and an error.
    true_time: i64,
    slept: i64,
    wall_error: i64,
    ends: i64,
    held_until: i64,
    disturbed: bool,
    edit_when_due: Option<usize>,
    coming: BTreeMap<(i64, u64), Coming>,
    count: u64,
    /// At-jobs that wait: when they are due, and their numbers.
    queue: BTreeSet<(i64, u64)>,
    queued: u64,
    lost: BTreeSet<u64>,
    running: BTreeMap<RunId, (Run, i64)>,
    next_run: u64,
    stamps: BTreeMap<String, NaiveDate>,
    /// Period jobs that somebody does: nobody else can have their stamps.
    held: BTreeSet<String>,
    /// The runs that do so, and the dates they began on.
    doing: BTreeMap<RunId, (String, NaiveDate)>,
    turns: u64,
}

/// Runs a seed's year. What went wrong first, in one line; else how many runs were started.
pub fn run(seed: u64, mutation: Option<Mutation>) -> Result<u64, String> {
    let mut world = World::new(seed, mutation);
    world.foresee();
    let result = world.live();
    result.map(|()| world.oracle.starts).map_err(|error| {
        let now = shown(world.wall().div_euclid(SECOND));
        let fault = mutation.map_or(String::new(), |mutation| format!(" with {mutation:?}"));
        format!("seed {seed}{fault}, {now}, turn {}: {error}", world.turns)
    })
}

impl World {
    fn new(seed: u64, mutation: Option<Mutation>) -> World {
        let mut chance = Chance::new(seed);
        let mut author = Author::new(&mut chance);
        let tables = (0..chance.between(1, 3))
            .map(|number| author.table(number as usize, &mut chance))
            .collect();
        let new_year = |year| {
            NaiveDate::from_ymd_opt(year, 1, 1).unwrap().and_time(chrono::NaiveTime::MIN).and_utc()
        };
        World {
            seed,
            mutation,
            tables,
            oracle: Oracle::new(),
            ratd: None,
            true_time: 0,
            slept: 0,
            wall_error: new_year(author.year).timestamp_millis(),
            ends: new_year(author.year + 1).timestamp_millis(),
            held_until: 0,
            disturbed: true,
            edit_when_due: None,
            coming: BTreeMap::new(),
            count: 0,
            queue: BTreeSet::new(),
            queued: 0,
            lost: BTreeSet::new(),
            running: BTreeMap::new(),
            next_run: 1,
            stamps: BTreeMap::new(),
            held: BTreeSet::new(),
            doing: BTreeMap::new(),
            turns: 0,
            chance,
            author,
        }
    }

    /// Writes down what will befall the machine in the year. Every third year is calm.
    fn foresee(&mut self) {
        self.befall(self.true_time, Coming::Begin { boot: true });
        let calm = self.seed.is_multiple_of(3);
        self.often(12, |world| match world.chance.between(0, 4) {
            0 => Coming::Remove(world.any_table()),
            1 | 2 => Coming::EditWhenDue(world.any_table()),
            _ => Coming::Edit(world.any_table()),
        });
        self.often(40, |world| Coming::Submit {
            jobs: world.chance.between(1, 3),
            after: world.chance.between(0, 3 * DAY),
        });
        self.often(2, |world| Coming::Submit { jobs: world.chance.between(200, 700), after: HOUR });
        self.often(10, |_| Coming::Withdraw);
        self.often(20, |_| Coming::Poke);
        self.often(5, |world| Coming::Stop {
            down: world.chance.between(1, 3 * HOUR),
            boot: world.chance.one_in(2),
        });
        if calm {
            return;
        }
        self.often(120, |_| Coming::Another);
        self.often(40, |world| {
            let held = [2 * SECOND, MINUTE, 10 * MINUTE, 4 * HOUR];
            let most = *world.chance.pick(&held);
            Coming::Hold(world.chance.between(1, most))
        });
        self.often(20, |world| {
            let most = *world.chance.pick(&[10 * MINUTE, 3 * HOUR, 12 * HOUR, 40 * HOUR]);
            Coming::Sleep(world.chance.between(SECOND, most))
        });
        for _ in 0..self.chance.between(0, 40) {
            let mut at = self.chance.between(DAY, 364 * DAY);
            // Steps come in clusters: a clock is set wrong, and set again.
            loop {
                let step = self.step();
                self.befall(at, Coming::Step(step));
                if self.chance.one_in(2) {
                    break;
                }
                at += self
                    .chance
                    .between(1, *[5 * SECOND, 3 * MINUTE, 2 * HOUR].get(at as usize % 3).unwrap());
            }
        }
    }

    fn step(&mut self) -> i64 {
        let bounds = [
            (1, 2 * MINUTE),
            (2 * MINUTE, 7 * MINUTE),
            (7 * MINUTE, 3 * HOUR),
            (3 * HOUR, 5 * DAY),
        ];
        let (least, most) = *self.chance.pick(&bounds);
        let step = self.chance.between(least, most);
        // People and programs set clocks in whole seconds and minutes as well.
        let step = if self.chance.one_in(3) { step - step % MINUTE } else { step };
        if self.chance.one_in(2) { step } else { -step }
    }

    fn any_table(&mut self) -> usize {
        self.chance.between(0, self.tables.len() as i64 - 1) as usize
    }

    fn often(&mut self, times: i64, mut what: impl FnMut(&mut World) -> Coming) {
        for _ in 0..self.chance.between(times / 2, times) {
            let at = self.chance.between(HOUR, 365 * DAY);
            let what = what(self);
            self.befall(at, what);
        }
    }

    fn befall(&mut self, at: i64, what: Coming) {
        self.count += 1;
        self.coming.insert((at, self.count), what);
    }

    fn tell(&mut self, event: Event) {
        self.befall(self.true_time, Coming::Tell(event));
    }

    fn wall(&self) -> i64 {
        self.true_time + self.wall_error
    }

    fn now(&self) -> Now {
        let monotonic = Duration::from_millis((self.true_time - self.slept) as u64);
        Now { wall: instant(self.wall()), monotonic }
    }

    fn live(&mut self) -> Result<(), String> {
        while self.wall() < self.ends {
            let timer = self.timer();
            let coming = self.coming.first_key_value().map(|(key, _)| *key);
            match (timer, coming) {
                (None, None) => break,
                (Some(at), key) if key.is_none_or(|(next, _)| at < next) => {
                    self.true_time = self.true_time.max(at);
                    if self.wall() < self.ends {
                        self.timer_expires()?;
                    }
                }
                (_, key) => {
                    let key = key.expect("one of both is there");
                    let what = self.coming.remove(&key).expect("it is the first");
                    self.true_time = self.true_time.max(key.0);
                    if self.wall() < self.ends {
                        self.comes(key, what)?;
                    }
                }
            }
        }
        self.at_jobs_were_started()
    }

    /// The true time at which the timer that ratd armed is heard.
    fn timer(&self) -> Option<i64> {
        let wakeup = self.ratd.as_ref()?.next_wakeup()?;
        let expires = (wakeup.timestamp_millis() - self.wall_error).max(self.true_time);
        let latency = (self.count as i64 * 7) % 13;
        Some((expires + latency).max(self.held_until))
    }

    fn timer_expires(&mut self) -> Result<(), String> {
        match self.edit_when_due.take() {
            Some(table) => self.edit(table),
            None => self.handle(Event::Woke, true),
        }
    }

    fn comes(&mut self, key: (i64, u64), what: Coming) -> Result<(), String> {
        let for_ratd =
            matches!(what, Coming::Tell(_) | Coming::Poke | Coming::Edit(_) | Coming::Remove(_));
        if for_ratd && (self.true_time < self.held_until || self.ratd.is_none()) {
            // It waits, in its order, until the loop is back.
            let later = if self.ratd.is_none() { self.true_time + SECOND } else { self.held_until };
            self.coming.insert((later, key.1), what);
            return Ok(());
        }
        match what {
            Coming::Tell(event) => return self.handle(event, false),
            Coming::Poke => return self.handle(Event::Woke, false),
            Coming::Edit(table) => return self.edit(table),
            Coming::EditWhenDue(table) => self.edit_when_due = Some(table),
            Coming::Remove(table) => return self.remove(table),
            Coming::Step(by) => self.step_clock(by),
            Coming::Sleep(time) => self.sleep(time),
            Coming::Hold(time) => {
                self.held_until = self.true_time + time;
                self.disturbed = true;
            }
            Coming::Stop { down, boot } => self.stop(down, boot),
            Coming::Begin { boot } => return self.begin(boot),
            Coming::Submit { jobs, after } => self.submit(jobs, after),
            Coming::Withdraw => self.withdraw(),
            Coming::Claim { first, limit } => self.claim(first, limit),
            Coming::Done(run) => {
                if let Some((job, date)) = self.doing.remove(&run) {
                    self.stamp(job, date);
                }
            }
            Coming::Another => self.call_another(),
            Coming::AnotherDone { job, date } => {
                self.stamp(job.clone(), date);
                // inotify tells, though not at once.
                let at = self.true_time + self.chance.between(0, SECOND);
                let event = Event::Stamped { name: job, done: Some(date) };
                if self.ratd.is_some() {
                    self.befall(at, Coming::Tell(event));
                }
            }
        }
        Ok(())
    }

    /// One turn: tells the scheduler, does what it answers, and has the oracle judge it.
    fn handle(&mut self, event: Event, by_timer: bool) -> Result<(), String> {
        let now = self.now();
        let Some(ratd) = &mut self.ratd else { return Ok(()) };
        let ended = if let Event::Ended { run, .. } = &event { Some(*run) } else { None };
        let actions = ratd.handle(&now, event.clone());
        let wakeup = ratd.next_wakeup().map(|at| at.timestamp());
        self.turns += 1;
        if self.turns > MANY_TURNS {
            return Err("too many turns".to_owned());
        }
        let loaded = match &event {
            Event::Loaded { source, .. } => {
                self.tables.iter().find(|table| table.source == *source)
            }
            _ => None,
        };
        let turn = Turn {
            wall: self.wall(),
            monotonic: self.true_time - self.slept,
            event: &event,
            loaded: loaded.map_or(&[], |table| &table.jobs),
            actions: &actions,
            wakeup,
            disturbed: self.disturbed,
            by_timer,
        };
        self.oracle.judge(&turn)?;
        self.disturbed = false;
        if let Some(run) = ended {
            self.running.remove(&run);
        }
        for action in actions {
            self.perform(action);
        }
        Ok(())
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Start { run, once, .. } => match once {
                Some(once) => self.start_once(run, once),
                None => self.start(run),
            },
            Action::Claim { first, limit, .. } => {
                self.next_run = self.next_run.max(first.0 + u64::from(limit));
                let busy = [0, 1, 20, SECOND, 5 * MINUTE];
                let at = self.true_time + *self.chance.pick(&busy);
                self.befall(at, Coming::Claim { first, limit });
            }
            Action::Missed { .. }
            | Action::Skipped { .. }
            | Action::AskLoad
            | Action::Recall { .. }
            | Action::Owe { .. }
            | Action::Forget { .. }
            | Action::MakeUp { .. }
            | Action::AskPower => {}
            // The store's copy; the session wrote the file.
            Action::Stamp { .. } => {}
        }
    }

    /// The session's side of a period job's run.
    fn start_once(&mut self, run: Run, once: Once) {
        let (id, job) = (run.id, run.name.clone());
        let done = self.stamps.get(&job).copied();
        let is_owed = once.is_owed(done);
        let truly = self.oracle.is_owed(once.period, done, once.date);
        assert_eq!(is_owed, truly, "{job}, done {done:?}, {once:?}");
        if is_owed && !self.held.contains(&job) {
            self.held.insert(job.clone());
            self.doing.insert(id, (job, once.date));
            return self.start(run);
        }
        self.next_run = self.next_run.max(id.0 + 1);
        self.running.insert(id, (run, self.wall()));
        let outcome = Outcome::LeftToAnother("another anacron has it".to_owned());
        self.befall(self.true_time + 20, Coming::Tell(Event::Ended { run: id, outcome }));
    }

    /// Another anacron does all that is owed and that it can have, without ratd's delays and hours.
    fn call_another(&mut self) {
        let now = self.wall().div_euclid(SECOND);
        let specs: Vec<_> = self.tables.iter().flat_map(|table| table.jobs.clone()).collect();
        for spec in specs {
            let Timing::Period { period, .. } = &spec.timing else { continue };
            let date = spec.almanac.date(now);
            let done = self.stamps.get(&spec.id).copied();
            if self.held.contains(&spec.id) || !self.oracle.is_owed(*period, done, date) {
                continue;
            }
            self.held.insert(spec.id.clone());
            let most = *self.chance.pick(&[SECOND, 30 * MINUTE, 3 * HOUR]);
            let at = self.true_time + self.chance.between(1, most);
            self.befall(at, Coming::AnotherDone { job: spec.id.clone(), date });
        }
    }

    /// Whoever did a job stamps it and lets go of it.
    fn stamp(&mut self, job: String, date: NaiveDate) {
        self.held.remove(&job);
        self.stamps.insert(job, date);
    }

    fn start(&mut self, run: Run) {
        self.next_run = self.next_run.max(run.id.0 + 1);
        self.running.insert(run.id, (run.clone(), self.wall()));
        let most = *self.chance.pick(&[30, SECOND, MINUTE, 5 * HOUR]);
        let at = self.true_time + self.chance.between(1, most);
        let outcome = match self.chance.between(1, 50) {
            1 => Outcome::NotStarted("no such shell".to_owned()),
            2 => Outcome::Killed(9),
            3 => Outcome::Exited(1),
            4 => return,
            _ => Outcome::Exited(0),
        };
        if let Outcome::Exited(_) | Outcome::Killed(_) = outcome {
            self.befall(at, Coming::Done(run.id));
        } else if let Some((job, _)) = self.doing.remove(&run.id) {
            self.held.remove(&job);
        }
        self.befall(at, Coming::Tell(Event::Ended { run: run.id, outcome }));
    }

    fn step_clock(&mut self, by: i64) {
        let earliest = self.ends - 366 * DAY;
        let by = if self.wall() + by < earliest { -by } else { by };
        // The year must not be over by a step.
        let by = if self.wall() + by > self.ends - DAY { by.min(MINUTE) } else { by };
        self.wall_error += by;
        self.disturbed = true;
        self.befall(self.true_time, Coming::Poke);
    }

    fn sleep(&mut self, time: i64) {
        self.true_time += time;
        self.slept += time;
        self.disturbed = true;
        if self.chance.one_in(2) {
            self.befall(self.true_time, Coming::Poke);
        }
    }

    /// ratd is gone; at a boot all else as well.
    fn stop(&mut self, down: i64, boot: bool) {
        if self.ratd.take().is_none() {
            return;
        }
        let claims: Vec<_> = self
            .coming
            .iter()
            .filter(|(_, what)| self.dies_with_ratd(what))
            .map(|(key, _)| *key)
            .collect();
        for key in claims {
            // What was claimed and not yet told is lost; what was not yet claimed waits on.
            if let Some(Coming::Tell(Event::Claimed { runs, .. })) = self.coming.remove(&key) {
                self.lost.extend(runs.iter().map(|(run, _)| number_of(run)));
            }
        }
        if boot {
            // What ran is gone, and the locks with it.
            let dies = |what: &Coming| {
                matches!(
                    what,
                    Coming::Tell(Event::Ended { .. })
                        | Coming::Done(_)
                        | Coming::AnotherDone { .. }
                )
            };
            self.coming.retain(|_, what| !dies(what));
            self.held.clear();
            self.doing.clear();
            for run in self.running.keys().copied().collect::<Vec<_>>() {
                let outcome = Outcome::Lost("the machine was started anew".to_owned());
                self.befall(self.true_time + down, Coming::Tell(Event::Ended { run, outcome }));
            }
        }
        self.befall(self.true_time + down, Coming::Begin { boot });
    }

    fn dies_with_ratd(&self, what: &Coming) -> bool {
        matches!(
            what,
            Coming::Claim { .. }
                | Coming::Tell(
                    Event::Claimed { .. } | Event::Queued { .. } | Event::Stamped { .. }
                )
        )
    }

    fn begin(&mut self, boot: bool) -> Result<(), String> {
        let now = self.now();
        // Some are known from the start; of the others, their sessions tell before the first file is read.
        let known = |(run, started): &(Run, i64)| (run.clone(), instant(*started));
        let (known, adopted): (Vec<_>, Vec<_>) =
            self.running.values().map(known).partition(|(run, _)| run.id.0 % 2 == 0);
        let memory = Memory { running: known, next_run: self.next_run };
        self.ratd = Some(Ratd::new(&now, memory, self.mutation));
        self.oracle.begin(self.wall(), self.true_time - self.slept);
        self.held_until = 0;
        self.disturbed = true;
        for (run, at) in adopted {
            self.handle(Event::Adopted { run, at }, false)?;
        }
        for table in 0..self.tables.len() {
            self.load(table)?;
        }
        self.handle(Event::Ready { after_boot: boot }, false)?;
        let waiting = self.waiting();
        self.handle(Event::Queued { waiting }, false)
    }

    fn load(&mut self, number: usize) -> Result<(), String> {
        let table = &self.tables[number];
        let job = |(line, spec): (usize, &std::sync::Arc<crate::table::Spec>)| {
            spec.job(&table.source, line as u32 + 1, self.stamps.get(&spec.id).copied())
        };
        let jobs = table.jobs.iter().enumerate().map(job).collect();
        let event = Event::Loaded { source: table.source.clone(), jobs };
        self.oracle.read_stamps(&self.stamps);
        self.handle(event, false)
    }

    fn edit(&mut self, number: usize) -> Result<(), String> {
        self.author.edit(&mut self.tables[number], &mut self.chance);
        self.load(number)
    }

    /// The file is gone for a while.
    fn remove(&mut self, number: usize) -> Result<(), String> {
        let back = self.true_time + self.chance.between(1, DAY);
        self.befall(back, Coming::Edit(number));
        self.handle(Event::Gone { source: self.tables[number].source.clone() }, false)
    }

    fn waiting(&self) -> Waiting {
        Waiting { timed: self.queue.first().map(|(due, _)| instant(*due)), batch: None }
    }

    fn submit(&mut self, jobs: i64, after: i64) {
        let most = after + *self.chance.pick(&[0, HOUR, 300 * DAY]);
        for _ in 0..jobs {
            let due = self.wall() + self.chance.between(after, most);
            self.queued += 1;
            self.queue.insert((due - due.rem_euclid(MINUTE), self.queued));
        }
        let waiting = self.waiting();
        self.tell_if_up(Event::Queued { waiting });
    }

    fn tell_if_up(&mut self, event: Event) {
        if self.ratd.is_some() {
            self.tell(event);
        }
    }

    fn withdraw(&mut self) {
        self.queue.pop_first();
        let waiting = self.waiting();
        self.tell_if_up(Event::Queued { waiting });
    }

    /// The store's side of a claim.
    fn claim(&mut self, first: RunId, limit: u32) {
        let wall = self.wall();
        let mut runs: Vec<(Run, Recipe)> = Vec::new();
        while let Some((due, number)) = self
            .queue
            .first()
            .copied()
            .filter(|(due, _)| *due <= wall && runs.len() < limit as usize)
        {
            self.queue.pop_first();
            let id = RunId(first.0 + runs.len() as u64);
            let name = format!("a{number}");
            let owner = "alice".to_owned();
            runs.push((
                Run {
                    id,
                    job: JobId(name.clone()),
                    name,
                    owner,
                    due: instant(due),
                    trigger: Trigger::At,
                    attempt: 1,
                },
                recipe(),
            ));
        }
        let waiting = self.waiting();
        self.tell(Event::Claimed { runs, waiting });
    }

    fn at_jobs_were_started(&self) -> Result<(), String> {
        let waiting: BTreeSet<u64> = self.queue.iter().map(|(_, number)| *number).collect();
        let (oldest, _) = self.queue.first().copied().unwrap_or((i64::MAX, 0));
        if self.ratd.is_some() && oldest < self.wall() - DAY {
            return Err(format!("an at-job due {} still waits", shown(oldest / SECOND)));
        }
        let twice = (1..=self.queued).find(|number| {
            let started = self.oracle.started(&format!("a{number}"));
            started && (waiting.contains(number) || self.lost.contains(number))
        });
        twice.map_or(Ok(()), |number| Err(format!("a{number} was started and is not done")))
    }
}

fn number_of(run: &Run) -> u64 {
    run.name.trim_start_matches('a').parse().unwrap()
}

fn instant(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).unwrap()
}
