//! at and batch: reads the command line and says when the job is due. What happens to the job is ratd's to know.
//! Called by the name of one of at's other programs it is that one.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::{DateTime, TimeDelta};
use clap::{ArgAction, CommandFactory, Parser};

use crate::client::allowed;
use crate::client::call::{CallError, Connection};
use crate::client::called;
use crate::client::classic;
use crate::client::clock::now;
use crate::client::output::{complain, print};
use crate::client::queue::{self, Atq, Atrm};
use crate::client::surroundings;
use crate::plan::civil::Timestamp;
use crate::protocol::fault::Fault;
use crate::protocol::request::SubmitJob;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::duration;
use crate::syntax::timespec::{PAST, iso, parse, parse_touch, resolve};
use crate::zone::Zone;

/// Runs commands once, at a later time.
#[derive(Debug, Parser)]
#[command(
    name = "rat-at",
    disable_help_flag = true,
    disable_version_flag = true,
    args_override_self = true,
    override_usage = "rat-at [-q QUEUE] [-bmMv] [-u USER] [-f FILE] [--deadline TIME] [--dry-run] TIME...\n       \
        rat-at [-q QUEUE] [-bmMv] [-u USER] [-f FILE] [--dry-run] -t [[CC]YY]MMDDhhmm[.SS]\n       \
        rat-at -b [-q QUEUE] [-mMv] [-u USER] [-f FILE]\n       \
        rat-at -l [-q QUEUE] [-o FORMAT] [JOB...]\n       \
        rat-at -r|-d JOB...\n       \
        rat-at -c JOB...\n       \
        rat-at -V"
)]
pub struct At {
    /// The queue: one letter
    #[arg(short = 'q', value_name = "QUEUE")]
    pub queue: Option<String>,
    /// Wait for the load to fall: queue b, or that of -q in upper case; now, if no time is given
    #[arg(short = 'b')]
    pub batch: bool,
    /// Mail when the job is done, even if it says nothing
    #[arg(short = 'm', overrides_with = "never_mail")]
    pub mail: bool,
    /// Never mail
    #[arg(short = 'M', overrides_with = "mail")]
    pub never_mail: bool,
    /// Mail to USER
    #[arg(short = 'u', value_name = "USER")]
    pub user: Option<String>,
    /// Read the commands from FILE
    #[arg(short = 'f', value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The time, as touch takes it: [[CC]YY]MMDDhhmm[.SS]
    #[arg(short = 't', value_name = "TIME")]
    pub touch: Option<String>,
    /// List jobs, as rat-atq does
    #[arg(short = 'l')]
    pub list: bool,
    /// Remove jobs, as rat-atrm does
    #[arg(short = 'r')]
    pub remove: bool,
    /// The same as -r
    #[arg(short = 'd')]
    pub delete: bool,
    /// Print jobs
    #[arg(short = 'c')]
    pub print: bool,
    /// Show when the job is due
    #[arg(short = 'v')]
    pub verbose: bool,
    /// Print the version
    #[arg(short = 'V')]
    pub version: bool,
    /// How to show times in a list, as for strftime(3)
    #[arg(short = 'o', value_name = "FORMAT")]
    pub format: Option<String>,
    /// Do not start the job later than TIME after it is due, such as 30m or 2h
    #[arg(long, value_name = "TIME", value_parser = duration::named)]
    pub deadline: Option<TimeDelta>,
    /// Print when the job would be due, and queue nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Take this for the present, in seconds since 1970
    #[arg(long, value_name = "EPOCH", allow_negative_numbers = true)]
    pub now: Option<i64>,
    /// Ask the ratd under DIR
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Print how it is called
    #[arg(short = 'h', long, action = ArgAction::SetTrue)]
    pub help: bool,
    /// When, as in: teatime tomorrow
    #[arg(value_name = "TIME")]
    pub words: Vec<String>,
}

/// The program, or the one of at's whose name it was called by.
pub fn main() -> ExitCode {
    let program = called::name("rat-at");
    match program.as_str() {
        "atq" => queue::atq(),
        "atrm" => queue::atrm(),
        "batch" => batch(),
        _ => match At::try_parse() {
            Ok(at) => run(&at, &program),
            Err(error) => queue::wrong_usage(&error),
        },
    }
}

/// The program rat-batch: what comes in is run when the load allows it.
pub fn batch() -> ExitCode {
    if std::env::args_os().len() > 1 {
        // As the classic script says it, and where.
        let _ = print("batch", |output| writeln!(output, "batch accepts no parameters"));
        return ExitCode::FAILURE;
    }
    let program = called::name("rat-batch");
    run(&At::parse_from([program.as_str(), "-q", "b", "now"]), &program)
}

fn run(at: &At, program: &str) -> ExitCode {
    if at.version {
        complain(&format!("{program} {}", env!("CARGO_PKG_VERSION")));
        return ExitCode::SUCCESS;
    }
    // As at: who asks how it is called has not got anything queued.
    if at.help {
        complain(&At::command().render_help().to_string());
        return ExitCode::FAILURE;
    }
    if let Some(status) = on_the_queue(at, program) {
        return status;
    }
    let said = |wrong| {
        complain(&match wrong {
            Wrong::Classic(line) => line,
            Wrong::Ours(message) => format!("{program}: {message}"),
        });
        ExitCode::FAILURE
    };
    let zone = match Zone::local(Path::new("/")) {
        Ok(zone) => zone,
        Err(unknown) => return said(Wrong::Ours(unknown.to_string())),
    };
    match due(at, &zone) {
        Ok(due) if at.dry_run => print(program, |output| writeln!(output, "{}", iso(due, &zone))),
        Ok(due) => submit(at, due, &zone, program).map_or_else(said, |()| ExitCode::SUCCESS),
        Err(wrong) => said(wrong),
    }
}

/// `-l`, `-r`, `-d` and `-c`: what is asked is not about a new job.
fn on_the_queue(at: &At, program: &str) -> Option<ExitCode> {
    let (root, jobs) = (at.root.clone(), at.words.clone());
    if at.list {
        let (queue, format) = (at.queue.clone(), at.format.clone());
        let asked = Atq { queue, format, root, json: false, version: false, jobs };
        Some(queue::list(&asked, program))
    } else if at.remove || at.delete {
        Some(queue::remove(&Atrm { kill: false, root, version: false, jobs }, program))
    } else if at.print {
        Some(queue::show(&jobs, root.as_deref(), program))
    } else {
        None
    }
}

/// Hands the job to ratd. It is on disk when its number is printed.
fn submit(at: &At, due: Timestamp, zone: &Zone, program: &str) -> Result<(), Wrong> {
    allowed::complain_of_lists(at.root.as_deref());
    let mut connection =
        Connection::open(at.root.as_deref()).map_err(|no_daemon| no_daemon.to_string())?;
    let shown = classic::text(due, zone);
    if at.verbose {
        complain(&format!("{shown}\n"));
    }
    let job = surroundings::capture(at, due, &shown)?;
    match connection.call(&SubmitJob { job }) {
        Ok(submitted) => {
            complain(&format!("job {} at {shown}", submitted.number));
            Ok(())
        }
        Err(error @ CallError::Fault(Fault::NotPermitted { .. })) => {
            Err(Wrong::Classic(queue::said(&error, program)))
        }
        Err(error @ CallError::Fault(_)) => Err(error.to_string().into()),
        Err(error @ CallError::Broken(_)) => Err(Wrong::Ours(format!(
            "{error}\nit is not known whether the job was queued; look with rat-atq"
        ))),
    }
}

/// Why no job is queued.
pub enum Wrong {
    /// A line of at's own, which names no program.
    Classic(String),
    /// What rat says.
    Ours(String),
}

impl From<String> for Wrong {
    fn from(message: String) -> Wrong {
        Wrong::Ours(format!("{message}\nnothing was queued"))
    }
}

/// When the command line wants the job, by one reading of the clock; or why it cannot be had. What at says of such a
/// time comes last, for scripts that look for it.
fn due(at: &At, zone: &Zone) -> Result<Timestamp, Wrong> {
    let present = match at.now {
        Some(seconds) => DateTime::from_timestamp(seconds, 0)
            .ok_or_else(|| Wrong::Ours(format!("--now {seconds}: no such time")))?,
        None => now(),
    };
    match &at.touch {
        Some(_) if !at.words.is_empty() => {
            Err(Wrong::Classic("Cannot give time twice.".to_owned()))
        }
        Some(text) => parse_touch(text, present, zone).map_err(|wrong| {
            let shown = text.escape_debug();
            Wrong::Classic(format!("invalid date format: {shown}\n{}", told(text, &wrong)))
        }),
        None => {
            let words = match at.words.join(" ") {
                words if words.is_empty() && at.batch => "now".to_owned(),
                words => words,
            };
            let told = |wrong, classic| Wrong::Ours(told(&words, &wrong) + classic);
            let timespec = parse(&words).map_err(|wrong| told(wrong, "\nGarbled time"))?;
            resolve(&timespec, present, zone).map_err(|wrong| match wrong.code {
                PAST => told(wrong, "\nrefusing to create job destined in the past"),
                _ => told(wrong, ""),
            })
        }
    }
}

/// `"teatime tommorow": no such word: "tommorow"`, and below it what to write instead.
fn told(words: &str, wrong: &Diagnostic) -> String {
    let words = words.escape_debug();
    let label = match wrong.label.as_str() {
        "" => String::new(),
        label => format!(" ({label})"),
    };
    let help = wrong.help.as_ref().map_or(String::new(), |help| format!("\n{help}"));
    format!("\"{words}\": {}{label}{help}", wrong.message)
}
