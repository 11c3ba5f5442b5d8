//! A place for a ratd, a ratd in it, and what is typed at it. Everything ends with the test.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, User, geteuid, mkfifo};
use rat::plan::job::Mail;
use rat::plan::submission::{Queue, Submission};
use rat::plan::text::Text;
use rat::store::Store;
use serde_json::Value;

/// Long enough for any machine; reached only by a test that fails.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub const RATD: &str = env!("CARGO_BIN_EXE_ratd");
pub const RAT: &str = env!("CARGO_BIN_EXE_rat");
pub const CRONTAB: &str = env!("CARGO_BIN_EXE_rat-crontab");
pub const AT: &str = env!("CARGO_BIN_EXE_rat-at");
pub const BATCH: &str = env!("CARGO_BIN_EXE_rat-batch");
pub const ATQ: &str = env!("CARGO_BIN_EXE_rat-atq");
pub const ANACRON: &str = env!("CARGO_BIN_EXE_rat-anacron");
pub const RUN_PARTS: &str = env!("CARGO_BIN_EXE_rat-run-parts");
pub const ATRM: &str = env!("CARGO_BIN_EXE_rat-atrm");

/// A user with a passwd entry who is neither root nor, where root runs the tests, the one who runs them.
pub const OTHER: &str = "nobody";

/// The login name of whoever runs the tests.
pub fn me() -> String {
    User::from_uid(geteuid()).unwrap().expect("the tests run as a user with a passwd entry").name
}

/// Whether root runs the tests; says so if not.
pub fn is_root() -> bool {
    let is_root = geteuid().is_root();
    if !is_root {
        eprintln!("skipped: needs root");
    }
    is_root
}

/// Whether whoever runs the tests has a home that jobs can begin in; says so if not.
pub fn has_home() -> bool {
    let user =
        User::from_uid(geteuid()).unwrap().expect("the tests run as a user with a passwd entry");
    let has_home = user.dir.is_dir();
    if !has_home {
        eprintln!("skipped: {} is no directory", user.dir.display());
    }
    has_home
}

/// A temporary root that is removed with everything in it.
pub struct Root {
    pub path: PathBuf,
}

impl Root {
    pub fn new(name: &str) -> Root {
        let path = std::env::temp_dir().join(format!("rat-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        let root = Root { path: path.canonicalize().unwrap() };
        root.mode("", 0o755);
        root
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.path.join(relative)
    }

    pub fn shown(&self, relative: &str) -> String {
        self.path(relative).to_str().unwrap().to_owned()
    }

    /// Writes a file that nobody but its owner may change, with the directories above it.
    pub fn write(&self, relative: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        self.directory(Path::new(relative).parent().unwrap().to_str().unwrap());
        std::fs::write(&path, text).unwrap();
        self.mode(relative, 0o644);
        path
    }

    pub fn directory(&self, relative: &str) -> PathBuf {
        let path = self.path(relative);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// Installs a crontab of the user who runs the tests, without a program.
    pub fn crontab(&self, text: &str) -> PathBuf {
        let relative = format!("var/spool/cron/crontabs/{}", me());
        let path = self.write(&relative, text);
        self.mode(&relative, 0o600);
        path
    }

    pub fn mode(&self, relative: &str, mode: u32) {
        std::fs::set_permissions(self.path(relative), PermissionsExt::from_mode(mode)).unwrap();
    }

    pub fn read(&self, relative: &str) -> String {
        std::fs::read_to_string(self.path(relative)).unwrap()
    }

    /// A FIFO that everybody may use.
    pub fn fifo(&self, relative: &str) -> Fifo {
        let path = self.path(relative);
        mkfifo(&path, Mode::from_bits_truncate(0o666)).unwrap();
        self.mode(relative, 0o666);
        Fifo(path)
    }

    /// A program, to be run against the ratd in this root.
    pub fn client(&self, program: &str, arguments: &[&str]) -> Client {
        let client = Client::new(program).arguments(arguments);
        client.variable("RAT_ROOT", &self.path).variable("HOME", self.path("home"))
    }

    /// What `rat VERB --json` says.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.client(RAT, arguments).argument("--json").run();
        serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {output:?}"))
    }

    /// All runs, the oldest first, with their output.
    pub fn history(&self) -> Vec<Value> {
        let mut runs = self.json(&["history", "-n", "10000"])["runs"].as_array().unwrap().clone();
        runs.reverse();
        runs
    }

    /// All runs of the job whose name or id begins so.
    pub fn history_of(&self, job: &str) -> Vec<Value> {
        let begins = |value: &Value| value.as_str().unwrap().starts_with(job);
        let mut runs = self.history();
        runs.retain(|run| begins(&run["name"]) || begins(&run["job"]));
        runs
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// A FIFO: what a job waits for, or what it says to the test.
pub struct Fifo(pub PathBuf);

impl Fifo {
    /// Lets whoever reads it go on, once somebody does.
    pub fn open(&self) {
        let path = self.0.clone();
        in_time(&format!("a reader of {}", path.display()), move || {
            OpenOptions::new().write(true).open(path).unwrap().write_all(b"go\n").unwrap();
        });
    }

    /// What somebody writes to it.
    pub fn take(&self) -> String {
        let path = self.0.clone();
        in_time(&format!("a writer to {}", path.display()), move || {
            let mut text = String::new();
            File::open(path).unwrap().read_to_string(&mut text).unwrap();
            text
        })
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        // A job that waits is not left behind, whatever became of the test.
        let flags = libc::O_NONBLOCK;
        let _ = OpenOptions::new().write(true).custom_flags(flags).open(&self.0);
    }
}

/// Does what may wait for ever, and fails if it does.
pub fn in_time<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = channel();
    thread::spawn(move || done.send(work()));
    match result.recv_timeout(DEADLINE) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => panic!("waited too long for {what}"),
        Err(RecvTimeoutError::Disconnected) => panic!("failed: {what}"),
    }
}

/// Asks again until it is so. For what only a question tells; each asking waits for ratd's answer.
#[track_caller]
pub fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < DEADLINE, "it never came about that {what}");
        thread::yield_now();
    }
}

/// Queues an at-job that was due two hours ago, while no ratd runs: no program can say that. Gives its number.
pub fn overdue(root: &Root, script: &str, change: impl FnOnce(&mut Submission)) -> u64 {
    let now: DateTime<Utc> = SystemTime::now().into();
    let mut job = job(now - TimeDelta::hours(2), script);
    change(&mut job);
    queue(root, now, &[job])
}

/// Queues an at-job for each of these, which was due so many seconds ago, while no ratd runs.
pub fn all_overdue(root: &Root, ago: &[i64]) {
    let now: DateTime<Utc> = SystemTime::now().into();
    let jobs: Vec<_> = ago.iter().map(|ago| job(now - TimeDelta::seconds(*ago), ":")).collect();
    queue(root, now, &jobs);
}

/// Queues so many at-jobs, each due a second after the one before and none for a year, while no ratd runs.
pub fn far_ahead(root: &Root, count: i64) {
    let now: DateTime<Utc> = SystemTime::now().into();
    let due = |second| now + TimeDelta::days(365) + TimeDelta::seconds(second);
    let jobs: Vec<_> = (0..count).map(|second| job(due(second), "true")).collect();
    queue(root, now, &jobs);
}

fn job(due: DateTime<Utc>, script: &str) -> Submission {
    Submission {
        due,
        queue: Queue::new('a').unwrap(),
        script: Text::from(script),
        environment: [(Text::from("PATH"), Text::from("/usr/bin:/bin"))].into(),
        directory: Text::from("/"),
        umask: 0o022,
        mail: Mail::Never,
        mail_to: None,
        deadline: None,
    }
}

/// Queues these jobs, and gives the number of the last.
fn queue(root: &Root, now: DateTime<Utc>, jobs: &[Submission]) -> u64 {
    root.directory("var/lib/rat");
    let mut store = Store::open(&root.path("var/lib/rat/rat.db")).unwrap();
    let queued = store.begin().unwrap();
    let submit = |job| queued.submit(geteuid(), &me(), now, job).unwrap();
    let number = jobs.iter().map(submit).max();
    queued.commit().unwrap();
    number.unwrap_or_default()
}

/// How a program ended and what it said.
#[derive(Debug)]
pub struct Output {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub bytes: Vec<u8>,
}

impl Output {
    /// Fails unless the program succeeded.
    #[track_caller]
    pub fn ok(self) -> Output {
        assert_eq!(self.status, Some(0), "{self:?}");
        self
    }

    /// Fails unless the program failed with this status, and said this.
    #[track_caller]
    pub fn fails(self, status: i32, said: &str) -> Output {
        assert_eq!(self.status, Some(status), "{self:?}");
        assert!(self.stderr.contains(said), "{said:?} is not in {self:?}");
        self
    }
}

/// A program with all that it is started with.
pub struct Client {
    command: Command,
    input: Vec<u8>,
}

impl Client {
    pub fn new(program: &str) -> Client {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("TZ", "UTC");
        command.current_dir("/").stdout(Stdio::piped()).stderr(Stdio::piped());
        Client { command, input: Vec::new() }
    }

    pub fn arguments(mut self, arguments: &[&str]) -> Client {
        self.command.args(arguments);
        self
    }

    pub fn argument(self, argument: &str) -> Client {
        self.arguments(&[argument])
    }

    pub fn variable(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Client {
        self.command.env(name, value);
        self
    }

    pub fn without(mut self, name: &str) -> Client {
        self.command.env_remove(name);
        self
    }

    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Client {
        self.input = input.into();
        self
    }

    pub fn directory(mut self, directory: &Path) -> Client {
        self.command.current_dir(directory);
        self
    }

    /// As the other user; for root alone.
    pub fn of_other(mut self) -> Client {
        let other = User::from_name(OTHER).unwrap().unwrap();
        self.command.uid(other.uid.as_raw()).gid(other.gid.as_raw());
        self
    }

    #[track_caller]
    pub fn run(self) -> Output {
        self.start().finish()
    }

    /// Runs it with a terminal at all three ends, at which this is typed; gives its status and what the terminal shows.
    #[track_caller]
    pub fn on_terminal(mut self, typed: &str) -> (Option<i32>, String) {
        let shown = format!("{:?}", self.command);
        let pty = openpty(None, None).unwrap();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        self.command.stdin(end()).stdout(end()).stderr(end());
        let mut child = self.command.spawn().unwrap();
        drop((self.command, pty.slave));
        let mut master = File::from(pty.master);
        master.write_all(typed.as_bytes()).unwrap();
        in_time(&shown, move || {
            let mut text = Vec::new();
            let mut piece = [0; 4096];
            // Once the other end is closed, reading fails.
            while let Ok(length @ 1..) = master.read(&mut piece) {
                text.extend_from_slice(&piece[..length]);
            }
            (child.wait().unwrap().code(), String::from_utf8_lossy(&text).replace("\r\n", "\n"))
        })
    }

    pub fn start(mut self) -> Started {
        self.command.stdin(Stdio::piped());
        let shown = format!("{:?}", self.command);
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
        let mut stdin = child.stdin.take().unwrap();
        let input = self.input;
        // A program that does not read its input is not held up by it, nor is the test.
        thread::spawn(move || drop(stdin.write_all(&input)));
        Started { child, shown }
    }
}

/// A program that runs.
pub struct Started {
    pub child: Child,
    shown: String,
}

impl Started {
    #[track_caller]
    pub fn finish(self) -> Output {
        let child = self.child;
        let output = in_time(&self.shown, move || child.wait_with_output().unwrap());
        Output {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            bytes: output.stdout,
        }
    }
}

/// A ratd in the foreground.
pub struct Ratd {
    pub pid: Pid,
    lines: Receiver<String>,
    /// What it and, with one file, its jobs said so far.
    pub said: Vec<String>,
    end: Receiver<ExitStatus>,
    ended: Option<ExitStatus>,
}

/// How a ratd is to be started.
pub struct Start {
    command: Command,
}

impl Start {
    /// `ratd -n` under this root.
    pub fn system(root: &Root) -> Start {
        let start = Start::bare(root);
        start.arguments(["-n", "--root"]).arguments([&root.path])
    }

    /// `ratd --root ROOT FILE`.
    pub fn file(root: &Root, file: &Path) -> Start {
        Start::bare(root).arguments(["--root"]).arguments([&root.path]).arguments([file])
    }

    pub fn bare(root: &Root) -> Start {
        Start::program(root, RATD)
    }

    /// A program that becomes ratd.
    pub fn program(root: &Root, program: &str) -> Start {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("TZ", "UTC");
        command.env("HOME", root.directory("home")).current_dir(&root.path);
        // A group of its own, as a shell's job has; a Ctrl-C goes to all of it.
        command.process_group(0);
        Start { command }
    }

    pub fn arguments<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Start {
        self.command.args(arguments);
        self
    }

    pub fn variable(mut self, name: &str, value: impl Into<OsString>) -> Start {
        self.command.env(name, value.into());
        self
    }

    pub fn begin(mut self) -> Ratd {
        let (reader, writer) = std::io::pipe().unwrap();
        self.command.stdin(Stdio::null());
        self.command.stdout(writer.try_clone().unwrap()).stderr(writer);
        let mut child = self.command.spawn().unwrap();
        drop(self.command);
        let pid = Pid::from_raw(child.id().cast_signed());
        let (line, lines) = channel();
        thread::spawn(move || {
            let mut reader = BufReader::new(reader);
            let mut bytes = Vec::new();
            while reader.read_until(b'\n', &mut bytes).is_ok_and(|length| length > 0) {
                let text = String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned();
                bytes.clear();
                if line.send(text).is_err() {
                    return;
                }
            }
        });
        let (told, end) = channel();
        thread::spawn(move || told.send(child.wait().unwrap()));
        Ratd { pid, lines, said: Vec::new(), end, ended: None }
    }

    /// Starts it and waits until it is ready.
    #[track_caller]
    pub fn ready(self) -> Ratd {
        let mut ratd = self.begin();
        ratd.await_line_that("it is ready", |line| {
            line.contains("stop with Ctrl-C") || line.contains("ready: ")
        });
        ratd
    }
}

impl Ratd {
    /// Waits for the next line with this in it.
    #[track_caller]
    pub fn await_line(&mut self, part: &str) -> String {
        self.await_line_that(part, |line| line.contains(part))
    }

    /// Waits for so many lines with this in them, beginning with the first that was ever said.
    #[track_caller]
    pub fn await_lines(&mut self, part: &str, count: usize) {
        while self.said.iter().filter(|line| line.contains(part)).count() < count {
            self.await_line(part);
        }
    }

    /// Waits for a line that was said, or will be.
    #[track_caller]
    pub fn await_said(&mut self, part: &str) -> String {
        match self.said.iter().find(|line| line.contains(part)) {
            Some(line) => line.clone(),
            None => self.await_line(part),
        }
    }

    #[track_caller]
    pub fn await_line_that(&mut self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            let left = DEADLINE.saturating_sub(started.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if is_it(&line) {
                        return line;
                    }
                }
                Err(error) => {
                    let last = &self.said[self.said.len().saturating_sub(40)..];
                    panic!("{error} before: {what}\nratd said:\n{}", last.join("\n"))
                }
            }
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid, signal).unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub fn await_end(&mut self) -> ExitStatus {
        if let Some(ended) = self.ended {
            return ended;
        }
        let ended = self.end.recv_timeout(DEADLINE);
        let ended = ended.unwrap_or_else(|_| panic!("ratd goes on:\n{}", self.said.join("\n")));
        self.ended = Some(ended);
        self.said.extend(self.lines.try_iter());
        ended
    }

    #[track_caller]
    pub fn stop(mut self) -> Vec<String> {
        self.signal(Signal::SIGTERM);
        let status = self.await_end();
        assert_eq!(status.code(), Some(0), "{}", self.said.join("\n"));
        std::mem::take(&mut self.said)
    }

    #[track_caller]
    pub fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        assert_eq!(self.await_end().signal(), Some(libc::SIGKILL));
    }
}

impl Drop for Ratd {
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = self.end.recv_timeout(DEADLINE);
        }
    }
}

/// The children of a process.
pub fn children(pid: Pid) -> Vec<Pid> {
    let parent_of = |pid: i32| -> Option<i32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // After the name, which may hold anything: state, parent.
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let processes = std::fs::read_dir("/proc").unwrap();
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|child| parent_of(*child) == Some(pid.as_raw())).map(Pid::from_raw).collect()
}

/// Waits until a process that is nobody's child here is gone.
#[allow(unsafe_code)]
pub fn await_death(pid: Pid) {
    use nix::poll::{PollFd, PollFlags, poll};
    use std::os::fd::{AsFd, FromRawFd, OwnedFd};
    // SAFETY: the call takes numbers only, and the descriptor it gives belongs to nobody else.
    let fd = unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0);
        if fd < 0 {
            return;
        }
        OwnedFd::from_raw_fd(fd as i32)
    };
    let timeout = u16::try_from(DEADLINE.as_millis()).unwrap();
    let ready = poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], timeout).unwrap();
    assert_eq!(ready, 1, "process {pid} goes on");
}

/// A library that is loaded in front of libc; `None`, and said, where there is no compiler.
pub fn shim(root: &Root, source: &str) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(source);
    let library = root.path("shim.so");
    let built = Command::new("cc")
        .args(["-O1", "-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .output();
    match built {
        Ok(output) if output.status.success() => Some(library),
        Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => {
            eprintln!("skipped: no C compiler: {error}");
            None
        }
    }
}
