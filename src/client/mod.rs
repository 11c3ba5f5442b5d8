//! WHAT PEOPLE TYPE: a file a program, and a file a verb of `rat`. Plain programs with no privilege.

pub mod ask;
pub mod at;
pub mod call;
pub mod called;
pub mod check;
pub mod clock;
pub mod coming;
pub mod crontab;
pub mod explain;
pub mod history;
pub mod host;
pub mod import;
pub mod list;
pub mod next;
pub mod output;
pub mod queue;
pub mod rat;
pub mod reading;
pub mod retry;
pub mod run;
pub mod run_parts;
pub mod status;
pub mod surroundings;
pub mod table;
pub mod why;
