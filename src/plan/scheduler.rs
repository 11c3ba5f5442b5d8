//! Which run starts now. Told what happened and what time it is, answers with actions; does nothing itself.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta};

use crate::plan::at_queue::{self, AtQueue, Limits, Waiting};
use crate::plan::catch_up::{self, Every, Once};
use crate::plan::civil::{Timestamp, reading};
use crate::plan::clock_step::{Clock, Now, Owed, Step, delay, is_walked_back, owed};
use crate::plan::job::{Job, JobId, Origin, Recipe, Source};
use crate::plan::missed::{Missed, Remembered, Step as Late};
use crate::plan::retry::{self, Again};
use crate::plan::run::{Outcome, Run, RunId, Trigger};
use crate::plan::schedule::{Due, Schedule};
use crate::plan::submission::is_at_job;

/// What the scheduler is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// The time asked for has come, or the clock was set.
    Woke,
    /// A file was read: these are all its jobs, in the order of the file.
    Loaded { source: Source, jobs: Vec<Arc<Job>> },
    /// A file is gone, and its jobs with it.
    Gone { source: Source },
    /// Every file has been read once; `@reboot` jobs run if this is the first start after a boot.
    Ready { after_boot: bool },
    /// The at-jobs that wait changed.
    Queued { waiting: Waiting },
    /// The at-jobs that a claim asked for, and what is left.
    Claimed { runs: Vec<(Run, Recipe)>, waiting: Waiting },
    /// The load that was asked for, in hundredths.
    Load { hundredths: u32 },
    /// A run that an earlier ratd started goes on.
    Adopted { run: Run, at: Timestamp },
    /// A run is over.
    Ended { run: RunId, outcome: Outcome },
    /// The last run of a job under an earlier ratd ended so.
    Failed { run: Run, outcome: Outcome, ended: Timestamp },
    /// The period job of this name was last done then, by whomever.
    Stamped { name: String, done: Option<NaiveDate> },
    /// What is written down of entries that were asked for; `None` if that cannot be told now.
    Recalled { entries: Option<Vec<(JobId, Remembered)>> },
    /// That a missed instant is made up for cannot be written down.
    NotMadeUp { run: Run },
    /// There is mains power, or there is none.
    Power { mains: bool },
}

/// What the scheduler answers.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // Most actions are starts, and few are held at once.
pub enum Action {
    /// Start this run now, of a job that was read there; if it is the one run of a period, unless another was first.
    Start { run: Run, recipe: Recipe, source: Option<Source>, once: Option<Once> },
    /// Claim up to `limit` at-jobs of this kind that are due, and number their runs from `first` on.
    Claim { kind: at_queue::QueueKind, first: RunId, limit: u32 },
    /// Tell the load average of the last minute, at once: a batch job is due.
    AskLoad,
    /// These runs of a job were due and are not made up for.
    Missed { job: Arc<Job>, times: u32, since: Timestamp },
    /// This run of a job was due, but the one before still goes on.
    Skipped { job: Arc<Job>, due: Timestamp },
    /// A period job has been done for the period of this date.
    Stamp { job: Arc<Job>, date: NaiveDate },
    /// Tell what is written down of these entries. One that is not known is seen for the first time, and everything up
    /// to the instant beside it is decided.
    Recall { entries: Vec<(JobId, Timestamp)> },
    /// Write down that everything that an entry is due at up to `handled` is decided, and that these instants are owed.
    Owe { job: JobId, owed: Vec<Timestamp>, handled: Timestamp },
    /// These entries are no more: should they come back, they are new.
    Forget { jobs: Vec<JobId> },
    /// Write down that this run of a job makes up for what was missed, then start it.
    MakeUp { run: Run, job: Arc<Job> },
    /// Tell whether there is mains power, at once: an entry is due that needs it.
    AskPower,
}

/// What an earlier ratd left behind.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Runs that are still going on, and when they were started.
    pub running: Vec<(Run, Timestamp)>,
    /// The first id that was never given to a run.
    pub next_run: u64,
}

/// Missed runs are counted up to here; beyond, nobody needs the number.
const COUNTED: u32 = 10_000;

/// A schedule of seconds that is later than this waits for its next second instead.
const SECONDS_LATE: TimeDelta = TimeDelta::seconds(5);

/// A period job that could not be started is tried again after this.
const TRY_AGAIN: TimeDelta = TimeDelta::minutes(10);

/// One that another anacron has is looked at again after this, unless its stamp is written before.
const LEFT_ALONE: TimeDelta = TimeDelta::hours(1);

/// All jobs but those of the at queue, which stay in the store until they are due.
#[derive(Debug)]
pub struct Scheduler {
    clock: Clock,
    tables: Vec<Table>,
    table_of: HashMap<Source, usize>,
    /// When each table has a job due next, so that nothing is looked at that is not due.
    turns: BTreeSet<(i64, usize)>,
    /// Where the jobs are whose ends decide when they run next.
    followed: HashMap<JobId, (usize, usize)>,
    /// What failed and is tried again.
    retries: retry::Waiting,
    queue: AtQueue,
    /// The entries that are started late, and what they owe.
    missed: Missed,
    running: HashMap<RunId, Running>,
    /// How many runs of a job go on.
    runs: HashMap<JobId, u32>,
    next_run: u64,
    ready: bool,
}

/// The jobs of one file, and when they are due.
#[derive(Debug, Default)]
struct Table {
    jobs: Vec<Arc<Job>>,
    turns: BinaryHeap<Reverse<Turn>>,
}

impl Table {
    fn next(&self) -> Option<i64> {
        self.turns.peek().map(|Reverse(turn)| turn.at)
    }
}

/// When a job is due next. In a minute files go in the order they were first read in, lines in theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    at: i64,
    table: usize,
    line: usize,
    times: u32,
}

impl Turn {
    fn new(table: usize, line: usize, due: Due) -> Turn {
        Turn { at: due.at.timestamp(), table, line, times: due.times }
    }
}

/// What a run is for.
#[derive(Clone, Copy, Debug)]
struct Instant {
    due: Timestamp,
    trigger: Trigger,
    attempt: u32,
}

/// A run that is about to be started.
struct Owing {
    job: Arc<Job>,
    due: Timestamp,
    /// How many seconds before that its reading of the clock belongs, if a jump skipped it.
    behind: i64,
    trigger: Trigger,
}

/// A run that is going on.
#[derive(Debug)]
struct Running {
    run: Run,
    started: Timestamp,
}

impl Scheduler {
    /// A scheduler without jobs.
    pub fn new(now: &Now, memory: Memory) -> Scheduler {
        let mut scheduler = Scheduler {
            clock: Clock::new(now),
            tables: Vec::new(),
            table_of: HashMap::new(),
            turns: BTreeSet::new(),
            followed: HashMap::new(),
            retries: retry::Waiting::default(),
            queue: AtQueue::new(Limits::of_machine(1)),
            missed: Missed::default(),
            running: HashMap::new(),
            runs: HashMap::new(),
            next_run: memory.next_run,
            ready: false,
        };
        for (run, started) in memory.running {
            scheduler.note_start(run, started);
        }
        scheduler
    }

    /// The same scheduler, which holds at-jobs to other bounds than those of the smallest machine.
    pub fn with_limits(mut self, limits: Limits) -> Scheduler {
        self.queue.limit(limits);
        self
    }

    /// At-jobs are held to other bounds from now on.
    pub fn limit_at_jobs(&mut self, limits: Limits) {
        self.queue.limit(limits);
    }

    /// What to do about `event`, and about everything else that is due by now.
    ///
    /// What is due comes first: a table that is replaced in the very second its jobs are due still starts them.
    pub fn handle(&mut self, now: &Now, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        self.start_due(now, &mut actions);
        self.start_again(now.wall, &mut actions);
        match event {
            Event::Woke => {}
            Event::Loaded { source, jobs } => self.load(now.wall, source, jobs, &mut actions),
            Event::Gone { source } => self.load(now.wall, source, Vec::new(), &mut actions),
            Event::Ready { after_boot } => self.begin(now.wall, after_boot, &mut actions),
            Event::Queued { waiting } => self.queue.expect(waiting),
            Event::Claimed { runs, waiting } => {
                self.start_claimed(now.wall, runs, waiting, &mut actions);
            }
            Event::Load { hundredths } => {
                let step = self.queue.weigh(now.wall, hundredths);
                self.attend_queue(step, &mut actions);
            }
            Event::Adopted { run, at } => self.note_start(run, at),
            Event::Ended { run, outcome } => self.finish(now.wall, run, &outcome, &mut actions),
            Event::Failed { run, outcome, ended } => {
                self.recall_failure(now.wall, &run, &outcome, ended);
            }
            Event::Stamped { name, done } => self.note_stamp(now.wall, &name, done),
            Event::Recalled { entries } => {
                let steps = self.missed.recalled(now.wall, entries);
                self.attend_missed(now.wall, steps, &mut actions);
            }
            Event::NotMadeUp { run } => {
                self.forget_run(run.id);
                let steps = self.missed.put_back(&run.job, run.due, now.wall);
                self.attend_missed(now.wall, steps, &mut actions);
            }
            Event::Power { mains } => {
                let steps = self.missed.power(now.wall, mains, |job| self.runs.contains_key(job));
                self.attend_missed(now.wall, steps, &mut actions);
            }
        }
        let steps = self.missed.due(now.wall, |job| self.runs.contains_key(job));
        self.attend_missed(now.wall, steps, &mut actions);
        let step = self.queue.step(now.wall);
        self.attend_queue(step, &mut actions);
        actions
    }

    /// When `handle` must be called next, if nothing happens before. `None`: nothing will ever be due.
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        let turn = self.turns.first().map(|(at, _)| *at);
        let job = [turn, self.retries.wakeup()].into_iter().flatten().min();
        let job = job.and_then(|at| DateTime::from_timestamp(at, 0));
        [job, self.queue.wakeup(), self.missed.wakeup()].into_iter().flatten().min()
    }

    /// Whether a job waits for mains power.
    pub fn waits_for_mains(&self) -> bool {
        self.missed.wait_for_mains()
    }

    /// Every job and when it is due next, in no particular order of time.
    pub fn jobs(&self) -> Vec<(Arc<Job>, Option<Timestamp>)> {
        let mut jobs = Vec::with_capacity(self.count());
        for table in &self.tables {
            let first = jobs.len();
            jobs.extend(table.jobs.iter().map(|job| (job.clone(), None)));
            for Reverse(turn) in &table.turns {
                jobs[first + turn.line].1 = DateTime::from_timestamp(turn.at, 0);
            }
        }
        jobs
    }

    /// A run of a job that somebody wants now, and the job, or why there cannot be one.
    ///
    /// Nothing of its schedule changes, but that of a period job: it is done for its period when it has run, as with
    /// `anacron -f`, and is not started a second time meanwhile.
    pub fn by_hand(&mut self, now: Timestamp, id: &JobId) -> Result<(Run, Arc<Job>), String> {
        let gone = || format!("{} is gone", id.0);
        let (table, line) = self.place_of(id).ok_or_else(gone)?;
        let job = self.tables[table].jobs[line].clone();
        let is_period = matches!(job.schedule, Schedule::Every(_));
        if (job.single || is_period) && self.is_running(id) {
            return Err(format!("{} still runs, and never runs twice at a time", job.name));
        }
        if matches!(job.schedule, Schedule::Never) {
            let Origin { source, line } = &job.origin;
            let file = source.0.display();
            return Err(format!("{} is disabled, and never runs: {file}:{line}", job.name));
        }
        if is_period {
            self.retries.forget(id);
            let before = self.tables[table].next();
            self.tables[table].turns.retain(|turn| turn.0.line != line);
            self.note_next(table, before);
        }
        let instant = Instant { due: now, trigger: Trigger::Manual, attempt: 1 };
        Ok((self.run_of(now, &job, instant), job))
    }

    /// Of a period job that somebody wants now: the run that is then done for its period.
    pub fn once_by_hand(&self, now: Timestamp, id: &JobId) -> Option<Once> {
        let (table, line) = self.followed.get(id).copied()?;
        once(&self.tables[table].jobs[line], now, true)
    }

    fn place_of(&self, id: &JobId) -> Option<(usize, usize)> {
        self.tables.iter().enumerate().find_map(|(table, lines)| {
            Some((table, lines.jobs.iter().position(|job| job.id == *id)?))
        })
    }

    /// How many jobs there are.
    pub fn count(&self) -> usize {
        self.tables.iter().map(|table| table.jobs.len()).sum()
    }

    /// The coming runs of the jobs that `wanted` selects, in order of time: at most `count`, all before `until`.
    pub fn upcoming(
        &self,
        until: Timestamp,
        count: usize,
        wanted: impl Fn(&Job) -> bool,
    ) -> Vec<(Arc<Job>, Timestamp)> {
        let job = |turn: &Turn| &self.tables[turn.table].jobs[turn.line];
        let turns = self.tables.iter().flat_map(|table| &table.turns);
        let mut turns: BinaryHeap<_> = turns.filter(|turn| wanted(job(&turn.0))).copied().collect();
        let mut runs = Vec::new();
        while let Some(Reverse(turn)) = turns.pop() {
            let Some(at) = DateTime::from_timestamp(turn.at, 0).filter(|at| *at < until) else {
                break;
            };
            for _ in 0..turn.times {
                if runs.len() == count {
                    return runs;
                }
                runs.push((job(&turn).clone(), at));
            }
            let next = job(&turn).next_after(at);
            turns.extend(
                next.map(|due| Reverse(Turn { at: due.at.timestamp(), times: due.times, ..turn })),
            );
        }
        runs
    }

    fn start_due(&mut self, now: &Now, actions: &mut Vec<Action>) {
        let step = self.clock.advance(now);
        match step {
            Step::Anew => {
                self.clock_was_set(now.wall);
                self.plan_again(now.wall, |_| true);
                let steps = self.missed.clock_was_set(now.wall);
                self.attend_missed(now.wall, steps, actions);
            }
            Step::Back => {
                self.clock_was_set(now.wall);
                self.plan_again(now.wall, goes_by_the_clock);
                let again = |job: &Job| goes_by_the_clock(&job.schedule);
                let reached = self.clock.reached;
                let steps = self.missed.clock_was_set_back(now.wall, reached, again);
                self.attend_missed(now.wall, steps, actions);
            }
            Step::None | Step::Forward(_) => {}
        }
        let Some(oldest) = self.turns.first().and_then(|(at, _)| DateTime::from_timestamp(*at, 0))
        else {
            return;
        };
        let delay = delay(step, now.wall - oldest);
        let mut owing = Vec::new();
        while let Some((at, table)) =
            self.turns.first().copied().filter(|(at, _)| *at <= now.wall.timestamp())
        {
            let turn = self.tables[table].turns.pop();
            self.note_next(table, Some(at));
            if let Some(Reverse(turn)) = turn {
                self.take_turn(now.wall, turn, delay, &mut owing, actions);
            }
        }
        // Stable: where nothing was skipped the order of files and lines stays.
        owing.sort_by_key(|owing: &Owing| (owing.due, Reverse(owing.behind)));
        for Owing { job, due, trigger, .. } in owing {
            self.start(now.wall, &job, Instant { due, trigger, attempt: 1 }, actions);
        }
    }

    /// The clock was set back: what waits for a time of it waits no longer than it was to.
    fn clock_was_set(&mut self, now: Timestamp) {
        self.queue.clock_was_set();
        self.retries.clock_was_set(now);
    }

    /// Starts what failed before and is to be tried again by now.
    fn start_again(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        while let Some((run, again)) = self.retries.take(now) {
            // It may be gone from its file.
            let Some(job) = self.followed_job(&again.job) else { continue };
            match outside_hours(&job, now) {
                Some(opening) => self.retries.add(opening, run, again),
                None => {
                    let Again { due, attempt, .. } = again;
                    let instant = Instant { due, trigger: Trigger::Retry, attempt };
                    self.start(now, &job, instant, actions);
                }
            }
        }
    }

    /// Notes what is due at one instant of one job, or passes over it and what else is not owed.
    fn take_turn(
        &mut self,
        now: Timestamp,
        turn: Turn,
        delay: TimeDelta,
        owing: &mut Vec<Owing>,
        actions: &mut Vec<Action>,
    ) {
        let job = self.tables[turn.table].jobs[turn.line].clone();
        let Some(at) = DateTime::from_timestamp(turn.at, 0) else { return };
        if let Some(opening) = outside_hours(&job, now) {
            self.push(turn.table, turn.line, Some(Due { at: opening, times: 1 }));
            return;
        }
        let resume = owed_from(&job, delay, now);
        if at >= resume {
            let trigger = match job.schedule {
                Schedule::Every(_) if now - at > TimeDelta::minutes(1) => Trigger::CatchUp,
                _ => Trigger::Schedule,
            };
            let owed = |behind| Owing { job: job.clone(), due: at, behind, trigger };
            owing.extend(behind(&job, at).into_iter().map(owed));
            let done = if is_walked(&job.schedule) { at.max(now) } else { at };
            self.push(turn.table, turn.line, job.next_after(done));
            return;
        }
        if job.terms.make_up() {
            let last = resume - TimeDelta::seconds(1);
            self.push(turn.table, turn.line, job.next_after(last));
            let steps = self.missed.pass_over(&job, at - TimeDelta::seconds(1), last, now);
            self.attend_missed(now, steps, actions);
            return;
        }
        let (times, next) = pass_over(&job, Due { at, times: turn.times }, resume);
        actions.push(Action::Missed { job, times, since: at });
        self.push(turn.table, turn.line, next);
    }

    fn start(
        &mut self,
        now: Timestamp,
        job: &Arc<Job>,
        instant: Instant,
        actions: &mut Vec<Action>,
    ) {
        if job.single && self.is_running(&job.id) {
            actions.push(Action::Skipped { job: job.clone(), due: instant.due });
            return;
        }
        // One that is tried again had mains power when it was started.
        if job.terms.ac_only && instant.attempt == 1 {
            self.missed.hold(job, instant.due);
            return;
        }
        self.start_at_once(now, job, instant, actions);
    }

    fn start_at_once(
        &mut self,
        now: Timestamp,
        job: &Arc<Job>,
        instant: Instant,
        actions: &mut Vec<Action>,
    ) {
        let run = self.run_of(now, job, instant);
        let once = once(job, now, false);
        let (recipe, source) = (job.recipe.clone(), Some(job.origin.source.clone()));
        actions.push(Action::Start { run, recipe, source, once });
    }

    /// A new run of a job, which counts as running from here on.
    fn run_of(&mut self, now: Timestamp, job: &Job, instant: Instant) -> Run {
        let Instant { due, trigger, attempt } = instant;
        let run = Run {
            id: self.number(1),
            job: job.id.clone(),
            name: job.name.clone(),
            owner: job.owner.clone(),
            due,
            trigger,
            attempt,
        };
        self.note_start(run.clone(), now);
        run
    }

    /// Takes so many run ids, and returns the first.
    fn number(&mut self, count: u32) -> RunId {
        let first = RunId(self.next_run);
        self.next_run += u64::from(count);
        first
    }

    fn push(&mut self, table: usize, line: usize, due: Option<Due>) {
        let before = self.tables[table].next();
        self.tables[table].turns.extend(due.map(|due| Reverse(Turn::new(table, line, due))));
        self.note_next(table, before);
    }

    /// Takes note of when a table has a job due next, which was `before`.
    fn note_next(&mut self, table: usize, before: Option<i64>) {
        let next = self.tables[table].next();
        if next == before {
            return;
        }
        if let Some(before) = before {
            self.turns.remove(&(before, table));
        }
        self.turns.extend(next.map(|next| (next, table)));
    }

    fn note_start(&mut self, run: Run, started: Timestamp) {
        if is_at_job(&run.job) {
            self.queue.began();
        }
        *self.runs.entry(run.job.clone()).or_default() += 1;
        if let Some(same) = self.running.insert(run.id, Running { run, started }) {
            self.note_end(&same.run.job);
        }
    }

    fn note_end(&mut self, job: &JobId) {
        if is_at_job(job) {
            self.queue.ended();
        }
        let left = self.runs.get_mut(job).map(|runs| {
            *runs -= 1;
            *runs
        });
        if left == Some(0) {
            self.runs.remove(job);
        }
    }

    fn load(
        &mut self,
        now: Timestamp,
        source: Source,
        jobs: Vec<Arc<Job>>,
        actions: &mut Vec<Action>,
    ) {
        let table = *self.table_of.entry(source).or_insert(self.tables.len());
        if table == self.tables.len() {
            self.tables.push(Table::default());
        }
        let before = self.tables[table].next();
        for job in self.tables[table].jobs.iter().filter(|job| is_followed(job)) {
            if self.followed.get(&job.id).is_some_and(|(place, _)| *place == table) {
                self.followed.remove(&job.id);
            }
        }
        let followed = jobs.iter().zip(0..).filter(|(job, _)| is_followed(job));
        self.followed.extend(followed.map(|(job, line)| (job.id.clone(), (table, line))));
        let turns = jobs.iter().zip(0..).filter_map(|(job, line)| {
            self.first_due(now, job).map(|due| Reverse(Turn::new(table, line, due)))
        });
        let turns = turns.collect();
        let clock = self.clock;
        let planned = |job: &Job| planned_until(&clock, now, &job.schedule);
        let steps = self.missed.replace(&self.tables[table].jobs, &jobs, planned);
        self.tables[table] = Table { jobs, turns };
        self.note_next(table, before);
        self.attend_missed(now, steps, actions);
    }

    /// When a job is due that has just been read, or whose clock has just been set.
    fn first_due(&self, now: Timestamp, job: &Job) -> Option<Due> {
        match &job.schedule {
            Schedule::Every(_) if self.is_running(&job.id) || self.retries.has(&job.id) => None,
            Schedule::Every(every) => {
                Some(Due { at: catch_up::due(every, now, &*job.zone), times: 1 })
            }
            schedule => job.next_after(planned_until(&self.clock, now, schedule)),
        }
    }

    fn is_running(&self, job: &JobId) -> bool {
        self.runs.contains_key(job)
    }

    /// A job whose ends decide when it runs next.
    fn followed_job(&self, id: &JobId) -> Option<Arc<Job>> {
        let (table, line) = self.followed.get(id).copied()?;
        Some(self.tables[table].jobs[line].clone())
    }

    /// Plans those jobs again from what the clock says now.
    fn plan_again(&mut self, now: Timestamp, affected: impl Fn(&Schedule) -> bool) {
        for table in 0..self.tables.len() {
            let Table { jobs, turns } = &self.tables[table];
            let before = self.tables[table].next();
            let kept = turns.iter().copied().filter(|turn| !affected(&jobs[turn.0.line].schedule));
            let again = jobs.iter().zip(0..).filter(|(job, _)| affected(&job.schedule));
            let planned = again.filter_map(|(job, line)| {
                self.first_due(now, job).map(|due| Reverse(Turn::new(table, line, due)))
            });
            self.tables[table].turns = kept.chain(planned).collect();
            self.note_next(table, before);
        }
    }

    fn begin(&mut self, now: Timestamp, after_boot: bool, actions: &mut Vec<Action>) {
        let first = !std::mem::replace(&mut self.ready, true);
        if !first || !after_boot {
            return;
        }
        let at_boot = |job: &&Arc<Job>| matches!(job.schedule, Schedule::Reboot);
        let jobs: Vec<_> = self
            .tables
            .iter()
            .flat_map(|table| table.jobs.iter())
            .filter(at_boot)
            .cloned()
            .collect();
        for job in jobs {
            let instant = Instant { due: now, trigger: Trigger::Reboot, attempt: 1 };
            self.start(now, &job, instant, actions);
        }
    }

    fn attend_missed(&mut self, now: Timestamp, steps: Vec<Late>, actions: &mut Vec<Action>) {
        let handled = now.max(self.clock.reached);
        for step in steps {
            match step {
                Late::Recall(entries) => actions.push(Action::Recall { entries }),
                Late::Owe { job, owed, handled: before } => {
                    actions.push(Action::Owe { job, owed, handled: handled.max(before) });
                }
                Late::Forget(jobs) => actions.push(Action::Forget { jobs }),
                Late::Missed { job, times, since } => {
                    actions.push(Action::Missed { job, times, since });
                }
                Late::MakeUp { job, due } => {
                    let instant = Instant { due, trigger: Trigger::CatchUp, attempt: 1 };
                    let run = self.run_of(now, &job, instant);
                    actions.push(Action::MakeUp { run, job });
                }
                Late::Start { job, due } => {
                    if let Some(opening) = outside_hours(&job, now) {
                        let place = self.followed.get(&job.id).copied();
                        let due = Some(Due { at: opening, times: 1 });
                        place.into_iter().for_each(|(table, line)| self.push(table, line, due));
                        continue;
                    }
                    let trigger = match job.schedule {
                        Schedule::Reboot => Trigger::Reboot,
                        _ if now - due < TimeDelta::minutes(1) => Trigger::Schedule,
                        _ => Trigger::CatchUp,
                    };
                    let instant = Instant { due, trigger, attempt: 1 };
                    self.start_at_once(now, &job, instant, actions);
                }
                Late::AskPower => actions.push(Action::AskPower),
            }
        }
    }

    fn attend_queue(&mut self, step: Option<at_queue::Step>, actions: &mut Vec<Action>) {
        match step {
            None => {}
            Some(at_queue::Step::AskLoad) => actions.push(Action::AskLoad),
            Some(at_queue::Step::Claim(kind, limit)) => {
                actions.push(Action::Claim { kind, first: self.number(limit), limit });
            }
        }
    }

    fn start_claimed(
        &mut self,
        now: Timestamp,
        runs: Vec<(Run, Recipe)>,
        waiting: Waiting,
        actions: &mut Vec<Action>,
    ) {
        self.queue.claimed(waiting);
        for (run, recipe) in runs {
            self.note_start(run.clone(), now);
            actions.push(Action::Start { run, recipe, source: None, once: None });
        }
    }

    fn forget_run(&mut self, run: RunId) -> Option<Running> {
        let ended = self.running.remove(&run)?;
        self.note_end(&ended.run.job);
        Some(ended)
    }

    fn finish(&mut self, now: Timestamp, run: RunId, outcome: &Outcome, actions: &mut Vec<Action>) {
        let Some(Running { run, started }) = self.forget_run(run) else { return };
        if !self.is_running(&run.job) {
            self.missed.ended(&run.job, now);
        }
        let Some(job) = self.followed_job(&run.job) else { return };
        if self.try_again(now, &run, outcome, &job) {
            return;
        }
        if let Schedule::Every(every) = &job.schedule {
            self.plan_period(now, &job, every, started, outcome, actions);
        }
    }

    /// Whether the job of a run that ended so is tried again for the same instant.
    fn try_again(&mut self, now: Timestamp, run: &Run, outcome: &Outcome, job: &Job) -> bool {
        let Run { id, due, trigger, attempt, .. } = *run;
        // Whoever runs it by hand sees how it ends.
        let pause = job.retries.pause(id, outcome, attempt).filter(|_| trigger != Trigger::Manual);
        if let Some(pause) = pause {
            let again = Again { job: job.id.clone(), due, attempt: attempt + 1, pause };
            self.retries.add(now + pause, id, again);
        }
        pause.is_some()
    }

    /// An entry that failed under an earlier ratd is tried again, unless it has been due again meanwhile. A period job
    /// is owed in any case.
    fn recall_failure(&mut self, now: Timestamp, run: &Run, outcome: &Outcome, at: Timestamp) {
        let Some(job) = self.followed_job(&run.job).filter(|job| !is_period(job)) else { return };
        if job.next_after(run.due).is_some_and(|next| next.at <= now) {
            return;
        }
        // A clock that has been set back since tells no more than that it is over.
        self.try_again(at.min(now), run, outcome, &job);
    }

    /// When a period job is due after a run of it that was started then ended so.
    fn plan_period(
        &mut self,
        now: Timestamp,
        job: &Arc<Job>,
        every: &Every,
        started: Timestamp,
        outcome: &Outcome,
        actions: &mut Vec<Action>,
    ) {
        let Some((table, line)) = self.followed.get(&job.id).copied() else { return };
        let pause = match outcome {
            outcome if catch_up::is_done_by(job.retries.times > 0, outcome) => None,
            Outcome::Exited(_) | Outcome::Killed(_) => {
                Some(catch_up::until_tomorrow(now, &*job.zone))
            }
            Outcome::NotStarted(_) | Outcome::Lost(_) => Some(TRY_AGAIN),
            Outcome::LeftToAnother(_) => Some(LEFT_ALONE),
        };
        if let Some(pause) = pause {
            let again = now + pause;
            let at = outside_hours(job, again).unwrap_or(again);
            // One that somebody asked for may not be due for days; one that is due has waited out its delay.
            let is_due = catch_up::due(&Every { delay: 0, ..every.clone() }, now, &*job.zone) <= at;
            let due = if is_due { at } else { catch_up::due(every, now, &*job.zone).max(at) };
            self.push(table, line, Some(Due { at: due, times: 1 }));
            return;
        }
        let date = reading(&*job.zone, started).date();
        let every = Every { done: Some(date), ..every.clone() };
        let done = Arc::new(Job { schedule: Schedule::Every(every), ..(**job).clone() });
        self.tables[table].jobs[line] = done.clone();
        self.push(table, line, self.first_due(now, &done));
        actions.push(Action::Stamp { job: done, date });
    }

    /// What the stamp of a period job says counts, whoever wrote it.
    fn note_stamp(&mut self, now: Timestamp, name: &str, done: Option<NaiveDate>) {
        let is_it = |place: &&(usize, usize)| {
            let job = &self.tables[place.0].jobs[place.1];
            is_period(job) && job.name == name
        };
        let Some((table, line)) = self.followed.values().find(is_it).copied() else { return };
        let job = self.tables[table].jobs[line].clone();
        let Schedule::Every(every) = &job.schedule else { return };
        if every.done == done {
            return;
        }
        self.retries.forget(&job.id);
        let every = Every { done, ..every.clone() };
        let job = Arc::new(Job { schedule: Schedule::Every(every), ..(*job).clone() });
        self.tables[table].jobs[line] = job.clone();
        // One that runs is planned again at its end.
        let due = self.first_due(now, &job);
        let before = self.tables[table].next();
        self.tables[table].turns.retain(|turn| turn.0.line != line);
        self.note_next(table, before);
        self.push(table, line, due);
    }
}

fn is_period(job: &Job) -> bool {
    matches!(job.schedule, Schedule::Every(_))
}

/// Whether it matters how a run of the job ends.
fn is_followed(job: &Job) -> bool {
    is_period(job) || job.retries.times > 0
}

/// The readings of a job that are due at an instant, by how far a jump of the clock left them behind.
fn behind(job: &Job, at: Timestamp) -> Vec<i64> {
    let at = at - job.delay;
    match &job.schedule {
        Schedule::Calendar(calendar) => calendar.behind(at, &*job.zone),
        Schedule::Seconds(seconds) => seconds.behind(at, &*job.zone),
        Schedule::Reboot | Schedule::Every(_) | Schedule::Never => vec![0],
    }
}

/// Up to here everything is decided that a job is due at which has just been read.
fn planned_until(clock: &Clock, now: Timestamp, schedule: &Schedule) -> Timestamp {
    now.max(if goes_by_the_clock(schedule) { clock.shown } else { clock.reached })
}

fn goes_by_the_clock(schedule: &Schedule) -> bool {
    match schedule {
        Schedule::Calendar(calendar) => calendar.is_wildcard(),
        Schedule::Seconds(seconds) => seconds.wildcard,
        Schedule::Reboot | Schedule::Every(_) | Schedule::Never => false,
    }
}

/// Whether what came due in a delay is started once, and after a long one not at all, as by busybox's cron.
fn is_walked(schedule: &Schedule) -> bool {
    matches!(schedule, Schedule::Calendar(calendar) if calendar.is_by_the_clock())
}

/// Of a period job, the run that is done for the period.
fn once(job: &Job, now: Timestamp, forced: bool) -> Option<Once> {
    match &job.schedule {
        Schedule::Every(every) => {
            let date = reading(&*job.zone, now).date();
            let on_success = job.retries.times > 0;
            Some(Once { period: every.period, date, forced, on_success })
        }
        Schedule::Calendar(_) | Schedule::Seconds(_) | Schedule::Reboot | Schedule::Never => None,
    }
}

/// The next opening of a period job's hours, if they do not contain `now`.
fn outside_hours(job: &Job, now: Timestamp) -> Option<Timestamp> {
    let Schedule::Every(every) = &job.schedule else { return None };
    if catch_up::may_start(every, now, &*job.zone) {
        return None;
    }
    // Hours that a clock change swallowed are never open: their job starts at the end of the jump.
    Some(catch_up::due(every, now, &*job.zone))
        .filter(|opening| opening.timestamp() > now.timestamp())
}

/// From which due instant on a job is started although it is late. One that makes up for what it missed by rules of its
/// own does so after any delay but a small one.
fn owed_from(job: &Job, delay: TimeDelta, now: Timestamp) -> Timestamp {
    let schedule = &job.schedule;
    let this_minute = now - TimeDelta::seconds(now.timestamp().rem_euclid(60));
    let this_minute = this_minute - TimeDelta::nanoseconds(i64::from(now.timestamp_subsec_nanos()));
    match (schedule, owed(delay)) {
        (Schedule::Every(_) | Schedule::Reboot | Schedule::Never, _) => Timestamp::MIN_UTC,
        (Schedule::Seconds(_), _) => now - SECONDS_LATE,
        (Schedule::Calendar(_), _) if is_walked(schedule) => {
            if is_walked_back(delay) {
                Timestamp::MIN_UTC
            } else {
                this_minute + TimeDelta::minutes(1)
            }
        }
        (Schedule::Calendar(_), Owed::Everything) => Timestamp::MIN_UTC,
        (Schedule::Calendar(calendar), Owed::NamedTimes)
            if !calendar.is_wildcard() && !job.terms.make_up() =>
        {
            Timestamp::MIN_UTC
        }
        (Schedule::Calendar(_), Owed::NamedTimes | Owed::ThisMinute) => this_minute,
    }
}

/// How many runs fall between `due` and `resume`, and the first that does not.
fn pass_over(job: &Job, due: Due, resume: Timestamp) -> (u32, Option<Due>) {
    let mut times = due.times;
    let mut next = job.next_after(due.at);
    while let Some(due) = next.filter(|due| due.at < resume) {
        if times >= COUNTED {
            return (times, job.next_after(resume - TimeDelta::seconds(1)));
        }
        times += due.times;
        next = job.next_after(due.at);
    }
    (times, next)
}
