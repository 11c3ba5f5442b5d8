//! An item of a field as Quartz has it besides rat's: `?`, `LW`, `15W`, `6L`, `5/15`, and lists with nothing between two
//! commas. What it shares with rat, `rat` reads.

use crate::plan::schedule::LAST;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::field::{DAY, Item, Reader, WEEKDAY, named};

impl Reader<'_, '_> {
    /// What Quartz has besides, which rat alone would reject.
    pub(super) fn item_of_quartz(&mut self) -> Result<Item, Diagnostic> {
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
        self.item_of_rat()
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
}
