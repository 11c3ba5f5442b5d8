//! The system's ratd: its places, its locks, its ends. Users other than the one who runs the tests are for root.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{chown, symlink};
use std::path::Path;

use nix::fcntl::{FcntlArg, Flock, FlockArg, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::bench::{
    AT, OTHER, RAT, RATD, Ratd, Root, Start, await_death, children, eventually, in_time, is_root,
    me,
};

/// What `rat status` says is wrong.
fn problems(root: &Root) -> String {
    let status = root.json(&["status"]);
    let problems = status["problems"].as_array().unwrap().iter();
    problems.map(|problem| problem.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_place_is_read_and_every_entry_runs_as_its_user() {
    if !is_root() {
        return;
    }
    let root = Root::new("places");
    root.write("etc/crontab", format!("@reboot {OTHER} echo crontab $(id -un) $LOGNAME\n"));
    root.write("etc/cron.d/package", "@reboot root echo package $(id -un)\n");
    root.write("etc/cron.d/old.dpkg-old", "@reboot root echo never\n");
    root.write("var/spool/cron/crontabs/root", "@reboot echo spool $(id -un)\n");
    root.mode("var/spool/cron/crontabs/root", 0o600);
    root.write("var/spool/cron/daemon", "@reboot echo flat $(id -un) $(id -Gn)\n");
    root.write(&format!("etc/crontabs/{OTHER}"), "@reboot echo alpine $(id -un)\n");
    root.write("etc/anacrontab", "1 0 daily echo period $(id -un) in $PWD\n");
    let mut ratd = Start::system(&root).ready();
    ratd.await_lines("exited with status 0", 6);
    let history = root.history();
    let said: String = history.iter().map(|run| run["output"].as_str().unwrap()).collect();
    let mut lines: Vec<_> = said.lines().filter(|line| !line.starts_with("rat: ")).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            &format!("alpine {OTHER}"),
            &format!("crontab {OTHER} {OTHER}"),
            "flat daemon daemon",
            "package root",
            "period root in /",
            "spool root"
        ]
    );
    let owners: Vec<_> = history.iter().map(|run| run["owner"].as_str().unwrap()).collect();
    assert_eq!(owners.iter().filter(|owner| **owner == OTHER).count(), 2, "{owners:?}");
    ratd.stop();
}

/// A ratd that finds a stand-in where the system has its libselinux.
const STAND_IN: &str = r#"
cc -D_GNU_SOURCE -D"STAND_IN=\"$2\"" -shared -fPIC -o "$2/libselinux.so.1" "$1"
mount -t tmpfs none /sys/fs; mkdir /sys/fs/selinux; echo 1 >/sys/fs/selinux/enforce
for library in /usr/lib*/libselinux.so.1 /usr/lib/*/libselinux.so.1; do
    [ ! -e "$library" ] || there=$library
done
mount --bind "$2/libselinux.so.1" "$there"
exec "$0" -n --root "$2"
"#;

#[test]
fn selinux_is_asked_about_the_crontab_that_an_entry_is_in() {
    if !is_root() {
        return;
    }
    let root = Root::new("selinux");
    root.write("ENFORCE", "");
    root.write("etc/cron.d/package", "@reboot root echo ours\n");
    root.write("etc/cron.d/foreign", "@reboot root echo never\n");
    println!(
        "SELINUX ITSELF IS NOT ASKED: this kernel may have none, and libselinux is a stand-in"
    );
    let start = Start::program(&root, "unshare").arguments(["--mount", "sh", "-ec", STAND_IN]);
    let start = start.arguments([RATD, concat!(env!("CARGO_MANIFEST_DIR"), "/tests/libselinux.c")]);
    let mut ratd = start.arguments([&root.path]).ready();
    ratd.await_said("refused by SELinux");
    ratd.await_said("exited with status 0");
    let history = root.history();
    let outputs: Vec<_> = history.iter().filter_map(|run| run["output"].as_str()).collect();
    assert!(outputs.contains(&"ours\n") && !outputs.contains(&"never\n"), "{history:?}");
    let why = format!("{} is file_u:role:foreign:s0, and no", root.shown("etc/cron.d/foreign"));
    assert!(ratd.said.iter().any(|line| line.contains(&why)), "{:?}", ratd.said);
    ratd.stop();
}

#[test]
fn debians_own_files_are_read_without_a_complaint() {
    let root = Root::new("debian");
    let names = ["crontab".to_owned(), "anacrontab".to_owned()];
    let dropped = std::fs::read_dir("/etc/cron.d").into_iter().flatten();
    let dropped = dropped.map(|entry| format!("cron.d/{}", entry.unwrap().file_name().display()));
    // What packages leave there so that a directory stays is passed over, and listed as that.
    let dropped = dropped.filter(|name| name != "cron.d/.placeholder");
    for name in names.into_iter().chain(dropped) {
        if let Ok(text) = std::fs::read(Path::new("/etc").join(&name)) {
            root.write(&format!("etc/{name}"), text);
        }
    }
    let ratd = Start::system(&root).ready();
    assert_eq!(problems(&root), "");
    ratd.stop();
}

#[test]
fn a_bad_line_disables_itself_alone() {
    let root = Root::new("bad-line");
    root.crontab("@reboot echo first\n* * * 13 * echo bad\n@reboot echo second\nCRON_TZ=Mars/Base\n1 2 3 4 5 true\n");
    let mut ratd = Start::system(&root).ready();
    let problems = problems(&root);
    let file = root.shown(&format!("var/spool/cron/crontabs/{}", me()));
    assert!(problems.contains(&format!("{file}:2:7: ")), "{problems}");
    assert!(problems.contains(&format!("{file}:4:9: ")) && problems.contains("Mars"), "{problems}");
    ratd.await_lines("exited with status 0", 2);
    assert!(ratd.said.iter().any(|line| line.contains(&format!("{file}:2:7: "))));
    assert_eq!(root.json(&["status"])["jobs"], 2);
    ratd.stop();
}

#[test]
fn edits_are_heard_of_however_they_are_made() {
    let root = Root::new("edits");
    let path = root.crontab("30 4 * * * true\n");
    let mut ratd = Start::system(&root).ready();
    root.crontab("30 4 * * * true\n30 5 * * * true\n");
    ratd.await_line("2 jobs");
    let new = root.write("new", "1 1 * * * true\n2 2 * * * true\n3 3 * * * true\n");
    std::fs::rename(new, &path).unwrap();
    ratd.await_line("3 jobs");
    // Another file of the same size and the same modification time.
    let new = root.write("new", "1 1 * * * true\n2 2 * * * true\n61 3 * * * tru\n");
    let times =
        std::fs::FileTimes::new().set_modified(path.metadata().unwrap().modified().unwrap());
    File::options().write(true).open(&new).unwrap().set_times(times).unwrap();
    std::fs::rename(new, &path).unwrap();
    ratd.await_line("2 jobs");
    std::fs::remove_file(&path).unwrap();
    ratd.await_line("is not used");
    assert_eq!(root.json(&["status"])["jobs"], 0);
    std::fs::remove_dir(path.parent().unwrap()).unwrap();
    root.crontab("30 4 * * * true\n");
    ratd.await_line("1 job");
    ratd.stop();
}

#[test]
fn a_place_that_comes_later_is_seen() {
    let root = Root::new("later");
    let mut ratd = Start::system(&root).ready();
    root.crontab("30 4 * * * true\n");
    ratd.await_line("1 job");
    let user = if me() == "root" { "root" } else { OTHER };
    root.write("etc/cron.d/later", format!("30 4 * * * {user} true\n31 4 * * * {user} true\n"));
    ratd.await_line("2 jobs");
    ratd.signal(Signal::SIGHUP);
    ratd.signal(Signal::SIGUSR1);
    ratd.await_line("3 jobs, 0 running");
    ratd.stop();
}

#[test]
fn a_zone_that_changes_is_read_again_and_a_crontab_that_goes_meanwhile_is_gone() {
    let root = Root::new("zone");
    root.directory("etc");
    symlink("/usr/share/zoneinfo/Europe/Berlin", root.path("etc/localtime")).unwrap();
    let path = root.crontab("30 4 * * * true\n");
    let mut ratd = Start::system(&root).variable("TZ", "").ready();
    let before = root.json(&["list"])["jobs"][0]["next"].clone();
    ratd.signal(Signal::SIGSTOP);
    std::fs::remove_file(root.path("etc/localtime")).unwrap();
    symlink("/usr/share/zoneinfo/Asia/Tokyo", root.path("etc/localtime")).unwrap();
    root.write("etc/touched", "");
    std::fs::remove_file(&path).unwrap();
    ratd.signal(Signal::SIGCONT);
    ratd.await_line("is not used");
    root.crontab("30 4 * * * true\n");
    ratd.await_line("1 job");
    let after = root.json(&["list"])["jobs"][0]["next"].clone();
    // An empty TZ means UTC, wherever the machine is.
    assert!(before.as_str().unwrap().contains("T04:30:00"), "{before}");
    assert!(after.as_str().unwrap().contains("T04:30:00"), "{after}");
    ratd.stop();
}

#[test]
fn what_cannot_be_trusted_in_the_spool_is_refused_with_the_reason() {
    let root = Root::new("trust");
    let path = root.crontab("@reboot echo never\n");
    let mut ratd = {
        let relative = format!("var/spool/cron/crontabs/{}", me());
        root.mode(&relative, 0o666);
        Start::system(&root).ready()
    };
    assert!(problems(&root).contains("BAD FILE MODE: mode 0666"), "{}", problems(&root));
    assert_eq!(root.json(&["status"])["jobs"], 0);

    std::fs::hard_link(&path, root.path("other-name")).unwrap();
    root.mode(&format!("var/spool/cron/crontabs/{}", me()), 0o600);
    eventually("links are counted", || problems(&root).contains("BAD LINK COUNT: 2"));

    std::fs::remove_file(&path).unwrap();
    symlink(root.path("other-name"), &path).unwrap();
    eventually("links are seen", || problems(&root).contains("is a symbolic link"));

    std::fs::remove_file(&path).unwrap();
    root.write("var/spool/cron/crontabs/nobody-of-this-name", "@reboot echo never\n");
    eventually("orphans are named", || problems(&root).contains("ORPHAN"));
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    eventually("no FIFO is read", || problems(&root).contains("not a regular file"));
    if is_root() {
        std::fs::remove_file(&path).unwrap();
        root.write(&format!("var/spool/cron/crontabs/{OTHER}"), "@reboot echo never\n");
        root.mode(&format!("var/spool/cron/crontabs/{OTHER}"), 0o600);
        chown(root.path(&format!("var/spool/cron/crontabs/{OTHER}")), Some(1), None).unwrap();
        eventually("owners are named", || problems(&root).contains("WRONG FILE OWNER"));
    }
    assert_eq!(root.json(&["status"])["jobs"], 0);
    ratd.signal(Signal::SIGTERM);
    ratd.await_end();
    let orphans = ratd.said.iter().filter(|line| line.contains("ORPHAN")).count();
    assert_eq!(orphans, 1, "it is said once:\n{}", ratd.said.join("\n"));
}

/// Runs `ratd` as a daemon; gives its pid once the first process has ended.
fn daemonize(root: &Root) -> Pid {
    root.client(RATD, &["--root", &root.shown("")]).run().ok();
    Pid::from_raw(root.read("run/ratd.pid").trim().parse().unwrap())
}

#[test]
fn a_daemon_is_ready_when_its_first_process_ends() {
    let root = Root::new("daemon");
    root.crontab("30 4 * * * true\n");
    let pid = daemonize(&root);
    let status = root.json(&["status"]);
    assert_eq!((&status["pid"], &status["ready"]), (&pid.as_raw().into(), &true.into()));
    assert_eq!(status["jobs"], 1);
    let about = |what: &str| format!("/proc/{pid}/{what}");
    assert_eq!(std::fs::read_link(about("cwd")).unwrap(), Path::new("/"));
    for fd in 0..3 {
        let target = std::fs::read_link(about(&format!("fd/{fd}"))).unwrap();
        assert_eq!(target, Path::new("/dev/null"));
    }
    let text = std::fs::read_to_string(about("status")).unwrap();
    assert!(text.contains("Umask:\t0022"), "{text}");
    let stat = std::fs::read_to_string(about("stat")).unwrap();
    let session = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(3).unwrap();
    assert_eq!(session, pid.to_string());

    let refused = root.client(RATD, &["--root", &root.shown("")]).run();
    refused.fails(1, &format!("ratd is running already with pid {pid}"));
    kill(pid, Signal::SIGTERM).unwrap();
    await_death(pid);
    let again = daemonize(&root);
    kill(again, Signal::SIGKILL).unwrap();
    await_death(again);
    let again = daemonize(&root);
    kill(again, Signal::SIGTERM).unwrap();
    await_death(again);
}

#[test]
fn a_daemon_that_cannot_start_says_why() {
    let root = Root::new("no-daemon");
    root.write("run", "in the way");
    root.client(RATD, &["--root", &root.shown("")]).run().fails(1, "cannot make");
    std::fs::remove_file(root.path("run")).unwrap();
    root.directory("run/rat/control.sock/in-the-way");
    root.client(RATD, &["--root", &root.shown("")]).run().fails(1, "cannot start");
    root.client(RATD, &["-n", "--root", &root.shown("")]).run().fails(1, "cannot start");
}

#[test]
fn ratd_does_not_start_beside_a_cron_or_an_atd() {
    for (name, by) in [("run/crond.pid", "cron"), ("run/atd.pid", "atd")] {
        let root = Root::new("beside");
        let path = root.write(name, "4321\n");
        let open = || OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let refused = |mode: &[&str]| {
            let place = root.shown("");
            let arguments = [mode, &["--root", &place]].concat();
            let said = format!("{by} is running already with pid 4321");
            root.client(RATD, &arguments).run().fails(1, &said);
        };
        let held = Flock::lock(open(), FlockArg::LockExclusiveNonblock).unwrap();
        refused(&["-n"]);
        refused(&[]);
        drop(held);
        let file = open();
        let lock = libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        fcntl(&file, FcntlArg::F_SETLK(&lock)).unwrap();
        refused(&["-n"]);
        refused(&[]);
        drop(file);
        Start::system(&root).ready().stop();
    }
}

/// Starts a job that waits, ends ratd in some way, lets the job end, and looks at what the next ratd knows of it.
fn outlives(name: &str, end: impl FnOnce(Ratd)) {
    let root = Root::new(name);
    let (gate, began) = (root.fifo("gate"), root.fifo("began"));
    let command = format!(
        "echo began > {}; read x < {}; echo the last line; exit 7",
        root.shown("began"),
        root.shown("gate")
    );
    root.crontab(&format!("@reboot {command}\n"));
    let ratd = Start::system(&root).ready();
    began.take();
    end(ratd);
    let run = std::fs::read_dir(root.path("run/rat/runs")).unwrap().next().unwrap().unwrap();
    let claim = OpenOptions::new().write(true).open(run.path()).unwrap();
    gate.open();
    // Its session holds the lock until its report is there.
    in_time("the session's end", move || rat::sys::lock::lock(&claim).unwrap());

    let mut next = Start::system(&root).begin();
    next.await_line("exited with status 7");
    let history = root.history();
    assert_eq!(history.len(), 1, "@reboot runs once a boot: {history:?}");
    let run = &history[0];
    assert_eq!((&run["outcome"], &run["status"]), (&"exited".into(), &7.into()), "{run}");
    assert!(run["output"].as_str().unwrap().ends_with("the last line\n"), "{run}");
    assert_eq!(run["last_line"], "the last line");
    assert!(run["max_rss_kib"].as_u64().unwrap() > 0, "{run}");
    assert_eq!(std::fs::read_dir(root.path("run/rat/runs")).unwrap().count(), 0);
    next.stop();
}

#[test]
fn a_job_outlives_a_ratd_that_is_told_to_stop() {
    outlives("term", |ratd| drop(ratd.stop()));
}

#[test]
fn a_job_outlives_a_ratd_that_is_killed() {
    outlives("kill", Ratd::kill);
}

#[test]
fn a_job_that_runs_is_adopted() {
    let root = Root::new("adopted");
    let (gate, began) = (root.fifo("gate"), root.fifo("began"));
    root.crontab(&format!(
        "@reboot echo > {}; read x < {}; exit 5\n",
        root.shown("began"),
        root.shown("gate")
    ));
    let ratd = Start::system(&root).ready();
    began.take();
    ratd.kill();
    let mut next = Start::system(&root).ready();
    next.await_said("goes on as run");
    assert_eq!(root.json(&["status"])["running"], 1);
    gate.open();
    next.await_line("exited with status 5");
    assert_eq!(root.json(&["status"])["running"], 0);
    next.stop();
}

#[test]
fn a_fork_server_that_dies_is_replaced_and_buried() {
    let root = Root::new("fork-server");
    let mut ratd = Start::system(&root).ready();
    for _ in 0..3 {
        let [server] = children(ratd.pid)[..] else { panic!("{:?}", children(ratd.pid)) };
        kill(server, Signal::SIGKILL).unwrap();
        ratd.await_line("started another");
        root.client(AT, &["now"]).input("exit 3").run().ok();
        ratd.await_line("exited with status 3");
        eventually("the dead are buried", || children(ratd.pid).len() == 1);
    }
    ratd.stop();
}

#[test]
fn a_session_that_is_killed_is_lost_and_said_to_be() {
    let root = Root::new("session");
    let (_gate, began) = (root.fifo("gate"), root.fifo("began"));
    let mut ratd = Start::system(&root).ready();
    let script = format!("echo $PPID > {}; read x < {}", root.shown("began"), root.shown("gate"));
    root.client(AT, &["now"]).input(script).run().ok();
    let session: i32 = began.take().trim().parse().unwrap();
    kill(Pid::from_raw(session), Signal::SIGKILL).unwrap();
    let line = ratd.await_line("is lost");
    assert!(line.contains("ERROR") && line.contains("at-1"), "{line}");
    assert_eq!(root.history()[0]["outcome"], "lost");
    ratd.stop();
}

#[test]
fn names_of_files_break_no_line_of_the_log() {
    let root = Root::new("log");
    let mut ratd = Start::system(&root).ready();
    root.write("etc/cron.d/a\n\u{1b}[31mb", "61 * * * * root true\n");
    root.crontab("* * * 13 * echo \u{1b}[2J bad\n");
    ratd.await_line("month");
    root.client(AT, &["now"]).input("exit 9 # \u{1b}[2J\n").run().ok();
    ratd.await_line("exited with status 9");
    let said = ratd.stop();
    for line in &said {
        assert!(!line.chars().any(char::is_control), "{line:?}");
        let begins = ["ERROR", " WARN", " INFO"].iter().any(|level| line.starts_with(level));
        assert!(begins, "{line:?} in {said:?}");
    }
}

#[test]
fn a_ratd_under_a_relative_root_finds_its_way() {
    let root = Root::new("relative");
    root.directory("below");
    let below = Root { path: root.path("below") };
    let client = below.client(RATD, &[]).variable("RAT_ROOT", "below").directory(&root.path);
    client.run().ok();
    let pid = Pid::from_raw(below.read("run/ratd.pid").trim().parse().unwrap());
    let ran = below.client(AT, &["now"]).input("exit 0").run();
    kill(pid, Signal::SIGTERM).unwrap();
    await_death(pid);
    ran.ok();
}

#[test]
fn many_things_that_happen_at_once_are_told_apart() {
    let root = Root::new("many");
    let mut text = String::new();
    for number in 0..40 {
        text += &format!("@reboot exit {number}\n");
    }
    root.crontab(&text);
    let mut ratd = Start::system(&root).ready();
    ratd.await_lines("exited with status", 40);
    let mut seen: Vec<_> =
        root.history().iter().map(|run| run["status"].as_i64().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, Vec::from_iter(0..40));
    let status = root.client(RAT, &["status"]).run().ok();
    assert!(status.stdout.contains("40 started, 0 missed"), "{status:?}");
    ratd.stop();
}
