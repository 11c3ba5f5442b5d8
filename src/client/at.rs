//! at: reads the command line and says when the job is due. What happens to the job is ratd's to know.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::{DateTime, TimeZone};
use clap::{ArgAction, CommandFactory, Parser};

use crate::client::call::{CallError, Connection};
use crate::client::clock::now;
use crate::client::queue::{self, Atq, Atrm, CLASSIC};
use crate::client::surroundings;
use crate::plan::civil::Timestamp;
use crate::protocol::request::SubmitJob;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::timespec::{iso, parse, parse_touch, resolve};
use crate::zone::Zone;

/// Runs commands once, at a later time.
#[derive(Debug, Parser)]
#[command(
    name = "rat-at",
    disable_help_flag = true,
    disable_version_flag = true,
    args_override_self = true,
    override_usage = "rat-at [-q QUEUE] [-mMv] [-u USER] [-f FILE] [--dry-run] TIME...\n       \
        rat-at [-q QUEUE] [-mMv] [-u USER] [-f FILE] [--dry-run] -t [[CC]YY]MMDDhhmm[.SS]\n       \
        rat-at -l [-q QUEUE] [-o FORMAT] [JOB...]\n       \
        rat-at -r|-d JOB...\n       \
        rat-at -c JOB...\n       \
        rat-at -V"
)]
pub struct At {
    /// The queue: one letter
    #[arg(short = 'q', value_name = "QUEUE")]
    pub queue: Option<String>,
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

/// The program.
pub fn main() -> ExitCode {
    let at = match At::try_parse() {
        Ok(at) => at,
        Err(error) => {
            eprint!("{}", error.render());
            return ExitCode::FAILURE;
        }
    };
    if at.version {
        eprintln!("rat-at {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    // As at: who asks how it is called has not got anything queued.
    if at.help {
        eprint!("{}", At::command().render_help());
        return ExitCode::FAILURE;
    }
    if let Some(status) = on_the_queue(&at) {
        return status;
    }
    let zone = match Zone::local(Path::new("/")) {
        Ok(zone) => zone,
        Err(unknown) => return refuse(&unknown.to_string()),
    };
    match due(&at, &zone) {
        Ok(due) if at.dry_run => {
            println!("{}", iso(due, &zone));
            ExitCode::SUCCESS
        }
        Ok(due) => submit(&at, due, &zone).unwrap_or_else(|message| refuse(&message)),
        Err(message) => refuse(&message),
    }
}

/// `-l`, `-r`, `-d` and `-c`: what is asked is not about a new job.
fn on_the_queue(at: &At) -> Option<ExitCode> {
    let (root, jobs) = (at.root.clone(), at.words.clone());
    if at.list {
        let queue = at.queue.as_ref().and_then(|queue| queue.chars().next());
        let asked = Atq { queue, format: at.format.clone(), root, json: false, version: (), jobs };
        Some(queue::list(&asked, "rat-at"))
    } else if at.remove || at.delete {
        Some(queue::remove(&Atrm { kill: false, root, version: (), jobs }, "rat-at"))
    } else if at.print {
        Some(queue::show(&jobs, root.as_deref(), "rat-at"))
    } else {
        None
    }
}

/// Hands the job to ratd. It is on disk when its number is printed.
fn submit(at: &At, due: Timestamp, zone: &Zone) -> Result<ExitCode, String> {
    let mut connection = Connection::open(at.root.as_deref())
        .map_err(|no_daemon| format!("{no_daemon}\nnothing was queued"))?;
    let shown = zone.from_utc_datetime(&due.naive_utc()).format(CLASSIC).to_string();
    if at.verbose {
        eprintln!("{shown}\n");
    }
    let job = surroundings::capture(at, due, &shown)
        .map_err(|message| format!("{message}\nnothing was queued"))?;
    match connection.call(&SubmitJob { job }) {
        Ok(submitted) => {
            eprintln!("job {} at {shown}", submitted.number);
            Ok(ExitCode::SUCCESS)
        }
        Err(error @ CallError::Fault(_)) => Err(format!("{error}\nnothing was queued")),
        Err(error @ CallError::Broken(_)) => {
            Err(format!("{error}\nit is not known whether the job was queued; look with rat-atq"))
        }
    }
}

/// When the command line wants the job, by one reading of the clock; or why it cannot be had.
fn due(at: &At, zone: &Zone) -> Result<Timestamp, String> {
    let present = match at.now {
        Some(seconds) => DateTime::from_timestamp(seconds, 0)
            .ok_or_else(|| format!("--now {seconds}: no such time"))?,
        None => now(),
    };
    match &at.touch {
        Some(_) if !at.words.is_empty() => Err("the time is given twice: -t and words".to_owned()),
        Some(text) => parse_touch(text, present, zone).map_err(|wrong| told(text, &wrong)),
        None => {
            let words = at.words.join(" ");
            parse(&words)
                .and_then(|timespec| resolve(&timespec, present, zone))
                .map_err(|wrong| told(&words, &wrong))
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

fn refuse(message: &str) -> ExitCode {
    eprintln!("rat-at: {message}");
    ExitCode::FAILURE
}
