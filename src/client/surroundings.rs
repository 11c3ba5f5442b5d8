//! What rat-at takes along with a job: the script, and the environment, directory and mask it is submitted from.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::sys::stat::{Mode, umask};
use nix::unistd::User;

use crate::client::at::{At, Wrong};
use crate::client::output::complain;
use crate::plan::civil::Timestamp;
use crate::plan::job::Assignments;
use crate::plan::submission::{Queue, Submission};
use crate::plan::text::Text;

/// Variables of the terminal or of the shell that is typed into; they mean nothing to a job.
const LEFT_BEHIND: [&str; 9] =
    ["TERM", "DISPLAY", "_", "SHELLOPTS", "BASH_VERSINFO", "EUID", "GROUPS", "PPID", "UID"];

/// Reads the script, and everything around it.
pub fn capture(at: &At, due: Timestamp, shown: &str) -> Result<Submission, Wrong> {
    let directory = std::env::current_dir().map_err(|error| {
        Wrong::Classic(format!("Cannot get current working directory: {}", reason(&error)))
    })?;
    let queue = queue(at)?;
    // As at: who asks for batch is not warned.
    if !at.is_batch() {
        complain("warning: commands will be executed using /bin/sh");
    }
    let mail_to = at.user.as_deref().map(recipient).transpose()?;
    let job = Submission {
        due,
        queue,
        script: script(at, shown)?,
        environment: environment(),
        directory: Text(directory.as_os_str().as_bytes().to_vec()),
        umask: mask(),
        mail: at.mail,
        mail_to,
        deadline: at.deadline.and_then(|longest| longest.num_seconds().try_into().ok()),
    };
    job.check_size()?;
    Ok(job)
}

/// The letter that was named; with `-b` the same in upper case, whose jobs wait for the load to fall, or `b`.
fn queue(at: &At) -> Result<Queue, String> {
    let named = match at.queue {
        Some(letter) if at.is_batch() => letter.to_ascii_uppercase(),
        Some(letter) => letter,
        None if at.is_batch() => 'b',
        None => 'a',
    };
    Queue::try_from(named.to_string())
}

/// What the system says, without the number that Rust puts behind it.
fn reason(error: &io::Error) -> String {
    error
        .raw_os_error()
        .map_or_else(|| error.to_string(), |number| Errno::from_raw(number).desc().to_owned())
}

fn recipient(name: &str) -> Result<String, String> {
    match User::from_name(name) {
        Ok(Some(_)) => Ok(name.to_owned()),
        Ok(None) => Err(format!("Cannot find username {}", name.escape_debug())),
        Err(error) => Err(format!("cannot look up {name}: {error}")),
    }
}

fn script(at: &At, shown: &str) -> Result<Text, Wrong> {
    let mut script = Vec::new();
    let read = match &at.file {
        Some(path) => {
            let mut file = std::fs::File::open(path).map_err(|error| {
                let why = reason(&error);
                Wrong::Classic(format!("Cannot open input file {}: {why}", path.display()))
            })?;
            file.read_to_end(&mut script)
                .map(drop)
                .map_err(|error| format!("Input error: {}: {}", path.display(), reason(&error)))
        }
        None if io::stdin().is_terminal() => {
            ask(&mut script, shown).map_err(|error| error.to_string())
        }
        None => io::stdin()
            .read_to_end(&mut script)
            .map(drop)
            .map_err(|error| format!("standard input: {error}")),
    };
    read?;
    if !script.ends_with(b"\n") {
        script.push(b'\n');
    }
    Ok(Text(script))
}

/// Prompts for each line until the end of input, as at does on a terminal.
fn ask(script: &mut Vec<u8>, shown: &str) -> io::Result<()> {
    let (mut lines, mut prompt) = (io::stdin().lock(), io::stderr());
    writeln!(prompt, "at {shown}")?;
    loop {
        write!(prompt, "at> ")?;
        if lines.read_until(b'\n', script)? == 0 {
            return writeln!(prompt, "<EOT>");
        }
    }
}

/// The environment, but for what belongs to the terminal, and for names that no shell could have set.
fn environment() -> Assignments {
    let kept = std::env::vars_os().filter(|(name, _)| {
        let name = name.as_bytes();
        let is_name = !name.is_empty()
            && !name[0].is_ascii_digit()
            && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        is_name && !LEFT_BEHIND.iter().any(|left| left.as_bytes() == name)
    });
    kept.map(|(name, value)| (Text(name.as_bytes().to_vec()), Text(value.as_bytes().to_vec())))
        .collect()
}

/// The file mode creation mask; it can be read only by setting it.
fn mask() -> u32 {
    let mask = umask(Mode::empty());
    umask(mask);
    mask.bits()
}
