//! What a change of a crontab means, for people: which entries are new, gone or changed, and when each runs next.

use crate::client::next::few;
use crate::client::output::complain;
use crate::client::reading::local_zone;
use crate::client::table::one_line;
use crate::syntax::changes;
use crate::syntax::crontab::Entry;
use crate::zone::Zone;

/// So much of a command is shown.
const SHOWN_COMMAND: usize = 50;

/// Says on standard error what changed.
pub fn show(before: &[u8], after: &[u8]) {
    for line in lines(before, after) {
        complain(&line);
    }
}

fn lines(before: &[u8], after: &[u8]) -> Vec<String> {
    let changes = changes::between(Some(before), Some(after));
    let mut lines: Vec<String> =
        changes.changed.iter().map(|(before, after)| changed(before, after)).collect();
    let counted = |sign: char, entries: &[Entry], word: &str| {
        let heading = (!entries.is_empty()).then(|| format!("{sign} {} {word}", entries.len()));
        let each = entries.iter().map(|entry| format!("    {}", shown(entry)));
        heading.into_iter().chain(each).collect::<Vec<_>>()
    };
    lines.extend(counted('+', &changes.added, "new"));
    lines.extend(counted('-', &changes.removed, "removed"));
    lines
}

fn changed(before: &Entry, after: &Entry) -> String {
    let (old, new) = (next(before), next(after));
    let moves = if old == new {
        format!("next run stays {new}")
    } else {
        format!("next run moves from {old} to {new}")
    };
    if before.command == after.command {
        let (old, new) =
            (one_line(&before.written, SHOWN_COMMAND), one_line(&after.written, SHOWN_COMMAND));
        format!("~ {}: {old} → {new} ({moves})", command(after))
    } else {
        format!(
            "~ {}: {} → {} ({moves})",
            one_line(&after.written, SHOWN_COMMAND),
            command(before),
            command(after)
        )
    }
}

fn shown(entry: &Entry) -> String {
    let written = one_line(&entry.written, SHOWN_COMMAND);
    format!("{written}  {} (next run {})", command(entry), next(entry))
}

fn command(entry: &Entry) -> String {
    one_line(&entry.command.shown(), SHOWN_COMMAND)
}

fn next(entry: &Entry) -> String {
    let named = entry.zone.as_deref().and_then(|name| Zone::in_zoneinfo(name).ok());
    let zone = named.unwrap_or_else(local_zone);
    few(&entry.schedule, &zone, 1).pop().map_or_else(
        || "never".to_owned(),
        |at| at.with_timezone(&zone).format("%a %-d %b %Y %H:%M").to_string(),
    )
}
