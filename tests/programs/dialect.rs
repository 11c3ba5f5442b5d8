//! Jobs as other crons surround them, and what the log says of it all: the real ratd, and a socket in the place of the
//! system's log.

use std::os::unix::net::UnixDatagram;

use nix::sys::signal::Signal;

use crate::bench::{DEADLINE, RAT, RATD, Root, Start, eventually, has_home, is_root, me};

/// What a job of `crontab` prints, under a ratd with some variables of its own.
fn printed(name: &str, dialect: Option<&str>, crontab: &str) -> Vec<String> {
    let root = Root::new(name);
    root.crontab(crontab);
    let dialect = dialect.map(|dialect| ["--dialect", dialect]);
    let start = Start::system(&root).arguments(dialect.into_iter().flatten());
    let start =
        start.variable("LANG", "C.UTF-8").variable("LC_TIME", "C").variable("DAEMONS", "own");
    let ratd = start.variable("SHELL", "/bin/sh").ready();
    let ran = root.client(RAT, &["run", "--wait", "env"]).run().ok();
    ratd.stop();
    let is_of_the_shell =
        |line: &&str| ["PWD=", "SHLVL=", "_=", "OLDPWD="].iter().any(|of| line.starts_with(of));
    let mut lines: Vec<_> =
        ran.stdout.lines().filter(|line| !is_of_the_shell(line)).map(str::to_owned).collect();
    lines.sort();
    lines
}

fn check(name: &str, dialect: Option<&str>, crontab: &str, expected: &[&str]) {
    let mut expected: Vec<_> = expected.iter().map(|line| line.replace("{me}", &me())).collect();
    expected.sort();
    // What PAM gives is the machine's business.
    let mut got = printed(name, dialect, crontab);
    got.retain(|line| !line.starts_with("HOME=") && !line.starts_with("XDG_"));
    assert_eq!(got, expected, "{dialect:?}");
}

#[test]
fn each_cron_has_its_own_environment() {
    if !has_home() {
        return;
    }
    let crontab = "USER=eve\nLOGNAME=eve\nMAILTO=\"\"\n1 1 1 1 * env\n";
    let (path, sbin) = ("PATH=/usr/bin:/bin", "PATH=/usr/bin:/bin:/usr/sbin:/sbin");
    let base = ["SHELL=/bin/sh", "LOGNAME={me}", "MAILTO="];
    check("env-rat", None, crontab, &[&base[..], &["USER={me}", sbin]].concat());
    check("env-debian", Some("debian"), crontab, &[&base[..], &["USER=eve", path]].concat());
    check(
        "env-cronie",
        Some("cronie"),
        crontab,
        &[&base[..], &["USER={me}", sbin, "LANG=C.UTF-8", "LC_TIME=C"]].concat(),
    );
    check(
        "env-busybox",
        Some("busybox"),
        "MAILTO=bob\n1 1 1 1 * env\n",
        &[
            "SHELL=/bin/sh",
            "LOGNAME={me}",
            "USER={me}",
            sbin,
            "LANG=C.UTF-8",
            "LC_TIME=C",
            "DAEMONS=own",
            "TZ=UTC",
        ],
    );
}

#[test]
fn busybox_runs_no_entry_twice_at_a_time() {
    if !has_home() {
        return;
    }
    let root = Root::new("busybox-single");
    let (gate, began) = (root.fifo("gate"), root.fifo("began"));
    root.crontab(&format!(
        "1 1 1 1 * echo > {}; read x < {}\n",
        root.shown("began"),
        root.shown("gate")
    ));
    let ratd = Start::system(&root).arguments(["--dialect", "busybox"]).ready();
    root.client(RAT, &["run", "echo"]).run().ok();
    began.take();
    root.client(RAT, &["run", "echo"]).run().fails(1, "still runs");
    gate.open();
    eventually("it ends", || root.json(&["status"])["running"] == 0);
    ratd.stop();
}

/// All lines that a ratd of this root, in this dialect, sends to the log until it ends.
fn logged(root: &Root, dialect: Option<&str>, during: impl FnOnce(&Root)) -> Vec<String> {
    root.directory("dev");
    let _ = std::fs::remove_file(root.path("dev/log"));
    let log = UnixDatagram::bind(root.path("dev/log")).unwrap();
    log.set_read_timeout(Some(DEADLINE)).unwrap();
    let dialect = dialect.map(|dialect| ["--dialect", dialect]);
    let ratd = Start::system(root).arguments(dialect.into_iter().flatten()).ready();
    during(root);
    ratd.stop();
    let mut lines = Vec::new();
    let mut bytes = [0; 4096];
    while lines.iter().all(|line: &String| !line.contains("Shutting down")) {
        let length = log.recv(&mut bytes).unwrap();
        lines.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
    }
    lines
}

#[test]
fn the_log_has_the_lines_of_the_classic_crons() {
    if !has_home() {
        return;
    }
    for (dialect, daemon, job, later) in [
        (None, "cron", "CRON", "@reboot jobs will be run at computer's startup."),
        (Some("debian"), "cron", "CRON", "Skipping @reboot jobs -- not system startup"),
        (Some("cronie"), "crond", "CROND", "@reboot jobs will be run at computer's startup."),
    ] {
        let root = Root::new("lines");
        root.crontab("1 1 1 1 * echo hi\n");
        root.write("var/spool/cron/crontabs/nobody-of-this-name", "1 1 1 1 * true\n");
        let lines = logged(&root, dialect, |root| {
            root.client(RAT, &["run", "-w", "echo"]).run().ok();
            root.crontab("1 1 1 1 * echo hi\n2 2 2 2 * true\n");
            eventually("it is read again", || root.json(&["status"])["jobs"] == 2);
        });
        let has = |ident: &str, words: &str| {
            let is_it = |line: &String| {
                line.contains(&format!(">{ident}[")) && line.contains(&format!("]: {words}"))
            };
            assert!(lines.iter().any(is_it), "{dialect:?}: {ident} {words}: {lines:#?}");
        };
        has(daemon, &format!("(CRON) STARTUP ({})", env!("CARGO_PKG_VERSION")));
        has(daemon, "(CRON) INFO (Running @reboot jobs)");
        has(daemon, "(nobody-of-this-name) ORPHAN (");
        has(job, &format!("({}) CMD (echo hi)", me()));
        let file = root.shown(&format!("var/spool/cron/crontabs/{}", me()));
        has(daemon, &format!("({}) RELOAD ({file})", me()));
        has(daemon, "(CRON) INFO (Shutting down)");
        let ends = lines.iter().filter(|line| line.contains("CMDEND (")).collect::<Vec<_>>();
        match dialect {
            None => assert!(ends[0].contains("exited with status 0"), "{ends:?}"),
            Some("cronie") => assert!(ends[0].ends_with("CMDEND (echo hi)"), "{ends:?}"),
            Some(_) => assert!(ends.is_empty(), "{ends:?}"),
        }
        let again = logged(&root, dialect, |_| {});
        assert!(
            again.iter().any(|line| line.contains(&format!("(CRON) INFO ({later})"))),
            "{again:#?}"
        );
    }
}

#[test]
fn debugging_is_turned_on_and_off_again() {
    let root = Root::new("debug");
    let mut ratd = Start::system(&root).ready();
    ratd.signal(Signal::SIGUSR2);
    ratd.await_line("debugging is on");
    root.client(RAT, &["list"]).run().ok();
    ratd.await_line("ListJobs");
    ratd.signal(Signal::SIGUSR2);
    ratd.await_line("debugging is off");
    let before = ratd.said.len();
    root.client(RAT, &["list"]).run().ok();
    ratd.signal(Signal::SIGUSR1);
    ratd.await_line("jobs, 0 running");
    assert!(ratd.said[before..].iter().all(|line| !line.contains("DEBUG")), "{:?}", ratd.said);
    ratd.stop();
}

#[test]
fn in_a_container_each_start_of_it_is_a_boot() {
    if !is_root() {
        return;
    }
    let root = Root::new("container");
    root.crontab("@reboot echo booted\n");
    // ratd ends as process 2 of a new set of processes, of which the shell is the first.
    let script = "rm -f \"$1/said\"; \"$0\" -n --root \"$1\" 2> \"$1/said\" & \
                  until grep -qs 'exited with status 0' \"$1/said\"; do read -t 0.05 x <> <(:); done; kill %1; wait";
    let start = || {
        let arguments =
            ["--pid", "--fork", "--mount-proc", "bash", "-c", script, RATD, &root.shown("")];
        root.client("unshare", &arguments).run().ok()
    };
    start();
    start();
    let ratd = Start::system(&root).ready();
    eventually("the third boot is one as well", || root.history().len() == 3);
    let history = root.history();
    assert!(history.iter().all(|run| run["trigger"] == "reboot"), "{history:?}");
    ratd.stop();
}
