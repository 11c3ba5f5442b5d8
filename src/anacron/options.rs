//! anacron's command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;
use clap::error::ErrorKind;

use crate::plan::pass::Call;

/// Runs the jobs of an anacrontab that are owed, and ends.
#[derive(Debug, Parser)]
#[command(name = "rat-anacron", version, args_override_self = true)]
pub struct Options {
    /// Run one job after the other
    #[arg(short = 's')]
    pub serial: bool,
    /// Run jobs even if they are not owed
    #[arg(short = 'f')]
    pub force: bool,
    /// Run jobs without delays, and one after the other
    #[arg(short = 'n')]
    pub now: bool,
    /// Stay in the foreground, and say on standard error what is done
    #[arg(short = 'd')]
    pub foreground: bool,
    /// Say nothing on standard error
    #[arg(short = 'q')]
    pub quiet: bool,
    /// Write down that the jobs are done today, and run none
    #[arg(short = 'u')]
    pub update: bool,
    /// Read this anacrontab [default: /etc/anacrontab]
    #[arg(short = 't', value_name = "FILE")]
    pub table: Option<PathBuf>,
    /// Keep stamps in this directory [default: /var/spool/anacron]
    #[arg(short = 'S', value_name = "DIR")]
    pub spool: Option<PathBuf>,
    /// Check the anacrontab, and run nothing
    #[arg(short = 'T')]
    pub test: bool,
    /// Use DIR in place of /
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// The jobs: names, or patterns of the shell [default: all]
    #[arg(value_name = "JOB")]
    pub jobs: Vec<String>,
}

impl Options {
    /// Reads a command line. `Err` is what to say instead, and the exit status.
    pub fn read(arguments: impl Iterator<Item = OsString>) -> Result<Options, (clap::Error, u8)> {
        Options::try_parse_from(arguments).map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => (error, 0),
            // Wrong usage is 1 for anacron.
            _ => (error, 1),
        })
    }

    /// How jobs are to be run.
    pub fn call(&self) -> Call {
        Call { forced: self.force, at_once: self.now, serial: self.serial || self.now }
    }
}
