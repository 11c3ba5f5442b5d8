//! WAIT, DECIDE, DO.

pub mod wait;
