//! Any words as at's: nothing panics, and an instant that is found is found again in what is printed for it.
#![no_main]

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;

use rat::client::reading::instant;
use rat::syntax::timespec::{iso, parse, parse_touch, resolve};
use rat::zone::Zone;

fuzz_target!(|input: (u32, &str)| {
    let (seconds, words) = input;
    let Some(now) = DateTime::from_timestamp(i64::from(seconds), 0) else { return };
    let Ok(zone) = Zone::named("America/New_York") else { return };
    let found = parse(words).and_then(|timespec| resolve(&timespec, now, &zone));
    for found in [found, parse_touch(words, now, &zone)].into_iter().flatten() {
        let printed = iso(found, &zone);
        assert_eq!(instant(&printed, &zone), Ok(found), "{words}: {printed}");
    }
});
