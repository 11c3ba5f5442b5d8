//! The real scheduler and the real store on machines that are off, sleep, crash and have their clocks set, for months a
//! seed; what entries make up for is judged by a plain ledger; and faults that it must find.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../simulation/chance.rs"]
mod chance;
mod entry;
mod ledger;
mod machine;

use crate::machine::Fault;

/// So many seeds are run each time.
const SEEDS: u64 = 8;

/// A fault is found within so many seeds.
const SEEDS_FOR_A_FAULT: u64 = 24;

#[test]
fn every_owed_instant_is_made_up_for_once() {
    let failures: Vec<_> =
        seeds().filter_map(|seed| machine::run(seed, None).err()).take(5).collect();
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

/// `SEEDS=1000..2000 cargo test --test absences` runs others than those of every day.
fn seeds() -> std::ops::Range<u64> {
    let Ok(asked) = std::env::var("SEEDS") else { return 0..SEEDS };
    let (from, until) = asked.split_once("..").expect("SEEDS looks like 1000..2000");
    from.parse().unwrap()..until.parse().unwrap()
}

#[test]
fn the_machines_are_not_too_kind() {
    let made_up: u64 = (0..4).map(|seed| machine::run(seed, None).unwrap()).sum();
    assert!(made_up > 100, "{made_up}");
}

#[test]
fn every_fault_is_found() {
    let found = |fault: &Fault| {
        let first = (0..SEEDS_FOR_A_FAULT).find_map(|seed| machine::run(seed, Some(*fault)).err());
        println!("{}", first.as_deref().unwrap_or("not found"));
        first.is_some()
    };
    let missed: Vec<_> = Fault::ALL.iter().filter(|fault| !found(fault)).collect();
    assert!(missed.is_empty(), "the ledger does not find {missed:?}");
}
