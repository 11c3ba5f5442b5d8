//! Frames: bytes up to a zero byte. Knows no JSON.

/// The longest frame, its zero byte not counted.
pub const LONGEST: usize = 16 << 20;

/// Nothing that is this long is a request or a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a frame of more than {LONGEST} bytes")
    }
}

/// Frames as they come in, in pieces of any size.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    /// So many of the bytes are known to hold no zero.
    searched: usize,
}

impl Frames {
    /// Takes what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// How many bytes wait here.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// The next whole frame, without its zero byte.
    pub fn pop(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        let end = self.bytes[self.searched..].iter().position(|byte| *byte == 0);
        let end = end.map(|at| at + self.searched);
        if end.unwrap_or(self.bytes.len()) > LONGEST {
            return Err(TooLong);
        }
        let Some(end) = end else {
            self.searched = self.bytes.len();
            return Ok(None);
        };
        self.searched = 0;
        let rest = self.bytes.split_off(end + 1);
        let mut frame = std::mem::replace(&mut self.bytes, rest);
        frame.pop();
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut frames = Frames::default();
        let mut whole = Vec::new();
        for piece in pieces {
            frames.push(piece);
            while let Some(frame) = frames.pop().unwrap() {
                whole.push(frame);
            }
        }
        whole
    }

    #[test]
    fn frames_are_found_however_they_are_cut() {
        assert_eq!(
            pieces(&[b"ab", b"c\0d\0", b"\0", b"half"]),
            [b"abc".to_vec(), b"d".to_vec(), Vec::new()]
        );
    }

    #[test]
    fn a_frame_without_end_is_refused_at_the_limit() {
        let mut frames = Frames::default();
        frames.push(&vec![b' '; LONGEST]);
        assert_eq!(frames.pop(), Ok(None));
        frames.push(b" ");
        assert_eq!(frames.pop(), Err(TooLong));
    }
}
