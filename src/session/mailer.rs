//! The process that takes a mail: the system's sendmail, run as the job's owner, for a while. Knows nothing of what
//! the mail says.

use std::ffi::CString;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::signalfd::SignalFd;
use nix::unistd::{Pid, chdir, setsid};

use crate::paths::SENDMAIL;
use crate::plan::run::Mailer;
use crate::plan::text::Text;
use crate::session::clock::{ends_of_children, uptime};
use crate::session::environment::{PATH, SHELL};
use crate::session::mail::Mail;
use crate::session::owner::Owner;
use crate::sys::process::{self, End, Fork, Program};

/// How long a mailer that is asked to stop may go on.
const GRACE: Duration = Duration::from_secs(2);

/// How much is repeated of what a mailer says when it fails.
const SAYS: u64 = 300;

/// Why a mail was not taken.
#[derive(Debug)]
pub enum Untaken {
    /// There is no mailer at these places.
    NoMailer(String),
    /// It could not be run.
    NotRun(io::Error),
    /// It failed, and what it said.
    Failed(End, String),
    /// It took too long and was stopped.
    TooLong,
}

impl Untaken {
    /// The reason, for the log; of a mail with so many bytes of output.
    pub fn in_words(&self, bytes: usize) -> String {
        let bytes = format!("{bytes} byte{} of output", if bytes == 1 { "" } else { "s" });
        match self {
            Untaken::NoMailer(places) => format!("no mailer at {places} for {bytes}"),
            Untaken::NotRun(error) => format!("cannot mail {bytes}: {error}"),
            Untaken::Failed(end, said) => {
                // As wait(2) has it, and as cron says it.
                let status = match end {
                    End::Exited(status) => status << 8,
                    End::Killed(signal) => *signal,
                };
                let said = if said.is_empty() { String::new() } else { format!(": {said}") };
                format!("mailed {bytes} but got status 0x{status:04x}{said}")
            }
            Untaken::TooLong => {
                format!("mailed {bytes} but the mailer did not end and was stopped")
            }
        }
    }
}

/// Hands the mail over and waits until the mailer is done with it.
pub fn hand_over(mail: &Mail, mailer: &Mailer, owner: &Owner) -> Result<(), Untaken> {
    let program = find(mailer.program.as_ref())?;
    let deadline = uptime() + Duration::from_secs(u64::from(mailer.patience));
    // A file in memory: a mailer that reads nothing blocks nobody.
    let message = process::sealed(c"mail", &mail.message).map_err(Untaken::NotRun)?;
    // So is what it says; what it leaves behind may go on writing there.
    let said = memfd_create(c"said", MFdFlags::MFD_CLOEXEC).map_err(io::Error::from);
    let said = said.map_err(Untaken::NotRun)?;
    let ends = ends_of_children().map_err(Untaken::NotRun)?;
    let pid = match process::fork().map_err(Untaken::NotRun)? {
        Fork::Child => {
            let _ = become_mailer(&program, mail, owner, &message, &said);
            process::exit(127)
        }
        Fork::Parent(pid) => pid,
    };
    let end = match await_end(pid, &ends, deadline) {
        Ok(Some(end)) => end,
        Ok(None) => return Err(Untaken::TooLong),
        Err(error) => return Err(Untaken::NotRun(error)),
    };
    if end == End::Exited(0) { Ok(()) } else { Err(Untaken::Failed(end, last_words(said))) }
}

fn find(asked: Option<&Text>) -> Result<CString, Untaken> {
    let places: Vec<Vec<u8>> = match asked {
        Some(path) => vec![path.0.clone()],
        None => SENDMAIL.iter().map(|path| path.as_bytes().to_vec()).collect(),
    };
    let exists = |path: &&Vec<u8>| {
        let path: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(path);
        Path::new(path).is_file()
    };
    let found = places.iter().find(exists).and_then(|path| CString::new(path.clone()).ok());
    found.ok_or_else(|| {
        let places: Vec<_> = places.iter().map(|path| String::from_utf8_lossy(path)).collect();
        Untaken::NoMailer(places.join(" or "))
    })
}

/// Only what the owner is goes along: the job's environment might break what delivers mail.
fn environment(owner: &Owner) -> Result<Vec<CString>, std::ffi::NulError> {
    let login = owner.login.as_bytes();
    let variables: [(&str, &[u8]); 5] = [
        ("HOME", &owner.home.0),
        ("LOGNAME", login),
        ("USER", login),
        ("SHELL", SHELL.as_bytes()),
        ("PATH", PATH.as_bytes()),
    ];
    let assignment = |(name, value)| CString::new([str::as_bytes(name), b"=", value].concat());
    variables.into_iter().map(assignment).collect()
}

fn become_mailer(
    program: &CString,
    mail: &Mail,
    owner: &Owner,
    message: &OwnedFd,
    said: &OwnedFd,
) -> io::Result<std::convert::Infallible> {
    setsid()?;
    owner.assume()?;
    chdir("/")?;
    let arguments = mail.arguments.iter().map(|one| CString::new(one.as_str()));
    let arguments = arguments.collect::<Result<_, _>>()?;
    process::execute(&Program {
        path: program.clone(),
        arguments,
        environment: environment(owner)?,
        descriptors: vec![message.as_fd(), said.as_fd(), said.as_fd()],
    })
}

/// Waits for the mailer; past the deadline it is stopped, with all it started, and that is `None`.
fn await_end(pid: Pid, ends: &SignalFd, deadline: Duration) -> io::Result<Option<End>> {
    for (deadline, signal) in [(deadline, Signal::SIGTERM), (deadline + GRACE, Signal::SIGKILL)] {
        if let Some(end) = await_until(pid, ends, deadline)? {
            return Ok((signal == Signal::SIGTERM).then_some(end));
        }
        // A mailer that is not its group's leader yet has not begun.
        if killpg(pid, signal).is_err() {
            let _ = kill(pid, signal);
        }
    }
    process::wait_for(pid)?;
    Ok(None)
}

fn await_until(pid: Pid, ends: &SignalFd, deadline: Duration) -> io::Result<Option<End>> {
    loop {
        while ends.read_signal()?.is_some() {}
        if let Some((end, _)) = process::ended(pid)? {
            return Ok(Some(end));
        }
        let left = deadline.saturating_sub(uptime());
        if left.is_zero() {
            return Ok(None);
        }
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(ends.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The end of what the mailer said, in one line.
fn last_words(said: OwnedFd) -> String {
    let mut said = std::fs::File::from(said);
    let length = said.metadata().map_or(0, |about| about.len());
    let mut words = Vec::new();
    let from = io::SeekFrom::Start(length.saturating_sub(SAYS));
    if said.seek(from).and_then(|_| said.take(SAYS).read_to_end(&mut words)).is_err() {
        return String::new();
    }
    String::from_utf8_lossy(&words).split_whitespace().collect::<Vec<_>>().join(" ")
}
