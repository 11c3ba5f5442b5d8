//! rat-atq and rat-atrm: the at queue listed, and jobs taken off it. Also `rat-at -l`, `-r` and `-c`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::TimeZone;
use chrono::format::{Item, StrftimeItems};
use nix::unistd::{Uid, User};

use crate::client::allowed;
use crate::client::call::{CallError, Connection};
use crate::client::called;
use crate::client::classic;
use crate::client::getopt::{self, Flag, Given, Usage, text};
use crate::client::output::{complain, print};
use crate::client::reading;
use crate::plan::civil;
use crate::plan::submission::Queue;
use crate::protocol::fault::{Fault, NOT_ALLOWED};
use crate::protocol::reply::Queued;
use crate::protocol::request::{ListQueue, RemoveJob, ShowJob};
use crate::syntax::atjob;
use crate::zone::Zone;

/// What rat-atq was asked for.
#[derive(Debug, Default)]
pub struct Atq {
    /// As it is shown: `=` for what runs.
    pub queue: Option<char>,
    pub format: Option<String>,
    pub root: Option<PathBuf>,
    pub jobs: Vec<String>,
    pub json: bool,
    pub version: bool,
    pub help: bool,
}

/// How rat-atq is called.
pub static ATQ: Usage = Usage {
    program: "rat-atq",
    about: "Lists the jobs that rat-at queued",
    ways: &["[-q QUEUE] [-o FORMAT | --json] [JOB...]", "-V"],
    flags: &[
        Flag::taking("QUEUE", &["q"], "Only this queue"),
        Flag::taking("FORMAT", &["o"], "How to show times, as for strftime(3)"),
        Flag::taking("DIR", &["root"], "Ask the ratd under DIR"),
        Flag::switch(&["json"], "One JSON object a line"),
        Flag::switch(&["V", "version"], "Print the version"),
        Flag::switch(&["h", "help"], "Print how it is called"),
    ],
    operand: ("JOB", "Only these jobs"),
};

/// What rat-atrm was asked for.
#[derive(Debug, Default)]
pub struct Atrm {
    pub root: Option<PathBuf>,
    pub jobs: Vec<String>,
    pub kill: bool,
    pub version: bool,
    pub help: bool,
}

/// How rat-atrm is called.
pub static ATRM: Usage = Usage {
    program: "rat-atrm",
    about: "Takes jobs off the queue of rat-at",
    ways: &["[--kill] JOB...", "-V"],
    flags: &[
        Flag::switch(&["k", "kill"], "End the jobs that run: TERM, and KILL ten seconds later"),
        Flag::taking("DIR", &["root"], "Ask the ratd under DIR"),
        Flag::switch(&["V", "version"], "Print the version"),
        Flag::switch(&["h", "help"], "Print how it is called"),
    ],
    operand: ("JOB", "The jobs"),
};

impl Atq {
    fn read(words: impl IntoIterator<Item = OsString>) -> Result<Atq, String> {
        let mut atq = Atq::default();
        for given in getopt::read(&ATQ, words) {
            match given? {
                Given::Operand(job) => atq.jobs.push(text(&job)),
                Given::Flag("q", queue) => atq.queue = Some(listed(&text(&queue))?),
                Given::Flag("o", format) => atq.format = Some(text(&format)),
                Given::Flag("root", root) => atq.root = Some(root.into()),
                Given::Flag("json", _) => atq.json = true,
                Given::Flag("V", _) => atq.version = true,
                Given::Flag(..) => atq.help = true,
            }
        }
        Ok(atq)
    }
}

impl Atrm {
    fn read(words: impl IntoIterator<Item = OsString>) -> Result<Atrm, String> {
        let mut atrm = Atrm::default();
        for given in getopt::read(&ATRM, words) {
            match given? {
                Given::Operand(job) => atrm.jobs.push(text(&job)),
                Given::Flag("root", root) => atrm.root = Some(root.into()),
                Given::Flag("k", _) => atrm.kill = true,
                Given::Flag("V", _) => atrm.version = true,
                Given::Flag(..) => atrm.help = true,
            }
        }
        Ok(atrm)
    }
}

/// The program rat-atq.
pub fn atq() -> ExitCode {
    let program = called::name("rat-atq");
    match Atq::read(std::env::args_os().skip(1)) {
        Ok(atq) if atq.version => version(&program),
        Ok(atq) if atq.help => help(&ATQ, &program),
        Ok(atq) => list(&atq, &program),
        Err(error) => wrong_usage(&ATQ, &program, &error),
    }
}

/// The program rat-atrm.
pub fn atrm() -> ExitCode {
    let program = called::name("rat-atrm");
    match Atrm::read(std::env::args_os().skip(1)) {
        Ok(atrm) if atrm.version => version(&program),
        Ok(atrm) if atrm.help => help(&ATRM, &program),
        Ok(atrm) => remove(&atrm, &ATRM, &program),
        Err(error) => wrong_usage(&ATRM, &program, &error),
    }
}

/// The queue that is to be listed: a letter, or `=` for what runs.
pub fn listed(word: &str) -> Result<char, String> {
    match word {
        "=" => Ok('='),
        letter => Queue::try_from(letter.to_owned()).map(Queue::letter),
    }
}

pub fn version(program: &str) -> ExitCode {
    complain(&format!("{program} {}", env!("CARGO_PKG_VERSION")));
    ExitCode::SUCCESS
}

/// Says how a program is called. As with at's programs that is a failure: who asks has not got anything done.
pub fn help(usage: &Usage, program: &str) -> ExitCode {
    complain(usage.help(program).trim_end());
    ExitCode::FAILURE
}

/// Says what is wrong with a command line, and how the program is called.
pub fn wrong_usage(usage: &Usage, program: &str, why: &str) -> ExitCode {
    complain(&format!("{program}: {why}\n{}", usage.ways(program).trim_end()));
    ExitCode::FAILURE
}

/// What ratd says no with, naming the program that was called.
pub fn said(error: &CallError, program: &str) -> String {
    match error {
        CallError::Fault(Fault::NotPermitted { message }) if message == NOT_ALLOWED => {
            message.replace("use at.", &format!("use {program}."))
        }
        error => error.to_string(),
    }
}

/// Lists the queue, a line a job: number, time, queue, owner.
pub fn list(atq: &Atq, program: &str) -> ExitCode {
    let numbers = atq.jobs.iter().map(|job| job.parse());
    let Ok(numbers) = numbers.collect::<Result<BTreeSet<u64>, _>>() else {
        return fail(program, "invalid job number");
    };
    allowed::complain_of_lists(atq.root.as_deref());
    let mut connection = match Connection::open(atq.root.as_deref()) {
        Ok(connection) => connection,
        Err(no_daemon) => return fail(program, &no_daemon.to_string()),
    };
    let wanted = |job: &&Queued| {
        (numbers.is_empty() || numbers.contains(&job.number))
            && atq.queue.is_none_or(|wanted| wanted == letter(job))
    };
    let zone = reading::local_zone();
    let format = atq.format.as_deref().and_then(|asked| StrftimeItems::new(asked).parse().ok());
    let (mut refused, mut users) = (None, BTreeMap::new());
    let printed = print(program, |output| {
        for piece in connection.pieces(&ListQueue {}) {
            match piece {
                Ok(queue) => {
                    queue.jobs.iter().filter(wanted).try_for_each(|job| match atq.json {
                        true => write_json(output, job),
                        false => {
                            write_job(output, job, &zone, format.as_deref())?;
                            write_owner(output, &job.owner, &mut users)
                        }
                    })?
                }
                Err(error) => refused = Some(error),
            }
        }
        Ok(())
    });
    match refused {
        Some(error) => {
            complain(&said(&error, program));
            ExitCode::FAILURE
        }
        None => printed,
    }
}

/// The queue of a job as it is shown: one that runs is in none, and one that is lost is in no queue of at's.
fn letter(job: &Queued) -> char {
    match (job.lost, job.running) {
        (true, _) => '!',
        (false, true) => '=',
        (false, false) => job.queue,
    }
}

/// Shows times in at's own way where no format was asked for, or none that strftime knows: the number must be seen.
fn write_job(
    output: &mut impl Write,
    job: &Queued,
    zone: &Zone,
    format: Option<&[Item<'_>]>,
) -> io::Result<()> {
    output.write_all(itoa::Buffer::new().format(job.number).as_bytes())?;
    output.write_all(b"\t")?;
    match (format, classic::bytes(civil::reading(zone, job.due))) {
        (Some(items), _) => {
            let due = zone.from_utc_datetime(&job.due.naive_utc());
            write!(output, "{}", due.format_with_items(items.iter()))?;
        }
        (None, Some(text)) => output.write_all(&text)?,
        (None, None) => output.write_all(classic::text(job.due, zone).as_bytes())?,
    }
    output.write_all(b" ")?;
    output.write_all(letter(job).encode_utf8(&mut [0; 4]).as_bytes())
}

/// The owner, unless there is no such user any more. As with at, the line is one word shorter then.
fn write_owner(
    output: &mut impl Write,
    owner: &str,
    users: &mut BTreeMap<String, bool>,
) -> io::Result<()> {
    let is_user = match users.get(owner) {
        Some(is_user) => *is_user,
        None => {
            // A name that only cannot be looked up now is shown.
            let is_user = !matches!(User::from_name(owner), Ok(None));
            *users.entry(owner.to_owned()).or_insert(is_user)
        }
    };
    if is_user {
        output.write_all(b" ")?;
        output.write_all(owner.as_bytes())?;
    }
    output.write_all(b"\n")
}

/// A line for a program: every member, whether it is true or not.
fn write_json(output: &mut impl Write, job: &Queued) -> io::Result<()> {
    let Queued { number, due, queue, owner, running, lost } = job;
    let line = serde_json::json!({
        "number": number, "due": due, "queue": queue, "owner": owner, "running": running, "lost": lost,
    });
    writeln!(output, "{line}")
}

/// Takes jobs off the queue. None is touched where one is no number; one of another owner is the last that is tried.
pub fn remove(atrm: &Atrm, usage: &Usage, program: &str) -> ExitCode {
    if atrm.jobs.is_empty() {
        return which_jobs(usage, program);
    }
    on_each(&atrm.jobs, atrm.root.as_deref(), program, |connection, number| {
        let removed = connection.call(&RemoveJob { number, kill: atrm.kill })?;
        if removed.running && !atrm.kill {
            complain("Warning: deleting running job");
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Prints jobs as shell scripts, as `at -c` does.
pub fn show(jobs: &[String], root: Option<&Path>, usage: &Usage, program: &str) -> ExitCode {
    if jobs.is_empty() {
        return which_jobs(usage, program);
    }
    on_each(jobs, root, program, |connection, number| {
        let shown = connection.call(&ShowJob { number })?;
        let gid = User::from_uid(Uid::from_raw(shown.uid)).ok().flatten();
        let gid = gid.map_or(shown.uid, |user| user.gid.as_raw());
        let script = atjob::write((shown.uid, gid), &shown.owner, &shown.job);
        Ok(print(program, |output| output.write_all(&script)))
    })
}

fn which_jobs(usage: &Usage, program: &str) -> ExitCode {
    wrong_usage(usage, program, "which jobs? rat-atq lists them")
}

/// Asks about each job in turn.
fn on_each(
    jobs: &[String],
    root: Option<&Path>,
    program: &str,
    mut ask: impl FnMut(&mut Connection, u64) -> Result<ExitCode, CallError>,
) -> ExitCode {
    let mut numbers = Vec::new();
    for job in jobs {
        match job.parse() {
            Ok(number) => numbers.push(number),
            Err(_) => {
                // at's programs share this line, with at's name.
                let program = if program == "atrm" { "at" } else { program };
                return fail(program, &format!("unknown jobid: {}", job.escape_debug()));
            }
        }
    }
    allowed::complain_of_lists(root);
    let mut connection = match Connection::open(root) {
        Ok(connection) => connection,
        Err(no_daemon) => return fail(program, &no_daemon.to_string()),
    };
    let mut status = ExitCode::SUCCESS;
    for number in numbers {
        match ask(&mut connection, number) {
            Ok(printed) if printed == ExitCode::SUCCESS => {}
            Ok(failure) => return failure,
            Err(error @ CallError::Fault(Fault::NotFound { .. })) => {
                complain(&error.to_string());
                status = ExitCode::FAILURE;
            }
            Err(error @ CallError::Fault(_)) => {
                complain(&said(&error, program));
                return ExitCode::FAILURE;
            }
            Err(error @ CallError::Broken(_)) => return fail(program, &error.to_string()),
        }
    }
    status
}

fn fail(program: &str, why: &str) -> ExitCode {
    complain(&format!("{program}: {why}"));
    ExitCode::FAILURE
}
