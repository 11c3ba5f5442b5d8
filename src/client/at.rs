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
    pub queue: Option<String>,
    pub batch: bool,
    pub mail: Mail,
    pub user: Option<String>,
    pub file: Option<PathBuf>,
    pub touch: Option<String>,
    list: bool,
    remove: bool,
    print: bool,
    verbose: bool,
    version: bool,
    help: bool,
    format: Option<String>,
    pub deadline: Option<TimeDelta>,
    dry_run: bool,
    now: Option<i64>,
    root: Option<PathBuf>,
    words: Vec<String>,
}

/// How it is called.
pub const USAGE: Usage = Usage {
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
    /// Reads the words behind the program's name.
    fn read(words: impl IntoIterator<Item = OsString>) -> Result<At, String> {
        let mut at = At::default();
        for given in getopt::read(&USAGE, words)? {
            match given {
                Given::Operand(word) => at.words.push(text(&word)),
                Given::Flag(name, value) => at.set(name, value)?,
            }
        }
        Ok(at)
    }

    fn set(&mut self, name: &str, value: OsString) -> Result<(), String> {
        match name {
            "q" => self.queue = Some(text(&value)),
            "b" => self.batch = true,
            // The last one counts.
            "m" => self.mail = Mail::Always,
            "M" => self.mail = Mail::Never,
            "u" => self.user = Some(text(&value)),
            "f" => self.file = Some(value.into()),
            "t" => self.touch = Some(text(&value)),
            "l" => self.list = true,
            "r" | "d" => self.remove = true,
            "c" => self.print = true,
            "v" => self.verbose = true,
            "V" => self.version = true,
            "o" => self.format = Some(text(&value)),
            "deadline" => {
                let wrong = |why| format!("--deadline {}: {why}", text(&value).escape_debug());
                self.deadline = Some(duration::named(&text(&value)).map_err(wrong)?);
            }
            "dry-run" => self.dry_run = true,
            "now" => {
                let wrong = |_| format!("--now {}: no such time", text(&value).escape_debug());
                self.now = Some(text(&value).parse().map_err(wrong)?);
            }
            "root" => self.root = Some(value.into()),
            _ => self.help = true,
        }
        Ok(())
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
            Err(error) => queue::wrong_usage(&USAGE, &program, &error),
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
    let (queue, words) = (Some("b".to_owned()), vec!["now".to_owned()]);
    run(&At { queue, words, ..At::default() }, &program)
}

fn run(at: &At, program: &str) -> ExitCode {
    if at.version {
        complain(&format!("{program} {}", env!("CARGO_PKG_VERSION")));
        return ExitCode::SUCCESS;
    }
    // As at: who asks how it is called has not got anything queued.
    if at.help {
        return queue::help(&USAGE, program);
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
        let asked = Atq { queue, format, root, jobs, ..Atq::default() };
        Some(queue::list(&asked, program))
    } else if at.remove {
        Some(queue::remove(&Atrm { root, jobs, ..Atrm::default() }, program))
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
