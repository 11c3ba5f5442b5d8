//! `rat status`: how ratd is, on one screen.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::client::clock::now;
use crate::client::output::print;
use crate::client::{ask, reading, table};
use crate::protocol::reply::Status;
use crate::protocol::request::GetStatus;

/// What `rat status` is asked.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// One JSON object
    #[arg(long)]
    pub json: bool,
    /// Ask the ratd under DIR
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// Runs `rat status`: exit status 1 if the store is in trouble, 3 if no ratd answers.
pub fn main(args: &Args) -> ExitCode {
    ask::ask(args.root.as_deref(), &GetStatus {}, |status| {
        let printed = print("rat status", |output| {
            if args.json {
                let mut object = json!(status);
                object["schema"] = json!("rat.status/1");
                return writeln!(output, "{object}");
            }
            write_lines(output, &status)
        });
        if status.trouble.is_some() { ExitCode::FAILURE } else { printed }
    })
}

fn write_lines(output: &mut impl Write, status: &Status) -> std::io::Result<()> {
    let zone = reading::local_zone();
    let now = now();
    writeln!(
        output,
        "ratd {} · pid {} · up {}",
        status.version,
        status.pid,
        table::length(now - status.started)
    )?;
    let next = status.next.map_or_else(|| "never".to_owned(), |next| table::instant(next, &zone));
    writeln!(output, "  jobs    {}, {} running, next wake-up {next}", status.jobs, status.running)?;
    writeln!(output, "  runs    {} started, {} missed", status.runs_started, status.runs_missed)?;
    match &status.trouble {
        None => writeln!(output, "  store   ok")?,
        Some(trouble) => writeln!(output, "  store   TROUBLE: {trouble}")?,
    }
    if status.rows_dropped > 0 {
        writeln!(
            output,
            "  history {} rows dropped: the disk did not keep up",
            status.rows_dropped
        )?;
    }
    for problem in &status.problems {
        writeln!(output, "  {}", table::one_line(problem, 200))?;
    }
    Ok(())
}
