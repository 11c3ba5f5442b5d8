//! `rat`: the tree of its verbs. Each verb is a file beside this one.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::client::call::{CallError, Connection};
use crate::client::output::complain;
use crate::client::{check, explain, history, list, next, status};
use crate::protocol::fault::Fault;
use crate::protocol::request::Method;

/// One scheduler for crontabs, at-jobs and anacron's periods.
#[derive(Debug, Parser)]
#[command(name = "rat", version)]
struct Rat {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show all jobs: when they are due next, how they ended last
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Show past runs: how they ended, what they used, what they printed
    History(history::Args),
    /// Show how ratd is
    Status(status::Args),
    /// Show what is due when
    Next(next::Args),
    /// Show what is wrong, or perhaps not as meant, in crontabs
    Check(check::Args),
    /// Say a schedule in words
    Explain(explain::Args),
}

/// Runs `rat`; wrong usage exits 2.
pub fn main() -> ExitCode {
    match Rat::parse().verb {
        Verb::List(args) => list::main(&args),
        Verb::History(args) => history::main(&args),
        Verb::Status(args) => status::main(&args),
        Verb::Next(args) => next::main(args),
        Verb::Check(args) => check::main(args),
        Verb::Explain(args) => explain::main(args),
    }
}

/// ratd could not be reached.
const UNREACHABLE: u8 = 3;
/// The caller may not do this.
const NOT_PERMITTED: u8 = 4;
/// There is no such thing.
const NOT_FOUND: u8 = 5;

/// Calls a method and hands on what ratd replies; what goes wrong is said, and has its own exit status.
pub fn ask<M: Method>(
    root: Option<&Path>,
    method: &M,
    show: impl FnOnce(M::Reply) -> ExitCode,
) -> ExitCode {
    let mut connection = match Connection::open(root) {
        Ok(connection) => connection,
        Err(no_daemon) => {
            complain(&format!("rat: {no_daemon}"));
            return ExitCode::from(UNREACHABLE);
        }
    };
    match connection.call(method) {
        Ok(reply) => show(reply),
        Err(error) => {
            complain(&format!("rat: {error}"));
            match error {
                CallError::Fault(Fault::NotPermitted { .. }) => ExitCode::from(NOT_PERMITTED),
                CallError::Fault(Fault::NotFound { .. } | Fault::NoCrontab { .. }) => {
                    ExitCode::from(NOT_FOUND)
                }
                CallError::Fault(_) => ExitCode::FAILURE,
                CallError::Broken(_) => ExitCode::from(UNREACHABLE),
            }
        }
    }
}
