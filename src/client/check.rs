//! `rat check`: what is wrong, or perhaps not as meant, in crontabs and anacrontabs. Needs no daemon.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::unistd::User;

use crate::client::output::{complain, print};
use crate::client::reading;
use crate::syntax::crontab::{Crontab, Entry};
use crate::syntax::diagnostic::{Diagnostic, Severity};
use crate::syntax::dialect::{DEBIAN, Dialect, FileNames, Loss, OTHERS};
use crate::syntax::{anacrontab, crontab, portability};

/// What `rat check` is asked.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The files; `-` is standard input [default: the system's crontabs]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The files have a user column, as /etc/crontab
    #[arg(long, conflicts_with = "single")]
    pub system: bool,
    /// The files are ones that `ratd FILE` runs: five or seven fields
    #[arg(long)]
    pub single: bool,
    /// Read the files as another cron does: debian, cronie or busybox
    #[arg(long, value_name = "DIALECT", value_parser = Dialect::named)]
    pub dialect: Option<&'static Dialect>,
    /// Show also what busybox's cron reads differently
    #[arg(long, conflicts_with = "dialect")]
    pub portable: bool,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Runs `rat check`: exit status 1 if any line is not used or a file cannot be read.
pub fn main(args: Args) -> ExitCode {
    let files = if args.files.is_empty() { system_files() } else { args.files.clone() };
    let mut failed = false;
    let printed = print("rat check", |output| {
        for file in &files {
            match check(file, &args, output)? {
                Ok(errors) => failed |= errors,
                Err(why) => {
                    complain(&format!("rat check: {why}"));
                    failed = true;
                }
            }
        }
        Ok(())
    });
    if failed { ExitCode::FAILURE } else { printed }
}

/// Those of the system's files that exist.
fn system_files() -> Vec<PathBuf> {
    let mut drop_ins: Vec<PathBuf> = std::fs::read_dir("/etc/cron.d")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.is_file()
                && !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
        })
        .collect();
    drop_ins.sort();
    let mut files = vec![PathBuf::from("/etc/crontab")];
    files.append(&mut drop_ins);
    files.push(PathBuf::from("/etc/anacrontab"));
    files.retain(|path| path.is_file());
    files
}

/// Shows what is wrong with one file; whether any of it is an error, or why it cannot be read.
fn check(file: &Path, args: &Args, output: &mut impl Write) -> io::Result<Result<bool, String>> {
    let text = match reading::load(file) {
        Ok(text) => text,
        Err(why) => return Ok(Err(why)),
    };
    let diagnostics = if file.file_name().is_some_and(|name| name == "anacrontab") {
        anacrontab::parse(&text).diagnostics
    } else {
        let dialect = reading::dialect(args.dialect);
        let form = reading::form(file, args.system, args.single);
        let mut crontab = crontab::parse(&text, form, &reading::seed(), dialect);
        reading::zones(&mut crontab, dialect);
        if args.dialect.is_none() {
            let others = if args.portable { OTHERS.as_slice() } else { &OTHERS[..2] };
            crontab.diagnostics.extend(portability::lints(&text, form, &reading::seed(), others));
        }
        if dialect.unknown_users != Loss::Nothing {
            crontab.diagnostics.extend(unknown_users(&crontab, dialect));
        }
        crontab.diagnostics.extend(odd_name(file, args.dialect));
        crontab.diagnostics.sort_by_key(|said| said.line);
        crontab.diagnostics
    };
    let name = file.display().to_string();
    if args.json {
        for said in &diagnostics {
            writeln!(output, "{}", json(said, &name))?;
        }
    } else {
        for picture in reading::pictures(&diagnostics, &name, &text) {
            writeln!(output, "{picture}\n")?;
        }
    }
    Ok(Ok(reading::any_error(&diagnostics)))
}

/// Users that there are not, for a cron that takes no line of a file for them.
fn unknown_users(crontab: &Crontab, dialect: &Dialect) -> Vec<Diagnostic> {
    let unknown = |entry: &Entry| {
        let name = entry.user.as_deref()?;
        let message = format!("there is no user {name}");
        let help = format!("for this {} uses no line of the file", dialect.cron);
        matches!(User::from_name(name), Ok(None))
            .then(|| Diagnostic::error("E007", entry.line, 0..0, message).help(help))
    };
    crontab.entries.iter().filter_map(unknown).collect()
}

/// What is to be said about the name of a file in a directory of system crontabs.
fn odd_name(file: &Path, dialect: Option<&'static Dialect>) -> Option<Diagnostic> {
    let name = file.file_name()?.to_str()?;
    let asked = dialect.unwrap_or(&DEBIAN);
    if !file.parent()?.ends_with("cron.d") || asked.is_crontab_name(name, true) {
        return None;
    }
    let message = format!("{} passes over a file of this name", asked.cron);
    let warning = Diagnostic::warning("W043", 1, 0..0, message);
    Some(match asked.file_names {
        FileNames::Letters => warning.help("use letters, digits, `_` and `-` only"),
        _ => warning,
    })
}

fn json(said: &Diagnostic, file: &str) -> serde_json::Value {
    serde_json::json!({
        "file": file,
        "line": said.line,
        "column": said.columns.start + 1,
        "end_column": said.columns.end + 1,
        "severity": match said.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        },
        "code": said.code,
        "message": said.message,
        "label": said.label,
        "help": said.help,
    })
}
