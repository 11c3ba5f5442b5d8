//! A length of time as people write it: `90s`, `5m`, `2h30m`, `1d`. Knows no months: they have no length.

use chrono::TimeDelta;

/// Reads numbers with units, the largest unit first and each once; `None` if it is something else, or longer than
/// a hundred years.
pub fn parse(text: &str) -> Option<TimeDelta> {
    const UNITS: [(char, i64); 5] =
        [('w', 7 * 86_400), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];
    const LONGEST: i64 = 100 * 366 * 86_400;
    let (mut rest, mut units, mut seconds) = (text, &UNITS[..], 0i64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].chars().next()?;
        let at = units.iter().position(|(name, _)| *name == unit)?;
        seconds = seconds.checked_add(number.checked_mul(units[at].1)?)?;
        units = &units[at + 1..];
        rest = &rest[digits + unit.len_utf8()..];
    }
    (!text.is_empty() && seconds <= LONGEST).then(|| TimeDelta::seconds(seconds))
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
            ("2w", Some(14 * 86_400)),
            ("0s", Some(0)),
            ("", None),
            ("90", None),
            ("m", None),
            ("30m2h", None),
            ("1m1m", None),
            ("-5m", None),
            ("1.5h", None),
            ("5 m", None),
            ("1y", None),
            ("99999999999999999999s", None),
            ("9223372036854775807w", None),
            ("5µ", None),
        ] {
            assert_eq!(parse(text), seconds.map(TimeDelta::seconds), "{text}");
        }
    }
}
