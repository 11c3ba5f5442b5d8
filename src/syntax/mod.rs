//! WHAT PEOPLE WRITE: crontabs, anacrontabs and at's words. Text in; values and diagnostics out. No I/O, no clock.

pub mod anacrontab;
pub mod changes;
pub mod classic;
pub mod crontab;
pub mod diagnostic;
pub mod dialect;
pub mod environment;
pub mod explain;
pub mod expression;
pub mod field;
pub mod lines;
pub mod portability;
pub mod seed;
pub mod timespec;
