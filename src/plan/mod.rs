//! WHAT RUNS WHEN. Decisions only: no file here does I/O, reads a clock or knows how a job was written down.

pub mod absence;
pub mod at_queue;
pub mod catch_up;
pub mod civil;
pub mod clock_step;
pub mod digest;
pub mod job;
pub mod manner;
pub mod missed;
pub mod pass;
pub mod retry;
pub mod run;
pub mod schedule;
pub mod scheduler;
pub mod submission;
pub mod text;
pub mod timetable;
