//! `rat run`: runs a job now, as its schedule would, and waits for its end where that is wanted.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::client::call::Connection;
use crate::client::output::{complain, print};
use crate::client::{ask, table};
use crate::plan::run::Outcome;
use crate::protocol::reply::Run;
use crate::protocol::request::{RunJob, WaitRun};

/// What `rat run` is asked.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Its name, USER/NAME, its id, FILE:LINE, or the beginning of one that no other job has
    #[arg(value_name = "JOB")]
    pub job: String,
    /// Wait until it is over, print what it printed, and fail if it failed
    #[arg(short = 'w', long)]
    pub wait: bool,
    /// Wait, and exit as the job did; with 128 and the number of the signal that killed it
    #[arg(long)]
    pub exit_status: bool,
    /// Ask the ratd under DIR
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// Runs `rat run`.
pub fn main(args: &Args) -> ExitCode {
    run(args).unwrap_or_else(|status| status)
}

fn run(args: &Args) -> Result<ExitCode, ExitCode> {
    let mut connection = ask::connect(args.root.as_deref())?;
    let ordered = ask::call(&mut connection, &RunJob { job: args.job.clone() })?;
    if !args.wait && !args.exit_status {
        return Ok(print("rat run", |output| writeln!(output, "{}", ordered.run)));
    }
    complain(&format!("▶ {} run {} · as {}", ordered.name, ordered.run, ordered.owner));
    let run = wait(&mut connection, &ordered.run)?;
    let printed = print("rat run", |output| match &run.output {
        Some(text) => output.write_all(&text.0),
        None => Ok(()),
    });
    complain(&summary(&run));
    let status = status(run.end.parse().as_ref(), args.exit_status);
    Ok(if status == ExitCode::SUCCESS { printed } else { status })
}

fn wait(connection: &mut Connection, run: &str) -> Result<Run, ExitCode> {
    let waited = ask::call(connection, &WaitRun { run: run.to_owned() });
    waited.map(|waited| waited.run).inspect_err(|_| {
        complain(&format!("rat: run {run} was ordered; `rat history` tells what becomes of it"));
    })
}

/// How it ended, in a line.
fn summary(run: &Run) -> String {
    let mark = if run.end.parse() == Some(Outcome::Exited(0)) { '●' } else { '✖' };
    let mut text = format!("{mark} {}", table::outcome(&run.end));
    if let Some((started, ended)) = run.started.zip(run.ended) {
        text += &format!(" after {}", table::length(ended - started));
    }
    let cpu = (run.usage.user_microseconds + run.usage.system_microseconds) as f64 / 1e6;
    if run.usage.max_rss_kib > 0 {
        text += &format!(" · cpu {cpu:.2}s · max rss {} MiB", run.usage.max_rss_kib.div_ceil(1024));
    }
    text
}

/// What `rat` exits with: 1 for every failure, or the job's own status.
fn status(outcome: Option<&Outcome>, own: bool) -> ExitCode {
    let own_status = match outcome {
        Some(Outcome::Exited(status)) => u8::try_from(*status).unwrap_or(1),
        Some(Outcome::Killed(signal)) => u8::try_from(128 + signal).unwrap_or(1),
        Some(Outcome::NotStarted(_) | Outcome::LeftToAnother(_) | Outcome::Lost(_)) | None => 1,
    };
    ExitCode::from(if own { own_status } else { own_status.min(1) })
}
