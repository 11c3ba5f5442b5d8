//! The fork server: reads orders from its one socket, forks a session for each, and does nothing else.
//! It parses no order, and its lock says that orders may still be on their way.

use std::ffi::{CString, OsString};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::{Pid, chdir, setsid};

use crate::session::environment::PATH;
use crate::session::frame::{Answer, HEADER, Header};
use crate::session::run;
use crate::sys::lock;
use crate::sys::process::{self, Fork, Program};

/// The first argument that makes ratd's program a fork server.
pub const ARGUMENT: &str = "--fork-server";

/// Where the fork server finds its socket.
const SOCKET: i32 = 3;

/// The pauses between two tries to fork where that is refused for now.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// Not for it or its sessions: what is typed at ratd's terminal, what tells ratd to reload, and what is an error of
/// a write anyway.
pub const IGNORED: &[Signal] =
    &[Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGPIPE, Signal::SIGXFSZ];

/// ratd's end of a fork server.
#[derive(Debug)]
pub struct ForkServer {
    /// Orders out, answers in; nonblocking. End of file: the fork server is gone.
    pub socket: OwnedFd,
    /// Its process, a child of this one, to be waited for.
    pub pid: Pid,
}

/// Starts a fork server from the program that this process runs. No order may be sent before its
/// `Answer::Ready` came. With `inherit_output` it and its sessions write to this process's output.
pub fn start(run_directory: &Path, inherit_output: bool) -> io::Result<ForkServer> {
    // By this name the kernel finds the very file, even where an upgrade has put another in its place.
    start_program(Path::new("/proc/self/exe"), run_directory, inherit_output)
}

/// Starts a fork server from another program, which must be a ratd of the same build.
pub fn start_program(
    program: &Path,
    run_directory: &Path,
    inherit_output: bool,
) -> io::Result<ForkServer> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let output = |own| if inherit_output { own } else { null.as_fd() };
    let descriptors: Vec<BorrowedFd<'_>> =
        vec![null.as_fd(), output(stdout.as_fd()), output(stderr.as_fd()), theirs.as_fd()];
    let run_directory = std::path::absolute(run_directory)?;
    let pid = process::start(&Program {
        path: CString::new(program.as_os_str().as_bytes())?,
        arguments: vec![
            CString::new("ratd: fork server")?,
            CString::new(ARGUMENT)?,
            CString::new(run_directory.as_os_str().as_bytes())?,
        ],
        environment: environment()?,
        descriptors,
    })?;
    Ok(ForkServer { socket: ours.into(), pid })
}

/// The other fork servers that may still start a run they were ordered to. The files of dead ones are
/// removed. `own` is the name that this ratd's fork server gave in `Answer::Ready`.
pub fn others(servers: &Path, own: u64) -> io::Result<Vec<File>> {
    let entries = match std::fs::read_dir(servers) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut alive = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_name().as_bytes().starts_with(b".") || entry.file_name() == *name(own) {
            continue;
        }
        let file = match OpenOptions::new().write(true).open(entry.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        if lock::is_held(&file)? {
            alive.push(file);
        } else {
            forget(&entry.path())?;
        }
    }
    Ok(alive)
}

/// Waits until no other fork server can start a run any more: from then on, a run that was ordered of
/// one and has no file under `runs/` was never started.
pub fn wait_for_others(servers: &Path, own: u64) -> io::Result<()> {
    for file in others(servers, own)? {
        lock::lock(&file)?;
    }
    others(servers, own).map(drop)
}

/// What a session holds of the fork server it was forked from.
#[derive(Debug)]
pub struct Inherited {
    /// The way to ratd.
    pub socket: UnixStream,
    /// The fork server's lock, shared: it lasts until both have let go.
    pub lock: File,
}

/// The fork server's whole life; what `ratd` calls with the arguments after `ARGUMENT`.
pub fn main(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(run_directory) = arguments.next() else { return ExitCode::FAILURE };
    let run_directory = PathBuf::from(run_directory);
    let served = process::inherited(SOCKET)
        .and_then(|socket| set_up(&run_directory, socket.into()))
        .and_then(|(own, inherited)| serve(&own, &run_directory.join("runs"), inherited));
    match served {
        Ok(code) => code,
        // ratd ended before it was answered: there is nobody to serve.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "ratd: fork server: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Sends one answer. It goes out whole, so the fork server and its sessions can share the socket.
pub fn answer(mut socket: &UnixStream, answer: Answer) -> io::Result<()> {
    socket.write_all(&answer.encode())
}

/// Leaves ratd's session, terminal and directory; then takes the lock and says so.
fn set_up(run_directory: &Path, socket: UnixStream) -> io::Result<(PathBuf, Inherited)> {
    // Nobody waits for sessions: ignored, SIGCHLD has the kernel bury them.
    process::reset_signals(&[IGNORED, &[Signal::SIGCHLD]].concat())?;
    setsid()?;
    chdir("/")?;
    let _ = nix::sys::prctl::set_name(c"ratd-forks");
    let servers = run_directory.join("servers");
    DirBuilder::new().recursive(true).mode(0o755).create(run_directory)?;
    for directory in [&servers, &run_directory.join("runs")] {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let mut random = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    let own = u64::from_ne_bytes(random);
    let path = servers.join(name(own));
    // The file gets its name only when it is locked, or it would be taken for that of a dead server.
    let unnamed = servers.join(format!(".{}", name(own)));
    let lock = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unnamed)?;
    if !lock::try_lock(&lock)? {
        return Err(io::Error::other("its own new file is locked"));
    }
    std::fs::rename(&unnamed, &path)?;
    answer(&socket, Answer::Ready { server: own })?;
    Ok((path, Inherited { socket, lock }))
}

/// Forks a session for each order until ratd's end is closed, whoever closed it.
fn serve(own: &Path, runs: &Path, inherited: Inherited) -> io::Result<ExitCode> {
    while let Some((header, json)) = next_order(&inherited.socket)? {
        match patient_fork() {
            Ok(Fork::Child) => return Ok(run::live(header, &json, runs, inherited)),
            Ok(Fork::Parent(_)) => {}
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                // If ratd is gone, the next one finds no claim and says that the run was lost.
                let _ = answer(&inherited.socket, Answer::Refused { run: header.run, errno });
            }
        }
    }
    // Sessions that have not claimed their runs yet share the lock. The file stays until they have let go:
    // whoever finds none must be right to take it that no order is on its way.
    let again = OpenOptions::new().write(true).open(own)?;
    drop(inherited);
    lock::lock(&again)?;
    forget(own)?;
    Ok(ExitCode::SUCCESS)
}

/// Forks, be it later: where the machine can have no more processes nothing can run, and orders wait in the socket.
fn patient_fork() -> io::Result<Fork> {
    let mut pause = FIRST_PAUSE;
    loop {
        match process::fork() {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOMEM)) => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(LAST_PAUSE);
            }
            forked => return forked,
        }
    }
}

/// The next whole order. One that broke off was never given: ratd died over it.
fn next_order(mut socket: &UnixStream) -> io::Result<Option<(Header, Vec<u8>)>> {
    let mut bytes = [0; HEADER];
    if !filled(socket.read_exact(&mut bytes))? {
        return Ok(None);
    }
    let header = Header::decode(bytes).map_err(io::Error::other)?;
    let mut json = vec![0; header.length];
    Ok(filled(socket.read_exact(&mut json))?.then_some((header, json)))
}

fn filled(read: io::Result<()>) -> io::Result<bool> {
    match read {
        Ok(()) => Ok(true),
        Err(error) => match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Ok(false),
            _ => Err(error),
        },
    }
}

/// What NSS and the zone of messages need, and nothing of ratd's own.
fn environment() -> io::Result<Vec<CString>> {
    let mut environment = vec![CString::new(format!("PATH={PATH}"))?];
    for name in ["TZ", "LANG"] {
        if let Some(value) = std::env::var_os(name) {
            environment.push(CString::new([name.as_bytes(), b"=", value.as_bytes()].concat())?);
        }
    }
    Ok(environment)
}

fn name(server: u64) -> String {
    format!("{server:016x}")
}

fn forget(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
