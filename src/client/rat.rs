//! `rat`: the tree of its verbs. Each verb is a file beside this one.

use std::process::ExitCode;

use clap::Parser;

use crate::client::{check, explain, next};

/// One scheduler for crontabs, at-jobs and anacron's periods.
#[derive(Debug, Parser)]
#[command(name = "rat", version)]
struct Rat {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
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
        Verb::Next(args) => next::main(args),
        Verb::Check(args) => check::main(args),
        Verb::Explain(args) => explain::main(args),
    }
}
