//! The way into a program that is started once for each job. Before `main`, std finds out where the stack ends, to be
//! able to say that it overflowed; for that the C library reads /proc/self/maps, which takes a tenth of all the time
//! that such a program takes. It goes in here without that, and with the rest of what std does. Knows no program.

use std::os::fd::{BorrowedFd, IntoRawFd};
use std::process::ExitCode;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::stat::Mode;

/// Makes a function the program's: `program!(rat::client::at::main)`, under
/// `#![cfg_attr(all(target_env = "gnu", not(test)), no_main)]`. It ends with success or failure. Elsewhere than in glibc
/// std learns its arguments on the usual way only, and tests go in by their harness.
#[macro_export]
macro_rules! program {
    ($main:path) => {
        #[cfg(all(target_env = "gnu", not(test)))]
        #[allow(unsafe_code)] // The C library calls what has this name, and nothing else has.
        #[unsafe(no_mangle)]
        pub extern "C" fn main(_count: i32, _words: *const *const u8) -> i32 {
            $crate::sys::program::run($main)
        }

        #[cfg(any(not(target_env = "gnu"), test))]
        fn main() -> std::process::ExitCode {
            $main()
        }
    };
}

/// Runs it with three open descriptors, so that no file is ever taken for standard output, and with errors from closed
/// pipes instead of a signal. Nothing may be left in the buffer of standard output.
pub fn run(main: fn() -> ExitCode) -> i32 {
    hold_standard_descriptors();
    // SAFETY: no handler is installed.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigIgn) };
    i32::from(main() != ExitCode::SUCCESS)
}

fn hold_standard_descriptors() {
    for number in 0..=2 {
        // SAFETY: it is only asked about, and may be closed.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        if fcntl(descriptor, FcntlArg::F_GETFD) != Err(Errno::EBADF) {
            continue;
        }
        // The lowest free number is this one. As std does: better no program than one that writes into another file.
        match open("/dev/null", OFlag::O_RDWR, Mode::empty()) {
            Ok(null) => drop(null.into_raw_fd()),
            Err(_) => std::process::abort(),
        }
    }
}
