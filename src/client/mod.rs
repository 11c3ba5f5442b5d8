//! WHAT PEOPLE TYPE: one file a program or verb. Nothing here runs jobs.

pub mod check;
pub mod explain;
pub mod next;
pub mod output;
pub mod rat;
pub mod reading;
