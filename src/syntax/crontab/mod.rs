//! A crontab: assignments and entries, line by line. Knows what is in one, and how its lines are read one after the
//! other; not who may own the file, nor whether a user or a zone exists.

mod assignment;
mod command;
mod entry;
mod fields;
mod limits;
mod lints;
mod variables;

use std::ops::Range;
use std::sync::Arc;

use crate::plan::job::Assignments;
use crate::plan::schedule::Schedule;
use crate::plan::text::Text;
use crate::syntax::crontab::assignment::Shape;
use crate::syntax::crontab::command::unescaped_percent;
use crate::syntax::crontab::entry::Line;
use crate::syntax::crontab::limits::Counted;
use crate::syntax::diagnostic::{Diagnostic, Severity};
use crate::syntax::dialect::{Dialect, Loss, Nul, ZoneRule};
use crate::syntax::directive::{Directives, Options};
use crate::syntax::environment::Environment;
use crate::syntax::expression::is_blank;
use crate::syntax::lines::{self, BYTE_ORDER_MARK, lines};
use crate::syntax::seed::Seed;

/// One parsed crontab.
#[derive(Clone, Debug, Default)]
pub struct Crontab {
    /// The entries that can be used, in the order of the file.
    pub entries: Vec<Entry>,
    /// What is wrong, or perhaps not as meant, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// The assignments, in the order of the file.
    pub assignments: Vec<Assigned>,
    /// Every zone that `CRON_TZ` names, so that one that does not exist can be pointed at.
    pub zones: Vec<ZoneName>,
    /// Something is wrong that costs all entries, in a dialect where that is so.
    pub is_lost: bool,
}

/// One line that says when to run what.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its line, from 1.
    pub line: u32,
    /// The user column of a system crontab. Whether there is such a user is found out when it runs.
    pub user: Option<String>,
    /// When it is due.
    pub schedule: Schedule,
    /// Its `tz`, or the `CRON_TZ` in force; `None` is the machine's own zone.
    pub zone: Option<String>,
    /// The schedule as it was written.
    pub written: String,
    /// What the shell is given.
    pub command: Text,
    /// Standard input: what stood after the first `%`.
    pub input: Option<Text>,
    /// The assignments above it.
    pub environment: Assignments,
    /// `-n`, `-q` and `-s`.
    pub flags: Flags,
    /// The `RANDOM_DELAY` in force, in minutes.
    pub random_delay: u32,
    /// What `#rat:` and `RAT_…=` say of it.
    pub options: Options,
}

/// One assignment.
#[derive(Clone, Debug)]
pub struct Assigned {
    /// Its line, from 1.
    pub line: u32,
    /// What the variable is set to.
    pub value: Text,
}

/// BSD's flags between the schedule and the command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `-n`: a run that succeeds sends no mail.
    pub mail_on_failure_only: bool,
    /// `-q`, or cronie's `-` before the schedule: the start is not logged.
    pub quiet: bool,
    /// `-s`: not started while it still runs.
    pub single: bool,
}

/// A zone's name in a crontab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneName {
    /// The line of the assignment, or of the option `tz`.
    pub line: u32,
    /// The bytes of the value.
    pub columns: Range<usize>,
    /// The name.
    pub name: String,
}

impl ZoneName {
    /// What to say if there is no such zone, and UTC takes its place.
    pub fn taken_for_utc(&self, why: String) -> Diagnostic {
        Diagnostic::warning("E022", self.line, self.columns.clone(), why)
            .label("the entries below are read in UTC")
    }

    /// What to say if there is no such zone.
    pub fn unknown(&self, why: String) -> Diagnostic {
        Diagnostic::error("E022", self.line, self.columns.clone(), why)
            .label("the entries that this is for are not run")
            .help("write a name of /usr/share/zoneinfo, such as Europe/Berlin")
    }
}

/// What kind of crontab a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A user's own: five fields, command.
    User,
    /// /etc/crontab and /etc/cron.d: five fields, user, command.
    System,
    /// What `ratd FILE` runs: five or seven fields, command.
    Single,
}

/// Reads a crontab as a dialect does. Without one, a wrong line is left out and said, and all others stand.
pub fn parse(text: &[u8], form: Form, seed: &Seed, dialect: &'static Dialect) -> Crontab {
    let mut crontab = read(text, form, seed, dialect);
    if crontab.is_lost {
        crontab.entries.clear();
    }
    crontab
}

/// The same, with every entry that can be read, even where something else costs all of them.
pub fn read(text: &[u8], form: Form, seed: &Seed, dialect: &'static Dialect) -> Crontab {
    let mut reading = Reading::new(form, seed, dialect);
    if dialect.mends_text {
        reading.check_text(text);
    }
    for line in lines::read(text, dialect) {
        if !reading.line(&line) {
            break;
        }
    }
    reading.check_end(text);
    if dialect.whole_file {
        reading.assign_to_all();
    }
    let mut crontab = reading.crontab;
    crontab.is_lost = reading.lost;
    crontab.diagnostics.sort_by_key(|said| said.line);
    crontab
}

/// A file as far as it was read.
struct Reading<'s> {
    form: Form,
    seed: &'s Seed,
    dialect: &'static Dialect,
    crontab: Crontab,
    /// Something was wrong that costs all entries.
    lost: bool,
    /// This is a last line without a newline, where that matters.
    is_cut_off: bool,
    /// What the limits count.
    counted: Counted,
    zone: Option<String>,
    random_delay: u32,
    environment: Environment,
    directives: Directives,
}

impl<'s> Reading<'s> {
    fn new(form: Form, seed: &'s Seed, dialect: &'static Dialect) -> Reading<'s> {
        let mut environment = Environment::default();
        for (name, value) in dialect.assigned.iter() {
            environment.assign(Text::from(*name), Text::from(*value));
        }
        // A file of its own is a user's crontab everywhere else.
        let form = if form == Form::Single && !dialect.is_rat() { Form::User } else { form };
        Reading {
            form,
            seed,
            dialect,
            crontab: Crontab::default(),
            lost: false,
            is_cut_off: false,
            counted: Counted::default(),
            zone: None,
            random_delay: 0,
            environment,
            directives: Directives::default(),
        }
    }

    fn say(&mut self, diagnostic: Diagnostic) {
        self.crontab.diagnostics.push(diagnostic);
    }

    /// What can be said of the file as a whole.
    fn check_text(&mut self, text: &[u8]) {
        if text.starts_with(BYTE_ORDER_MARK) {
            let message = "the file begins with a byte order mark, which is left out".to_owned();
            self.say(
                Diagnostic::warning("W050", 1, 0..0, message).label("other crons reject this line"),
            );
        }
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let ends = text.windows(2).position(|end| end == b"\r\n");
        if let Some(at) = ends.or_else(|| text.ends_with(b"\r").then(|| text.len() - 1)) {
            let line = 1 + text[..at].iter().filter(|byte| **byte == b'\n').count() as u32;
            let column = text[..at].iter().rev().take_while(|byte| **byte != b'\n').count();
            let message = "lines end in CR LF; the CR is left out".to_owned();
            self.say(
                Diagnostic::warning("W045", line, column..column, message)
                    .label("other crons make it part of the command")
                    .help("write the file with plain line ends, as `dos2unix` does"),
            );
        }
    }

    /// Gives every entry what the whole file assigns.
    fn assign_to_all(&mut self) {
        let Some(environment) = self.environment.share() else { return };
        for entry in &mut self.crontab.entries {
            entry.environment = environment.clone();
            entry.zone = self.zone.clone();
        }
    }

    fn check_end(&mut self, text: &[u8]) {
        self.directives.end(self.crontab.entries.len(), &mut self.crontab.diagnostics);
        if self.dialect.mends_text && !text.is_empty() && !text.ends_with(b"\n") {
            let (mut line, mut length) = (1, 0);
            for (number, text) in (1..).zip(lines(text)) {
                (line, length) = (number, text.len());
            }
            let message = "the file does not end in a newline".to_owned();
            self.say(
                Diagnostic::warning("E008", line, length..length, message)
                    .label("other crons drop this line, or the whole file"),
            );
        }
    }

    /// Reads one line; false if none shall be read after it.
    fn line(&mut self, line: &lines::Line<'_>) -> bool {
        let mut text = line.text.as_ref();
        loop {
            let start = text.iter().take_while(|byte| is_blank(**byte)).count();
            if matches!(text.get(start), None | Some(b'#')) {
                self.remark(text, line.number, start);
                return self.count_garbage(line.number, text.len() + 1);
            }
            if !self.count_line(line.number, start) {
                return false;
            }
            let nul = text.iter().position(|byte| *byte == 0);
            if let (Some(at), Nul::Error) = (nul, self.dialect.nul) {
                let message = "a line cannot hold a NUL byte".to_owned();
                self.say(Diagnostic::error("E014", line.number, at..at + 1, message));
                return true;
            }
            self.is_cut_off = !line.is_ended && self.dialect.no_newline != Loss::Nothing;
            if self.is_cut_off && nul.is_none() {
                self.lose_last_line(text, line.number, start);
                return false;
            }
            match self.statement(text, line.number, start) {
                Next::Line => return true,
                Next::Rest(at) => text = &text[at..],
                Next::Nothing => return false,
            }
        }
    }

    /// Reads a comment or an empty line, for the options there may be in it.
    fn remark(&mut self, text: &[u8], line: u32, start: usize) {
        let said = &mut self.crontab.diagnostics;
        match self.dialect.options {
            true if start < text.len() => self.directives.comment(text, line, start, said),
            true => self.directives.orphan("an empty line", said),
            false => {}
        }
    }

    #[cold]
    fn lose_last_line(&mut self, text: &[u8], line: u32, start: usize) {
        let cron = self.dialect.cron;
        let message = format!("{cron} does not read a last line without a newline");
        self.fail(Diagnostic::error("E008", line, start..text.len(), message));
        self.lost |= self.dialect.no_newline == Loss::File;
    }

    /// An error, and what it costs.
    fn fail(&mut self, error: Diagnostic) {
        let cron = self.dialect.cron;
        let error = match self.dialect.error {
            Loss::File => error.help(format!("for this {cron} uses no line of the file")),
            Loss::Change => error.help(format!("{cron} goes on with what the file held before")),
            _ => error,
        };
        self.lost |= matches!(self.dialect.error, Loss::File | Loss::Change);
        self.say(error);
    }

    /// Reads an assignment or an entry.
    fn statement(&mut self, text: &[u8], line: u32, start: usize) -> Next {
        let shape = assignment::shape(text, start, self.dialect);
        if !matches!(shape, Shape::Other) {
            self.directives.orphan("an assignment", &mut self.crontab.diagnostics);
        }
        match shape {
            Shape::Assignment { name, value, columns } => {
                if !self.count_assignment(line) {
                    return Next::Nothing;
                }
                self.assign(&text[name], value, line, columns);
                let nul = text.iter().position(|byte| *byte == 0);
                nul.map_or(Next::Line, |at| Next::Rest(at + 1))
            }
            Shape::BadValue { columns, why } => {
                self.fail(
                    Diagnostic::error("E019", line, columns, why.to_owned())
                        .label("a quoted value is one quoted text and nothing else")
                        .help("quote the whole value, or nothing of it"),
                );
                Next::Line
            }
            // A nickname, and a command that is `=`.
            Shape::NoValue { .. } if text[start] == b'@' => self.entry(text, line, start),
            Shape::NoValue { columns } => {
                let message = "nothing follows the `=`".to_owned();
                self.fail(Diagnostic::error("E019", line, columns, message));
                Next::Line
            }
            Shape::Unknown => {
                let message = format!("{} does not know this variable", self.dialect.cron);
                self.fail(Diagnostic::error("E020", line, start..text.len(), message));
                Next::Line
            }
            Shape::Other => self.entry(text, line, start),
        }
    }

    /// Reads an entry.
    fn entry(&mut self, text: &[u8], line: u32, start: usize) -> Next {
        if !self.count_entry(text, line, start) {
            return Next::Nothing;
        }
        let shared = match self.dialect.whole_file {
            true => Some(Arc::from([])),
            false => self.environment.share(),
        };
        let Some(environment) = shared else {
            self.directives.forget();
            let message = "the file's assignments and entries alternate too often".to_owned();
            self.say(
                Diagnostic::error("E016", line, start..text.len(), message)
                    .help("put the assignments above all entries"),
            );
            return Next::Line;
        };
        let mut said = Vec::new();
        let words = Line { text, line, form: self.form, seed: self.seed, dialect: self.dialect };
        let entry = words.read(start, &mut said);
        let rejected = said.iter().any(|said| said.severity == Severity::Error);
        for said in said {
            if said.severity == Severity::Error { self.fail(said) } else { self.say(said) }
        }
        let Some((mut entry, end, command)) = entry.filter(|_| !rejected) else {
            self.directives.forget();
            return Next::Line;
        };
        if self.is_cut_off && end.is_none() {
            self.lose_last_line(text, line, start);
            return Next::Nothing;
        }
        entry.zone = self.zone.clone();
        entry.random_delay = self.random_delay;
        entry.environment = environment;
        if self.dialect.options && self.directives.concern(&text[command..]) {
            let (entries, said) = (self.crontab.entries.len(), &mut self.crontab.diagnostics);
            let length = unescaped_percent(&text[command..]).unwrap_or(text.len() - command);
            match self.directives.entry(text, line, command..command + length, entries, said) {
                Some(options) => entry.options = options,
                None => return Next::Line,
            }
            self.set_zone_of(&mut entry);
        }
        if entry.zone.is_some()
            && self.dialect.zone == ZoneRule::ByTheClock
            && let Schedule::Calendar(calendar) = &mut entry.schedule
        {
            *calendar = calendar.by_its_zone();
        }
        self.crontab.entries.push(entry);
        end.map_or(Next::Line, Next::Rest)
    }
}

/// Where reading goes on.
enum Next {
    /// In the next line.
    Line,
    /// Behind this byte of the line.
    Rest(usize),
    /// Nowhere.
    Nothing,
}

/// Where a text ends that C reads.
fn length_to_nul(word: &[u8]) -> usize {
    word.iter().position(|byte| *byte == 0).unwrap_or(word.len())
}
