//! The one reading of the clock that a client makes.

use nix::time::{ClockId, clock_gettime};

use crate::plan::civil::Timestamp;

/// The present.
pub fn now() -> Timestamp {
    // CLOCK_REALTIME cannot fail; the epoch is as good an answer as any to a kernel without it.
    clock_gettime(ClockId::CLOCK_REALTIME)
        .ok()
        .and_then(|now| {
            Timestamp::from_timestamp(now.tv_sec(), u32::try_from(now.tv_nsec()).unwrap_or(0))
        })
        .unwrap_or_default()
}
