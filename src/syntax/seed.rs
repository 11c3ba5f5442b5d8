//! What `~` draws: numbers that look random, yet stay the same for one line of one owner on one machine.
//! Where the machine's id comes from is not known here.

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
            fnv(&[self.seed.host.as_bytes(), self.seed.owner.as_bytes(), self.line])
        });
        let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state = Some(state);
        let size = u64::from(last.saturating_sub(first)) + 1;
        first + (mix(state) % size) as u32
    }
}

/// FNV-1a over several texts, each closed by a byte that cannot stand in a line.
fn fnv(texts: &[&[u8]]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    texts
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, text| step(text.iter().fold(hash, step), &b'\n'))
}

/// The finishing steps of SplitMix64: FNV alone leaves neighbours alike.
fn mix(state: u64) -> u64 {
    let state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ state >> 31
}
