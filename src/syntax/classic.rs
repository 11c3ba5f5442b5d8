//! What Vixie's cron calls an error of a line, in the words that scripts look for. Knows the order in which it reads
//! a line: the first thing it cannot read is the only one it names.

use crate::syntax::crontab::Form;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::dialect::RAT;
use crate::syntax::expression::{self, Word, words};
use crate::syntax::seed::Seed;

/// Its names for what is wrong with each field.
const FIELDS: [&str; 5] =
    ["bad minute", "bad hour", "bad day-of-month", "bad month", "bad day-of-week"];

/// The classic name of an error of this line.
pub fn name(error: &Diagnostic, line: &[u8], form: Form) -> &'static str {
    match error.code {
        "E007" => "bad username",
        "E008" => "premature EOF",
        "E010" => "bad option",
        "E014" | "E017" => "bad command",
        "E015" => "command too long",
        "E016" => "too many entries",
        "E022" => "bad time zone",
        // What looks like an assignment and is none is read as an entry.
        "E019" | "E020" => FIELDS[0],
        "E001" => missing(line, form),
        _ if is_nickname(line) => "bad time specifier",
        _ => {
            let before =
                words(line, 1, 0).take_while(|word| word.columns().end <= error.columns.start);
            FIELDS.get(before.count()).copied().unwrap_or("bad command")
        }
    }
}

/// One line for scripts, as Vixie's cron writes it.
pub fn line(file: &str, error: &Diagnostic, text: &[u8], form: Form) -> String {
    format!("\"{file}\":{}: {}", error.line, name(error, text, form))
}

fn is_nickname(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"@")
}

/// What is missed first in a line that ends too early, unless what is there cannot be read either.
fn missing(line: &[u8], form: Form) -> &'static str {
    let found: Vec<_> = words(line, 1, 0).take(6).collect();
    let fields = if is_nickname(line) { 1 } else { FIELDS.len() };
    let padded = found.iter().take(fields).map(|word| word.shown());
    let padded: Vec<_> = padded.chain((found.len()..fields).map(|_| "*".to_owned())).collect();
    let padded = padded.join(" ");
    if let Err(error) = expression::schedule(&padded, &Seed::default(), &RAT) {
        let whole = |word: &Word<'_>| word.columns().end <= error.columns.start;
        let before = words(padded.as_bytes(), 1, 0).take_while(whole).count();
        return FIELDS.get(before).copied().unwrap_or("bad command");
    }
    match (FIELDS.get(found.len()), form) {
        (Some(field), _) if fields == FIELDS.len() => field,
        (_, Form::System) if found.len() == fields => "bad username",
        _ => "bad command",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::crontab;
    use crate::syntax::diagnostic::Severity;

    fn check(line: &str, form: Form, expected: &str) {
        let text = format!("{line}\n");
        let read = crontab::parse(text.as_bytes(), form, &Seed::default(), &RAT);
        let error = read.diagnostics.iter().find(|said| said.severity == Severity::Error);
        let error = error.unwrap_or_else(|| panic!("{line} is no error"));
        assert_eq!(name(error, line.as_bytes(), form), expected, "{line}: {error:?}");
    }

    #[test]
    fn errors_have_the_names_that_scripts_look_for() {
        for (line, expected) in [
            ("61 * * * * true", "bad minute"),
            ("x", "bad minute"),
            ("hello world", "bad minute"),
            ("export A=1", "bad minute"),
            ("0 24 * * * true", "bad hour"),
            ("0 1,, * * * true", "bad hour"),
            ("0 4 32 * * true", "bad day-of-month"),
            ("0 4 * 13 * true", "bad month"),
            ("0 4 * foo", "bad month"),
            ("0 4 * * 8 true", "bad day-of-week"),
            ("0 4 * * /bin/true", "bad day-of-week"),
            ("0 4 * *", "bad day-of-week"),
            ("0 4", "bad day-of-month"),
            ("0 4 * * *", "bad command"),
            ("0 4 * * * * true", "bad command"),
            ("@daily", "bad command"),
            ("@dayly true", "bad time specifier"),
            ("  \t0 4 * 0 * true", "bad month"),
            ("0 4 * * * a\0b", "bad command"),
        ] {
            check(line, Form::User, expected);
        }
        check("0 4 * * *", Form::System, "bad username");
        check("@daily root", Form::System, "bad command");
    }
}
