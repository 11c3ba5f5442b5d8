//! rat: one scheduler for Linux in the place of crond, atd and anacron.

pub mod paths;
pub mod plan;
pub mod session;
pub mod syntax;
pub mod sys;
pub mod zone;
