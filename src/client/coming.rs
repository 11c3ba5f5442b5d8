//! `rat next` without a file or a schedule: what ratd itself will run.

use std::io::Write;
use std::process::ExitCode;

use serde_json::json;

use crate::client::clock::now;
use crate::client::next::Args;
use crate::client::output::{complain, print};
use crate::client::{ask, reading, table};
use crate::protocol::reply::Coming;
use crate::protocol::request::ListNext;
use crate::zone::Zone;

/// How many are shown if nothing is said.
const FEW: u32 = 10;

/// Asks ratd.
pub fn main(args: &Args) -> ExitCode {
    let zone = match args.tz.as_deref() {
        Some(name) => Zone::named(name),
        None => Ok(reading::local_zone()),
    };
    let until =
        |zone: &Zone| args.until.as_deref().map(|text| reading::instant(text, zone)).transpose();
    let (zone, until) = match zone
        .map_err(|unknown| unknown.to_string())
        .and_then(|zone| Ok((zone.clone(), until(&zone)?)))
    {
        Ok(found) => found,
        Err(why) => {
            complain(&format!("rat next: {why}"));
            return ExitCode::FAILURE;
        }
    };
    let count = args.count.unwrap_or(if until.is_some() { u32::MAX } else { FEW });
    ask::ask(args.root.as_deref(), &ListNext { count, until }, |next| {
        print("rat next", |output| {
            if args.json {
                return next.runs.iter().try_for_each(|run| writeln!(output, "{}", object(run)));
            }
            write_table(output, &next.runs, &zone)
        })
    })
}

/// A run as a program reads it: its command is a plain string.
fn object(run: &Coming) -> serde_json::Value {
    let mut object = json!(run);
    object["command"] = json!(run.command.shown());
    object
}

fn write_table(output: &mut impl Write, runs: &[Coming], zone: &Zone) -> std::io::Result<()> {
    let now = now();
    let row = |run: &Coming| {
        [
            table::instant(run.time, zone),
            format!("in {}", table::length(run.time - now)),
            run.name.clone(),
            run.owner.clone(),
            run.schedule.clone(),
            table::one_line(&run.command.shown(), 40),
        ]
    };
    let rows: Vec<_> = runs.iter().map(row).collect();
    table::write(output, ["TIME", "", "JOB", "OWNER", "SCHEDULE", "COMMAND"], &rows)?;
    writeln!(output, "\n{} runs, times in {}", runs.len(), zone.name())
}
