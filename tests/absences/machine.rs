//! A machine for some months: its power, its clock, its files, its ratds and their sessions, the real store, and what
//! befalls them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rat::plan::clock_step::Now;
use rat::plan::job::{JobId, Source};
use rat::plan::missed::Remembered;
use rat::plan::run::{Outcome, Report, Run, RunId, Trigger};
use rat::plan::scheduler::{Action, Event, Memory, Scheduler};
use rat::store::{Change, Store};

use crate::chance::Chance;
use crate::entry::{DAY, Entry, HOUR, MINUTE, jobs, number};
use crate::ledger::{Ledger, Turn, shown};

/// So long is a seed.
const MONTHS: i64 = 45 * DAY;

/// A fault planted around the scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What is made up for is started twice.
    MakesUpTwice,
    /// A run on time does not move the mark.
    ForgetsRuns,
    /// What is owed is forgotten when ratd ends.
    ForgetsOwed,
    /// What was missed is asked for before the orders of an earlier ratd have been read.
    AsksTooEarly,
    /// A run that makes up for something starts before that is written down.
    StartsBeforeItIsWritten,
    /// An entry is taken to have been there always.
    IgnoresFirstSeen,
    /// The newest comes first.
    NewestFirst,
    /// However late, it is made up for.
    IgnoresDeadlines,
    /// One more is made up for.
    MakesUpOneMore,
    /// Nobody is told what is not made up for.
    HidesMissed,
    /// The end of a run is told when it begins.
    RunsBesideItself,
    /// A sleep passes unseen, in small steps.
    SleepsUnseen,
    /// Nothing is started that is not on time.
    MakesUpForNothing,
    /// After a clock was set back by hours, the mark stays where it was.
    KeepsTheMarkOfAWrongClock,
}

impl Fault {
    pub const ALL: &[Fault] = &[
        Fault::MakesUpTwice,
        Fault::ForgetsRuns,
        Fault::ForgetsOwed,
        Fault::AsksTooEarly,
        Fault::StartsBeforeItIsWritten,
        Fault::IgnoresFirstSeen,
        Fault::NewestFirst,
        Fault::IgnoresDeadlines,
        Fault::MakesUpOneMore,
        Fault::HidesMissed,
        Fault::RunsBesideItself,
        Fault::SleepsUnseen,
        Fault::MakesUpForNothing,
        Fault::KeepsTheMarkOfAWrongClock,
    ];
}

enum Coming {
    Begin,
    /// No order of an earlier ratd can be read any more.
    Settle,
    /// The fork server reads its orders.
    Read,
    /// The disk thread writes what it has.
    Write,
    Kill(i64),
    PowerOff(i64),
    Sleep(i64),
    Step(i64),
    Edit,
    StoreFails(i64),
    StoreWorks,
    /// A job is over.
    End(RunId),
}

/// What the disk thread was told.
#[derive(Clone)]
enum Command {
    Begun(Run),
    Report(Run),
    MakeUp(Run),
    Recall(Vec<(JobId, DateTime<Utc>)>),
    Owe(JobId, Vec<DateTime<Utc>>, DateTime<Utc>),
    Forget(Vec<JobId>),
}

struct Ratd {
    scheduler: Scheduler,
    commands: Vec<Command>,
    recalls: Vec<Command>,
    unwritten: BTreeMap<JobId, Command>,
    first: u64,
    settled: bool,
    is_anew: bool,
}

struct Session {
    run: Run,
    is_over: bool,
}

struct Machine {
    chance: Chance,
    fault: Option<Fault>,
    source: Source,
    entries: Vec<Entry>,
    count: u32,
    numbers: BTreeMap<JobId, u32>,
    ledger: Ledger,
    store: Store,
    works: bool,
    ratd: Option<Ratd>,
    /// Orders that the fork server of a dead ratd has yet to read.
    pipe: Vec<Run>,
    /// The run directory.
    sessions: BTreeMap<RunId, Session>,
    recorded: BTreeSet<RunId>,
    next_run: u64,
    true_time: i64,
    slept: i64,
    wall_error: i64,
    coming: BTreeMap<(i64, u64), Coming>,
    events: u64,
    last: Option<Now>,
}

/// A directory that goes with the seed; in memory, where that is to be had.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a seed. What went wrong first, in one line; else how many runs made up for something.
pub fn run(seed: u64, fault: Option<Fault>) -> Result<u64, String> {
    let memory = PathBuf::from("/dev/shm");
    let place = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let named = fault.map_or(String::new(), |fault| format!("-{fault:?}"));
    let directory =
        Directory(place.join(format!("rat-absences-{}-{seed}{named}", std::process::id())));
    std::fs::create_dir_all(&directory.0).unwrap();
    let mut machine = Machine::new(seed, fault, Store::open(&directory.0.join("rat.db")).unwrap());
    machine.foresee(seed);
    let lived = machine.live();
    lived.map(|()| machine.ledger.made_up).map_err(|error| {
        let fault = fault.map_or(String::new(), |fault| format!(" with {fault:?}"));
        format!("seed {seed}{fault}, {}: {error}", shown(machine.wall()))
    })
}

impl Machine {
    fn new(seed: u64, fault: Option<Fault>, store: Store) -> Machine {
        let mut chance = Chance::new(seed);
        let count = chance.between(2, 5) as u32;
        let entries = (0..count).map(|number| Entry::new(number, &mut chance)).collect();
        Machine {
            chance,
            fault,
            source: Source("/etc/cron.d/work".into()),
            entries,
            count,
            numbers: BTreeMap::new(),
            ledger: Ledger::new(),
            store,
            works: true,
            ratd: None,
            pipe: Vec::new(),
            sessions: BTreeMap::new(),
            recorded: BTreeSet::new(),
            next_run: 1,
            true_time: 0,
            slept: 0,
            wall_error: 1_772_000_000,
            coming: BTreeMap::new(),
            events: 0,
            last: None,
        }
    }

    /// Writes down what will befall the machine. Either its power fails, or its disk does.
    fn foresee(&mut self, seed: u64) {
        self.befall(0, Coming::Begin);
        let lengths = [2 * MINUTE, 20 * MINUTE, 3 * HOUR, 12 * HOUR, 3 * DAY];
        self.often(40, |chance, longest| Coming::Kill(chance.between(1, longest)), &[5, 60, HOUR]);
        self.often(50, |chance, longest| Coming::Sleep(sleep(chance, longest)), &lengths);
        self.often(8, |_, _| Coming::Edit, &[0]);
        let steps = [MINUTE, 4 * MINUTE, 2 * HOUR, 30 * HOUR];
        self.often(8, |chance, longest| Coming::Step(step(chance, longest)), &steps);
        if seed.is_multiple_of(2) {
            let off = [5 * MINUTE, 8 * HOUR, 3 * DAY, 9 * DAY];
            self.often(30, |chance, longest| Coming::PowerOff(chance.between(20, longest)), &off);
        } else {
            let fails = [MINUTE, HOUR, 6 * HOUR];
            self.often(
                20,
                |chance, longest| Coming::StoreFails(chance.between(1, longest)),
                &fails,
            );
        }
    }

    fn often(&mut self, times: i64, what: impl Fn(&mut Chance, i64) -> Coming, longest: &[i64]) {
        for _ in 0..self.chance.between(times / 2, times) {
            let at = self.chance.between(HOUR, MONTHS);
            // Many things happen just when something is due.
            let at = if self.chance.one_in(3) { at - at % (10 * MINUTE) + 400 } else { at };
            let longest = *self.chance.pick(longest);
            let what = what(&mut self.chance, longest);
            self.befall(at, what);
        }
    }

    fn befall(&mut self, at: i64, what: Coming) {
        self.events += 1;
        self.coming.insert((at, self.events), what);
    }

    fn wall(&self) -> i64 {
        self.true_time + self.wall_error
    }

    fn now(&self) -> Now {
        let monotonic = Duration::from_secs((self.true_time - self.slept) as u64);
        Now { wall: instant(self.wall()), monotonic }
    }

    fn live(&mut self) -> Result<(), String> {
        while self.true_time < MONTHS {
            let timer = self.ratd.as_ref().and_then(|ratd| ratd.scheduler.next_wakeup());
            let timer = timer.map(|at| (at.timestamp() - self.wall_error).max(self.true_time));
            let coming = self.coming.first_key_value().map(|(key, _)| *key);
            match (timer, coming) {
                (None, None) => break,
                (Some(at), key) if key.is_none_or(|(next, _)| at < next) => {
                    self.true_time = at;
                    self.handle(Event::Woke)?;
                }
                (_, key) => {
                    let key = key.expect("one of both is there");
                    let what = self.coming.remove(&key).expect("it is the first");
                    self.true_time = self.true_time.max(key.0);
                    self.comes(what)?;
                }
            }
        }
        Ok(())
    }

    fn comes(&mut self, what: Coming) -> Result<(), String> {
        match what {
            Coming::Begin => self.begin(),
            Coming::Settle => self.settle(),
            Coming::Read => {
                self.read_pipe();
                Ok(())
            }
            Coming::Write => self.write(),
            Coming::Kill(down) => self.end_ratd(down),
            Coming::PowerOff(down) => self.power_off(down),
            Coming::Sleep(time) => {
                self.true_time += time;
                self.slept += time;
                self.handle(Event::Woke)
            }
            Coming::Step(by) => {
                self.wall_error += by;
                self.handle(Event::Woke)
            }
            Coming::Edit => self.edit(),
            Coming::StoreFails(time) => {
                self.works = false;
                self.befall(self.true_time + time, Coming::StoreWorks);
                Ok(())
            }
            Coming::StoreWorks => {
                self.works = true;
                Ok(())
            }
            Coming::End(run) => self.end(run),
        }
    }

    fn begin(&mut self) -> Result<(), String> {
        if self.ratd.is_some() {
            return Ok(());
        }
        let now = self.now();
        let memory = Memory { running: Vec::new(), next_run: self.next_run };
        let scheduler = Scheduler::new(&now, memory);
        self.ratd = Some(Ratd {
            scheduler,
            commands: Vec::new(),
            recalls: Vec::new(),
            unwritten: BTreeMap::new(),
            first: self.next_run,
            settled: false,
            is_anew: false,
        });
        self.last = Some(now);
        self.ledger.begin(self.wall(), self.true_time - self.slept);
        let adopted: Vec<Run> = self.sessions.values().map(|session| session.run.clone()).collect();
        for run in adopted {
            self.handle(Event::Adopted { run, at: now.wall })?;
        }
        self.load()?;
        self.handle(Event::Ready { after_boot: false })?;
        let pause = self.chance.between(0, 2);
        self.befall(self.true_time + pause, Coming::Settle);
        Ok(())
    }

    fn load(&mut self) -> Result<(), String> {
        let jobs = jobs(&self.source, &self.entries);
        for job in &jobs {
            let number = number(std::str::from_utf8(&job.recipe.command.0).unwrap());
            self.numbers.insert(job.id.clone(), number);
        }
        let jobs = jobs.iter().map(|job| {
            let mut job = (**job).clone();
            match self.fault {
                Some(Fault::IgnoresDeadlines) => job.terms.deadline = Some(TimeDelta::days(40)),
                Some(Fault::MakesUpOneMore) if job.terms.make_up() => job.terms.made_up += 1,
                Some(Fault::MakesUpForNothing) => job.terms.made_up = 0,
                _ => {}
            }
            std::sync::Arc::new(job)
        });
        let jobs = jobs.collect();
        self.handle(Event::Loaded { source: self.source.clone(), jobs })
    }

    /// One entry changes, goes, or comes.
    fn edit(&mut self) -> Result<(), String> {
        self.count += 1;
        let entry = Entry::new(self.count, &mut self.chance);
        let place = self.chance.between(0, self.entries.len() as i64 - 1) as usize;
        match self.chance.between(1, 3) {
            1 => self.entries[place] = entry,
            2 if self.entries.len() > 1 => drop(self.entries.remove(place)),
            _ => self.entries.insert(place, entry),
        }
        if self.ratd.is_some() { self.load() } else { Ok(()) }
    }

    /// One turn: tells the scheduler, has the ledger judge what it answers, and does that.
    fn handle(&mut self, event: Event) -> Result<(), String> {
        if self.fault == Some(Fault::SleepsUnseen) {
            self.creep()?;
        }
        self.handle_at(self.now(), event)
    }

    /// Lets the time since the last turn pass in small steps.
    fn creep(&mut self) -> Result<(), String> {
        while let (Some(last), Some(_)) = (self.last, &self.ratd)
            && self.now().wall - last.wall > TimeDelta::minutes(4)
        {
            let monotonic = last.monotonic + Duration::from_secs(240);
            self.handle_at(
                Now { wall: last.wall + TimeDelta::minutes(4), monotonic },
                Event::Woke,
            )?;
        }
        Ok(())
    }

    fn handle_at(&mut self, now: Now, event: Event) -> Result<(), String> {
        let Some(ratd) = &mut self.ratd else { return Ok(()) };
        self.last = Some(now);
        let recalled = match &event {
            Event::Recalled { entries: Some(entries) } => {
                entries.iter().filter_map(|(job, _)| self.numbers.get(job).copied()).collect()
            }
            _ => Vec::new(),
        };
        let is_read = matches!(event, Event::Loaded { .. });
        let mut actions = ratd.scheduler.handle(&now, event);
        self.distort(&mut actions);
        let of = |job: &JobId| self.numbers[job];
        let mut turn = Turn {
            true_time: self.true_time,
            wall: now.wall.timestamp(),
            monotonic: now.monotonic.as_secs() as i64,
            recalled,
            started: Vec::new(),
            claimed: Vec::new(),
            said: Vec::new(),
        };
        for action in &actions {
            match action {
                Action::Start { run, .. } if run.trigger == Trigger::Schedule => {
                    turn.started.push((of(&run.job), run.due.timestamp()));
                }
                Action::Start { run, .. } => {
                    return Err(format!("{} was started by {:?}", run.name, run.trigger));
                }
                Action::MakeUp { run, .. } => {
                    turn.claimed.push((of(&run.job), run.due.timestamp()));
                }
                Action::Missed { job, times, .. } => {
                    turn.said.push((of(&job.id), *times as usize));
                }
                _ => {}
            }
        }
        self.ledger.judge(&turn)?;
        if is_read {
            self.ledger.read(&self.entries, turn.wall, self.true_time);
        }
        actions.into_iter().for_each(|action| self.perform(action));
        Ok(())
    }

    fn distort(&mut self, actions: &mut Vec<Action>) {
        match self.fault {
            Some(Fault::HidesMissed) => {
                actions.retain(|action| !matches!(action, Action::Missed { .. }));
            }
            Some(Fault::MakesUpTwice) => {
                let again: Vec<Action> = actions
                    .iter()
                    .filter(|action| matches!(action, Action::MakeUp { .. }))
                    .cloned()
                    .collect();
                actions.extend(again);
            }
            Some(Fault::NewestFirst) => {
                let owed: BTreeMap<JobId, DateTime<Utc>> = actions
                    .iter()
                    .filter_map(|action| match action {
                        Action::Owe { job, owed, .. } => Some((job.clone(), *owed.last()?)),
                        _ => None,
                    })
                    .collect();
                for action in actions {
                    if let Action::MakeUp { run, .. } = action
                        && let Some(newest) = owed.get(&run.job)
                    {
                        run.due = *newest;
                    }
                }
            }
            _ => {}
        }
    }

    fn perform(&mut self, action: Action) {
        let command = match action {
            Action::Start { run, .. } => {
                self.ledger.run_begins(self.numbers[&run.job]);
                self.order(run.clone());
                Command::Begun(run)
            }
            Action::MakeUp { run, .. } => {
                self.next_run = self.next_run.max(run.id.0 + 1);
                if self.fault == Some(Fault::StartsBeforeItIsWritten) {
                    self.ledger.consume(self.numbers[&run.job], run.due.timestamp());
                    self.order(run.clone());
                }
                Command::MakeUp(run)
            }
            Action::Recall { entries } => Command::Recall(entries),
            Action::Owe { job, owed, handled } => Command::Owe(job, owed, handled),
            Action::Forget { jobs } => Command::Forget(jobs),
            Action::Missed { .. } => return,
            other => panic!("{other:?}"),
        };
        self.command(command);
    }

    fn command(&mut self, command: Command) {
        let pause = *self.chance.pick(&[0, 0, 0, 1, 4]);
        let Some(ratd) = &mut self.ratd else { return };
        ratd.commands.push(command);
        self.befall(self.true_time + pause, Coming::Write);
    }

    /// An order is in the socket; most are read at once.
    fn order(&mut self, run: Run) {
        self.next_run = self.next_run.max(run.id.0 + 1);
        if self.chance.one_in(4) {
            self.pipe.push(run);
            let pause = self.chance.between(0, 2);
            self.befall(self.true_time + pause, Coming::Read);
        } else {
            self.start(run);
        }
    }

    /// Its session is there.
    fn start(&mut self, run: Run) {
        let longest = *self.chance.pick(&[1, 1, 30, 20 * MINUTE, 5 * HOUR]);
        let ends = self.true_time + self.chance.between(0, longest);
        self.befall(ends, Coming::End(run.id));
        self.sessions.insert(run.id, Session { run, is_over: false });
    }

    fn end(&mut self, id: RunId) -> Result<(), String> {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        session.is_over = true;
        let run = session.run.clone();
        if self.ratd.is_none() {
            return Ok(());
        }
        self.tell_end(run)
    }

    /// The end of a run is told before its report is stored.
    fn tell_end(&mut self, run: Run) -> Result<(), String> {
        self.command(Command::Report(run.clone()));
        self.ledger.run_ends(self.numbers[&run.job], self.true_time);
        self.handle(Event::Ended { run: run.id, outcome: Outcome::Exited(0) })
    }

    fn settle(&mut self) -> Result<(), String> {
        if self.ratd.as_ref().is_none_or(|ratd| ratd.settled) {
            return Ok(());
        }
        self.read_pipe();
        let Some(ratd) = &mut self.ratd else { return Ok(()) };
        ratd.settled = true;
        let recalls = std::mem::take(&mut ratd.recalls);
        let first = ratd.first;
        let over = |session: &&Session| session.is_over && session.run.id.0 < first;
        let over: Vec<Run> =
            self.sessions.values().filter(over).map(|session| session.run.clone()).collect();
        for run in over {
            self.tell_end(run)?;
        }
        self.write()?;
        recalls.into_iter().for_each(|recall| self.command(recall));
        Ok(())
    }

    fn read_pipe(&mut self) {
        for run in std::mem::take(&mut self.pipe) {
            self.start(run);
        }
    }

    /// What has gathered is one transaction, or nothing.
    fn write(&mut self) -> Result<(), String> {
        let Some(ratd) = &mut self.ratd else { return Ok(()) };
        let mut commands = std::mem::take(&mut ratd.commands);
        let settled = ratd.settled || self.fault == Some(Fault::AsksTooEarly);
        if !settled {
            let recalls = commands.extract_if(.., |command| matches!(command, Command::Recall(_)));
            ratd.recalls.extend(recalls);
        }
        if commands.is_empty() {
            return Ok(());
        }
        if !self.works {
            return self.refuse(commands);
        }
        let unwritten: Vec<_> = std::mem::take(&mut ratd.unwritten).into_values().collect();
        let first = ratd.first;
        let mut all = unwritten;
        // Reports that could not be stored lie in the run directory.
        let over = self.sessions.values().filter(|session| session.is_over);
        all.extend(over.map(|session| Command::Report(session.run.clone())));
        let asks = commands.iter().any(|command| matches!(command, Command::Recall(_)));
        let mut adopted = Vec::new();
        if asks {
            let of_before = self.sessions.values().filter(|session| session.run.id.0 < first);
            adopted.extend(of_before.filter(|one| !one.is_over).map(|one| one.run.clone()));
            all.extend(adopted.iter().cloned().map(Command::Begun));
        }
        all.append(&mut commands);
        let mut answers = Vec::new();
        let store = &mut self.store;
        let change = store.begin().unwrap();
        if !std::mem::replace(&mut ratd.is_anew, true) {
            change.begin_anew().unwrap();
        }
        for command in &all {
            apply(
                &change,
                command,
                self.fault,
                instant(self.true_time + self.wall_error),
                &mut answers,
            );
        }
        change.commit().unwrap();
        for run in adopted {
            self.handle(Event::Adopted { run: run.clone(), at: self.now().wall })?;
        }
        for command in all {
            match command {
                Command::Begun(run) => drop(self.recorded.insert(run.id)),
                Command::Report(run) => {
                    self.recorded.insert(run.id);
                    self.sessions.remove(&run.id);
                }
                Command::MakeUp(run) => {
                    self.recorded.insert(run.id);
                    let number = self.numbers[&run.job];
                    if self.fault == Some(Fault::StartsBeforeItIsWritten) {
                        continue;
                    }
                    self.ledger.consume(number, run.due.timestamp());
                    self.ledger.run_begins(number);
                    self.order(run.clone());
                    if self.fault == Some(Fault::RunsBesideItself) {
                        self.handle(Event::Ended { run: run.id, outcome: Outcome::Exited(0) })?;
                    }
                }
                Command::Recall(entries) => {
                    entries.iter().for_each(|(job, _)| self.ledger.seen(self.numbers[job]));
                }
                Command::Owe(job, ..) => self.ledger.written(self.numbers[&job]),
                Command::Forget(_) => {}
            }
        }
        if asks {
            self.handle(Event::Recalled { entries: Some(answers) })?;
        }
        Ok(())
    }

    fn refuse(&mut self, commands: Vec<Command>) -> Result<(), String> {
        for command in commands {
            match command {
                Command::Recall(_) => self.handle(Event::Recalled { entries: None })?,
                Command::MakeUp(run) => {
                    let number = self.numbers[&run.job];
                    self.ledger.put_back(number, self.wall(), self.true_time);
                    self.handle(Event::NotMadeUp { run })?;
                }
                Command::Owe(job, owed, handled) => {
                    if let Some(ratd) = &mut self.ratd {
                        ratd.unwritten.insert(job.clone(), Command::Owe(job, owed, handled));
                    }
                }
                Command::Begun(_) | Command::Report(_) | Command::Forget(_) => {}
            }
        }
        Ok(())
    }

    /// ratd is killed, wherever it is.
    fn end_ratd(&mut self, down: i64) -> Result<(), String> {
        let Some(ratd) = self.ratd.take() else { return Ok(()) };
        let unwritten = ratd.commands.iter().chain(ratd.unwritten.values());
        for command in unwritten {
            if let Command::Owe(job, ..) = command {
                self.ledger.unwritten(self.numbers[job]);
            }
        }
        self.befall(self.true_time + down, Coming::Begin);
        Ok(())
    }

    fn power_off(&mut self, down: i64) -> Result<(), String> {
        self.end_ratd(down)?;
        for run in std::mem::take(&mut self.pipe) {
            self.sessions.insert(run.id, Session { run, is_over: true });
        }
        for (id, session) in std::mem::take(&mut self.sessions) {
            let number = self.numbers[&session.run.job];
            if !self.recorded.contains(&id) {
                self.ledger.unstart(number, session.run.due.timestamp());
            }
        }
        self.ledger.nothing_runs();
        Ok(())
    }
}

fn apply(
    change: &Change,
    command: &Command,
    fault: Option<Fault>,
    now: DateTime<Utc>,
    answers: &mut Vec<(JobId, Remembered)>,
) {
    match command {
        Command::Begun(_) if fault == Some(Fault::ForgetsRuns) => {}
        Command::Report(run)
            if fault == Some(Fault::ForgetsRuns) && run.trigger == Trigger::Schedule => {}
        Command::Begun(run) | Command::MakeUp(run) => change.begun(run).unwrap(),
        Command::Report(run) => {
            let outcome = Outcome::Exited(0);
            change.finish(&Report::without_session(run.clone(), now, outcome)).unwrap();
        }
        Command::Recall(entries) => {
            for (job, handled) in entries {
                let handled = match fault {
                    Some(Fault::IgnoresFirstSeen) => *handled - TimeDelta::days(2),
                    _ => *handled,
                };
                let mut remembered = change.recall(job, handled, now).unwrap();
                if fault == Some(Fault::ForgetsOwed) {
                    remembered.owed.clear();
                }
                answers.push((job.clone(), remembered));
            }
        }
        Command::Owe(job, owed, handled) => {
            let kept = match fault {
                Some(Fault::KeepsTheMarkOfAWrongClock) => {
                    let before = change.recall(job, *handled, now).unwrap().handled;
                    before.max(*handled)
                }
                _ => *handled,
            };
            change.owe(job, owed, kept).unwrap();
        }
        Command::Forget(jobs) => change.forget_entries(jobs).unwrap(),
    }
}

fn sleep(chance: &mut Chance, longest: i64) -> i64 {
    let time = chance.between(1, longest);
    // What is about six minutes may be taken either way.
    if (4 * MINUTE..9 * MINUTE).contains(&time) { time + 5 * MINUTE } else { time }
}

fn step(chance: &mut Chance, longest: i64) -> i64 {
    let by = sleep(chance, longest);
    if chance.one_in(2) { by } else { -by }
}

fn instant(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}
