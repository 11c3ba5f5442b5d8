//! One field of a schedule: `*/5`, `mon-fri`, `0~30`. Knows its units, their numbers and names, and that items with
//! commas between them make it; each cron's own file knows what an item is. Not how fields make a schedule.

mod quartz;
mod rat;
mod ring;
mod vixie;
mod wrong;

use crate::plan::schedule::{ALL_WEEKDAYS, LAST};
use crate::syntax::diagnostic::{Diagnostic, Severity};
use crate::syntax::dialect::{Fields, Vixie};
use crate::syntax::seed::Dice;

/// What a field counts.
#[derive(Debug, PartialEq, Eq)]
pub struct Unit {
    /// `hour`
    pub singular: &'static str,
    /// `hours`
    pub plural: &'static str,
    /// The smallest number it takes.
    pub first: u32,
    /// The largest number it takes.
    pub last: u32,
    /// The largest number `*` stands for; a weekday may be 7, which is 0 again.
    top: u32,
    /// Short and full names, from `first` on.
    names: &'static [(&'static str, &'static str)],
}

const fn unit(singular: &'static str, plural: &'static str, first: u32, last: u32) -> Unit {
    Unit { singular, plural, first, last, top: last, names: &[] }
}

/// Of a schedule with seven fields.
pub const SECOND: Unit = unit("second", "seconds", 0, 59);
/// The first of five fields.
pub const MINUTE: Unit = unit("minute", "minutes", 0, 59);
/// The second of five fields.
pub const HOUR: Unit = unit("hour", "hours", 0, 23);
/// The third of five fields; `L` and `$` are the last day of the month.
pub const DAY: Unit = unit("day", "days", 1, 31);
/// The fourth of five fields.
pub const MONTH: Unit = Unit { names: MONTHS, ..unit("month", "months", 1, 12) };
/// The last of five fields.
pub const WEEKDAY: Unit = Unit { names: WEEKDAYS, top: 6, ..unit("weekday", "weekdays", 0, 7) };
/// Of a schedule with seven fields; the `cron` crate's bounds.
pub const YEAR: Unit = unit("year", "years", 1970, 2100);

const MONTHS: &[(&str, &str)] = &[
    ("jan", "january"),
    ("feb", "february"),
    ("mar", "march"),
    ("apr", "april"),
    ("may", "may"),
    ("jun", "june"),
    ("jul", "july"),
    ("aug", "august"),
    ("sep", "september"),
    ("oct", "october"),
    ("nov", "november"),
    ("dec", "december"),
];

const WEEKDAYS: &[(&str, &str)] = &[
    ("sun", "sunday"),
    ("mon", "monday"),
    ("tue", "tuesday"),
    ("wed", "wednesday"),
    ("thu", "thursday"),
    ("fri", "friday"),
    ("sat", "saturday"),
];

/// Where a piece of text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// The byte of the line it begins at, from 0.
    pub column: usize,
}

/// What one field selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Bit N for value N; for days, bit 0 is the last day of the month, and for weekdays there are those that
    /// `Calendar` has besides.
    pub bits: u64,
    /// For days, those for which the nearest working day is meant; bit 0 is the last day of the month.
    pub workdays: u32,
    /// The text begins with `*`, whatever follows: Vixie's star flag.
    pub star: bool,
}

/// Reads a field of any unit but years. Warnings are added to `warnings`.
pub fn parse(
    text: &[u8],
    unit: &'static Unit,
    place: Place,
    fields: Fields,
    dice: &mut Dice<'_>,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Field, Diagnostic> {
    if text == b"*" && fields != Fields::Ring {
        let all = Item::Values { from: unit.first, to: unit.top, step: 1 };
        return Ok(Field { bits: all.bits(), workdays: 0, star: true });
    }
    let (mut bits, mut workdays) = (0, 0);
    let mut reader = Reader { text, at: 0, unit, place, fields, dice, warnings };
    let read = reader.items(&mut |item| {
        bits |= item.bits();
        workdays |= if let Item::Workday(day) = item { 1 << day } else { 0 };
    });
    match (read, fields) {
        (Err(wrong), Fields::Ring) => {
            // The error is logged, and what was filled before it is what the entry has.
            let severity = Severity::Warning;
            warnings.push(Diagnostic { severity, ..wrong }.help("busybox's cron runs this anyway"));
        }
        (Err(wrong), _) => return Err(wrong),
        (Ok(()), _) => {}
    }
    if *unit == WEEKDAY {
        let week = (bits | bits >> 7 & 1) & ALL_WEEKDAYS;
        let said_already = (1..=LAST).fold(0, |bits, nth| bits | week << (7 * nth));
        bits = week | (bits >> BY_NUMBER << 7 & !said_already);
    }
    Ok(Field { bits, workdays, star: has_star(text, unit, fields) })
}

/// Whether the field leaves it to the others. Of days Quartz asks for a whole item that is a star, Vixie for a byte.
fn has_star(text: &[u8], unit: &Unit, fields: Fields) -> bool {
    if fields == Fields::Quartz && [DAY, WEEKDAY].contains(unit) {
        return text.split(|byte| *byte == b',').any(|item| item == b"*" || item == b"?");
    }
    text.first() == Some(&b'*')
}

/// Reads a field of years: the years themselves, in order.
pub fn years(
    text: &[u8],
    place: Place,
    fields: Fields,
    dice: &mut Dice<'_>,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Vec<u32>, Diagnostic> {
    let mut years = Vec::new();
    let mut reader = Reader { text, at: 0, unit: &YEAR, place, fields, dice, warnings };
    reader.items(&mut |item| {
        if let Item::Values { from, to, step } = item {
            years.extend((from..=to).step_by(step as usize));
        }
        // No more years than there are, however long the field is.
        if years.len() > 4096 {
            years.sort_unstable();
            years.dedup();
        }
    })?;
    years.sort_unstable();
    years.dedup();
    Ok(years)
}

/// Whether a word could be meant as a field: nothing but numbers, names, and the signs between them.
pub fn looks_like_one(word: &[u8]) -> bool {
    let sign = |byte: &u8| b"*,-/~$?#".contains(byte);
    let known = |part: &[u8]| {
        let part = part.strip_suffix(b"L").unwrap_or(part);
        part.iter().all(u8::is_ascii_digit)
            || [MONTHS, WEEKDAYS].iter().any(|names| named(part, names).is_some())
    };
    !matches!(word.first(), None | Some(b'-' | b'/' | b'#' | b'$')) && word.split(sign).all(known)
}

/// Where numbered weekdays begin while a field is read, behind those of every week and 7.
const BY_NUMBER: u32 = 8;

/// Some of a field's values.
#[derive(Clone, Copy)]
enum Item {
    /// Every `step`th from `from` to `to`; `step` is at least 1.
    Values { from: u32, to: u32, step: u32 },
    /// The last day of the month.
    LastDay,
    /// The Nth of a weekday in a month, or the last.
    Weekday { weekday: u32, nth: u32 },
    /// The working day that is nearest to a day of the month, or to the last for 0.
    Workday(u32),
    /// What another cron would select.
    Bits(u64),
}

impl Item {
    fn bits(self) -> u64 {
        match self {
            Item::Values { from, to, step: 1 } => (u64::MAX >> (63 - (to - from))) << from,
            Item::Values { from, to, step } => {
                (from..=to).step_by(step as usize).fold(0, |bits, value| bits | 1 << value)
            }
            Item::LastDay => 1,
            Item::Weekday { weekday, nth } => 1 << (BY_NUMBER + 7 * (nth - 1) + weekday % 7),
            Item::Bits(bits) => bits,
            Item::Workday(_) => 0,
        }
    }
}

/// A field as far as it was read.
struct Reader<'r, 'd> {
    text: &'r [u8],
    at: usize,
    unit: &'static Unit,
    place: Place,
    fields: Fields,
    dice: &'r mut Dice<'d>,
    warnings: &'r mut Vec<Diagnostic>,
}

impl Reader<'_, '_> {
    fn items(&mut self, select: &mut dyn FnMut(Item)) -> Result<(), Diagnostic> {
        loop {
            match self.fields {
                Fields::Rat => select(self.item_of_rat()?),
                Fields::Quartz => select(self.item_of_quartz()?),
                Fields::Vixie(vixie) => select(self.item_of_vixie(&vixie)?),
                Fields::Ring => select(self.item_of_ring()?),
            }
            match (self.peek(), self.fields) {
                (None, _) => return Ok(()),
                // Of Quartz' list an end that is empty is none of its items.
                (Some(b','), Fields::Quartz)
                    if self.text[self.at..].iter().all(|byte| *byte == b',') =>
                {
                    return Ok(());
                }
                (Some(b','), _) => self.at += 1,
                // Where the rest is left out, this byte is taken for the end of the file before it can be.
                (Some(0xff), Fields::Vixie(_)) => return Err(self.stray()),
                (Some(_), Fields::Vixie(Vixie { drops_rest: true, .. })) => {
                    self.warn_of_rest();
                    return Ok(());
                }
                (Some(_), _) => return Err(self.stray()),
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Bytes up to the next comma or the end.
    fn rest_of_item(&self) -> usize {
        self.text[self.at..].iter().take_while(|byte| **byte != b',').count()
    }
}

/// What C makes of digits when it puts a long number into an int.
fn c_number(digits: &[u8]) -> i32 {
    let number = digits.iter().fold(0i64, |number, digit| {
        number.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
    });
    number as i32
}

fn named(word: &[u8], names: &[(&str, &str)]) -> Option<usize> {
    names.iter().position(|(short, full)| {
        word.eq_ignore_ascii_case(short.as_bytes()) || word.eq_ignore_ascii_case(full.as_bytes())
    })
}

/// Longer words are not looked for.
const LONGEST: usize = 16;

/// The word that is nearest, at most two edits away, and less than half of it.
pub fn nearest<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    if word.len() > LONGEST {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let near = |name: &'n str| {
        let most = 2.min(name.len().saturating_sub(1) / 2);
        // As many edits at least as there are bytes more or less: most names are told apart by that.
        let may_be_near = name.len().abs_diff(word.len()) <= most;
        let edits = may_be_near.then(|| edits(&word, name)).filter(|edits| *edits <= most)?;
        Some((edits, name))
    };
    names.filter_map(near).min_by_key(|(edits, _)| *edits).map(|(_, name)| name)
}

/// Levenshtein's distance to a word that is at most two bytes longer than `LONGEST`.
fn edits(from: &str, to: &str) -> usize {
    let mut row: [usize; LONGEST + 3] = std::array::from_fn(|column| column);
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}
