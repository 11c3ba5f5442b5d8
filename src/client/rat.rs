//! `rat`: the tree of its verbs. Each verb is a file beside this one.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::client::{check, explain, history, import, list, next, retry, run, status, why};

/// One scheduler for crontabs, at-jobs and anacron's periods.
#[derive(Debug, Parser)]
#[command(name = "rat", version)]
pub struct Rat {
    /// Ask the ratd under DIR
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
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
    /// Queue lost at-jobs again
    Retry(retry::Args),
    /// Show how ratd is
    Status(status::Args),
    /// Show what is due when
    Next(next::Args),
    /// Say why a job ran, did not run or will run at a time
    Why(why::Args),
    /// Run a job now, as its schedule would
    Run(run::Args),
    /// Show what is wrong, or perhaps not as meant, in crontabs
    Check(check::Args),
    /// Take over the queue of another at
    Import(import::Args),
    /// Say a schedule in words
    Explain(explain::Args),
}

/// Runs `rat`; wrong usage exits 2.
pub fn main() -> ExitCode {
    let Rat { root, verb } = Rat::parse();
    // What is said behind the verb counts more.
    match verb {
        Verb::List(args) => list::main(&list::Args { root: args.root.clone().or(root), ..args }),
        Verb::History(args) => {
            history::main(&history::Args { root: args.root.clone().or(root), ..args })
        }
        Verb::Retry(args) => retry::main(&retry::Args { root: args.root.clone().or(root), ..args }),
        Verb::Status(args) => {
            status::main(&status::Args { root: args.root.clone().or(root), ..args })
        }
        Verb::Next(args) => next::main(next::Args { root: args.root.clone().or(root), ..args }),
        Verb::Why(args) => why::main(&why::Args { root: args.root.clone().or(root), ..args }),
        Verb::Run(args) => run::main(&run::Args { root: args.root.clone().or(root), ..args }),
        Verb::Check(args) => check::main(args),
        Verb::Import(args) => {
            import::main(&import::Args { root: args.root.clone().or(root), ..args })
        }
        Verb::Explain(args) => explain::main(args),
    }
}
