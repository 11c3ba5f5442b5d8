//! WAIT, DECIDE, DO. ratd from its first line to its last; begin with `ratd::Ratd::run`, the loop.

pub mod access;
pub mod asked;
pub mod by_hand;
pub mod clerk;
pub mod clients;
pub mod connections;
pub mod control;
pub mod crash;
pub mod crontabs;
pub mod daemonize;
pub mod desk;
pub mod disk;
pub mod explain;
pub mod files;
pub mod instance;
pub mod options;
pub mod orders;
pub mod ratd;
pub mod room;
pub mod runner;
pub mod say;
pub mod state;
pub mod stopping;
pub mod surroundings;
pub mod systemd;
pub mod wait;
pub mod which;
pub mod writes;

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use tracing_subscriber::filter::LevelFilter;

use crate::daemon::clerk::{Beginning, Clerk};
use crate::daemon::connections::Connections;
use crate::daemon::crash::Crash;
use crate::daemon::daemonize::{Side, Starter, daemonize};
use crate::daemon::disk::Disk;
use crate::daemon::instance::{Instance, refuse_beside_peers};
use crate::daemon::options::{Mode, Options};
use crate::daemon::ratd::Ratd;
use crate::daemon::runner::Runner;
use crate::daemon::state::State;
use crate::daemon::surroundings::Surroundings;
use crate::daemon::systemd::{Notify, listener_at};
use crate::daemon::wait::{Wait, now};
use crate::log::{Loudness, Syslog, to_json, to_stderr, to_syslog};
use crate::plan::civil::Timestamp;
use crate::plan::run::RunId;
use crate::plan::scheduler::{Memory, Scheduler};
use crate::session::environment::SHELL;
use crate::session::{report, server};
use crate::spool::Spool;
use crate::spool::settings::Settings;
use crate::store::Store;
use crate::sys::socket;
use crate::zone::Zone;

/// The program ratd; also the fork server, which is this program executed anew.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|first| first == server::ARGUMENT).is_some() {
        return server::main(arguments);
    }
    // Before anything else: a signal that comes while ratd starts must not kill it.
    if let Err(error) = obeyed().thread_block() {
        return fail(format!("cannot block signals: {error}"));
    }
    let options = Options::parse();
    let mode = match options.mode() {
        Ok(mode) => mode,
        Err(why) => return fail(why),
    };
    let loudness = log_to(&mode);
    let starter = match start_side(&mode) {
        Ok(Side::Daemon(starter)) => starter,
        Ok(Side::Started(status)) => return status,
        Err(error) => return fail(format!("cannot become a daemon: {error}")),
    };
    let is_contained = mode.container.is_some();
    match live(mode, Parts { starter, loudness, settings: Settings::none() }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) if is_contained => {
            tracing::error!(event = "failed", "{why}");
            ExitCode::FAILURE
        }
        Err(why) => fail(why),
    }
}

/// In the foreground people read the log; with one file standard output is for them, and the log keeps to trouble.
/// A container's is read by programs.
fn log_to(mode: &Mode) -> Loudness {
    match (&mode.file, mode.foreground) {
        (Some(_), _) if mode.container.is_some() => to_json(LevelFilter::INFO),
        (Some(_), _) => to_stderr(LevelFilter::WARN),
        (None, true) => to_stderr(LevelFilter::INFO),
        (None, false) => to_syslog(&mode.paths.under_root("dev/log"), LevelFilter::INFO),
    }
}

fn start_side(mode: &Mode) -> io::Result<Side> {
    if mode.foreground { Ok(Side::Daemon(Starter::none())) } else { daemonize() }
}

fn fail(why: impl std::fmt::Display) -> ExitCode {
    eprintln!("ratd: {why}");
    ExitCode::FAILURE
}

/// Everything in its order: the fork server before any lock or file is opened, the lock before anything is changed.
fn live(mut mode: Mode, parts: Parts) -> Result<(), String> {
    // Before anything is opened here: no descriptor but the one that was handed over can have its number.
    let handed = listener_at(&mode.paths.socket());
    let is_handed = handed.is_some();
    let signals = signals().map_err(|error| format!("cannot take signals: {error}"))?;
    // Jobs at the wrong hours are worse than none.
    Zone::local(&mode.paths.root).map_err(|unknown| unknown.to_string())?;
    let crash = Crash::from_environment();
    let settings = settings_of(&mut mode);
    for directory in mode.paths.pid_file.parent().into_iter().chain([mode.paths.run.as_path()]) {
        make_directory(directory, bits_for_everybody(&mode))
            .map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
    }
    if mode.container.is_some() {
        // What jobs leave behind is this process's to bury, also where it is not process 1.
        nix::sys::prctl::set_child_subreaper(true)
            .map_err(|error| format!("cannot take in orphans: {error}"))?;
        if !Path::new(SHELL).exists() {
            tracing::warn!(
                event = "problem",
                "there is no {SHELL} here: no job runs without SHELL="
            );
        }
    }
    let runner = Runner::start(&mode.paths.run, mode.file.is_some(), crash)
        .map_err(|error| format!("cannot start the fork server: {error}"))?;
    if mode.is_system() {
        refuse_beside_peers(&mode.paths).map_err(|refused| refused.to_string())?;
    }
    let _instance = Instance::claim(&mode.paths.pid_file).map_err(|refused| refused.to_string())?;
    set_up_directories(&mode)?;
    let socket = mode.paths.socket();
    let connections = listen(&mode, handed).map_err(|error| format!("cannot start: {error}"))?;
    let parts = Parts { settings, ..parts };
    let ratd = assemble(mode.clone(), parts, runner, connections, signals, crash)
        .map_err(|error| format!("cannot start: {error}"))?;
    let ended = ratd.run();
    if !is_handed {
        let _ = std::fs::remove_file(socket);
    }
    let _ = std::fs::remove_file(&mode.paths.pid_file);
    ended.map_err(|error| format!("cannot go on: {error}"))
}

/// What rat.conf says, which is about the system's crontabs and at-jobs.
fn settings_of(mode: &mut Mode) -> Settings {
    if !mode.is_system() {
        return Settings::none();
    }
    let settings = Settings::begin(&mode.paths);
    mode.configure(&settings.config);
    settings
}

/// A user's own ratd is nobody else's business.
fn bits_for_everybody(mode: &Mode) -> u32 {
    if mode.is_system() { 0o755 } else { 0o700 }
}

/// Makes all directories, and sets their modes whatever they were; only who holds the lock may do that.
fn set_up_directories(mode: &Mode) -> Result<(), String> {
    let paths = &mode.paths;
    for (directory, bits) in [
        (&paths.run, bits_for_everybody(mode)),
        (&paths.runs(), 0o700),
        (&paths.servers(), 0o700),
        (&paths.state, 0o700),
    ] {
        make_directory(directory, bits)
            .and_then(|()| std::fs::set_permissions(directory, Permissions::from_mode(bits)))
            .map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
    }
    Ok(())
}

/// Makes a directory where there is none; those above it are for everybody.
fn make_directory(path: &Path, bits: u32) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        std::fs::create_dir_all(above)?;
    }
    match std::fs::DirBuilder::new().mode(bits).create(path) {
        // The fork server makes its directories as well, and may have been first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

/// At the socket that was handed over; else at one of our own.
fn listen(mode: &Mode, handed: Option<UnixListener>) -> io::Result<Connections> {
    let bits = if mode.is_system() { 0o666 } else { 0o600 };
    let listener = match handed {
        Some(listener) => listener,
        None => socket::listen(&mode.paths.socket(), bits)?,
    };
    Connections::listen(listener)
}

/// What there is before ratd lives.
struct Parts {
    starter: Starter,
    loudness: Loudness,
    settings: Settings,
}

fn assemble(
    mode: Mode,
    parts: Parts,
    runner: Runner,
    connections: Connections,
    signals: SignalFd,
    crash: Crash,
) -> io::Result<Ratd> {
    let now = now()?;
    let changes = Arc::new(Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?);
    let ends =
        AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_CLOSE_WRITE;
    let runs = changes.add_watch(&mode.paths.runs(), ends)?;
    let store = Store::open(&mode.paths.database()).map_err(|error| error.to_string());
    let first = first_run(now.wall, store.as_ref().ok(), &mode);
    let work = {
        let (mode, changes) = (mode.clone(), changes.clone());
        let spool = spool_of(&mode, parts.settings);
        move |commands, answers| {
            let first = Beginning { mode, store, spool, changes, first, started: now.wall, crash };
            Clerk::new(first, answers).serve(&commands)
        }
    };
    let (log, manner) = (mode.paths.under_root("dev/log"), &mode.dialect.manner);
    Ok(Ratd {
        wait: Wait::new()?,
        scheduler: Scheduler::new(&now, Memory { running: Vec::new(), next_run: first.0 })
            .with_limits(mode.at.limits),
        connections,
        disk: Disk::start(work)?,
        runner,
        signals,
        changes,
        runs,
        syslog: Syslog::new(&log, manner.daemon.clone()),
        job_log: Syslog::new(&log, manner.job.clone()),
        surroundings: Surroundings::of(mode.dialects().map(|dialect| &dialect.manner)),
        loudness: parts.loudness,
        starter: parts.starter,
        notify: Notify::from_environment(now.wall),
        crash,
        devices: None,
        state: State::new(now.wall),
        leaves: None,
        stopping: None,
        mode,
    })
}

/// Where this ratd finds its crontabs.
fn spool_of(mode: &Mode, settings: Settings) -> Spool {
    match &mode.file {
        Some((file, owner)) => Spool::of_file(file, owner, &mode.paths, mode.dialect),
        None if mode.own => Spool::of_user(&mode.paths, mode.dialect),
        None => Spool::of_system(&mode.paths, mode.asked_dialect(), settings),
    }
}

/// The first id for a run of this ratd: the microsecond it started in, or past all that were ever given.
fn first_run(now: Timestamp, store: Option<&Store>, mode: &Mode) -> RunId {
    let stored = store.and_then(|store| store.highest_id().ok().flatten());
    let present = report::inventory(&mode.paths.runs()).unwrap_or_default();
    let highest = present.into_iter().chain(stored).max().map_or(0, |run| run.0 + 1);
    RunId(highest.max(now.timestamp_micros().unsigned_abs()))
}

/// The signals that ratd obeys. Blocked in every thread; a session sets its own.
fn obeyed() -> SigSet {
    SigSet::from_iter([
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGHUP,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGCHLD,
    ])
}

/// Those signals as a descriptor.
fn signals() -> io::Result<SignalFd> {
    Ok(SignalFd::with_flags(&obeyed(), SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}
