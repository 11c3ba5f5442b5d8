//! `rat retry`: lost at-jobs queued again. Does not decide what is lost.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::client::ask;
use crate::client::output::print;
use crate::protocol::request::RetryJob;

/// What `rat retry` is asked.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Numbers of lost at-jobs, as rat-atq shows them
    #[arg(value_name = "NUMBER", required = true)]
    pub jobs: Vec<u64>,
    /// Ask the ratd under DIR
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// Runs `rat retry`; the first job that cannot be queued again ends it.
pub fn main(args: &Args) -> ExitCode {
    for number in &args.jobs {
        let queued = ask::ask(args.root.as_deref(), &RetryJob { number: *number }, |queued| {
            print("rat retry", |output| {
                writeln!(output, "job {number} is queued again as job {}", queued.number)
            })
        });
        if queued != ExitCode::SUCCESS {
            return queued;
        }
    }
    ExitCode::SUCCESS
}
