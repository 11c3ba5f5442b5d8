//! A crontab: assignments and entries, line by line. Knows every form a line takes and what is suspicious about
//! it; not who may own the file, nor whether a user or a zone exists.

use std::ops::Range;
use std::sync::Arc;

use crate::plan::job::Assignments;
use crate::plan::schedule::Schedule;
use crate::plan::text::Text;
use crate::syntax::diagnostic::{Diagnostic, Severity};
use crate::syntax::dialect::{Dash, Dialect, Fields, FlagRule, Loss, Nul, ZoneRule};
use crate::syntax::directive::{Directives, Options};
use crate::syntax::environment::Environment;
use crate::syntax::expression::{self, Word, is_blank, words};
use crate::syntax::field::{self, Place};
use crate::syntax::lines::{self, BYTE_ORDER_MARK, lines};
use crate::syntax::options::Key;
use crate::syntax::seed::{Dice, Seed};

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

#[derive(Default)]
struct Counted {
    /// Lines that should be entries.
    entries: usize,
    assignments: usize,
    /// Lines that hold something.
    lines: usize,
    /// Bytes of comments and blanks since the last of these.
    garbage: usize,
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
                self.counted.garbage += text.len() + 1;
                return self.check_garbage(line.number, 0);
            }
            if !self.check_garbage(line.number, start + 1) || !self.count_line(line.number) {
                return false;
            }
            self.counted.garbage = 0;
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

    /// Whether there is not too much between two lines that hold something.
    fn check_garbage(&mut self, line: u32, more: usize) -> bool {
        let most = self.dialect.limits.garbage;
        if most == 0 || self.form == Form::System || self.counted.garbage + more <= most {
            return true;
        }
        let cron = self.dialect.cron;
        let message = format!("{cron} takes at most {most} bytes of comments and blanks in a row");
        self.lost = true;
        self.say(
            Diagnostic::error("E016", line, 0..0, message).help("no line of the file is used"),
        );
        false
    }

    /// Counts a line that holds something; false if it is one too many.
    fn count_line(&mut self, line: u32) -> bool {
        let limits = &self.dialect.limits;
        self.counted.lines += 1;
        let most = limits.lines.map(|(user, root)| if self.is_root() { root } else { user });
        if let Some(most) = most.filter(|most| self.counted.lines > *most) {
            let message = format!("{} reads at most {most} lines", self.dialect.cron);
            let error = Diagnostic::error("E016", line, 0..0, message);
            self.say(error.label("this line and those after it are not used"));
            return false;
        }
        if limits.last_line != 0 && line > limits.last_line {
            let message = format!("{} reads at most 10000 lines", self.dialect.cron);
            self.fail(Diagnostic::error("E016", line, 0..0, message));
            return false;
        }
        true
    }

    fn is_root(&self) -> bool {
        self.seed.owner == "root"
    }

    /// Reads an assignment or an entry.
    fn statement(&mut self, text: &[u8], line: u32, start: usize) -> Next {
        let nul = text.iter().position(|byte| *byte == 0);
        let end =
            nul.unwrap_or(text.len()).min(start.saturating_add(self.dialect.limits.assignment));
        let shape = if self.dialect.whole_file {
            plain_assignment(&text[..end], start)
        } else if self.dialect.variables.is_empty() {
            assignment(&text[..end], start, self.dialect)
        } else {
            one_word_assignment(text, start, self.dialect)
        };
        if !matches!(shape, Shape::Other) {
            self.directives.orphan("an assignment", &mut self.crontab.diagnostics);
        }
        match shape {
            Shape::Assignment { name, value, columns } => {
                if !self.count_assignment(line) {
                    return Next::Nothing;
                }
                self.assign(&text[name], value, line, columns);
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

    fn count_assignment(&mut self, line: u32) -> bool {
        let most = self.dialect.limits.assignments;
        self.counted.assignments += 1;
        if most == 0 || self.form == Form::System || self.counted.assignments <= most {
            return true;
        }
        let message = format!("{} takes at most {most} assignments", self.dialect.cron);
        self.lost = true;
        self.say(
            Diagnostic::error("E016", line, 0..0, message).help("no line of the file is used"),
        );
        false
    }

    fn assign(&mut self, name: &[u8], value: &[u8], line: u32, columns: Range<usize>) {
        let odd = |byte: &u8| !(byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80);
        if name.is_empty() || name.iter().any(odd) || name[0].is_ascii_digit() {
            let message = format!(
                "this is an assignment to a variable named `{}`",
                String::from_utf8_lossy(name).escape_debug()
            );
            self.say(Diagnostic::warning("W058", line, 0..columns.end, message));
        }
        if self.dialect.without_effect.iter().any(|known| known.as_bytes() == name) {
            let message = format!("{} leaves this variable as it is", self.dialect.cron);
            self.say(Diagnostic::warning("W059", line, columns, message));
            return;
        }
        if self.dialect.options {
            let (entries, said) = (self.crontab.entries.len(), &mut self.crontab.diagnostics);
            self.directives.assignment((name, value), line, columns.clone(), entries, said);
        }
        match name {
            b"CRON_TZ" => self.set_zone(value, line, columns),
            b"RANDOM_DELAY" if self.dialect.random_delay => {
                self.set_random_delay(value, line, columns);
            }
            _ => {}
        }
        let (name, value) = (Text(name.to_vec()), Text(value.to_vec()));
        self.crontab.assignments.push(Assigned { line, value: value.clone() });
        self.environment.assign(name, value);
    }

    fn set_zone(&mut self, value: &[u8], line: u32, columns: Range<usize>) {
        let name = String::from_utf8_lossy(value).into_owned();
        if name.is_empty() {
            self.zone = None;
            return;
        }
        if self.dialect.zone == ZoneRule::Ignored {
            let message = format!("{} reads no schedule in another zone", self.dialect.cron);
            self.say(Diagnostic::warning("W055", line, columns, message));
            return;
        }
        if self.crontab.zones.is_empty() && !self.dialect.whole_file {
            let message = "the entries below are read in this zone".to_owned();
            self.say(
                Diagnostic::warning("W055", line, columns.clone(), message)
                    .label("Debian's and busybox's cron read them in the machine's own"),
            );
        }
        self.crontab.zones.push(ZoneName { line, columns, name: name.clone() });
        self.zone = Some(name);
    }

    /// An entry's own zone counts more than the one in force.
    fn set_zone_of(&mut self, entry: &mut Entry) {
        let Some(chosen) = entry.options.get(Key::Tz) else { return };
        let Some(name) = chosen.value.text().map(str::to_owned) else { return };
        let (line, columns) = (chosen.line, chosen.columns.clone());
        let named = ZoneName { line, columns, name: name.clone() };
        if self.crontab.zones.last() != Some(&named) {
            self.crontab.zones.push(named);
        }
        entry.zone = Some(name);
    }

    fn set_random_delay(&mut self, value: &[u8], line: u32, columns: Range<usize>) {
        let minutes = if self.dialect.is_rat() {
            str::from_utf8(value).ok().and_then(|text| text.parse().ok())
        } else {
            leading_number(value)
        };
        match minutes.filter(|minutes| *minutes <= 1440) {
            Some(minutes) => self.random_delay = minutes,
            None => {
                self.random_delay = 0;
                let message = "RANDOM_DELAY is a number of minutes, at most 1440".to_owned();
                self.say(
                    Diagnostic::warning("E010", line, columns, message).label("no delay is added"),
                );
            }
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

    /// Counts an entry; false if the table is full.
    fn count_entry(&mut self, text: &[u8], line: u32, start: usize) -> bool {
        let (most, loss) = self.dialect.limits.entries;
        self.counted.entries += 1;
        // Only rat's own count leaves out those that are wrong.
        let count = match loss {
            Loss::File => self.counted.entries,
            _ => self.crontab.entries.len() + 1,
        };
        let bounded = self.form == Form::User && (self.dialect.limits.of_root || !self.is_root());
        if most == 0 || !bounded || count <= most {
            return true;
        }
        let message = format!("a crontab has at most {most} entries");
        let error = Diagnostic::error("E016", line, start..text.len(), message);
        self.lost |= loss == Loss::File;
        self.say(error.label("this line and those after it are not used"));
        false
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

/// What a line that is no comment looks like.
enum Shape<'t> {
    Assignment { name: Range<usize>, value: &'t [u8], columns: Range<usize> },
    BadValue { columns: Range<usize>, why: &'static str },
    NoValue { columns: Range<usize> },
    Unknown,
    Other,
}

/// Vixie's state machine: a name without blanks or in quotes, `=`, and a value that is one quoted text or
/// the rest of the line without the blanks around it.
fn assignment<'t>(text: &'t [u8], start: usize, dialect: &Dialect) -> Shape<'t> {
    let skip = |from: usize| from + text[from..].iter().take_while(|byte| is_space(**byte)).count();
    let Some(first) = text.get(start).copied() else { return Shape::Other };
    let quoted = matches!(first, b'"' | b'\'');
    let (name, after) = match first {
        quote @ (b'"' | b'\'') => match text[start + 1..].iter().position(|byte| *byte == quote) {
            Some(length) => (start + 1..start + 1 + length, start + length + 2),
            None => return Shape::Other,
        },
        _ => {
            let in_name = |byte: &&u8| **byte != b'=' && !is_space(**byte);
            let end = start + text[start..].iter().take_while(in_name).count();
            (start..end, end)
        }
    };
    let equals = skip(after);
    let odd_name = !dialect.is_rat() && quoted && text[name.clone()].contains(&b'=');
    if text.get(equals) != Some(&b'=') || odd_name {
        return Shape::Other;
    }
    let from = skip(equals + 1);
    let end = from + trimmed(&text[from..]).len();
    let Some(quote @ (b'"' | b'\'')) = text.get(from) else {
        if from == end && !dialect.empty_values {
            return Shape::NoValue { columns: equals..equals + 1 };
        }
        return Shape::Assignment { name, value: &text[from..end], columns: from..end };
    };
    match text[from + 1..end].iter().position(|byte| byte == quote) {
        Some(length) if from + length + 2 == end => {
            let columns = from + 1..end - 1;
            let value = &text[columns.clone()];
            let value = if dialect.strips_quoted { stripped(value) } else { value };
            Shape::Assignment { name, value, columns }
        }
        // Elsewhere such a line is an entry, and hardly ever one that can be read.
        Some(_) | None if !dialect.is_rat() => Shape::Other,
        Some(length) => Shape::BadValue {
            columns: from + length + 2..end,
            why: "something follows the closing quote of the value",
        },
        None => Shape::BadValue { columns: from..end, why: "the value's quote is never closed" },
    }
}

/// A name without blanks, `=`, and the rest of the line without a pair of quotes around it.
fn plain_assignment(text: &[u8], start: usize) -> Shape<'_> {
    let skip = |from: usize| from + text[from..].iter().take_while(|byte| is_space(**byte)).count();
    let in_name = |byte: &&u8| **byte != b'=' && !is_space(**byte);
    let end = start + text[start..].iter().take_while(in_name).count();
    let equals = skip(end);
    if end == start || text.get(equals) != Some(&b'=') {
        return Shape::Other;
    }
    let from = skip(equals + 1);
    let columns = match &text[from..] {
        [first @ (b'"' | b'\''), .., last] if first == last => from + 1..text.len() - 1,
        _ => from..text.len(),
    };
    Shape::Assignment { name: start..end, value: &text[columns.clone()], columns }
}

/// Without blanks at the end, and without a pair of quotes around the rest.
fn stripped(value: &[u8]) -> &[u8] {
    match trimmed(value) {
        [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] => inner,
        value => value,
    }
}

fn trimmed(text: &[u8]) -> &[u8] {
    let spaces = text.iter().rev().take_while(|byte| is_space(**byte)).count();
    &text[..text.len() - spaces]
}

/// An assignment in one word to one of the variables that a dialect knows; any other word with a `=` in it is
/// meant as one, unless enough words follow to make an entry of them.
fn one_word_assignment<'t>(text: &'t [u8], start: usize, dialect: &Dialect) -> Shape<'t> {
    let text = &text[..text.iter().position(|byte| *byte == b'#').unwrap_or(text.len())];
    let Some(word) = words(text, 0, start).next() else { return Shape::Other };
    let Some(equals) = word.text.iter().position(|byte| *byte == b'=') else { return Shape::Other };
    let (name, from) = (start..start + equals, start + equals + 1);
    if !dialect.variables.iter().any(|known| known.as_bytes() == &text[name.clone()]) {
        let is_entry = words(text, 0, start).nth(5).is_some() || word.text[0] == b'@';
        return if is_entry { Shape::Other } else { Shape::Unknown };
    }
    let columns = from..word.columns().end;
    Shape::Assignment { name, value: &text[columns.clone()], columns }
}

/// C's strtol: what number a text begins with.
fn leading_number(text: &[u8]) -> Option<u32> {
    let spaces = text.iter().take_while(|byte| is_space(**byte)).count();
    let text = text[spaces..].strip_prefix(b"+").unwrap_or(&text[spaces..]);
    if text.starts_with(b"-") {
        return None;
    }
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    str::from_utf8(&text[..digits]).ok().and_then(|digits| match digits {
        "" => Some(0),
        digits => digits.parse().ok(),
    })
}

/// What C calls a space.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn length_to_nul(word: &[u8]) -> usize {
    word.iter().position(|byte| *byte == 0).unwrap_or(word.len())
}

/// A line that is an entry, or should be.
struct Line<'t> {
    text: &'t [u8],
    line: u32,
    form: Form,
    seed: &'t Seed,
    dialect: &'static Dialect,
}

impl Line<'_> {
    /// The entry, without what the lines above add to it, where its line ends if that is not at the end, and where
    /// its command begins. What is wrong is added to `said`.
    fn read(
        &self,
        start: usize,
        said: &mut Vec<Diagnostic>,
    ) -> Option<(Entry, Option<usize>, usize)> {
        let mut flags = Flags::default();
        let mut at = start;
        if self.text[at] == b'-' && self.dash(start, said)? {
            flags.quiet = true;
            at += 1;
        }
        let count = self.count_fields(at, said)?;
        at += self.text[at..].iter().take_while(|byte| is_blank(**byte)).count();
        let (fields, rest) = self.uncommented(at, count);
        let written = at..fields.after_schedule(at, count);
        at = written.end;
        if count == 5 && self.dialect.byte_255_ends {
            self.check_byte_255(at, said)?;
        }
        let mut user = None;
        if self.form == Form::System {
            let word = rest.word_or_complain(at, "a user and a command", said)?;
            self.check_user(word, said);
            // Where a NUL does not make the line wrong, a name ends there too, and the command begins.
            let length = length_to_nul(word.text);
            user = Some(String::from_utf8_lossy(&word.text[..length]).into_owned());
            at = word.place.column + length;
        }
        at = rest.flags(at, &mut flags, said)?;
        let first = rest.command(at, count, said)?;
        let schedule = fields.schedule(written.clone(), count, user.as_deref(), said);
        rest.check_command(first, count, said);
        let (command, input, end) = rest.split_command(first.place.column, said);
        let entry = Entry {
            line: self.line,
            user,
            schedule: schedule?,
            zone: None,
            written: String::from_utf8_lossy(&self.text[written]).into_owned(),
            command,
            input,
            environment: Arc::from([]),
            flags,
            random_delay: 0,
            options: Options::default(),
        };
        Some((entry, end, first.place.column))
    }

    /// Nothing follows the last field where a byte 255 is the end of the file.
    fn check_byte_255(&self, at: usize, said: &mut Vec<Diagnostic>) -> Option<()> {
        let word = words(self.text, self.line, at).next().filter(|word| word.text[0] == 0xff);
        let Some(word) = word else { return Some(()) };
        let message = format!("{} takes this byte for the end of the file", self.dialect.cron);
        let columns = word.place.column..word.place.column + 1;
        said.push(Diagnostic::error("E001", self.line, columns, message));
        None
    }

    /// Whether a `-` at the beginning keeps the start out of the log; `None` if it is wrong.
    fn dash(&self, at: usize, said: &mut Vec<Diagnostic>) -> Option<bool> {
        let privileged = self.form == Form::System || self.seed.owner == "root";
        let word_follows = self.text.get(at + 1).is_some_and(|byte| !is_blank(*byte));
        match self.dialect.dash {
            Dash::Quiet => {
                self.check_dash(at, said);
                Some(true)
            }
            Dash::QuietForRoot if privileged && word_follows => Some(true),
            Dash::QuietForRoot => {
                let message = if privileged {
                    "a schedule must follow the `-` without a blank".to_owned()
                } else {
                    "only root may keep a start out of the log".to_owned()
                };
                said.push(Diagnostic::error("E010", self.line, at..at + 1, message));
                None
            }
            Dash::Error => Some(false),
        }
    }

    /// The line as its schedule is read, and as what follows that is: where a `#` cuts lines, a command after a
    /// nickname is taken from the whole one.
    fn uncommented(&self, at: usize, count: usize) -> (Line<'_>, Line<'_>) {
        let hash = self.text.iter().position(|byte| *byte == b'#' && self.dialect.hash_cuts);
        let cut = Line { text: &self.text[..hash.unwrap_or(self.text.len())], ..*self };
        let two_words = words(cut.text, self.line, at).nth(1).is_some();
        let rest = if count == 1 && two_words { self.text } else { cut.text };
        let rest = if self.dialect.hash_cuts && count != 1 {
            &rest[..rest.len() - rest.iter().rev().take_while(|byte| is_blank(**byte)).count()]
        } else {
            rest
        };
        (Line { ..cut }, Line { text: rest, ..*self })
    }

    /// Reads the flags before the command, and tells where they end.
    fn flags(&self, mut at: usize, flags: &mut Flags, said: &mut Vec<Diagnostic>) -> Option<usize> {
        while let Some(word) = words(self.text, self.line, at).next() {
            match self.dialect.flags {
                FlagRule::All if is_flags(word.text) => {}
                FlagRule::OneN if word.text[0] == b'-' => {
                    let whole = word.columns().end < self.text.len();
                    if word.text != b"-n" || flags.mail_on_failure_only || !whole {
                        let message = format!("{} knows one `-n` here", self.dialect.cron);
                        said.push(Diagnostic::error("E010", self.line, word.columns(), message));
                        return None;
                    }
                }
                FlagRule::All | FlagRule::OneN | FlagRule::None => break,
            }
            flags.mail_on_failure_only |= word.text.contains(&b'n');
            flags.quiet |= word.text.contains(&b'q');
            flags.single |= word.text.contains(&b's');
            at = word.columns().end;
        }
        Some(at)
    }

    /// The first word of the command. Where there may be none, it is empty.
    fn command(&self, at: usize, count: usize, said: &mut Vec<Diagnostic>) -> Option<Word<'_>> {
        let system = self.form == Form::System;
        if !self.dialect.empty_commands || words(self.text, self.line, 0).nth(count - 1).is_none() {
            return self.word_or_complain(at, "a command", said);
        }
        if system && at >= self.text.len() {
            said.push(self.too_short("a command"));
            return None;
        }
        let column = at + usize::from(system);
        if system && self.dialect.blank_commands {
            return Some(Word {
                text: &self.text[column..],
                place: Place { line: self.line, column },
            });
        }
        let place = Place { line: self.line, column: self.text.len() };
        let none = Word { text: &self.text[self.text.len()..], place };
        Some(words(self.text, self.line, at).next().unwrap_or(none))
    }

    /// The command from `column` on and its standard input, and where the line goes on after a NUL.
    fn split_command(
        &self,
        column: usize,
        said: &mut Vec<Diagnostic>,
    ) -> (Text, Option<Text>, Option<usize>) {
        let text = &self.text[column..];
        let nul = text.iter().position(|byte| *byte == 0);
        let mut text = &text[..nul.unwrap_or(text.len())];
        let (longest, is_cut) = self.dialect.longest_command;
        if is_cut && text.len() > longest {
            let columns = column + longest..column + text.len();
            let message = format!("{} cuts commands after {longest} bytes", self.dialect.cron);
            said.push(Diagnostic::warning("W059", self.line, columns, message));
            text = &text[..longest];
        }
        let (command, input) = if self.dialect.percent {
            split(text, self.dialect.unescapes)
        } else {
            (Text(text.to_vec()), None)
        };
        let length = if self.dialect.is_rat() { command.0.len() } else { text.len() };
        if length > longest {
            let message = format!("a command has at most {longest} bytes");
            said.push(
                Diagnostic::error("E015", self.line, column..self.text.len(), message)
                    .help("put it into a script and name that here"),
            );
        }
        (command, input, nul.map(|at| column + at + 1))
    }

    /// How many words the schedule has: one for a nickname, else five or seven.
    fn count_fields(&self, at: usize, said: &mut Vec<Diagnostic>) -> Option<usize> {
        let mut words = words(self.text, self.line, at);
        let first = words.next();
        if first.is_some_and(|word| word.text.starts_with(b"@")) {
            return Some(1);
        }
        if !self.dialect.is_rat() {
            return Some(5);
        }
        if self.dialect.fields == Fields::Quartz {
            return Some(self.count_by_trial(at));
        }
        let fields: Vec<Word<'_>> = first
            .into_iter()
            .chain(words)
            .take(8)
            .take_while(|word| field::looks_like_one(word.text))
            .collect();
        match (self.form, fields.as_slice()) {
            (Form::Single, [_, _, _, _, _, sixth]) => {
                said.push(expression::six_fields(*sixth));
                None
            }
            (Form::Single, [_, _, _, _, _, _, _, ..]) => Some(7),
            // With a user column the sixth word is the user, whatever it looks like.
            (Form::User, [_, _, _, _, _, sixth, ..]) if sixth.text[0] != b'*' => {
                said.push(self.sixth_field(*sixth, fields.len()));
                Some(5)
            }
            (Form::System, [_, _, _, _, _, sixth, _, ..]) if sixth.text[0] != b'*' => {
                said.push(self.sixth_field(*sixth, fields.len()));
                Some(5)
            }
            _ => Some(5),
        }
    }

    /// As many of seven or six words before a command as can be read as fields; else five.
    fn count_by_trial(&self, at: usize) -> usize {
        let found: Vec<_> = words(self.text, self.line, at).take(8).collect();
        let is_schedule = |count: &usize| {
            found.len() > *count && expression::are_fields(&found[..*count], self.dialect.fields)
        };
        [7, 6].into_iter().find(is_schedule).unwrap_or(5)
    }

    fn sixth_field(&self, sixth: Word<'_>, count: usize) -> Diagnostic {
        let message = "a crontab has five fields; this is no longer one of them".to_owned();
        let warning = Diagnostic::warning("W054", self.line, sixth.columns(), message);
        if count >= 7 {
            warning.help("only `ratd FILE` reads seven fields, second … year")
        } else {
            warning
        }
    }

    /// The end of the `count`th word from `at` on, or of the last one.
    fn after_schedule(&self, at: usize, count: usize) -> usize {
        let last = words(self.text, self.line, at).take(count).last();
        match last {
            // Where a NUL does not make the line wrong, a nickname ends there too, and the command begins.
            Some(word) if count == 1 => at + length_to_nul(word.text),
            word => word.map_or(at, |word| word.columns().end),
        }
    }

    fn word_or_complain(
        &self,
        at: usize,
        missing: &str,
        said: &mut Vec<Diagnostic>,
    ) -> Option<Word<'_>> {
        let word = words(self.text, self.line, at).next();
        if word.is_none() {
            said.push(self.too_short(missing));
        }
        word
    }

    #[cold]
    fn too_short(&self, missing: &str) -> Diagnostic {
        let found = words(self.text, self.line, 0).take(8).collect::<Vec<_>>();
        let columns = found[0].place.column..found[found.len() - 1].columns().end;
        let nickname = found[0].text.starts_with(b"@");
        if found[0].text == b"export" {
            return Diagnostic::error(
                "E001",
                self.line,
                columns,
                "crontabs have no `export`".to_owned(),
            )
            .help("write `NAME=value`");
        }
        if nickname || found.len() >= 5 {
            let end = columns.end..columns.end;
            let message = format!("{missing} must follow the schedule");
            return Diagnostic::error("E001", self.line, end, message);
        }
        let message = format!("an entry begins with five fields; here are {}", found.len());
        Diagnostic::error("E001", self.line, columns, message).help(
            "write minute, hour, day, month and weekday, then the command: `30 4 * * * backup`",
        )
    }

    fn schedule(
        &self,
        written: Range<usize>,
        count: usize,
        user: Option<&str>,
        said: &mut Vec<Diagnostic>,
    ) -> Option<Schedule> {
        let owned;
        let seed = match user {
            Some(user) => {
                owned = Seed { owner: user.to_owned(), host: self.seed.host.clone() };
                &owned
            }
            None => self.seed,
        };
        let mut dice = Dice::new(seed, self.text.trim_ascii());
        let mut words = words(&self.text[..written.end], self.line, written.start);
        let mut next = || {
            words.next().unwrap_or(Word {
                text: b"",
                place: Place { line: self.line, column: written.end },
            })
        };
        match count {
            1 => expression::nickname(next(), self.dialect, said),
            7 => {
                let words = [(); 7].map(|()| next());
                expression::seven(words, self.dialect.fields, &mut dice, said)
            }
            _ if self.dialect.fields == Fields::Quartz => {
                let words: Vec<_> = (0..count).map(|_| next()).collect();
                expression::six(&words, self.dialect, &mut dice, said)
            }
            _ => {
                let words = [(); 5].map(|()| next());
                expression::five(words, self.dialect, &mut dice, said).map(Schedule::Calendar)
            }
        }
    }
}

/// What is suspicious about an entry.
impl Line<'_> {
    fn check_dash(&self, at: usize, said: &mut Vec<Diagnostic>) {
        if self.form != Form::System && self.seed.owner != "root" {
            let message = "a leading `-` only keeps the start out of the log".to_owned();
            said.push(
                Diagnostic::warning("W052", self.line, at..at + 1, message)
                    .label("other crons reject this line"),
            );
        }
    }

    fn check_user(&self, user: Word<'_>, said: &mut Vec<Diagnostic>) {
        if user.text[0] == b'*' && !self.dialect.star_commands {
            said.push(self.star_too_many(user, 5));
        } else if user.text.iter().any(|byte| b"/=;|&<>()[]{}'\"`~%!?".contains(byte))
            || COMMANDS.iter().any(|command| command.as_bytes() == user.text)
        {
            let message = format!("`{}` is taken for the user this runs as", user.shown());
            said.push(
                Diagnostic::warning("W042", self.line, user.columns(), message)
                    .label("this looks like a command")
                    .help("write a user's name before the command: `0 4 * * * root …`"),
            );
        }
    }

    /// Vixie cron rejects these too: a field too many is far more likely than a command with a star.
    #[cold]
    fn star_too_many(&self, word: Word<'_>, count: usize) -> Diagnostic {
        let fields = if count == 7 { "seven" } else { "five" };
        let message = format!("there are {fields} fields; one more would be the command");
        let error = Diagnostic::error("E017", self.line, word.columns(), message)
            .label("no command begins with `*`");
        if self.form == Form::Single {
            return error;
        }
        error.help("leave one field out; only `ratd FILE` reads seconds and years")
    }

    fn check_command(&self, first: Word<'_>, count: usize, said: &mut Vec<Diagnostic>) {
        let text = &self.text[first.place.column..];
        // Where a nickname stands in for the fields, only Vixie's kinds take this for a field too many.
        let is_field = count != 1 || !self.dialect.is_rat();
        let has_user = self.form == Form::System && !self.dialect.is_rat();
        if first.text.starts_with(b"*") && is_field && !has_user && !self.dialect.star_commands {
            said.push(self.star_too_many(first, count));
            return;
        }
        if self.form != Form::System && text.len() > first.text.len() {
            let owner = !self.seed.owner.is_empty() && first.text == self.seed.owner.as_bytes();
            if first.text == b"root" || owner {
                let message = format!("`{}` is taken for the command", first.shown());
                said.push(
                    Diagnostic::warning("W042", self.line, first.columns(), message)
                        .label("this looks like a user's name")
                        .help("only /etc/crontab and /etc/cron.d have a user column"),
                );
            }
        }
        if let Some(at) = unescaped_percent(text).filter(|_| self.dialect.percent) {
            self.check_percent(first.place.column, at, said);
        }
        if text.ends_with(b"\\") && !self.dialect.joins_lines {
            let end = self.text.len();
            let message = "the next line is not joined to this one".to_owned();
            said.push(
                Diagnostic::warning("W053", self.line, end - 1..end, message)
                    .help("write the command in one line, or put it into a script"),
            );
        }
    }

    fn check_percent(&self, column: usize, at: usize, said: &mut Vec<Diagnostic>) {
        let command = &self.text[column..column + at];
        let columns = column + at..column + at + 1;
        if is_date_format(command) || is_in_address(command, &self.text[column + at..]) {
            let message = format!(
                "`%` starts standard input here; the command is only `{}`",
                String::from_utf8_lossy(command).escape_debug()
            );
            said.push(
                Diagnostic::warning("W041", self.line, columns, message)
                    .label("everything after this is fed to the command as input")
                    .help("write `\\%`"),
            );
        } else if command.windows(2).any(|two| two == b"\\\\") && self.dialect.is_rat() {
            let message = "`\\\\` stays two backslashes before a `%`".to_owned();
            said.push(
                Diagnostic::warning("W056", self.line, columns, message)
                    .label("Debian's cron makes it one"),
            );
        }
    }
}

/// Words that begin a command far more often than they name a user.
const COMMANDS: &[&str] = &[
    "bash",
    "cd",
    "cp",
    "curl",
    "date",
    "docker",
    "echo",
    "env",
    "export",
    "find",
    "flock",
    "if",
    "ionice",
    "mv",
    "nice",
    "perl",
    "php",
    "python",
    "python3",
    "rm",
    "rsync",
    "sh",
    "sleep",
    "sudo",
    "systemctl",
    "tar",
    "test",
    "timeout",
    "touch",
    "wget",
];

/// `-` and some of n, q and s.
fn is_flags(word: &[u8]) -> bool {
    matches!(word, [b'-', flags @ ..] if !flags.is_empty() && flags.iter().all(|flag| b"nqs".contains(flag)))
}

/// Where standard input begins: the first `%` without a backslash that counts.
fn unescaped_percent(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    text.iter().position(|byte| {
        let found = *byte == b'%' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        found
    })
}

/// `date +`, with nothing behind it that would end date's own words.
fn is_date_format(command: &[u8]) -> bool {
    let Some(date) = command.windows(4).rposition(|word| word == b"date") else { return false };
    let rest = &command[date + 4..];
    rest.contains(&b'+') && !rest.iter().any(|byte| b";|&)`".contains(byte))
}

/// `%20` and the like, in a word that holds `://`.
fn is_in_address(command: &[u8], rest: &[u8]) -> bool {
    let word = command.rsplit(|byte| is_blank(*byte)).next().unwrap_or_default();
    let digits = rest.get(1..3).unwrap_or_default();
    word.windows(3).any(|part| part == b"://")
        && digits.len() == 2
        && digits.iter().all(u8::is_ascii_hexdigit)
}

/// Command and standard input. In the command `\%` is `%` and every other backslash stays, unless `\\` is one of
/// them; in the input `%` is a newline too, and the last line is ended if it is not.
fn split(text: &[u8], unescapes: bool) -> (Text, Option<Text>) {
    let end = unescaped_percent(text);
    let mut command = Vec::with_capacity(end.unwrap_or(text.len()));
    let mut escaped = false;
    for byte in &text[..end.unwrap_or(text.len())] {
        if escaped && (*byte == b'%' || (unescapes && *byte == b'\\')) {
            command.pop();
        }
        command.push(*byte);
        escaped = *byte == b'\\' && !escaped;
    }
    let input = end.map(|end| &text[end + 1..]).filter(|input| !input.is_empty());
    (Text(command), input.map(|input| Text(unfold(input))))
}

/// Standard input as it is written after the first `%`. Unlike in the command, each backslash of a row
/// escapes what follows it.
fn unfold(text: &[u8]) -> Vec<u8> {
    let mut input = Vec::with_capacity(text.len() + 1);
    let mut escaped = false;
    for byte in text {
        if *byte == b'%' {
            if escaped {
                input.pop();
            }
            input.push(if escaped { b'%' } else { b'\n' });
        } else {
            input.push(*byte);
        }
        escaped = *byte == b'\\';
    }
    // Vixie's cron writes a backslash at the end without looking at it again.
    let last = input.iter().rfind(|byte| **byte != b'\\');
    if last.is_some_and(|byte| *byte != b'\n') {
        input.push(b'\n');
    }
    input
}
