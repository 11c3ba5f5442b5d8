//! A crontab: assignments and entries, line by line. Knows every form a line takes and what is suspicious about
//! it; not who may own the file, nor whether a user or a zone exists.

use std::ops::Range;
use std::sync::Arc;

use crate::plan::job::Assignments;
use crate::plan::schedule::Schedule;
use crate::plan::text::Text;
use crate::syntax::diagnostic::{Diagnostic, Severity};
use crate::syntax::expression::{self, Word, is_blank, words};
use crate::syntax::field::{self, Place};
use crate::syntax::seed::{Dice, Seed};

/// One parsed crontab.
#[derive(Clone, Debug, Default)]
pub struct Crontab {
    /// The entries that can be used, in the order of the file.
    pub entries: Vec<Entry>,
    /// What is wrong, or perhaps not as meant, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// Every zone that `CRON_TZ` names, so that one that does not exist can be pointed at.
    pub zones: Vec<ZoneName>,
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
    /// The `CRON_TZ` in force; `None` is the machine's own zone.
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
    /// The line of the assignment.
    pub line: u32,
    /// The bytes of the value.
    pub columns: Range<usize>,
    /// The name.
    pub name: String,
}

impl ZoneName {
    /// What to say if there is no such zone.
    pub fn unknown(&self, why: String) -> Diagnostic {
        Diagnostic::error("E022", self.line, self.columns.clone(), why)
            .label("the entries below are not run")
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

/// The longest command: what execve takes as one argument, less its end.
const LONGEST_COMMAND: usize = 128 * 1024 - 1;

/// The most entries of a user's crontab, unless the user is root.
const MOST_ENTRIES: usize = 10_000;

/// The most that the environments of one file's entries may take, since each change makes another copy.
const LARGEST_ENVIRONMENTS: usize = 64 << 20;

/// The lines of a text without their ends; a byte order mark and a carriage return before the end of a line
/// belong to no line's text. Columns of diagnostics are columns of these.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let whole = text.strip_suffix(b"\n").unwrap_or(text);
    let none = text.is_empty();
    let lines = whole.split(|byte| *byte == b'\n').skip(usize::from(none));
    lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a crontab. A wrong line is left out and said; all others stand.
pub fn parse(text: &[u8], form: Form, seed: &Seed) -> Crontab {
    let mut reading = Reading::new(form, seed);
    reading.check_text(text);
    let mut count = 0;
    for line in lines(text) {
        count += 1;
        if !reading.line(line, count) {
            break;
        }
    }
    reading.check_end(text);
    let mut crontab = reading.crontab;
    crontab.diagnostics.sort_by_key(|said| said.line);
    crontab
}

/// A file as far as it was read.
struct Reading<'s> {
    form: Form,
    seed: &'s Seed,
    crontab: Crontab,
    zone: Option<String>,
    random_delay: u32,
    assigned: Vec<(Text, Text)>,
    /// The same, shared by the entries since the last assignment.
    environment: Option<Assignments>,
    /// Bytes of all environments made so far.
    copied: usize,
}

impl<'s> Reading<'s> {
    fn new(form: Form, seed: &'s Seed) -> Reading<'s> {
        Reading {
            form,
            seed,
            crontab: Crontab::default(),
            zone: None,
            random_delay: 0,
            assigned: Vec::new(),
            environment: None,
            copied: 0,
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

    fn check_end(&mut self, text: &[u8]) {
        if !text.is_empty() && !text.ends_with(b"\n") {
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
    fn line(&mut self, text: &[u8], line: u32) -> bool {
        let start = text.iter().take_while(|byte| is_blank(**byte)).count();
        if matches!(text.get(start), None | Some(b'#')) {
            return true;
        }
        if let Some(at) = text.iter().position(|byte| *byte == 0) {
            let message = "a line cannot hold a NUL byte".to_owned();
            self.say(Diagnostic::error("E014", line, at..at + 1, message));
            return true;
        }
        match assignment(text, start) {
            Shape::Assignment { name, value, columns } => {
                self.assign(&text[name], value, line, columns);
            }
            Shape::BadValue { columns, why } => self.say(
                Diagnostic::error("E019", line, columns, why.to_owned())
                    .label("a quoted value is one quoted text and nothing else")
                    .help("quote the whole value, or nothing of it"),
            ),
            Shape::Other => return self.entry(text, line, start),
        }
        true
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
        match name {
            b"CRON_TZ" => self.set_zone(value, line, columns),
            b"RANDOM_DELAY" => self.set_random_delay(value, line, columns),
            _ => {}
        }
        let (name, value) = (Text(name.to_vec()), Text(value.to_vec()));
        match self.assigned.iter_mut().find(|(other, _)| *other == name) {
            Some((_, old)) => *old = value,
            None => self.assigned.push((name, value)),
        }
        self.environment = None;
    }

    fn set_zone(&mut self, value: &[u8], line: u32, columns: Range<usize>) {
        let name = String::from_utf8_lossy(value).into_owned();
        if name.is_empty() {
            self.zone = None;
            return;
        }
        if self.crontab.zones.is_empty() {
            let message = "the entries below are read in this zone".to_owned();
            self.say(
                Diagnostic::warning("W055", line, columns.clone(), message)
                    .label("Debian's and busybox's cron read them in the machine's own"),
            );
        }
        self.crontab.zones.push(ZoneName { line, columns, name: name.clone() });
        self.zone = Some(name);
    }

    fn set_random_delay(&mut self, value: &[u8], line: u32, columns: Range<usize>) {
        let minutes = str::from_utf8(value).ok().and_then(|text| text.parse().ok());
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

    /// Reads an entry; false if the table is full.
    fn entry(&mut self, text: &[u8], line: u32, start: usize) -> bool {
        if self.form == Form::User
            && self.seed.owner != "root"
            && self.crontab.entries.len() >= MOST_ENTRIES
        {
            let message = format!("a crontab has at most {MOST_ENTRIES} entries");
            self.say(
                Diagnostic::error("E016", line, start..text.len(), message)
                    .label("this line and those after it are not used"),
            );
            return false;
        }
        let Some(environment) = self.environment() else {
            let message = "the file's assignments and entries alternate too often".to_owned();
            self.say(
                Diagnostic::error("E016", line, start..text.len(), message)
                    .help("put the assignments above all entries"),
            );
            return true;
        };
        let mut said = Vec::new();
        let entry = Line { text, line, form: self.form, seed: self.seed }.read(start, &mut said);
        let rejected = said.iter().any(|said| said.severity == Severity::Error);
        self.crontab.diagnostics.append(&mut said);
        if let Some(entry) = entry.filter(|_| !rejected) {
            let (zone, random_delay) = (self.zone.clone(), self.random_delay);
            self.crontab.entries.push(Entry { zone, random_delay, environment, ..entry });
        }
        true
    }

    /// What an entry here is given; `None` if all the copies have grown too large.
    fn environment(&mut self) -> Option<Assignments> {
        if self.environment.is_none() {
            let size = |(name, value): &(Text, Text)| name.0.len() + value.0.len() + 48;
            self.copied += self.assigned.iter().map(size).sum::<usize>();
            if self.copied > LARGEST_ENVIRONMENTS {
                return None;
            }
            self.environment = Some(Arc::from(self.assigned.as_slice()));
        }
        self.environment.clone()
    }
}

/// What a line that is no comment looks like.
enum Shape<'t> {
    Assignment { name: Range<usize>, value: &'t [u8], columns: Range<usize> },
    BadValue { columns: Range<usize>, why: &'static str },
    Other,
}

/// Vixie's state machine: a name without blanks or in quotes, `=`, and a value that is one quoted text or
/// the rest of the line without the blanks around it.
fn assignment(text: &[u8], start: usize) -> Shape<'_> {
    let skip = |from: usize| from + text[from..].iter().take_while(|byte| is_space(**byte)).count();
    let (name, after) = match text[start] {
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
    if text.get(equals) != Some(&b'=') {
        return Shape::Other;
    }
    let from = skip(equals + 1);
    let end = from + text[from..].trim_ascii_end().len();
    let Some(quote @ (b'"' | b'\'')) = text.get(from) else {
        return Shape::Assignment { name, value: &text[from..end], columns: from..end };
    };
    match text[from + 1..end].iter().position(|byte| byte == quote) {
        Some(length) if from + length + 2 == end => {
            let columns = from + 1..end - 1;
            Shape::Assignment { name, value: &text[columns.clone()], columns }
        }
        Some(length) => Shape::BadValue {
            columns: from + length + 2..end,
            why: "something follows the closing quote of the value",
        },
        None => Shape::BadValue { columns: from..end, why: "the value's quote is never closed" },
    }
}

/// What C calls a space.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// A line that is an entry, or should be.
struct Line<'t> {
    text: &'t [u8],
    line: u32,
    form: Form,
    seed: &'t Seed,
}

impl Line<'_> {
    /// The entry, without what the lines above add to it. What is wrong is added to `said`.
    fn read(&self, start: usize, said: &mut Vec<Diagnostic>) -> Option<Entry> {
        let mut flags = Flags::default();
        let mut at = start;
        if self.text[at] == b'-' {
            flags.quiet = true;
            at += 1;
            self.check_dash(start, said);
        }
        let count = self.count_fields(at, said)?;
        at += self.text[at..].iter().take_while(|byte| is_blank(**byte)).count();
        let written = at..self.after_words(at, count);
        at = written.end;
        let mut user = None;
        if self.form == Form::System {
            let word = self.word_or_complain(at, "a user and a command", said)?;
            self.check_user(word, said);
            user = Some(String::from_utf8_lossy(word.text).into_owned());
            at = word.columns().end;
        }
        while let Some(word) = words(self.text, self.line, at).next() {
            if !is_flags(word.text) {
                break;
            }
            flags.mail_on_failure_only |= word.text.contains(&b'n');
            flags.quiet |= word.text.contains(&b'q');
            flags.single |= word.text.contains(&b's');
            at = word.columns().end;
        }
        let first = self.word_or_complain(at, "a command", said)?;
        let schedule = self.schedule(written.clone(), count, user.as_deref(), said);
        self.check_command(first, count, said);
        let (command, input) = split(&self.text[first.place.column..]);
        if command.0.len() > LONGEST_COMMAND {
            let message = format!("a command has at most {LONGEST_COMMAND} bytes");
            let columns = first.place.column..self.text.len();
            said.push(
                Diagnostic::error("E015", self.line, columns, message)
                    .help("put it into a script and name that here"),
            );
        }
        Some(Entry {
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
        })
    }

    /// How many words the schedule has: one for a nickname, else five or seven.
    fn count_fields(&self, at: usize, said: &mut Vec<Diagnostic>) -> Option<usize> {
        let mut words = words(self.text, self.line, at);
        let first = words.next();
        if first.is_some_and(|word| word.text.starts_with(b"@")) {
            return Some(1);
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
    fn after_words(&self, at: usize, count: usize) -> usize {
        words(self.text, self.line, at).take(count).last().map_or(at, |word| word.columns().end)
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
            1 => expression::nickname(next(), said),
            7 => {
                let words = [(); 7].map(|()| next());
                expression::seven(words, &mut dice, said)
            }
            _ => {
                let words = [(); 5].map(|()| next());
                expression::five(words, &mut dice, said).map(Schedule::Calendar)
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
        if user.text[0] == b'*' {
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
        if first.text[0] == b'*' && count != 1 {
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
        if let Some(at) = unescaped_percent(text) {
            self.check_percent(first.place.column, at, said);
        }
        if text.ends_with(b"\\") {
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
        if is_date_format(command) {
            let message = format!(
                "`%` starts standard input here; the command is only `{}`",
                String::from_utf8_lossy(command).escape_debug()
            );
            said.push(
                Diagnostic::warning("W041", self.line, columns, message)
                    .label("everything after this is fed to the command as input")
                    .help("write `\\%`"),
            );
        } else if command.windows(2).any(|two| two == b"\\\\") {
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

/// Command and standard input. In the command `\%` is `%` and every other backslash stays; in the input `%`
/// is a newline too, and the last line is ended if it is not.
fn split(text: &[u8]) -> (Text, Option<Text>) {
    let end = unescaped_percent(text);
    let mut command = Vec::with_capacity(end.unwrap_or(text.len()));
    let mut escaped = false;
    for byte in &text[..end.unwrap_or(text.len())] {
        if escaped && *byte == b'%' {
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
    if input.last().is_some_and(|byte| *byte != b'\n') {
        input.push(b'\n');
    }
    input
}
