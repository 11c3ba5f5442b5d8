//! rat-atq and rat-atrm: the at queue listed, and jobs taken off it. Also `rat-at -l`, `-r` and `-c`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use chrono::TimeZone;
use clap::Parser;

use crate::client::call::{CallError, Connection};
use crate::client::output::{complain, print};
use crate::client::reading;
use crate::plan::submission::Submission;
use crate::protocol::reply::Queued;
use crate::protocol::request::{ListQueue, RemoveJob, ShowJob};

/// List the jobs that rat-at queued
#[derive(Debug, Parser)]
#[command(name = "rat-atq", version, disable_version_flag = true)]
pub struct Atq {
    /// Only this queue
    #[arg(short, value_name = "QUEUE")]
    pub queue: Option<char>,
    /// How to show times, as for strftime(3)
    #[arg(short = 'o', value_name = "FORMAT")]
    pub format: Option<String>,
    /// Ask the ratd under DIR
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Print version
    #[arg(short = 'V', long, action = clap::ArgAction::Version)]
    pub version: (),
    /// Only these jobs
    #[arg(value_name = "JOB")]
    pub jobs: Vec<String>,
}

/// Take jobs off the queue of rat-at
#[derive(Debug, Parser)]
#[command(name = "rat-atrm", version, disable_version_flag = true)]
pub struct Atrm {
    /// End the jobs that run: TERM, and KILL ten seconds later
    #[arg(short, long)]
    pub kill: bool,
    /// Ask the ratd under DIR
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Print version
    #[arg(short = 'V', long, action = clap::ArgAction::Version)]
    pub version: (),
    /// The jobs
    #[arg(value_name = "JOB", required = true)]
    pub jobs: Vec<String>,
}

/// The program rat-atq.
pub fn atq() -> ExitCode {
    list(&Atq::parse(), "rat-atq")
}

/// The program rat-atrm.
pub fn atrm() -> ExitCode {
    remove(&Atrm::parse(), "rat-atrm")
}

/// How at prints an instant: `Sun Nov 22 23:58:00 2026`.
pub const CLASSIC: &str = "%a %b %e %H:%M:%S %Y";

/// Lists the queue, a line a job: number, time, queue, owner.
pub fn list(atq: &Atq, program: &str) -> ExitCode {
    let mut numbers = Vec::new();
    for job in &atq.jobs {
        match job.parse::<u64>() {
            Ok(number) => numbers.push(number),
            Err(_) => return fail(program, "invalid job number"),
        }
    }
    let mut connection = match Connection::open(atq.root.as_deref()) {
        Ok(connection) => connection,
        Err(no_daemon) => return fail(program, &no_daemon.to_string()),
    };
    let queue = match connection.call(&ListQueue {}) {
        Ok(queue) => queue,
        Err(error) => return fail(program, &error.to_string()),
    };
    let wanted = |job: &&Queued| {
        let letter = letter(job);
        (numbers.is_empty() || numbers.contains(&job.number))
            && atq.queue.is_none_or(|wanted| {
                letter == wanted.to_string() || job.queue == wanted.to_string()
            })
    };
    print(program, |output| {
        queue.jobs.iter().filter(wanted).try_for_each(|job| write_job(output, job, atq))
    })
}

fn write_job(output: &mut impl Write, job: &Queued, atq: &Atq) -> std::io::Result<()> {
    if atq.json {
        return writeln!(output, "{}", serde_json::json!(job));
    }
    let zone = reading::local_zone();
    let due = zone.from_utc_datetime(&job.due.naive_utc());
    let letter = letter(job);
    // A format that strftime does not know makes no time; the number must still be seen.
    let mut time = String::new();
    let format = atq.format.as_deref().unwrap_or(CLASSIC);
    if std::fmt::Write::write_fmt(&mut time, format_args!("{}", due.format(format))).is_err() {
        time = due.format(CLASSIC).to_string();
    }
    writeln!(output, "{}\t{time} {letter} {}", job.number, job.owner)
}

/// The queue's letter; `=` for a job that runs, as at shows it, and `!` for one that is lost.
fn letter(job: &Queued) -> &str {
    match (job.lost, job.running) {
        (true, _) => "!",
        (false, true) => "=",
        (false, false) => &job.queue,
    }
}

/// Takes jobs off the queue.
pub fn remove(atrm: &Atrm, program: &str) -> ExitCode {
    let mut connection = match Connection::open(atrm.root.as_deref()) {
        Ok(connection) => connection,
        Err(no_daemon) => return fail(program, &no_daemon.to_string()),
    };
    let mut status = ExitCode::SUCCESS;
    for job in &atrm.jobs {
        let Ok(number) = job.parse() else {
            status = fail(program, &format!("unknown jobid: {job}"));
            continue;
        };
        match connection.call(&RemoveJob { number, kill: atrm.kill }) {
            Ok(removed) if removed.running && !atrm.kill => {
                complain("Warning: deleting running job")
            }
            Ok(_) => {}
            Err(CallError::Fault(fault)) => {
                complain(&fault.to_string());
                status = ExitCode::FAILURE;
            }
            Err(error) => return fail(program, &error.to_string()),
        }
    }
    status
}

/// Prints jobs as shell scripts, as `at -c` does.
pub fn show(jobs: &[String], root: Option<&std::path::Path>, program: &str) -> ExitCode {
    let mut connection = match Connection::open(root) {
        Ok(connection) => connection,
        Err(no_daemon) => return fail(program, &no_daemon.to_string()),
    };
    let mut status = ExitCode::SUCCESS;
    for job in jobs {
        let Ok(number) = job.parse() else {
            status = fail(program, &format!("unknown jobid: {job}"));
            continue;
        };
        match connection.call(&ShowJob { number }) {
            Ok(shown) => {
                let printed = print(program, |output| write_script(output, &shown.job));
                if printed != ExitCode::SUCCESS {
                    return printed;
                }
            }
            Err(error) => {
                complain(&error.to_string());
                status = ExitCode::FAILURE;
            }
        }
    }
    status
}

fn write_script(output: &mut impl Write, job: &Submission) -> std::io::Result<()> {
    writeln!(output, "#!/bin/sh\numask {:o}", job.umask)?;
    for (name, value) in job.environment.iter() {
        output.write_all(&name.0)?;
        output.write_all(b"=")?;
        output.write_all(&quoted(&value.0))?;
        output.write_all(b"; export ")?;
        output.write_all(&name.0)?;
        output.write_all(b"\n")?;
    }
    output.write_all(b"cd ")?;
    output.write_all(&quoted(&job.directory.0))?;
    output.write_all(b" || {\n\techo 'Execution directory inaccessible' >&2\n\texit 1\n}\n")?;
    output.write_all(&job.script.0)
}

/// The text as one word of the shell.
fn quoted(text: &[u8]) -> Vec<u8> {
    let mut word = vec![b'\''];
    for byte in text {
        match byte {
            b'\'' => word.extend(b"'\\''"),
            _ => word.push(*byte),
        }
    }
    word.push(b'\'');
    word
}

fn fail(program: &str, why: &str) -> ExitCode {
    complain(&format!("{program}: {why}"));
    ExitCode::FAILURE
}
