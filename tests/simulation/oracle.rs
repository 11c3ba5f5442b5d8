//! Says of every turn of the loop what must have been started, what must not, and what may be either.
//! Knows the rules as the manual states them; shares no code with the scheduler, nor with what plans for it.
//!
//! The rules. Everything that comes due while ratd is up, and as late as the loop is, is decided in the turn in
//! which the clock has passed it:
//! - Less than 6 minutes late: every instant is started, in order of due, file and line.
//! - Less than 3 hours late, or so much passed over by a step forward: every instant of the jobs that name their
//!   times; of those that go by the clock, the minute that the clock shows. What is left out is said.
//! - Later: what is due in the minute that the clock shows. What is left out is said.
//! - The clock shows again what it has shown, and was stepped back by 2 minutes or more or is so much behind: jobs
//!   that go by the clock go by it, from the next minute on. Those that name their times wait until the clock is
//!   where it was.
//! - The same by 3 hours and more: a new start; all jobs from the next minute on.
//!
//! Latitude, because the rule is in whole minutes and what is late is measured by the oldest: lateness within a
//! minute of 6 minutes or of 3 hours may be taken either way, but each instant is then started or said.
//! Seconds schedules are started up to 4 seconds late, said when later than 6.
//! A period job may start from the moment it is owed and its delay is over, and has to as soon as its hours
//! allow it and their opening is a delay ago; a new start, or reading its file again, may begin the delay anew.
//! Where the clock jumped over the opening of the hours, it may start in the two hours after.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use rat::plan::catch_up::Period;
use rat::plan::job::Source;
use rat::plan::run::{Outcome, Run, RunId};
use rat::plan::scheduler::{Action, Event};

use crate::table::{Spec, Timing};

/// One call of the scheduler, as it truly was.
pub struct Turn<'a> {
    /// Milliseconds since 1970 on the wall.
    pub wall: i64,
    /// Milliseconds that the machine was awake.
    pub monotonic: i64,
    /// What it was told.
    pub event: &'a Event,
    /// The jobs of a file that was read.
    pub loaded: &'a [Arc<Spec>],
    /// What it answered.
    pub actions: &'a [Action],
    /// When it wants to be called next, in seconds since 1970.
    pub wakeup: Option<i64>,
    /// The clock was stepped, the machine slept or the loop was held up since the last turn.
    pub disturbed: bool,
    /// Nothing happened but that the time asked for came.
    pub by_timer: bool,
}

/// What is true of one simulated machine.
pub struct Oracle {
    tables: Vec<(Source, Vec<Arc<Spec>>)>,
    /// What is due up to here is decided, in milliseconds: jobs that name their times, and jobs that go by the clock.
    named_until: i64,
    clock_until: i64,
    /// Both clocks at the last turn.
    last: (i64, i64),
    periods: HashMap<String, Owed>,
    running: HashMap<RunId, (String, i64)>,
    done: HashMap<String, NaiveDate>,
    ready: bool,
    queue: Option<i64>,
    claiming: bool,
    given: HashSet<u64>,
    claimed: HashSet<u64>,
    at_started: HashSet<String>,
    /// How many starts were judged.
    pub starts: u64,
}

/// From when a period job may start, and until when it has to.
#[derive(Clone, Copy)]
struct Owed {
    may: i64,
    must: i64,
}

/// An instant that was passed in a turn.
struct Passed {
    at: i64,
    /// How long before that its reading belongs, if a jump of the clock skipped it.
    behind: i64,
    spec: Arc<Spec>,
    times: u32,
    verdict: Verdict,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Must,
    May,
    MustNot,
}

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;

type Judgement = Result<(), String>;

impl Oracle {
    /// A machine on which nothing was ever started.
    pub fn new() -> Oracle {
        Oracle {
            tables: Vec::new(),
            named_until: 0,
            clock_until: 0,
            last: (0, 0),
            periods: HashMap::new(),
            running: HashMap::new(),
            done: HashMap::new(),
            ready: false,
            queue: None,
            claiming: false,
            given: HashSet::new(),
            claimed: HashSet::new(),
            at_started: HashSet::new(),
            starts: 0,
        }
    }

    /// A ratd starts: it knows no table, and what came due while there was none is gone. Runs go on.
    pub fn begin(&mut self, wall: i64, monotonic: i64) {
        self.tables.clear();
        self.periods.clear();
        (self.named_until, self.clock_until) = (wall, wall);
        self.last = (wall, monotonic);
        self.ready = false;
        self.queue = None;
        self.claiming = false;
        self.claimed.clear();
    }

    /// What the stamps say counts when files are read.
    pub fn read_stamps(&mut self, stamps: &BTreeMap<String, NaiveDate>) {
        self.done.extend(stamps.iter().map(|(job, done)| (job.clone(), *done)));
    }

    /// Whether a job of this period that was last done then is owed on a date.
    pub fn is_owed(&self, period: Period, done: Option<NaiveDate>, date: NaiveDate) -> bool {
        done.is_none_or(|done| done > date || period_after(period, done) <= date)
    }

    /// Whether an at-job was started.
    pub fn started(&self, id: &str) -> bool {
        self.at_started.contains(id)
    }

    /// Judges one turn; what is wrong first, in words.
    pub fn judge(&mut self, turn: &Turn) -> Judgement {
        self.runs_are_new(turn)?;
        let starts: Vec<&Run> = turn.actions.iter().filter_map(start).collect();
        self.starts += starts.len() as u64;
        self.judge_calendars(turn, &starts)?;
        self.judge_periods(turn, &starts)?;
        self.judge_event(turn, &starts)?;
        self.judge_claims(turn)?;
        self.judge_wakeup(turn)
    }

    fn runs_are_new(&mut self, turn: &Turn) -> Judgement {
        for action in turn.actions {
            match action {
                Action::Start { run, .. } if run.name.starts_with('a') => {
                    if !self.claimed.remove(&run.id.0) {
                        return Err(format!("{}: its run {} was not claimed", run.name, run.id.0));
                    }
                }
                Action::Start { run, .. } if self.given.insert(run.id.0) => {}
                Action::Start { run, .. } => {
                    return Err(format!("{}: its run {} is not new", run.name, run.id.0));
                }
                Action::Claim { first, limit, .. } => {
                    self.claimed = (first.0..first.0 + u64::from(*limit)).collect();
                    if !self.claimed.iter().all(|id| self.given.insert(*id)) {
                        return Err(format!("the claim's runs from {} on are not new", first.0));
                    }
                }
                Action::Missed { .. }
                | Action::Skipped { .. }
                | Action::Stamp { .. }
                | Action::AskLoad => {}
                Action::Recall { .. }
                | Action::Owe { .. }
                | Action::Forget { .. }
                | Action::MakeUp { .. }
                | Action::AskPower => return Err(format!("{action:?}, and no job asks for it")),
            }
        }
        Ok(())
    }

    fn judge_calendars(&mut self, turn: &Turn, starts: &[&Run]) -> Judgement {
        let step = (turn.wall - self.last.0) - (turn.monotonic - self.last.1);
        self.last = (turn.wall, turn.monotonic);
        let set_back = |shown: i64, limit: i64| {
            turn.wall < shown && (step <= -limit * 1000 || turn.wall <= shown - limit * 1000)
        };
        if set_back(self.named_until, 3 * HOUR) {
            (self.named_until, self.clock_until) = (turn.wall, turn.wall);
            self.owe_anew(turn.wall.div_euclid(1000));
        } else if set_back(self.clock_until, 2 * MINUTE) {
            self.clock_until = turn.wall;
        }
        let mut passed = self.passed(turn.wall.div_euclid(1000));
        self.named_until = self.named_until.max(turn.wall);
        self.clock_until = self.clock_until.max(turn.wall);
        if let Some(oldest) = passed.first() {
            let late = turn.wall - oldest.at * 1000;
            if late > 2_000 && !turn.disturbed {
                let (job, due) = (oldest.spec.written(), shown(oldest.at));
                return Err(format!(
                    "{job} was due {due}, and nothing was done about it until now"
                ));
            }
            let periods = starts
                .iter()
                .filter(|run| run.name.starts_with('p'))
                .map(|run| run.due.timestamp_millis());
            let least = step.max(late);
            let most = periods.min().map_or(least, |oldest| least.max(turn.wall - oldest));
            for instant in &mut passed {
                instant.verdict = verdict(instant, turn.wall, least, most);
            }
        }
        let starts: Vec<_> =
            starts.iter().filter(|run| run.name.starts_with(['c', 's'])).copied().collect();
        compare(&passed, &starts, turn.actions).map_err(|error| self.with_schedule(error))
    }

    /// Names the schedule where a sentence begins with a bare id.
    fn with_schedule(&self, error: String) -> String {
        let Some((id, rest)) = error.split_once(' ') else { return error };
        let bare = !rest.starts_with('`');
        self.spec(id)
            .filter(|_| bare)
            .map_or(error.clone(), |spec| format!("{} {rest}", spec.written()))
    }

    /// Every instant that the clock has passed since the last turn, in order of due, file and line.
    fn passed(&self, now: i64) -> Vec<Passed> {
        let mut passed = Vec::new();
        for spec in self.tables.iter().flat_map(|(_, jobs)| jobs) {
            let Timing::Fields(fields) = &spec.timing else { continue };
            let until =
                if fields.wildcard { self.clock_until } else { self.named_until }.div_euclid(1000);
            if until >= now {
                continue;
            }
            for (at, times) in spec.almanac.dues(fields, until, now) {
                let behind = spec.almanac.behind(fields, at);
                assert_eq!(behind.len(), times as usize);
                let passing = |behind| Passed {
                    at,
                    behind,
                    spec: spec.clone(),
                    times: 1,
                    verdict: Verdict::Must,
                };
                passed.extend(behind.into_iter().map(passing));
            }
        }
        // A stable sort: at the same instant the order of the readings, then that of file and line.
        passed.sort_by_key(|instant| (instant.at, -instant.behind));
        passed
    }

    fn owe_anew(&mut self, now: i64) {
        let specs: Vec<_> = self.tables.iter().flat_map(|(_, jobs)| jobs.clone()).collect();
        for spec in specs {
            self.owe(&spec, now);
        }
    }

    /// When a period job may and must start, seen from now.
    fn owe(&mut self, spec: &Spec, now: i64) {
        let Timing::Period { period, delay, hours } = &spec.timing else { return };
        self.periods.remove(&spec.id);
        if self.running.values().any(|(id, _)| *id == spec.id) {
            return;
        }
        let today = spec.almanac.date(now);
        let opens = match self.done.get(&spec.id) {
            Some(done) if *done <= today => period_after(*period, *done),
            Some(_) | None => today,
        };
        let Some(owed) = spec.almanac.opening(opens, now) else { return };
        let delayed = owed + delay * MINUTE;
        let may = if hours.is_some() { owed } else { delayed };
        self.periods.insert(spec.id.clone(), Owed { may, must: by_hours(spec, delayed) });
    }

    fn judge_periods(&mut self, turn: &Turn, starts: &[&Run]) -> Judgement {
        let now = turn.wall.div_euclid(1000);
        for run in starts.iter().filter(|run| run.name.starts_with('p')) {
            let Some(spec) = self.spec(&run.name) else {
                return Err(format!("{} is in no file", run.name));
            };
            let Some(owed) = self.periods.remove(&run.name) else {
                return Err(format!("{} was started and is not owed", spec.written()));
            };
            let due = run.due.timestamp();
            if due > now || due < owed.may {
                let (job, due, may) = (spec.written(), shown(due), shown(owed.may));
                return Err(format!("{job} was started for {due} and may not before {may}"));
            }
            if !hours_allow(&spec, now) && !spec.almanac.jumped_lately(now) {
                return Err(format!("{} was started outside its hours", spec.written()));
            }
            self.running.insert(run.id, (run.name.clone(), now));
        }
        let late = self.periods.iter().filter(|(_, owed)| owed.must < now - 2);
        let late: Vec<_> = late.map(|(id, owed)| (id.clone(), owed.must)).collect();
        for (id, must) in late {
            let Some(spec) = self.spec(&id) else { continue };
            if hours_allow(&spec, now) {
                return Err(format!("{} had to start by {}", spec.written(), shown(must)));
            }
            self.owe(&spec, now);
        }
        Ok(())
    }

    fn spec(&self, id: &str) -> Option<Arc<Spec>> {
        self.tables.iter().flat_map(|(_, jobs)| jobs).find(|spec| spec.id == id).cloned()
    }

    fn judge_event(&mut self, turn: &Turn, starts: &[&Run]) -> Judgement {
        let now = turn.wall.div_euclid(1000);
        let (mut at_boot, mut claimed, mut stamps) = (Vec::new(), Vec::new(), Vec::new());
        match turn.event {
            // No job of the simulation is tried again.
            Event::Woke
            | Event::Adopted { .. }
            | Event::Failed { .. }
            | Event::Recalled { .. }
            | Event::NotMadeUp { .. }
            | Event::Power { .. } => {}
            Event::Loaded { source, .. } | Event::Gone { source } => {
                self.load(source, turn.loaded, now)
            }
            Event::Ready { after_boot } => {
                if *after_boot && !self.ready {
                    at_boot = self.reboot_jobs();
                }
                self.ready = true;
            }
            Event::Load { .. } => {}
            Event::Queued { waiting } => {
                self.queue = waiting.timed.map(|due| due.timestamp_millis());
            }
            Event::Claimed { runs, waiting } => {
                self.queue = waiting.timed.map(|due| due.timestamp_millis());
                self.claiming = false;
                claimed = runs.iter().map(|(run, _)| run.name.clone()).collect();
            }
            Event::Stamped { name, done } => {
                let spec = self.spec(name);
                let changed = self.done.get(name) != done.as_ref();
                self.done.extend(done.map(|done| (name.clone(), done)));
                if let Some(spec) = spec.filter(|_| changed) {
                    self.owe(&spec, now);
                }
            }
            Event::Ended { run, outcome } => stamps.extend(self.end(*run, outcome, now)),
        }
        expect(starts, 'r', &at_boot)?;
        expect(starts, 'a', &claimed)?;
        for id in claimed {
            if !self.at_started.insert(id.clone()) {
                return Err(format!("{id} was started twice"));
            }
        }
        let stamped: Vec<_> = turn.actions.iter().filter_map(stamp).collect();
        if stamped == stamps {
            Ok(())
        } else {
            Err(format!("stamped {stamped:?} where {stamps:?} was done"))
        }
    }

    fn reboot_jobs(&self) -> Vec<String> {
        let specs = self.tables.iter().flat_map(|(_, jobs)| jobs);
        specs
            .filter(|spec| matches!(spec.timing, Timing::Reboot))
            .map(|spec| spec.id.clone())
            .collect()
    }

    fn load(&mut self, source: &Source, jobs: &[Arc<Spec>], now: i64) {
        let at = self.tables.iter().position(|(known, _)| known == source).unwrap_or_else(|| {
            self.tables.push((source.clone(), Vec::new()));
            self.tables.len() - 1
        });
        for gone in std::mem::replace(&mut self.tables[at].1, jobs.to_vec()) {
            self.periods.remove(&gone.id);
        }
        for spec in jobs {
            self.owe(spec, now);
        }
    }

    /// A run is over; the stamp it leaves.
    fn end(&mut self, run: RunId, outcome: &Outcome, now: i64) -> Option<(String, NaiveDate)> {
        let (id, started) = self.running.remove(&run)?;
        let spec = self.spec(&id)?;
        let pause = match outcome {
            Outcome::Exited(_) | Outcome::Killed(_) => 0,
            Outcome::NotStarted(_) | Outcome::Lost(_) => 10 * MINUTE,
            Outcome::LeftToAnother(_) => HOUR,
        };
        if pause > 0 {
            let again = now + pause;
            let Timing::Period { period, .. } = &spec.timing else { return None };
            let done = self.done.get(&id).copied();
            if self.is_owed(*period, done, spec.almanac.date(again)) {
                self.periods.insert(id, Owed { may: again, must: by_hours(&spec, again) });
            } else {
                self.owe(&spec, now);
            }
            return None;
        }
        let date = spec.almanac.date(started);
        self.done.insert(id.clone(), date);
        self.owe(&spec, now);
        Some((id, date))
    }

    fn judge_claims(&mut self, turn: &Turn) -> Judgement {
        let expected = !self.claiming && self.queue.is_some_and(|due| due <= turn.wall);
        let claims =
            turn.actions.iter().filter(|action| matches!(action, Action::Claim { .. })).count();
        self.claiming |= expected;
        if claims == usize::from(expected) {
            return Ok(());
        }
        Err(format!(
            "claimed {claims} times, the queue being due {:?}",
            self.queue.map(|due| shown(due / 1000))
        ))
    }

    fn judge_wakeup(&self, turn: &Turn) -> Judgement {
        // What an event makes due without a delay may ask to be woken at once.
        let woke = matches!(turn.event, Event::Woke);
        if let Some(wakeup) = turn.wakeup.filter(|wakeup| woke && wakeup * 1000 <= turn.wall) {
            return Err(format!("asks to be woken at {}, which is past", shown(wakeup)));
        }
        if turn.by_timer && !turn.disturbed && turn.actions.is_empty() {
            return Err("asked to be woken, and did nothing".to_owned());
        }
        Ok(())
    }
}

fn verdict(instant: &Passed, wall: i64, least: i64, most: i64) -> Verdict {
    let Timing::Fields(fields) = &instant.spec.timing else { return Verdict::MustNot };
    let between = |value_least: i64, value_most: i64, limit: i64, slack: i64| {
        if value_most < limit - slack {
            Verdict::Must
        } else if value_least > limit + slack {
            Verdict::MustNot
        } else {
            Verdict::May
        }
    };
    let late = wall - instant.at * 1000;
    if fields.written_seconds.is_some() {
        between(late, late, 5_000, 1_000)
    } else if instant.at >= wall.div_euclid(60_000) * MINUTE {
        Verdict::Must
    } else if fields.wildcard {
        between(least, most, 6 * 60_000, 60_000)
    } else {
        between(least, most, 3 * 3_600_000, 60_000)
    }
}

/// Compares what was passed with what was started and what was said.
fn compare(passed: &[Passed], starts: &[&Run], actions: &[Action]) -> Judgement {
    let mut left_out: HashMap<&str, (i64, u32)> = HashMap::new();
    let mut starts = starts.iter().peekable();
    for instant in passed {
        let mut started = 0;
        while started < instant.times && starts.peek().is_some_and(|run| is_of(run, instant)) {
            starts.next();
            started += 1;
        }
        let (job, due) = (instant.spec.written(), shown(instant.at));
        if started > 0 && instant.verdict == Verdict::MustNot {
            return Err(format!("{job} was started for {due}, which is too late"));
        }
        if started == instant.times {
            continue;
        }
        if instant.verdict == Verdict::Must || started > 0 {
            let instead = starts
                .peek()
                .map_or("nothing".to_owned(), |run| format!("{} for {}", run.name, run.due));
            let times = instant.times;
            return Err(format!(
                "{job} was due {due} {times} times and started {started} times; then came {instead}"
            ));
        }
        left_out.entry(&instant.spec.id).or_insert((instant.at, 0)).1 += instant.times;
    }
    if let Some(run) = starts.next() {
        let (id, due) = (&run.name, shown(run.due.timestamp()));
        return Err(format!("{id} was started for {due}, out of turn or again or never due"));
    }
    compare_said(left_out, actions)
}

fn is_of(run: &Run, instant: &Passed) -> bool {
    run.name == instant.spec.id && run.due.timestamp() == instant.at
}

/// Beyond so many, missed runs need not be counted.
const COUNTED: u32 = 10_000;

fn compare_said(mut left_out: HashMap<&str, (i64, u32)>, actions: &[Action]) -> Judgement {
    for action in actions {
        let Action::Missed { job, times, since } = action else { continue };
        let said = (since.timestamp(), (*times).min(COUNTED));
        let truly =
            left_out.remove(job.name.as_str()).map(|(since, times)| (since, times.min(COUNTED)));
        if truly != Some(said) {
            return Err(format!(
                "{} is said to have missed {said:?}; it missed {truly:?}",
                job.written
            ));
        }
    }
    match left_out.iter().next() {
        Some((id, (since, times))) => {
            Err(format!("{id} missed {times} runs since {}, unsaid", shown(*since)))
        }
        None => Ok(()),
    }
}

fn expect(starts: &[&Run], sort: char, expected: &[String]) -> Judgement {
    let found: Vec<_> = starts
        .iter()
        .filter(|run| run.name.starts_with(sort))
        .map(|run| run.name.clone())
        .collect();
    if found == expected {
        Ok(())
    } else {
        Err(format!("started {found:?} where {expected:?} were to start"))
    }
}

fn start(action: &Action) -> Option<&Run> {
    if let Action::Start { run, .. } = action { Some(run) } else { None }
}

fn stamp(action: &Action) -> Option<(String, NaiveDate)> {
    if let Action::Stamp { job, date } = action { Some((job.name.clone(), *date)) } else { None }
}

/// When a period job has to start that could at `from`, its hours allowing.
fn by_hours(spec: &Spec, from: i64) -> i64 {
    let Timing::Period { delay, .. } = &spec.timing else { return from };
    let mut open = from;
    while !hours_allow(spec, open) {
        open += MINUTE - open.rem_euclid(MINUTE);
    }
    if open == from { from } else { open + delay * MINUTE }
}

fn hours_allow(spec: &Spec, now: i64) -> bool {
    let Timing::Period { hours, .. } = &spec.timing else { return true };
    hours.is_none_or(|hours| is_open(hours, spec.almanac.hour(now)))
}

/// Whether an hour is one of those from the first to before the second; they may span midnight.
fn is_open((from, until): (i64, i64), hour: i64) -> bool {
    (hour - from).rem_euclid(24) < (until - from - 1).rem_euclid(24) + 1
}

/// The first date of the period after the one that was done on a date.
fn period_after(period: Period, done: NaiveDate) -> NaiveDate {
    let mut date = done;
    let same = |date: NaiveDate| match period {
        Period::Days(days) => (date - done).num_days() < i64::from(days.max(1)),
        Period::Week => {
            (date.iso_week().year(), date.iso_week().week())
                == (done.iso_week().year(), done.iso_week().week())
        }
        Period::Month => (date.year(), date.month()) == (done.year(), done.month()),
        Period::Year => date.year() == done.year(),
    };
    while same(date) {
        date += TimeDelta::days(1);
    }
    date
}

/// An instant for people.
pub fn shown(second: i64) -> String {
    DateTime::<Utc>::from_timestamp(second, 0)
        .map_or("never".to_owned(), |at| at.format("%FT%TZ").to_string())
}
