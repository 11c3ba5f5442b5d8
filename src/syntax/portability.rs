//! What other crons read differently: the same text is read in each dialect, and the readings are compared line
//! by line. Knows no rule of any cron; `dialect` has those.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::schedule::{Calendar, Schedule};
use crate::syntax::crontab::{self, Assigned, Crontab, Entry, Form};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::dialect::{Dialect, Fields, Loss, RAT, Vixie};
use crate::syntax::explain;
use crate::syntax::lines::lines;
use crate::syntax::seed::Seed;

/// Warnings about what these crons read differently from rat, in the order of the file. What is told of the
/// file as a whole (its line ends and marks) is told elsewhere.
pub fn lints(text: &[u8], form: Form, seed: &Seed, others: &[&'static Dialect]) -> Vec<Diagnostic> {
    // A file for `ratd FILE` is for rat alone.
    if form == Form::Single {
        return Vec::new();
    }
    let mut mended = Vec::with_capacity(text.len() + 1);
    lines(text).for_each(|line| {
        mended.extend_from_slice(line);
        mended.push(b'\n');
    });
    let ours = crontab::parse(&mended, form, seed, &RAT);
    let mut differences: BTreeMap<(u32, Difference), Vec<&'static Dialect>> = BTreeMap::new();
    for other in others {
        let theirs = crontab::read(&mended, form, seed, other);
        for (line, difference) in compare(&ours, &theirs, other) {
            differences.entry((line, difference)).or_default().push(other);
        }
    }
    let lines: Vec<&[u8]> = lines(text).collect();
    let shown = |((line, difference), crons): ((u32, Difference), Vec<&'static Dialect>)| {
        let text = lines.get(line as usize - 1).copied().unwrap_or_default();
        difference.told(line, text, &crons)
    };
    differences.into_iter().map(shown).collect()
}

/// What another cron makes of a line that rat takes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    Rejects,
    NeverRuns,
    OtherTimes(String),
    OtherCommand(String),
    OtherValue(String),
}

/// Warnings of rat's own that say already what others do with a line.
const SAID: [&str; 4] = ["W051", "W052", "W055", "W056"];

fn compare(ours: &Crontab, theirs: &Crontab, other: &'static Dialect) -> Vec<(u32, Difference)> {
    let said = ours.diagnostics.iter().filter(|said| SAID.contains(&said.code));
    let said: BTreeSet<u32> = said.map(|said| said.line).collect();
    let is_said = |line: u32| said.contains(&line);
    let mut found = Vec::new();
    let mut by_line: BTreeMap<u32, &Entry> = BTreeMap::new();
    for entry in &theirs.entries {
        by_line.entry(entry.line).or_insert(entry);
    }
    for entry in ours.entries.iter().filter(|entry| !is_said(entry.line)) {
        let difference = match by_line.get(&entry.line) {
            None => Some(Difference::Rejects),
            Some(theirs) => difference(entry, theirs, other),
        };
        found.extend(difference.map(|difference| (entry.line, difference)));
    }
    let mut values: BTreeMap<u32, &Assigned> = BTreeMap::new();
    for assigned in &theirs.assignments {
        values.entry(assigned.line).or_insert(assigned);
    }
    for assigned in ours.assignments.iter().filter(|assigned| !is_said(assigned.line)) {
        let difference = match values.get(&assigned.line) {
            None => Difference::Rejects,
            Some(theirs) if theirs.value == assigned.value => continue,
            Some(theirs) => Difference::OtherValue(theirs.value.shown().into_owned()),
        };
        found.push((assigned.line, difference));
    }
    found
}

fn difference(ours: &Entry, theirs: &Entry, other: &Dialect) -> Option<Difference> {
    if let (Schedule::Calendar(ours_at), Schedule::Calendar(theirs_at)) =
        (&ours.schedule, &theirs.schedule)
    {
        let draws = matches!(other.fields, Fields::Vixie(Vixie { draws: true, .. }));
        let is_drawn = draws && ours.written.contains('~');
        if !is_drawn && meaning(ours_at) != meaning(theirs_at) {
            return Some(if theirs_at.is_never_due() {
                Difference::NeverRuns
            } else {
                Difference::OtherTimes(explain::calendar(theirs_at))
            });
        }
    }
    // The shell drops blanks at both ends.
    let command = |entry: &Entry| entry.command.0.trim_ascii().to_vec();
    if command(ours) != command(theirs) || ours.input != theirs.input {
        return Some(Difference::OtherCommand(theirs.command.shown().into_owned()));
    }
    None
}

/// When a calendar is due, whatever it was written like; `None` is never.
fn meaning(calendar: &Calendar) -> Option<(u64, u32, u16, u32, u64, bool)> {
    if calendar.is_never_due() {
        return None;
    }
    let (mut days, mut weekdays) = (calendar.days, calendar.weekdays);
    let all_days = days | 1 == u32::MAX;
    let all_weekdays = weekdays == 0x7f;
    let mut either = calendar.days_are_alternatives();
    if either && (all_days || all_weekdays) {
        (days, weekdays) = (!1, 0x7f);
    }
    either &= !(all_days || all_weekdays);
    Some((calendar.minutes, calendar.hours, calendar.months, days, weekdays, either))
}

impl Difference {
    fn told(self, line: u32, text: &[u8], crons: &[&'static Dialect]) -> Diagnostic {
        let start = text.len() - text.trim_ascii_start().len();
        let columns = start..text.trim_ascii_end().len().max(start);
        let names: Vec<&str> = crons.iter().map(|dialect| dialect.cron).collect();
        let who = match names.as_slice() {
            [first, second, third] => format!("{first}, {second} and {third}"),
            names => names.join(" and "),
        };
        let verb =
            |one: &str, many: &str| format!("{who} {}", if names.len() == 1 { one } else { many });
        let warning = |code, message| Diagnostic::warning(code, line, columns.clone(), message);
        match self {
            Difference::Rejects => {
                let said =
                    warning("W023", verb("does not read this line", "do not read this line"));
                match crons.iter().find(|dialect| dialect.error == Loss::File) {
                    Some(dialect) => {
                        said.label(format!("{} then uses no line of the file", dialect.cron))
                    }
                    None => said,
                }
            }
            Difference::NeverRuns => {
                warning("W024", verb("never runs this line", "never run this line"))
            }
            Difference::OtherTimes(words) => {
                warning("W024", verb("runs this at other times", "run this at other times"))
                    .label(words)
            }
            Difference::OtherCommand(command) => {
                warning("W024", verb("runs another command", "run another command"))
                    .label(format!("`{}`", command.escape_debug()))
            }
            Difference::OtherValue(value) => {
                warning("W024", verb("assigns another value", "assign another value"))
                    .label(format!("`{}`", value.escape_debug()))
            }
        }
    }
}
