//! Crontabs as the clients read them: the file, its form, its zones, and its diagnostics as pictures.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use crate::client::output::complain;
use crate::plan::civil::{Timestamp, meaning};
use crate::syntax::crontab::{Crontab, Form};
use crate::syntax::diagnostic::{Diagnostic, Severity};
use crate::syntax::dialect::{Dialect, RAT, ZoneRule};
use crate::syntax::lines::lines;
use crate::syntax::seed::Seed;
use crate::sys::host;
use crate::zone::{Unknown, Zone};

/// A file larger than this is not a crontab.
const LARGEST_FILE: u64 = 64 << 20;

/// Reads a file, or standard input for `-`.
pub fn load(path: &Path) -> Result<Vec<u8>, String> {
    if path.is_dir() {
        return Err(format!("{}: is a directory; name the files in it", path.display()));
    }
    let mut text = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(LARGEST_FILE + 1).read_to_end(&mut text)
    } else {
        std::fs::File::open(path)
            .and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut text))
    };
    match read {
        Ok(_) if text.len() as u64 > LARGEST_FILE => {
            Err(format!("{}: larger than any crontab", path.display()))
        }
        Ok(_) => Ok(text),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// The form that was asked for, or else the one of the place a file lies in.
pub fn form(path: &Path, system: bool, single: bool) -> Form {
    let in_system =
        path == Path::new("/etc/crontab") || path.parent() == Some(Path::new("/etc/cron.d"));
    match (single, system || in_system) {
        (true, _) => Form::Single,
        (false, true) => Form::System,
        (false, false) => Form::User,
    }
}

/// The seed of this machine and of the user who asks.
pub fn seed() -> Seed {
    Seed { host: host::machine_id(Path::new("/")), owner: host::user_name() }
}

/// The zone that was asked for, or else the machine's own.
pub fn zone(name: Option<&str>) -> Result<Zone, Unknown> {
    name.map_or_else(|| Zone::local(Path::new("/")), Zone::named)
}

/// The machine's own zone; UTC where it cannot be told.
pub fn local_zone() -> Zone {
    Zone::local(Path::new("/")).unwrap_or_else(|_| Zone::utc())
}

/// The dialect that was asked for, or else rat's own.
pub fn dialect(asked: Option<&'static Dialect>) -> &'static Dialect {
    asked.unwrap_or(&RAT)
}

/// Looks up every zone that a crontab names; one that does not exist is an error of its line, and the
/// entries below it go. In a dialect it is UTC.
pub fn zones(crontab: &mut Crontab, dialect: &'static Dialect) -> HashMap<String, Zone> {
    let mut found = HashMap::new();
    for named in std::mem::take(&mut crontab.zones) {
        match Zone::in_zoneinfo(&named.name) {
            Ok(zone) => {
                found.insert(named.name, zone);
            }
            Err(unknown) if dialect.zone == ZoneRule::ByTheClock => {
                crontab.diagnostics.push(named.taken_for_utc(unknown.to_string()));
                found.insert(named.name, Zone::utc());
            }
            Err(unknown) => crontab.diagnostics.push(named.unknown(unknown.to_string())),
        }
    }
    crontab.diagnostics.sort_by_key(|said| said.line);
    crontab.entries.retain(|entry| entry.zone.as_ref().is_none_or(|name| found.contains_key(name)));
    found
}

/// Whether any of them is an error.
pub fn any_error(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|said| said.severity == Severity::Error)
}

/// Draws all diagnostics of a text on standard error.
pub fn complain_about(diagnostics: &[Diagnostic], file: &str, text: &[u8]) {
    for picture in pictures(diagnostics, file, text) {
        complain(&picture);
    }
}

/// All diagnostics of a text as pictures.
pub fn pictures(diagnostics: &[Diagnostic], file: &str, text: &[u8]) -> Vec<String> {
    let lines: Vec<&[u8]> = lines(text).collect();
    let picture = |said: &Diagnostic| {
        let line = lines.get((said.line as usize).saturating_sub(1)).copied().unwrap_or_default();
        said.picture(file, &String::from_utf8_lossy(line))
    };
    diagnostics.iter().map(picture).collect()
}

/// An instant as people write it: RFC 3339, or without an offset the reading of a clock in `zone`.
pub fn instant(text: &str, zone: &Zone) -> Result<Timestamp, String> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.with_timezone(&Utc));
    }
    let forms =
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let reading = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let date =
        NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|date| date.and_time(NaiveTime::MIN));
    match reading.or(date.ok()) {
        Some(reading) => Ok(meaning(zone, reading).instant()),
        None => Err(format!("\"{text}\" is not a time such as 2026-03-08T02:30:00-05:00")),
    }
}
