//! What planning needs of a time zone: spans of constant offset. Knows no zone by name; `zone` reads the files.

use chrono::{DateTime, NaiveDateTime, Utc};

/// An instant. All planning is done on instants; civil time is what a zone makes of them.
pub type Timestamp = DateTime<Utc>;

/// A stretch of time in which the civil clock runs beside UTC at a constant distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First second of the span, in seconds since 1970 UTC; `i64::MIN` for the first span of a zone.
    pub begins: i64,
    /// First second after the span; `i64::MAX` for the last one.
    pub ends: i64,
    /// Civil seconds minus UTC seconds.
    pub offset: i64,
}

/// The rules of one time zone.
pub trait Offsets: std::fmt::Debug + Send + Sync {
    /// The span that `instant` (seconds since 1970 UTC) falls into.
    fn span_at(&self, instant: i64) -> Span;

    /// What people call the zone, where they have a name for it.
    fn name(&self) -> Option<&str> {
        None
    }

    /// Up to when schedules that go by another clock than the machine's are passed over at `instant`; that
    /// instant itself where they are not.
    fn passed_over_until(&self, instant: i64) -> i64 {
        instant
    }
}

/// A zone beside the machine's own: while that shows an hour again, times named in this one are passed over, as
/// by cronie.
#[derive(Clone, Debug)]
pub struct Beside<Z> {
    /// The zone that schedules are read in.
    pub zone: Z,
    /// The machine's own.
    pub own: Z,
}

impl<Z: Offsets> Offsets for Beside<Z> {
    fn span_at(&self, instant: i64) -> Span {
        self.zone.span_at(instant)
    }

    fn name(&self) -> Option<&str> {
        self.zone.name()
    }

    fn passed_over_until(&self, instant: i64) -> i64 {
        const LONGEST_REPEATED: i64 = 3 * 3600;
        let span = self.own.span_at(instant);
        if span.begins == i64::MIN || instant - span.begins > LONGEST_REPEATED {
            return instant;
        }
        let repeated = self.own.span_at(span.begins - 1).offset - span.offset;
        if repeated <= LONGEST_REPEATED { instant.max(span.begins + repeated) } else { instant }
    }
}

/// UTC itself, and any other zone that never changes.
#[derive(Clone, Copy, Debug)]
pub struct Fixed {
    /// Civil seconds minus UTC seconds.
    pub offset: i64,
}

impl Offsets for Fixed {
    fn span_at(&self, _: i64) -> Span {
        Span { begins: i64::MIN, ends: i64::MAX, offset: self.offset }
    }
}

/// What a reading of the civil clock means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It is shown once.
    Once(Timestamp),
    /// It is never shown: the clock jumped over it at this instant.
    Skipped(Timestamp),
    /// It is shown twice.
    Twice(Timestamp, Timestamp),
}

impl Meaning {
    /// The instant a person means: the first of two, or the end of the jump over it.
    pub fn instant(self) -> Timestamp {
        match self {
            Meaning::Once(at) | Meaning::Skipped(at) | Meaning::Twice(at, _) => at,
        }
    }
}

/// The reading of the civil clock at `instant`.
pub fn reading(zone: &dyn Offsets, instant: Timestamp) -> NaiveDateTime {
    let seconds = instant.timestamp();
    let civil = DateTime::from_timestamp(
        seconds + zone.span_at(seconds).offset,
        instant.timestamp_subsec_nanos(),
    );
    civil.map_or(NaiveDateTime::MAX, |civil| civil.naive_utc())
}

/// When the civil clock shows `reading`.
pub fn meaning(zone: &dyn Offsets, reading: NaiveDateTime) -> Meaning {
    let civil = reading.and_utc().timestamp();
    let instant = |seconds| DateTime::from_timestamp(seconds, 0).unwrap_or(Timestamp::MAX_UTC);
    // No zone is further than a day and a bit from UTC, so the span that shows the reading begins
    // no later than that after it; walk back from there through the spans that could show it.
    let mut span = zone.span_at(civil.saturating_add(26 * 3600));
    let mut later = None;
    loop {
        let at = civil - span.offset;
        if (span.begins..span.ends).contains(&at) {
            match later {
                None => later = Some(at),
                Some(second) => return Meaning::Twice(instant(at), instant(second)),
            }
        } else if at >= span.ends {
            // This span ended before showing it: the next one began after it.
            return later
                .map_or(Meaning::Skipped(instant(span.ends)), |at| Meaning::Once(instant(at)));
        }
        if span.begins < civil.saturating_sub(26 * 3600) {
            return Meaning::Once(instant(later.unwrap_or(at)));
        }
        span = zone.span_at(span.begins - 1);
    }
}
