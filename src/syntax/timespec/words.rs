//! The words of at: text cut into words, numbers and marks the way at cuts it, longest match first.
//! Knows every spelling and what stands near a wrong one; knows no grammar.

use std::ops::Range;

use chrono::Weekday;

use crate::syntax::diagnostic::Diagnostic;

/// One word, number or mark, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub token: Token,
    /// Its bytes in the words.
    pub columns: Range<usize>,
    /// A digit that follows a digit: `10:001` is a clock reading and a glued 1.
    pub glued: bool,
}

/// What a piece can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// A word in one of its spellings.
    Word(Word),
    /// A run of digits. How many there are tells a year from a day.
    Number(Number),
    /// `10:30`, `10h30`, `10'30`, `10,30` or `10.30`.
    Clock {
        /// As written, to 29.
        hour: u32,
        /// As written, to 99.
        minute: u32,
    },
    /// `2026-07-31` or `31.7.2026`.
    Date {
        /// As written: 26 is not yet 2026.
        year: u32,
        /// As written, to 99.
        month: u32,
        /// As written, to 99.
        day: u32,
    },
    /// One of `+ - / , :`.
    Mark(u8),
}

/// A run of digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// Its value; `u32::MAX` where that is too small.
    pub value: u32,
    /// How many digits were written.
    pub digits: usize,
}

/// The words at knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Word {
    Now,
    Am,
    Pm,
    Noon,
    Midnight,
    Teatime,
    Today,
    Tomorrow,
    Next,
    Utc,
    Weekday(Weekday),
    /// January is 1.
    Month(u32),
    Unit(Unit),
}

/// What is counted after a plus, a minus or `next`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Unit {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

/// Every spelling. The ones at itself refuses follow those it knows.
const SPELLINGS: &[(&str, Word)] = &[
    ("now", Word::Now),
    ("am", Word::Am),
    ("pm", Word::Pm),
    ("noon", Word::Noon),
    ("midnight", Word::Midnight),
    ("teatime", Word::Teatime),
    ("today", Word::Today),
    ("tomorrow", Word::Tomorrow),
    ("next", Word::Next),
    ("utc", Word::Utc),
    ("mon", Word::Weekday(Weekday::Mon)),
    ("monday", Word::Weekday(Weekday::Mon)),
    ("tue", Word::Weekday(Weekday::Tue)),
    ("tuesday", Word::Weekday(Weekday::Tue)),
    ("wed", Word::Weekday(Weekday::Wed)),
    ("wednesday", Word::Weekday(Weekday::Wed)),
    ("thu", Word::Weekday(Weekday::Thu)),
    ("thursday", Word::Weekday(Weekday::Thu)),
    ("fri", Word::Weekday(Weekday::Fri)),
    ("friday", Word::Weekday(Weekday::Fri)),
    ("sat", Word::Weekday(Weekday::Sat)),
    ("saturday", Word::Weekday(Weekday::Sat)),
    ("sun", Word::Weekday(Weekday::Sun)),
    ("sunday", Word::Weekday(Weekday::Sun)),
    ("jan", Word::Month(1)),
    ("january", Word::Month(1)),
    ("feb", Word::Month(2)),
    ("february", Word::Month(2)),
    ("mar", Word::Month(3)),
    ("march", Word::Month(3)),
    ("apr", Word::Month(4)),
    ("april", Word::Month(4)),
    ("may", Word::Month(5)),
    ("jun", Word::Month(6)),
    ("june", Word::Month(6)),
    ("jul", Word::Month(7)),
    ("july", Word::Month(7)),
    ("aug", Word::Month(8)),
    ("august", Word::Month(8)),
    ("sep", Word::Month(9)),
    ("september", Word::Month(9)),
    ("oct", Word::Month(10)),
    ("october", Word::Month(10)),
    ("nov", Word::Month(11)),
    ("november", Word::Month(11)),
    ("dec", Word::Month(12)),
    ("december", Word::Month(12)),
    ("min", Word::Unit(Unit::Minute)),
    ("minute", Word::Unit(Unit::Minute)),
    ("minutes", Word::Unit(Unit::Minute)),
    ("hour", Word::Unit(Unit::Hour)),
    ("hours", Word::Unit(Unit::Hour)),
    ("day", Word::Unit(Unit::Day)),
    ("days", Word::Unit(Unit::Day)),
    ("week", Word::Unit(Unit::Week)),
    ("weeks", Word::Unit(Unit::Week)),
    ("month", Word::Unit(Unit::Month)),
    ("months", Word::Unit(Unit::Month)),
    ("year", Word::Unit(Unit::Year)),
    ("years", Word::Unit(Unit::Year)),
    ("tues", Word::Weekday(Weekday::Tue)),
    ("weds", Word::Weekday(Weekday::Wed)),
    ("thur", Word::Weekday(Weekday::Thu)),
    ("thurs", Word::Weekday(Weekday::Thu)),
    ("sept", Word::Month(9)),
    ("mins", Word::Unit(Unit::Minute)),
    ("hr", Word::Unit(Unit::Hour)),
    ("hrs", Word::Unit(Unit::Hour)),
    ("wk", Word::Unit(Unit::Week)),
    ("wks", Word::Unit(Unit::Week)),
    ("yr", Word::Unit(Unit::Year)),
    ("yrs", Word::Unit(Unit::Year)),
];

/// The pieces of `words`, or what in them is no word.
pub fn split(words: &str) -> Result<Vec<Piece>, Diagnostic> {
    let bytes = words.as_bytes();
    let mut pieces: Vec<Piece> = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let (token, length) = match byte {
            b' ' | b'\t' | b'\n' => {
                at += 1;
                continue;
            }
            b'0'..=b'9' => {
                let after_month =
                    matches!(pieces.last(), Some(Piece { token: Token::Word(Word::Month(_)), .. }));
                digits(&bytes[at..], after_month)
            }
            b'+' | b'-' | b'/' | b',' | b':' => (Token::Mark(*byte), 1),
            b'a'..=b'z' | b'A'..=b'Z' => word(words, at)?,
            _ => return Err(no_word(words, at)),
        };
        let glued = byte.is_ascii_digit() && at > 0 && bytes[at - 1].is_ascii_digit();
        pieces.push(Piece { token, columns: at..at + length, glued });
        at += length;
    }
    Ok(pieces)
}

/// The longest token that begins with the digits at the front of `text`, and its length.
fn digits(text: &[u8], after_month: bool) -> (Token, usize) {
    let run = run_of_digits(text);
    let number = (Token::Number(Number { value: value(&text[..run]), digits: run }), run);
    // At refuses every clock reading right after a month, so POSIX's `jan 1,2027` is free to be a date.
    if after_month && text.get(run) == Some(&b',') && run_of_digits(&text[run + 1..]) == 4 {
        return number;
    }
    year_month_day(text, run)
        .or_else(|| day_month_year(text, run))
        .or_else(|| clock(text, run))
        .unwrap_or(number)
}

/// `(dd or dddd)-d{1,2}-d{1,2}`
fn year_month_day(text: &[u8], run: usize) -> Option<(Token, usize)> {
    if !matches!(run, 2 | 4) {
        return None;
    }
    let (month, end) = part(text, run, b"-", &[2, 1])?;
    let (day, end) = part(text, end, b"-", &[2, 1])?;
    Some((Token::Date { year: value(&text[..run]), month, day }, end))
}

/// `d{1,2}.d{1,2}.(dd or dddd)`
fn day_month_year(text: &[u8], run: usize) -> Option<(Token, usize)> {
    if run > 2 {
        return None;
    }
    let (month, end) = part(text, run, b".", &[2, 1])?;
    let (year, end) = part(text, end, b".", &[4, 2])?;
    Some((Token::Date { year, month, day: value(&text[..run]) }, end))
}

/// `[012]?d` and `dd` with one of `: ' h , .` between
fn clock(text: &[u8], run: usize) -> Option<(Token, usize)> {
    if !(run == 1 || run == 2 && text[0] <= b'2') {
        return None;
    }
    let (minute, end) = part(text, run, b":'hH,.", &[2])?;
    Some((Token::Clock { hour: value(&text[..run]), minute }, end))
}

/// A separator at `at` and as many digits after it as the first of `lengths` that are there.
fn part(text: &[u8], at: usize, separators: &[u8], lengths: &[usize]) -> Option<(u32, usize)> {
    let (separator, rest) = text.get(at..)?.split_first()?;
    if !separators.contains(separator) {
        return None;
    }
    let run = run_of_digits(rest);
    let length = *lengths.iter().find(|length| **length <= run)?;
    Some((value(&rest[..length]), at + 1 + length))
}

fn run_of_digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn value(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |value: u32, digit| {
        value.saturating_mul(10).saturating_add(u32::from(digit - b'0'))
    })
}

/// The longest spelling at `at`; words need no blank between them: `10amtomorrow`.
fn word(words: &str, at: usize) -> Result<(Token, usize), Diagnostic> {
    let rest = &words.as_bytes()[at..];
    SPELLINGS
        .iter()
        .filter(|(spelling, _)| {
            rest.get(..spelling.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(spelling.as_bytes()))
        })
        .max_by_key(|(spelling, _)| spelling.len())
        .map(|(spelling, word)| (Token::Word(*word), spelling.len()))
        .ok_or_else(|| no_word(words, at))
}

/// Says that no word stands at `at`: the whole run of letters there if it is nearly a word or nothing
/// is, else the part of it that could not be read, as in `10amtomorow`.
fn no_word(words: &str, at: usize) -> Diagnostic {
    let letters = |c: char| c.is_alphabetic();
    let first = words[at..].chars().next().map_or(0, char::len_utf8);
    let (begins, ends) = if words[at..].starts_with(letters) {
        let before = &words[..at];
        let length = words[at..].find(|c| !letters(c)).unwrap_or(words.len() - at);
        (before.trim_end_matches(letters).len(), at + length)
    } else {
        (at, at + first)
    };
    let (columns, near) = match (near(&words[begins..ends]), near(&words[at..ends])) {
        (None, Some(near)) => (at..ends, Some(near)),
        (near, _) => (begins..ends, near),
    };
    let wrong = words[columns.clone()].escape_debug().to_string();
    let diagnostic = Diagnostic::error("T001", 1, columns, format!("no such word: \"{wrong}\""));
    match near {
        Some(near) => diagnostic.help(format!("did you mean \"{near}\"?")),
        None if matches!(
            wrong.to_ascii_lowercase().as_str(),
            "sec" | "secs" | "second" | "seconds"
        ) =>
        {
            diagnostic.help("at counts in minutes; -t takes seconds")
        }
        None => diagnostic,
    }
}

/// The spelling that at most two slips, and no more than every second letter, keep from being `wrong`.
fn near(wrong: &str) -> Option<&'static str> {
    let wrong: Vec<char> = wrong.to_lowercase().chars().take(16).collect();
    let distance = |spelling: &str| slips(&wrong, &spelling.chars().collect::<Vec<_>>());
    SPELLINGS
        .iter()
        .map(|(spelling, _)| (distance(spelling), *spelling))
        .filter(|(distance, _)| *distance <= 2 && distance * 2 < wrong.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, spelling)| spelling)
}

/// How many letters must be added, dropped, changed or swapped with the next to make one of the other.
fn slips(one: &[char], other: &[char]) -> usize {
    let mut table = vec![(0..=other.len()).collect::<Vec<usize>>()];
    for (row, letter) in one.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, wanted) in other.iter().enumerate() {
            let changed = table[row][column] + usize::from(letter != wanted);
            let least = changed.min(table[row][column + 1] + 1).min(line[column] + 1);
            let swapped =
                row > 0 && column > 0 && *letter == other[column - 1] && one[row - 1] == *wanted;
            line.push(if swapped { least.min(table[row - 1][column - 1] + 1) } else { least });
        }
        table.push(line);
    }
    table[one.len()][other.len()]
}
