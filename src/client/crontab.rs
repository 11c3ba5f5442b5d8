//! rat-crontab: a user's crontab installed, listed, edited, removed and checked. Talks to ratd; for root without a
//! ratd it works on the spool itself, under the same lock.

use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{CommandFactory, Parser};
use nix::unistd::{User, geteuid, getuid, mkdtemp};

use crate::client::call::{CallError, Connection, asked_root};
use crate::client::output::{complain, print};
use crate::client::reading::{any_error, complain_about, dialect, load, seed, zones};
use crate::paths::Paths;
use crate::plan::text::Text;
use crate::protocol::fault::Fault;
use crate::protocol::request::{GetCrontab, PutCrontab, RemoveCrontab};
use crate::spool::install;
use crate::syntax::crontab::{self, Form};
use crate::syntax::dialect::{Dialect, RAT};

const PROGRAM: &str = "rat-crontab";

/// Install, list, edit, remove or check a user's crontab.
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version, disable_version_flag = true)]
pub struct Options {
    /// Install this file; `-` is standard input
    #[arg(value_name = "FILE", conflicts_with_all = ["list", "remove", "edit", "check"])]
    file: Option<PathBuf>,
    /// Print the crontab
    #[arg(short, long, conflicts_with_all = ["remove", "edit", "check"])]
    list: bool,
    /// Remove the crontab
    #[arg(short, long, conflicts_with_all = ["edit", "check"])]
    remove: bool,
    /// Edit the crontab with VISUAL, EDITOR or vi
    #[arg(short, long, conflicts_with = "check")]
    edit: bool,
    /// Ask before removing
    #[arg(short, long, requires = "remove")]
    interactive: bool,
    /// Check this file and install nothing; `-` is standard input
    #[arg(short = 'T', long = "check", value_name = "FILE")]
    check: Option<PathBuf>,
    /// Check it as another cron would: debian, cronie or busybox
    #[arg(long, value_name = "DIALECT", value_parser = Dialect::named, requires = "check")]
    dialect: Option<&'static Dialect>,
    /// The crontab of this user (root only)
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// Use the ratd under DIR
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Install an empty crontab in place of one that is not
    #[arg(long)]
    allow_empty: bool,
    /// Print version
    #[arg(short = 'V', long, action = clap::ArgAction::Version)]
    version: (),
}

/// The program.
pub fn main() -> ExitCode {
    let options = Options::parse();
    let result = match &options {
        Options { check: Some(file), .. } => check(file, dialect(options.dialect)),
        Options { list: true, .. } => list(&options),
        Options { remove: true, .. } => remove(&options),
        Options { edit: true, .. } => edit(&options),
        Options { file: Some(file), .. } => replace(&options, file),
        _ if io::stdin().is_terminal() => {
            let usage = Options::command().render_usage();
            Err(format!("a file name, -, -l, -e or -r is needed\n{usage}"))
        }
        _ => replace(&options, Path::new("-")),
    };
    result.unwrap_or_else(|why| {
        complain(&format!("{PROGRAM}: {why}"));
        ExitCode::FAILURE
    })
}

fn check(file: &Path, dialect: &'static Dialect) -> Result<ExitCode, String> {
    let text = load(file)?;
    match is_good(file, &text, dialect) {
        true => Ok(ExitCode::SUCCESS),
        false => Err("errors in crontab file".to_owned()),
    }
}

fn list(options: &Options) -> Result<ExitCode, String> {
    let mut place = Place::of(options)?;
    match place.read()? {
        Some(text) => Ok(print(PROGRAM, |output| output.write_all(&text))),
        None => Err(place.no_crontab()),
    }
}

fn remove(options: &Options) -> Result<ExitCode, String> {
    let mut place = Place::of(options)?;
    let question = format!("{PROGRAM}: really delete {}'s crontab? (y/n) ", place.user_shown());
    if options.interactive && !ask(&question, false) {
        return Ok(ExitCode::SUCCESS);
    }
    if place.remove()? { Ok(ExitCode::SUCCESS) } else { Err(place.no_crontab()) }
}

fn replace(options: &Options, file: &Path) -> Result<ExitCode, String> {
    let text = load(file)?;
    let mut place = Place::of(options)?;
    // The idiom `(crontab -l; echo …) | crontab -` must not empty a table when its left side fails.
    if text.is_empty() && !options.allow_empty && place.read()?.is_some_and(|old| !old.is_empty()) {
        return Err(format!(
            "nothing came in, and {} has a crontab; remove it with -r, or say --allow-empty",
            place.user_shown()
        ));
    }
    if !is_good(file, &text, &RAT) {
        return Err("errors in crontab file, nothing is installed".to_owned());
    }
    place.install(text)?;
    Ok(ExitCode::SUCCESS)
}

/// Edits as the user who called, from the first byte to the last: whatever the editor does, it does as that user.
fn edit(options: &Options) -> Result<ExitCode, String> {
    let mut place = Place::of(options)?;
    let old = place.read()?.unwrap_or_default();
    let draft = Draft::new(&old)?;
    loop {
        run_editor(&draft.file)?;
        let new = load(&draft.file)?;
        if new == old {
            complain(&format!("{PROGRAM}: no changes made to crontab"));
            return Ok(ExitCode::SUCCESS);
        }
        if is_good(&draft.file, &new, &RAT) {
            return match place.install(new) {
                Ok(()) => Ok(ExitCode::SUCCESS),
                Err(why) => Err(format!("{why}; edits left in {}", draft.keep())),
            };
        }
        complain("errors in crontab file, can't install.");
        if !ask("Do you want to retry the same edit? (y/n) ", false) {
            return Err(format!("edits left in {}", draft.keep()));
        }
    }
}

/// A copy that is being edited, in a directory that nobody else can look into.
struct Draft {
    directory: PathBuf,
    file: PathBuf,
    kept: std::cell::Cell<bool>,
}

impl Draft {
    fn new(text: &[u8]) -> Result<Draft, String> {
        let failed = |error: io::Error| format!("cannot make a file to edit: {error}");
        let directory = mkdtemp(&std::env::temp_dir().join("crontab.XXXXXX"))
            .map_err(|error| failed(error.into()))?;
        let file = directory.join("crontab");
        let draft = Draft { directory, file, kept: std::cell::Cell::new(false) };
        let mut options = std::fs::OpenOptions::new();
        let mut file =
            options.write(true).create_new(true).mode(0o600).open(&draft.file).map_err(failed)?;
        file.write_all(text).map_err(failed)?;
        Ok(draft)
    }

    /// Leaves the file where it is, and tells where.
    fn keep(&self) -> String {
        self.kept.set(true);
        self.file.display().to_string()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept.get() {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}

fn run_editor(file: &Path) -> Result<(), String> {
    let named = |name| std::env::var(name).ok().filter(|editor| !editor.trim().is_empty());
    let editor = named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| "vi".to_owned());
    // The shell splits the editor's words; the file comes in as a parameter, so that its name is not shell text.
    let status = Command::new("/bin/sh")
        .args(["-c", &format!("{editor} \"$1\""), "sh"])
        .arg(file)
        .status()
        .map_err(|error| format!("cannot run {editor}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("\"{editor}\" ended with {status}; nothing is installed"))
    }
}

/// Asks on the terminal. What cannot be answered is answered by `otherwise`: a script must not hang here.
fn ask(question: &str, otherwise: bool) -> bool {
    let _ = write!(io::stderr(), "{question}");
    let mut answer = String::new();
    match io::stdin().read_line(&mut answer) {
        Ok(length) if length > 0 => answer.trim_start().starts_with(['y', 'Y']),
        _ => otherwise,
    }
}

/// Says what is wrong with the text; false if it must not be installed.
fn is_good(file: &Path, text: &[u8], dialect: &'static Dialect) -> bool {
    let mut crontab = crontab::parse(text, Form::User, &seed(), dialect);
    zones(&mut crontab, dialect);
    complain_about(&crontab.diagnostics, &file.display().to_string(), text);
    !any_error(&crontab.diagnostics)
}

fn look_up(name: Option<&str>) -> Result<User, String> {
    let found = match name {
        Some(name) => User::from_name(name),
        None => User::from_uid(getuid()),
    };
    let shown = name.map_or_else(|| format!("uid {}", getuid()), str::to_owned);
    match found {
        Ok(Some(user)) => Ok(user),
        Ok(None) => Err(format!("no such user: {shown}")),
        Err(error) => Err(format!("cannot look up {shown}: {error}")),
    }
}

/// Where crontabs are: with ratd, or on disk under root's own hands.
enum Place {
    Ratd { connection: Box<Connection>, user: Option<String> },
    Spool { paths: Paths, user: Box<User> },
}

impl Place {
    fn of(options: &Options) -> Result<Place, String> {
        let user = options.user.clone();
        match Connection::open(options.root.as_deref()) {
            Ok(connection) => Ok(Place::Ratd { connection: Box::new(connection), user }),
            Err(_) if geteuid().is_root() => {
                let paths = Paths::system(
                    &asked_root(options.root.as_deref()).unwrap_or_else(|| PathBuf::from("/")),
                );
                Ok(Place::Spool { paths, user: Box::new(look_up(user.as_deref())?) })
            }
            Err(no_daemon) => Err(no_daemon.to_string()),
        }
    }

    fn user_shown(&self) -> String {
        let own = || User::from_uid(getuid()).ok().flatten().map(|user| user.name);
        match self {
            Place::Ratd { user, .. } => {
                user.clone().or_else(own).unwrap_or_else(|| getuid().to_string())
            }
            Place::Spool { user, .. } => user.name.clone(),
        }
    }

    fn no_crontab(&self) -> String {
        format!("no crontab for {}", self.user_shown())
    }

    fn read(&mut self) -> Result<Option<Vec<u8>>, String> {
        match self {
            Place::Ratd { connection, user } => {
                match connection.call(&GetCrontab { user: user.clone() }) {
                    Ok(crontab) => Ok(Some(crontab.text.0)),
                    Err(CallError::Fault(Fault::NoCrontab { .. })) => Ok(None),
                    Err(error) => Err(error.to_string()),
                }
            }
            Place::Spool { paths, user } => {
                install::read(paths, user).map_err(|error| error.to_string())
            }
        }
    }

    fn install(&mut self, text: Vec<u8>) -> Result<(), String> {
        match self {
            Place::Ratd { connection, user } => {
                let request = PutCrontab { user: user.clone(), text: Text(text) };
                connection.call(&request).map(drop).map_err(|error| error.to_string())
            }
            Place::Spool { paths, user } => {
                install::install(paths, user, &text).map_err(|error| error.to_string())
            }
        }
    }

    /// False if there was none.
    fn remove(&mut self) -> Result<bool, String> {
        match self {
            Place::Ratd { connection, user } => {
                match connection.call(&RemoveCrontab { user: user.clone() }) {
                    Ok(_) => Ok(true),
                    Err(CallError::Fault(Fault::NoCrontab { .. })) => Ok(false),
                    Err(error) => Err(error.to_string()),
                }
            }
            Place::Spool { paths, user } => {
                install::remove(paths, user).map_err(|error| error.to_string())
            }
        }
    }
}
