//! One program of a directory: run, and what it prints passed on. Does not choose it.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, lseek, pipe2, setsid};

use crate::client::output::complain;
use crate::sys::process::{self, End, Fork, Program, execute_ignoring, fork};

/// What all programs of a directory are run with.
#[derive(Debug)]
pub struct Around {
    /// What this program is called.
    pub called: String,
    /// The arguments of each.
    pub arguments: Vec<OsString>,
    /// What each can read from its start; without it they share standard input.
    pub input: Option<OwnedFd>,
    /// Each is in a session of its own.
    pub new_session: bool,
    /// What they print comes under their name.
    pub report: bool,
    /// Signals that this program was started to ignore, and that they ignore as well.
    pub ignored: Vec<Signal>,
    /// Tells that one of them ended.
    pub ends: SignalFd,
}

/// When one of the children ends. Asked for before there is one.
pub fn ends() -> io::Result<SignalFd> {
    let signals = SigSet::from_iter([Signal::SIGCHLD]);
    signals.thread_block()?;
    Ok(SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

/// More than a pipe holds is not waited for once the program has ended: who still writes is another.
const DRAINED: usize = 1 << 20;

impl Around {
    /// Runs a program to its end. What goes on in the background is not waited for.
    pub fn run(&self, path: &Path) -> io::Result<End> {
        if !self.report {
            let child = self.start(path, [io::stdout().as_fd(), io::stderr().as_fd()])?;
            return Ok(process::wait_for(child)?.0);
        }
        let flags = OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let (output, errors) = (pipe2(OFlag::O_CLOEXEC)?, pipe2(OFlag::O_CLOEXEC)?);
        for reader in [&output.0, &errors.0] {
            nix::fcntl::fcntl(reader, nix::fcntl::FcntlArg::F_SETFL(flags))?;
        }
        let child = self.start(path, [output.1.as_fd(), errors.1.as_fd()])?;
        drop((output.1, errors.1));
        let mut report = Report { path, is_named: false };
        report.pass_on([Some(output.0.into()), Some(errors.0.into())], child, &self.ends)
    }

    fn start(&self, path: &Path, [output, errors]: [BorrowedFd<'_>; 2]) -> io::Result<Pid> {
        let stdin = io::stdin();
        let input = match &self.input {
            Some(input) => {
                lseek(input, 0, nix::unistd::Whence::SeekSet)?;
                input.as_fd()
            }
            None => stdin.as_fd(),
        };
        let program = self.program(path, vec![input, output, errors])?;
        match fork()? {
            Fork::Parent(child) => Ok(child),
            Fork::Child => {
                if self.new_session {
                    // It leads no group yet, so this cannot fail.
                    let _ = setsid();
                }
                let Err(error) = execute_ignoring(&program, &self.ignored);
                let why = nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(0)).desc();
                complain(&format!("{}: failed to exec {}: {why}", self.called, path.display()));
                process::exit(1)
            }
        }
    }

    fn program<'a>(
        &self,
        path: &Path,
        descriptors: Vec<BorrowedFd<'a>>,
    ) -> io::Result<Program<'a>> {
        let string = |bytes: &[u8]| CString::new(bytes).map_err(io::Error::from);
        let path = string(path.as_os_str().as_bytes())?;
        let arguments = self.arguments.iter().map(|argument| string(argument.as_bytes()));
        let arguments =
            std::iter::once(Ok(path.clone())).chain(arguments).collect::<io::Result<_>>()?;
        let variable = |(name, value): (OsString, OsString)| {
            string(&[name.into_vec(), b"=".to_vec(), value.into_vec()].concat())
        };
        let environment = std::env::vars_os().map(variable).collect::<io::Result<_>>()?;
        Ok(Program { path, arguments, environment, descriptors })
    }
}

/// What a program prints, under its name.
struct Report<'a> {
    path: &'a Path,
    is_named: bool,
}

impl Report<'_> {
    /// Passes on what comes until the program has ended and all that it printed has come.
    fn pass_on(
        &mut self,
        mut pipes: [Option<File>; 2],
        child: Pid,
        ends: &SignalFd,
    ) -> io::Result<End> {
        loop {
            if let Some((end, _)) = process::ended(child)? {
                self.drain(&mut pipes)?;
                return Ok(end);
            }
            let mut waited: Vec<PollFd<'_>> = vec![PollFd::new(ends.as_fd(), PollFlags::POLLIN)];
            let open = pipes.iter().flatten();
            waited.extend(open.map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
            match poll(&mut waited, PollTimeout::NONE) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            while ends.read_signal()?.is_some() {}
            self.pass(&mut pipes)?;
        }
    }

    fn drain(&mut self, pipes: &mut [Option<File>; 2]) -> io::Result<()> {
        let mut left = DRAINED;
        loop {
            let passed = self.pass(pipes)?;
            if passed == 0 || passed > left {
                return Ok(());
            }
            left -= passed;
        }
    }

    /// Passes on what is there now, and tells how much that is. A pipe that nobody writes to any more is closed.
    fn pass(&mut self, pipes: &mut [Option<File>; 2]) -> io::Result<usize> {
        let mut passed = 0;
        for (number, place) in pipes.iter_mut().enumerate() {
            let Some(pipe) = place else { continue };
            let mut piece = [0; 4096];
            match pipe.read(&mut piece) {
                Ok(0) => *place = None,
                Ok(length) => {
                    self.write(number, &piece[..length])?;
                    passed += length;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(passed)
    }

    /// The name comes where the first output does, before that.
    fn write(&mut self, number: usize, piece: &[u8]) -> io::Result<()> {
        let mut name = self.path.as_os_str().as_bytes().to_vec();
        name.extend_from_slice(b":\n");
        let name = if self.is_named { &[][..] } else { &name };
        self.is_named = true;
        let write = |to: &mut dyn Write| {
            to.write_all(name)?;
            to.write_all(piece)?;
            to.flush()
        };
        if number == 0 { write(&mut io::stdout().lock()) } else { write(&mut io::stderr().lock()) }
    }
}
