//! `rat-crontab -l`: byte for byte into a pipe or a file; on a terminal nothing in a crontab is left that hides or
//! moves anything.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;

use crate::client::crontab::Call;
use crate::client::crontab::place::Trouble;
use crate::client::output::print;

/// Lists the crontab.
pub fn list(call: &Call) -> Result<ExitCode, Trouble> {
    let mut place = call.place()?;
    let Some(text) = place.read()? else { return Err(place.no_crontab()) };
    let text = if io::stdout().is_terminal() { visible(&text).into_bytes() } else { text };
    Ok(print(&call.program, |output| output.write_all(&text)))
}

/// The text with control characters, what is no UTF-8 and what turns the direction of writing made visible.
fn visible(text: &[u8]) -> String {
    let mut shown = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            let turns = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            match c {
                '\n' | '\t' => shown.push(c),
                '\x08' => shown.push_str("\\b"),
                c if c.is_control() || turns => shown.extend(c.escape_default()),
                c => shown.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_hidden_on_a_terminal() {
        for (text, shown) in [
            (&b"@daily true\n\t# x\n"[..], "@daily true\n\t# x\n"),
            (b"@daily evil #\r@daily good\n", "@daily evil #\\r@daily good\n"),
            (b"a\x08b\x1b[2J\x00\x7f", "a\\bb\\u{1b}[2J\\u{0}\\u{7f}"),
            ("\u{e9} \u{202e}x".as_bytes(), "\u{e9} \\u{202e}x"),
            (b"\xff\xfe\n", "\\xff\\xfe\n"),
            ("\u{9b}2J".as_bytes(), "\\u{9b}2J"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }
}
