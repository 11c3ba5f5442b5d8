//! Fields from any bytes, in zones and from instants as they come: what is due next is later, is what the fields
//! select, and nothing that they select lies before it.
#![no_main]

use chrono::{DateTime, TimeDelta};
use libfuzzer_sys::fuzz_target;

use rat::plan::civil::reading;
use rat::plan::schedule::{Schedule, selects};
use rat::syntax::dialect::{BUSYBOX, CRONIE, DEBIAN, RAT};
use rat::syntax::expression::schedule;
use rat::syntax::seed::Seed;
use rat::zone::Zone;

const ZONES: [&str; 6] =
    ["UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "Pacific/Apia", "America/Havana"];

fuzz_target!(|input: ([u8; 2], i64, &str)| {
    let ([zone, dialect], seconds, text) = input;
    let dialect = [&RAT, &DEBIAN, &CRONIE, &BUSYBOX][dialect as usize % 4];
    let Ok(read) = schedule(text, &Seed::default(), dialect) else { return };
    let Ok(zone) = Zone::named(ZONES[zone as usize % ZONES.len()]) else { return };
    // From 1900 to 2200: what lies outside no machine will see.
    let seconds = seconds.rem_euclid(300 * 31_556_952) - 70 * 31_556_952;
    let Some(mut after) = DateTime::from_timestamp(seconds, 0) else { return };
    for _ in 0..4 {
        let Schedule::Calendar(calendar) = &read else { return };
        let Some(due) = calendar.next_after(after, &zone) else { return };
        assert!(due.at > after && due.times > 0, "{text}: {after} is followed by {}", due.at);
        let at_jump = reading(&zone, due.at) - reading(&zone, due.at - TimeDelta::seconds(1)) != TimeDelta::seconds(1);
        assert!(at_jump || selects(calendar, reading(&zone, due.at)), "{text}: not selected: {}", due.at);
        after = due.at;
    }
});
