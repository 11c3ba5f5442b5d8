//! What is said about a field that is wrong, or not as it was meant, and what to write instead. Selects nothing.

use std::ops::Range;

use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::field::{DAY, HOUR, MINUTE, Reader, SECOND, WEEKDAY, WEEKDAYS, named, nearest};

impl Reader<'_, '_> {
    #[cold]
    pub(super) fn out_of_range(&self, range: Range<usize>) -> Diagnostic {
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
    pub(super) fn unknown_name(&mut self, start: usize) -> Diagnostic {
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
    pub(super) fn not_a_value(&mut self, start: usize) -> Diagnostic {
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
    pub(super) fn stray(&self) -> Diagnostic {
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

    #[cold]
    pub(super) fn no_step(&self, start: usize) -> Diagnostic {
        let text = self.shown(start..self.at);
        self.error("E006", start..self.at, format!("`{text}` has no step that leads anywhere"))
    }

    #[cold]
    pub(super) fn warn_of_rest(&mut self) {
        let rest = self.shown(self.at..self.text.len());
        let message = format!("`{rest}` is left out");
        self.warn("W059", self.at..self.text.len(), message, "this is not read".to_owned());
    }

    /// `*/35` restarts at each full hour, which people tend to forget.
    pub(super) fn check_even(&mut self, start: usize, step: u32) {
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

    /// What to write for a range that wraps around: two ranges, or with a step the values themselves.
    pub(super) fn wrapped(&self, range: &[u8], from: u32, to: u32, step: u32) -> String {
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

    pub(super) fn last_weekday(&self, weekday: u32) -> String {
        format!("the last one of a month is `{}L`", WEEKDAYS[weekday as usize % 7].0)
    }

    pub(super) fn shown(&self, range: Range<usize>) -> String {
        String::from_utf8_lossy(&self.text[range]).escape_debug().to_string()
    }

    pub(super) fn error(
        &self,
        code: &'static str,
        range: Range<usize>,
        message: String,
    ) -> Diagnostic {
        let column = self.place.column;
        Diagnostic::error(code, self.place.line, column + range.start..column + range.end, message)
    }

    #[cold]
    pub(super) fn warn(
        &mut self,
        code: &'static str,
        range: Range<usize>,
        message: String,
        label: String,
    ) {
        let column = self.place.column;
        let columns = column + range.start..column + range.end;
        self.warnings
            .push(Diagnostic::warning(code, self.place.line, columns, message).label(label));
    }
}
