//! What an assignment looks like in each dialect, and what only looks like one. Knows no variable.

use std::ops::Range;

use crate::syntax::crontab::length_to_nul;
use crate::syntax::dialect::Dialect;
use crate::syntax::expression::words;

/// What a line that is no comment looks like.
pub(super) enum Shape<'t> {
    Assignment { name: Range<usize>, value: &'t [u8], columns: Range<usize> },
    BadValue { columns: Range<usize>, why: &'static str },
    NoValue { columns: Range<usize> },
    Unknown,
    Other,
}

/// What a line looks like from `start` on.
pub(super) fn shape<'t>(text: &'t [u8], start: usize, dialect: &Dialect) -> Shape<'t> {
    let end = length_to_nul(text).min(start.saturating_add(dialect.limits.assignment));
    if dialect.whole_file {
        plain_assignment(&text[..end], start)
    } else if dialect.variables.is_empty() {
        assignment(&text[..end], start, dialect)
    } else {
        one_word_assignment(text, start, dialect)
    }
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

/// What C calls a space.
pub(super) fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}
