//! An anacrontab: assignments, and jobs by period. Knows every form a line takes; not what was done when.

use crate::plan::catch_up::Period;
use crate::plan::job::Assignments;
use crate::plan::text::Text;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::directive::{Directives, Options};
use crate::syntax::environment::Environment;
use crate::syntax::expression::{Word, is_blank, words};
use crate::syntax::field::{Place, nearest};
use crate::syntax::lines::lines;

/// One parsed anacrontab.
#[derive(Clone, Debug, Default)]
pub struct Anacrontab {
    /// The lines that can be used, in the order of the file.
    pub jobs: Vec<Line>,
    /// What is wrong, or perhaps not as meant, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

/// One line that says how often to run what.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its line, from 1; of a continued line the first.
    pub line: u32,
    /// The job's identifier, which its timestamp is kept under.
    pub ident: String,
    /// How often.
    pub period: Period,
    /// Minutes to wait after it became due.
    pub delay: u32,
    /// The `START_HOURS_RANGE` in force: from the first hour up to, not including, the second; the first may
    /// be the larger one, over midnight.
    pub hours: Option<(u8, u8)>,
    /// The `RANDOM_DELAY` in force, in minutes.
    pub random_delay: u32,
    /// The `PREFERRED_HOUR` in force.
    pub preferred_hour: Option<u8>,
    /// What /bin/sh is given: `%` and `#` mean nothing here.
    pub command: Text,
    /// The assignments above it.
    pub environment: Assignments,
    /// The period as it was written.
    pub written: String,
    /// What else is said of it.
    pub options: Options,
}

impl Line {
    /// The hours in which the job may start: the preferred one, where that is among the others.
    pub fn window(&self) -> Option<(u8, u8)> {
        match self.preferred_hour {
            Some(hour) if self.hours.is_none_or(|hours| is_within(hours, hour)) => {
                Some((hour, hour + 1))
            }
            Some(_) | None => self.hours,
        }
    }
}

/// Named periods.
const PERIODS: &[(&str, Period)] = &[
    ("@daily", Period::Days(1)),
    ("@weekly", Period::Week),
    ("@monthly", Period::Month),
    ("@yearly", Period::Year),
    ("@annually", Period::Year),
];

/// Names that mean something, and only to the jobs below them.
const SETTINGS: &[&str] = &["START_HOURS_RANGE", "RANDOM_DELAY", "PREFERRED_HOUR"];

/// Numbers in an anacrontab go up to this (a C int).
const LARGEST_NUMBER: u32 = i32::MAX as u32;

/// Reads an anacrontab. A wrong line is left out and said; all others stand.
pub fn parse(text: &[u8]) -> Anacrontab {
    let mut reading = Reading::default();
    let mut whole: Vec<u8> = Vec::new();
    let mut first = 1;
    for (line, text) in (1..).zip(lines(text)) {
        if whole.is_empty() {
            first = line;
        }
        whole.extend_from_slice(text);
        if text.ends_with(b"\\") {
            whole.pop();
            continue;
        }
        reading.line(&whole, first);
        whole.clear();
    }
    if !whole.is_empty() {
        reading.line(&whole, first);
    }
    reading.finish()
}

/// A file as far as it was read.
#[derive(Default)]
struct Reading {
    anacrontab: Anacrontab,
    hours: Option<(u8, u8)>,
    random_delay: u32,
    preferred_hour: Option<u8>,
    environment: Environment,
    /// Settings that no job stands below so far.
    idle: Vec<Diagnostic>,
    directives: Directives,
}

impl Reading {
    fn finish(self) -> Anacrontab {
        let Reading { mut anacrontab, idle, mut directives, .. } = self;
        directives.end(anacrontab.jobs.len(), &mut anacrontab.diagnostics);
        if !anacrontab.jobs.is_empty() {
            anacrontab.diagnostics.extend(idle);
        }
        anacrontab.diagnostics.sort_by_key(|said| said.line);
        anacrontab
    }

    fn say(&mut self, diagnostic: Diagnostic) {
        self.anacrontab.diagnostics.push(diagnostic);
    }

    fn line(&mut self, text: &[u8], line: u32) {
        let start = text.iter().take_while(|byte| is_blank(**byte)).count();
        let said = &mut self.anacrontab.diagnostics;
        match text.get(start) {
            None => return self.directives.orphan("an empty line", said),
            Some(b'#') => return self.directives.comment(text, line, start, said),
            Some(_) => {}
        }
        if let Some(at) = text.iter().position(|byte| *byte == 0) {
            let message = "a line cannot hold a NUL byte".to_owned();
            self.say(Diagnostic::error("E014", line, at..at + 1, message));
            return;
        }
        if let Some((name, value)) = assignment(text, start) {
            self.assign(name, value, line);
            return;
        }
        match self.job(text, line) {
            Ok(mut job) => {
                self.idle.clear();
                let command = text.len() - job.command.0.len()..text.len();
                let (jobs, said) = (self.anacrontab.jobs.len(), &mut self.anacrontab.diagnostics);
                if let Some(options) = self.directives.entry(text, line, command, jobs, said) {
                    job.options = options;
                    self.anacrontab.jobs.push(job);
                }
            }
            Err(error) => {
                self.directives.forget();
                self.say(error);
            }
        }
    }

    fn assign(&mut self, name: Word<'_>, value: Word<'_>, line: u32) {
        match self.set(name, value) {
            Ok(warning) => {
                self.anacrontab.diagnostics.extend(warning.map(|said| Diagnostic { line, ..said }));
            }
            Err(expected) => {
                let message = format!("{} is {expected}", name.shown());
                self.say(
                    Diagnostic::warning("E010", line, value.columns(), message)
                        .label("this changes nothing"),
                );
            }
        }
        if SETTINGS.iter().any(|setting| setting.as_bytes() == name.text) {
            let message = format!("{} stands below all jobs and changes none", name.shown());
            self.idle.push(
                Diagnostic::warning("W061", line, name.columns(), message)
                    .help("write it above the jobs it is for"),
            );
        }
        let (jobs, said) = (self.anacrontab.jobs.len(), &mut self.anacrontab.diagnostics);
        self.directives.orphan("an assignment", said);
        self.directives.assignment((name.text, value.text), line, value.columns(), jobs, said);
        let (name, value) = (Text(name.text.to_vec()), Text(value.text.to_vec()));
        self.environment.assign(name, value);
    }

    /// Takes a setting, if it is one; what is odd about its value, or what it should have been.
    fn set(&mut self, name: Word<'_>, value: Word<'_>) -> Result<Option<Diagnostic>, &'static str> {
        match name.text {
            b"START_HOURS_RANGE" => {
                let (from, until) = hours(value.text).ok_or("hours, as in 3-22")?;
                self.hours = (from != until && (from, until) != (0, 24)).then_some((from, until));
                if from == until {
                    let message = format!("{from}-{until} is taken for the whole day");
                    let warning = Diagnostic::warning("W062", 0, value.columns(), message);
                    return Ok(Some(warning.help("for cronie no hour is in it, and no job runs")));
                }
                Ok(self.preference_outside(value))
            }
            b"RANDOM_DELAY" => {
                self.random_delay = number(value.text).ok_or("a number of minutes")?;
                Ok(None)
            }
            b"PREFERRED_HOUR" => {
                let hour = number(value.text).filter(|hour| *hour < 24);
                self.preferred_hour = Some(hour.ok_or("an hour from 0 to 23")? as u8);
                Ok(self.preference_outside(value))
            }
            _ => Ok(None),
        }
    }

    /// What is to be said where no hour is both allowed and preferred.
    fn preference_outside(&self, value: Word<'_>) -> Option<Diagnostic> {
        let (hours, hour) = (self.hours?, self.preferred_hour?);
        let message = format!("the preferred hour {hour} is not one of {}-{}", hours.0, hours.1);
        let warning = Diagnostic::warning("W063", 0, value.columns(), message);
        let help = "the range counts; for cronie no hour is both, and no job runs";
        (!is_within(hours, hour)).then(|| warning.help(help))
    }

    fn job(&mut self, text: &[u8], line: u32) -> Result<Line, Diagnostic> {
        let mut found = words(text, line, 0);
        let parts = [(); 4].map(|()| found.next());
        let [Some(period), Some(delay), Some(ident), Some(command)] = parts else {
            let message = "a job has a period, a delay, an identifier and a command".to_owned();
            return Err(Diagnostic::error("E001", line, 0..text.len(), message)
                .help("write `1 5 cron.daily run-parts /etc/cron.daily`"));
        };
        let written = String::from_utf8_lossy(period.text).into_owned();
        let columns = period.columns();
        let period = read_period(period)?;
        let minutes = read_number(delay, "delay")?;
        self.check_ident(ident)?;
        if period == Period::Days(0) {
            let message = "a period of 0 days is due whenever anacron is called".to_owned();
            self.say(
                Diagnostic::warning("W064", line, columns, message)
                    .help("ratd does it once a day, as `1` says"),
            );
        }
        let Some(environment) = self.environment.share() else {
            let message = "the file's assignments and jobs alternate too often".to_owned();
            return Err(Diagnostic::error("E016", line, 0..text.len(), message));
        };
        Ok(Line {
            line,
            ident: String::from_utf8_lossy(ident.text).into_owned(),
            period,
            delay: minutes,
            hours: self.hours,
            random_delay: self.random_delay,
            preferred_hour: self.preferred_hour,
            command: Text(text[command.place.column..].to_vec()),
            environment,
            written,
            options: Options::default(),
        })
    }

    /// An identifier names a file, and that of one job only.
    fn check_ident(&self, ident: Word<'_>) -> Result<(), Diagnostic> {
        let line = ident.place.line;
        if ident.text.contains(&b'/') || [&b"."[..], b".."].contains(&ident.text) {
            let message = "an identifier is a file's name and has no `/`".to_owned();
            return Err(Diagnostic::error("E002", line, ident.columns(), message));
        }
        let Ok(name) = str::from_utf8(ident.text) else {
            let message = "an identifier is UTF-8".to_owned();
            return Err(Diagnostic::error("E002", line, ident.columns(), message));
        };
        match self.anacrontab.jobs.iter().find(|job| job.ident == name) {
            Some(first) => {
                let message =
                    format!("the job of line {} is called {} already", first.line, ident.shown());
                let help = "give it another identifier: both would go by one stamp";
                Err(Diagnostic::error("E027", line, ident.columns(), message).help(help))
            }
            None => Ok(()),
        }
    }
}

/// Whether an hour is one of those from the first up to, not including, the second, be it over midnight.
fn is_within((from, until): (u8, u8), hour: u8) -> bool {
    if from < until { (from..until).contains(&hour) } else { hour >= from || hour < until }
}

/// `NAME=value`: blanks may stand before the `=`; the value is all that follows, blanks and quotes included.
fn assignment(text: &[u8], start: usize) -> Option<(Word<'_>, Word<'_>)> {
    let in_name = |byte: &&u8| **byte != b'=' && !is_blank(**byte);
    let end = start + text[start..].iter().take_while(in_name).count();
    let equals = end + text[end..].iter().take_while(|byte| is_blank(**byte)).count();
    if end == start || text.get(equals) != Some(&b'=') {
        return None;
    }
    let word = |from: usize, to: usize| Word {
        text: &text[from..to],
        place: Place { line: 0, column: from },
    };
    Some((word(start, end), word(equals + 1, text.len())))
}

fn number(text: &[u8]) -> Option<u32> {
    let text = text.trim_ascii();
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let number = str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()?;
    Some(number).filter(|number| *number <= LARGEST_NUMBER)
}

/// `3-22`.
fn hours(text: &[u8]) -> Option<(u8, u8)> {
    let dash = text.iter().position(|byte| *byte == b'-')?;
    let (from, to) = (number(&text[..dash])?, number(&text[dash + 1..])?);
    (from <= 24 && to <= 24).then_some((from as u8, to as u8))
}

fn read_number(word: Word<'_>, what: &str) -> Result<u32, Diagnostic> {
    if let Some(number) = number(word.text) {
        return Ok(number);
    }
    let digits = word.text.iter().all(u8::is_ascii_digit);
    let code = if digits { "E003" } else { "E002" };
    let message = format!("{what} `{}` is not a number from 0 to {LARGEST_NUMBER}", word.shown());
    Err(Diagnostic::error(code, word.place.line, word.columns(), message))
}

fn read_period(word: Word<'_>) -> Result<Period, Diagnostic> {
    if !word.text.starts_with(b"@") {
        return read_number(word, "period").map(Period::Days);
    }
    // cronie takes this misspelling.
    let asked = if word.text == b"@annualy" { b"@annually" } else { word.text };
    let period = PERIODS.iter().find(|(name, _)| name.as_bytes() == asked);
    period.map(|(_, period)| *period).ok_or_else(|| {
        let names = PERIODS.iter().map(|(name, _)| *name);
        let message = format!("unknown period \"{}\"", word.shown());
        let error = Diagnostic::error("E005", word.place.line, word.columns(), message);
        match nearest(&word.shown(), names.clone()) {
            Some(name) => error.label(format!("did you mean `{name}`?")),
            None => {
                error.help(format!("periods are days, or {}", names.collect::<Vec<_>>().join(", ")))
            }
        }
    })
}
