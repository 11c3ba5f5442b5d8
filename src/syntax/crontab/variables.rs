//! What an assignment does: the environment of the entries below, and for some variables more than that. Knows no
//! line's form.

use std::ops::Range;

use crate::plan::text::Text;
use crate::syntax::crontab::assignment::is_space;
use crate::syntax::crontab::{Assigned, Entry, Reading, ZoneName};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::dialect::ZoneRule;
use crate::syntax::options::Key;

impl Reading<'_> {
    pub(super) fn assign(&mut self, name: &[u8], value: &[u8], line: u32, columns: Range<usize>) {
        let odd = |byte: &u8| !(byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80);
        if name.is_empty() || name.iter().any(odd) || name[0].is_ascii_digit() {
            let message = format!(
                "this is an assignment to a variable named `{}`",
                String::from_utf8_lossy(name).escape_debug()
            );
            self.say(Diagnostic::warning("W058", line, 0..columns.end, message));
        }
        if self.dialect.without_effect.iter().any(|known| known.as_bytes() == name) {
            let message = format!("{} leaves this variable as it is", self.dialect.cron);
            self.say(Diagnostic::warning("W059", line, columns, message));
            return;
        }
        if self.dialect.options {
            let (entries, said) = (self.crontab.entries.len(), &mut self.crontab.diagnostics);
            self.directives.assignment((name, value), line, columns.clone(), entries, said);
        }
        match name {
            b"CRON_TZ" => self.set_zone(value, line, columns),
            b"RANDOM_DELAY" if self.dialect.random_delay => {
                self.set_random_delay(value, line, columns);
            }
            _ => {}
        }
        let (name, value) = (Text(name.to_vec()), Text(value.to_vec()));
        self.crontab.assignments.push(Assigned { line, value: value.clone() });
        self.environment.assign(name, value);
    }

    fn set_zone(&mut self, value: &[u8], line: u32, columns: Range<usize>) {
        let name = String::from_utf8_lossy(value).into_owned();
        if name.is_empty() {
            self.zone = None;
            return;
        }
        if self.dialect.zone == ZoneRule::Ignored {
            let message = format!("{} reads no schedule in another zone", self.dialect.cron);
            self.say(Diagnostic::warning("W055", line, columns, message));
            return;
        }
        if self.crontab.zones.is_empty() && !self.dialect.whole_file {
            let message = "the entries below are read in this zone".to_owned();
            self.say(
                Diagnostic::warning("W055", line, columns.clone(), message)
                    .label("Debian's and busybox's cron read them in the machine's own"),
            );
        }
        self.crontab.zones.push(ZoneName { line, columns, name: name.clone() });
        self.zone = Some(name);
    }

    /// An entry's own zone counts more than the one in force.
    pub(super) fn set_zone_of(&mut self, entry: &mut Entry) {
        let Some(chosen) = entry.options.get(Key::Tz) else { return };
        let Some(name) = chosen.value.text().map(str::to_owned) else { return };
        let (line, columns) = (chosen.line, chosen.columns.clone());
        let named = ZoneName { line, columns, name: name.clone() };
        if self.crontab.zones.last() != Some(&named) {
            self.crontab.zones.push(named);
        }
        entry.zone = Some(name);
    }

    fn set_random_delay(&mut self, value: &[u8], line: u32, columns: Range<usize>) {
        let minutes = if self.dialect.is_rat() {
            str::from_utf8(value).ok().and_then(|text| text.parse().ok())
        } else {
            leading_number(value)
        };
        match minutes.filter(|minutes| *minutes <= 1440) {
            Some(minutes) => self.random_delay = minutes,
            None => {
                self.random_delay = 0;
                let message = "RANDOM_DELAY is a number of minutes, at most 1440".to_owned();
                self.say(
                    Diagnostic::warning("E010", line, columns, message).label("no delay is added"),
                );
            }
        }
    }
}

/// C's strtol: what number a text begins with.
fn leading_number(text: &[u8]) -> Option<u32> {
    let spaces = text.iter().take_while(|byte| is_space(**byte)).count();
    let text = text[spaces..].strip_prefix(b"+").unwrap_or(&text[spaces..]);
    if text.starts_with(b"-") {
        return None;
    }
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    str::from_utf8(&text[..digits]).ok().and_then(|digits| match digits {
        "" => Some(0),
        digits => digits.parse().ok(),
    })
}
