//! What is kept of a job's output, and what is shown of it while it comes. Knows no process.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::plan::text::Text;

/// Output as far as it is kept: its head and its tail.
#[derive(Debug)]
pub struct Output {
    keep_head: usize,
    keep_tail: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    bytes: u64,
}

impl Output {
    /// Will keep `keep` bytes: a quarter from the start, the rest from the end.
    pub fn new(keep: u64) -> Output {
        let keep = usize::try_from(keep).unwrap_or(usize::MAX);
        let keep_head = keep / 4;
        Output {
            keep_head,
            keep_tail: keep - keep_head,
            head: Vec::new(),
            tail: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Takes what came next.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let room = (self.keep_head - self.head.len()).min(bytes.len());
        let (head, rest) = bytes.split_at(room);
        self.head.extend_from_slice(head);
        let rest = &rest[rest.len().saturating_sub(self.keep_tail)..];
        let excess = (self.tail.len() + rest.len()).saturating_sub(self.keep_tail);
        self.tail.drain(..excess);
        self.tail.extend(rest);
    }

    /// How much came in all.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What is kept. Where something was left out a line says how much; no character is cut in two, so
    /// that text stays text.
    pub fn into_text(self) -> Text {
        let (mut text, tail) = (self.head, Vec::from(self.tail));
        if self.bytes == (text.len() + tail.len()) as u64 {
            text.extend(tail);
            return Text(text);
        }
        text.truncate(whole_characters(&text));
        let inside = tail.iter().take(3).take_while(|byte| is_continuation(**byte)).count();
        let left_out = self.bytes - (text.len() + tail.len() - inside) as u64;
        append_line(&mut text, &format!("[rat: {left_out} bytes left out]"));
        text.extend(&tail[inside..]);
        Text(text)
    }
}

/// Adds a line of rat's own, on a line of its own.
pub fn append_line(text: &mut Vec<u8>, line: &str) {
    if text.last().is_some_and(|last| *last != b'\n') {
        text.push(b'\n');
    }
    text.extend_from_slice(line.as_bytes());
    text.push(b'\n');
}

/// How long the text is without a UTF-8 character that has only begun at its end.
fn whole_characters(text: &[u8]) -> usize {
    let begun = text.iter().rev().take(3).position(|byte| !is_continuation(*byte));
    let Some(back) = begun else { return text.len() };
    let start = text.len() - back - 1;
    let needs = match text[start] {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    };
    if back + 1 < needs { start } else { text.len() }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// The longest piece of a line that is held back until its end comes.
const LONGEST_LINE: usize = 64 << 10;

/// Output shown in lines that say whose they are. What cannot be written is lost: a job never fails
/// because nobody looks at it.
#[derive(Debug)]
pub struct Echo<W> {
    name: String,
    line: Vec<u8>,
    to: W,
}

impl<W: Write> Echo<W> {
    /// Shows lines of the job of this name there.
    pub fn new(name: &str, to: W) -> Echo<W> {
        Echo { name: name.to_owned(), line: Vec::new(), to }
    }

    /// Takes what came next, and shows the lines it ends.
    pub fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.line.len() >= LONGEST_LINE {
                self.end_line();
            }
        }
    }

    /// Shows what is left of a last line without an end, and then how it all ended.
    pub fn finish(mut self, ended: &str) {
        if !self.line.is_empty() {
            self.end_line();
        }
        self.line.extend_from_slice(ended.as_bytes());
        self.end_line();
    }

    fn end_line(&mut self) {
        let mut shown = format!("{} | ", self.name).into_bytes();
        shown.append(&mut self.line);
        if !shown.ends_with(b"\n") {
            shown.push(b'\n');
        }
        // Nobody is left to be told that nobody reads.
        let _ = self.to.write_all(&shown);
    }
}

/// How long a standard output that takes nothing may hold a job up, once.
const PATIENCE: Duration = Duration::from_secs(1);

/// Most that a pipe which polls writable takes without blocking.
const PIECE: usize = 4096;

/// A descriptor that may be a stopped terminal or a full pipe: what it does not take soon is dropped.
#[derive(Debug)]
pub struct Impatient<F> {
    to: F,
    stuck: bool,
}

impl<F: AsFd> Impatient<F> {
    /// Writes to there.
    pub fn new(to: F) -> Impatient<F> {
        Impatient { to, stuck: false }
    }
}

impl<F: AsFd> Write for Impatient<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let patience = if self.stuck { Duration::ZERO } else { PATIENCE };
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO);
        self.stuck = poll(&mut [PollFd::new(self.to.as_fd(), PollFlags::POLLOUT)], timeout)? == 0;
        if self.stuck {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(nix::unistd::write(&self.to, &bytes[..bytes.len().min(PIECE)])?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(keep: u64, pieces: &[&str], expected: &str) {
        let mut output = Output::new(keep);
        pieces.iter().for_each(|piece| output.push(piece.as_bytes()));
        assert_eq!(output.bytes(), pieces.concat().len() as u64);
        assert_eq!(output.into_text().shown(), expected, "keep {keep} of {pieces:?}");
    }

    #[test]
    fn output_that_fits_is_kept_whole() {
        check(8, &[], "");
        check(8, &["12345678"], "12345678");
        check(8, &["1", "234", "", "5678"], "12345678");
    }

    #[test]
    fn a_quarter_is_from_the_start_and_the_rest_from_the_end() {
        check(8, &["123456789"], "12\n[rat: 1 bytes left out]\n456789");
        check(8, &["1", "2345", "6789"], "12\n[rat: 1 bytes left out]\n456789");
        check(8, &["ab", &"x".repeat(1000), "123456"], "ab\n[rat: 1000 bytes left out]\n123456");
        check(0, &["abc", "d"], "[rat: 4 bytes left out]\n");
    }

    #[test]
    fn a_marker_begins_no_second_line_after_a_whole_one() {
        check(8, &["1\n345678\n"], "1\n[rat: 1 bytes left out]\n45678\n");
    }

    #[test]
    fn no_character_is_cut_in_two() {
        check(8, &["aé", "xxx", "éabcde"], "a\n[rat: 7 bytes left out]\nabcde");
        check(16, &["€€", "xxxxxxxxxxxx", "€€"], "€\n[rat: 9 bytes left out]\nxxxxxx€€");
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_as_they_are() {
        let mut output = Output::new(4);
        output.push(&[0x80; 4]);
        assert_eq!(output.into_text().0, [0x80; 4]);
    }

    #[test]
    fn echo_shows_whole_lines_and_the_end() {
        let mut shown = Vec::new();
        let mut echo = Echo::new("job", &mut shown);
        ["a\nb", "c\n\nlast", " line"].iter().for_each(|piece| echo.push(piece.as_bytes()));
        echo.finish("exited with status 0 after 0.1s");
        assert_eq!(
            String::from_utf8(shown).unwrap(),
            "job | a\njob | bc\njob | \njob | last line\njob | exited with status 0 after 0.1s\n"
        );
    }

    #[test]
    fn nobody_who_reads_is_no_trouble() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        drop(reader);
        let mut echo = Echo::new("job", Impatient::new(writer));
        echo.push(b"one\ntwo\n");
        echo.finish("exited");
    }
}
