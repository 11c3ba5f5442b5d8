//! rat-run-parts: the programs of a directory, one after the other, as Debian's run-parts runs them. Jobs find it as
//! `run-parts` where the system has none.

pub mod names;
pub mod options;
pub mod part;

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::sys::stat::{Mode, umask};
use nix::unistd::{AccessFlags, access};

use crate::client::called;
use crate::client::output::complain;
use crate::client::run_parts::names::Names;
use crate::client::run_parts::options::{Options, Said};
use crate::client::run_parts::part::Around;
use crate::sys::pattern::Expression;
use crate::sys::process::{End, ignored, sealed};

/// The program.
pub fn main() -> ExitCode {
    let called = called::name("rat-run-parts");
    match run(&called) {
        Ok(status) => status,
        Err(why) => {
            complain(&why);
            ExitCode::FAILURE
        }
    }
}

/// Runs it. An error is what to say, with the name of the program.
fn run(called: &str) -> Result<ExitCode, String> {
    let options = match Options::read(std::env::args_os()) {
        Ok(options) => options,
        Err(Said::Help(text)) => {
            print!("{text}");
            return Ok(ExitCode::SUCCESS);
        }
        Err(Said::Wrong(why)) => {
            return Err(format!("{called}: {why}\nTry `{called} --help' for more information."));
        }
    };
    if options.version {
        println!("{called} of rat {}", env!("CARGO_PKG_VERSION"));
        return Ok(ExitCode::SUCCESS);
    }
    let mask = options.mask().ok_or_else(|| format!("{called}: bad umask value"))?;
    umask(Mode::from_bits_truncate(mask));
    let names = match (&options.regex, options.lsbsysinit) {
        (Some(text), _) => Names::Custom(
            Expression::new(text).map_err(|why| format!("Unable to build regexp: {why}"))?,
        ),
        (None, true) => Names::Lsb,
        (None, false) => Names::Classic,
    };
    let directory = options.directories.first().map(PathBuf::as_path).unwrap_or(Path::new(""));
    let mut parts = parts(directory, &names, &options).map_err(|error| {
        format!("{called}: failed to open directory {}: {}", directory.display(), words(&error))
    })?;
    if options.reverse {
        parts.reverse();
    }
    let failed = |error: io::Error| format!("{called}: {}", words(&error));
    let around = around(called, &options).map_err(failed)?;
    Ok(if go(&parts, &options, &around) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn around(called: &str, options: &Options) -> io::Result<Around> {
    let mut input = None;
    if options.stdin && !options.test && !options.list {
        let mut text = Vec::new();
        io::stdin().lock().read_to_end(&mut text)?;
        input = Some(sealed(c"stdin", &text)?);
    }
    Ok(Around {
        called: called.to_owned(),
        arguments: options.arguments.clone(),
        input,
        new_session: options.new_session,
        report: options.report,
        ignored: ignored(),
        ends: part::ends()?,
    })
}

/// The paths of those whose names are taken, sorted by their bytes.
fn parts(directory: &Path, names: &Names, options: &Options) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let (is_taken, why) = names.judge(&name);
        if options.debug {
            complain(&format!("\"{}\": {why}", name.display()));
        }
        if is_taken {
            found.push(name);
        }
    }
    found.sort();
    let path = |name: OsString| {
        // As it was written, a `/` at its end included.
        let parts = [directory.as_os_str().as_bytes(), b"/", name.as_bytes()];
        PathBuf::from(OsString::from_vec(parts.concat()))
    };
    Ok(found.into_iter().map(path).collect())
}

/// Runs them, or prints their names; false if anything failed.
fn go(parts: &[PathBuf], options: &Options, around: &Around) -> bool {
    let called = &around.called;
    let mut all_well = true;
    for path in parts {
        let about = match std::fs::metadata(path) {
            Ok(about) => about,
            Err(error) => {
                let why = words(&error);
                complain(&format!("{called}: failed to stat component {}: {why}", path.display()));
                if options.exit_on_error {
                    return false;
                }
                continue;
            }
        };
        let may = |what| access(path, what).is_ok();
        if about.is_file() && options.list {
            if may(AccessFlags::R_OK) {
                print(path);
            }
        } else if about.is_file() && may(AccessFlags::X_OK) {
            if options.test {
                print(path);
            } else if !run_one(path, options, around) {
                all_well = false;
                if options.exit_on_error {
                    return false;
                }
            }
        } else if !about.is_file() && !about.is_dir() && !options.list {
            let path = path.display();
            complain(&format!("{called}: component {path} is not an executable plain file"));
            all_well = false;
        }
    }
    all_well
}

/// Runs one; false if it failed, which is said.
fn run_one(path: &Path, options: &Options, around: &Around) -> bool {
    let (called, shown) = (&around.called, path.display());
    if options.verbose {
        let arguments = options.arguments.iter().map(|argument| format!(" {}", argument.display()));
        complain(&format!("{called}: executing {shown}{}", arguments.collect::<String>()));
    }
    let why = match around.run(path) {
        Ok(End::Exited(0)) => return true,
        Ok(End::Exited(status)) => format!("{shown} exited with return code {status}"),
        Ok(End::Killed(signal)) => {
            format!("{shown} exited because of uncaught signal {signal}")
        }
        Err(error) => format!("cannot run {shown}: {}", words(&error)),
    };
    complain(&format!("{called}: {why}"));
    false
}

fn print(path: &Path) {
    let line = [path.as_os_str().as_bytes(), b"\n"].concat();
    // Nobody may be reading any more.
    let _ = io::stdout().lock().write_all(&line);
}

/// What the system says of an error, without its number.
fn words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}
