//! An item of a field as rat reads it: values, ranges and steps, `~`, `#`, `L` and `$`. Knows of other crons only
//! which Sunday Quartz means by 7, whose fields hold all of these too.

use crate::plan::schedule::LAST;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::dialect::Fields;
use crate::syntax::field::{DAY, Item, Reader, WEEKDAY, named};

impl Reader<'_, '_> {
    pub(super) fn item_of_rat(&mut self) -> Result<Item, Diagnostic> {
        let start = self.at;
        match self.peek() {
            Some(b'*') => {
                self.at += 1;
                self.stepped(start, self.unit.first, self.unit.top)
            }
            Some(b'~') => self.drawn(start, self.unit.first),
            Some(b'L' | b'$') if *self.unit == DAY && self.rest_of_item() == 1 => {
                self.at += 1;
                Ok(Item::LastDay)
            }
            _ => {
                let from = self.value()?;
                match self.peek() {
                    Some(b'-') => {
                        self.at += 1;
                        let to = self.value()?;
                        self.range(start, from, to)
                    }
                    Some(b'~') => self.drawn(start, from),
                    Some(b'/') => Err(self.step_after_one_value(start, from)),
                    Some(b'#') if *self.unit == WEEKDAY => self.numbered(start, from),
                    Some(b'L') if *self.unit == WEEKDAY && self.rest_of_item() == 1 => {
                        self.at += 1;
                        Ok(Item::Weekday { weekday: from, nth: LAST })
                    }
                    _ => Ok(Item::Values { from, to: from, step: 1 }),
                }
            }
        }
    }

    /// The number after `weekday#`.
    fn numbered(&mut self, start: usize, weekday: u32) -> Result<Item, Diagnostic> {
        self.at += 1;
        let digits = self.at;
        match self.number() {
            Some(nth @ 1..=5) => Ok(Item::Weekday { weekday, nth }),
            Some(_) => {
                let text = self.shown(start..self.at);
                Err(self
                    .error("E003", digits..self.at, format!("`{text}` is out of range"))
                    .label("weekdays of a month are numbered from 1 to 5")
                    .help(self.last_weekday(weekday)))
            }
            None => {
                let end = digits + self.rest_of_item();
                let text = self.shown(start..end);
                Err(self
                    .error("E002", digits - 1..end, format!("`{text}` has no number after `#`"))
                    .help(self.last_weekday(weekday)))
            }
        }
    }

    fn range(&mut self, start: usize, from: u32, to: u32) -> Result<Item, Diagnostic> {
        if from <= to {
            return self.stepped(start, from, to);
        }
        if *self.unit == WEEKDAY && to == 0 && from <= 7 {
            // cronie's reading of `fri-sun`, shared by every cron that does not reject it.
            return self.stepped(start, from, 7);
        }
        let end = self.at;
        let step = self.step()?.unwrap_or(1);
        let help = self.wrapped(&self.text[start..end], from, to, step);
        let text = self.shown(start..self.at);
        Err(self
            .error("E004", start..self.at, format!("range `{text}` ends before it begins"))
            .label("it would never match")
            .help(format!("write `{help}` to go on past the end")))
    }

    /// The values from `from` to `to`, with the step that may follow.
    pub(super) fn stepped(&mut self, start: usize, from: u32, to: u32) -> Result<Item, Diagnostic> {
        let Some(step) = self.step()? else { return Ok(Item::Values { from, to, step: 1 }) };
        if step > to - from && to > from {
            let text = self.shown(start..self.at);
            let only = format!("only {} {from} is selected", self.unit.singular);
            let message = format!("the step of `{text}` is longer than its range");
            self.warn("W031", start..self.at, message, only);
        } else if self.text[start] == b'*' {
            self.check_even(start, step);
        }
        Ok(Item::Values { from, to, step })
    }

    /// What follows a `~`: a number from `from` on is drawn; with a step, the first of a row of them.
    fn drawn(&mut self, start: usize, from: u32) -> Result<Item, Diagnostic> {
        self.at += 1;
        let to = match self.peek() {
            None | Some(b',' | b'/') => self.unit.top,
            Some(_) => self.value()?,
        };
        if from > to {
            let text = self.shown(start..self.at);
            let message = format!("range `{text}` ends before it begins");
            return Err(self
                .error("E004", start..self.at, message)
                .help("begin with the smaller number"));
        }
        match self.step()? {
            None => {
                let value = self.dice.draw(from, to);
                Ok(Item::Values { from: value, to: value, step: 1 })
            }
            Some(step) => {
                let first = self.dice.draw(from, to.min(from.saturating_add(step - 1)));
                Ok(Item::Values { from: first, to, step })
            }
        }
    }

    /// The number after `/`, if there is one.
    pub(super) fn step(&mut self) -> Result<Option<u32>, Diagnostic> {
        if self.peek() != Some(b'/') {
            return Ok(None);
        }
        let slash = self.at;
        self.at += 1;
        match self.number() {
            Some(0) => Err(self
                .error("E006", slash..self.at, "a step of 0 leads nowhere".to_owned())
                .help("write `/1`, or leave the step out")),
            Some(step) => Ok(Some(step)),
            None => Err(self
                .error("E002", slash..slash + 1, "no number after `/`".to_owned())
                .help("write the step, as in `*/5`")),
        }
    }

    pub(super) fn step_after_one_value(&mut self, start: usize, value: u32) -> Diagnostic {
        let step = match self.step() {
            Ok(step) => step.unwrap_or(1),
            Err(error) => return error,
        };
        let text = self.shown(start..self.at);
        let help = format!("write `{value}-{}/{step}`, or just `{value}`", self.unit.top);
        self.error("E013", start..self.at, format!("`{text}` has a step but no range"))
            .label("crons disagree on what this means")
            .help(help)
    }

    /// A number or a name.
    pub(super) fn value(&mut self) -> Result<u32, Diagnostic> {
        let start = self.at;
        if let Some(value) = self.number() {
            let whole = start..self.at;
            let is_sunday = self.fields == Fields::Quartz && *self.unit == WEEKDAY && value == 7;
            let value = if is_sunday { 0 } else { value };
            if (self.unit.first..=self.unit.last).contains(&value) {
                return Ok(value);
            }
            return Err(self.out_of_range(whole));
        }
        let length =
            self.text[start..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let word = &self.text[start..start + length];
        self.at += length;
        match named(word, self.unit.names) {
            Some(index) => Ok(self.unit.first + index as u32),
            None if *self.unit == WEEKDAY && word.ends_with(b"L") && length > 1 => {
                // The `L` of `friL` is no part of the name.
                let named = named(&word[..length - 1], self.unit.names);
                self.at -= usize::from(named.is_some());
                named.map(|index| index as u32).ok_or_else(|| self.unknown_name(start))
            }
            None if length > 0 && !self.unit.names.is_empty() => Err(self.unknown_name(start)),
            None => Err(self.not_a_value(start)),
        }
    }

    /// Digits, if there are any; too large a number is only as large as fits.
    fn number(&mut self) -> Option<u32> {
        let digits = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit());
        let start = self.at;
        let value = digits.fold(0u32, |value, digit| {
            self.at += 1;
            value.saturating_mul(10).saturating_add(u32::from(digit - b'0'))
        });
        (self.at > start).then_some(value)
    }
}
