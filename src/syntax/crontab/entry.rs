//! A line that is an entry, or should be: what stands where in it. `fields` reads its schedule, `command` its command,
//! and `lints` finds what is suspicious.

use std::sync::Arc;

use crate::syntax::crontab::{Entry, Flags, Form, length_to_nul};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::dialect::{Dash, Dialect, FlagRule};
use crate::syntax::directive::Options;
use crate::syntax::expression::{Word, is_blank, words};
use crate::syntax::field::Place;
use crate::syntax::seed::Seed;

/// A line that is an entry, or should be.
pub(super) struct Line<'t> {
    pub(super) text: &'t [u8],
    pub(super) line: u32,
    pub(super) form: Form,
    pub(super) seed: &'t Seed,
    pub(super) dialect: &'static Dialect,
}

impl Line<'_> {
    /// The entry, without what the lines above add to it, where its line ends if that is not at the end, and where
    /// its command begins. What is wrong is added to `said`.
    pub(super) fn read(
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
}

/// `-` and some of n, q and s.
fn is_flags(word: &[u8]) -> bool {
    matches!(word, [b'-', flags @ ..] if !flags.is_empty() && flags.iter().all(|flag| b"nqs".contains(flag)))
}
