//! Why a job of an anacrontab was done in its period, or was not. Pure, as `answer`.

use chrono::NaiveDate;

use crate::client::table;
use crate::client::why::answer::{Answer, Line, Mark, Telling, mark, no, note, topic, yes};
use crate::client::why::fate::{Fate, KEPT_RUNS, absence_at};
use crate::plan::absence::Absence;
use crate::plan::civil::{Timestamp, reading};
use crate::protocol::reply::{Period, Run};

/// What is known of the period that the day asked about lies in.
struct Told<'e, 't> {
    telling: &'t Telling<'e, 't>,
    period: &'e Period,
    /// The last run that is for the period.
    run: Option<&'e Run>,
}

/// The answer for a period job.
pub fn answer<'e>(telling: &Telling<'e, '_>) -> Answer<'e> {
    let Some(period) = &telling.explanation.period else {
        return nothing_known(telling);
    };
    let told = Told { telling, period, run: None };
    let run = telling.explanation.runs.iter().find(|run| told.is_of_the_period(run));
    let told = Told { run, ..told };
    let name = telling.name();
    let days = told.days();
    let (verdict, headline, mark) = match (run.map(Fate::of), told.done_by_another()) {
        (Some(fate @ Fate::Runs(run)), _) => {
            let since = telling.at(run.started.unwrap_or(run.due));
            (fate.word(), format!("{name} runs, since {since}"), mark(fate))
        }
        (Some(fate @ Fate::Ran(run)), _) => {
            let at = telling.at(run.started.unwrap_or(run.due));
            let text = format!("{name} was done {days}, at {at}: {}", table::outcome(&run.end));
            (fate.word(), text, mark(fate))
        }
        (_, Some(done)) => (
            "done-by-another",
            format!("{name} was done {days} by another anacron, on {done}"),
            Mark::Yes,
        ),
        (Some(fate), None) if told.is_over() => {
            (fate.word(), format!("{name} was not done {days}"), Mark::No)
        }
        (Some(_), None) | (None, None) if told.is_now() => {
            ("waiting", format!("{name} is owed {days}, and waits"), Mark::No)
        }
        (_, None) if told.is_to_come() => {
            ("coming", format!("{name} is to be done {days}"), Mark::Note)
        }
        (_, None) if told.absence().is_some() => {
            ("missed", format!("{name} was not done {days}"), Mark::No)
        }
        (_, None) => ("unknown", format!("it is not known that {name} was done {days}"), Mark::No),
    };
    let fate = run.map(|run| (run.due, Fate::of(run)));
    Answer {
        verdict,
        is_no: mark == Mark::No,
        mark,
        headline,
        lines: told.lines(),
        instants: fate.into_iter().collect(),
    }
}

fn nothing_known<'e>(telling: &Telling<'e, '_>) -> Answer<'e> {
    let headline = format!("nothing is known of the periods of {}", telling.name());
    let lines = vec![telling.loaded_line(), telling.next_line()];
    Answer {
        verdict: "unknown",
        is_no: true,
        mark: Mark::No,
        headline,
        lines,
        instants: Vec::new(),
    }
}

impl<'e> Told<'e, '_> {
    fn date(&self, at: Timestamp) -> NaiveDate {
        reading(self.telling.asked.zone, at).date()
    }

    fn is_of_the_period(&self, run: &Run) -> bool {
        let date = self.date(run.started.unwrap_or(run.due));
        (self.period.begins..=self.period.day).contains(&date)
    }

    /// The period in words: `on Thu 2026-11-26`, `between … and …`.
    fn days(&self) -> String {
        let Period { begins, day, .. } = self.period;
        match begins == day {
            true => format!("on {}", day.format("%a %Y-%m-%d")),
            false => {
                format!("from {} to {}", begins.format("%a %Y-%m-%d"), day.format("%a %Y-%m-%d"))
            }
        }
    }

    /// The day on which an anacron that is not ratd did it, if its stamp says so.
    fn done_by_another(&self) -> Option<NaiveDate> {
        let done = self.period.done?;
        let is_in = (self.period.begins..=self.period.day).contains(&done);
        let was_ours = self.telling.explanation.runs.iter().any(|run| {
            matches!(Fate::of(run), Fate::Ran(_))
                && run.started.is_some_and(|at| self.date(at) == done)
        });
        (is_in && !was_ours).then_some(done)
    }

    fn is_over(&self) -> bool {
        self.period.day < self.period.today
    }

    fn is_now(&self) -> bool {
        self.period.day == self.period.today
    }

    fn is_to_come(&self) -> bool {
        self.period.day > self.period.today
    }

    /// When nothing was handled at the end of the day asked about.
    fn absence(&self) -> Option<&'e Absence> {
        let last = self.telling.explanation.until - chrono::TimeDelta::seconds(1);
        absence_at(self.telling.explanation, last.min(self.telling.now()))
    }

    fn lines(&self) -> Vec<Line> {
        let telling = self.telling;
        let mut lines = vec![self.period_line(), telling.loaded_line(), self.stamp_line()];
        if let Some(run) = self.run {
            let fate = Fate::of(run);
            lines.push(Line { mark: mark(fate), topic: "run", text: telling.of_a_run(run) });
        } else if let Some(absence) = self.absence() {
            lines.push(no(topic(absence), telling.of_an_absence(absence)));
        } else if self.is_over() && telling.explanation.runs.len() >= KEPT_RUNS {
            lines.push(note("history", format!("the last {KEPT_RUNS} runs are kept")));
        }
        lines.extend(self.waits());
        lines.extend(self.done_later());
        lines.push(telling.next_line());
        if self.is_now() && !self.is_done_today() {
            let text = format!("rat run {} runs it now", telling.name());
            lines.push(note("to change", text));
        }
        lines
    }

    /// How often it is to be done, and where that is written.
    fn period_line(&self) -> Line {
        let written = &self.telling.explanation.job.schedule;
        let often = match written.trim_start_matches('@') {
            "1" | "daily" => "once a day".to_owned(),
            "weekly" => "once in each week of the calendar, from Monday on".to_owned(),
            "monthly" => "once in each month of the calendar".to_owned(),
            "yearly" | "annually" | "annualy" => "once in each year of the calendar".to_owned(),
            "0" => "once a day by ratd, and at every call of anacron".to_owned(),
            days => format!("{days} days after the last time"),
        };
        note("period", format!("{written}: {often}"))
    }

    /// What its stamp says, and who wrote that.
    fn stamp_line(&self) -> Line {
        let Period { done, stamp, today, .. } = self.period;
        let text = match done {
            None => format!("{stamp} says nothing: it was never done"),
            Some(done) if done > today => {
                format!("{stamp} says {done}, which is still to come, and counts for nothing")
            }
            Some(done) => format!("{stamp}: last done on {done}"),
        };
        note("stamp", text)
    }

    fn is_done_today(&self) -> bool {
        matches!(self.run.map(Fate::of), Some(Fate::Ran(_) | Fate::Runs(_)))
            || self.done_by_another().is_some()
    }

    /// What it waits for, if it is owed now.
    fn waits(&self) -> Vec<Line> {
        let Period { first_hour, end_hour, delay, .. } = self.period;
        if !self.is_now() || self.is_done_today() {
            return Vec::new();
        }
        let mut lines = Vec::new();
        if let Some((first, end)) = first_hour.zip(*end_hour) {
            let hour =
                chrono::Timelike::hour(&reading(self.telling.asked.zone, self.telling.now()));
            let (first, end) = (u32::from(first), u32::from(end));
            let is_open = if first < end {
                (first..end).contains(&hour)
            } else {
                hour >= first || hour < end
            };
            let text = format!("START_HOURS_RANGE: it may start from {first}:00 up to {end}:00");
            lines.push(if is_open { yes("hours", text) } else { no("hours", text) });
        }
        if *delay > 0 {
            let text = format!(
                "it waits {delay} minutes from when it may start, RANDOM_DELAY's share included"
            );
            lines.push(note("delay", text));
        }
        lines
    }

    /// The first run after the period, which made up for it.
    fn done_later(&self) -> Option<Line> {
        let is_later = |run: &&&Run| {
            self.date(run.started.unwrap_or(run.due)) > self.period.day
                && matches!(Fate::of(run), Fate::Ran(_))
        };
        let later = self.telling.explanation.runs.iter().rev().find(|run| is_later(&run))?;
        (self.is_over() && self.run.is_none()).then(|| note("later", self.telling.of_a_run(later)))
    }
}
