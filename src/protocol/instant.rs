//! Instants where a reply has very many of them: RFC 3339 in UTC, as chrono writes them, at a tenth of the cost.
//! What is not a whole second of a year of four digits is left to chrono.

use chrono::{Datelike, NaiveDate, Timelike};
use serde::de::{Error, Visitor};
use serde::{Deserializer, Serialize, Serializer};

use crate::plan::civil::Timestamp;

/// For serde's `with`.
pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    match write(*at) {
        Some(text) => {
            serializer.serialize_str(str::from_utf8(&text).map_err(serde::ser::Error::custom)?)
        }
        None => at.serialize(serializer),
    }
}

/// For serde's `with`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    struct Instant;
    impl Visitor<'_> for Instant {
        type Value = Timestamp;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an instant such as 2026-03-08T07:00:00Z")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Timestamp, E> {
            parse(text).map_or_else(|| text.parse().map_err(E::custom), Ok)
        }
    }
    deserializer.deserialize_str(Instant)
}

/// Writes a number into all of these places, with zeros in front.
pub fn digits(places: &mut [u8], mut number: u32) {
    for place in places.iter_mut().rev() {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn write(at: Timestamp) -> Option<[u8; 20]> {
    let (date, time) = (at.date_naive(), at.time());
    let year = u32::try_from(date.year()).ok().filter(|year| *year <= 9999)?;
    if time.nanosecond() > 0 {
        return None;
    }
    let mut text = *b"YYYY-MM-DDThh:mm:ssZ";
    digits(&mut text[..4], year);
    digits(&mut text[5..7], date.month());
    digits(&mut text[8..10], date.day());
    digits(&mut text[11..13], time.hour());
    digits(&mut text[14..16], time.minute());
    digits(&mut text[17..19], time.second());
    Some(text)
}

fn parse(text: &str) -> Option<Timestamp> {
    let text: &[u8; 20] = text.as_bytes().try_into().ok()?;
    let between = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'Z')];
    if between.iter().any(|(place, byte)| text[*place] != *byte) {
        return None;
    }
    let number = |places: &[u8]| {
        places.iter().try_fold(0, |number, place| {
            place.is_ascii_digit().then(|| number * 10 + u32::from(place - b'0'))
        })
    };
    let year = i32::try_from(number(&text[..4])?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(&text[5..7])?, number(&text[8..10])?)?;
    let (hour, minute) = (number(&text[11..13])?, number(&text[14..16])?);
    Some(date.and_hms_opt(hour, minute, number(&text[17..19])?)?.and_utc())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Ours(#[serde(with = "super")] Timestamp);

    #[test]
    fn instants_are_written_and_read_as_chrono_does() {
        let seconds = (0..2000).map(|step| step * 98_765_432 - 70_000_000_000);
        for second in seconds.chain([0, -1, 253_402_300_799, 253_402_300_800, 951_782_400]) {
            for nanosecond in [0, 1_000, 120_000_000] {
                let at = DateTime::from_timestamp(second, nanosecond).unwrap();
                let text = json!(at);
                assert_eq!(json!(Ours(at)), text);
                assert_eq!(serde_json::from_value::<Ours>(text).unwrap(), Ours(at));
            }
        }
    }

    #[test]
    fn other_forms_are_chronos_to_read_or_to_refuse() {
        for text in [
            "2026-03-08T07:00:00+00:00",
            "2026-03-08T08:00:00.5+01:00",
            "2026-03-08t07:00:00z",
            "2026-13-08T07:00:00Z",
            "2026-02-29T07:00:00Z",
            "2026-02-28T24:00:00Z",
            "2026-02-28T07:00:60Z",
            "2026-0x-28T07:00:00Z",
            "+026-02-28T07:00:00Z",
            "",
        ] {
            let ours = serde_json::from_value(Value::from(text)).map(|Ours(at)| at).ok();
            assert_eq!(ours, serde_json::from_value::<Timestamp>(Value::from(text)).ok(), "{text}");
        }
    }
}
