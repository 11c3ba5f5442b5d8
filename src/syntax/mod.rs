//! WHAT PEOPLE WRITE: crontabs, anacrontabs, at's words and its queue. Text in; values and diagnostics out. No I/O, no clock.

pub mod anacrontab;
pub mod atjob;
pub mod changes;
pub mod classic;
pub mod config;
pub mod crontab;
pub mod diagnostic;
pub mod dialect;
pub mod directive;
pub mod duration;
pub mod environment;
pub mod explain;
pub mod expression;
pub mod field;
pub mod lines;
pub mod lints;
pub mod on_calendar;
pub mod options;
pub mod portability;
pub mod rat_conf;
pub mod seed;
pub mod timespec;
