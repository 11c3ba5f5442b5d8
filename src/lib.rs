//! rat: one scheduler for Linux in the place of crond, atd and anacron.
//!
//! Read in this order: `daemon::ratd`, the loop; `plan::scheduler`, the decisions; then what interests you. The map
//! of the house is ARCHITECTURE.md.

pub mod plan;

pub mod syntax;
pub mod zone;

pub mod protocol;
pub mod spool;
pub mod store;

pub mod session;

pub mod anacron;
pub mod client;
pub mod daemon;

pub mod log;
pub mod paths;
pub mod sys;
