//! Signals that are noted where they would end the process. What is executed meanwhile gets them as ever: exec takes
//! handlers away, not what is ignored.

use std::io;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// The last one that came; 0 is none. A handler can reach nothing but a global.
static NOTED: AtomicI32 = AtomicI32::new(0);

extern "C" fn note_it(signal: libc::c_int) {
    NOTED.store(signal, Ordering::Relaxed);
}

/// From here on these signals end nothing but a call that waits. Those that are ignored already stay so.
pub fn note(signals: &[Signal]) -> io::Result<()> {
    let action = SigAction::new(SigHandler::Handler(note_it), SaFlags::empty(), SigSet::empty());
    for signal in signals {
        // SAFETY: the handler does nothing but store a number, which is async-signal-safe.
        let before = unsafe { sigaction(*signal, &action) }?;
        if matches!(before.handler(), SigHandler::SigIgn) {
            // SAFETY: this puts back what was there.
            unsafe { sigaction(*signal, &before) }?;
        }
    }
    Ok(())
}

/// The last signal that was noted since this was asked before.
pub fn take_noted() -> Option<Signal> {
    Signal::try_from(NOTED.swap(0, Ordering::Relaxed)).ok()
}
