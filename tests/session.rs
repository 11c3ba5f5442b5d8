//! The process around one run, from outside: a real fork server, real sessions, real jobs. ratd's part is
//! played by the test.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::cell::Cell;
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, Uid, User, mkfifo};

use rat::plan::job::{JobId, Kind, Recipe};
use rat::plan::manner::{Ends, Homeless, Letter, Manner, OWN};
use rat::plan::run::{Mailer, Order, Outcome, Report, Run, RunId, Trigger};
use rat::plan::text::Text;
use rat::session::frame::{Answer, Answers, encode_order};
use rat::session::report::{self, Found};
use rat::session::server;
use rat::sys::lock;
use rat::sys::process::{self, Program};

/// Long enough for any machine; reached only by a test that fails.
const DEADLINE: Duration = Duration::from_secs(30);

/// A fork server with a directory of its own. Both end with it.
struct Bench {
    directory: PathBuf,
    socket: Option<UnixStream>,
    pid: Pid,
    own: u64,
    arrivals: Inotify,
    next: Cell<u64>,
}

impl Bench {
    fn new(name: &str) -> Bench {
        let directory = Bench::directory(name);
        let program = Path::new(env!("CARGO_BIN_EXE_ratd"));
        let server = server::start_program(program, &directory.join("run"), true).unwrap();
        Bench::serve(directory, UnixStream::from(server.socket), server.pid)
    }

    /// In a mount namespace of its own, where this script was run first; `None` where there can be none.
    fn within(name: &str, script: &str) -> Option<Bench> {
        let directory = Bench::directory(name);
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let possible = std::process::Command::new("unshare")
            .args(["--mount", "mount", "-t", "tmpfs", "none"])
            .arg(&directory)
            .output();
        if !possible.is_ok_and(|done| done.status.success()) {
            println!("skipped: no mount namespace");
            return None;
        }
        let null = File::open("/dev/null").unwrap();
        let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
        let script = format!("cd \"$2\"; {script}\nexec \"$0\" --fork-server \"$1\"");
        let run = directory.join("run");
        let arguments = ["env", "unshare", "--mount", "/bin/sh", "-ec", &script];
        let arguments = arguments.into_iter().chain([
            env!("CARGO_BIN_EXE_ratd"),
            run.to_str().unwrap(),
            directory.to_str().unwrap(),
        ]);
        let pid = process::start(&Program {
            path: c"/usr/bin/env".to_owned(),
            arguments: arguments.map(|argument| CString::new(argument).unwrap()).collect(),
            environment: vec![c"PATH=/usr/bin:/bin:/usr/sbin:/sbin".to_owned()],
            descriptors: vec![null.as_fd(), stdout.as_fd(), stderr.as_fd(), theirs.as_fd()],
        });
        Some(Bench::serve(directory, ours, pid.unwrap()))
    }

    fn directory(name: &str) -> PathBuf {
        let directory =
            std::env::temp_dir().join(format!("rat-session-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o777)).unwrap();
        directory
    }

    fn serve(directory: PathBuf, socket: UnixStream, pid: Pid) -> Bench {
        let Answer::Ready { server: own } = next_answer(&socket) else { panic!("not ready") };
        let arrivals = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).unwrap();
        let interesting = AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_CLOSE_WRITE;
        arrivals.add_watch(&directory.join("run/runs"), interesting).unwrap();
        let next = Cell::new(1000);
        Bench { directory, socket: Some(socket), pid, own, arrivals, next }
    }

    fn order(&self, kind: Kind, command: &str) -> Order {
        let id = RunId(self.next.get());
        self.next.set(id.0 + 1);
        Order {
            run: Run {
                id,
                job: JobId("0123456789abcdef".to_owned()),
                name: "job".to_owned(),
                owner: me(),
                due: Default::default(),
                trigger: Trigger::Schedule,
                attempt: 1,
            },
            recipe: Recipe {
                directory: Some(Text(self.directory.to_str().unwrap().into())),
                ..Recipe::plain(kind, Text::from(command))
            },
            crontab: None,
            stamp: None,
            keep_output: 64 << 10,
            echo: false,
            as_ratd: false,
            mailer: Mailer { program: Some(Text::from("/bin/true")), patience: 60 },
            log: Text::from("/dev/null/no-log"),
            manner: OWN,
            daemon: Vec::new(),
            programs: Text::default(),
            codeset: "UTF-8".to_owned(),
            over: None,
        }
    }

    fn send(&self, order: &Order) {
        self.socket.as_ref().unwrap().write_all_blocking(&encode_order(order).unwrap());
    }

    fn path(&self, order: &Order) -> PathBuf {
        self.directory.join("run/runs").join(order.run.id.to_string())
    }

    /// What is found of the run once it is no longer alive.
    fn await_end(&self, order: &Order) -> Found {
        let started = Instant::now();
        loop {
            match report::read(&self.path(order)) {
                Ok(Found::Alive(_)) => {}
                Ok(found) => return found,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => panic!("{error}"),
            }
            let left = DEADLINE.saturating_sub(started.elapsed());
            assert!(!left.is_zero(), "no end of {:?}", order.recipe.command);
            await_input(&self.arrivals, left);
            let _ = self.arrivals.read_events();
        }
    }

    fn run(&self, order: &Order) -> Report {
        self.send(order);
        self.report(order)
    }

    fn report(&self, order: &Order) -> Report {
        match self.await_end(order) {
            Found::Ended(report) => *report,
            other => panic!("{other:?}"),
        }
    }

    /// The output of a command that must succeed.
    fn output_of(&self, kind: Kind, command: &str) -> String {
        self.output(&self.order(kind, command))
    }

    fn output(&self, order: &Order) -> String {
        let report = self.run(order);
        assert_eq!(report.outcome, Outcome::Exited(0), "{}", report.output.shown());
        report.output.shown().into_owned()
    }

    fn outcome(&self, order: &Order) -> Outcome {
        self.run(order).outcome
    }

    /// A named pipe that a job and the test meet at: opening it waits for the other.
    fn meeting(&self, name: &str) -> PathBuf {
        let path = self.directory.join(name);
        mkfifo(&path, Mode::from_bits_truncate(0o666)).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
        path
    }

    /// A program of the test's own that takes mail.
    fn mailer(&self, script: &str) -> Mailer {
        let path = self.directory.join("mailer");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        Mailer { program: Some(Text(path.to_str().unwrap().into())), patience: 60 }
    }

    /// What reads the system's log, and what an order calls it.
    fn log(&self) -> (UnixDatagram, Text) {
        let path = self.directory.join("log");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        (socket, Text(path.to_str().unwrap().into()))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.socket = None;
        let _ = waitpid(self.pid, None);
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

trait WriteAllBlocking {
    fn write_all_blocking(&self, bytes: &[u8]);
}

impl WriteAllBlocking for UnixStream {
    fn write_all_blocking(&self, bytes: &[u8]) {
        self.set_nonblocking(false).unwrap();
        (&*self).write_all(bytes).unwrap();
        self.set_nonblocking(true).unwrap();
    }
}

fn await_input(from: &impl AsFd, at_most: Duration) {
    let timeout = PollTimeout::try_from(at_most).unwrap();
    poll(&mut [PollFd::new(from.as_fd(), PollFlags::POLLIN)], timeout).unwrap();
}

fn next_answer(mut socket: &UnixStream) -> Answer {
    let mut answers = Answers::default();
    loop {
        await_input(socket, DEADLINE);
        let mut byte = [0];
        assert_eq!(socket.read(&mut byte).unwrap(), 1, "the fork server is gone");
        answers.push(&byte);
        if let Some(answer) = answers.next_answer().unwrap() {
            return answer;
        }
    }
}

fn me() -> String {
    User::from_uid(Uid::effective()).unwrap().unwrap().name
}

/// Whether the test can go on; says why not where it cannot.
fn is_root() -> bool {
    if !Uid::effective().is_root() {
        println!("skipped: needs root");
    }
    Uid::effective().is_root()
}

fn nobody() -> User {
    User::from_name("nobody").unwrap().unwrap()
}

#[test]
fn an_exit_status_and_a_signal_are_told_apart() {
    let bench = Bench::new("status");
    for (command, expected) in [
        ("exit 0", Outcome::Exited(0)),
        ("exit 7", Outcome::Exited(7)),
        ("exit 143", Outcome::Exited(143)),
        ("kill -TERM $$", Outcome::Killed(15)),
        ("kill -KILL $$", Outcome::Killed(9)),
        ("exec >&- 2>&-; exit 3", Outcome::Exited(3)),
        ("no-such-command-of-ours", Outcome::Exited(127)),
    ] {
        assert_eq!(bench.outcome(&bench.order(Kind::Entry, command)), expected, "{command}");
    }
}

#[test]
fn usage_and_times_are_those_of_the_run() {
    let bench = Bench::new("usage");
    let command = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";
    let report = bench.run(&bench.order(Kind::Entry, command));
    assert!(report.usage.user_microseconds > 0, "{:?}", report.usage);
    assert!(report.usage.max_rss_kib > 100, "{:?}", report.usage);
    assert!(report.started.timestamp() > 1_500_000_000);
    assert!(report.ended >= report.started);
}

#[test]
fn output_and_errors_are_one_in_their_order() {
    let bench = Bench::new("order");
    let command = "echo a; echo b >&2; echo c; printf d >&2";
    assert_eq!(bench.output_of(Kind::Entry, command), "a\nb\nc\nd");
}

#[test]
fn long_output_is_cut_in_the_middle_and_counted() {
    let bench = Bench::new("cut");
    let mut order =
        bench.order(Kind::Entry, "printf first; head -c 1000000 /dev/zero; printf lastword");
    order.keep_output = 20;
    let report = bench.run(&order);
    assert_eq!(report.output_bytes, 1_000_013);
    let output = report.output.shown().into_owned();
    assert!(output.starts_with("first\n[rat: 999993 bytes left out]\n\0\0"), "{output:?}");
    assert!(output.ends_with("\0lastword"), "{output:?}");
}

#[test]
fn input_is_read_whole_and_nobody_waits_for_a_reader() {
    let bench = Bench::new("input");
    let mut order = bench.order(Kind::Entry, "cat");
    order.recipe.input = Some(Text::from("one\ntwo\n"));
    assert_eq!(bench.output(&order), "one\ntwo\n");
    let mut unread = bench.order(Kind::Entry, "true");
    unread.recipe.input = Some(Text(vec![b'x'; 1 << 20]));
    assert_eq!(bench.outcome(&unread), Outcome::Exited(0));
    assert_eq!(bench.output_of(Kind::Entry, "readlink /proc/self/fd/0"), "/dev/null\n");
}

#[test]
fn the_environment_is_exact() {
    let bench = Bench::new("environment");
    let mut entry = bench.order(Kind::Entry, "exec env");
    entry.recipe.environment = [
        (Text::from("HOME"), Text::from("/")),
        (Text::from("LOGNAME"), Text::from("somebody")),
        (Text::from("A"), Text::from("b c")),
    ]
    .into();
    let path = "PATH=/usr/bin:/bin:/usr/sbin:/sbin";
    let me = me();
    let mut expected: Vec<_> = format!("A=b c|HOME=/|LOGNAME={me}|{path}|SHELL=/bin/sh|USER={me}")
        .split('|')
        .map(str::to_owned)
        .collect();
    assert_eq!(without_pwd(&bench.output(&entry)), expected);
    let mut at = bench.order(Kind::At, "/usr/bin/env");
    at.recipe.environment = [(Text::from("LOGNAME"), Text::from("captured"))].into();
    expected = vec!["LOGNAME=captured".to_owned()];
    assert_eq!(without_pwd(&bench.output(&at)), expected);
}

/// Sorted, and without what the shell itself adds.
fn without_pwd(environment: &str) -> Vec<String> {
    let mut lines: Vec<_> = environment
        .lines()
        .filter(|line| !["PWD=", "OLDPWD=", "SHLVL=", "_="].iter().any(|own| line.starts_with(own)))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

#[test]
fn the_shell_of_the_crontab_runs_the_command_under_its_own_name() {
    let bench = Bench::new("shell");
    let command = "tr '\\0' '\\n' < /proc/$$/cmdline";
    let plain = format!("/bin/sh\n-c\n{command}; true\n");
    assert_eq!(bench.output_of(Kind::Entry, &format!("{command}; true")), plain);
    let mut other = bench.order(Kind::Entry, "never");
    other.recipe.environment = [(Text::from("SHELL"), Text::from("/bin/echo"))].into();
    assert_eq!(bench.output(&other), "-c never\n");
    let mut period = bench.order(Kind::Period, "echo ran");
    period.recipe.environment = other.recipe.environment.clone();
    assert_eq!(bench.output(&period), "ran\n");
}

#[test]
fn umask_and_directory_are_the_recipes() {
    let bench = Bench::new("directory");
    let mut order = bench.order(Kind::At, "umask; pwd");
    order.recipe.umask = Some(0o27);
    order.recipe.directory = Some(Text::from("/usr"));
    assert_eq!(bench.output(&order), "0027\n/usr\n");
    let mut home = bench.order(Kind::Entry, "pwd");
    home.recipe.directory = None;
    home.recipe.environment = [(Text::from("HOME"), Text::from("/usr"))].into();
    assert_eq!(bench.output(&home), "/usr\n");
    let mut period = bench.order(Kind::Period, "pwd");
    period.recipe.directory = None;
    assert_eq!(bench.output(&period), "/\n");
}

#[test]
fn a_missing_directory_stops_an_at_job_but_no_entry() {
    let bench = Bench::new("missing");
    let why = "rat: cannot change to /no/such: No such file or directory";
    let mut at = bench.order(Kind::At, "echo ran");
    at.recipe.directory = Some(Text::from("/no/such"));
    let report = bench.run(&at);
    assert_eq!(report.outcome, Outcome::Exited(1));
    assert_eq!(report.output.shown(), format!("{why}\nExecution directory inaccessible\n"));
    let mut entry = bench.order(Kind::Entry, "pwd");
    entry.recipe.directory = Some(Text::from("/no/such"));
    assert_eq!(bench.output(&entry), format!("{why}; running in /\n/\n"));
}

#[test]
fn no_descriptor_leaks_into_a_job() {
    let bench = Bench::new("descriptors");
    let list = "ls /proc/self/fd | tr '\\n' ' '";
    // 3 is ls's own, of the directory it lists.
    assert_eq!(bench.output_of(Kind::Entry, list), "0 1 2 3 ");
    assert_eq!(bench.output_of(Kind::At, list), "0 1 2 3 ");
    let names = bench.output_of(Kind::Entry, "readlink /proc/self/fd/1 /proc/self/fd/2");
    let names: Vec<_> = names.lines().collect();
    assert_eq!(names[0], names[1]);
    assert!(names[0].starts_with("pipe:"));
}

#[test]
fn signals_are_as_a_program_expects_them() {
    let bench = Bench::new("signals");
    let shown = bench.output_of(Kind::Entry, "exec grep -E '^Sig(Blk|Ign)' /proc/self/status");
    assert_eq!(shown, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

#[test]
fn a_job_leads_a_session_of_its_own() {
    let bench = Bench::new("leader");
    // Fields 4 to 6 of stat: parent, process group, session.
    let shown = bench.output_of(Kind::Entry, "echo $$; cut -d' ' -f5,6,7 /proc/$$/stat; true");
    let pid = shown.lines().next().unwrap();
    assert_eq!(shown, format!("{pid}\n{pid} {pid} 0\n"));
}

#[test]
fn what_cannot_be_started_says_why() {
    let bench = Bench::new("refused");
    let mut unknown = bench.order(Kind::Entry, "true");
    unknown.run.owner = "no-such-user-of-ours".to_owned();
    let mut shell = bench.order(Kind::Entry, "true");
    shell.recipe.environment = [(Text::from("SHELL"), Text::from("/bin/no-such-shell"))].into();
    let nul = bench.order(Kind::Entry, "a\0b");
    let long = bench.order(Kind::Entry, &format!("true {}", "x".repeat(128 << 10)));
    for (order, why) in [
        (unknown, "no such user: no-such-user-of-ours"),
        (shell, "cannot run /bin/no-such-shell: No such file or directory"),
        (nul, "a NUL byte in the command"),
        (long, "cannot run /bin/sh: Argument list too long"),
    ] {
        assert_eq!(bench.outcome(&order), Outcome::NotStarted(why.to_owned()));
    }
    if !Uid::effective().is_root() {
        let mut other = bench.order(Kind::Entry, "true");
        other.run.owner = "root".to_owned();
        let why = format!("ratd runs as uid {} and cannot become root", Uid::effective());
        assert_eq!(bench.outcome(&other), Outcome::NotStarted(why));
    }
}

#[test]
fn a_background_process_holds_no_run_and_survives_it() {
    let bench = Bench::new("background");
    let (go, done) = (bench.meeting("go"), bench.meeting("done"));
    let command = format!(
        "(read line < {}; echo late && echo alive > {}) & echo first",
        go.display(),
        done.display()
    );
    let report = bench.run(&bench.order(Kind::Entry, &command));
    assert_eq!(report.outcome, Outcome::Exited(0));
    let expected = "first\n[rat: background processes still hold the output]\n";
    assert_eq!(report.output.shown(), expected);
    // Its output is still taken, so the write does not kill it.
    std::fs::write(&go, "\n").unwrap();
    assert_eq!(std::fs::read_to_string(&done).unwrap(), "alive\n");
}

#[test]
fn an_order_that_comes_twice_starts_once() {
    let bench = Bench::new("twice");
    let go = bench.meeting("go");
    let log = bench.directory.join("log");
    let command = format!("read line < {}; echo ran >> {}", go.display(), log.display());
    let order = bench.order(Kind::Entry, &command);
    bench.send(&order);
    bench.send(&order);
    std::fs::write(&go, "\n").unwrap();
    bench.report(&order);
    bench.send(&order);
    // Orders are taken in their order, so once this one has ended all of the others were forked.
    assert_eq!(bench.outcome(&bench.order(Kind::Entry, "true")), Outcome::Exited(0));
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "ran\n");
}

#[test]
fn an_at_job_reads_its_script_and_an_empty_input() {
    let bench = Bench::new("script");
    let script = "#!/bin/sh\necho \"$0 $# $-\"\nreadlink /proc/self/fd/0\ncat\ncat <<E\nhere $((2 + 3))\nE\n";
    assert_eq!(bench.output_of(Kind::At, script), "sh 0 \n/dev/null\nhere 5\n");
    let long = format!("{}echo done", "# a comment\n".repeat(100_000));
    assert_eq!(bench.output_of(Kind::At, &long), "done\n");
    let failing = bench.order(Kind::At, "set -e\nfalse\necho not reached");
    assert_eq!(bench.outcome(&failing), Outcome::Exited(1));
}

#[test]
fn a_session_that_is_killed_leaves_what_it_was() {
    let bench = Bench::new("killed");
    let (meeting, go) = (bench.meeting("pid"), bench.meeting("go"));
    let command = format!("echo $PPID > {}; read line < {}", meeting.display(), go.display());
    let order = bench.order(Kind::Entry, &command);
    bench.send(&order);
    let session: i32 = std::fs::read_to_string(&meeting).unwrap().trim().parse().unwrap();
    assert!(matches!(report::read(&bench.path(&order)), Ok(Found::Alive(_))));
    assert_eq!(report::inventory(&bench.directory.join("run/runs")).unwrap(), [order.run.id]);
    kill(Pid::from_raw(session), Signal::SIGKILL).unwrap();
    match bench.await_end(&order) {
        Found::Died(Some(run)) => assert_eq!(run, order.run),
        other => panic!("{other:?}"),
    }
    std::fs::write(&go, "\n").unwrap();
}

#[test]
fn a_job_outlives_the_fork_server() {
    let bench = Bench::new("outlives");
    let (meeting, go) = (bench.meeting("here"), bench.meeting("go"));
    let command =
        format!("echo x > {}; read line < {}; echo last; exit 7", meeting.display(), go.display());
    let order = bench.order(Kind::Entry, &command);
    bench.send(&order);
    std::fs::read_to_string(&meeting).unwrap();
    kill(bench.pid, Signal::SIGKILL).unwrap();
    // End of file: neither the session nor the job has the socket.
    await_input(bench.socket.as_ref().unwrap(), DEADLINE);
    assert_eq!(bench.socket.as_ref().unwrap().read(&mut [0]).unwrap(), 0);
    server::wait_for_others(&bench.directory.join("run/servers"), 0).unwrap();
    std::fs::write(&go, "\n").unwrap();
    let report = bench.report(&order);
    assert_eq!(report.outcome, Outcome::Exited(7));
    assert_eq!(report.output.shown(), "last\n");
}

#[test]
fn a_fork_server_reads_its_socket_to_the_end_and_takes_its_file_along() {
    let mut bench = Bench::new("end");
    let servers = bench.directory.join("run/servers");
    let file = servers.join(format!("{:016x}", bench.own));
    let held = OpenOptions::new().write(true).open(&file).unwrap();
    assert!(lock::is_held(&held).unwrap());
    assert_eq!(server::others(&servers, bench.own).unwrap().len(), 0);
    assert_eq!(server::others(&servers, bench.own ^ 1).unwrap().len(), 1);
    let orders: Vec<_> = (0..50).map(|_| bench.order(Kind::Entry, "true")).collect();
    orders.iter().for_each(|order| bench.send(order));
    let broken_off = encode_order(&bench.order(Kind::Entry, "true")).unwrap();
    bench.socket.as_ref().unwrap().write_all_blocking(&broken_off[..20]);
    bench.socket = None;
    server::wait_for_others(&servers, bench.own ^ 1).unwrap();
    let claimed = orders.iter().filter(|order| report::read(&bench.path(order)).is_ok()).count();
    assert_eq!(claimed, orders.len(), "every order is claimed once the lock is free");
    waitpid(bench.pid, None).unwrap();
    assert!(!file.exists());
    orders.iter().for_each(|order| drop(bench.report(order)));
}

#[test]
fn an_order_that_cannot_be_claimed_is_refused() {
    let bench = Bench::new("unclaimed");
    std::fs::remove_dir_all(bench.directory.join("run/runs")).unwrap();
    let order = bench.order(Kind::Entry, "true");
    bench.send(&order);
    let answer = next_answer(bench.socket.as_ref().unwrap());
    let errno = nix::errno::Errno::ENOENT as i32;
    assert_eq!(answer, Answer::Refused { run: order.run.id, errno });
}

#[test]
fn a_report_is_for_the_owner_of_the_directory_alone() {
    let bench = Bench::new("mode");
    let order = bench.order(Kind::Entry, "true");
    bench.run(&order);
    let file = File::open(bench.path(&order)).unwrap().metadata().unwrap();
    assert_eq!(file.mode() & 0o7777, 0o600);
    assert_eq!(std::fs::metadata(bench.directory.join("run/runs")).unwrap().mode() & 0o777, 0o700);
    let names: Vec<_> = std::fs::read_dir(bench.directory.join("run/runs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, [order.run.id.to_string().as_str()], "nothing else is left there");
}

#[test]
fn echo_shows_lines_under_the_jobs_name() {
    let bench = Bench::new("echo");
    let mut order = bench.order(Kind::Entry, "echo one; printf two >&2; exit 7");
    order.echo = true;
    let mut quiet = bench.order(Kind::Entry, "echo quiet");
    quiet.echo = false;
    // A second fork server, whose output the test reads; a shell puts its socket where it looks for it.
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.write_all_blocking(&encode_order(&order).unwrap());
    ours.write_all_blocking(&encode_order(&quiet).unwrap());
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    let shown = std::process::Command::new("/bin/sh")
        .args(["-c", "exec \"$0\" --fork-server \"$1\" 3<&0", env!("CARGO_BIN_EXE_ratd")])
        .arg(bench.directory.join("run"))
        .stdin(std::os::fd::OwnedFd::from(theirs))
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let (lines, end) = shown.split_once("job | exited with status 7 after ").unwrap();
    assert_eq!(lines, "job | one\njob | two\n");
    assert!(end.ends_with("s\n") && end.lines().count() == 1, "{end:?}");
    assert_eq!(bench.report(&order).output.shown(), "one\ntwo");
}

#[test]
fn an_outcome_survives_a_full_disk() {
    if !is_root() {
        return;
    }
    let bench = Bench::new("full");
    let runs = bench.directory.join("run/runs");
    let mount = |arguments: &[&str]| {
        let mut command = std::process::Command::new(arguments[0]);
        command.args(&arguments[1..]).arg(&runs).output().is_ok_and(|done| done.status.success())
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "none"]) {
        println!("skipped: cannot mount");
        return;
    }
    // A watch is on a directory, not on its name.
    let interesting = AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_CLOSE_WRITE;
    bench.arrivals.add_watch(&runs, interesting).unwrap();
    let mut order = bench.order(Kind::Entry, "head -c 200000 /dev/zero; exit 7");
    order.keep_output = 1 << 20;
    let report = bench.run(&order);
    assert!(mount(&["umount", "-l"]));
    assert_eq!(report.outcome, Outcome::Exited(7));
    assert_eq!(report.output_bytes, 200_000);
    assert!(report.output.shown().starts_with("[rat: output lost: No space"), "{report:?}");
}

#[test]
fn root_becomes_the_owner_in_full() {
    if !is_root() {
        return;
    }
    let bench = Bench::new("nobody");
    let nobody = nobody();
    let (uid, gid) = (nobody.uid, nobody.gid);
    for kind in [Kind::Entry, Kind::SystemEntry, Kind::Period, Kind::At] {
        let mut order =
            bench.order(kind, "grep -E '^(Uid|Gid|Groups|CapEff|CapPrm)' /proc/self/status");
        order.run.owner = "nobody".to_owned();
        order.recipe.environment = [(Text::from("PATH"), Text::from("/bin:/usr/bin"))].into();
        let shown = bench.output(&order);
        let shown: Vec<_> = shown
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            shown,
            [
                format!("Uid: {uid} {uid} {uid} {uid}"),
                format!("Gid: {gid} {gid} {gid} {gid}"),
                format!("Groups: {gid}"),
                "CapPrm: 0000000000000000".to_owned(),
                "CapEff: 0000000000000000".to_owned(),
            ],
            "{kind:?}"
        );
    }
}

#[test]
fn an_owner_without_a_home_runs_in_the_root_directory() {
    if !is_root() {
        return;
    }
    let bench = Bench::new("homeless");
    let mut order = bench.order(Kind::Entry, "pwd; echo $HOME");
    order.run.owner = "nobody".to_owned();
    order.recipe.directory = None;
    let home = nobody().dir;
    let home = home.display();
    let why = format!("rat: cannot change to {home}: No such file or directory; running in /");
    assert_eq!(bench.output(&order), format!("{why}\n/\n{home}\n"));
}

#[test]
fn an_at_job_of_another_user_reads_its_script_and_input() {
    if !is_root() {
        return;
    }
    let bench = Bench::new("other");
    let mut at = bench.order(Kind::At, "echo $0; cat");
    at.run.owner = "nobody".to_owned();
    at.recipe.directory = Some(Text::from("/"));
    assert_eq!(bench.output(&at), "sh\n");
    let mut entry = bench.order(Kind::Entry, "cat; cat /proc/self/fd/0");
    entry.run.owner = "nobody".to_owned();
    entry.recipe.input = Some(Text::from("text"));
    assert_eq!(bench.output(&entry), "texttext");
}

/// The next line of the log, without what stands in front of its words, that is not about a start.
fn next_line(log: &UnixDatagram) -> String {
    loop {
        let line = next_whole_line(log);
        let (_, words) = line.split_once("]: ").unwrap();
        if !words.contains(") CMD (") {
            return words.to_owned();
        }
    }
}

/// The next line of the log, as it stands there.
fn next_whole_line(log: &UnixDatagram) -> String {
    let mut bytes = [0; 4096];
    let length = log.recv(&mut bytes).unwrap();
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

/// The next line of the log about what was done, whole.
fn next_but_pam(log: &UnixDatagram) -> String {
    let line = next_whole_line(log);
    if line.contains("INFO (no PAM") { next_whole_line(log) } else { line }
}

#[test]
fn the_log_names_the_job_by_its_own_process() {
    let bench = Bench::new("cmd");
    let (log, path) = bench.log();
    let mut order = bench.order(Kind::Entry, "echo $$ # \u{1b}\u{fc}");
    order.log = path.clone();
    let pid = bench.output(&order);
    let line = next_but_pam(&log);
    // Facility cron, severity info.
    let expected = format!("<78>CRON[{}]: ({}) CMD (echo $$ # ^[\\303\\274)", pid.trim(), me());
    assert_eq!(line, expected);
    let mut quiet = bench.order(Kind::Entry, "true");
    (quiet.log, quiet.recipe.quiet) = (path.clone(), true);
    bench.output(&quiet);
    let mut at = bench.order(Kind::At, "secret");
    (at.log, at.run.name) = (path.clone(), "at-7".to_owned());
    bench.run(&at);
    let line = next_whole_line(&log);
    assert!(line.ends_with(&format!("({}) CMD (at-7)", me())), "{line}");
    let mut other = bench.order(Kind::Entry, "echo out; echo more");
    other.manner =
        Manner { job: "CROND".into(), ends: Ends::Command, letter: Letter::Quoted, ..OWN };
    other.mailer.program = Some(Text::from("/no/such"));
    other.log = path;
    bench.output(&other);
    for expected in [
        "CMD (echo out; echo more)",
        "CMDEND (echo out; echo more)",
        "CMDOUT (out)",
        "CMDOUT (more)",
    ] {
        let line = next_whole_line(&log);
        assert!(line.starts_with("<78>CROND[") && line.ends_with(expected), "{line}");
    }
}

#[test]
fn without_a_home_each_cron_does_what_it_does() {
    let bench = Bench::new("no-home");
    let (log, path) = bench.log();
    let mut order = bench.order(Kind::Entry, "pwd");
    order.recipe.directory = Some(Text::from("/no/such"));
    order.manner = Manner { homeless: Homeless::Daemons("/usr".into()), ..OWN };
    assert_eq!(bench.output(&order), "/usr\n");
    let mut order = bench.order(Kind::Entry, "pwd");
    order.recipe.directory = Some(Text::from("/no/such"));
    order.manner = Manner { homeless: Homeless::Daemons("/no/other".into()), ..OWN };
    assert_eq!(bench.output(&order), "/\n");
    let mut order = bench.order(Kind::Entry, "pwd");
    (order.recipe.directory, order.log) = (Some(Text::from("/no/such")), path);
    order.manner = Manner { homeless: Homeless::NotRun, ..OWN };
    let why = "cannot change to /no/such: No such file or directory";
    assert_eq!(bench.outcome(&order), Outcome::NotStarted(why.to_owned()));
    let line = next_but_pam(&log);
    assert!(line.starts_with("<75>"), "{line}");
    assert!(
        line.ends_with("(CRON) ERROR chdir failed (/no/such): No such file or directory"),
        "{line}"
    );
}

/// Lets go whoever waits at this pipe, whatever became of the test.
struct Release(PathBuf);

impl Drop for Release {
    fn drop(&mut self) {
        let _ = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(&self.0);
    }
}

/// A PAM service that lets a user have no process beside the first: it is counted only once it runs.
const ONE_PROCESS: &str = r#"
mkdir pam.d
echo 'games hard nproc 0' > limits
printf 'auth required pam_permit.so\naccount required pam_permit.so\n' > pam.d/ratd
echo "session required pam_limits.so conf=$PWD/limits" >> pam.d/ratd
mount --bind pam.d /etc/pam.d
"#;

#[test]
fn a_job_that_there_is_no_process_for_waits_and_is_not_lost() {
    if !is_root() {
        return;
    }
    let Some(bench) = Bench::within("nproc", ONE_PROCESS) else { return };
    let (log, path) = bench.log();
    let meeting = bench.meeting("meeting");
    let order = |kind, command: &str| {
        let mut order = bench.order(kind, command);
        order.run.owner = "games".to_owned();
        order.log = path.clone();
        order
    };
    let _release = Release(meeting.clone());
    // What the shell does itself needs no second process.
    let first = order(Kind::Entry, &format!("read x < {}; exit 3", meeting.display()));
    bench.send(&first);
    let line = next_whole_line(&log);
    assert!(line.ends_with("; exit 3)"), "{line}");
    let (entry, at) = (order(Kind::Entry, "exit 4"), order(Kind::At, "exit 5"));
    for waits in [&entry, &at] {
        bench.send(waits);
        let line = next_whole_line(&log);
        let expected = "(games) CAN'T FORK (job): cannot run /bin/sh: \
                        Try again; it waits";
        assert!(line.ends_with(expected), "{line}");
        assert!(matches!(report::read(&bench.path(waits)), Ok(Found::Alive(_))));
    }
    // Who asks for the end of one that waits has it at once.
    let ended = order(Kind::Entry, "exit 6");
    bench.send(&ended);
    let line = next_whole_line(&log);
    let session = line.split_once('[').unwrap().1.split_once(']').unwrap().0;
    kill(Pid::from_raw(session.parse().unwrap()), Signal::SIGTERM).unwrap();
    match bench.report(&ended).outcome {
        Outcome::NotStarted(why) if why.ends_with("it was not to wait any longer") => {}
        other => panic!("{other:?}"),
    }
    std::fs::write(&meeting, "go\n").unwrap();
    assert_eq!(bench.report(&first).outcome, Outcome::Exited(3));
    assert_eq!(bench.report(&entry).outcome, Outcome::Exited(4));
    assert_eq!(bench.report(&at).outcome, Outcome::Exited(5));
}

#[test]
fn mail_is_handed_over_as_the_owner_and_holds_no_run_up() {
    let bench = Bench::new("mail");
    let owners = if is_root() { vec![me(), "nobody".to_owned()] } else { vec![me()] };
    for owner in owners {
        let meeting = bench.meeting(&format!("mail-of-{owner}"));
        let script = "id -un; grep -E '^(Groups|CapEff|SigBlk|SigIgn)' /proc/self/status; pwd; \
                      echo \"$@\"; /usr/bin/env | sort; echo; cat";
        let mut order = bench.order(Kind::Entry, "echo hi; exit 7");
        order.run.owner = owner.clone();
        order.mailer = bench.mailer(&format!("exec > {}; {script}", meeting.display()));
        order.recipe.environment =
            [("MAILTO", "bob,carol"), ("MAILFROM", "ci@example.org"), ("EDITOR", "vi")]
                .map(|(name, value)| (Text::from(name), Text::from(value)))
                .into();
        // The mailer waits for the test; the run's end does not wait for the mailer.
        assert_eq!(bench.run(&order).outcome, Outcome::Exited(7));
        let mail = std::fs::read_to_string(&meeting).unwrap();
        let (call, mail) = mail.split_once("\n\n").unwrap();
        let mut call = call.lines();
        assert_eq!(call.next(), Some(owner.as_str()));
        if owner != me() {
            assert_eq!(call.next(), Some(format!("Groups:\t{} ", nobody().gid).as_str()));
        } else {
            call.next();
        }
        assert_eq!(call.next(), Some("SigBlk:\t0000000000000000"));
        assert_eq!(call.next(), Some("SigIgn:\t0000000000000000"));
        assert!(owner == me() || call.next() == Some("CapEff:\t0000000000000000"));
        let rest: Vec<_> = call.filter(|line| !line.starts_with("CapEff")).collect();
        assert_eq!(rest[..2], ["/", "-FCronDaemon -i -odi -oem -oi -t -f ci@example.org"]);
        let names = rest[2..].iter().map(|line| line.split('=').next().unwrap());
        let names: Vec<_> = names.filter(|name| !["_", "PWD"].contains(name)).collect();
        assert_eq!(names, ["HOME", "LOGNAME", "PATH", "SHELL", "USER"]);
        assert!(mail.starts_with("From: \"(Cron Daemon)\" <ci@example.org>\nTo: bob,carol\n"));
        assert!(mail.contains(&format!("Subject: Cron <{owner}@")), "{mail}");
        assert!(mail.contains("\nX-Rat-Exit: exited with status 7\n"), "{mail}");
        assert!(mail.ends_with("\n\nhi\n"), "{mail}");
    }
}

#[test]
fn what_became_of_a_mail_is_said_when_it_is_not_what_it_should_be() {
    let bench = Bench::new("untaken");
    let (log, path) = bench.log();
    let me = me();
    for (mailto, script, patience, expected) in [
        (
            "bob",
            "echo no queue >&2; exit 75",
            60,
            "MAIL (mailed 3 bytes of output but got status 0x4b00: no queue; run ",
        ),
        (
            "bob",
            "cat > /dev/null; kill -9 $$",
            60,
            "MAIL (mailed 3 bytes of output but got status 0x0009; run ",
        ),
        (
            "bob",
            "exec sleep 1000",
            0,
            "MAIL (mailed 3 bytes of output but the mailer did not end and was stopped; run ",
        ),
        (
            "bob",
            "trap '' TERM; sleep 1000; sleep 1000",
            0,
            "MAIL (mailed 3 bytes of output but the mailer did not end and was stopped; run ",
        ),
        ("-oQ/tmp", "exit 1", 60, "UNSAFE MAIL (-oQ/tmp)"),
    ] {
        let mut order = bench.order(Kind::Entry, "echo hi");
        order.recipe.environment = [(Text::from("MAILTO"), Text::from(mailto))].into();
        order.mailer = Mailer { patience, ..bench.mailer(script) };
        order.log = path.clone();
        assert_eq!(bench.run(&order).output.shown(), "hi\n");
        let mut line = next_line(&log);
        if line.starts_with("(CRON) INFO (no PAM") {
            line = next_line(&log);
        }
        assert!(line.starts_with(&format!("({me}) {expected}")), "{script}: {line}");
    }
    let mut order = bench.order(Kind::Entry, "echo hi");
    order.log = path;
    order.mailer.program = Some(Text::from("/no/such"));
    bench.run(&order);
    let expected = format!("({me}) MAIL (no mailer at /no/such for 3 bytes of output; run ");
    let line = next_line(&log);
    assert!(line.starts_with(&expected), "{line}");
}

/// A PAM service that refuses root, has limits and an environment, and tells of its sessions.
const SERVICE: &str = r#"
mkdir pam.d
printf 'LANG=C.UTF-8\nUSER=eve\n' > environment
printf 'nobody soft stack 1000\nnobody hard fsize 1\n' > limits
printf 'root\n' > refused
printf '#!/bin/sh\necho "$PAM_TYPE $PAM_SERVICE $PAM_USER $PAM_TTY" >> %s/told\n' "$PWD" > tell
chmod 755 tell
cat > pam.d/crond <<EOF
auth required pam_permit.so
account required pam_listfile.so item=user sense=deny file=$PWD/refused onerr=fail
session required pam_limits.so conf=$PWD/limits
session required pam_env.so conffile=/dev/null readenv=1 envfile=$PWD/environment
session required pam_exec.so $PWD/tell
EOF
echo 'auth required pam_deny.so' > pam.d/cron
mount --bind pam.d /etc/pam.d
"#;

#[test]
fn pam_is_asked_and_its_limits_and_environment_reach_the_job() {
    if !is_root() {
        return;
    }
    let Some(bench) = Bench::within("pam", SERVICE) else { return };
    let (log, path) = bench.log();
    let meeting = bench.meeting("mail");
    let command = "ulimit -s; test $(ulimit -f) -le 2; echo $? $LANG $USER";
    let mut order = bench.order(Kind::Entry, command);
    order.run.owner = "nobody".to_owned();
    let script = format!("exec > {}; ulimit -s; id -un", meeting.display());
    order.mailer = bench.mailer(&script);
    assert_eq!(bench.output(&order), "1000\n0 C.UTF-8 nobody\n");
    let mailer = std::fs::read_to_string(&meeting).unwrap();
    assert!(mailer.ends_with("\nnobody\n") && !mailer.starts_with("1000\n"), "{mailer}");
    // A report larger than a file of the job may be: its output is lost only where root may not lift limits.
    let mut long = bench.order(Kind::Entry, "head -c 5000 /dev/zero");
    long.run.owner = "nobody".to_owned();
    let report = bench.run(&long);
    let lost = report.output.0.starts_with(b"[rat: output lost: File too large");
    assert!(lost || report.output.0.len() == 5000, "{report:?}");
    assert_eq!((report.outcome, report.output_bytes), (Outcome::Exited(0), 5000));
    let mut refused = bench.order(Kind::Entry, "true");
    refused.log = path;
    match bench.outcome(&refused) {
        Outcome::NotStarted(why)
            if why.starts_with("refused by PAM: ") && why.ends_with("(service crond)") => {}
        other => panic!("{other:?}"),
    }
    let line = next_line(&log);
    assert!(line.starts_with("(root) FAILED to authorize user with PAM ("), "{line}");
    // The system's own jobs are no sessions.
    for kind in [Kind::SystemEntry, Kind::Period] {
        assert_eq!(bench.outcome(&bench.order(kind, "true")), Outcome::Exited(0));
    }
    // Sessions end after their runs; the last thing they do is to close PAM.
    let told = bench.directory.join("told");
    let started = Instant::now();
    while std::fs::read_to_string(&told).unwrap().lines().count() < 4 {
        assert!(started.elapsed() < DEADLINE, "the session was not closed");
        std::thread::yield_now();
    }
    let mut told: Vec<_> =
        std::fs::read_to_string(&told).unwrap().lines().map(str::to_owned).collect();
    told.sort();
    let (close, open) = ("close_session crond nobody cron", "open_session crond nobody cron");
    assert_eq!(told, [close, close, open, open]);
}

#[test]
fn without_a_service_jobs_run_and_the_log_says_so_once() {
    if !is_root() {
        return;
    }
    let Some(bench) = Bench::within("no-pam", "mkdir pam.d; mount --bind pam.d /etc/pam.d") else {
        return;
    };
    let (log, path) = bench.log();
    for _ in 0..3 {
        let mut order = bench.order(Kind::Entry, "true");
        order.log = path.clone();
        order.recipe.quiet = true;
        assert_eq!(bench.outcome(&order), Outcome::Exited(0));
    }
    let line = next_line(&log);
    assert!(
        line.starts_with("(CRON) INFO (no PAM service ratd, crond, cron in /etc/pam.d"),
        "{line}"
    );
    log.set_nonblocking(true).unwrap();
    assert!(log.recv(&mut [0; 100]).is_err(), "it is said once");
}

/// SELinux as far as one can have it without: what is asked of libselinux, and what is done with its answers.
const STAND_IN: &str = r#"
mkdir pam.d; mount --bind pam.d /etc/pam.d
echo >ENFORCE; echo >crontab; echo >foreign
cc -D_GNU_SOURCE -D"STAND_IN=\"$PWD\"" -shared -fPIC -o libselinux.so.1 "$OLDPWD/tests/libselinux.c"
mount -t tmpfs none /sys/fs; mkdir /sys/fs/selinux; echo 1 >/sys/fs/selinux/enforce
export LD_LIBRARY_PATH="$PWD"
"#;

/// A machine with SELinux that is not SELinux.
fn with_stand_in(name: &str) -> Option<Bench> {
    if !is_root() {
        return None;
    }
    if std::process::Command::new("cc").arg("--version").output().is_err() {
        println!("skipped: no C compiler");
        return None;
    }
    println!(
        "SELINUX ITSELF IS NOT ASKED: this kernel may have none, and libselinux is a stand-in"
    );
    Bench::within(name, STAND_IN)
}

/// An order of a line of that crontab.
fn order_of_line(bench: &Bench, crontab: &str, assignments: &[(&str, &str)]) -> Order {
    let mut order = bench.order(Kind::Entry, "echo $$");
    order.run.owner = "nobody".to_owned();
    order.crontab = Some(Text::from(bench.directory.join(crontab).to_str().unwrap()));
    let texts = assignments.iter().map(|(name, value)| (Text::from(*name), Text::from(*value)));
    order.recipe.environment = texts.collect();
    order
}

#[test]
fn a_job_has_the_context_that_cronie_would_give_it() {
    let Some(bench) = with_stand_in("selinux") else { return };
    let told = bench.directory.join("TOLD");
    let level = ("MLS_LEVEL", "s1:c2");
    let entry = order_of_line(&bench, "crontab", &[]);
    let ranged = order_of_line(&bench, "crontab", &[level]);
    let mut of_system = order_of_line(&bench, "crontab", &[]);
    of_system.recipe.kind = Kind::SystemEntry;
    let mut at = order_of_line(&bench, "crontab", &[level]);
    (at.recipe.kind, at.crontab) = (Kind::At, None);
    for (order, expected) in [
        (entry, "user_u:role:type:s0-s3"),
        (ranged, "user_u:role:type:s1:c2"),
        (of_system, "system_u:role:type:s0"),
        (at, "user_u:role:type:s0-s3"),
    ] {
        let pid = bench.output(&order);
        // By the job's own process, which is root still.
        let said = std::fs::read_to_string(&told).unwrap();
        assert_eq!(said.lines().last(), Some(&*format!("{} 0 {expected}", pid.trim())));
    }
}

#[test]
fn a_policy_that_is_enforced_refuses_and_one_that_is_not_is_heard() {
    let Some(bench) = with_stand_in("selinux-refuses") else { return };
    let (log, path) = bench.log();
    let directory = bench.directory.display().to_string();
    let mut unknown = order_of_line(&bench, "crontab", &[]);
    unknown.run.owner = "games".to_owned();
    let foreign = format!(
        "{directory}/foreign is file_u:role:foreign:s0, and no entrypoint for \
         user_u:role:type:s0-s3: Permission denied (os error 13)"
    );
    let range = "MLS_LEVEL=s9: not in the range of user_u:role:type:s0-s3: Permission denied \
                 (os error 13)";
    let nobody = "no context for games: No such file or directory (os error 2)";
    let gone = format!("no context of {directory}/gone: No such file or directory (os error 2)");
    let mut refused = [
        (order_of_line(&bench, "foreign", &[]), foreign.as_str()),
        (order_of_line(&bench, "crontab", &[("MLS_LEVEL", "s9")]), range),
        (unknown, nobody),
        (order_of_line(&bench, "gone", &[]), gone.as_str()),
    ];
    for (order, why) in &mut refused {
        order.log = path.clone();
        let expected = Outcome::NotStarted(format!("refused by SELinux: {why}"));
        assert_eq!(bench.outcome(order), expected);
        let line = next_but_pam(&log);
        let expected = format!("({}) Unauthorized SELinux context ({why})", order.run.owner);
        assert!(line.starts_with("<75>") && line.ends_with(&expected), "{line}");
    }
    let unset = order_of_line(&bench, "crontab", &[("MLS_LEVEL", "s3:c9")]);
    let why = "refused by SELinux: cannot set the context: Invalid argument";
    assert_eq!(bench.outcome(&unset), Outcome::NotStarted(why.to_owned()));

    std::fs::remove_file(bench.directory.join("ENFORCE")).unwrap();
    for (order, why) in &refused {
        let again = Order { run: bench.order(Kind::Entry, "").run, ..order.clone() };
        let again = Order { run: Run { owner: order.run.owner.clone(), ..again.run }, ..again };
        assert_eq!(bench.outcome(&again), Outcome::Exited(0), "{why}");
    }
    let said = "Unauthorized SELinux context, but SELinux in permissive mode, continuing";
    for why in [nobody, &gone] {
        let line = next_line(&log);
        assert!(line.contains(said) && line.ends_with(&format!("({why})")), "{line}");
    }
    let run = bench.order(Kind::Entry, "").run;
    let again = Order { run: Run { owner: "nobody".to_owned(), ..run }, ..unset };
    assert_eq!(bench.outcome(&again), Outcome::Exited(0));
}

#[test]
fn without_libselinux_nothing_is_asked() {
    if !is_root() {
        return;
    }
    let hide = r#"
        for library in /usr/lib*/libselinux.so.1 /usr/lib/*/libselinux.so.1; do
            [ ! -e "$library" ] || echo "$library" >>hidden
        done
        : >empty
        if [ -e hidden ]; then while read -r library; do mount --bind empty "$library"; done <hidden; fi
    "#;
    let Some(bench) = Bench::within("no-selinux", hide) else { return };
    bench.output(&order_of_line(&bench, "crontab", &[("MLS_LEVEL", "s0")]));
}

#[test]
fn pam_is_told_the_class_that_a_crontab_says_and_no_other() {
    if !is_root() {
        return;
    }
    let service = r#"
        mkdir pam.d
        printf '#!/bin/sh\necho "$XDG_SESSION_CLASS" >>%s/told\n' "$PWD" >tell
        chmod 755 tell
        printf 'account required pam_permit.so\nauth required pam_permit.so\n' >pam.d/ratd
        echo "session required pam_exec.so type=open_session $PWD/tell" >>pam.d/ratd
        mount --bind pam.d /etc/pam.d
    "#;
    let Some(bench) = Bench::within("class", service) else { return };
    let class = |value| ("XDG_SESSION_CLASS", value);
    bench.output(&order_of_line(&bench, "crontab", &[class("user"), class("background-light")]));
    bench.output(&order_of_line(&bench, "crontab", &[]));
    let mut at = order_of_line(&bench, "crontab", &[class("user")]);
    at.recipe.kind = Kind::At;
    bench.output(&at);
    let told = std::fs::read_to_string(bench.directory.join("told")).unwrap();
    assert_eq!(told, "background-light\n\n\n");
}
