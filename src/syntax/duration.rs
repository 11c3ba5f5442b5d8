//! A length of time as people write it: `90s`, `5m`, `2h30m`, `1d`. Knows no months: they have no length.

use std::time::Duration;

use chrono::TimeDelta;

/// What a length of time is written like, for who wrote it otherwise.
pub const EXAMPLES: &str = "a duration such as `90s`, `5m`, `2h30m`, `1d`";

/// Reads numbers with units, larger units first and each once; `0` needs none. `None` if it is something else, or longer
/// than a hundred years.
pub fn parse(text: &str) -> Option<Duration> {
    const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];
    const LONGEST: u64 = 36_500 * 86_400;
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut units, mut seconds) = (text, &UNITS[..], 0u64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].chars().next()?;
        let at = units.iter().position(|(name, _)| *name == unit)?;
        seconds = seconds.checked_add(number.checked_mul(units[at].1)?)?;
        units = &units[at + 1..];
        rest = &rest[digits + unit.len_utf8()..];
    }
    (!text.is_empty() && seconds <= LONGEST).then(|| Duration::from_secs(seconds))
}

/// The same for a command line, with what to write instead.
pub fn named(text: &str) -> Result<TimeDelta, String> {
    let length = parse(text).and_then(|length| TimeDelta::from_std(length).ok());
    length.ok_or_else(|| format!("it is {EXAMPLES}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_numbers_with_units_that_get_smaller() {
        for (text, seconds) in [
            ("90s", Some(90)),
            ("5m", Some(300)),
            ("2h30m", Some(9_000)),
            ("1d", Some(86_400)),
            ("0s", Some(0)),
            ("0", Some(0)),
            ("36500d", Some(36_500 * 86_400)),
            ("36501d", None),
            ("", None),
            ("90", None),
            ("m", None),
            ("30m2h", None),
            ("1m1m", None),
            ("-5m", None),
            ("+5m", None),
            ("1.5h", None),
            ("5 m", None),
            ("1y", None),
            ("99999999999999999999s", None),
            ("9223372036854775807d", None),
            ("5µ", None),
        ] {
            assert_eq!(parse(text), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
