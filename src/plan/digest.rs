//! A stable number made of texts, for identities and for draws that must not change. No secret is kept by it.

/// A 64-bit digest of several texts (FNV-1a, stirred).
pub fn digest(texts: &[&[u8]]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    // Each text is closed by a byte that no line contains, so that ("a", "bc") and ("ab", "c") differ.
    let hash = texts
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, text| step(text.iter().fold(hash, step), &b'\n'));
    stir(hash)
}

/// The finishing steps of SplitMix64: FNV alone leaves neighbours alike.
pub fn stir(state: u64) -> u64 {
    let state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ state >> 31
}
