//! run-parts' command line, and what is said of a wrong one: the words are those of Debian's.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Runs the programs in a directory, one after the other.
#[derive(Debug, Parser)]
#[command(
    name = "rat-run-parts",
    disable_version_flag = true,
    args_override_self = true,
    infer_long_args = true,
    override_usage = "rat-run-parts [OPTION]... DIRECTORY"
)]
pub struct Options {
    /// Print the names of what would be run, and run nothing
    #[arg(long, conflicts_with = "list")]
    pub test: bool,
    /// Print the names of all files that could be meant, and run nothing
    #[arg(long)]
    pub list: bool,
    /// Print the name of each on standard error before it is run
    #[arg(short = 'v', long)]
    pub verbose: bool,
    /// Print on standard error which names are passed over
    #[arg(long)]
    pub debug: bool,
    /// Print the name of each that prints anything, before that
    #[arg(long)]
    pub report: bool,
    /// Run the last one first
    #[arg(long)]
    pub reverse: bool,
    /// Stop at the first that fails
    #[arg(long)]
    pub exit_on_error: bool,
    /// Give each of them all of standard input
    #[arg(long)]
    pub stdin: bool,
    /// Take names as the LSB has them: lower case, and dots in all parts but the last
    #[arg(long)]
    pub lsbsysinit: bool,
    /// Run each in a session of its own
    #[arg(long)]
    pub new_session: bool,
    /// Take names that match this extended regular expression
    #[arg(long, value_name = "RE", allow_hyphen_values = true)]
    pub regex: Option<String>,
    /// Run them with this file mode creation mask, in octal
    #[arg(
        short = 'u',
        long,
        value_name = "UMASK",
        default_value = "022",
        allow_hyphen_values = true
    )]
    pub umask: String,
    /// Pass this to each of them; may be given more than once
    #[arg(short = 'a', long = "arg", value_name = "ARGUMENT", allow_hyphen_values = true)]
    pub arguments: Vec<OsString>,
    /// Print the version
    #[arg(short = 'V', long)]
    pub version: bool,
    /// The directory
    #[arg(value_name = "DIRECTORY")]
    pub directories: Vec<PathBuf>,
}

impl Options {
    /// Reads a command line. `Err` is what to say: on standard output, or what is wrong, without the program's name.
    pub fn read(arguments: impl Iterator<Item = OsString>) -> Result<Options, Said> {
        let options = Options::try_parse_from(arguments).map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp => Said::Help(error.to_string()),
            _ => Said::Wrong(wrong(&error)),
        })?;
        if !options.version && options.directories.len() != 1 {
            return Err(Said::Wrong("missing operand".to_owned()));
        }
        Ok(options)
    }

    /// The mask, if it is one.
    pub fn mask(&self) -> Option<u32> {
        u32::from_str_radix(&self.umask, 8).ok().filter(|mask| *mask <= 0o777)
    }
}

/// What is said in place of running anything.
#[derive(Debug)]
pub enum Said {
    /// How it is called.
    Help(String),
    /// What is wrong.
    Wrong(String),
}

fn wrong(error: &clap::Error) -> String {
    let named = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => argument.as_str(),
        Some(ContextValue::Strings(arguments)) => arguments.first().map_or("", String::as_str),
        _ => "",
    };
    let option = named.split(' ').next().unwrap_or_default();
    match error.kind() {
        ErrorKind::ArgumentConflict => "--list and --test can not be used together".to_owned(),
        ErrorKind::UnknownArgument if option.starts_with("--") => {
            format!("unrecognized option '{}'", option.escape_debug())
        }
        ErrorKind::UnknownArgument => {
            format!("invalid option -- '{}'", option.trim_start_matches('-').escape_debug())
        }
        ErrorKind::InvalidValue | ErrorKind::NoEquals => {
            format!("option '{option}' requires an argument")
        }
        _ => error.kind().as_str().unwrap_or("wrong usage").to_owned(),
    }
}
