//! What becomes of instants at which an entry was not started: which of them are made up for, in which order and until
//! when; and entries that wait for mains power. Does not know why nothing ran, nor where any of it is written down.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta};

use crate::plan::civil::Timestamp;
use crate::plan::clock_step::ANEW;
use crate::plan::job::{Job, JobId};

/// On which terms an entry is started late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// So many missed instants are made up for, the latest ones; 0: none, as by any cron.
    pub made_up: u32,
    /// How long after an instant it may still be started for it, if that was said.
    pub deadline: Option<TimeDelta>,
    /// Its share of the time over which such starts are spread, in thousandths.
    pub share: u16,
    /// It is started on mains power only, and waits for it.
    pub ac_only: bool,
}

/// `all` without a number is so many. Whoever comes back after a year is not to be busy for another.
pub const ALL: u32 = 100;

/// No number is larger than this.
pub const MOST: u32 = 1000;

/// After a boot or a night's sleep the entries that have something to make up for begin within this time.
const SPREAD: TimeDelta = TimeDelta::minutes(5);

/// An instant is made up for no later than this, if nothing else was said.
const DAY: TimeDelta = TimeDelta::hours(24);

/// What could not be written down is tried again after this.
const TRY_AGAIN: TimeDelta = TimeDelta::minutes(1);

/// Missed runs are counted up to here; beyond, nobody needs the number.
const COUNTED: u32 = 10_000;

const SECOND: TimeDelta = TimeDelta::seconds(1);

impl Terms {
    /// Whether anything that was missed is made up for.
    pub fn make_up(&self) -> bool {
        self.made_up > 0
    }

    fn are_plain(&self) -> bool {
        !self.make_up() && !self.ac_only
    }

    /// What waits for mains power is no more than is made up for, but one at least.
    fn most(&self) -> usize {
        self.made_up.max(1) as usize
    }
}

/// The last second in which a job may be started for an instant. Where only one is made up for it has to be before the
/// next: two would be one too many.
pub fn last_start(job: &Job, due: Timestamp) -> Timestamp {
    if let Some(deadline) = job.terms.deadline {
        return due.checked_add_signed(deadline).unwrap_or(Timestamp::MAX_UTC);
    }
    let day = due.checked_add_signed(DAY).unwrap_or(Timestamp::MAX_UTC);
    let next = if job.terms.most() == 1 { job.next_after(due) } else { None };
    next.map_or(day, |next| day.min(next.at - SECOND))
}

fn is_too_late(job: &Job, due: Timestamp, now: Timestamp) -> bool {
    now.timestamp() > last_start(job, due).timestamp()
}

/// What is written down of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// Everything up to here is decided.
    pub handled: Timestamp,
    /// What is still to be made up for.
    pub owed: Vec<Timestamp>,
    /// Instants after `handled` at which it was started all the same.
    pub done: Vec<Timestamp>,
}

/// What is to be done about entries that were not started in time.
#[derive(Clone, Debug)]
pub enum Step {
    /// Tell what is written down of these entries. One that is not known is seen for the first time: everything up to
    /// the instant beside it is decided.
    Recall(Vec<(JobId, Timestamp)>),
    /// Write down that these instants of an entry are owed, no others, and that all is decided up to now, or even up to
    /// `handled`.
    Owe { job: JobId, owed: Vec<Timestamp>, handled: Timestamp },
    /// These entries are no more.
    Forget(Vec<JobId>),
    /// So many instants, the first of them then, are not made up for.
    Missed { job: Arc<Job>, times: u32, since: Timestamp },
    /// Make up for this instant, which is written down as owed.
    MakeUp { job: Arc<Job>, due: Timestamp },
    /// Start for this instant, of which nothing is written down.
    Start { job: Arc<Job>, due: Timestamp },
    /// Tell whether there is mains power.
    AskPower,
}

/// The entries that are started late, and what they owe.
#[derive(Debug, Default)]
pub struct Missed {
    entries: HashMap<JobId, Entry>,
    /// When there is something to do about an entry.
    turns: BTreeSet<(i64, JobId)>,
    /// Entries that the store was asked about and has not told of.
    unknown: BTreeSet<JobId>,
    /// When it is asked again, if it could not tell.
    ask_again: Option<Timestamp>,
    /// Entries that wait for mains power, or to be told that there is some.
    unpowered: BTreeSet<JobId>,
    /// Something is due that asks for it.
    asks_power: bool,
}

#[derive(Debug)]
struct Entry {
    job: Arc<Job>,
    /// What was passed over before the store has told what was handled: after the first and up to the second instant.
    /// The first stretch begins where the store will say.
    passed: Vec<(Timestamp, Timestamp)>,
    /// Nothing up to here is owed, whatever the clock says now: it was handled before the clock was set back.
    floor: Timestamp,
    /// What of that is kept when anything is written down. After hours it is the clock that was wrong then, or is now.
    handled: Timestamp,
    /// Oldest first.
    owed: VecDeque<Timestamp>,
    /// Due now, and not yet started: is there mains power?
    held: Vec<Timestamp>,
    /// What is owed is not started before.
    ready: Timestamp,
    turn: Option<i64>,
}

impl Missed {
    /// Takes the jobs of a file in place of those it had before. `planned`: up to where everything is decided that a
    /// job new to us is due at.
    pub fn replace(
        &mut self,
        before: &[Arc<Job>],
        jobs: &[Arc<Job>],
        planned: impl Fn(&Job) -> Timestamp,
    ) -> Vec<Step> {
        let late = |jobs: &[Arc<Job>]| -> Vec<Arc<Job>> {
            jobs.iter().filter(|job| !job.terms.are_plain()).cloned().collect()
        };
        let (before, jobs) = (late(before), late(jobs));
        let stay: HashSet<_> = jobs.iter().map(|job| (&job.id, job.terms.make_up())).collect();
        let gone = before.iter().filter(|job| !stay.contains(&(&job.id, job.terms.make_up())));
        let forgotten: Vec<_> = gone.filter_map(|job| self.remove(job)).collect();
        let mut asked = Vec::new();
        for job in jobs {
            let id = job.id.clone();
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.job = job;
                continue;
            }
            let since = planned(&job);
            if job.terms.make_up() {
                self.unknown.insert(id.clone());
                asked.push((id.clone(), since));
            }
            self.entries.insert(id, Entry::new(job, since));
        }
        let forget = (!forgotten.is_empty()).then_some(Step::Forget(forgotten));
        let recall = (!asked.is_empty()).then_some(Step::Recall(asked));
        forget.into_iter().chain(recall).collect()
    }

    /// The store tells of entries that it was asked about; `None`: it cannot.
    pub fn recalled(
        &mut self,
        now: Timestamp,
        remembered: Option<Vec<(JobId, Remembered)>>,
    ) -> Vec<Step> {
        let Some(remembered) = remembered else {
            self.ask_again = Some(now + TRY_AGAIN);
            return Vec::new();
        };
        let mut steps = Vec::new();
        for (id, known) in remembered {
            if !self.unknown.remove(&id) {
                continue;
            }
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            if known.handled > now {
                entry.floor = known.handled;
                let is_near = known.handled - now < ANEW;
                entry.handled = if is_near { known.handled } else { Timestamp::MIN_UTC };
            }
            let mut stretches = std::mem::take(&mut entry.passed);
            if let Some((from, _)) = stretches.first_mut() {
                *from = known.handled;
            }
            let done = known.done.into_iter().collect();
            // What waits for mains power came later than all that the store knew.
            let earlier = known.owed.into_iter().chain(entry.owed.drain(..)).collect();
            self.owe(&id, now, Passed { stretches, done, earlier }, &mut steps);
        }
        steps
    }

    /// A job was not started for what was due after `after` and up to `until`.
    pub fn pass_over(
        &mut self,
        job: &Job,
        after: Timestamp,
        until: Timestamp,
        now: Timestamp,
    ) -> Vec<Step> {
        let mut steps = Vec::new();
        let Some(entry) = self.entries.get_mut(&job.id) else { return steps };
        if self.unknown.contains(&job.id) {
            entry.passed.push((after, until));
            return steps;
        }
        let stretches = vec![(after.max(entry.floor), until)];
        let earlier = entry.owed.iter().copied().collect();
        let passed = Passed { stretches, earlier, ..Passed::default() };
        self.owe(&job.id, now, passed, &mut steps);
        steps
    }

    /// A job is due that is started on mains power only.
    pub fn hold(&mut self, job: &Job, due: Timestamp) {
        if let Some(entry) = self.entries.get_mut(&job.id) {
            entry.held.push(due);
            self.unpowered.insert(job.id.clone());
            self.asks_power = true;
        }
    }

    /// Whether anything waits for mains power.
    pub fn wait_for_mains(&self) -> bool {
        !self.unpowered.is_empty()
    }

    /// There is mains power, or there is none.
    pub fn power(
        &mut self,
        now: Timestamp,
        mains: bool,
        is_running: impl Fn(&JobId) -> bool,
    ) -> Vec<Step> {
        let mut steps = Vec::new();
        for id in std::mem::take(&mut self.unpowered) {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            let held = std::mem::take(&mut entry.held);
            if mains {
                let is_running = !held.is_empty() || is_running(&id);
                let job = entry.job.clone();
                steps.extend(held.into_iter().map(|due| Step::Start { job: job.clone(), due }));
                self.take_turn(&id, now, (is_running, Some(true)), &mut steps);
                continue;
            }
            if !held.is_empty() {
                let earlier = entry.owed.iter().copied().chain(held).collect();
                self.owe(&id, now, Passed { earlier, ..Passed::default() }, &mut steps);
            }
            self.ready_at_once(&id, now);
            self.take_turn(&id, now, (is_running(&id), Some(false)), &mut steps);
        }
        steps
    }

    /// The last run of a job that went on is over.
    pub fn ended(&mut self, job: &JobId, now: Timestamp) {
        let turn = self.entries.get(job).and_then(|entry| entry.first_turn(now));
        self.set_turn(job, turn);
    }

    /// An instant was to be made up for, and that could not be written down. Others may have been missed since.
    pub fn put_back(&mut self, job: &JobId, due: Timestamp, now: Timestamp) -> Vec<Step> {
        let mut steps = Vec::new();
        let Some(entry) = self.entries.get(job) else { return steps };
        let earlier = std::iter::once(due).chain(entry.owed.iter().copied()).collect();
        self.owe(job, now, Passed { earlier, ..Passed::default() }, &mut steps);
        if let Some(entry) = self.entries.get_mut(job) {
            entry.ready = now + TRY_AGAIN;
            let turn = entry.first_turn(now);
            self.set_turn(job, turn);
        }
        steps
    }

    /// The clock was set back by less. What it shows again, up to where it was, has been decided: of jobs that go by the
    /// clock it is on time again, of the others it waits for its time. Nothing waits longer for that.
    pub fn clock_was_set_back(
        &mut self,
        now: Timestamp,
        reached: Timestamp,
        is_shown_again: impl Fn(&Job) -> bool,
    ) -> Vec<Step> {
        let mut steps = Vec::new();
        for id in self.entries.keys().cloned().collect::<Vec<_>>() {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            entry.floor = entry.floor.max(reached);
            let owed = entry.owed.len();
            if is_shown_again(&entry.job) {
                entry.owed.retain(|due| *due <= now);
            }
            let is_less = entry.owed.len() < owed;
            entry.ready = entry.ready.min(now + SPREAD);
            if entry.turn.is_some() {
                let turn = entry.first_turn(now);
                self.set_turn(&id, turn);
            }
            steps.extend(self.owes(&id).filter(|_| is_less));
        }
        steps
    }

    /// The clock was set anew: what it said before counts for nothing.
    pub fn clock_was_set(&mut self, now: Timestamp) -> Vec<Step> {
        let mut steps = Vec::new();
        for id in self.entries.keys().cloned().collect::<Vec<_>>() {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            (entry.floor, entry.handled) = (Timestamp::MIN_UTC, Timestamp::MIN_UTC);
            entry.owed.retain(|due| *due <= now);
            entry.held.retain(|due| *due <= now);
            entry.passed.truncate(1);
            entry.passed.iter_mut().for_each(|(_, until)| *until = now);
            entry.ready = entry.ready.min(now + SPREAD);
            let turn = entry.first_turn(now);
            steps.extend(self.owes(&id));
            self.set_turn(&id, turn);
        }
        steps
    }

    /// When there is something to do next.
    pub fn wakeup(&self) -> Option<Timestamp> {
        let turn = self.turns.first().and_then(|(at, _)| DateTime::from_timestamp(*at, 0));
        turn.into_iter().chain(self.ask_again).min()
    }

    /// What is to be done by now. A job is not started beside itself.
    pub fn due(&mut self, now: Timestamp, is_running: impl Fn(&JobId) -> bool) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.ask_again.take_if(|at| *at <= now).is_some() {
            steps.extend(self.ask());
        }
        while let Some((at, id)) = self.turns.first().cloned()
            && at <= now.timestamp()
        {
            self.set_turn(&id, None);
            self.take_turn(&id, now, (is_running(&id), None), &mut steps);
        }
        steps.extend(std::mem::take(&mut self.asks_power).then_some(Step::AskPower));
        steps
    }

    /// The store did not tell of these entries yet.
    fn ask(&self) -> Option<Step> {
        let since = |id: &JobId| self.entries.get(id)?.passed.first().map(|(_, until)| *until);
        let asked: Vec<_> =
            self.unknown.iter().filter_map(|id| Some((id.clone(), since(id)?))).collect();
        (!asked.is_empty()).then_some(Step::Recall(asked))
    }

    /// Starts what an entry owes first, if nothing is in the way of it. `mains` is `None` if that is to be asked.
    fn take_turn(
        &mut self,
        id: &JobId,
        now: Timestamp,
        (is_running, mains): (bool, Option<bool>),
        steps: &mut Vec<Step>,
    ) {
        self.give_up_late(id, now, steps);
        let Some(entry) = self.entries.get_mut(id) else { return };
        let turn = if is_running {
            entry.over()
        } else if now < entry.ready || entry.owed.front().is_some_and(|first| *first > now) {
            entry.first_turn(now)
        } else if entry.job.terms.ac_only && mains != Some(true) {
            if !entry.owed.is_empty() {
                self.unpowered.insert(id.clone());
                self.asks_power |= mains.is_none();
            }
            entry.over()
        } else {
            steps.extend(entry.start_first());
            entry.over()
        };
        self.set_turn(id, turn);
    }

    /// Says of what can be made up for no longer that it was missed.
    fn give_up_late(&mut self, id: &JobId, now: Timestamp, steps: &mut Vec<Step>) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let late = entry.owed.iter().take_while(|due| is_too_late(&entry.job, **due, now)).count();
        if late == 0 {
            return;
        }
        let (job, since) = (entry.job.clone(), entry.owed[0]);
        entry.owed.drain(..late);
        if entry.owed.is_empty() && entry.held.is_empty() {
            self.unpowered.remove(id);
        }
        let times = u32::try_from(late).unwrap_or(u32::MAX);
        steps.push(Step::Missed { job, times, since });
        steps.extend(self.owes(id));
    }

    /// Takes note of what an entry owes after something was passed over.
    fn owe(&mut self, id: &JobId, now: Timestamp, passed: Passed, steps: &mut Vec<Step>) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let job = entry.job.clone();
        let owed = passed.made_up_for(&job, now);
        let (times, since) = passed.left_out(&job, &owed);
        entry.owed = owed.into();
        entry.ready = entry.owed.front().map_or(now, |first| now + spread(&job, *first, now));
        let turn = entry.first_turn(now);
        steps.extend(self.owes(id));
        steps.extend(since.map(|since| Step::Missed { job, times, since }));
        self.set_turn(id, turn);
    }

    /// What an entry owes is written down, once it is known what was before.
    fn owes(&self, id: &JobId) -> Option<Step> {
        let entry = self.entries.get(id)?;
        let is_written = entry.job.terms.make_up() && !self.unknown.contains(id);
        let owed = entry.owed.iter().copied().collect();
        is_written.then(|| Step::Owe { job: id.clone(), owed, handled: entry.handled })
    }

    fn ready_at_once(&mut self, id: &JobId, now: Timestamp) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.ready = entry.ready.min(now);
        }
    }

    fn set_turn(&mut self, id: &JobId, turn: Option<i64>) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        if let Some(before) = std::mem::replace(&mut entry.turn, turn) {
            self.turns.remove(&(before, id.clone()));
        }
        self.turns.extend(turn.map(|turn| (turn, id.clone())));
    }

    /// The entry is no more; its id, if anything was written down of it.
    fn remove(&mut self, job: &Job) -> Option<JobId> {
        self.set_turn(&job.id, None);
        self.unknown.remove(&job.id);
        self.unpowered.remove(&job.id);
        self.entries.remove(&job.id)?;
        job.terms.make_up().then(|| job.id.clone())
    }
}

impl Entry {
    fn new(job: Arc<Job>, since: Timestamp) -> Entry {
        Entry {
            passed: if job.terms.make_up() { vec![(since, since)] } else { Vec::new() },
            job,
            floor: Timestamp::MIN_UTC,
            handled: Timestamp::MIN_UTC,
            owed: VecDeque::new(),
            held: Vec::new(),
            ready: since,
            turn: None,
        }
    }

    /// The second in which it is too late for what is owed first.
    fn over(&self) -> Option<i64> {
        self.owed.front().map(|due| last_start(&self.job, *due).timestamp().saturating_add(1))
    }

    fn first_turn(&self, now: Timestamp) -> Option<i64> {
        // Woken for that second it is not to be too early by a part of one.
        let part = self.ready > now && self.ready.timestamp_subsec_nanos() > 0;
        let ready = self.ready.max(now).timestamp() + i64::from(part);
        let first = self.owed.front()?.timestamp();
        self.over().map(|over| over.min(ready.max(first)))
    }

    fn start_first(&mut self) -> Option<Step> {
        let due = self.owed.pop_front()?;
        let job = self.job.clone();
        Some(if job.terms.make_up() { Step::MakeUp { job, due } } else { Step::Start { job, due } })
    }
}

/// What was passed over of an entry.
#[derive(Debug, Default)]
struct Passed {
    /// From after the first instant of each up to the second, in order.
    stretches: Vec<(Timestamp, Timestamp)>,
    /// What of it was done.
    done: HashSet<Timestamp>,
    /// What was owed before, in order.
    earlier: Vec<Timestamp>,
}

impl Passed {
    /// The instants that are made up for: the latest ones, so far as it is not too late for them. Oldest first.
    fn made_up_for(&self, job: &Job, now: Timestamp) -> Vec<Timestamp> {
        let most = job.terms.most();
        let mut owed = Vec::new();
        let earlier = self.earlier.iter().rev().copied();
        for due in
            self.stretches.iter().rev().flat_map(|stretch| backwards(job, *stretch)).chain(earlier)
        {
            if owed.len() == most || is_too_late(job, due, now) {
                break;
            }
            if !self.done.contains(&due) {
                owed.push(due);
            }
        }
        owed.sort_unstable();
        owed.dedup();
        owed
    }

    /// How many runs are not made up for, and the first of them.
    fn left_out(&self, job: &Job, owed: &[Timestamp]) -> (u32, Option<Timestamp>) {
        let (mut times, mut since) = (0u32, None);
        let mut leave_out = |due: Timestamp, count: u32| {
            if owed.binary_search(&due).is_err() && !self.done.contains(&due) {
                since.get_or_insert(due);
                times = times.saturating_add(count);
            }
        };
        self.earlier.iter().for_each(|due| leave_out(*due, 1));
        let mut counted = 0;
        for (after, until) in &self.stretches {
            let mut next = job.next_after(*after);
            while let Some(due) = next.filter(|due| due.at <= *until && counted < COUNTED) {
                leave_out(due.at, due.times);
                counted += 1;
                next = job.next_after(due.at);
            }
        }
        (times, since)
    }
}

/// The instants of a stretch, the latest first.
fn backwards(job: &Job, (after, until): (Timestamp, Timestamp)) -> impl Iterator<Item = Timestamp> {
    let mut until = until;
    std::iter::from_fn(move || {
        let last = last_between(job, after, until)?;
        until = last - SECOND;
        Some(last)
    })
}

/// The last instant after `after` and up to `until`.
///
/// A schedule tells only what comes next, and there may be half a million instants in between. But "the next one is
/// not past `until`" holds up to the instant before the last and no longer, so it is found by halves: first, ever
/// further back, a second at which it holds, then the last one.
fn last_between(job: &Job, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
    let next = |from| job.next_after(from).map(|due| due.at).filter(|at| *at <= until);
    let mut back = TimeDelta::minutes(2);
    let (mut from, mut found) = loop {
        let from = until.checked_sub_signed(back).map_or(after, |from| from.max(after));
        match next(from) {
            Some(found) => break (from, found),
            None if from <= after => return None,
            None => back = back * 2,
        }
    };
    let mut beyond = until;
    while (beyond - from).num_seconds() > 1 {
        let middle = from + TimeDelta::seconds((beyond - from).num_seconds() / 2);
        match next(middle) {
            Some(later) => (from, found) = (middle.max(later - SECOND), later),
            None => beyond = middle,
        }
    }
    Some(found)
}

/// How long an entry waits before it makes up for anything: its share of some minutes, or of the time that is left.
fn spread(job: &Job, first: Timestamp, now: Timestamp) -> TimeDelta {
    let left = (last_start(job, first) - now - SECOND * 2).clamp(TimeDelta::zero(), SPREAD);
    TimeDelta::seconds(left.num_seconds() * i64::from(job.terms.share.min(1000)) / 1000)
}
