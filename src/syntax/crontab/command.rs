//! The command of an entry and what it reads: where a `%` divides them, and what backslashes do before one. Knows
//! nothing of what stands before the command.

use crate::plan::text::Text;
use crate::syntax::crontab::entry::Line;
use crate::syntax::diagnostic::Diagnostic;

impl Line<'_> {
    /// The command from `column` on and its standard input, and where the line goes on after a NUL.
    pub(super) fn split_command(
        &self,
        column: usize,
        said: &mut Vec<Diagnostic>,
    ) -> (Text, Option<Text>, Option<usize>) {
        let text = &self.text[column..];
        let nul = text.iter().position(|byte| *byte == 0);
        let mut text = &text[..nul.unwrap_or(text.len())];
        let (longest, is_cut) = self.dialect.longest_command;
        if is_cut && text.len() > longest {
            let columns = column + longest..column + text.len();
            let message = format!("{} cuts commands after {longest} bytes", self.dialect.cron);
            said.push(Diagnostic::warning("W059", self.line, columns, message));
            text = &text[..longest];
        }
        let (command, input) = if self.dialect.percent {
            split(text, self.dialect.unescapes)
        } else {
            (Text(text.to_vec()), None)
        };
        let length = if self.dialect.is_rat() { command.0.len() } else { text.len() };
        if length > longest {
            let message = format!("a command has at most {longest} bytes");
            said.push(
                Diagnostic::error("E015", self.line, column..self.text.len(), message)
                    .help("put it into a script and name that here"),
            );
        }
        (command, input, nul.map(|at| column + at + 1))
    }
}

/// Where standard input begins: the first `%` without a backslash that counts.
pub(super) fn unescaped_percent(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    text.iter().position(|byte| {
        let found = *byte == b'%' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        found
    })
}

/// Command and standard input. In the command `\%` is `%` and every other backslash stays, unless `\\` is one of
/// them; in the input `%` is a newline too, and the last line is ended if it is not.
fn split(text: &[u8], unescapes: bool) -> (Text, Option<Text>) {
    let end = unescaped_percent(text);
    let mut command = Vec::with_capacity(end.unwrap_or(text.len()));
    let mut escaped = false;
    for byte in &text[..end.unwrap_or(text.len())] {
        if escaped && (*byte == b'%' || (unescapes && *byte == b'\\')) {
            command.pop();
        }
        command.push(*byte);
        escaped = *byte == b'\\' && !escaped;
    }
    let input = end.map(|end| &text[end + 1..]).filter(|input| !input.is_empty());
    (Text(command), input.map(|input| Text(unfold(input))))
}

/// Standard input as it is written after the first `%`. Unlike in the command, each backslash of a row
/// escapes what follows it.
fn unfold(text: &[u8]) -> Vec<u8> {
    let mut input = Vec::with_capacity(text.len() + 1);
    let mut escaped = false;
    for byte in text {
        if *byte == b'%' {
            if escaped {
                input.pop();
            }
            input.push(if escaped { b'%' } else { b'\n' });
        } else {
            input.push(*byte);
        }
        escaped = *byte == b'\\';
    }
    // Vixie's cron writes a backslash at the end without looking at it again.
    let last = input.iter().rfind(|byte| **byte != b'\\');
    if last.is_some_and(|byte| *byte != b'\n') {
        input.push(b'\n');
    }
    input
}
