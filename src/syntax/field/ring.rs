//! An item of a field as busybox's cron reads it: a ring that is filled from one place to another. What is
//! surprising here is so there.

use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::field::{DAY, Item, MONTH, Reader, c_number};

impl Reader<'_, '_> {
    /// A ring is filled from the first number to the second, every so many, however far that is; what is not on
    /// the ring is never reached, so that all of it is filled.
    pub(super) fn item_of_ring(&mut self) -> Result<Item, Diagnostic> {
        let start = self.at;
        let size: i32 =
            if *self.unit == DAY { 32 } else { (self.unit.top - self.unit.first) as i32 + 1 };
        let (mut from, mut to) = (-1, -1);
        loop {
            let number = if self.peek() == Some(b'*') {
                self.at += 1;
                (from, to) = (0, size - 1);
                None
            } else {
                Some(self.ring_number().ok_or_else(|| self.not_a_value(start))?)
            };
            match number {
                Some(number) if from < 0 => from = number,
                Some(number) => to = number,
                None => {}
            }
            if self.peek() != Some(b'-') || to >= 0 {
                break;
            }
            self.at += 1;
        }
        if to < 0 {
            to = from;
        }
        let step = if self.peek() == Some(b'/') { self.ring_step() } else { 1 };
        let zero = if *self.unit == MONTH { 1 } else { 0 };
        let (bits, reached) = fill_ring(size, from, to, step, zero);
        if !reached {
            let text = self.shown(start..self.at);
            let message = format!("`{text}` is out of range, and selects too much");
            self.warn("W059", start..self.at, message, "this ends where it began".to_owned());
            // The field is not read further.
            self.text = &self.text[..self.at];
        }
        Ok(Item::Bits(bits))
    }

    /// A number from 0 on, or the first three letters of a name.
    fn ring_number(&mut self) -> Option<i32> {
        let rest = &self.text[self.at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 0 {
            self.at += digits;
            let zero = if *self.unit == MONTH { 1 } else { 0 };
            return Some(c_number(&rest[..digits]).wrapping_sub(zero));
        }
        let begins = |(short, _): &(&str, &str)| {
            rest.get(..3).is_some_and(|word| word.eq_ignore_ascii_case(short.as_bytes()))
        };
        let index = self.unit.names.iter().position(begins)?;
        self.at += 3;
        Some(index as i32)
    }

    /// C's strtol: a sign may stand before it, and no digits are 0.
    fn ring_step(&mut self) -> i32 {
        self.at += 1;
        let rest = &self.text[self.at..];
        let sign = usize::from(matches!(rest.first(), Some(b'+' | b'-')));
        let digits = rest[sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return 0;
        }
        self.at += sign + digits;
        let number = c_number(&rest[sign..sign + digits]);
        if rest[0] == b'-' { number.wrapping_neg() } else { number }
    }
}

/// Every `step`th place of a ring from one to another, the first of which is `zero`, and whether the other was
/// ever reached.
fn fill_ring(size: i32, from: i32, to: i32, step: i32, zero: i32) -> (u64, bool) {
    let (mut bits, mut place, mut left) = (0u64, from.wrapping_sub(1), 1i32);
    // As many steps as are enough for any ring; only a place that is not on it needs more.
    for _ in 0..1024 {
        place = place.wrapping_add(1) % size;
        left = left.wrapping_sub(1);
        if left == 0 {
            // Below 0 there is memory that is not this field's; before the first month it is Saturday's.
            bits |= u64::try_from(place + zero).map_or(0, |place| 1 << place);
            left = step;
        }
        if place == to {
            return (bits, true);
        }
    }
    (bits, false)
}
