//! The real scheduler under a simulated clock, a year a seed, judged minute by minute; and faults that must be found.

#![allow(clippy::unwrap_used, clippy::panic)]

mod almanac;
mod chance;
mod mutation;
mod oracle;
mod table;
mod world;

use crate::mutation::Mutation;

/// Seeds that failed once: a period job outside its hours, and a clock that was set back unseen, in many steps,
/// or while a file was read again.
const FAILED_ONCE: &[u64] = &[26, 49, 64, 91, 104];

/// So many seeds are run each time.
const SEEDS: u64 = 16;

/// A fault is found within so many seeds.
const SEEDS_FOR_A_FAULT: u64 = 20;

#[test]
fn a_year_goes_by_the_rules() {
    let seeds = FAILED_ONCE.iter().copied().chain(seeds());
    let failures: Vec<_> = seeds.filter_map(|seed| world::run(seed, None).err()).collect();
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

/// `SEEDS=1000..2000 cargo test --test simulation` runs others than those of every day.
fn seeds() -> std::ops::Range<u64> {
    let Ok(asked) = std::env::var("SEEDS") else { return 0..SEEDS };
    let (from, until) = asked.split_once("..").expect("SEEDS looks like 1000..2000");
    from.parse().unwrap()..until.parse().unwrap()
}

#[test]
fn faults_of_summer_time_are_found() {
    check(mutation::OF_SUMMER_TIME);
}

#[test]
fn faults_of_clocks_and_catching_up_are_found() {
    check(mutation::OF_CLOCKS);
}

#[test]
fn faults_of_jobs_and_runs_are_found() {
    check(mutation::OF_JOBS);
}

/// Every one of these faults is found by some seed.
fn check(mutations: &[Mutation]) {
    let found = |mutation: Mutation| {
        let first = (0..SEEDS_FOR_A_FAULT).find_map(|seed| world::run(seed, Some(mutation)).err());
        println!("{}", first.as_deref().unwrap_or("not found"));
        first.is_some()
    };
    let missed: Vec<_> = mutations.iter().filter(|mutation| !found(**mutation)).collect();
    assert!(missed.is_empty(), "the oracle does not find {missed:?}");
}
