//! What a schedule costs, beside the `cron` crate in the same run: `cargo bench --bench schedule`.
//! The best of many short batches counts, since the machine is rarely alone.

use std::hint::black_box;
use std::str::FromStr;
use std::time::Instant;

use chrono::DateTime;

use rat::plan::schedule::{Calendar, Schedule};
use rat::syntax::dialect::RAT;
use rat::syntax::expression::schedule;
use rat::syntax::seed::Seed;
use rat::zone::Zone;

/// Our five fields, and the crate's six with its weekday numbers.
const LINES: &[(&str, &str)] = &[
    ("* * * * *", "0 * * * * *"),
    ("*/5 * * * *", "0 */5 * * * *"),
    ("30 4 * * *", "0 30 4 * * *"),
    ("0 0 1 1 *", "0 0 0 1 1 *"),
    ("0 9 * * 1-5", "0 0 9 * * 2-6"),
    ("0 0 13 * 5", "0 0 0 13 * 6"),
    ("0 0 29 2 *", "0 0 0 29 2 *"),
];

fn main() {
    let seed = Seed::default();
    let zone = Zone::named("America/New_York").unwrap_or_else(|_| Zone::utc());
    let start = DateTime::from_timestamp(1_780_000_000, 0).unwrap_or_default();
    let end = DateTime::from_timestamp(4_000_000_000, 0).unwrap_or_default();
    println!(
        "{:<14} {:>9} {:>9} {:>9} {:>6} {:>9} {:>9} {:>6}",
        "", "next ns", "walk ns", "cron ns", "ratio", "parse ns", "cron ns", "ratio"
    );
    for (ours, theirs) in LINES {
        let calendar = calendar(ours, &seed);
        let Ok(other) = cron::Schedule::from_str(theirs) else { continue };
        let next = best(|| {
            black_box(calendar.next_after(black_box(start), &zone));
        });
        let mut at = start;
        let walk = best(|| {
            // Past 2100 a zone's rules are worked out one by one; nobody waits there.
            let due = calendar.next_after(at, &zone).filter(|due| due.at < end);
            at = due.map_or(start, |due| due.at);
        });
        let crate_next = best(|| {
            black_box(other.after(black_box(&start)).next());
        });
        let parse = best(|| {
            let _ = black_box(schedule(black_box(ours), &seed, &RAT));
        });
        let crate_parse = best(|| {
            let _ = black_box(cron::Schedule::from_str(black_box(theirs)));
        });
        println!(
            "{ours:<14} {next:>9.1} {walk:>9.1} {crate_next:>9.1} {:>6.1} {parse:>9.1} {crate_parse:>9.1} {:>6.1}",
            crate_next / next,
            crate_parse / parse,
        );
    }
    scan(&zone, start, &seed);
}

/// The next instant of each of 100,000 entries.
fn scan(zone: &Zone, start: DateTime<chrono::Utc>, seed: &Seed) {
    let calendars: Vec<Calendar> =
        LINES.iter().cycle().take(100_000).map(|(ours, _)| calendar(ours, seed)).collect();
    let took = (0..10)
        .map(|_| {
            let begun = Instant::now();
            let first = calendars.iter().filter_map(|calendar| calendar.next_after(start, zone));
            black_box(first.map(|due| due.at).min());
            begun.elapsed()
        })
        .min();
    println!(
        "next() of 100,000 entries: {:?}; a calendar is {} bytes",
        took.unwrap_or_default(),
        size_of::<Calendar>()
    );
}

fn calendar(text: &str, seed: &Seed) -> Calendar {
    match schedule(text, seed, &RAT) {
        Ok(Schedule::Calendar(calendar)) => calendar,
        _ => Calendar::new(0, 0, 0, 0, 0, rat::plan::schedule::Stars::default()),
    }
}

/// Nanoseconds of one call, in the best of many batches.
fn best(mut call: impl FnMut()) -> f64 {
    const CALLS: u32 = 2000;
    let batch = |_| {
        let begun = Instant::now();
        (0..CALLS).for_each(|_| call());
        begun.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
    };
    (0..60).map(batch).fold(f64::INFINITY, f64::min)
}
