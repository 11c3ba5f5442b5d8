//! The real scheduler, and around it the faults that the oracle has to find. Without a mutation nothing is touched.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use rat::plan::civil::{Fixed, Offsets, Span, Timestamp};
use rat::plan::clock_step::Now;
use rat::plan::job::Job;
use rat::plan::run::{Run, RunId, Trigger};
use rat::plan::schedule::{Calendar, Schedule, Stars};
use rat::plan::scheduler::{Action, Event, Memory, Scheduler};

/// A fault planted in or around the scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// It asks to be woken a minute after something is due.
    WakesAMinuteLate,
    /// It takes the clock to be a minute ahead.
    StartsAMinuteEarly,
    /// It asks to be woken when it was woken already.
    Spins,
    /// Jobs that go by the clock run once where the clock shows an hour twice.
    LosesTheFold,
    /// Jobs that name their times run in both of two hours that the clock shows alike.
    RepeatsTheFold,
    /// What the clock jumped over in spring is not made up for.
    LosesTheGap,
    /// What the clock jumped over in spring runs once, however often it was due.
    CollapsesTheGap,
    /// Summer time is unknown.
    IgnoresSummerTime,
    /// What is made up for runs twice.
    CatchesUpTwice,
    /// Of what is made up for, only the newest of each job runs.
    CollapsesCatchUp,
    /// What is due in one turn starts in reverse.
    StartsInReverse,
    /// What is due in the turn in which its file is read again is not started.
    LosesDueOnReload,
    /// However long the clock was stepped forward, everything is made up for.
    TakesAllStepsForSmall,
    /// A step back is a new start, and what was done is repeated.
    RepeatsAfterStepBack,
    /// After a step back, jobs that go by the clock wait until it is where it was.
    WaitsAfterStepBack,
    /// Runs are left out and nobody is told.
    HidesMissedRuns,
    /// With both day fields restricted, both must match.
    TakesDayRuleForAnd,
    /// With a star in a day field, the other is not looked at alone.
    TakesDayRuleForOr,
    /// `L` is the last but one day of the month.
    TakesLastDayForOneBefore,
    /// At-jobs are claimed twice.
    ClaimsTwice,
    /// What was claimed is not started.
    LosesClaimed,
    /// After a restart, run ids are given again.
    ReusesRunIds,
    /// After a restart, runs that go on are unknown.
    ForgetsRunning,
    /// A period job that was done leaves no stamp.
    ForgetsStamps,
    /// The end of a run is not heard.
    MissesEnds,
    /// The delay of period jobs is nothing.
    IgnoresDelay,
    /// The hours of period jobs are all.
    IgnoresHours,
    /// Every start of ratd is taken for a boot.
    TakesEveryStartForBoot,
    /// What another anacron stamped is not heeded.
    IgnoresOthersStamps,
}

/// Faults that show where a zone's clock changes.
pub const OF_SUMMER_TIME: &[Mutation] = &[
    Mutation::LosesTheFold,
    Mutation::RepeatsTheFold,
    Mutation::LosesTheGap,
    Mutation::CollapsesTheGap,
    Mutation::IgnoresSummerTime,
];

/// Faults of waking, of late turns and of clocks that are set.
pub const OF_CLOCKS: &[Mutation] = &[
    Mutation::WakesAMinuteLate,
    Mutation::StartsAMinuteEarly,
    Mutation::Spins,
    Mutation::CatchesUpTwice,
    Mutation::CollapsesCatchUp,
    Mutation::StartsInReverse,
    Mutation::LosesDueOnReload,
    Mutation::TakesAllStepsForSmall,
    Mutation::RepeatsAfterStepBack,
    Mutation::WaitsAfterStepBack,
    Mutation::HidesMissedRuns,
];

/// Faults of the day rule, of claims, run ids and period jobs.
pub const OF_JOBS: &[Mutation] = &[
    Mutation::TakesDayRuleForAnd,
    Mutation::TakesDayRuleForOr,
    Mutation::TakesLastDayForOneBefore,
    Mutation::ClaimsTwice,
    Mutation::LosesClaimed,
    Mutation::ReusesRunIds,
    Mutation::ForgetsRunning,
    Mutation::ForgetsStamps,
    Mutation::MissesEnds,
    Mutation::IgnoresDelay,
    Mutation::IgnoresHours,
    Mutation::TakesEveryStartForBoot,
    Mutation::IgnoresOthersStamps,
];

/// The scheduler as the simulated ratd has it.
pub struct Ratd {
    scheduler: Scheduler,
    mutation: Option<Mutation>,
    last: Now,
    /// The wall clock as it would be had it never been set back.
    furthest: Timestamp,
    /// What was started of jobs that name their times, in the last hours.
    started: Vec<Action>,
    /// What of it is started again, once the clock says so.
    again: Vec<Action>,
    named: BTreeSet<String>,
}

impl Ratd {
    /// A scheduler that starts now.
    pub fn new(now: &Now, mut memory: Memory, mutation: Option<Mutation>) -> Ratd {
        match mutation {
            Some(Mutation::ReusesRunIds) if memory.next_run > 10 => memory.next_run -= 3,
            Some(Mutation::ForgetsRunning) => memory.running.clear(),
            _ => {}
        }
        let scheduler = Scheduler::new(now, memory);
        Ratd {
            scheduler,
            mutation,
            last: *now,
            furthest: now.wall,
            started: Vec::new(),
            again: Vec::new(),
            named: BTreeSet::new(),
        }
    }

    /// What the scheduler answers, with the fault in it.
    pub fn handle(&mut self, now: &Now, event: Event) -> Vec<Action> {
        let Some(mutation) = self.mutation else { return self.scheduler.handle(now, event) };
        let replaced = matches!(event, Event::Loaded { .. });
        let claimed = matches!(event, Event::Claimed { .. });
        if let Event::Loaded { jobs, .. } = &event {
            self.named
                .extend(jobs.iter().filter(|job| names_its_times(job)).map(|job| job.name.clone()));
        }
        let stepped_back = self.last.wall - now.wall >= TimeDelta::minutes(2);
        let event = distort_event(event, mutation);
        let mut actions = self.distort_time(now, mutation);
        actions.extend(self.scheduler.handle(&self.time(now, mutation), event));
        self.last = *now;
        match mutation {
            Mutation::LosesDueOnReload if replaced => {
                actions.retain(|action| run(action).is_none_or(|run| !run.name.starts_with('c')));
            }
            Mutation::LosesClaimed if claimed => {
                actions.retain(|action| run(action).is_none_or(|run| run.trigger != Trigger::At));
            }
            Mutation::RepeatsAfterStepBack => self.repeat(now.wall, stepped_back, &mut actions),
            _ => distort_actions(&mut actions, now.wall, mutation),
        }
        actions
    }

    /// When the scheduler wants to be called.
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        let wakeup = self.scheduler.next_wakeup();
        match self.mutation {
            Some(Mutation::WakesAMinuteLate) => wakeup.map(|at| at + TimeDelta::minutes(1)),
            Some(Mutation::Spins) => wakeup.map(|at| at.min(self.last.wall)),
            _ => self.again.iter().filter_map(run).map(|run| run.due).chain(wakeup).min(),
        }
    }

    /// Starts once more what a clock that was set back shows again.
    fn repeat(&mut self, now: Timestamp, stepped_back: bool, actions: &mut Vec<Action>) {
        let due = |action: &Action| run(action).map_or(now, |run| run.due);
        self.started.retain(|action| now - due(action) < TimeDelta::hours(3));
        if stepped_back {
            self.again = self.started.drain(..).filter(|action| due(action) > now).collect();
        }
        let ours = |action: &&Action| run(action).is_some_and(|run| self.named.contains(&run.name));
        self.started.extend(actions.iter().filter(ours).cloned());
        let (again, later) =
            std::mem::take(&mut self.again).into_iter().partition(|action| due(action) <= now);
        self.again = later;
        actions.extend(Vec::into_iter(again).map(with_new_id));
    }

    fn time(&self, now: &Now, mutation: Mutation) -> Now {
        let ahead = TimeDelta::minutes(i64::from(mutation == Mutation::StartsAMinuteEarly));
        let behind = mutation == Mutation::WaitsAfterStepBack
            && self.furthest - now.wall < TimeDelta::hours(3);
        Now { wall: if behind { now.wall.max(self.furthest) } else { now.wall + ahead }, ..*now }
    }

    /// Tells of a time that did not pass as it says, and what comes of that.
    fn distort_time(&mut self, now: &Now, mutation: Mutation) -> Vec<Action> {
        let mut actions = Vec::new();
        if mutation == Mutation::TakesAllStepsForSmall {
            while now.wall - self.last.wall > TimeDelta::minutes(4) {
                let ran = self.last.monotonic + Duration::from_secs(240);
                let wall = self.last.wall + TimeDelta::minutes(4);
                self.last = Now { wall, monotonic: ran.min(now.monotonic) };
                actions.extend(self.scheduler.handle(&self.last, Event::Woke));
            }
        }
        self.furthest = self.furthest.max(now.wall);
        if self.furthest - now.wall >= TimeDelta::hours(3) {
            self.furthest = now.wall;
        }
        actions
    }
}

fn distort_event(event: Event, mutation: Mutation) -> Event {
    match event {
        Event::Ended { .. } if mutation == Mutation::MissesEnds => Event::Woke,
        Event::Stamped { .. } if mutation == Mutation::IgnoresOthersStamps => Event::Woke,
        Event::Adopted { .. } if mutation == Mutation::ForgetsRunning => Event::Woke,
        Event::Ready { .. } if mutation == Mutation::TakesEveryStartForBoot => {
            Event::Ready { after_boot: true }
        }
        Event::Loaded { source, jobs } => {
            let jobs = jobs.iter().map(|job| distort_job(job, mutation)).collect();
            Event::Loaded { source, jobs }
        }
        event => event,
    }
}

fn names_its_times(job: &Job) -> bool {
    matches!(&job.schedule, Schedule::Calendar(calendar) if !calendar.is_wildcard())
}

fn run(action: &Action) -> Option<&Run> {
    if let Action::Start { run, .. } = action { Some(run) } else { None }
}

fn distort_actions(actions: &mut Vec<Action>, now: Timestamp, mutation: Mutation) {
    let overdue = |run: &Run| run.trigger != Trigger::At && now - run.due > TimeDelta::minutes(1);
    let late = |action: &Action| run(action).is_some_and(overdue);
    match mutation {
        Mutation::HidesMissedRuns => {
            actions.retain(|action| !matches!(action, Action::Missed { .. }))
        }
        Mutation::ForgetsStamps => actions.retain(|action| !matches!(action, Action::Stamp { .. })),
        Mutation::StartsInReverse => actions.reverse(),
        Mutation::CatchesUpTwice => {
            let again: Vec<_> =
                actions.iter().filter(|action| late(action)).cloned().map(with_new_id).collect();
            actions.extend(again);
        }
        Mutation::CollapsesCatchUp => {
            let all = actions.clone();
            let mut index = 0;
            actions.retain(|action| {
                index += 1;
                let job = run(action).map(|run| run.job.clone());
                !late(action)
                    || !all[index..]
                        .iter()
                        .any(|later| run(later).map(|run| run.job.clone()) == job)
            });
        }
        Mutation::CollapsesTheGap => actions.dedup_by(|one, other| match (run(one), run(other)) {
            (Some(one), Some(other)) => one.job == other.job && one.due == other.due,
            _ => false,
        }),
        Mutation::ClaimsTwice => {
            let claim =
                actions.iter().find(|action| matches!(action, Action::Claim { .. })).cloned();
            actions.extend(claim.map(with_new_id));
        }
        _ => {}
    }
}

/// The same action with ids that nothing else has.
fn with_new_id(mut action: Action) -> Action {
    match &mut action {
        Action::Start { run, .. } => run.id = RunId(run.id.0 + (1 << 40)),
        Action::Claim { first, .. } => *first = RunId(first.0 + (1 << 40)),
        Action::MakeUp { run, .. } => run.id = RunId(run.id.0 + (1 << 40)),
        Action::Missed { .. }
        | Action::Skipped { .. }
        | Action::Stamp { .. }
        | Action::AskLoad
        | Action::Recall { .. }
        | Action::Owe { .. }
        | Action::Forget { .. }
        | Action::AskPower => {}
    }
    action
}

fn distort_job(job: &Arc<Job>, mutation: Mutation) -> Arc<Job> {
    let mut job = (**job).clone();
    match (&mut job.schedule, mutation) {
        (Schedule::Calendar(calendar), _) => *calendar = distort_calendar(calendar, mutation),
        (Schedule::Every(every), Mutation::IgnoresDelay) => every.delay = 0,
        (Schedule::Every(every), Mutation::IgnoresHours) => every.hours = None,
        _ => {}
    }
    match mutation {
        Mutation::IgnoresSummerTime => {
            // The year's first days tell the offset; half of the zones are in summer then, and that is as wrong.
            let offset = job.zone.span_at(1_767_225_600).offset;
            job.zone = Arc::new(Fixed { offset });
        }
        Mutation::LosesTheGap if job.name.starts_with('c') => {
            job.zone = Arc::new(SetAnew { zone: job.zone, forward: true });
        }
        Mutation::RepeatsTheFold if job.name.starts_with('c') => {
            job.zone = Arc::new(SetAnew { zone: job.zone, forward: false });
        }
        _ => {}
    }
    Arc::new(job)
}

fn distort_calendar(calendar: &Calendar, mutation: Mutation) -> Calendar {
    let Calendar { minutes, hours, mut days, months, weekdays, .. } = *calendar;
    let mut stars = calendar.stars();
    match mutation {
        Mutation::LosesTheFold => stars = Stars { minute: false, hour: false, ..stars },
        Mutation::TakesDayRuleForAnd => stars.day = true,
        Mutation::TakesDayRuleForOr => stars = Stars { day: false, weekday: false, ..stars },
        Mutation::TakesLastDayForOneBefore if days & 1 == 1 => days = days & !1 | 1 << 30,
        _ => {}
    }
    Calendar::new(minutes, hours, days, months, weekdays, stars)
}

/// A zone whose changes forward, or back, look as if the clock had been set anew.
#[derive(Debug)]
struct SetAnew {
    zone: Arc<dyn Offsets>,
    forward: bool,
}

impl Offsets for SetAnew {
    fn span_at(&self, instant: i64) -> Span {
        let span = self.zone.span_at(instant);
        if instant != span.ends - 1 {
            return span;
        }
        // The last second before a change lies about its offset, so that the change is past the limit.
        let change = self.zone.span_at(span.ends).offset - span.offset;
        let lie = if self.forward { -4 * 3600 } else { 4 * 3600 };
        let offset = if (change > 0) == self.forward { span.offset + lie } else { span.offset };
        Span { offset, ..span }
    }
}
