//! From what is known of a job at a time to why it ran then, or did not, in words. Pure: asks nobody, prints nothing.

use crate::client::table;
use crate::client::why::fate::{Fate, KEPT, KEPT_RUNS, fate};
use crate::client::why::period;
use crate::plan::absence::{Absence, Cause};
use crate::plan::civil::{Offsets, Timestamp, reading};
use crate::plan::run::{Outcome, Trigger};
use crate::protocol::reply::{ClockChange, Explained, Explanation, Field, Run, ScheduleKind};
use crate::syntax::timespec::back::Spoken;

/// What was asked, and in which zone it is answered.
pub struct Asked<'a> {
    /// The job, as it was named.
    pub word: &'a str,
    /// The time, if one was named.
    pub spoken: Option<Spoken>,
    /// The zone that times are told in.
    pub zone: &'a dyn Offsets,
    /// Its name.
    pub name: &'a str,
}

/// Why, in words.
pub struct Answer<'e> {
    /// One word for programs.
    pub verdict: &'static str,
    /// It did not run, or will not.
    pub is_no: bool,
    /// How the headline is marked.
    pub mark: Mark,
    /// The answer in a line.
    pub headline: String,
    /// What led to it, and what is to come.
    pub lines: Vec<Line>,
    /// Of each instant it was due at, what became of it.
    pub instants: Vec<(Timestamp, Fate<'e>)>,
}

/// One thing that was looked at.
pub struct Line {
    pub mark: Mark,
    pub topic: &'static str,
    pub text: String,
}

/// What something is to the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It is as it must be for the job to run.
    Yes,
    /// It is why the job did not run.
    No,
    /// It goes on, or is to come.
    Goes,
    /// Something to know.
    Note,
}

impl Mark {
    /// The sign that people see.
    pub fn sign(self) -> char {
        match self {
            Mark::Yes => '✔',
            Mark::No => '✖',
            Mark::Goes => '▶',
            Mark::Note => '·',
        }
    }
}

/// A run that begins so much after it was due is late.
const LATE: chrono::TimeDelta = chrono::TimeDelta::seconds(60);

/// The answer.
pub fn answer<'e>(explained: &'e Explained, asked: &Asked<'_>) -> Answer<'e> {
    let Some(explanation) = &explained.explanation else { return not_loaded(explained, asked) };
    let telling = Telling { explained, explanation, asked };
    match explanation.kind {
        ScheduleKind::Reboot => telling.reboot(),
        ScheduleKind::Period => period::answer(&telling),
        ScheduleKind::Disabled => telling.disabled(),
        ScheduleKind::Calendar => match explanation.due.as_slice() {
            [] => telling.not_due(),
            [at] => telling.once(*at),
            several => telling.several(several),
        },
    }
}

/// No crontab that is used has the job.
fn not_loaded<'e>(explained: &'e Explained, asked: &Asked<'_>) -> Answer<'e> {
    let word = asked.word;
    let mut lines: Vec<Line> =
        explained.problems.iter().map(|text| no("file", text.clone())).collect();
    let (verdict, headline) = match &explained.last {
        Some(run) if lines.is_empty() => {
            let at = run.started.unwrap_or(run.due);
            let text = format!(
                "run {}, due {}: {}",
                run.id,
                table::instant(run.due, asked.zone),
                table::outcome(&run.end)
            );
            lines.push(note("last run", text));
            let at = table::instant(at, asked.zone);
            ("gone", format!("{} is in no crontab any more; it ran last at {at}", run.name))
        }
        Some(_) | None => ("not-loaded", format!("{word} is not loaded, so nothing of it is due")),
    };
    lines.push(note("to change", "rat list shows what is loaded".to_owned()));
    Answer { verdict, is_no: true, mark: Mark::No, headline, lines, instants: Vec::new() }
}

/// An answer that is being put together.
pub struct Telling<'e, 'a> {
    pub explained: &'e Explained,
    pub explanation: &'e Explanation,
    pub asked: &'a Asked<'a>,
}

impl<'e> Telling<'e, '_> {
    /// An instant, by the clock on the wall.
    pub fn at(&self, at: Timestamp) -> String {
        table::instant(at, self.asked.zone)
    }

    fn in_zone(&self, at: Timestamp) -> String {
        format!("{} {}", self.at(at), self.asked.name)
    }

    pub fn name(&self) -> &'e str {
        &self.explanation.job.name
    }

    pub fn now(&self) -> Timestamp {
        self.explained.now
    }

    fn fate(&self, at: Timestamp) -> Fate<'e> {
        fate(self.explanation, at, self.now())
    }

    /// The job was due once in the time asked about.
    fn once(&self, at: Timestamp) -> Answer<'e> {
        let fate = self.fate(at);
        let name = self.name();
        let when = self.in_zone(at);
        let headline = match fate {
            Fate::Ran(run) => format!("{name} ran at {when}: {}", table::outcome(&run.end)),
            Fate::Runs(run) => match run.started {
                Some(started) => format!("{name} runs, due {when}, since {}", self.at(started)),
                None => format!("{name} runs, due {when}"),
            },
            Fate::Coming => {
                format!("{name} is due at {when}, in {}", table::length(at - self.now()))
            }
            Fate::Owed => format!("{name} missed {when}, which is still made up for"),
            Fate::Now => format!("{name} is due in this moment, at {when}"),
            Fate::NotStarted(_) => format!("{name} could not be started at {when}"),
            Fate::Lost(_) => format!("nobody knows whether {name} ran at {when}"),
            Fate::Forgotten => format!("it is no longer known whether {name} ran at {when}"),
            Fate::Unknown => format!("no run of {name} is known for {when}"),
            Fate::Skipped(_) | Fate::Missed(_) | Fate::New(_) => {
                format!("{name} did not run at {when}")
            }
        };
        let mut lines = vec![self.schedule_line(at)];
        lines.extend(self.loaded_lines());
        lines.extend(self.change_line(at));
        lines.push(self.reason(at, fate));
        lines.extend(self.what_next(fate));
        Answer {
            verdict: fate.word(),
            is_no: fate.is_no(),
            mark: mark(fate),
            headline,
            lines,
            instants: vec![(at, fate)],
        }
    }

    /// That the schedule names the time, or one that the job's delay comes after.
    fn schedule_line(&self, at: Timestamp) -> Line {
        let Explanation { job, delay, zone, .. } = self.explanation;
        let mut text = format!("{} is due then", job.schedule);
        if *delay > 0 {
            let delay = chrono::TimeDelta::seconds(i64::try_from(*delay).unwrap_or(0));
            let named = self.at(at - delay);
            text = format!(
                "{} names {named}; its RANDOM_DELAY is {} here, always the same",
                job.schedule,
                table::length(delay)
            );
        }
        if let Some(zone) = zone.as_deref().filter(|zone| *zone != self.asked.name) {
            text += &format!(", read in {zone}");
        }
        yes("schedule", text)
    }

    pub fn loaded_line(&self) -> Line {
        let job = &self.explanation.job;
        yes("loaded", format!("{}:{}, as {}", job.file, job.line, job.owner))
    }

    /// Where it is written, and what is wrong there that is not about other lines.
    fn loaded_lines(&self) -> Vec<Line> {
        let job = &self.explanation.job;
        let is_of_another = |problem: &str| {
            let rest =
                problem.strip_prefix(job.file.as_str()).and_then(|rest| rest.strip_prefix(':'));
            let number = rest.and_then(|rest| rest.split(':').next()?.parse::<u32>().ok());
            number.is_some_and(|number| number != job.line)
        };
        let problems = self.explained.problems.iter().filter(|problem| !is_of_another(problem));
        let problems = problems.map(|problem| note("file", problem.clone()));
        std::iter::once(self.loaded_line()).chain(problems).collect()
    }

    /// That the clock of the job's zone changed there.
    fn change_line(&self, at: Timestamp) -> Option<Line> {
        let change = self.explanation.changes.iter().find(|change| change.at == at)?;
        let jump = chrono::TimeDelta::seconds(change.seconds);
        (change.seconds > 0).then(|| {
            let text = format!(
                "it is set forward by {} then; what names a time that it skips is due at the end of that",
                table::length(jump)
            );
            note("clock", text)
        })
    }

    /// What decided about an instant.
    fn reason(&self, at: Timestamp, fate: Fate<'e>) -> Line {
        match fate {
            Fate::Ran(run) => yes("run", self.of_a_run(run)),
            Fate::Runs(run) => Line { mark: Mark::Goes, topic: "run", text: self.of_a_run(run) },
            Fate::NotStarted(run) | Fate::Lost(run) => no("run", self.of_a_run(run)),
            Fate::Skipped(run) => {
                let began = self.at(run.started.unwrap_or(run.due));
                let over = match run.ended {
                    Some(ended) => format!("and went on until {}", self.at(ended)),
                    None => "and still goes on".to_owned(),
                };
                let text = format!(
                    "-s: it never runs twice at a time, and run {} had begun at {began} {over}",
                    run.id
                );
                no("single", text)
            }
            Fate::Missed(absence) => no(topic(absence), self.of_an_absence(absence)),
            Fate::Owed => note("waits", self.waits()),
            Fate::Coming => note("waits", "its time has not come".to_owned()),
            Fate::Now => note("waits", "its run is not written down yet".to_owned()),
            Fate::New(since) => {
                let how = match self.explanation.first_seen == Some(since) {
                    true => "it is known since",
                    false => "its file was changed at",
                };
                let since = self.at(since);
                no(
                    "file",
                    format!(
                        "{how} {since}; before, there was no such line, or ratd did not read it"
                    ),
                )
            }
            Fate::Forgotten => {
                let text = format!(
                    "of each job the last {KEPT_RUNS} runs are kept, for {} days",
                    KEPT.num_days()
                );
                note("history", text)
            }
            Fate::Unknown => {
                let text = if at >= self.explanation.started {
                    "ratd ran, and neither run nor reason is written down; was the line there then?"
                } else {
                    "nothing is written down of that time; was the line there, and ratd running?"
                };
                note("history", text.to_owned())
            }
        }
    }

    /// What a start that is made up for waits for.
    fn waits(&self) -> String {
        let power = if self.explanation.ac_only { ", on mains power only (ac-only)" } else { "" };
        format!("it begins within minutes, one after the other{power}")
    }

    /// Why nothing makes up for what was missed, or what would.
    fn catch_up(&self) -> Line {
        let Explanation { makes_up, deadline, .. } = self.explanation;
        let text = match (makes_up, deadline) {
            (0, _) => "none: #rat: catchup=once makes up for what is missed".to_owned(),
            (1, None) => {
                "once: the last one that is missed, before the next and within a day".to_owned()
            }
            (most, None) => format!("all: the last {most} that are missed, within a day"),
            (most, Some(deadline)) => {
                let deadline = chrono::TimeDelta::seconds(i64::try_from(*deadline).unwrap_or(0));
                let deadline = table::length(deadline);
                format!("the last {most} that are missed, for {deadline} (deadline=)")
            }
        };
        note("catchup", text)
    }

    /// A run in a line.
    pub fn of_a_run(&self, run: &Run) -> String {
        let mut text = format!("run {}", run.id);
        if let Some(started) = run.started {
            let late = started - run.due;
            text += &format!(" began at {}", self.at(started));
            if late >= LATE {
                text += &format!(", {} late", table::length(late));
            }
            if run.trigger == Trigger::CatchUp {
                text += ", made up for";
            }
            if let Some(ended) = run.ended {
                text += &format!(", took {}", table::length(ended - started));
            }
        }
        format!("{text}: {}", table::outcome(&run.end))
    }

    /// An absence in a line.
    pub fn of_an_absence(&self, absence: &Absence) -> String {
        let (from, until) = (self.at(absence.from), self.at(absence.until));
        match absence.cause {
            Cause::Stopped => format!("did not run: last seen at {from}, started again at {until}"),
            Cause::Off => {
                format!("was off or starting: ratd was last seen at {from}, and started at {until}")
            }
            Cause::Asleep => format!("slept from {from} to {until}"),
            Cause::Set => {
                format!("was set forward, from {from} to {until}: it never showed this time")
            }
            Cause::HeldUp => format!("was held up from {from} to {until}, and came to it too late"),
        }
    }

    /// What is to come, and what can be done.
    fn what_next(&self, fate: Fate<'_>) -> Vec<Line> {
        let mut lines = vec![self.next_line()];
        let name = self.name();
        let text = match fate {
            Fate::Missed(_) => {
                lines.insert(0, self.catch_up());
                format!("rat run {name} runs it now")
            }
            Fate::Skipped(_) | Fate::NotStarted(_) | Fate::Lost(_) => {
                format!("rat run {name} runs it now")
            }
            Fate::Ran(run) if run.end.parse() != Some(Outcome::Exited(0)) => {
                format!("rat history --output -n 1 {name} shows what it printed")
            }
            _ => return lines,
        };
        lines.push(note("to change", text));
        lines
    }

    pub fn next_line(&self) -> Line {
        let text = match self.explanation.job.next {
            Some(next) if next > self.now() => {
                format!("{}, in {}", self.at(next), table::length(next - self.now()))
            }
            Some(next) => format!("{}, which is now", self.at(next)),
            None => "never".to_owned(),
        };
        note("next", text)
    }

    /// It was not due at the time asked about.
    fn not_due(&self) -> Answer<'e> {
        let Explanation { from, until, job, after, before, .. } = self.explanation;
        let is_past = *until <= self.now();
        let is_day = *until - *from > chrono::TimeDelta::minutes(1);
        let when = if is_day { self.day() } else { format!("at {}", self.in_zone(*from)) };
        let was = if is_past { "was" } else { "is" };
        let headline = format!("{} {was} not due {when}", self.name());
        let mut lines = Vec::new();
        let mut verdict = "not-due";
        if before.is_none() && after.is_none() {
            verdict = "never-due";
            lines.push(no("schedule", format!("{} is never due", job.schedule)));
        } else {
            lines.push(no("schedule", self.refusal()));
        }
        lines.extend(self.not_shown());
        lines.push(self.loaded_line());
        if let Some(before) = before.filter(|before| *before <= self.now()) {
            let fate = self.reason(before, self.fate(before));
            lines.push(note("before", format!("{}; {}", self.at(before), fate.text)));
        }
        if let Some(after) = after.filter(|_| is_past) {
            lines.push(note("after", self.at(after)));
        }
        lines.push(self.next_line());
        Answer { verdict, is_no: true, mark: Mark::No, headline, lines, instants: Vec::new() }
    }

    /// The day asked about.
    pub fn day(&self) -> String {
        let day = reading(self.asked.zone, self.explanation.from).date();
        format!("on {}", day.format("%a %Y-%m-%d"))
    }

    /// Which fields keep it from being due, and why none does.
    fn refusal(&self) -> String {
        let Explanation { job, refusing, .. } = self.explanation;
        if let Some(change) = self.second_showing() {
            let back = chrono::TimeDelta::seconds(-change.seconds);
            let first = self.at(self.explanation.from - back);
            return format!(
                "{} was due when the clock showed this for the first time, at {first}; it was set back by {}",
                job.schedule,
                table::length(back)
            );
        }
        if refusing.is_empty() {
            return format!("{} does not name it", job.schedule);
        }
        let shown = self.explanation.shown;
        let fields: Vec<String> = refusing.iter().map(|field| refused(*field, shown)).collect();
        format!("{}: {}", job.schedule, fields.join(", "))
    }

    /// The change of the clock after which it shows the time asked about for the second time.
    fn second_showing(&self) -> Option<&'e ClockChange> {
        let Explanation { from, refusing, changes, .. } = self.explanation;
        changes.iter().find(|change| {
            let since = (*from - change.at).num_seconds();
            refusing.is_empty() && change.seconds < 0 && (0..-change.seconds).contains(&since)
        })
    }

    /// That the clock never shows what was asked about.
    fn not_shown(&self) -> Option<Line> {
        let skipped = self.asked.spoken?.skipped?;
        let lands = self.at(self.explanation.from);
        let text = format!(
            "it never shows {}: it is set forward, to {lands}; a schedule with a star in minute or hour goes by what it shows",
            skipped.format("%H:%M on %a %Y-%m-%d")
        );
        Some(no("clock", text))
    }

    /// It was due more than once in the time asked about.
    fn several(&self, due: &[Timestamp]) -> Answer<'e> {
        let fates: Vec<(Timestamp, Fate<'e>)> =
            due.iter().map(|at| (*at, self.fate(*at))).collect();
        let more = if self.explanation.more { "more than " } else { "" };
        let verb = if due.first().is_some_and(|at| *at > self.now()) { "is" } else { "was" };
        let headline =
            format!("{} {verb} due {more}{} times {}", self.name(), due.len(), self.day());
        let mut lines = vec![self.loaded_line()];
        // What is alike and follows each other is one line.
        for alike in fates.chunk_by(|(_, one), (_, other)| one.word() == other.word()) {
            lines.extend(self.alike(alike));
        }
        lines.push(self.next_line());
        let worst = fates.iter().find(|(_, fate)| fate.is_no()).or(fates.last());
        Answer {
            verdict: worst.map_or("unknown", |(_, fate)| fate.word()),
            is_no: fates.iter().any(|(_, fate)| fate.is_no()),
            mark: worst.map_or(Mark::Note, |(_, fate)| mark(*fate)),
            headline,
            lines,
            instants: fates,
        }
    }

    /// Instants, one after the other, that the same became of.
    fn alike(&self, alike: &[(Timestamp, Fate<'e>)]) -> Option<Line> {
        let (first, last) = (alike.first()?, alike.last()?);
        let clock = |at: Timestamp| reading(self.asked.zone, at).format("%H:%M").to_string();
        let times = match alike.len() {
            1 => clock(first.0),
            count => format!("{} to {}, {count} times", clock(first.0), clock(last.0)),
        };
        let reason = self.reason(last.0, last.1);
        let what = match (alike.len(), last.1) {
            (1, _) => reason.text,
            (_, Fate::Ran(_)) => format!("ran, last {}", reason.text),
            (_, Fate::Coming) => "still to come".to_owned(),
            (..) => format!("{}: {}", reason.topic, reason.text),
        };
        Some(Line { mark: reason.mark, topic: "due", text: format!("{times}: {what}") })
    }

    /// A job that never runs, whatever its schedule says.
    fn disabled(&self) -> Answer<'e> {
        let headline = format!("{} is disabled, and never runs", self.name());
        let text = "the option `enabled` is `no`, in its crontab or in rat.conf".to_owned();
        let lines = vec![no("option", text), self.loaded_line()];
        Answer {
            verdict: "disabled",
            is_no: true,
            mark: Mark::No,
            headline,
            lines,
            instants: Vec::new(),
        }
    }

    /// A job of `@reboot`.
    fn reboot(&self) -> Answer<'e> {
        let is_it = |run: &&Run| run.trigger == Trigger::Reboot;
        let last = self.explanation.runs.iter().find(is_it);
        let name = self.name();
        let fate = last.map_or(Fate::Unknown, Fate::of);
        let (verdict, headline) = match last {
            Some(run) => {
                let began = self.in_zone(run.started.unwrap_or(run.due));
                (
                    fate.word(),
                    format!("{name} ran after a boot, at {began}: {}", table::outcome(&run.end)),
                )
            }
            None => ("not-due", format!("{name} has not run since it is in its crontab")),
        };
        let text = "@reboot is due once after each boot, when ratd starts, and not when it is started again";
        let mut lines = vec![note("schedule", text.to_owned()), self.loaded_line()];
        lines.extend(last.map(|run| self.reason(run.due, fate)));
        lines.push(note("next", "after the next boot".to_owned()));
        let is_no = last.is_none() || fate.is_no();
        let mark = if is_no { Mark::No } else { mark(fate) };
        let instants = last.map(|run| (run.due, fate)).into_iter().collect();
        Answer { verdict, is_no, mark, headline, lines, instants }
    }
}

/// Who was absent.
pub fn topic(absence: &Absence) -> &'static str {
    match absence.cause {
        Cause::Stopped | Cause::HeldUp => "ratd",
        Cause::Off | Cause::Asleep => "machine",
        Cause::Set => "clock",
    }
}

pub fn mark(fate: Fate<'_>) -> Mark {
    match fate {
        Fate::Ran(_) => Mark::Yes,
        Fate::Runs(_) | Fate::Now => Mark::Goes,
        Fate::Owed | Fate::Coming => Mark::Note,
        _ => Mark::No,
    }
}

fn refused(field: Field, shown: chrono::NaiveDateTime) -> String {
    let (name, value) = match field {
        Field::Minute => ("minute", shown.format("%-M").to_string()),
        Field::Hour => ("hour", shown.format("%-H").to_string()),
        Field::Day => ("day", shown.format("%-d").to_string()),
        Field::Month => ("month", shown.format("%b").to_string()),
        Field::Weekday => ("weekday", shown.format("%a").to_string()),
    };
    format!("its {name} is not {value}")
}

pub fn yes(topic: &'static str, text: String) -> Line {
    Line { mark: Mark::Yes, topic, text }
}

pub fn no(topic: &'static str, text: String) -> Line {
    Line { mark: Mark::No, topic, text }
}

pub fn note(topic: &'static str, text: String) -> Line {
    Line { mark: Mark::Note, topic, text }
}
