//! Fields from any bytes, in zones and from instants as they come: what is due next is later, is what the fields
//! select, and what they select is the same when it is written as plain lists; all of them can be told in words.
#![no_main]

use chrono::{DateTime, TimeDelta};
use libfuzzer_sys::fuzz_target;

use rat::plan::civil::reading;
use rat::plan::schedule::{ALL_WEEKDAYS, Calendar, Schedule, selects};
use rat::syntax::dialect::{BUSYBOX, CRONIE, DEBIAN, RAT};
use rat::syntax::expression::schedule;
use rat::syntax::seed::Seed;
use rat::syntax::{explain, on_calendar};
use rat::zone::Zone;

const ZONES: [&str; 6] = [
    "UTC",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Beirut",
    "Pacific/Apia",
    "America/Havana",
];

fuzz_target!(|input: ([u8; 2], i64, &str)| {
    let ([zone, dialect], seconds, text) = input;
    let dialect = [&RAT, &DEBIAN, &CRONIE, &BUSYBOX][dialect as usize % 4];
    let Ok(read) = schedule(text, &Seed::default(), dialect) else { return };
    let Ok(zone) = Zone::named(ZONES[zone as usize % ZONES.len()]) else { return };
    // From 1900 to 2200: what lies outside no machine will see.
    let seconds = seconds.rem_euclid(300 * 31_556_952) - 70 * 31_556_952;
    let Some(mut after) = DateTime::from_timestamp(seconds, 0) else { return };
    if let Schedule::Seconds(seconds) = &read {
        let due = seconds.next_after(after, &zone);
        assert!(due.is_none_or(|due| due.at > after), "{text}: {after} is followed by {due:?}");
    }
    let Schedule::Calendar(calendar) = &read else { return };
    explain::calendar(calendar);
    on_calendar::lines(calendar, 1, "*");
    same_as_lists(calendar, text);
    for _ in 0..4 {
        let Some(due) = calendar.next_after(after, &zone) else { return };
        assert!(due.at > after && due.times > 0, "{text}: {after} is followed by {}", due.at);
        let at_jump = reading(&zone, due.at) - reading(&zone, due.at - TimeDelta::seconds(1))
            != TimeDelta::seconds(1);
        assert!(
            at_jump || selects(calendar, reading(&zone, due.at)),
            "{text}: not selected: {}",
            due.at
        );
        after = due.at;
    }
});

/// The fields as lists of numbers are read as the same sets, where each of them has a value.
fn same_as_lists(calendar: &Calendar, text: &str) {
    let list = |bits: u64, first: u32, last: u32| {
        let values = (first..=last).filter(|value| bits >> value & 1 == 1);
        values.map(|value| value.to_string()).collect::<Vec<_>>().join(",")
    };
    let mut days = list(calendar.days.into(), 1, 31);
    if calendar.days & 1 == 1 {
        days = [days.as_str(), "L"]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(",");
    }
    let lists = [
        list(calendar.minutes, 0, 59),
        list(calendar.hours.into(), 0, 23),
        days,
        list(calendar.months.into(), 1, 12),
        list(calendar.weekdays, 0, 6),
    ];
    if calendar.weekdays > ALL_WEEKDAYS || lists.iter().any(String::is_empty) {
        return;
    }
    let Ok(Schedule::Calendar(again)) = schedule(&lists.join(" "), &Seed::default(), &RAT) else {
        panic!("{text}: cannot be read as {lists:?}");
    };
    let sets = |of: &Calendar| {
        let (hours, months) = (of.hours & 0xff_ffff, of.months & 0x1ffe);
        (of.minutes & ((1 << 60) - 1), hours, of.days, months, of.weekdays)
    };
    assert_eq!(sets(&again), sets(calendar), "{text} is not {lists:?}");
}
