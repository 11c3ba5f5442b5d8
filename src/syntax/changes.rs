//! What changed between two crontabs, by what their entries mean: not by lines, comments or order. Knows no time.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use crate::syntax::crontab::{self, Entry, Form};
use crate::syntax::dialect::RAT;
use crate::syntax::seed::Seed;

/// What changed.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Entries that have another schedule or another command: before and after.
    pub changed: Vec<(Entry, Entry)>,
    /// Entries that are new.
    pub added: Vec<Entry>,
    /// Entries that are gone.
    pub removed: Vec<Entry>,
}

/// The changes from one crontab of a user, or none, to another.
pub fn between(before: Option<&[u8]>, after: Option<&[u8]>) -> Changes {
    let entries = |text: Option<&[u8]>| {
        // Schedules are compared as they are written, so that no draw matters.
        let text = text.unwrap_or_default();
        VecDeque::from(crontab::parse(text, Form::User, &Seed::default(), &RAT).entries)
    };
    let (mut before, mut after) = (entries(before), entries(after));
    pair(&mut before, &mut after, |entry| (when(entry), what(entry)));
    // What is left is a job whose schedule was changed, or else a schedule that has another job now.
    let mut changed = pair(&mut before, &mut after, what);
    changed.extend(pair(&mut before, &mut after, when));
    changed.sort_by_key(|(_, after)| after.line);
    Changes { changed, added: after.into(), removed: before.into() }
}

type When = (Vec<String>, Option<String>, u32);
type What = (Vec<u8>, Option<Vec<u8>>, [bool; 3]);

fn when(entry: &Entry) -> When {
    let words = entry.written.split_ascii_whitespace().map(str::to_owned).collect();
    (words, entry.zone.clone(), entry.random_delay)
}

fn what(entry: &Entry) -> What {
    let flags = [entry.flags.mail_on_failure_only, entry.flags.quiet, entry.flags.single];
    (entry.command.0.clone(), entry.input.clone().map(|input| input.0), flags)
}

/// Takes the entries out of both that have the same key, in the order of their files.
fn pair<K: Eq + Hash>(
    before: &mut VecDeque<Entry>,
    after: &mut VecDeque<Entry>,
    key: impl Fn(&Entry) -> K,
) -> Vec<(Entry, Entry)> {
    let mut known: HashMap<K, VecDeque<Entry>> = HashMap::new();
    for entry in before.drain(..) {
        known.entry(key(&entry)).or_default().push_back(entry);
    }
    let mut pairs = Vec::new();
    for entry in std::mem::take(after) {
        match known.get_mut(&key(&entry)).and_then(VecDeque::pop_front) {
            Some(earlier) => pairs.push((earlier, entry)),
            None => after.push_back(entry),
        }
    }
    before.extend(known.into_values().flatten());
    before.make_contiguous().sort_by_key(|entry| entry.line);
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &str, after: &str, expected: &str) {
        let text = |text: &str| text.replace(" | ", "\n") + "\n";
        let changes = between(Some(text(before).as_bytes()), Some(text(after).as_bytes()));
        let shown = |entry: &Entry| format!("{} {}", entry.written, entry.command.shown());
        let mut said: Vec<String> = changes
            .changed
            .iter()
            .map(|(before, after)| format!("~ {} > {}", shown(before), shown(after)))
            .collect();
        said.extend(changes.added.iter().map(|entry| format!("+ {}", shown(entry))));
        said.extend(changes.removed.iter().map(|entry| format!("- {}", shown(entry))));
        assert_eq!(said.join(" | "), expected, "{before} to {after}");
    }

    #[test]
    fn entries_are_compared_by_what_they_mean() {
        check("@daily a", "@daily a", "");
        check("@daily a | @hourly b", "# moved | @hourly b |  @daily  a", "");
        check("30 2 * * * dump", "30 3 * * * dump", "~ 30 2 * * * dump > 30 3 * * * dump");
        check("@daily a", "@daily a -v", "~ @daily a > @daily a -v");
        check("@daily a", "@daily a | @daily a", "+ @daily a");
        check("@daily a | @daily a | @daily b", "@daily a", "- @daily a | - @daily b");
        check(
            "@daily a | @hourly b",
            "@hourly a | @daily b",
            "~ @daily a > @hourly a | ~ @hourly b > @daily b",
        );
        check("@daily a", "CRON_TZ=UTC | @daily a", "~ @daily a > @daily a");
        check("@daily a%x", "@daily a%y", "~ @daily a > @daily a");
        check("", "@daily a", "+ @daily a");
        check("@daily a", "not an entry", "- @daily a");
    }
}
