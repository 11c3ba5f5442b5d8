//! A crontab checked before it is installed: each error in the classic words for scripts, and as a picture for people.

use std::collections::BTreeSet;
use std::path::Path;

use crate::client::output::complain;
use crate::client::reading::{any_error, pictures, seed, zones};
use crate::syntax::classic;
use crate::syntax::crontab::{self, Form};
use crate::syntax::diagnostic::Severity;
use crate::syntax::dialect::Dialect;
use crate::syntax::lines::lines;
use crate::syntax::seed::Seed;

/// What is said when a crontab with errors is not installed.
pub const CANNOT_INSTALL: &str = "errors in crontab file, can't install.";

/// What came of a check.
pub struct Verdict {
    /// It can be installed.
    pub is_good: bool,
    /// All that is wrong is the end of the last line.
    only_newline: bool,
}

/// The crontab in whose words a check ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summary {
    Debian,
    Cronie,
}

impl Summary {
    /// That of the dialect; else that of the crontab whose option it is.
    pub fn of(is_debians_option: bool, dialect: Option<&'static Dialect>) -> Summary {
        match (dialect.map(|dialect| dialect.name), is_debians_option) {
            (Some("debian"), _) => Summary::Debian,
            (Some("cronie"), _) => Summary::Cronie,
            (_, true) => Summary::Debian,
            (_, false) => Summary::Cronie,
        }
    }

    /// The last line of a check.
    pub fn words(self, verdict: &Verdict) -> &'static str {
        match (self, verdict.is_good) {
            (Summary::Debian, true) => "The syntax of the crontab file was successfully checked.",
            (Summary::Debian, false) if verdict.only_newline => {
                "new crontab file is missing newline before EOF, can't install."
            }
            (Summary::Debian, false) => CANNOT_INSTALL,
            (Summary::Cronie, true) => "No syntax issues were found in the crontab file.",
            (Summary::Cronie, false) => "Invalid crontab file. Syntax issues were found.",
        }
    }
}

/// Reads a text as the crontab of this user, and says what is wrong with it. A line that is wrong is named once in
/// the classic words, in front of its first picture.
pub fn check(file: &Path, text: &[u8], user: Option<&str>, dialect: &'static Dialect) -> Verdict {
    let own = seed();
    let seed = Seed { owner: user.map_or(own.owner, str::to_owned), ..own };
    let mut crontab = crontab::parse(text, Form::User, &seed, dialect);
    zones(&mut crontab, dialect);
    let said = &crontab.diagnostics;
    let file = file.display().to_string();
    let lines: Vec<&[u8]> = lines(text).collect();
    let mut named = BTreeSet::new();
    for (error, picture) in said.iter().zip(pictures(said, &file, text)) {
        if error.severity == Severity::Error && named.insert(error.line) {
            let line = lines.get((error.line as usize).saturating_sub(1)).copied();
            complain(&classic::line(&file, error, line.unwrap_or_default(), Form::User));
        }
        complain(&picture);
    }
    let mut errors = said.iter().filter(|said| said.severity == Severity::Error);
    Verdict { is_good: !any_error(said), only_newline: errors.all(|error| error.code == "E008") }
}
