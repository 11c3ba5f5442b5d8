//! `rat check`: what is wrong, or perhaps not as meant, in crontabs and anacrontabs. Needs no daemon.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::client::clock::now;
use crate::client::host::{self, Host};
use crate::client::output::{complain, print};
use crate::client::reading;
use crate::paths::RAT_CONF;
use crate::syntax::crontab::{Crontab, Form};
use crate::syntax::diagnostic::{Diagnostic, Severity};
use crate::syntax::dialect::{DEBIAN, Dialect, OTHERS};
use crate::syntax::lines::lines;
use crate::syntax::lints::{self, Crowd};
use crate::syntax::{anacrontab, crontab, portability, rat_conf};
use crate::zone::Zone;

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
    /// Read the files as another cron does: debian, cronie, busybox or container
    #[arg(long, value_name = "DIALECT", value_parser = Dialect::named)]
    pub dialect: Option<&'static Dialect>,
    /// Check a rat.conf, in place of crontabs [default: /etc/rat/rat.conf]
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        default_missing_value = RAT_CONF,
        conflicts_with_all = ["files", "system", "single", "dialect", "portable"]
    )]
    pub config: Option<PathBuf>,
    /// Show also what busybox's cron reads differently
    #[arg(long, conflicts_with = "dialect")]
    pub portable: bool,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Write pictures, one JSON object (json), or annotations of GitHub's workflows (github)
    #[arg(long, value_name = "FORMAT", default_value = "pictures", hide_possible_values = true)]
    pub format: Format,
}

/// How what is found is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Pictures,
    /// For programs.
    Json,
    /// `::error file=…`
    Github,
}

/// One file, and what there is to say about it.
struct Checked {
    name: String,
    text: Vec<u8>,
    crontab: Crontab,
    said: Vec<Diagnostic>,
}

/// Runs `rat check`: exit status 1 if any line is not used or a file cannot be read.
pub fn main(args: Args) -> ExitCode {
    let files = match (&args.config, args.files.is_empty()) {
        (Some(file), _) => vec![file.clone()],
        (None, true) => system_files(),
        (None, false) => args.files.clone(),
    };
    let (mut checked, mut unread, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    let mut host = Host::default();
    for file in &files {
        if !seen.insert(file.canonicalize().unwrap_or_else(|_| file.clone())) {
            complain(&format!("rat check: {}: named twice; read once", shown(file)));
            continue;
        }
        match check(file, &args, &mut host) {
            Ok(file) => checked.push(file),
            Err(why) => {
                complain(&format!("rat check: {why}"));
                unread.push((shown(file), why));
            }
        }
    }
    check_crowd(&mut checked);
    for file in &mut checked {
        file.said.sort_by_key(|said| (said.line, said.columns.start));
    }
    let format = if args.json { Format::Json } else { args.format };
    let printed = print("rat check", |output| match format {
        Format::Pictures => write_pictures(output, &checked),
        Format::Json => write_json(output, &checked, &unread),
        Format::Github => write_github(output, &checked),
    });
    let failed = !unread.is_empty() || checked.iter().any(|file| reading::any_error(&file.said));
    if failed { ExitCode::FAILURE } else { printed }
}

/// A file's name that cannot move the cursor.
fn shown(file: &Path) -> String {
    let name = file.display().to_string();
    if name.contains(char::is_control) { name.escape_debug().to_string() } else { name }
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
    files.extend(["/etc/anacrontab", RAT_CONF].map(PathBuf::from));
    files.retain(|path| path.is_file());
    files
}

/// Reads a file and finds what is to be said about it, or why it cannot be read.
fn check(file: &Path, args: &Args, host: &mut Host) -> Result<Checked, String> {
    let text = reading::load(file)?;
    let name = shown(file);
    let mut said = Vec::new();
    said.extend(host::untrusted(file));
    if args.config.is_some() || file.file_name().is_some_and(|name| name == "rat.conf") {
        said.extend(rat_conf::parse(&text).diagnostics);
        return Ok(Checked { name, text, crontab: Crontab::default(), said });
    }
    if file.file_name().is_some_and(|name| name == "anacrontab") {
        said.extend(anacrontab::parse(&text).diagnostics);
        return Ok(Checked { name, text, crontab: Crontab::default(), said });
    }
    let dialect = reading::dialect(args.dialect);
    let form = reading::form(file, args.system, args.single);
    let mut crontab = crontab::parse(&text, form, &reading::seed(), dialect);
    let zones = reading::zones(&mut crontab, dialect);
    said.append(&mut crontab.diagnostics);
    said.extend(host::odd_name(file, dialect, &[&DEBIAN]));
    if args.dialect.is_none() {
        let others = if args.portable { OTHERS.as_slice() } else { &OTHERS[..2] };
        said.extend(portability::lints(&text, form, &reading::seed(), others));
    }
    let lines: Vec<&[u8]> = lines(&text).collect();
    let lints = lints::lints(&crontab, &lines).into_iter();
    said.extend(lints.filter(|said| said.code != "W015" || !dialect.whole_file));
    said.extend(host.lints(&crontab, &lines, dialect));
    if args.dialect.is_none() {
        said.extend(clock_changes(&crontab, &zones, &lines, form));
        said.extend(host.beyond_limits(&crontab, file));
    }
    Ok(Checked { name, text, crontab, said })
}

/// Entries that changes of the clock of their zone meet, within a year from now.
fn clock_changes(
    crontab: &Crontab,
    zones: &HashMap<String, Zone>,
    lines: &[&[u8]],
    form: Form,
) -> Vec<Diagnostic> {
    // Seconds are not told of.
    if form == Form::Single {
        return Vec::new();
    }
    let local = reading::local_zone();
    let zone = |name: &Option<String>| name.as_ref().and_then(|name| zones.get(name));
    let entries = crontab.entries.iter().map(|entry| (entry, zone(&entry.zone).unwrap_or(&local)));
    lints::clock_changes(entries, lines, now())
}

/// Says at the last of the entries that begin together how many these are, in all files.
fn check_crowd(checked: &mut [Checked]) {
    let mut crowd = Crowd::default();
    checked.iter().flat_map(|file| &file.crontab.entries).for_each(|entry| crowd.count(entry));
    let Some(busy) = crowd.busiest() else { return };
    let has = |file: &&Checked| file.crontab.entries.iter().any(|entry| busy.has(entry));
    let files: Vec<String> = checked.iter().filter(has).map(|file| file.name.clone()).collect();
    for file in checked.iter_mut().rev() {
        if let Some(entry) = file.crontab.entries.iter().rev().find(|entry| busy.has(entry)) {
            let lines: Vec<&[u8]> = lines(&file.text).collect();
            let line = lints::line_of(&lines, entry.line);
            file.said.push(busy.told(entry, line, &files));
            return;
        }
    }
}

fn write_pictures(output: &mut impl Write, checked: &[Checked]) -> io::Result<()> {
    for file in checked {
        for picture in reading::pictures(&file.said, &file.name, &file.text) {
            writeln!(output, "{picture}\n")?;
        }
    }
    Ok(())
}

fn write_json(
    output: &mut impl Write,
    checked: &[Checked],
    unread: &[(String, String)],
) -> io::Result<()> {
    let all = || checked.iter().flat_map(|file| file.said.iter().map(move |said| (file, said)));
    let count = |severity| all().filter(|(_, said)| said.severity == severity).count();
    let read = checked.iter().map(|file| {
        let entries = file.crontab.entries.len();
        serde_json::json!({ "file": file.name, "entries": entries, "why": null })
    });
    let unread = unread
        .iter()
        .map(|(name, why)| serde_json::json!({ "file": name, "entries": 0, "why": why }));
    let object = serde_json::json!({
        "schema": "rat.check/1",
        "files": read.chain(unread).collect::<Vec<_>>(),
        "diagnostics": all().map(|(file, said)| json(said, &file.name)).collect::<Vec<_>>(),
        "errors": count(Severity::Error),
        "warnings": count(Severity::Warning),
        "notes": count(Severity::Note),
    });
    writeln!(output, "{object}")
}

/// A diagnostic as a program reads it.
pub fn json(said: &Diagnostic, file: &str) -> serde_json::Value {
    serde_json::json!({
        "file": file,
        "line": said.line,
        "column": said.columns.start + 1,
        "end_column": said.columns.end + 1,
        "severity": said.severity.word(),
        "code": said.code,
        "message": said.message,
        "label": said.label,
        "help": said.help,
    })
}

/// Workflow commands, as GitHub's runners take them from standard output.
fn write_github(output: &mut impl Write, checked: &[Checked]) -> io::Result<()> {
    for file in checked {
        for said in &file.said {
            let severity = match said.severity {
                Severity::Note => "notice",
                other => other.word(),
            };
            let name = github_escaped(&file.name).replace(':', "%3A").replace(',', "%2C");
            let (line, column, end) = (said.line, said.columns.start + 1, said.columns.end);
            let help = said.help.as_deref().unwrap_or_default();
            let parts = [said.message.as_str(), &said.label, help];
            let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            write!(output, "::{severity} file={name},line={line},col={column},")?;
            let text = github_escaped(&parts.join("; "));
            writeln!(output, "endColumn={},title={}::{text}", end.max(column), said.code)?;
        }
    }
    Ok(())
}

fn github_escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}
