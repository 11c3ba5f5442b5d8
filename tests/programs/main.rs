//! Black box: the real ratd in a temporary root, and the real clients against it. Nothing here sleeps: what is waited
//! for is a line that ratd writes, the end of a process, or a job that opens a FIFO.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

mod anacron;
mod at;
mod bench;
mod catch_up;
mod clock;
mod config;
mod container;
mod crash;
mod crontab;
mod dialect;
mod disk;
mod idle;
mod mains;
mod missed;
mod protocol;
mod queue;
mod retry;
mod run;
mod run_parts;
mod single;
mod spool;
mod system;
mod systemd;
mod terminal;
mod user;
mod versions;
mod why;
mod year;
