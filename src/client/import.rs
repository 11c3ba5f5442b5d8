//! `rat import at`: the queue of another at handed to ratd, a job at a time. Whether a job is there already is ratd's to
//! know.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::client::call::{CallError, Connection, asked_root};
use crate::client::classic;
use crate::client::output::{complain, print};
use crate::client::{ask, reading};
use crate::plan::digest::digest;
use crate::protocol::request::ImportJob;
use crate::syntax::atjob::{self, AtJob, Name};

/// Where at keeps its jobs: Debian's, and Red Hat's.
const PLACES: [&str; 2] = ["var/spool/cron/atjobs", "var/spool/at"];

/// No job of at's that rat could take is larger.
const LARGEST: u64 = 16 << 20;

/// What `rat import` is asked.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Whose queue: at
    #[arg(value_name = "at", value_parser = ["at"])]
    pub from: String,
    /// Remove the file of each job that is taken over
    #[arg(long)]
    pub remove: bool,
    /// Ask the ratd under DIR, and look for the queue there
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// What became of a file.
enum Left {
    /// It runs, or is being written: nobody's fault.
    Busy(&'static str),
    /// It does not look as it should.
    Wrong(String),
}

/// Runs `rat import`.
pub fn main(args: &Args) -> ExitCode {
    let mut connection = match Connection::open(args.root.as_deref()) {
        Ok(connection) => connection,
        Err(no_daemon) => {
            complain(&format!("rat: {no_daemon}\nnothing was imported"));
            return ExitCode::from(ask::UNREACHABLE);
        }
    };
    let root = asked_root(args.root.as_deref()).unwrap_or_else(|| PathBuf::from("/"));
    let mut status = ExitCode::SUCCESS;
    for place in PLACES.map(|place| root.join(place)) {
        let names = match names(&place) {
            Ok(names) => names,
            Err(why) => {
                complain(&format!("rat: {}: {why}", place.display()));
                status = ExitCode::FAILURE;
                continue;
            }
        };
        for (text, name) in names {
            let path = place.join(&text);
            match import(&mut connection, &path, &text, name, args.remove) {
                Ok(()) => {}
                Err(Left::Busy(why)) => complain(&format!("rat: {}: left: {why}", path.display())),
                Err(Left::Wrong(why)) => {
                    complain(&format!("rat: {}: left: {why}", path.display()));
                    status = ExitCode::FAILURE;
                }
            }
        }
    }
    status
}

/// The jobs in a directory, in order of time and number; none where there is no such directory.
fn names(place: &Path) -> std::io::Result<Vec<(String, Name)>> {
    let entries = match std::fs::read_dir(place) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(text) = entry?.file_name().into_string()
            && let Some(name) = Name::parse(&text)
        {
            names.push((text, name));
        }
    }
    names.sort_by_key(|(_, name)| (name.due, name.number));
    Ok(names)
}

fn import(
    connection: &mut Connection,
    path: &Path,
    text: &str,
    name: Name,
    remove: bool,
) -> Result<(), Left> {
    let Some(queue) = name.queue else { return Err(Left::Busy("it runs")) };
    let wrong = |error: std::io::Error| Left::Wrong(error.to_string());
    let (mut file, about) = open(path)?;
    let mut bytes = Vec::new();
    Read::by_ref(&mut file).take(LARGEST + 1).read_to_end(&mut bytes).map_err(wrong)?;
    let AtJob { uid, job } = atjob::parse(queue, name.due, &bytes).map_err(Left::Wrong)?;
    if uid != about.uid() {
        let owner = about.uid();
        return Err(Left::Wrong(format!("it is of uid {uid}, but its file is of uid {owner}")));
    }
    let source = format!("{text} {:016x}", digest(&[&bytes]));
    let imported =
        connection.call(&ImportJob { source, uid, job }).map_err(|error| match error {
            CallError::Fault(fault) => Left::Wrong(fault.to_string()),
            CallError::Broken(why) => Left::Wrong(format!("the connection to ratd broke: {why}")),
        })?;
    let zone = reading::local_zone();
    let due = classic::text(name.due, &zone);
    let here_before = if imported.new { "" } else { ", taken over before" };
    let _ = print("rat import", |output| {
        writeln!(output, "job {} at {due} (was {}{here_before})", imported.number, name.number)
    });
    if remove {
        std::fs::remove_file(path).map_err(wrong)?;
    }
    Ok(())
}

/// Opens a job's file, if it is one that at could have written, and has written to its end.
fn open(path: &Path) -> Result<(File, Metadata), Left> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = file.map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => Left::Wrong("it is a link".to_owned()),
        _ => Left::Wrong(error.to_string()),
    })?;
    let about = file.metadata().map_err(|error| Left::Wrong(error.to_string()))?;
    if !about.is_file() {
        return Err(Left::Wrong("it is no file".to_owned()));
    }
    // atd makes a second link for the moment in which it starts a job.
    if about.nlink() != 1 {
        return Err(Left::Wrong("it has another link".to_owned()));
    }
    if about.mode() & 0o022 != 0 {
        return Err(Left::Wrong("others than its owner may write it".to_owned()));
    }
    // at's mark for a job that is written to its end.
    if about.mode() & 0o100 == 0 {
        return Err(Left::Busy("it is still being typed"));
    }
    if about.len() > LARGEST {
        return Err(Left::Wrong(format!("larger than {LARGEST} bytes")));
    }
    Ok((file, about))
}
