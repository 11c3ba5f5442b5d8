//! What `~` draws: numbers that look random, yet stay the same for one line of one owner on one machine.
//! Where the machine's id comes from is not known here.

use crate::plan::digest::{digest, stir};

/// What a machine and an owner bring to a draw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seed {
    /// The machine's id, so that a fleet with one crontab does not act at the same minute.
    pub host: String,
    /// Login name of the crontab's owner; in a system crontab the line's own user counts instead.
    pub owner: String,
}

/// The draws of one line, in order.
pub struct Dice<'a> {
    seed: &'a Seed,
    line: &'a [u8],
    state: Option<u64>,
}

impl<'a> Dice<'a> {
    /// Dice for a line's text. Its place in the file does not count, so edits elsewhere change nothing.
    pub fn new(seed: &'a Seed, line: &'a [u8]) -> Dice<'a> {
        Dice { seed, line, state: None }
    }

    /// A number from `first` to `last`, both included.
    pub fn draw(&mut self, first: u32, last: u32) -> u32 {
        let state = self.state.unwrap_or_else(|| {
            digest(&[self.seed.host.as_bytes(), self.seed.owner.as_bytes(), self.line])
        });
        let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state = Some(state);
        let size = u64::from(last.saturating_sub(first)) + 1;
        first + (stir(state) % size) as u32
    }
}
