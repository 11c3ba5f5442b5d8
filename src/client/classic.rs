//! How at prints an instant: `Sun Nov 22 23:58:00 2026`, in English wherever it runs. A queue may be long, so this is
//! written without strftime.

use chrono::{Datelike, NaiveDateTime, Timelike};

use crate::plan::civil::{Offsets, Timestamp, reading};
use crate::protocol::instant::digits;

/// The same for strftime.
pub const FORMAT: &str = "%a %b %e %H:%M:%S %Y";

const DAYS: [&[u8; 3]; 7] = [b"Sun", b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat"];
const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// The instant by a clock in this zone.
pub fn text(at: Timestamp, zone: &dyn Offsets) -> String {
    let reading = reading(zone, at);
    let usual = bytes(reading).and_then(|text| String::from_utf8(text.to_vec()).ok());
    usual.unwrap_or_else(|| reading.format(FORMAT).to_string())
}

/// The same of a reading, where its year has four digits.
pub fn bytes(reading: NaiveDateTime) -> Option<[u8; 24]> {
    let year = u32::try_from(reading.year()).ok().filter(|year| (1000..=9999).contains(year))?;
    let mut text = *b"Www Mmm  d hh:mm:ss YYYY";
    text[..3].copy_from_slice(DAYS[reading.weekday().num_days_from_sunday() as usize]);
    text[4..7].copy_from_slice(MONTHS[reading.month0() as usize]);
    match reading.day() {
        day @ ..10 => digits(&mut text[9..10], day),
        day => digits(&mut text[8..10], day),
    }
    digits(&mut text[11..13], reading.hour());
    digits(&mut text[14..16], reading.minute());
    digits(&mut text[17..19], reading.second());
    digits(&mut text[20..], year);
    Some(text)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use crate::plan::civil::Fixed;

    use super::*;

    const UTC: Fixed = Fixed { offset: 0 };

    #[test]
    fn it_is_what_strftime_writes() {
        for step in 0..3000 {
            let at = DateTime::from_timestamp(step * 98_765_432 - 30_000_000_000, 0).unwrap();
            assert_eq!(text(at, &UTC), at.naive_utc().format(FORMAT).to_string());
        }
    }
}
