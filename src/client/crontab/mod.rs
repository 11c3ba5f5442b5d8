//! rat-crontab: a user's crontab installed, listed, edited, removed, checked and brought back, with the options,
//! messages and exit statuses of crontab(1). What is asked for is found out here; each verb has a file.

mod check;
mod draft;
mod edit;
mod list;
mod moves;
mod place;
mod question;
mod versions;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser};

use crate::client::called;
use crate::client::crontab::check::Summary;
use crate::client::crontab::place::{Place, Trouble};
use crate::client::crontab::question::{Reply, ask};
use crate::client::output::complain;
use crate::client::reading::load;
use crate::syntax::dialect::{Dialect, RAT};

/// Install, list, edit, remove or check a user's crontab.
#[derive(Debug, Parser)]
#[command(name = "rat-crontab", version, disable_version_flag = true, args_override_self = true)]
pub struct Options {
    /// Install this file; `-` is standard input
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print the crontab
    #[arg(short, long)]
    list: bool,
    /// Edit the crontab with VISUAL, EDITOR or the system's editor
    #[arg(short, long)]
    edit: bool,
    /// Remove the crontab
    #[arg(short, long)]
    remove: bool,
    /// Ask before removing
    #[arg(short, long)]
    interactive: bool,
    /// Remove without a question
    #[arg(short, long, overrides_with = "interactive")]
    yes: bool,
    /// Check FILE and install nothing
    #[arg(short = 'T', long)]
    check: bool,
    /// The same, with the words of Debian's crontab
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Check it as another cron would: debian, cronie, busybox or container
    #[arg(long, value_name = "DIALECT", value_parser = Dialect::named)]
    dialect: Option<&'static Dialect>,
    /// List what the crontab was before each change
    #[arg(long)]
    history: bool,
    /// Bring back version N, or what was there before the last change
    #[arg(long, value_name = "N", num_args = 0..=1)]
    undo: Option<Option<u64>>,
    /// The crontab of this user (root only)
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// Install an empty crontab in place of one that is not
    #[arg(long)]
    allow_empty: bool,
    /// Name the host of a cluster that runs the crontabs; there are no clusters here
    #[arg(short = 'c')]
    cluster: bool,
    /// Keep the SELinux context; without effect
    #[arg(short = 's')]
    selinux: bool,
    /// Use the ratd under DIR
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Print version
    #[arg(short = 'V', long, action = clap::ArgAction::Version)]
    version: (),
}

/// The one thing that is to be done.
enum Operation {
    List,
    Edit,
    Remove,
    Check(PathBuf, Summary),
    History,
    Undo(Option<u64>),
    Cluster,
    Replace(PathBuf),
}

/// What a verb needs to know.
struct Call {
    /// What the program was called.
    program: String,
    options: Options,
}

/// The program.
pub fn main() -> ExitCode {
    let program = called::name("rat-crontab");
    let command = Options::command().name(program.clone()).bin_name(program.clone());
    let parsed =
        command.clone().try_get_matches().and_then(|matches| Options::from_arg_matches(&matches));
    let usage = |why: &str| {
        let usage = command.clone().render_usage();
        complain(&format!("{program}: usage error: {why}\n{usage}"));
        ExitCode::FAILURE
    };
    let options = match parsed {
        Ok(options) => options,
        Err(error) if !error.use_stderr() => {
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => return usage(&in_classic_words(&program, &error)),
    };
    match operation(&options) {
        Ok(operation) => Call { program: program.clone(), options }.perform(operation),
        Err(why) => usage(why),
    }
}

/// Which option it is is said in a line before the usage, as getopt(3) does.
fn in_classic_words(program: &str, error: &clap::Error) -> String {
    let text = error.to_string();
    let why = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    if error.kind() != ErrorKind::UnknownArgument {
        return why.to_owned();
    }
    complain(&format!("{program}: {why}"));
    "unrecognized option".to_owned()
}

fn operation(options: &Options) -> Result<Operation, &'static str> {
    let asked = [
        options.list,
        options.edit,
        options.remove,
        options.check || options.dry_run,
        options.history,
        options.undo.is_some(),
        options.cluster,
    ];
    if asked.iter().filter(|asked| **asked).count() > 1 {
        return Err("only one operation permitted");
    }
    let takes_file = asked.iter().all(|asked| !asked) || options.check || options.dry_run;
    if options.file.is_some() && !takes_file {
        return Err("no arguments permitted after this option");
    }
    if options.dialect.is_some() && !options.check && !options.dry_run {
        return Err("a dialect is for checking with -T or -n");
    }
    Ok(match asked.iter().position(|asked| *asked) {
        Some(0) => Operation::List,
        Some(1) => Operation::Edit,
        Some(2) => Operation::Remove,
        Some(3) => Operation::Check(file(options)?, Summary::of(options.dry_run, options.dialect)),
        Some(4) => Operation::History,
        Some(5) => Operation::Undo(options.undo.flatten()),
        Some(_) => Operation::Cluster,
        None => Operation::Replace(file(options)?),
    })
}

/// The file, or standard input where a script calls without one.
fn file(options: &Options) -> Result<PathBuf, &'static str> {
    match &options.file {
        Some(file) => Ok(file.clone()),
        None if io::stdin().is_terminal() => Err("file name or - (for stdin) must be specified"),
        None => Ok(PathBuf::from("-")),
    }
}

impl Call {
    fn perform(&self, operation: Operation) -> ExitCode {
        if self.options.selinux && Path::new("/sys/fs/selinux/enforce").exists() {
            self.say("-s has no effect: SELinux contexts are not kept");
        }
        let done = match operation {
            Operation::List => list::list(self),
            Operation::Edit => edit::edit(self),
            Operation::Remove => self.remove(),
            Operation::Check(file, summary) => self.check(&file, summary),
            Operation::History => versions::history(self),
            Operation::Undo(number) => versions::undo(self, number),
            Operation::Cluster => {
                let why = "no host was chosen to run the crontabs: clusters are not known here";
                Err(Trouble::Said(why.to_owned()))
            }
            Operation::Replace(file) => self.replace(&file),
        };
        done.unwrap_or_else(|trouble| {
            match trouble {
                // Scripts look for these as they are.
                Trouble::Classic(text) => complain(&text),
                Trouble::Said(why) => self.say(&why),
            }
            ExitCode::FAILURE
        })
    }

    /// Says something under the program's name.
    fn say(&self, text: &str) {
        complain(&format!("{}: {text}", self.program));
    }

    fn place(&self) -> Result<Place, Trouble> {
        Place::of(&self.program, self.options.root.as_deref(), self.options.user.as_deref())
    }

    fn check(&self, file: &Path, summary: Summary) -> Result<ExitCode, Trouble> {
        let text = load(file).map_err(|why| self.explained(why, file))?;
        let dialect = self.options.dialect.unwrap_or(&RAT);
        let verdict = check::check(file, &text, self.options.user.as_deref(), dialect);
        complain(summary.words(&verdict));
        Ok(if verdict.is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// cronie's `-n HOST` looks like Debian's `-n FILE`.
    fn explained(&self, why: String, file: &Path) -> Trouble {
        let is_host = self.options.dry_run && !file.exists();
        let hint = "\n  -n checks a file, as with Debian's cron; no host of a cluster can be set";
        Trouble::Said(if is_host { why + hint } else { why })
    }

    fn remove(&self) -> Result<ExitCode, Trouble> {
        let mut place = self.place()?;
        let on_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        let question = format!("crontab: really delete {}'s crontab? (y/n) ", place.user());
        let is_asked = self.options.interactive || (on_terminal && !self.options.yes);
        if is_asked && ask(&question, None) != Reply::Yes {
            return Ok(ExitCode::SUCCESS);
        }
        if !place.remove()? {
            return Err(place.no_crontab());
        }
        if io::stderr().is_terminal() {
            self.say(&format!("it is kept: `{} --undo` brings it back", self.again()));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// How the program is called again for the same user.
    fn again(&self) -> String {
        let user = self.options.user.as_ref();
        user.map_or(self.program.clone(), |user| format!("{} -u {user}", self.program))
    }

    fn replace(&self, file: &Path) -> Result<ExitCode, Trouble> {
        let text = load(file).map_err(Trouble::Said)?;
        let mut place = self.place()?;
        // The idiom `(crontab -l; echo …) | crontab -` must not empty a table when its left side fails. Who names a
        // file that is empty means it.
        let allow_empty = self.options.allow_empty || file != Path::new("-");
        let verdict = check::check(file, &text, Some(place.user()), place.dialect());
        if !verdict.is_good {
            return Err(Trouble::Classic(check::CANNOT_INSTALL.to_owned()));
        }
        place.install(text, allow_empty)?;
        Ok(ExitCode::SUCCESS)
    }
}
