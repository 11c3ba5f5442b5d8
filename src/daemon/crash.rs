//! Places where a test stops ratd by SIGKILL, to see that nothing is lost and nothing runs twice.

use nix::sys::signal::{Signal, raise};

/// The numbered places, in the order in which an at-job passes them; those of its submission have the last numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Due, and not yet claimed.
    BeforeClaim = 1,
    /// Claimed in a transaction that is not committed.
    BeforeClaimCommit = 2,
    /// Claimed durably; nobody was told.
    AfterClaimCommit = 3,
    /// About to be ordered.
    BeforeOrder = 4,
    /// Ordered; the fork server may or may not have read it.
    AfterOrder = 5,
    /// Its session is there.
    AfterBegin = 6,
    /// Its report is there, and not read.
    BeforeReport = 7,
    /// Its report is in a transaction that is not committed.
    BeforeStore = 8,
    /// Its report is stored and still lies in the run directory.
    AfterStore = 9,
    /// All is done.
    AfterRemoval = 10,
    /// Handed in, and not yet written.
    BeforeSubmit = 11,
    /// Written in a transaction that is not committed.
    BeforeSubmitCommit = 12,
    /// Queued durably; nobody was told.
    AfterSubmitCommit = 13,
    /// Who handed it in has been told.
    AfterReply = 14,
}

/// Where this ratd is to die, by the environment variable `RAT_CRASH_AT`; nowhere, but in tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Crash(Option<u32>);

impl Crash {
    /// What the environment says.
    pub fn from_environment() -> Crash {
        Crash(std::env::var("RAT_CRASH_AT").ok().and_then(|place| place.parse().ok()))
    }

    /// Dies here, if this is the place.
    pub fn at(self, place: Place) {
        if self.0 == Some(place as u32) {
            let _ = raise(Signal::SIGKILL);
        }
    }
}
