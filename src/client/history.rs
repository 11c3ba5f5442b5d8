//! `rat history`: past runs, the newest last, as one reads a log.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::client::output::{Output, print};
use crate::client::{ask, reading, table};
use crate::plan::run::Trigger;
use crate::plan::text::Text;
use crate::protocol::reply::Run;
use crate::protocol::request::ListRuns;
use crate::zone::Zone;

/// What `rat history` is asked.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Only the runs of the job of this name or id; it may be cut short
    #[arg(value_name = "JOB")]
    pub job: Option<String>,
    /// The last COUNT runs
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
    pub count: u32,
    /// Print what each run printed, too
    #[arg(long)]
    pub output: bool,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
    /// Ask the ratd under DIR
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// Runs `rat history`.
pub fn main(args: &Args) -> ExitCode {
    let request =
        ListRuns { job: args.job.clone(), limit: args.count, output: args.output || args.json };
    ask::ask(args.root.as_deref(), &request, |runs| {
        print("rat history", |output| {
            if args.json {
                let runs: Vec<_> = runs.runs.iter().map(object).collect();
                return writeln!(output, "{}", json!({ "schema": "rat.history/1", "runs": runs }));
            }
            let zone = reading::local_zone();
            if args.output {
                write_outputs(output, &runs.runs, &zone)
            } else {
                write_table(output, &runs.runs, &zone)
            }
        })
    })
}

/// A run as a program reads it: what it printed is plain strings.
fn object(run: &Run) -> serde_json::Value {
    let mut object = json!(run);
    object["last_line"] = json!(run.last_line.shown());
    object["output"] = json!(run.output.as_ref().map(Text::shown));
    object
}

fn write_table(output: &mut Output, runs: &[Run], zone: &Zone) -> std::io::Result<()> {
    let row = |run: &Run| {
        let took =
            run.started.zip(run.ended).map(|(started, ended)| table::length(ended - started));
        let cpu = (run.usage.user_microseconds + run.usage.system_microseconds) as f64 / 1e6;
        [
            run.id.clone(),
            run.name.clone(),
            run.owner.clone(),
            table::instant(run.due, zone),
            trigger(run.trigger).to_owned(),
            took.unwrap_or_else(|| "-".to_owned()),
            table::outcome(&run.end),
            format!("{cpu:.2}s"),
            table::one_line(&run.last_line.shown(), 40),
        ]
    };
    let rows: Vec<_> = runs.iter().rev().map(row).collect();
    table::write(
        output,
        ["RUN", "JOB", "OWNER", "DUE", "WHY", "TOOK", "RESULT", "CPU", "LAST LINE"],
        &rows,
    )?;
    writeln!(output, "\n{} runs, times in {}", runs.len(), zone.name())
}

fn write_outputs(output: &mut Output, runs: &[Run], zone: &Zone) -> std::io::Result<()> {
    for run in runs.iter().rev() {
        let due = table::instant(run.due, zone);
        writeln!(
            output,
            "== {} · {} · due {due} · {}",
            run.name,
            run.id,
            table::outcome(&run.end)
        )?;
        let Some(text) = &run.output else {
            writeln!(output, "(left out, it is too much: ask for fewer runs)")?;
            continue;
        };
        output.write_all(&text.0)?;
        if !text.0.ends_with(b"\n") && !text.0.is_empty() {
            writeln!(output)?;
        }
    }
    Ok(())
}

fn trigger(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Schedule => "schedule",
        Trigger::CatchUp => "catch-up",
        Trigger::Retry => "retry",
        Trigger::Reboot => "reboot",
        Trigger::At => "at",
        Trigger::Manual => "manual",
    }
}
