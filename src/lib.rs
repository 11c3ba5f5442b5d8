//! rat: one scheduler for Linux in the place of crond, atd and anacron.

pub mod client;
pub mod paths;
pub mod plan;
pub mod protocol;
pub mod store;
pub mod syntax;
pub mod sys;
pub mod zone;
