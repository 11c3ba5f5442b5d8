//! Entries that a distribution's crontab leaves to anacron where that is installed. Where ratd reads the anacrontab
//! it is anacron, whatever is installed, and what is in both must not run twice. Reads no file.

use crate::plan::text::Text;

/// How such an entry asks for anacron.
const GUARDS: &[&[&str]] =
    &[&["test", "-x", "/usr/sbin/anacron", "||"], &["[", "-x", "/usr/sbin/anacron", "]", "||"]];

/// Whether an entry is guarded so, and all directories whose parts it runs are run by one of these commands.
pub fn is_left_to(periods: &[Text], entry: &Text) -> bool {
    let entry = entry.shown();
    let words: Vec<&str> = entry.split_whitespace().collect();
    let guarded = GUARDS.iter().find_map(|guard| words.strip_prefix(*guard));
    let Some(guarded) = guarded else { return false };
    let mut directories = directories(guarded).peekable();
    let runs = |directory: &str| {
        periods.iter().any(|command| {
            let command = command.shown();
            let words: Vec<&str> = command.split_whitespace().collect();
            self::directories(&words).any(|other| other == directory)
        })
    };
    directories.peek().is_some() && directories.all(runs)
}

/// The directories that are given to `run-parts`.
fn directories<'w>(words: &'w [&'w str]) -> impl Iterator<Item = &'w str> {
    let name = |word: &str| word.rsplit('/').next() == Some("run-parts");
    let after = words.iter().position(|word| name(word)).map_or(words.len(), |at| at + 1);
    let paths = words[after..].iter().map(|word| word.trim_end_matches([';', '/']));
    paths.filter(|word| word.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The anacrontab's commands, an entry's, and whether that is left to them.
    fn check(periods: &[&str], entry: &str, expected: bool) {
        let periods: Vec<_> = periods.iter().map(|command| Text::from(*command)).collect();
        assert_eq!(is_left_to(&periods, &Text::from(entry)), expected, "{entry}");
    }

    const DAILY: &str = "run-parts --report /etc/cron.daily";

    #[test]
    fn what_is_guarded_and_in_both_is_left_to_the_anacrontab() {
        let debian = "test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }";
        check(&[DAILY], debian, true);
        check(&["nice run-parts /etc/cron.daily"], debian, true);
        check(&["/bin/run-parts /etc/cron.daily/"], debian, true);
        check(
            &[DAILY],
            "test -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.daily )",
            true,
        );
        check(&[DAILY], "[ -x /usr/sbin/anacron ] || run-parts /etc/cron.daily", true);
    }

    #[test]
    fn what_is_in_one_place_only_is_run_there() {
        check(&[], "test -x /usr/sbin/anacron || run-parts /etc/cron.daily", false);
        check(&[DAILY], "test -x /usr/sbin/anacron || run-parts /etc/cron.weekly", false);
        check(&[DAILY], "cd / && run-parts --report /etc/cron.daily", false);
        check(&[DAILY], "test -x /usr/sbin/anacron || echo none", false);
        check(&[DAILY], "test -x /usr/sbin/other || run-parts /etc/cron.daily", false);
    }
}
