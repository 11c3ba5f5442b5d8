//! at and batch: reads the command line and says when the job is due. What happens to the job is ratd's to know.
//! Called by the name of one of at's other programs it is that one.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::{DateTime, TimeDelta};

use crate::client::allowed;
use crate::client::call::{CallError, Connection};
use crate::client::called;
use crate::client::classic;
use crate::client::clock::now;
use crate::client::getopt::{self, Flag, Given, Usage, text};
use crate::client::output::{complain, print};
use crate::client::queue::{self, Atq, Atrm};
use crate::client::surroundings;
use crate::plan::civil::Timestamp;
use crate::plan::job::Mail;
use crate::protocol::fault::Fault;
use crate::protocol::request::SubmitJob;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::duration;
use crate::syntax::timespec::{PAST, iso, parse, parse_touch, resolve};
use crate::zone::Zone;

/// What rat-at was asked for.
#[derive(Debug, Default)]
pub struct At {
    what: What,
    /// As it is shown: `=` for what runs.
    pub queue: Option<char>,
    pub mail: Mail,
    pub user: Option<String>,
    pub file: Option<PathBuf>,
    touch: Option<String>,
    verbose: bool,
    version: bool,
    format: Option<String>,
    pub deadline: Option<TimeDelta>,
    dry_run: bool,
    now: Option<i64>,
    root: Option<PathBuf>,
    words: Vec<String>,
}

/// What is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum What {
    #[default]
    Queue,
    QueueBatch,
    List,
    Remove,
    Print,
    Help,
}

impl What {
    /// Whether this option means anything behind the one for this. In front of it at takes every one.
    fn takes(self, name: &str) -> bool {
        let of_all = ["root", "h"].contains(&name);
        match self {
            What::Queue => true,
            What::QueueBatch => !["l", "r", "d", "c", "b", "o"].contains(&name),
            What::List => of_all || ["q", "o", "V"].contains(&name),
            What::Remove => of_all || name == "V",
            What::Print | What::Help => of_all,
        }
    }
}

/// How it is called.
pub static USAGE: Usage = Usage {
    program: "rat-at",
    about: "Runs commands once, at a later time",
    ways: &[
        "[-q QUEUE] [-bmMv] [-u USER] [-f FILE] [--deadline TIME] [--dry-run] TIME...",
        "[-q QUEUE] [-bmMv] [-u USER] [-f FILE] [--dry-run] -t [[CC]YY]MMDDhhmm[.SS]",
        "-b [-q QUEUE] [-mMv] [-u USER] [-f FILE]",
        "-l [-q QUEUE] [-o FORMAT] [JOB...]",
        "-r|-d JOB...",
        "-c JOB...",
        "-V",
    ],
    flags: &[
        Flag::taking("QUEUE", &["q"], "The queue: one letter"),
        Flag::switch(
            &["b"],
            "Wait for the load to fall: queue b, or that of -q in upper case; now, if no time is given",
        ),
        Flag::switch(&["m"], "Mail when the job is done, even if it says nothing"),
        Flag::switch(&["M"], "Never mail"),
        Flag::taking("USER", &["u"], "Mail to USER"),
        Flag::taking("FILE", &["f"], "Read the commands from FILE"),
        Flag::taking("TIME", &["t"], "The time, as touch takes it: [[CC]YY]MMDDhhmm[.SS]"),
        Flag::switch(&["l"], "List jobs, as rat-atq does"),
        Flag::switch(&["r"], "Remove jobs, as rat-atrm does"),
        Flag::switch(&["d"], "The same as -r"),
        Flag::switch(&["c"], "Print jobs"),
        Flag::switch(&["v"], "Show when the job is due"),
        Flag::switch(&["V"], "Print the version"),
        Flag::taking("FORMAT", &["o"], "How to show times in a list, as for strftime(3)"),
        Flag::taking(
            "TIME",
            &["deadline"],
            "Do not start the job later than TIME after it is due, such as 30m or 2h",
        ),
        Flag::switch(&["dry-run"], "Print when the job would be due, and queue nothing"),
        Flag::taking("EPOCH", &["now"], "Take this for the present, in seconds since 1970"),
        Flag::taking("DIR", &["root"], "Ask the ratd under DIR"),
        Flag::switch(&["h", "help"], "Print how it is called"),
    ],
    operand: ("TIME", "When, as in: teatime tomorrow"),
};

impl At {
    /// Reads the words behind the program's name, up to the first that is wrong.
    fn read(words: impl IntoIterator<Item = OsString>) -> Result<At, Wrong> {
        let mut at = At::default();
        for given in getopt::read(&USAGE, words) {
            match given.map_err(Wrong::Usage)? {
                Given::Operand(word) => at.words.push(text(&word)),
                Given::Flag(name, _) if !at.what.takes(name) => {
                    return Err(Wrong::Usage(getopt::no_option(name.as_bytes())));
                }
                Given::Flag(name, value) => at.set(name, value)?,
            }
            if at.what == What::Help {
                break;
            }
        }
        Ok(at)
    }

    fn set(&mut self, name: &str, value: OsString) -> Result<(), Wrong> {
        match name {
            "q" => self.queue = Some(queue::listed(&text(&value)).map_err(Wrong::Usage)?),
            "b" => self.what = What::QueueBatch,
            // The last one counts.
            "m" => self.mail = Mail::Always,
            "M" => self.mail = Mail::Never,
            "u" => self.user = Some(text(&value)),
            "f" => self.file = Some(value.into()),
            "t" => self.touch = Some(text(&value)),
            "l" => self.what = What::List,
            "r" | "d" => self.what = What::Remove,
            "c" => self.what = What::Print,
            "v" => self.verbose = true,
            "V" => self.version = true,
            "o" => self.format = Some(text(&value)),
            "deadline" => {
                let wrong = |why| format!("--deadline {}: {why}", text(&value).escape_debug());
                let longest = duration::named(&text(&value)).map_err(wrong);
                self.deadline = Some(longest.map_err(Wrong::Usage)?);
            }
            "dry-run" => self.dry_run = true,
            "now" => {
                let wrong = |_| format!("--now {}: no such time", text(&value).escape_debug());
                let seconds = text(&value).parse().map_err(wrong);
                self.now = Some(seconds.map_err(Wrong::Usage)?);
            }
            "root" => self.root = Some(value.into()),
            _ => self.what = What::Help,
        }
        Ok(())
    }

    /// Whether the job waits for the load to fall.
    pub fn is_batch(&self) -> bool {
        self.what == What::QueueBatch
    }
}

/// The program, or the one of at's whose name it was called by.
pub fn main() -> ExitCode {
    let program = called::name("rat-at");
    match program.as_str() {
        "atq" => queue::atq(),
        "atrm" => queue::atrm(),
        "batch" => batch(),
        _ => match At::read(std::env::args_os().skip(1)) {
            Ok(at) => run(&at, &program),
            Err(wrong) => said(wrong, &program),
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
    let (queue, words) = (Some('b'), vec!["now".to_owned()]);
    run(&At { queue, words, ..At::default() }, &program)
}

fn run(at: &At, program: &str) -> ExitCode {
    let (root, jobs) = (at.root.clone(), at.words.clone());
    match at.what {
        // As at: who asks how it is called has not got anything queued.
        What::Help => queue::help(&USAGE, program),
        _ if at.version => queue::version(program),
        What::List => {
            let (queue, format) = (at.queue, at.format.clone());
            let asked = Atq { queue, format, root, jobs, ..Atq::default() };
            queue::list(&asked, program)
        }
        What::Remove => queue::remove(&Atrm { root, jobs, ..Atrm::default() }, &USAGE, program),
        What::Print => queue::show(&jobs, root.as_deref(), &USAGE, program),
        What::Queue | What::QueueBatch => {
            let queued = queue_or_show(at, program);
            queued.unwrap_or_else(|wrong| said(wrong, program))
        }
    }
}

/// Queues the job, or with `--dry-run` shows when it would be due.
fn queue_or_show(at: &At, program: &str) -> Result<ExitCode, Wrong> {
    let zone = Zone::local(Path::new("/")).map_err(|unknown| Wrong::Ours(unknown.to_string()))?;
    let due = due(at, &zone)?;
    if at.dry_run {
        return Ok(print(program, |output| writeln!(output, "{}", iso(due, &zone))));
    }
    submit(at, due, &zone, program).map(|()| ExitCode::SUCCESS)
}

fn said(wrong: Wrong, program: &str) -> ExitCode {
    match wrong {
        Wrong::Classic(line) => complain(&line),
        Wrong::Ours(message) => complain(&format!("{program}: {message}")),
        Wrong::Usage(why) => return queue::wrong_usage(&USAGE, program, &why),
    }
    ExitCode::FAILURE
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
    /// The command line itself is wrong.
    Usage(String),
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
        Some(text) => {
            let due = parse_touch(text, present, zone).map_err(|wrong| {
                let shown = text.escape_debug();
                Wrong::Classic(format!("invalid date format: {shown}\n{}", told(text, &wrong)))
            })?;
            let twice = || Wrong::Classic("Cannot give time twice.".to_owned());
            at.words.is_empty().then_some(due).ok_or_else(twice)
        }
        None => {
            let words = match at.words.join(" ") {
                words if words.is_empty() && at.is_batch() => "now".to_owned(),
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
