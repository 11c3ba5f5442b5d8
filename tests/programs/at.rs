//! rat-at, rat-atq and rat-atrm against a ratd.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use rat::plan::submission::Submission;
use rat::plan::text::Text;

use crate::bench::{
    AT, ATQ, ATRM, BATCH, Client, OTHER, RAT, Root, Start, eventually, far_ahead, is_root, me,
    overdue,
};

fn at(root: &Root, words: &[&str]) -> Client {
    root.client(AT, words)
}

fn queue(root: &Root) -> String {
    root.client(ATQ, &[]).run().ok().stdout
}

#[test]
fn the_queue_looks_as_that_of_at() {
    let root = Root::new("queue");
    let ratd = Start::system(&root).ready();
    let words = ["-t", "203402010304.05"];
    let queued = at(&root, &words).input("true\n").run().ok();
    let warning = "warning: commands will be executed using /bin/sh\n";
    assert_eq!(queued.stderr, format!("{warning}job 1 at Wed Feb  1 03:04:05 2034\n"));
    assert_eq!(queued.stdout, "");
    assert_eq!(queue(&root), format!("1\tWed Feb  1 03:04:05 2034 a {}\n", me()));

    for (words, letter) in [
        (&["-q", "b", "04:05", "010235"][..], "b"),
        (&["now", "+", "3", "minutes"], "a"),
        (&["23:59", "tomorrow"], "a"),
        (&["-q", "Z", "noon", "tomorrow"], "Z"),
    ] {
        let queued = at(&root, words).input("true\n").run().ok();
        let said = queued.stderr.lines().last().unwrap();
        let (number, time) = said.strip_prefix("job ").unwrap().split_once(" at ").unwrap();
        let line = format!("{number}\t{time} {letter} {}\n", me());
        assert!(queue(&root).contains(&line), "{line} in {}", queue(&root));
    }
    let numbers = |text: String| {
        text.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(queue(&root)).len(), 5);
    assert_eq!(numbers(root.client(ATQ, &["-q", "b"]).run().ok().stdout), ["2"]);
    assert_eq!(numbers(root.client(AT, &["-l"]).run().ok().stdout).len(), 5);
    root.client(ATRM, &["2", "5"]).run().ok();
    root.client(ATRM, &["2"]).run().fails(1, "Cannot find jobid 2");
    root.client(ATRM, &["x"]).run().fails(1, "x");
    assert_eq!(numbers(queue(&root)).len(), 3);
    ratd.kill();

    let ratd = Start::system(&root).ready();
    assert_eq!(numbers(queue(&root)).len(), 3, "the queue survives");
    let queued = at(&root, &["noon", "tomorrow"]).input("true\n").run().ok();
    assert!(queued.stderr.contains("job 6 at"), "numbers are not used again: {queued:?}");
    let printed = root.client(AT, &["-c", "1"]).run().ok();
    assert!(printed.stdout.starts_with("#!/bin/sh\n# atrun uid="), "{printed:?}");
    assert!(printed.stdout.ends_with("\ntrue\n"), "{printed:?}");
    ratd.stop();
}

#[test]
fn the_lines_and_statuses_are_those_of_at() {
    let root = Root::new("lines");
    let ratd = Start::system(&root).ready();
    let whole = |words: &[&str], input: &str| {
        let said = at(&root, words).input(input).run();
        (said.status.unwrap(), said.stdout, said.stderr)
    };
    let queued = |line: &str| (0, String::new(), line.to_owned());
    let warning = "warning: commands will be executed using /bin/sh\n";
    let touch = ["-t", "203402010304"];
    let time = "Thu Feb  1 03:04:00 2034";
    let time = time.replace("Thu", "Wed");
    let verbose = format!("{time}\n\n{warning}job 1 at {time}\n");
    assert_eq!(whole(&[&["-v"], &touch[..]].concat(), "true"), queued(&verbose));
    // What at -b TIME and options behind -b promise, and at itself fails at.
    let words = [&["-b", "-q", "c"], &touch[..]].concat();
    assert_eq!(whole(&words, "true"), queued(&format!("job 2 at {time}\n")));
    let words = ["-bm", "noon", "tomorrow"];
    assert!(whole(&words, "true").2.starts_with("job 3 at "));
    let listed = root.client(AT, &["-l", "-o", "%Y", "-q", "C"]).run().ok();
    assert_eq!(listed.stdout, format!("2\t2034 C {}\n", me()));
    let turned = root.client(AT, &["-o", "%Y", "-l", "2", "1"]).run().ok();
    assert_eq!(turned.stdout, format!("1\t2034 a {0}\n2\t2034 C {0}\n", me()));
    assert_eq!(root.client(ATQ, &["-q", "b"]).run().ok().stdout.lines().count(), 1);

    let twice = [&touch[..], &["noon"]].concat();
    assert_eq!(whole(&twice, ""), (1, String::new(), "Cannot give time twice.\n".to_owned()));
    for (wrong, line) in [
        (&["-t", "203409310000"][..], "invalid date format: 203409310000\n"),
        (&["-t", "203402010304.60"], "invalid date format: 203402010304.60\n"),
        (&["-u", "no such user", "noon"], "/bin/sh\nrat-at: Cannot find username no such user\n"),
        (
            &["-f", "/no/file", "noon"],
            "/bin/sh\nCannot open input file /no/file: No such file or directory\n",
        ),
        (&["noon", "tomorow"], "\nGarbled time\n"),
        (&["noon", "jan", "40"], "there is no day 40\nGarbled time\n"),
        (&["noon", "-", "30", "years"], "\nrefusing to create job destined in the past\n"),
        (&["-f", "/", "noon"], "Input error"),
        (&["-q"], "rat-at: option requires an argument -- 'q'\nUsage: rat-at [-q QUEUE]"),
        (&["-mx", "noon"], "rat-at: invalid option -- 'x'\nUsage: rat-at [-q QUEUE]"),
        (&["--deadline", "soon", "noon"], "rat-at: --deadline soon: it is "),
        (&["-q", "aa", "-x"], "rat-at: queue \"aa\" is not one letter\nUsage: rat-at [-q QUEUE]"),
        (&["-l", "-f", "/no/file"], "rat-at: invalid option -- 'f'\nUsage: rat-at [-q QUEUE]"),
        (&["-r", "1", "-q", "a"], "rat-at: invalid option -- 'q'\nUsage: rat-at [-q QUEUE]"),
        (&["-c", "1", "--dry-run"], "rat-at: unrecognized option '--dry-run'\nUsage: rat-at"),
        (
            &["-q", "=", "noon", "tomorrow"],
            "rat-at: queue \"=\" is not one letter\nnothing was queued",
        ),
        (&["-t", "9", "noon"], "invalid date format: 9\n"),
        (&["-q", "1", "noon"], "queue \"1\" is not one letter"),
        (&["-l", "x"], "invalid job number\n"),
        (&["-r", "1", "x"], "unknown jobid: x\n"),
        (&["-c"], "rat-at: which jobs? rat-atq lists them\nUsage: rat-at"),
        (&["-d"], "rat-at: which jobs? rat-atq lists them\nUsage: rat-at"),
        (&[], ""),
        (&["--no-such-option"], ""),
        (&["now", "-1", "hour"], ""),
        (&["-h"], ""),
    ] {
        let (status, stdout, stderr) = whole(wrong, "");
        assert_eq!((status, stdout.as_str()), (1, ""), "{wrong:?}: {stderr}");
        assert!(stderr.contains(line), "{wrong:?}: {stderr}");
    }
    assert_eq!(root.client(ATQ, &[]).run().ok().stdout.lines().count(), 3, "all are there still");
    for refused in [root.client(ATRM, &[]).run(), root.client(ATQ, &["-Z"]).run()] {
        assert_eq!((refused.status, refused.stdout.as_str()), (Some(1), ""));
    }
    let removed = root.client(AT, &["-d", "9", "1", "8", "2"]).run();
    assert_eq!(removed.status, Some(1));
    assert_eq!(removed.stderr, "Cannot find jobid 9\nCannot find jobid 8\n");
    assert_eq!(root.client(ATQ, &[]).run().ok().stdout.lines().count(), 1);
    let version = root.client(AT, &["-V"]).run().ok();
    assert!(version.stdout.is_empty() && version.stderr.starts_with("rat-at "), "{version:?}");
    ratd.stop();
}

#[test]
fn under_at_s_own_names_it_is_at_s_programs() {
    let root = Root::new("names");
    let ratd = Start::system(&root).ready();
    let links = root.directory("bin");
    let link = |name: &str| {
        let path = links.join(name);
        std::os::unix::fs::symlink(AT, &path).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let [at, atq, atrm, batch] = ["at", "atq", "atrm", "batch"].map(link);
    for batch in [&batch, BATCH] {
        let queued = root.client(batch, &[]).input("true").run().ok();
        let lines: Vec<_> = queued.stderr.lines().collect();
        assert_eq!(lines[0], "warning: commands will be executed using /bin/sh");
        assert!(lines[1].starts_with("job ") && lines.len() == 2, "{queued:?}");
        let refused = root.client(batch, &["now"]).input("true").run();
        assert_eq!((refused.status, refused.stderr.as_str()), (Some(1), ""));
        assert_eq!(refused.stdout, "batch accepts no parameters\n");
    }
    root.client(&at, &["noon", "tomorow"]).run().fails(1, "at: \"noon tomorow\": no such word");
    root.client(&at, &["noon", "tomorrow"]).input("true").run().ok();
    assert!(root.client(&atq, &["3"]).run().ok().stdout.starts_with("3\t"));
    let refused = root.client(&atq, &["x"]).run();
    assert_eq!(refused.stderr, "atq: invalid job number\n");
    let refused = root.client(&atrm, &["3", "x"]).run();
    assert_eq!(refused.stderr, "at: unknown jobid: x\n");
    root.client(&atrm, &["3"]).run().ok();
    ratd.stop();
}

/// rat-at with a terminal to read from, and what it says on standard error.
fn typing(root: &Root) -> (std::process::Child, std::fs::File) {
    let terminal = nix::pty::openpty(None, None).unwrap();
    let child = std::process::Command::new(AT)
        .args(["-t", "203402010304"])
        .env("RAT_ROOT", &root.path)
        .stdin(terminal.slave)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    (child, std::fs::File::from(terminal.master))
}

#[test]
fn what_is_typed_is_asked_for_and_given_up_with_an_interrupt() {
    let root = Root::new("typing");
    let ratd = Start::system(&root).ready();
    let (child, mut keys) = typing(&root);
    keys.write_all(b"true\n\x04").unwrap();
    let said = child.wait_with_output().unwrap();
    let time = "Wed Feb  1 03:04:00 2034";
    let wanted = format!(
        "warning: commands will be executed using /bin/sh\nat {time}\nat> at> <EOT>\njob 1 at {time}\n"
    );
    assert_eq!(String::from_utf8_lossy(&said.stderr), wanted);

    let (mut child, mut keys) = typing(&root);
    keys.write_all(b"echo half a job\n").unwrap();
    let mut said = Vec::new();
    let mut stderr = child.stderr.take().unwrap();
    while !said.ends_with(b"at> at> ") {
        let mut byte = [0];
        stderr.read_exact(&mut byte).unwrap();
        said.extend(byte);
    }
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    assert!(!child.wait().unwrap().success());
    assert_eq!(queue(&root).lines().count(), 1);
    ratd.stop();
}

/// A file in the queue of Debian's at, complete.
fn spooled(root: &Root, name: &str, text: &str) {
    let relative = format!("var/spool/cron/atjobs/{name}");
    root.write(&relative, text);
    root.mode(&relative, 0o700);
}

fn job_of_at(uid: u32, script: &str) -> String {
    format!(
        "#!/bin/sh\n# atrun uid={uid} gid={}\n# mail {} 0\numask 27\nLANG=C; export LANG\n\
         WORDS=it\\'s\\ \"\n\"two; export WORDS\ncd / || {{\n\t echo 'Execution directory inaccessible' >&2\n\
         \t exit 1\n}}\n{script}\n",
        nix::unistd::getegid(),
        me()
    )
}

#[test]
fn the_queue_of_another_at_is_taken_over_once() {
    let root = Root::new("import");
    let uid = nix::unistd::geteuid().as_raw();
    let ratd = Start::system(&root).ready();
    spooled(&root, "c0001f0201b4e0", &job_of_at(uid, "printf '%s' \"$WORDS\"; exit 14"));
    spooled(&root, "a000200201b4e1", &job_of_at(uid, "true"));
    spooled(&root, "=000210201b4e2", &job_of_at(uid, "true"));
    spooled(&root, "a000220201b4e3", &job_of_at(uid + 1, "true"));
    spooled(&root, "a000230201b4e4", "#!/bin/sh\nrm -rf /\n");
    spooled(&root, "a000240201b4e5", &job_of_at(uid, "true"));
    root.mode("var/spool/cron/atjobs/a000240201b4e5", 0o000);
    spooled(&root, "a000250201b4e6", &job_of_at(uid, "true"));
    std::fs::hard_link(
        root.path("var/spool/cron/atjobs/a000250201b4e6"),
        root.path("var/spool/cron/second"),
    )
    .unwrap();
    let link = root.path("var/spool/cron/atjobs/a000260201b4e7");
    std::os::unix::fs::symlink("a000200201b4e1", link).unwrap();
    root.write("var/spool/cron/atjobs/.SEQ", "00026\n");

    let rat = |arguments: &[&str]| root.client(RAT, arguments).run();
    let import = rat(&["import", "at"]);
    assert_eq!(import.status, Some(1), "{import:?}");
    let told: Vec<_> = import.stdout.lines().collect();
    assert!(told[0].starts_with("job 1 at ") && told[0].ends_with(" (was 31)"), "{told:?}");
    assert!(told[1].ends_with(" (was 32)") && told.len() == 2, "{told:?}");
    for (name, why) in [
        ("=000210201b4e2", "it runs"),
        ("a000220201b4e3", &format!("it is of uid {}, but its file is of uid {uid}", uid + 1)),
        ("a000230201b4e4", "line 2: \"# atrun uid=\" expected"),
        ("a000250201b4e6", "it has another link"),
        ("a000260201b4e7", "it is a link"),
    ] {
        let line = format!("{name}: left: {why}\n");
        assert!(import.stderr.contains(&line), "{line} in {}", import.stderr);
    }
    assert!(import.stderr.contains("a000240201b4e5"), "{}", import.stderr);
    let listed = queue(&root);
    let owners: Vec<_> = listed.lines().map(|line| line.split(' ').next_back().unwrap()).collect();
    assert_eq!(owners, [me(), me()], "{listed}");
    let letters: Vec<_> = listed.lines().map(|line| line.split(' ').nth_back(1).unwrap()).collect();
    assert_eq!(letters, ["c", "a"]);
    let shown = root.client(AT, &["-c", "1"]).run().ok().stdout;
    assert!(shown.contains("WORDS=it\\'s\\ \"\n\"two; export WORDS\n"), "{shown}");
    assert_eq!(shown, job_of_at(uid, "printf '%s' \"$WORDS\"; exit 14"));

    root.client(ATRM, &["1"]).run().ok();
    let again = rat(&["import", "at", "--remove"]);
    assert!(again.stdout.contains("(was 31, taken over before)"), "{again:?}");
    assert_eq!(queue(&root).lines().count(), 1, "what is removed does not come back");
    let mut left: Vec<_> = std::fs::read_dir(root.path("var/spool/cron/atjobs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    let names = ["22", "23", "24", "25", "26"].iter().zip(3..);
    let names = names.map(|(number, minute)| format!("a000{number}0201b4e{minute}"));
    let wanted = [".SEQ".to_owned(), "=000210201b4e2".to_owned()].into_iter().chain(names);
    assert_eq!(left, wanted.collect::<Vec<_>>());
    ratd.stop();
    rat(&["import", "at"]).fails(3, "nothing was imported");
}

#[test]
fn jobs_of_another_at_are_given_their_owners_by_root_alone() {
    if !is_root() {
        return;
    }
    let root = Root::new("import-others");
    root.write("etc/at.deny", "");
    let mut ratd = Start::system(&root).ready();
    let other = nix::unistd::User::from_name(OTHER).unwrap().unwrap().uid;
    spooled(&root, "a000010000b4e0", &job_of_at(other.as_raw(), "id -un; exit 15"));
    spooled(&root, "a000020201b4e1", &job_of_at(3_999_999, "true"));
    for (name, uid) in [("a000010000b4e0", other.as_raw()), ("a000020201b4e1", 3_999_999)] {
        let path = root.path(&format!("var/spool/cron/atjobs/{name}"));
        std::os::unix::fs::chown(path, Some(uid), None).unwrap();
    }
    let by_other = root.client(RAT, &["import", "at"]).of_other().run();
    by_other.fails(1, "only root may import jobs");
    let import = root.client(RAT, &["import", "at"]).run();
    assert!(import.stderr.contains("uid 3999999 has no passwd entry"), "{import:?}");
    ratd.await_line("exited with status 15");
    assert_eq!(root.history_of("at-1")[0]["output"], format!("{OTHER}\n"));
    assert_eq!(root.history_of("at-1")[0]["owner"], OTHER);
    ratd.stop();
}

#[test]
fn a_connection_that_breaks_leaves_it_open_whether_the_job_is_queued() {
    let root = Root::new("broken");
    root.directory("run/rat");
    let listener = UnixListener::bind(root.path("run/rat/control.sock")).unwrap();
    let client = at(&root, &["noon", "tomorrow"]).input("true\n").start();
    let mut taken = Vec::new();
    BufReader::new(listener.accept().unwrap().0).read_until(0, &mut taken).unwrap();
    client.finish().fails(1, "it is not known whether the job was queued; look with rat-atq");
}

#[test]
fn without_a_ratd_nothing_is_queued() {
    let root = Root::new("none");
    at(&root, &["noon", "tomorrow"]).input("true").run().fails(1, "nothing was queued");
    at(&root, &["noon", "tommorow"]).input("true").run().fails(1, "tommorow");
    root.client(ATQ, &[]).run().fails(1, "no ratd is running");
    root.client(ATRM, &["1"]).run().fails(1, "no ratd is running");
    root.client(RAT, &["list"]).run().fails(3, "no ratd is running");
    let _ratd = Start::system(&root).ready();
    assert_eq!(queue(&root), "");
}

#[test]
fn a_job_runs_in_the_surroundings_it_was_queued_from() {
    let root = Root::new("surroundings");
    let mut ratd = Start::system(&root).ready();
    let odd = [
        ("NEWLINES", &b"one\n two\n\nthree\n"[..]),
        ("QUOTES", b"it's \"so\" `quoted` $(or not) \\ \\\\ $HOME %"),
        ("BYTES", b"\xff\xfe\x01\x1b[31m"),
        ("EMPTY", b""),
        ("SPACE", b" both ends "),
        ("lower_1", b"x"),
    ];
    let directory = root.directory("a 'place'\n\"quoted\" $x");
    let directory = directory.join(OsStr::from_bytes(b"\xff"));
    std::fs::create_dir(&directory).unwrap();
    let script = "pwd -P > PWD; umask > UMASK; ls /proc/self/fd > FDS; cat > INPUT; echo $0 $# > ARGS\n\
                  for name in NEWLINES QUOTES BYTES EMPTY SPACE lower_1; do\n\
                  eval \"printf '%s' \\\"\\$$name\\\" > $name; [ \\\"\\${$name+set}\\\" ] || rm $name\"\ndone\n\
                  env > ENV\nexit 11";
    let client = Client::new("/bin/sh").arguments(&["-c", "umask 027; exec \"$0\" now", AT]);
    let client = client.variable("RAT_ROOT", &root.path).directory(&directory).input(script);
    let client = client.variable("TERM", "xterm").variable("not-a-name", "x");
    let client = odd
        .iter()
        .fold(client, |client, (name, value)| client.variable(name, OsStr::from_bytes(value)));
    client.run().ok();
    ratd.await_line("exited with status 11");
    let read = |name: &str| std::fs::read(directory.join(name)).unwrap();
    for (name, value) in odd {
        assert_eq!(read(name), value, "{name}");
    }
    assert_eq!(read("PWD"), [directory.as_os_str().as_bytes(), b"\n"].concat());
    assert_eq!(read("UMASK"), b"0027\n");
    assert_eq!(read("FDS"), b"0\n1\n2\n3\n", "3 is that of ls itself");
    assert_eq!(read("INPUT"), b"");
    assert_eq!(read("ARGS"), b"sh 0\n");
    let mode = directory.join("PWD").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let environment = String::from_utf8_lossy(&read("ENV")).into_owned();
    assert!(!environment.contains("TERM=") && !environment.contains("not-a-name"), "{environment}");
    ratd.stop();
}

#[test]
fn a_script_can_come_from_a_file_and_be_of_any_size() {
    let root = Root::new("script");
    let mut ratd = Start::system(&root).ready();
    let file = root.write("script", "echo from a file; exit 12");
    at(&root, &["-f", file.to_str().unwrap(), "now"]).run().ok();
    ratd.await_line("exited with status 12");
    assert_eq!(root.history_of("at-1")[0]["output"], "from a file\n");
    at(&root, &["-f", "no-such-file", "now"]).run().fails(1, "no-such-file");
    let long = ": a line that does nothing, again and again\n".repeat(50_000) + "exit 13\n";
    at(&root, &["now"]).input(long).run().ok();
    ratd.await_line("exited with status 13");
    let longer = ": a line that does nothing, again and again\n".repeat(500_000);
    let refused = at(&root, &["now"]).input(longer).run();
    refused.fails(1, "the script is larger than 4194304 bytes\nnothing was queued");
    assert_eq!(queue(&root), "");
    ratd.stop();
}

#[test]
fn a_directory_that_is_gone_is_said_and_nothing_is_run() {
    let root = Root::new("gone");
    let directory = root.directory("place");
    let ratd = Start::system(&root).ready();
    let client = Client::new("/bin/sh").variable("RAT_ROOT", &root.path).directory(&directory);
    let client = client.arguments(&["-c", "rmdir \"$PWD\"; exec \"$0\" now", AT]);
    client.input("echo never").run().fails(1, "current working directory");
    ratd.stop();
    let surroundings = |job: &mut Submission| job.directory = Text::from(&*root.shown("place"));
    overdue(&root, "echo never", surroundings);
    let mut ratd = Start::system(&root).ready();
    ratd.await_said("exited with status 1");
    let run = root.history_of("at-1")[0].clone();
    let text = run["output"].as_str().unwrap();
    assert!(text.contains("Execution directory inaccessible") && !text.contains("never"), "{run}");
    ratd.stop();
}

#[test]
fn jobs_of_others_are_neither_seen_nor_removed() {
    if !is_root() {
        return;
    }
    let root = Root::new("others");
    root.write("etc/at.deny", "");
    let mut ratd = Start::system(&root).ready();
    at(&root, &["noon", "tomorrow"]).input("echo secret").run().ok();
    at(&root, &["noon", "tomorrow"]).input("true").of_other().run().ok();
    let seen = root.client(ATQ, &[]).of_other().run().ok().stdout;
    assert!(seen.starts_with("2\t") && seen.lines().count() == 1, "{seen}");
    assert_eq!(queue(&root).lines().count(), 2);
    root.client(ATRM, &["1"]).of_other().run().fails(1, "1: Not owner");
    let hidden = root.client(AT, &["-c", "1"]).of_other().run();
    assert!(!hidden.stdout.contains("secret"));
    hidden.fails(1, "1: Not owner");
    assert_eq!(queue(&root).lines().count(), 2);

    at(&root, &["now"]).input("id -un; id -Gn; exit 6").of_other().run().ok();
    ratd.await_line("exited with status 6");
    assert_eq!(root.history_of("at-3")[0]["output"], "nobody\nnogroup\n");
    at(&root, &["now"]).input("exit 5").run().ok();
    ratd.await_line("exited with status 5");
    let runs = root.client(RAT, &["history", "--json"]).of_other().run().ok().stdout;
    assert!(runs.contains("at-3") && !runs.contains("at-4"), "{runs}");
    root.write("etc/at.deny", format!("{OTHER}\n"));
    for (program, name) in [(AT, "rat-at"), (ATQ, "rat-atq"), (ATRM, "rat-atrm")] {
        let words: &[&str] = if program == ATQ { &[] } else { &["2"] };
        let words = if program == AT { &["now"] } else { words };
        let refused = root.client(program, words).input("true").of_other().run();
        let line = format!("You do not have permission to use {name}.\n");
        assert!(refused.stderr.ends_with(&line) && refused.status == Some(1), "{refused:?}");
    }
    std::fs::remove_file(root.path("etc/at.deny")).unwrap();
    at(&root, &["now"]).input("true").of_other().run().fails(1, "You do not have permission");
    root.write("etc/at.allow", format!("x\n{OTHER}\n"));
    at(&root, &["noon", "tomorrow"]).input("true").of_other().run().ok();
    root.write("etc/at.allow", format!(" {OTHER}\n{OTHER} # not a name\n"));
    at(&root, &["now"]).input("true").of_other().run().fails(1, "You do not have permission");
    root.write("etc/at.allow", "");
    at(&root, &["noon", "tomorrow"]).input("true").run().ok();
    root.client(ATRM, &["2"]).run().ok();
    ratd.stop();
}

#[test]
fn a_running_job_is_shown_as_such_and_goes_on_when_removed() {
    let root = Root::new("running");
    let mut ratd = Start::system(&root).ready();
    let (gate, began) = (root.fifo("gate"), root.fifo("began"));
    let (gate_path, began_path) = (root.shown("gate"), root.shown("began"));
    let script = format!("echo > {began_path}; read x < {gate_path}; exit 4");
    at(&root, &["now"]).input(script).run().ok();
    began.take();
    assert!(queue(&root).ends_with(&format!(" = {}\n", me())), "{}", queue(&root));
    assert_eq!(root.client(ATQ, &["-q", "="]).run().ok().stdout, queue(&root));
    root.client(ATRM, &["1"]).run().fails(0, "Warning: deleting running job");
    assert_eq!(queue(&root), "");
    gate.open();
    ratd.await_line("exited with status 4");
    eventually("its end is known", || root.history()[0]["status"] == 4);
    ratd.stop();
}

#[test]
fn a_job_has_three_descriptors_and_default_signals() {
    let root = Root::new("descriptors");
    let table = "@reboot cat /proc/self/status | grep Sig; ls -l /proc/self/fd | sed 's/.* \\([0-9]*\\) -> .*/\\1/'; exit 9\n";
    root.crontab(table);
    let mut ratd = Start::system(&root).ready();
    ratd.await_said("exited with status 9");
    let text = root.history()[0]["output"].as_str().unwrap().to_owned();
    for signals in ["SigBlk", "SigIgn", "SigCgt"] {
        assert!(text.contains(&format!("{signals}:\t0000000000000000")), "{text}");
    }
    let numbers: Vec<_> = text.lines().filter(|line| line.parse::<u32>().is_ok()).collect();
    assert_eq!(numbers, ["0", "1", "2", "3"], "3 is that of ls itself: {text}");
    ratd.stop();
}

#[test]
fn a_client_without_standard_descriptors_writes_to_nothing_else() {
    let root = Root::new("closed");
    let ratd = Start::system(&root).ready();
    let script =
        format!("{AT} -f /dev/null noon tomorrow <&- >&- 2>&-; echo $?; {ATQ} | {{ exec <&-; }}");
    let said = root.client("/bin/sh", &["-c", &script]).run().ok();
    assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("0\n", ""));
    assert!(queue(&root).starts_with("1\t"));
    ratd.stop();
}

#[test]
fn a_list_whose_last_line_does_not_end_is_complained_of() {
    if !is_root() {
        return;
    }
    let root = Root::new("incomplete");
    let ratd = Start::system(&root).ready();
    let said = |allow: Option<&str>, deny: &str| {
        root.write("etc/at.deny", deny);
        match allow {
            Some(allow) => drop(root.write("etc/at.allow", allow)),
            None => drop(std::fs::remove_file(root.path("etc/at.allow"))),
        }
        let listed = root.client(ATQ, &[]).of_other().run();
        let queued = at(&root, &["noon", "tomorrow"]).input("true").of_other().run();
        let warned = |text: &str| text.matches("incomplete last line.").count();
        assert_eq!(
            (warned(&queued.stderr), queued.status),
            (warned(&listed.stderr), listed.status)
        );
        (listed.status, listed.stderr)
    };
    let warning = |list: &str| format!("{}: incomplete last line.\n", root.shown(list));
    assert_eq!(said(None, ""), (Some(0), String::new()));
    assert_eq!(said(None, "somebody\n"), (Some(0), String::new()));
    assert_eq!(said(None, "somebody"), (Some(0), warning("etc/at.deny")));
    assert_eq!(said(Some(OTHER), "somebody"), (Some(0), warning("etc/at.allow")));
    let refused = said(Some("somebody"), "");
    assert!(refused.1.starts_with(&warning("etc/at.allow")) && refused.0 == Some(1), "{refused:?}");
    // root is on no list.
    assert_eq!(root.client(ATQ, &[]).run().ok().stderr, "");
    ratd.stop();
}

#[test]
fn an_owner_who_is_no_user_any_more_is_not_named() {
    let root = Root::new("ownerless");
    far_ahead(&root, 3);
    let store = rusqlite::Connection::open(root.path("var/lib/rat/rat.db")).unwrap();
    store.execute("UPDATE jobs SET owner = 'no such user' WHERE number <> 2", []).unwrap();
    drop(store);
    let ratd = Start::system(&root).ready();
    let listed = root.client(ATQ, &["-o", "%Y"]).run().ok().stdout;
    let ends: Vec<_> = listed.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(ends, ["a", &*format!("a {}", me()), "a"]);
    ratd.stop();
}
