//! WHAT PEOPLE WRITE: crontabs, anacrontabs and at's words. Text in; values and diagnostics out. No I/O, no clock.

pub mod diagnostic;
pub mod timespec;
