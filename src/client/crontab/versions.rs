//! `rat-crontab --history` and `--undo`: what the crontab was before each change, and one of them brought back.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use crate::client::crontab::Call;
use crate::client::crontab::moves;
use crate::client::crontab::place::Trouble;
use crate::client::output::print;
use crate::client::reading::local_zone;
use crate::client::table;
use crate::protocol::reply::Version;

/// Lists the versions, the newest first.
pub fn history(call: &Call) -> Result<ExitCode, Trouble> {
    let mut place = call.place()?;
    let versions = place.versions()?;
    if versions.is_empty() {
        return Err(Trouble::Said(format!("no earlier crontab of {} is kept", place.user())));
    }
    let zone = local_zone();
    let row = |version: &Version| {
        let bytes = version.bytes.map_or_else(|| "none".to_owned(), |bytes| bytes.to_string());
        let until = table::instant(version.until, &zone);
        [version.number.to_string(), until, bytes, what_changed(version)]
    };
    let rows: Vec<_> = versions.iter().map(row).collect();
    let heading = ["VERSION", "UNTIL", "BYTES", "THEN"];
    Ok(print(&call.program, |output| table::write(output, heading, &rows)))
}

fn what_changed(version: &Version) -> String {
    let counts = [("~", version.changed), ("+", version.added), ("-", version.removed)];
    let words: Vec<_> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(sign, count)| format!("{sign}{count}"))
        .collect();
    if words.is_empty() { "no entry changed".to_owned() } else { words.join(" ") }
}

/// Brings one back.
pub fn undo(call: &Call, number: Option<u64>) -> Result<ExitCode, Trouble> {
    let mut place = call.place()?;
    let on_terminal = io::stderr().is_terminal();
    let before = if on_terminal { place.read()? } else { None };
    let undone = place.undo(number)?;
    let what = match &undone.text {
        Some(_) => "is back",
        None => "is back: there is no crontab",
    };
    call.say(&format!("version {} {what}; `{} --undo` undoes this", undone.number, call.again()));
    if on_terminal {
        let after = undone.text.unwrap_or_default().0;
        moves::show(&before.unwrap_or_default(), &after);
    }
    Ok(ExitCode::SUCCESS)
}
