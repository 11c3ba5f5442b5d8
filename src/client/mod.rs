//! WHAT PEOPLE TYPE: a file a program, and a file a verb of `rat`. Plain programs with no privilege.

pub mod at;
pub mod call;
pub mod check;
pub mod clock;
pub mod crontab;
pub mod explain;
pub mod next;
pub mod output;
pub mod queue;
pub mod rat;
pub mod reading;
pub mod table;
pub mod told;
