//! THE PROCESS AROUND ONE RUN. A fork server forks a session for each order; the session starts the job
//! as its owner, collects its output, takes its end and leaves a report. None of it needs a living ratd.

pub mod clock;
pub mod environment;
pub mod frame;
pub mod job;
pub mod mail;
pub mod mailer;
pub mod output;
pub mod owner;
pub mod pam;
pub mod report;
pub mod run;
pub mod selinux;
pub mod server;
pub mod stamp;
pub mod stand_in;
