//! An item of a field as Vixie's cron and its kin read it, whose numbers are C's. Which of them does what is known to
//! `dialect`.

use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::dialect::Vixie;
use crate::syntax::field::{Item, Reader, c_number};

impl<'r> Reader<'r, '_> {
    /// Numbers are C's: they wrap around at 32 bits, and are compared as they come.
    pub(super) fn item_of_vixie(&mut self, vixie: &Vixie) -> Result<Item, Diagnostic> {
        let start = self.at;
        let (first, last) = (self.unit.first as i32, self.unit.last as i32);
        let (from, mut to) = match self.peek() {
            Some(b'*') => {
                self.at += 1;
                (first, last)
            }
            Some(b'~') if vixie.draws => return self.drawn_by_vixie(start, first),
            _ => {
                let from = self.number_or_name(start)?;
                match self.peek() {
                    Some(b'-') => {
                        self.at += 1;
                        (from, self.number_or_name(self.at)?)
                    }
                    Some(b'~') if vixie.draws => return self.drawn_by_vixie(start, from),
                    Some(b'/') => return Err(self.step_after_one_value(start, from.unsigned_abs())),
                    _ => return self.produced(start, from, from, 1),
                }
            }
        };
        let mut step = 1;
        if self.peek() == Some(b'/') {
            self.at += 1;
            step = self.number_or_none().ok_or_else(|| self.no_step(start))?;
            if step == 0 || (vixie.checks_ends && step < 0) {
                return Err(self.no_step(start));
            }
            if self.text[start] == b'*' {
                self.check_even(start, step.unsigned_abs());
            }
        } else if vixie.zero_is_seven && to == 0 && from > to {
            to = 7;
        }
        let ends = first..=last;
        if vixie.checks_ends && !(ends.contains(&from) && ends.contains(&to)) {
            return Err(self.out_of_range(start..self.at));
        }
        if from > to {
            let text = self.shown(start..self.at);
            let message = format!("range `{text}` ends before it begins");
            self.warn("W059", start..self.at, message, "it never matches".to_owned());
        }
        self.produced(start, from, to, step)
    }

    /// Every `step`th value, all of which must be in range.
    fn produced(&self, start: usize, from: i32, to: i32, step: i32) -> Result<Item, Diagnostic> {
        let (first, last) = (self.unit.first as i32, self.unit.last as i32);
        let (mut bits, mut value) = (0u64, from);
        while value <= to {
            if !(first..=last).contains(&value) {
                return Err(self.out_of_range(start..self.at));
            }
            bits |= 1 << value;
            value = value.wrapping_add(step);
        }
        Ok(Item::Bits(bits))
    }

    /// What follows `~` where no step may follow.
    fn drawn_by_vixie(&mut self, start: usize, from: i32) -> Result<Item, Diagnostic> {
        self.at += 1;
        let to = match self.peek() {
            None | Some(b',') => self.unit.last as i32,
            Some(_) => self.number_or_name(self.at)?,
        };
        if from > to {
            return Err(self.out_of_range(start..self.at));
        }
        let value = self.dice.draw(0, to.abs_diff(from));
        let value = from.saturating_add_unsigned(value);
        self.produced(start, value, value, 1)
    }

    /// Letters and digits: all of them digits, or a short name.
    fn number_or_name(&mut self, start: usize) -> Result<i32, Diagnostic> {
        if let Some(number) = self.number_or_none() {
            return Ok(number);
        }
        let word = self.letters_and_digits();
        let short = |(short, _): &(&str, &str)| word.eq_ignore_ascii_case(short.as_bytes());
        match self.unit.names.iter().position(short) {
            Some(index) => {
                self.at += word.len();
                Ok(self.unit.first as i32 + index as i32)
            }
            None => Err(self.not_a_value(start)),
        }
    }

    fn number_or_none(&mut self) -> Option<i32> {
        let word = self.letters_and_digits();
        if word.is_empty() || !word.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.at += word.len();
        Some(c_number(word))
    }

    fn letters_and_digits(&self) -> &'r [u8] {
        let rest = &self.text[self.at..];
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        &rest[..length]
    }
}
