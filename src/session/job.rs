//! The job's own process, from fork to exec: what it is started with and in which order it gets there.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, chdir, pipe2, setsid};

use crate::plan::job::{Kind, Recipe};
use crate::plan::manner::Homeless;
use crate::plan::text::Text;
use crate::session::environment::{Environment, SHELL};
use crate::session::owner::Owner;
use crate::sys::process::{self, Fork, Program};

/// What an at-job's shell is told. It reads the script under a name, because its standard input is the
/// job's, and its arguments would be seen by everybody and are too short; `$0` stays `sh`.
const READ_SCRIPT: &str = ". /proc/self/fd/3";

/// In front of the script, on its first line: the commands in it need not have descriptor 3.
const CLOSE_SCRIPT: &[u8] = b"exec 3<&-; ";

/// A job that is ready to be started.
#[derive(Debug)]
pub struct Prepared {
    owner: Owner,
    shell: Text,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    input: OwnedFd,
    script: Option<OwnedFd>,
    directory: Directory,
    umask: Option<Mode>,
    nice: u8,
    /// Its output is the session's own, and no pipe.
    shares_output: bool,
}

/// Where a job runs, and what becomes of it if it cannot.
#[derive(Debug)]
enum Directory {
    /// As at does: the job is not run.
    Exactly(Text),
    /// In `/` instead, with a warning.
    OrRoot(Text),
    /// In that other directory instead, or in `/`.
    Or(Text, Text),
    /// The job is not run, and that is ratd's business.
    OrNot(Text),
}

/// A job that has been started.
#[derive(Debug)]
pub struct Started {
    /// Its main process, which must be waited for.
    pub pid: Pid,
    /// Its standard output and error, unless they are the session's own.
    pub output: Option<OwnedFd>,
    /// Why it did not come to its command.
    pub refused: Option<Refusal>,
}

/// Why a job's process did not become its command.
#[derive(Debug)]
pub struct Refusal {
    /// In words.
    pub why: String,
    /// What the kernel said.
    pub errno: Errno,
    /// The directory, if that is what it could not enter.
    pub directory: Option<Text>,
}

/// How far the job's process came.
#[derive(Clone, Copy)]
enum Step {
    Session = 1,
    Owner,
    Directory,
    Shell,
}

impl Prepared {
    /// Makes everything that needs memory, so that all of it can fail before there is a process.
    pub fn new(
        recipe: &Recipe,
        environment: &Environment,
        owner: Owner,
        homeless: &Homeless,
    ) -> Result<Prepared, String> {
        let (shell, script) = match recipe.kind {
            Kind::Entry | Kind::SystemEntry => (environment.shell(), None),
            Kind::Period => (Text::from(SHELL), None),
            Kind::At => (Text::from(SHELL), Some([CLOSE_SCRIPT, &recipe.command.0].concat())),
        };
        let arguments = match recipe.kind {
            Kind::At => vec![b"sh".to_vec(), b"-c".to_vec(), READ_SCRIPT.into(), b"sh".to_vec()],
            Kind::Entry | Kind::SystemEntry | Kind::Period => {
                vec![shell.0.clone(), b"-c".to_vec(), recipe.command.0.clone()]
            }
        };
        let home = || environment.get("HOME").unwrap_or(&owner.home).clone();
        let directory = match (recipe.kind, recipe.directory.clone()) {
            (Kind::At, directory) => Directory::Exactly(directory.unwrap_or_else(home)),
            (Kind::Period, directory) => {
                Directory::OrRoot(directory.unwrap_or_else(|| Text::from("/")))
            }
            (Kind::Entry | Kind::SystemEntry, directory) => {
                let directory = directory.unwrap_or_else(home);
                match homeless {
                    Homeless::Root => Directory::OrRoot(directory),
                    Homeless::NotRun => Directory::OrNot(directory),
                    Homeless::Daemons(own) => Directory::Or(directory, Text::from(own.as_ref())),
                }
            }
        };
        Ok(Prepared {
            arguments: strings(arguments, "the command")?,
            environment: strings(environment.assignments(), "the environment")?,
            input: input(recipe.input.as_ref())?,
            script: script.map(|script| sealed("script", &script)).transpose()?,
            directory,
            umask: recipe.umask.map(Mode::from_bits_truncate),
            nice: recipe.nice,
            shares_output: false,
            owner,
            shell,
        })
    }

    /// The same job, which writes where this session does.
    pub fn sharing_output(self) -> Prepared {
        Prepared { shares_output: true, ..self }
    }

    /// Starts the job; where that is refused for now it can be tried again. What the session has open, its claim too,
    /// is closed in the job at exec.
    pub fn start(&self) -> io::Result<Started> {
        let pipe = if self.shares_output { None } else { Some(pipe2(OFlag::O_CLOEXEC)?) };
        let (output, output_end) = pipe.unzip();
        let (trouble, trouble_end) = pipe2(OFlag::O_CLOEXEC)?;
        match process::fork()? {
            Fork::Child => {
                drop((output, trouble));
                self.become_job(output_end, trouble_end)
            }
            Fork::Parent(pid) => {
                drop((output_end, trouble_end));
                let refused = self.refusal(trouble);
                Ok(Started { pid, output, refused })
            }
        }
    }

    fn become_job(&self, output: Option<OwnedFd>, trouble: OwnedFd) -> ! {
        // Descriptor 3 may be an at-job's script, so what is needed until exec stands elsewhere.
        if let Ok(trouble) = process::raise(trouble.as_fd()) {
            let (step, errno) = match self.try_to_become(output) {
                Ok(never) => match never {},
                Err(why) => why,
            };
            let mut bytes = [step as u8; 5];
            bytes[1..].copy_from_slice(&(errno as i32).to_ne_bytes());
            // The session sees the end of this process in any case.
            let _ = File::from(trouble).write_all(&bytes);
        }
        process::exit(127)
    }

    fn try_to_become(&self, output: Option<OwnedFd>) -> Result<Infallible, (Step, Errno)> {
        setsid().map_err(|errno| (Step::Session, errno))?;
        if let Some(mask) = self.umask {
            umask(mask);
        }
        // Nicer is always allowed, but where PAM's limits made the job less nice before.
        let _ = process::be_nicer(self.nice);
        self.owner.assume().map_err(|errno| (Step::Owner, errno))?;
        let own = (io::stdout(), io::stderr());
        let (output, errors) = match &output {
            Some(pipe) => (pipe.as_fd(), pipe.as_fd()),
            None => (own.0.as_fd(), own.1.as_fd()),
        };
        // As the owner: root may be nobody on the file system that the home is on.
        self.enter_directory(errors).map_err(|errno| (Step::Directory, errno))?;
        let mut descriptors = vec![self.input.as_fd(), output, errors];
        descriptors.extend(self.script.as_ref().map(OwnedFd::as_fd));
        let path = CString::new(self.shell.0.clone()).map_err(|_| (Step::Shell, Errno::EINVAL))?;
        process::execute(&Program {
            path,
            arguments: self.arguments.clone(),
            environment: self.environment.clone(),
            descriptors,
        })
        .map_err(|error| (Step::Shell, errno_of(&error)))
    }

    fn enter_directory(&self, errors: BorrowedFd<'_>) -> Result<(), Errno> {
        let directory = self.directory();
        let Err(errno) = chdir(directory.0.as_slice()) else { return Ok(()) };
        let why = format!("rat: cannot change to {}: {}", directory.shown(), errno.desc());
        let complain = |text: String| nix::unistd::write(errors, text.as_bytes());
        match &self.directory {
            Directory::Exactly(_) => {
                // The words are at's; scripts of people look for them.
                let _ = complain(format!("{why}\nExecution directory inaccessible\n"));
                process::exit(1)
            }
            Directory::OrRoot(_) => {
                let _ = complain(format!("{why}; running in /\n"));
                chdir("/")
            }
            Directory::Or(_, other) => chdir(other.0.as_slice()).or_else(|_| chdir("/")),
            Directory::OrNot(_) => Err(errno),
        }
    }

    fn directory(&self) -> &Text {
        match &self.directory {
            Directory::Exactly(directory)
            | Directory::OrRoot(directory)
            | Directory::Or(directory, _)
            | Directory::OrNot(directory) => directory,
        }
    }

    /// Waits until the job's process has become the shell or has told why it could not.
    fn refusal(&self, trouble: OwnedFd) -> Option<Refusal> {
        let mut bytes = [0; 5];
        File::from(trouble).read_exact(&mut bytes).ok()?;
        let [step, errno @ ..] = bytes;
        let errno = Errno::from_raw(i32::from_ne_bytes(errno));
        let why = errno.desc();
        let mut directory = None;
        let why = match step {
            step if step == Step::Session as u8 => format!("cannot start a session: {why}"),
            step if step == Step::Owner as u8 => {
                format!("cannot become {}: {why}", self.owner.login)
            }
            step if step == Step::Directory as u8 => {
                directory = Some(self.directory().clone());
                format!("cannot change to {}: {why}", self.directory().shown())
            }
            _ => format!("cannot run {}: {why}", self.shell.shown()),
        };
        Some(Refusal { why, errno, directory })
    }
}

fn errno_of(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

fn input(input: Option<&Text>) -> Result<OwnedFd, String> {
    match input {
        Some(text) => sealed("input", &text.0),
        None => {
            let null = File::open("/dev/null");
            null.map(OwnedFd::from).map_err(|error| format!("cannot open /dev/null: {error}"))
        }
    }
}

fn sealed(what: &str, content: &[u8]) -> Result<OwnedFd, String> {
    let name = CString::new(what).map_err(|error| error.to_string())?;
    process::sealed(&name, content).map_err(|error| format!("cannot hold the {what}: {error}"))
}

fn strings(all: impl IntoIterator<Item = Vec<u8>>, what: &str) -> Result<Vec<CString>, String> {
    let strings = all.into_iter().map(CString::new).collect::<Result<_, _>>();
    strings.map_err(|_| format!("a NUL byte in {what}"))
}
