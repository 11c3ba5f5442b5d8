//! What is suspicious about a line that is an entry: a user or a command that looks like something else, a `%` that is
//! hardly meant. What a whole file shows is found in `syntax/lints`.

use crate::syntax::crontab::Form;
use crate::syntax::crontab::command::unescaped_percent;
use crate::syntax::crontab::entry::Line;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::expression::{Word, is_blank};

impl Line<'_> {
    pub(super) fn check_dash(&self, at: usize, said: &mut Vec<Diagnostic>) {
        if self.form != Form::System && self.seed.owner != "root" {
            let message = "a leading `-` only keeps the start out of the log".to_owned();
            said.push(
                Diagnostic::warning("W052", self.line, at..at + 1, message)
                    .label("other crons reject this line"),
            );
        }
    }

    pub(super) fn check_user(&self, user: Word<'_>, said: &mut Vec<Diagnostic>) {
        if user.text[0] == b'*' && !self.dialect.star_commands {
            said.push(self.star_too_many(user, 5));
        } else if user.text.iter().any(|byte| b"/=;|&<>()[]{}'\"`~%!?".contains(byte))
            || COMMANDS.iter().any(|command| command.as_bytes() == user.text)
        {
            let message = format!("`{}` is taken for the user this runs as", user.shown());
            said.push(
                Diagnostic::warning("W042", self.line, user.columns(), message)
                    .label("this looks like a command")
                    .help("write a user's name before the command: `0 4 * * * root …`"),
            );
        }
    }

    /// Vixie cron rejects these too: a field too many is far more likely than a command with a star.
    #[cold]
    fn star_too_many(&self, word: Word<'_>, count: usize) -> Diagnostic {
        let fields = if count == 7 { "seven" } else { "five" };
        let message = format!("there are {fields} fields; one more would be the command");
        let error = Diagnostic::error("E017", self.line, word.columns(), message)
            .label("no command begins with `*`");
        if self.form == Form::Single {
            return error;
        }
        error.help("leave one field out; only `ratd FILE` reads seconds and years")
    }

    pub(super) fn check_command(&self, first: Word<'_>, count: usize, said: &mut Vec<Diagnostic>) {
        let text = &self.text[first.place.column..];
        // Where a nickname stands in for the fields, only Vixie's kinds take this for a field too many.
        let is_field = count != 1 || !self.dialect.is_rat();
        let has_user = self.form == Form::System && !self.dialect.is_rat();
        if first.text.starts_with(b"*") && is_field && !has_user && !self.dialect.star_commands {
            said.push(self.star_too_many(first, count));
            return;
        }
        if self.form != Form::System && text.len() > first.text.len() {
            let owner = !self.seed.owner.is_empty() && first.text == self.seed.owner.as_bytes();
            if first.text == b"root" || owner {
                let message = format!("`{}` is taken for the command", first.shown());
                said.push(
                    Diagnostic::warning("W042", self.line, first.columns(), message)
                        .label("this looks like a user's name")
                        .help("only /etc/crontab and /etc/cron.d have a user column"),
                );
            }
        }
        if let Some(at) = unescaped_percent(text).filter(|_| self.dialect.percent) {
            self.check_percent(first.place.column, at, said);
        }
        if text.ends_with(b"\\") && !self.dialect.joins_lines {
            let end = self.text.len();
            let message = "the next line is not joined to this one".to_owned();
            said.push(
                Diagnostic::warning("W053", self.line, end - 1..end, message)
                    .help("write the command in one line, or put it into a script"),
            );
        }
    }

    fn check_percent(&self, column: usize, at: usize, said: &mut Vec<Diagnostic>) {
        let command = &self.text[column..column + at];
        let columns = column + at..column + at + 1;
        if is_date_format(command) || is_in_address(command, &self.text[column + at..]) {
            let message = format!(
                "`%` starts standard input here; the command is only `{}`",
                String::from_utf8_lossy(command).escape_debug()
            );
            said.push(
                Diagnostic::warning("W041", self.line, columns, message)
                    .label("everything after this is fed to the command as input")
                    .help("write `\\%`"),
            );
        } else if command.windows(2).any(|two| two == b"\\\\") && self.dialect.is_rat() {
            let message = "`\\\\` stays two backslashes before a `%`".to_owned();
            said.push(
                Diagnostic::warning("W056", self.line, columns, message)
                    .label("Debian's cron makes it one"),
            );
        }
    }
}

/// Words that begin a command far more often than they name a user.
const COMMANDS: &[&str] = &[
    "bash",
    "cd",
    "cp",
    "curl",
    "date",
    "docker",
    "echo",
    "env",
    "export",
    "find",
    "flock",
    "if",
    "ionice",
    "mv",
    "nice",
    "perl",
    "php",
    "python",
    "python3",
    "rm",
    "rsync",
    "sh",
    "sleep",
    "sudo",
    "systemctl",
    "tar",
    "test",
    "timeout",
    "touch",
    "wget",
];

/// `date +`, with nothing behind it that would end date's own words.
fn is_date_format(command: &[u8]) -> bool {
    let Some(date) = command.windows(4).rposition(|word| word == b"date") else { return false };
    let rest = &command[date + 4..];
    rest.contains(&b'+') && !rest.iter().any(|byte| b";|&)`".contains(byte))
}

/// `%20` and the like, in a word that holds `://`.
fn is_in_address(command: &[u8], rest: &[u8]) -> bool {
    let word = command.rsplit(|byte| is_blank(*byte)).next().unwrap_or_default();
    let digits = rest.get(1..3).unwrap_or_default();
    word.windows(3).any(|part| part == b"://")
        && digits.len() == 2
        && digits.iter().all(u8::is_ascii_hexdigit)
}
