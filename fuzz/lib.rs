//! What all targets hold true of the time that reading takes.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// What even the shortest input may take.
const FLOOR: Duration = Duration::from_millis(2);

/// How much longer all takes in a program that is full of instruments and assertions.
const INSTRUMENTS: u64 = if cfg!(fuzzing) { 3 } else { 1 };

/// Fails if work on so many bytes takes more than a millisecond for each KiB, in every one of five tries. What others
/// do on the machine does not count: it is this thread's time.
pub fn in_time(length: usize, mut work: impl FnMut()) {
    let most = FLOOR + Duration::from_micros(INSTRUMENTS * length as u64 * 1000 / 1024);
    let mut time = || {
        let begun = now();
        work();
        now() - begun
    };
    let mut least = time();
    for _ in 1..5 {
        if least <= most {
            return;
        }
        least = least.min(time());
    }
    assert!(least <= most, "{length} bytes take {least:?}, and may take {most:?}");
}

fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has this clock").into()
}
