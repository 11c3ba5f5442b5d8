//! THE PROCESS AROUND ONE RUN. A fork server forks a session for each order; the session starts the job
//! as its owner, collects its output, takes its end and leaves a report. None of it needs a living ratd.

pub mod environment;
pub mod frame;
pub mod job;
pub mod output;
pub mod owner;
pub mod report;
pub mod run;
pub mod server;
