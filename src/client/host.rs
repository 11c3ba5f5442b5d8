//! What a crontab needs of this machine: users, commands, a mailer, files that can be trusted. Only looks.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::unistd::User;

use crate::paths::{Paths, RAT_CONF, SENDMAIL};
use crate::spool;
use crate::spool::file::{self, Refusal, Trust};
use crate::spool::jobs;
use crate::syntax::config::Config;
use crate::syntax::crontab::{Crontab, Entry};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::dialect::{Dialect, FileNames, Loss};
use crate::syntax::field::nearest;
use crate::syntax::lints::line_of;
use crate::syntax::rat_conf;
use crate::sys::host;

/// Where a job's commands are looked for, if no `PATH` is assigned.
const PATH: &[&str] = &["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/// Where commands are that people have, and jobs do not find.
const ELSEWHERE: &[&str] = &["/usr/local/bin", "/usr/local/sbin", "/snap/bin", "/opt/bin"];

/// Words that the shell knows by itself.
const BUILT_IN: &[&str] = &[
    "!", ".", ":", "[", "[[", "alias", "case", "cd", "command", "declare", "echo", "eval", "exec",
    "exit", "export", "false", "for", "function", "if", "kill", "local", "printf", "pwd", "read",
    "return", "select", "set", "shift", "source", "test", "time", "times", "trap", "true", "type",
    "ulimit", "umask", "unset", "until", "wait", "while", "{",
];

/// What has been looked up so far, so that no name is looked up twice.
#[derive(Debug, Default)]
pub struct Host {
    users: HashMap<String, bool>,
    commands: HashMap<String, Option<Missing>>,
    has_mailer: Option<bool>,
    config: Option<Config>,
    /// The names that a wrong one may be meant for.
    passwd: Option<Vec<String>>,
}

/// A command that a job does not find, and where it is, if it is anywhere.
type Missing = Option<PathBuf>;

impl Host {
    /// What this machine lacks for the entries of a crontab.
    pub fn lints(
        &mut self,
        crontab: &Crontab,
        lines: &[&[u8]],
        dialect: &'static Dialect,
    ) -> Vec<Diagnostic> {
        let mut said = Vec::new();
        let mut mailto_told = false;
        for entry in &crontab.entries {
            let line = line_of(lines, entry.line);
            said.extend(self.unknown_user(entry, line, dialect));
            // In a container they look where ratd would, which is not here.
            if !dialect.whole_file {
                said.extend(self.unknown_command(entry, line));
            }
            if !mailto_told && let Some(warning) = self.no_mailer(entry, lines) {
                mailto_told = true;
                said.push(warning);
            }
        }
        said
    }

    /// What the entries of a crontab ask for and rat.conf does not allow.
    pub fn beyond_limits(&mut self, crontab: &Crontab, file: &Path) -> Vec<Diagnostic> {
        let path = std::path::absolute(file).unwrap_or_default();
        let system = Paths::system(Path::new("/"));
        let owner = spool::user_of(&path, &system).map_or_else(host::user_name, str::to_owned);
        let (config, mut said) = (self.config(), Vec::new());
        for entry in &crontab.entries {
            config.options(entry.user.as_ref().unwrap_or(&owner), &entry.options, &mut said);
        }
        jobs::each_once(said)
    }

    /// This machine's rat.conf, if that can be read here.
    fn config(&mut self) -> &Config {
        self.config.get_or_insert_with(|| {
            let text = std::fs::read(RAT_CONF).unwrap_or_default();
            rat_conf::parse(&text).config
        })
    }

    /// A user that there is not. One that cannot be looked up may well be there.
    fn unknown_user(
        &mut self,
        entry: &Entry,
        line: &[u8],
        dialect: &'static Dialect,
    ) -> Option<Diagnostic> {
        let name = entry.user.as_deref()?;
        let is_known = |name: &str| !matches!(User::from_name(name), Ok(None));
        if *self.users.entry(name.to_owned()).or_insert_with_key(|name| is_known(name)) {
            return None;
        }
        let columns = found(line, name, entry.written.len());
        let message = format!("there is no user `{}`", name.escape_debug());
        let said = if dialect.is_rat() || dialect.unknown_users != Loss::Nothing {
            Diagnostic::error("E007", entry.line, columns, message)
        } else {
            Diagnostic::warning("E007", entry.line, columns, message)
        };
        let said = if dialect.unknown_users == Loss::File {
            said.help(format!("for this {} uses no line of the file", dialect.cron))
        } else {
            said
        };
        let users = self.passwd.get_or_insert_with(names_of_users).iter().map(String::as_str);
        Some(match nearest(name, users) {
            Some(near) => said.label(format!("did you mean `{near}`?")),
            None => said.label("no run can start"),
        })
    }

    /// A command without a path that the default `PATH` does not have.
    fn unknown_command(&mut self, entry: &Entry, line: &[u8]) -> Option<Diagnostic> {
        if entry.environment.iter().any(|(name, _)| name.0 == b"PATH") {
            return None;
        }
        let word = bare_command(&entry.command.0)?;
        let missing = self
            .commands
            .entry(word.to_owned())
            .or_insert_with_key(|word| missing(word))
            .as_ref()?;
        let columns = found(line, word, entry.written.len());
        let message = format!("`{word}` is not in a job's PATH");
        let path = PATH.join(":");
        Some(match missing {
            Some(place) => Diagnostic::warning("W038", entry.line, columns, message)
                .label(format!("jobs look in {path}"))
                .help(format!("write `{}`, or assign PATH above", place.display())),
            None => Diagnostic::note("W038", entry.line, columns, message)
                .label(format!("on this machine; jobs look in {path}"))
                .help("write its whole path, or assign PATH above"),
        })
    }

    fn no_mailer(&mut self, entry: &Entry, lines: &[&[u8]]) -> Option<Diagnostic> {
        let (_, to) = entry.environment.iter().find(|(name, _)| name.0 == b"MAILTO")?;
        if to.0.is_empty() || self.has_mailer() {
            return None;
        }
        let above = lines.get(..entry.line as usize).unwrap_or(lines);
        let at = above.iter().rposition(|line| line.trim_ascii_start().starts_with(b"MAILTO"))?;
        let message = "MAILTO is set, and this machine has no mailer".to_owned();
        Some(
            Diagnostic::warning("W039", at as u32 + 1, 0..lines[at].len(), message)
                .label("what jobs print is kept in the history only")
                .help(format!("install a program that makes {}", SENDMAIL[0])),
        )
    }

    fn has_mailer(&mut self) -> bool {
        let is_there = |path: &str| is_program(Path::new(path));
        let found = match &self.config().sendmail {
            Some(program) => is_there(program),
            None => SENDMAIL.iter().any(|path| is_there(path)),
        };
        *self.has_mailer.get_or_insert(found)
    }
}

fn names_of_users() -> Vec<String> {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    passwd.lines().filter_map(|line| Some(line.split(':').next()?.to_owned())).collect()
}

/// Where a word stands in a line, behind its schedule.
fn found(line: &[u8], word: &str, after: usize) -> std::ops::Range<usize> {
    let from = after.min(line.len());
    let word = word.as_bytes();
    let at = line[from..].windows(word.len().max(1)).position(|part| part == word);
    at.map_or(0..0, |at| from + at..from + at + word.len())
}

/// The first word of a command, if it is a program's name without a path.
fn bare_command(command: &[u8]) -> Option<&str> {
    let command = str::from_utf8(command).ok()?;
    let is_assignment = |word: &&str| {
        word.split_once('=').is_some_and(|(name, value)| {
            let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
            name.chars().all(letter) && !value.contains(['"', '\'', '$', '`', '\\'])
        })
    };
    let word = command.split_ascii_whitespace().find(|word| !is_assignment(word))?;
    let word = word.trim_end_matches(';');
    let letter = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    let is_name = !word.is_empty() && word.chars().all(letter);
    (is_name && !BUILT_IN.contains(&word)).then_some(word)
}

/// `Some` if a job would not find a command; with the place where it is nevertheless.
fn missing(word: &str) -> Option<Missing> {
    let is_in = |directory: &Path| is_program(&directory.join(word));
    if PATH.iter().any(|directory| is_in(Path::new(directory))) {
        return None;
    }
    let own = std::env::var_os("PATH").unwrap_or_default();
    let own = std::env::split_paths(&own).filter(|path| path.is_absolute());
    let elsewhere = ELSEWHERE.iter().map(PathBuf::from).chain(own);
    Some(elsewhere.into_iter().find(|directory| is_in(directory)).map(|at| at.join(word)))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

/// What is to be said about the name of a file in a directory of system crontabs.
pub fn odd_name(
    file: &Path,
    dialect: &'static Dialect,
    others: &[&'static Dialect],
) -> Option<Diagnostic> {
    let name = file.file_name()?.to_str()?;
    if !file.parent()?.ends_with("cron.d") {
        return None;
    }
    let passes = |dialect: &&&'static Dialect| !dialect.is_crontab_name(name, true);
    let others = if dialect.is_rat() { others } else { &[] };
    let asked = [&dialect].into_iter().chain(others).find(passes)?;
    let who = if asked.is_rat() { "ratd" } else { asked.cron };
    let message = format!("{who} passes over a file of this name");
    let warning = Diagnostic::warning("W043", 1, 0..0, message);
    Some(match asked.file_names {
        FileNames::Letters => warning.help("use letters, digits, `_` and `-` only"),
        _ => warning,
    })
}

/// What keeps a file of the system's places from being used: whose it is, and who may write it.
pub fn untrusted(file: &Path) -> Option<Diagnostic> {
    let path = std::path::absolute(file).ok()?;
    let system = [Path::new("/etc/crontab"), Path::new("/etc/anacrontab")]
        .contains(&path.as_path())
        || path == Path::new(RAT_CONF)
        || path.parent() == Some(Path::new("/etc/cron.d"));
    let trust = if system {
        Trust::system(Path::new("/"))
    } else {
        let owner = spool::user_of(&path, &Paths::system(Path::new("/")))?;
        Trust::user(&User::from_name(owner).ok()??)
    };
    let Err(Refusal::Untrusted(why)) = file::read(&path, &trust) else { return None };
    let (why, mend) = match why.split_once("; mend it with: ") {
        Some((why, mend)) => (why.to_owned(), Some(mend.to_owned())),
        None => (why, None),
    };
    let warning = Diagnostic::warning("W044", 1, 0..0, why).label("ratd does not use this file");
    Some(match mend {
        Some(mend) => warning.help(format!("run: {mend}")),
        None => warning,
    })
}
