//! Rows with columns that line up, and how instants, lengths and outcomes are written in them.

use std::io::{self, Write};

use chrono::TimeDelta;

use crate::plan::civil::{Offsets, Timestamp, reading};
use crate::plan::run::Outcome;
use crate::protocol::reply::End;

/// Writes rows under a heading. The last column is never padded, nothing is cut.
pub fn write<const N: usize>(
    output: &mut impl Write,
    heading: [&str; N],
    rows: &[[String; N]],
) -> io::Result<()> {
    let mut widths = heading.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let heading = heading.map(str::to_owned);
    for row in std::iter::once(&heading).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line += &format!("{cell:<width$}  ");
        }
        writeln!(output, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Text of others on one line: control characters cannot move the cursor or break the row.
pub fn one_line(text: &str, most: usize) -> String {
    let mut shown: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most).collect();
    if text.chars().count() > most {
        shown.push('…');
    }
    shown
}

/// An instant by the clock on the wall.
pub fn instant(at: Timestamp, zone: &dyn Offsets) -> String {
    reading(zone, at).format("%a %Y-%m-%d %H:%M:%S").to_string()
}

/// A length of time: tenths of seconds below a minute, else its two largest units.
pub fn length(length: TimeDelta) -> String {
    let seconds = length.num_seconds().max(0);
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, _) => format!("{:.1}s", length.num_milliseconds().max(0) as f64 / 1000.0),
        (0, 0, minutes, seconds) => format!("{minutes}m {seconds:02}s"),
        (0, hours, minutes, _) => format!("{hours}h {minutes:02}m"),
        (days, hours, _, _) => format!("{days}d {hours:02}h"),
    }
}

/// How a run ended, in a word or two.
pub fn outcome(end: &End) -> String {
    match end.parse() {
        None => "running".to_owned(),
        Some(Outcome::Exited(0)) => "ok".to_owned(),
        Some(Outcome::Exited(status)) => format!("exit {status}"),
        Some(Outcome::Killed(signal)) => format!("signal {signal}"),
        Some(Outcome::NotStarted(why) | Outcome::LeftToAnother(why)) => {
            one_line(&format!("not started: {why}"), 60)
        }
        Some(Outcome::Lost(why)) => one_line(&format!("lost: {why}"), 60),
    }
}
