//! What ratd says of itself: to syslog as cron says it, on standard error and, in the foreground, on standard output.

use chrono::{DateTime, TimeDelta};

use crate::daemon::options::Mode;
use crate::daemon::state::State;
use crate::log::{Syslog, Weight, offer};
use crate::paths::Paths;
use crate::plan::civil::{Offsets, Timestamp, reading};
use crate::plan::job::{Job, Kind, Recipe, Source};
use crate::plan::run::{Outcome, Run};
use crate::plan::schedule::Schedule;
use crate::plan::scheduler::Scheduler;
use crate::spool::user_of;

/// The clock's reading at an instant, as people write it.
pub fn instant(at: Timestamp, zone: &dyn Offsets) -> String {
    reading(zone, at).format("%a %Y-%m-%d %H:%M:%S").to_string()
}

/// Whom the log names for a crontab: its owner, or the system.
pub fn who<'s>(source: &'s Source, paths: &Paths) -> &'s str {
    user_of(&source.0, paths).unwrap_or("*system*")
}

/// A crontab was read, for the first time or again.
pub fn loaded(syslog: &mut Syslog, who: &str, source: &Source, jobs: usize, again: bool) {
    let path = source.0.display().to_string();
    if again {
        syslog.cron(Weight::Info, who, "RELOAD", path.as_bytes());
    }
    let noun = if jobs == 1 { "job" } else { "jobs" };
    tracing::info!(event = "load", file = path, jobs, "loaded {path}: {jobs} {noun}");
}

/// The words that crons have for what is wrong with a whole file; the rest of such a line is ours.
const EVENTS: [&str; 5] =
    ["ORPHAN", "NOT REGULAR", "WRONG FILE OWNER", "BAD FILE MODE", "BAD LINK COUNT"];

/// A crontab does not count any more.
pub fn gone(syslog: &mut Syslog, who: &str, source: &Source, problems: &[String]) {
    tracing::info!("{} is not used", source.0.display());
    complain(syslog, who, problems);
}

/// rat.conf was read, for the first time or again.
pub fn configured(syslog: &mut Syslog, source: &Source, problems: &[String], counts: bool) {
    let path = source.0.display();
    for problem in problems {
        syslog.cron(Weight::Error, "*system*", "BAD CONFIG", problem.as_bytes());
        tracing::warn!("{problem}");
    }
    match counts {
        true => tracing::info!("{path} counts as it is now"),
        false => tracing::error!("{path} is not used as it is now: what it last said still counts"),
    }
}

/// A file in a directory of crontabs is not read.
pub fn skipped(syslog: &mut Syslog, problem: &str) {
    syslog.cron(Weight::Info, "CRON", "INFO", problem.as_bytes());
    tracing::warn!("{problem}");
}

/// What is wrong with a crontab.
pub fn complain(syslog: &mut Syslog, who: &str, problems: &[String]) {
    for problem in problems {
        let is_it = |event: &&&str| problem.contains(&format!(": {event}"));
        let event = EVENTS.iter().find(is_it).copied().unwrap_or("BAD CRONTAB");
        syslog.cron(Weight::Error, who, event, problem.as_bytes());
        tracing::warn!(event = "problem", "{problem}");
    }
}

/// A run is ordered.
pub fn started(run: &Run, recipe: &Recipe) {
    // An at-job is a script: what it says is its owner's business.
    let command = if recipe.kind == Kind::At { "" } else { &*recipe.command.shown() };
    tracing::info!(
        event = "start",
        job = run.name,
        run_id = %run.id,
        owner = run.owner,
        due = %run.due.to_rfc3339(),
        command,
        "{}: started {} as run {}",
        run.owner,
        run.name,
        run.id
    );
}

/// A run is over. What became of one that began is in the log where its cron would put it.
pub fn ended(syslog: &mut Syslog, run: &Run, outcome: &Outcome, is_told: bool) {
    let how = outcome_in_words(outcome);
    let text = format!("{} run {}: {how}", run.name, run.id);
    let mut fields = run.fields("finish");
    match outcome {
        Outcome::Exited(status) => fields.push(("RAT_EXIT", status.to_string())),
        Outcome::Killed(signal) => fields.push(("RAT_SIGNAL", signal.to_string())),
        Outcome::NotStarted(_) | Outcome::LeftToAnother(_) | Outcome::Lost(_) => {}
    }
    match outcome {
        Outcome::Exited(_) | Outcome::Killed(_) => {
            if is_told {
                syslog.with_fields(Weight::Info, (&run.owner, "CMDEND", text.as_bytes()), &fields);
            }
            finished(run, outcome, &text);
        }
        Outcome::LeftToAnother(_) => finished(run, outcome, &text),
        Outcome::NotStarted(_) | Outcome::Lost(_) => {
            syslog.with_fields(Weight::Error, (&run.owner, "ERROR", text.as_bytes()), &fields);
            finished(run, outcome, &text);
        }
    }
}

/// The same for programs, which want numbers.
fn finished(run: &Run, outcome: &Outcome, text: &str) {
    let (job, id, owner) = (&run.name, run.id.to_string(), &run.owner);
    macro_rules! say {
        ($how:ident, $($field:tt)*) => {
            tracing::$how!(event = "finish", job, run_id = id, owner, $($field)* "{owner}: {text}")
        };
    }
    match outcome {
        Outcome::Exited(exit) => say!(info, exit,),
        Outcome::Killed(signal) => say!(info, signal,),
        Outcome::LeftToAnother(_) => say!(info,),
        Outcome::NotStarted(_) | Outcome::Lost(_) => say!(error,),
    }
}

/// How a run ended, in words.
pub fn outcome_in_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Exited(status) => format!("exited with status {status}"),
        Outcome::Killed(signal) => format!("was killed by signal {signal}"),
        Outcome::NotStarted(why) | Outcome::LeftToAnother(why) => {
            format!("was not started: {why}")
        }
        Outcome::Lost(why) => format!("is lost: {why}"),
    }
}

/// Everything was read. In the foreground with one file: what it holds, and when each entry is due next.
pub fn ready(mode: &Mode, scheduler: &Scheduler, now: Timestamp) {
    let jobs = scheduler.jobs();
    let Some((file, owner)) = mode.file.as_ref().filter(|_| mode.container.is_none()) else {
        let jobs = jobs.len();
        tracing::info!(event = "ready", jobs, "ready: {jobs} jobs");
        return;
    };
    let mut text = format!(
        "ratd {}: {} jobs from {}, run as {owner}; stop with Ctrl-C\n",
        env!("CARGO_PKG_VERSION"),
        jobs.len(),
        file.display()
    );
    for (job, due) in &jobs {
        let command = job.recipe.command.shown();
        let command: String =
            command.chars().take(40).map(|c| if c.is_control() { ' ' } else { c }).collect();
        text += &format!(
            "  line {:<3} {:<20} {:<34} {command}\n",
            job.origin.line,
            job.written,
            next(job, *due, now)
        );
    }
    // Nobody may be reading any more; the jobs run all the same.
    offer(std::io::stdout(), text.as_bytes());
}

fn next(job: &Job, due: Option<Timestamp>, now: Timestamp) -> String {
    match (&job.schedule, due) {
        (Schedule::Reboot, _) => "now".to_owned(),
        (Schedule::Never, _) => "never: it is disabled".to_owned(),
        (_, None) => "never".to_owned(),
        (_, Some(due)) => format!("{}, in {}", instant(due, &*job.zone), duration(due - now)),
    }
}

/// A length of time in its two largest units.
pub fn duration(length: TimeDelta) -> String {
    let seconds = length.num_seconds().max(0);
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let largest = units.iter().position(|(size, _)| seconds >= *size).unwrap_or(units.len() - 1);
    let mut left = seconds;
    let mut words = Vec::new();
    for (size, name) in units.iter().skip(largest).take(2) {
        if left / size > 0 || words.is_empty() {
            words.push(format!("{}{name}", left / size));
        }
        left %= size;
    }
    words.join(" ")
}

/// ratd stops; its runs do not.
pub fn farewell(mode: &Mode, state: &State) {
    for run in state.running.values() {
        tracing::info!("{}: {} goes on as run {}", run.owner, run.name, run.id);
    }
    if mode.container.is_some() {
        tracing::info!(event = "stopped", "stopped");
    } else if mode.file.is_some() {
        let running = state.running.len();
        let left =
            if running == 0 { String::new() } else { format!("; {running} running jobs go on") };
        offer(std::io::stdout(), format!("ratd: stopped{left}\n").as_bytes());
    }
}

/// SIGUSR1: everything that ratd knows of itself, into the log.
pub fn state(state: &State, scheduler: &Scheduler) {
    let next =
        scheduler.next_wakeup().map_or("never".to_owned(), |at: DateTime<_>| at.to_rfc3339());
    tracing::info!(
        "{} jobs, {} running, {} started, {} missed, next wake-up {next}, store: {}",
        scheduler.count(),
        state.running.len(),
        state.runs_started,
        state.runs_missed,
        state.trouble.as_deref().unwrap_or("ok")
    );
    for (source, problems) in &state.problems {
        for problem in problems {
            tracing::info!("{}: {problem}", source.0.display());
        }
    }
}
