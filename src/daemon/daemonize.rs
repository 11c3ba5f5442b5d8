//! Becoming a daemon by the book (daemon(7)): the first process waits until the daemon is ready or has failed, and
//! exits with its status.

use std::fs::File;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use nix::sys::signal::SigSet;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, pipe, setsid};

use crate::sys::process::{Fork, fork};

/// The way back to the process that was started from the shell; none in the foreground.
#[derive(Debug)]
pub struct Starter(Option<File>);

/// Which of the two processes this is.
pub enum Side {
    /// The first one, which exits with this status.
    Started(ExitCode),
    /// The daemon to be.
    Daemon(Starter),
}

const READY: u8 = b'R';

/// Forks, and in the child leaves the session, directory and mask of whoever started it. Called while there is one
/// thread.
pub fn daemonize() -> io::Result<Side> {
    let (read, write) = pipe()?;
    match fork()? {
        Fork::Parent(_) => {
            // Whoever waits here can be stopped.
            SigSet::all().thread_unblock()?;
            drop(write);
            Ok(Side::Started(wait_for_word(File::from(read))))
        }
        Fork::Child => {
            drop(read);
            setsid()?;
            umask(Mode::from_bits_truncate(0o022));
            std::env::set_current_dir("/")?;
            set_close_on_exec(&write)?;
            Ok(Side::Daemon(Starter(Some(File::from(write)))))
        }
    }
}

fn set_close_on_exec(fd: impl std::os::fd::AsFd) -> io::Result<()> {
    let flag = nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC);
    nix::fcntl::fcntl(fd, flag)?;
    Ok(())
}

fn wait_for_word(mut pipe: File) -> ExitCode {
    let mut word = [0];
    match pipe.read(&mut word) {
        Ok(1) if word[0] == READY => ExitCode::SUCCESS,
        // It has said why on standard error, which it shares with us, or it died.
        _ => ExitCode::FAILURE,
    }
}

impl Starter {
    /// There is nobody to be told.
    pub fn none() -> Starter {
        Starter(None)
    }

    /// Tells the first process that all is well, and lets go of the terminal. Does nothing the second time.
    pub fn ready(&mut self) -> io::Result<()> {
        let Some(mut pipe) = self.0.take() else { return Ok(()) };
        let null = File::options().read(true).write(true).open("/dev/null")?;
        dup2_stdin(&null)?;
        dup2_stdout(&null)?;
        dup2_stderr(&null)?;
        pipe.write_all(&[READY])
    }
}
