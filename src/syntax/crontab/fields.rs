//! The schedule of an entry: how many of a line's words it has, and where it ends. What the words say is known to
//! `expression`.

use std::ops::Range;

use crate::plan::schedule::Schedule;
use crate::syntax::crontab::entry::Line;
use crate::syntax::crontab::{Form, length_to_nul};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::dialect::Fields;
use crate::syntax::expression::{self, Word, words};
use crate::syntax::field::{self, Place};
use crate::syntax::seed::{Dice, Seed};

impl Line<'_> {
    /// How many words the schedule has: one for a nickname, else five or seven.
    pub(super) fn count_fields(&self, at: usize, said: &mut Vec<Diagnostic>) -> Option<usize> {
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
    pub(super) fn after_schedule(&self, at: usize, count: usize) -> usize {
        let last = words(self.text, self.line, at).take(count).last();
        match last {
            // Where a NUL does not make the line wrong, a nickname ends there too, and the command begins.
            Some(word) if count == 1 => at + length_to_nul(word.text),
            word => word.map_or(at, |word| word.columns().end),
        }
    }

    pub(super) fn schedule(
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
