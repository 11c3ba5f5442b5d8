//! `rat list`: every job, when it is due next and how it ended last.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::client::clock::now;
use crate::client::output::print;
use crate::client::{ask, reading, table};
use crate::protocol::reply::Job;
use crate::protocol::request::ListJobs;

/// What `rat list` is asked.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// One JSON object
    #[arg(long)]
    pub json: bool,
    /// Ask the ratd under DIR
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// Runs `rat list`.
pub fn main(args: &Args) -> ExitCode {
    ask::ask(args.root.as_deref(), &ListJobs {}, |jobs| {
        print("rat list", |output| {
            if args.json {
                let jobs: Vec<_> = jobs.jobs.iter().map(object).collect();
                return writeln!(output, "{}", json!({ "schema": "rat.list/1", "jobs": jobs }));
            }
            write_table(output, &jobs.jobs)
        })
    })
}

/// A job as a program reads it: its command is a plain string.
fn object(job: &Job) -> serde_json::Value {
    let mut object = json!(job);
    object["command"] = json!(job.command.shown());
    object
}

fn write_table(output: &mut impl Write, jobs: &[Job]) -> std::io::Result<()> {
    let zone = reading::local_zone();
    let now = now();
    let row = |job: &Job| {
        let never = if job.disabled { "disabled" } else { "-" };
        let next = job.next.map_or_else(|| never.to_owned(), |next| table::instant(next, &zone));
        let wait =
            job.next.map_or_else(String::new, |next| format!("in {}", table::length(next - now)));
        let last =
            job.last.as_ref().map_or_else(|| "-".to_owned(), |last| table::outcome(&last.end));
        let command = table::one_line(&job.command.shown(), 40);
        [job.name.clone(), job.owner.clone(), job.schedule.clone(), next, wait, last, command]
    };
    let rows: Vec<_> = jobs.iter().map(row).collect();
    table::write(output, ["JOB", "OWNER", "SCHEDULE", "NEXT", "", "LAST", "COMMAND"], &rows)?;
    writeln!(output, "\n{} jobs, times in {}", jobs.len(), zone.name())
}
