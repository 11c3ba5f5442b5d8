//! The lines of a crontab, as a dialect cuts them out of its text. Knows ends, continuations and marks; not what
//! a line says.

use std::borrow::Cow;

use crate::syntax::dialect::{Dialect, Nul};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'t> {
    /// Its number, from 1; of joined lines the first.
    pub number: u32,
    /// Its text without its end.
    pub text: Cow<'t, [u8]>,
    /// A newline followed.
    pub is_ended: bool,
}

/// The mark some editors put before the first line.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines of a text without their ends; a byte order mark and a carriage return before the end of a line
/// belong to no line's text. Columns of diagnostics are columns of these.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    plain(text).map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn plain(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = text.strip_suffix(b"\n").unwrap_or(text);
    whole.split(|byte| *byte == b'\n').skip(usize::from(text.is_empty()))
}

/// The lines of a text as a dialect reads them.
pub fn read<'t>(text: &'t [u8], dialect: &'static Dialect) -> impl Iterator<Item = Line<'t>> {
    let begin = if dialect.mends_text { BYTE_ORDER_MARK } else { b"" };
    let text = text.strip_prefix(begin).unwrap_or(text);
    let ended = text.ends_with(b"\n");
    let mut rest = (1..).zip(plain(text)).peekable();
    std::iter::from_fn(move || {
        let (number, line) = rest.next()?;
        let mended = line.strip_suffix(b"\r").filter(|_| dialect.mends_text).unwrap_or(line);
        let mut line = Cow::Borrowed(mended);
        while dialect.joins_lines && line.ends_with(b"\\") {
            let mut joined = line.into_owned();
            joined.pop();
            let next = rest.next();
            joined.extend_from_slice(next.map_or(b"", |(_, next)| next));
            line = Cow::Owned(joined);
            if next.is_none() {
                break;
            }
        }
        if dialect.nul == Nul::Cuts
            && let Some(at) = line.iter().position(|byte| *byte == 0)
        {
            line = Cow::Owned(line[..at].to_vec());
        }
        Some(Line { number, text: line, is_ended: ended || rest.peek().is_some() })
    })
}
