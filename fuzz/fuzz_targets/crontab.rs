//! Any bytes as a crontab in every dialect and form, and as an anacrontab: nothing panics, and nothing takes longer
//! than its length allows.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;

use rat::syntax::anacrontab;
use rat::syntax::crontab::{Form, parse};
use rat::syntax::dialect::{BUSYBOX, CRONIE, DEBIAN, RAT};
use rat::syntax::seed::Seed;

fuzz_target!(|text: &[u8]| {
    let seed = Seed { host: "machine".to_owned(), owner: "anna".to_owned() };
    for dialect in [&RAT, &DEBIAN, &CRONIE, &BUSYBOX] {
        for form in [Form::User, Form::System, Form::Single] {
            in_time(text, || drop(parse(text, form, &seed, dialect)));
        }
    }
    in_time(text, || drop(anacrontab::parse(text)));
});

/// A millisecond for each begun KiB, with ten times as much for the instruments; the best of three, because others use
/// the machine too.
fn in_time(text: &[u8], mut work: impl FnMut()) {
    let most = Duration::from_millis(10 * (1 + text.len() as u64 / 1024));
    let mut time = || {
        let begun = Instant::now();
        work();
        begun.elapsed()
    };
    assert!(time() <= most || time() <= most || time() <= most, "too slow");
}
