//! What is suspicious about a crontab as a whole: found in what was read, for people who check it. Knows no file and
//! no machine; a zone and the time are handed in.

use std::collections::HashSet;

use chrono::{NaiveDateTime, TimeDelta, Timelike};

use crate::plan::civil::{Fixed, Offsets, Timestamp, reading};
use crate::plan::schedule::{ALL_WEEKDAYS, Calendar, Schedule};
use crate::syntax::crontab::{Crontab, Entry};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::directive::Level;

/// What needs nothing but the text. `lines` are the lines of the text.
pub fn lints(crontab: &Crontab, lines: &[&[u8]]) -> Vec<Diagnostic> {
    let mut said: Vec<Diagnostic> = Vec::new();
    for entry in &crontab.entries {
        let line = line_of(lines, entry.line);
        said.extend(reboot(entry, line));
        said.extend(discarded(entry, line));
        said.extend(csh(entry));
    }
    said.extend(too_late(crontab, lines));
    said
}

/// A line by its number.
pub fn line_of<'t>(lines: &[&'t [u8]], number: u32) -> &'t [u8] {
    lines.get((number as usize).saturating_sub(1)).copied().unwrap_or_default()
}

/// Where the schedule of an entry stands in its line.
pub fn schedule_columns(entry: &Entry, line: &[u8]) -> std::ops::Range<usize> {
    let written = entry.written.as_bytes();
    let start = line.windows(written.len().max(1)).position(|part| part == written).unwrap_or(0);
    start..(start + written.len()).min(line.len())
}

fn reboot(entry: &Entry, line: &[u8]) -> Option<Diagnostic> {
    if !matches!(entry.schedule, Schedule::Reboot) {
        return None;
    }
    let message = "`@reboot` runs once after each boot".to_owned();
    Some(
        Diagnostic::note("W046", entry.line, schedule_columns(entry, line), message)
            .label("not when ratd is started again, nor when this line is new"),
    )
}

/// `> /dev/null 2>&1` at the end takes everything that a command says.
fn discarded(entry: &Entry, line: &[u8]) -> Option<Diagnostic> {
    const NULL: &[u8] = b"/dev/null";
    let command = entry.command.0.trim_ascii_end();
    let command = command.strip_suffix(b"&").map_or(command, <[u8]>::trim_ascii_end);
    let (rest, both) = match command.strip_suffix(b"2>&1") {
        Some(rest) => (rest.trim_ascii_end().strip_suffix(NULL)?, false),
        None => (command.strip_suffix(NULL)?, true),
    };
    let rest = rest.trim_ascii_end();
    let all = rest.ends_with(b"&>") || rest.ends_with(b">&");
    if !all && (both || !rest.ends_with(b">")) || rest.ends_with(b"2>") {
        return None;
    }
    let null = line.windows(NULL.len()).rposition(|part| part == NULL)?;
    let is_sign = |byte: &&u8| b">&1 ".contains(byte);
    let start = null - line[..null].iter().rev().take_while(is_sign).count();
    let start = start + line[start..].iter().take_while(|byte| **byte == b' ').count();
    let end = line.trim_ascii_end().len();
    let message = "nobody sees why this fails".to_owned();
    Some(
        Diagnostic::note("W047", entry.line, start..end, message)
            .label("all output is thrown away, of runs that fail too")
            .help("leave this out, and put `-n` before the command: mail comes only if it fails"),
    )
}

/// The C shells know no assignment before a command.
fn csh(entry: &Entry) -> Option<Diagnostic> {
    let inline = entry.options.all().find(|chosen| chosen.level == Level::Inline)?;
    let (_, shell) = entry.environment.iter().find(|(name, _)| name.0 == b"SHELL")?;
    if !shell.0.ends_with(b"csh") {
        return None;
    }
    let message = format!("{} knows no `RAT_…=` before a command", shell.shown().escape_debug());
    Some(
        Diagnostic::warning("W022", entry.line, inline.columns.clone(), message)
            .help("write the options as `#rat: name=value` above the entry"),
    )
}

/// Assignments that stand below all entries.
fn too_late(crontab: &Crontab, lines: &[&[u8]]) -> impl Iterator<Item = Diagnostic> {
    let last = crontab.entries.last().map_or(u32::MAX, |entry| entry.line);
    let late = crontab.assignments.iter().filter(move |assigned| assigned.line > last);
    late.map(|assigned| {
        let message = "no entry follows that this could be for".to_owned();
        let columns = 0..line_of(lines, assigned.line).len();
        Diagnostic::warning("W015", assigned.line, columns, message)
            .label("an assignment holds for the entries below it")
            .help("move it above them")
    })
}

/// How many entries begin in each minute of a week.
#[derive(Debug)]
pub struct Crowd(Vec<u32>);

/// The fullest minute of a crowd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    weekday: usize,
    minute: usize,
    count: u32,
    free: Option<usize>,
}

/// So many that begin together are told.
const MANY: u32 = 3;

/// An entry that begins more often a day is none of a crowd.
const OFTEN: u32 = 48;

const DAY: usize = 24 * 60;

impl Default for Crowd {
    fn default() -> Crowd {
        Crowd(vec![0; 7 * DAY])
    }
}

impl Crowd {
    /// Counts an entry that names its times, and has the machine's own zone.
    pub fn count(&mut self, entry: &Entry) {
        let Some(calendar) = weekly(entry) else { return };
        let hours = (0..24).filter(|hour| calendar.hours >> hour & 1 == 1);
        for hour in hours {
            let mut minutes = calendar.minutes;
            while minutes != 0 {
                let minute = hour * 60 + minutes.trailing_zeros() as usize;
                minutes &= minutes - 1;
                for weekday in (0..7).filter(|day| calendar.weekdays >> day & 1 == 1) {
                    self.0[weekday * DAY + minute] += 1;
                }
            }
        }
    }

    /// The first of the minutes in which most begin, if it is many.
    pub fn busiest(&self) -> Option<Busy> {
        let count = *self.0.iter().max()?;
        let at = self.0.iter().position(|other| *other == count)?;
        let (weekday, minute) = (at / DAY, at % DAY);
        (count >= MANY).then(|| Busy { weekday, minute, count, free: self.free(minute) })
    }

    /// The minute of this hour, or of a later one, that is furthest from all that are taken.
    fn free(&self, minute: usize) -> Option<usize> {
        let is_taken = |minute: usize| (0..7).any(|day| self.0[day * DAY + minute % DAY] > 0);
        let taken: Vec<bool> = (0..DAY).map(is_taken).collect();
        let distance = |at: usize| {
            (0..30)
                .find(|off| taken[(at + off) % DAY] || taken[(at + DAY - off) % DAY])
                .unwrap_or(30)
        };
        (0..24).map(|later| (minute / 60 + later) % 24).find_map(|hour| {
            let minutes = (hour * 60..hour * 60 + 60).filter(|at| !taken[*at]);
            minutes.max_by_key(|at| (distance(*at), std::cmp::Reverse(*at)))
        })
    }
}

impl Busy {
    /// Whether an entry is one of those that begin then.
    pub fn has(&self, entry: &Entry) -> bool {
        weekly(entry).is_some_and(|calendar| {
            calendar.weekdays >> self.weekday & 1 == 1
                && calendar.hours >> (self.minute / 60) & 1 == 1
                && calendar.minutes >> (self.minute % 60) & 1 == 1
        })
    }

    /// What to say of one of them, and of the files that the others are in.
    pub fn told(&self, entry: &Entry, line: &[u8], files: &[String]) -> Diagnostic {
        let time = |minute: usize| format!("{:02}:{:02}", minute / 60, minute % 60);
        let message = format!("{} jobs begin at {}", self.count, time(self.minute));
        let note = Diagnostic::note("W036", entry.line, schedule_columns(entry, line), message);
        let note = match files {
            [] | [_] => note.label("this is one of them"),
            files => note.label(format!("they are in {}", files.join(", "))),
        };
        match self.free {
            Some(free) => note.help(format!(
                "{} is free: `{} {} …`; or write `~` for a minute of its own",
                time(free),
                free % 60,
                free / 60
            )),
            None => note,
        }
    }
}

/// The times of an entry that begins at named minutes, in every week of the year.
fn weekly(entry: &Entry) -> Option<&Calendar> {
    let Schedule::Calendar(calendar) = &entry.schedule else { return None };
    let every_week = calendar.months & 0x1ffe == 0x1ffe
        && calendar.days | 1 == u32::MAX
        && calendar.weekdays <= ALL_WEEKDAYS;
    // What begins all the time begins together with everything.
    let few = calendar.minutes.count_ones() * calendar.hours.count_ones() <= OFTEN;
    let named = !calendar.is_wildcard() && entry.zone.is_none() && entry.random_delay == 0;
    (every_week && named && few).then_some(calendar)
}

/// Entries that are due while the clock of their zone changes within a year; each schedule once.
pub fn clock_changes<'e, Z: Offsets + 'e>(
    entries: impl Iterator<Item = (&'e Entry, &'e Z)>,
    lines: &[&[u8]],
    now: Timestamp,
) -> Vec<Diagnostic> {
    let mut seen = HashSet::new();
    let mut said = Vec::new();
    for (entry, zone) in entries {
        let Schedule::Calendar(calendar) = &entry.schedule else { continue };
        let every_hour = calendar.hours & 0xff_ffff == 0xff_ffff;
        if every_hour || calendar.is_never_due() || !seen.insert((&entry.written, &entry.zone)) {
            continue;
        }
        let changes = changes(zone, now);
        let all: Vec<String> = changes.iter().filter_map(|change| change.meets(calendar)).collect();
        if all.is_empty() {
            continue;
        }
        let columns = schedule_columns(entry, line_of(lines, entry.line));
        let message = "the clock changes while this is due".to_owned();
        let diagnostic = if calendar.is_wildcard() {
            Diagnostic::warning("W033", entry.line, columns, message)
                .help("it goes by the clock, because a field begins with `*`")
        } else {
            Diagnostic::note("W033", entry.line, columns, message)
        };
        said.push(diagnostic.label(all.join("; ")));
    }
    said
}

/// A change of the civil clock.
struct Change {
    at: i64,
    before: i64,
    after: i64,
}

/// The changes of a year.
fn changes(zone: &dyn Offsets, now: Timestamp) -> Vec<Change> {
    let end = (now + TimeDelta::days(366)).timestamp();
    let mut changes = Vec::new();
    let mut span = zone.span_at(now.timestamp());
    while span.ends < end {
        let next = zone.span_at(span.ends);
        changes.push(Change { at: span.ends, before: span.offset, after: next.offset });
        span = next;
    }
    changes
}

impl Change {
    /// What happens to a calendar that is due in what the clock skips or repeats.
    fn meets(&self, calendar: &Calendar) -> Option<String> {
        let old = Fixed { offset: self.before };
        let moved = self.after - self.before;
        // What the old clock would have shown from here on is skipped; what it showed up to here is repeated.
        let from = if moved > 0 { self.at } else { self.at + moved };
        let first = calendar.next_after(Timestamp::from_timestamp(from - 1, 0)?, &old)?.at;
        if first.timestamp() >= from + moved.abs() {
            return None;
        }
        let due = reading(&old, first);
        let new = Timestamp::from_timestamp(self.at, 0)?;
        let new = reading(&Fixed { offset: self.after }, new);
        let day = due.format("%a %-d %b %Y");
        let what = match (moved > 0, calendar.is_wildcard()) {
            (true, true) => "does not exist and is skipped".to_owned(),
            (true, false) => format!("does not exist, and it runs at {}", clock(new)),
            (false, true) => "comes twice, and it runs twice".to_owned(),
            (false, false) => "comes twice, and it runs the first time".to_owned(),
        };
        Some(format!("on {day} {} {what}", clock(due)))
    }
}

fn clock(at: NaiveDateTime) -> String {
    format!("{:02}:{:02}", at.hour(), at.minute())
}
