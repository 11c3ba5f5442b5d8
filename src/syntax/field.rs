//! One field of a schedule: `*/5`, `mon-fri`, `0~30`. Knows its numbers, names and forms, and what to write
//! instead of a wrong one; not how fields make a schedule.

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
                Fields::Rat => select(self.item()?),
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

    /// What Quartz has besides, which rat alone would reject.
    fn item_of_quartz(&mut self) -> Result<Item, Diagnostic> {
        // `1,,2` and `,1` are lists too, but nothing is none.
        let is_more = self.text[self.at..].iter().any(|byte| *byte != b',');
        while self.peek() == Some(b',') && is_more {
            self.at += 1;
        }
        let start = self.at;
        let item = self.text[start..start + self.rest_of_item()].to_ascii_lowercase();
        let whole = |selected| Some((item.len(), selected));
        let found = match item.as_slice() {
            b"?" => whole(Item::Values { from: self.unit.first, to: self.unit.top, step: 1 }),
            b"l" if *self.unit == DAY => whole(Item::LastDay),
            b"lw" if *self.unit == DAY => whole(Item::Workday(0)),
            [day @ .., b'w'] if *self.unit == DAY => {
                let day = str::from_utf8(day).ok().and_then(|day| day.parse().ok());
                day.filter(|day| (1..=31).contains(day)).and_then(|day| whole(Item::Workday(day)))
            }
            [day @ .., b'l'] if *self.unit == WEEKDAY => self.last_of_quartz(day).and_then(whole),
            _ => None,
        };
        if let Some((length, selected)) = found {
            self.at += length;
            return Ok(selected);
        }
        if let Some(stepped) = self.step_of_quartz(&item)? {
            return Ok(stepped);
        }
        self.item()
    }

    fn last_of_quartz(&self, weekday: &[u8]) -> Option<Item> {
        let number = || str::from_utf8(weekday).ok()?.parse::<u32>().ok().filter(|day| *day <= 7);
        let name = || named(weekday, self.unit.names).map(|index| index as u32);
        number().or_else(name).map(|weekday| Item::Weekday { weekday, nth: LAST })
    }

    /// `5/15`: from 5 on, to the end of the unit.
    fn step_of_quartz(&mut self, item: &[u8]) -> Result<Option<Item>, Diagnostic> {
        let slash = item.iter().position(|byte| *byte == b'/');
        let is_value = |from: &[u8]| !from.is_empty() && from.iter().all(u8::is_ascii_alphanumeric);
        if !slash.is_some_and(|slash| is_value(&item[..slash])) {
            return Ok(None);
        }
        let start = self.at;
        let from = self.value()?;
        self.stepped(start, from, self.unit.top).map(Some)
    }

    fn item(&mut self) -> Result<Item, Diagnostic> {
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

    fn last_weekday(&self, weekday: u32) -> String {
        format!("the last one of a month is `{}L`", WEEKDAYS[weekday as usize % 7].0)
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

    /// What to write for a range that wraps around: two ranges, or with a step the values themselves.
    fn wrapped(&self, range: &[u8], from: u32, to: u32, step: u32) -> String {
        let unit = self.unit;
        if step > 1 {
            let size = unit.top - unit.first + 1;
            let values = (from..=to + size).step_by(step as usize);
            let names: Vec<String> = values
                .map(|value| ((value - unit.first) % size + unit.first).to_string())
                .collect();
            return names.join(",");
        }
        let named = range.first().is_some_and(u8::is_ascii_alphabetic);
        let name = |value: u32| match unit.names.get((value - unit.first) as usize) {
            Some((short, _)) if named => (*short).to_owned(),
            _ => value.to_string(),
        };
        let span = |from: u32, to: u32| {
            if from == to { name(from) } else { format!("{}-{}", name(from), name(to)) }
        };
        if from > unit.top {
            return span(unit.first, to);
        }
        format!("{},{}", span(from, unit.top), span(unit.first, to))
    }

    /// The values from `from` to `to`, with the step that may follow.
    fn stepped(&mut self, start: usize, from: u32, to: u32) -> Result<Item, Diagnostic> {
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

    /// `*/35` restarts at each full hour, which people tend to forget.
    fn check_even(&mut self, start: usize, step: u32) {
        let unit = self.unit;
        let size = unit.top - unit.first + 1;
        if ![SECOND, MINUTE, HOUR].contains(unit) || size.is_multiple_of(step) {
            return;
        }
        let last = (size - 1) / step * step;
        let (colon, width) = if *unit == HOUR { ("", 0) } else { (":", 2) };
        let between = match last / step {
            1 => " and ".to_owned(),
            2 => format!(", {colon}{step:0width$} and "),
            _ => format!(", {colon}{step:0width$} … "),
        };
        let label = format!(
            "fires at {colon}{:0width$}{between}{colon}{last:0width$}: gaps of {step} and {} {}",
            0,
            size - last,
            unit.plural
        );
        let text = self.shown(start..self.at);
        let message = format!("`{text}` does not fire every {step} {}", unit.plural);
        self.warn("W031", start..self.at, message, label);
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
    fn step(&mut self) -> Result<Option<u32>, Diagnostic> {
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

    fn step_after_one_value(&mut self, start: usize, value: u32) -> Diagnostic {
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
    fn value(&mut self) -> Result<u32, Diagnostic> {
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

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Bytes up to the next comma or the end.
    fn rest_of_item(&self) -> usize {
        self.text[self.at..].iter().take_while(|byte| **byte != b',').count()
    }

    fn shown(&self, range: std::ops::Range<usize>) -> String {
        String::from_utf8_lossy(&self.text[range]).escape_debug().to_string()
    }

    fn error(
        &self,
        code: &'static str,
        range: std::ops::Range<usize>,
        message: String,
    ) -> Diagnostic {
        let column = self.place.column;
        Diagnostic::error(code, self.place.line, column + range.start..column + range.end, message)
    }

    #[cold]
    fn warn(
        &mut self,
        code: &'static str,
        range: std::ops::Range<usize>,
        message: String,
        label: String,
    ) {
        let column = self.place.column;
        let columns = column + range.start..column + range.end;
        self.warnings
            .push(Diagnostic::warning(code, self.place.line, columns, message).label(label));
    }
}

/// Items as other crons read them.
impl<'r> Reader<'r, '_> {
    /// Numbers are C's: they wrap around at 32 bits, and are compared as they come.
    fn item_of_vixie(&mut self, vixie: &Vixie) -> Result<Item, Diagnostic> {
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

    /// A ring is filled from the first number to the second, every so many, however far that is; what is not on
    /// the ring is never reached, so that all of it is filled.
    fn item_of_ring(&mut self) -> Result<Item, Diagnostic> {
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

    #[cold]
    fn no_step(&self, start: usize) -> Diagnostic {
        let text = self.shown(start..self.at);
        self.error("E006", start..self.at, format!("`{text}` has no step that leads anywhere"))
    }

    #[cold]
    fn warn_of_rest(&mut self) {
        let rest = self.shown(self.at..self.text.len());
        let message = format!("`{rest}` is left out");
        self.warn("W059", self.at..self.text.len(), message, "this is not read".to_owned());
    }
}

/// What C makes of digits when it puts a long number into an int.
fn c_number(digits: &[u8]) -> i32 {
    let number = digits.iter().fold(0i64, |number, digit| {
        number.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
    });
    number as i32
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

/// What is said about wrong text.
impl Reader<'_, '_> {
    #[cold]
    fn out_of_range(&self, range: std::ops::Range<usize>) -> Diagnostic {
        let unit = self.unit;
        let text = self.shown(range.clone());
        let error = self
            .error("E003", range, format!("{} {text} is out of range", unit.singular))
            .label(format!("{} go from {} to {}", unit.plural, unit.first, unit.last));
        match (unit.singular, text.trim_start_matches('0')) {
            ("hour", "24") => error.help("midnight is hour 0"),
            ("minute" | "second", "60") => {
                error.help(format!("after 59 comes {} 0", unit.singular))
            }
            ("day", "") => error.help("the first day is 1; the last day of any month is `L`"),
            _ => error,
        }
    }

    #[cold]
    fn unknown_name(&mut self, start: usize) -> Diagnostic {
        let unit = self.unit;
        let word = self.shown(start..self.at);
        if *unit == WEEKDAY && word.eq_ignore_ascii_case("l") {
            return self.not_a_value(start);
        }
        let error =
            self.error("E005", start..self.at, format!("unknown {} \"{word}\"", unit.singular));
        if let Some(weekday) =
            word.strip_suffix('l').and_then(|word| named(word.as_bytes(), WEEKDAYS))
            && *unit == WEEKDAY
        {
            return error.help(self.last_weekday(weekday as u32));
        }
        let names = unit.names.iter().flat_map(|(short, full)| [*short, *full]);
        match nearest(&word, names) {
            Some(name) => error.label(format!("did you mean `{name}`?")),
            None => {
                let names: Vec<&str> = unit.names.iter().map(|(short, _)| *short).collect();
                error.help(format!("{} are {}", unit.plural, names.join(", ")))
            }
        }
    }

    /// Something stands where a number or a name is expected.
    #[cold]
    fn not_a_value(&mut self, start: usize) -> Diagnostic {
        self.at = start;
        let end = start + self.rest_of_item();
        let unit = self.unit;
        if end == start {
            let around = start.saturating_sub(1)..self.text.len().min(start + 1);
            return self
                .error("E002", around, format!("a {} is missing here", unit.singular))
                .help("no blanks, and nothing empty, between commas");
        }
        let text = self.shown(start..end);
        let expected = if unit.names.is_empty() { "a number" } else { "a number or a name" };
        let error = self
            .error("E002", start..end, format!("`{text}` is not a {}", unit.singular))
            .label(format!("{expected} from {} to {} is expected", unit.first, unit.last));
        match self.text[start] {
            b'?' => error.help("write `*`"),
            b'-' => error.help("there are no negative numbers"),
            b'L' if *unit == DAY => {
                error.help("`L` stands alone: nothing is counted from the last day")
            }
            _ => error,
        }
    }

    /// Something follows a complete item.
    #[cold]
    fn stray(&self) -> Diagnostic {
        let start =
            self.text[..self.at].iter().rposition(|byte| *byte == b',').map_or(0, |at| at + 1);
        let end = self.at + self.rest_of_item();
        let item = self.shown(start..end);
        let message = format!("`{item}` is not a {}", self.unit.singular);
        let error = self.error("E002", self.at..end, message);
        match (self.text[self.at], self.text.get(self.at + 1)) {
            (b'#' | b'L', _) if *self.unit == WEEKDAY => {
                let mark = self.shown(self.at..end);
                error
                    .label(format!("only a single weekday takes `{mark}`"))
                    .help(format!("write each with its own, as in `mon{mark},tue{mark}`"))
            }
            (b'-' | b'/', _) if self.text[start..self.at].contains(&b'#') => error
                .label("a numbered weekday has no range and no step")
                .help("write a list, as in `mon#1,mon#3`"),
            (b'W', _) if *self.unit == DAY => error.label("rat has no nearest working day"),
            _ if self.text[start] == b'*' => {
                error.label("after `*` only a step like `/5` may follow")
            }
            _ => error
                .label("nothing may follow here but `,`, `-`, `~` or `/`")
                .help("Debian's cron reads what stands before it and drops the rest"),
        }
    }
}

fn named(word: &[u8], names: &[(&str, &str)]) -> Option<usize> {
    names.iter().position(|(short, full)| {
        word.eq_ignore_ascii_case(short.as_bytes()) || word.eq_ignore_ascii_case(full.as_bytes())
    })
}

/// The word that is nearest, at most two edits away, and less than half of it.
pub fn nearest<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    if word.len() > 16 {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let near = |name: &&str| edits(&word, name) <= 2.min(name.len().saturating_sub(1) / 2);
    names.filter(near).min_by_key(|name| edits(&word, name))
}

/// Levenshtein's distance.
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
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
