//! What the wall clock says: zone files of the system read, civil time to instants and back.
//! The rules inside the files are jiff's to read; chrono's own `Local` is wrong at every clock change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, Utc};
use jiff::Timestamp as Instant;
use jiff::tz::TimeZone;

use crate::plan::civil::{Meaning, Offsets, Span, meaning};

/// One time zone. Cheap to clone.
#[derive(Clone)]
pub struct Zone(Arc<Rules>);

struct Rules {
    name: String,
    rules: TimeZone,
    /// All spans up to the first change after 2100, in order; jiff is asked only past those.
    spans: Vec<Span>,
    /// The index of the span at each multiple of `STRIDE` from 1970 to 2100, where searches begin.
    marks: Vec<u32>,
}

/// Half a year, so that a search ends within a step or two.
const STRIDE: i64 = 1 << 24;

/// Why a zone could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The zone as it was named.
    pub name: String,
    /// What stood in the way.
    pub why: String,
}

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no such time zone: \"{}\" ({})", self.name.escape_debug(), self.why)
    }
}

/// 2100-01-01, in seconds since 1970.
const FAR: i64 = 4_102_444_800;

/// No zone file is near this size; a larger file is not one.
const LARGEST_FILE: u64 = 1 << 20;

impl Zone {
    /// UTC.
    pub fn utc() -> Zone {
        Zone::new("UTC", TimeZone::UTC)
    }

    /// The zone of this machine, from `TZ` where it is set, else from /etc/localtime under `root`, else UTC.
    pub fn local(root: &Path) -> Result<Zone, Unknown> {
        match std::env::var("TZ") {
            Ok(tz) if !tz.is_empty() => Zone::named(tz.trim_start_matches(':')),
            Ok(_) => Ok(Zone::utc()),
            Err(_) => Zone::from_localtime(root),
        }
    }

    /// A zone by its name in the system's zoneinfo (`Europe/Berlin`), by a file's absolute path, or by
    /// a POSIX rule (`EST5EDT,M3.2.0,M11.1.0`).
    pub fn named(name: &str) -> Result<Zone, Unknown> {
        if name.starts_with('/') {
            return Zone::from_file(name, Path::new(name));
        }
        Zone::in_zoneinfo(name).or_else(|unknown| match TimeZone::posix(name) {
            Ok(rules) if name.contains(|c: char| c.is_ascii_digit()) => Ok(Zone::new(name, rules)),
            _ => Err(unknown),
        })
    }

    /// A zone by its name in the system's zoneinfo and nothing else, for names that users hand to ratd.
    pub fn in_zoneinfo(name: &str) -> Result<Zone, Unknown> {
        if name.is_empty()
            || name.starts_with('/')
            || name.split('/').any(|part| matches!(part, "" | "." | ".."))
        {
            return Err(Unknown {
                name: name.to_owned(),
                why: "names look like Europe/Berlin".to_owned(),
            });
        }
        Zone::from_file(name, &zoneinfo().join(name))
    }

    /// Where there is no /etc/localtime the clock on the wall shows UTC (localtime(5)).
    fn from_localtime(root: &Path) -> Result<Zone, Unknown> {
        let places = [root.join("etc/localtime"), PathBuf::from("/etc/localtime")];
        match places.iter().find(|place| place.symlink_metadata().is_ok()) {
            Some(place) => Zone::from_link(place),
            None => Ok(Zone::utc()),
        }
    }

    /// A zone from a file that is most often a link into zoneinfo, and then named after its target.
    fn from_link(path: &Path) -> Result<Zone, Unknown> {
        let target = path.canonicalize().ok();
        let name =
            target.as_deref().and_then(|target| target.strip_prefix(zoneinfo()).ok()?.to_str());
        Zone::from_file(name.unwrap_or("local time"), path)
    }

    fn from_file(name: &str, path: &Path) -> Result<Zone, Unknown> {
        let unknown = |why: String| Unknown { name: name.to_owned(), why };
        let about = std::fs::metadata(path)
            .map_err(|error| unknown(format!("{}: {error}", path.display())))?;
        if !about.is_file() || about.len() > LARGEST_FILE {
            return Err(unknown(format!("{} is not a zone file", path.display())));
        }
        let bytes =
            std::fs::read(path).map_err(|error| unknown(format!("{}: {error}", path.display())))?;
        let rules = TimeZone::tzif(name, &bytes).map_err(|error| unknown(error.to_string()))?;
        Ok(Zone::new(name, rules))
    }

    fn new(name: &str, rules: TimeZone) -> Zone {
        let mut spans = Vec::new();
        let mut begins = i64::MIN;
        let mut offset = i64::from(rules.to_offset(Instant::MIN).seconds());
        for change in rules.following(Instant::MIN) {
            let at = change.timestamp().as_second();
            let next = i64::from(change.offset().seconds());
            // Names and summer-time flags change too; only the offset matters here.
            if next != offset {
                spans.push(Span { begins, ends: at, offset });
                (begins, offset) = (at, next);
                if at >= FAR {
                    return Zone::of(name, rules, spans);
                }
            }
        }
        spans.push(Span { begins, ends: i64::MAX, offset });
        Zone::of(name, rules, spans)
    }

    fn of(name: &str, rules: TimeZone, spans: Vec<Span>) -> Zone {
        let index = |at: i64| spans.partition_point(|span| span.ends <= at) as u32;
        let marks = (0..=FAR / STRIDE).map(|mark| index(mark * STRIDE)).collect();
        Zone(Arc::new(Rules { name: name.to_owned(), rules, spans, marks }))
    }

    /// The name it was asked for by.
    pub fn name(&self) -> &str {
        &self.0.name
    }
}

/// Where the system keeps its zone files.
pub fn zoneinfo() -> PathBuf {
    std::env::var_os("TZDIR").map_or_else(|| PathBuf::from("/usr/share/zoneinfo"), PathBuf::from)
}

impl std::fmt::Debug for Zone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Zone({})", self.0.name)
    }
}

impl Offsets for Zone {
    fn span_at(&self, instant: i64) -> Span {
        let spans = &self.0.spans;
        let mark = usize::try_from(instant / STRIDE).ok().and_then(|mark| self.0.marks.get(mark));
        let found = match mark {
            Some(mark) if instant >= 0 => {
                let rest = spans.get(*mark as usize..).unwrap_or_default();
                rest.iter().find(|span| span.ends > instant)
            }
            _ => spans.get(spans.partition_point(|span| span.ends <= instant)),
        };
        match found {
            Some(span) => *span,
            None => self.0.span_past_the_table(instant),
        }
    }

    fn name(&self) -> Option<&str> {
        Some(&self.0.name)
    }
}

impl Rules {
    fn span_past_the_table(&self, instant: i64) -> Span {
        let at = Instant::from_second(instant).unwrap_or(if instant < 0 {
            Instant::MIN
        } else {
            Instant::MAX
        });
        let offset = i64::from(self.rules.to_offset(at).seconds());
        let differs = |change: &jiff::tz::TimeZoneTransition<'_>| {
            i64::from(change.offset().seconds()) != offset
        };
        let ends = self
            .rules
            .following(at)
            .find(differs)
            .map_or(i64::MAX, |change| change.timestamp().as_second());
        // `preceding` is strict: ask one second later, so that a change at `at` itself counts.
        let after = Instant::from_second(instant.saturating_add(1)).unwrap_or(Instant::MAX);
        let mut begins = i64::MIN;
        for change in self.rules.preceding(after) {
            if differs(&change) {
                break;
            }
            begins = change.timestamp().as_second();
        }
        Span { begins, ends, offset }
    }
}

/// The distance from UTC at one instant, for chrono's formatting.
#[derive(Clone, Debug)]
pub struct Offset {
    zone: Zone,
    fixed: FixedOffset,
}

impl std::fmt::Display for Offset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.fixed.fmt(f)
    }
}

impl chrono::Offset for Offset {
    fn fix(&self) -> FixedOffset {
        self.fixed
    }
}

impl Zone {
    fn offset_at(&self, instant: i64) -> Offset {
        let seconds = self.span_at(instant).offset;
        // Offsets of a day and more do not occur in zone files; chrono could not hold them.
        let fixed = i32::try_from(seconds).ok().and_then(FixedOffset::east_opt);
        Offset {
            zone: self.clone(),
            fixed: fixed.unwrap_or(FixedOffset::east_opt(0).expect("0 is an offset")),
        }
    }
}

impl chrono::TimeZone for Zone {
    type Offset = Offset;

    fn from_offset(offset: &Offset) -> Zone {
        offset.zone.clone()
    }

    fn offset_from_local_date(&self, local: &NaiveDate) -> MappedLocalTime<Offset> {
        self.offset_from_local_datetime(&local.and_time(chrono::NaiveTime::MIN))
    }

    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> MappedLocalTime<Offset> {
        match meaning(self, *local) {
            Meaning::Once(at) => MappedLocalTime::Single(self.offset_at(at.timestamp())),
            Meaning::Skipped(_) => MappedLocalTime::None,
            Meaning::Twice(first, second) => MappedLocalTime::Ambiguous(
                self.offset_at(first.timestamp()),
                self.offset_at(second.timestamp()),
            ),
        }
    }

    fn offset_from_utc_date(&self, utc: &NaiveDate) -> Offset {
        self.offset_from_utc_datetime(&utc.and_time(chrono::NaiveTime::MIN))
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> Offset {
        self.offset_at(DateTime::<Utc>::from_naive_utc_and_offset(*utc, Utc).timestamp())
    }
}
