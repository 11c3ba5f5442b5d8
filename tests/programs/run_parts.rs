//! rat-run-parts beside the run-parts of this machine, where that is Debian's, and jobs that find no run-parts.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::bench::{Client, Output, RUN_PARTS, Root, Start, eventually, has_home};

/// Debian's, where this machine has it.
fn real() -> Option<&'static str> {
    let path = "/usr/bin/run-parts";
    let said = Command::new(path).arg("--version").output().ok();
    let is_debians = said.is_some_and(|said| said.stdout.starts_with(b"Debian run-parts"));
    if !is_debians {
        eprintln!("skipped: {path} is not Debian's");
    }
    is_debians.then_some(path)
}

/// A directory of everything that may lie in one.
fn odd(root: &Root) {
    let file = |name: &str, text: &str, mode: u32| {
        root.write(&format!("d/{name}"), text);
        root.mode(&format!("d/{name}"), mode);
    };
    let names = [
        "ok",
        "10",
        "2",
        "A",
        "B.sh",
        "a_b",
        "a-b",
        "a--b",
        "a-",
        "x~",
        "sp ace",
        "é",
        ".hidden",
        "foo.dpkg-old",
        "foo.dpkg-new",
        "foo.rpmsave",
        "_x",
        "_a-b.c-d",
        "x.y-z",
        "0.1",
        "README",
        "0anacron",
        "x,v",
    ];
    for name in names {
        file(name, "#!/bin/sh\necho \"$0: $# $*\"\n", 0o755);
    }
    file("no-exec", "echo never\n", 0o644);
    file("fails", "#!/bin/sh\necho output\necho error >&2\nexit 3\n", 0o755);
    file("silent", "#!/bin/sh\nexit 4\n", 0o755);
    file("killed", "#!/bin/sh\nkill -9 $$\n", 0o755);
    file("no-shebang", "echo never\n", 0o755);
    file("no-interpreter", "#!/nonexistent/interpreter\n", 0o755);
    file("empty", "", 0o755);
    file("mask", "#!/bin/sh\numask\n", 0o755);
    file("reads", "#!/bin/sh\nread line; echo \"[$line]\"\n", 0o755);
    file("reads-on", "#!/bin/sh\nread line; echo \"[$line]\"\n", 0o755);
    file("errors-first", "#!/bin/sh\necho error >&2; exec 2>&-; sleep 0.1; echo output\n", 0o755);
    root.directory("d/directory");
    symlink("/nonexistent", root.path("d/dangling")).unwrap();
    symlink("ok", root.path("d/linked")).unwrap();
    symlink("directory", root.path("d/linked-directory")).unwrap();
    drop(root.fifo("d/fifo"));
    for (name, mode) in [("none", 0o755), ("closed", 0o000)] {
        root.directory(name);
        root.mode(name, mode);
    }
}

fn call(program: &str, root: &Root, arguments: &[&str]) -> Output {
    let client = Client::new(program).arguments(arguments).directory(&root.path);
    client.input("first\nsecond\n").run()
}

/// What was said, as far as it is to be the same: ours names itself, and Debian's names itself twice and leaves a line
/// empty where it meets something that is no file.
fn said(output: Output, is_debug: bool) -> (Option<i32>, String, Vec<String>) {
    let errors = output.stderr.replace("rat-run-parts", "run-parts");
    let errors = errors.replace("run-parts: run-parts: ", "run-parts: ");
    // getopt calls it as it was called.
    let errors = errors.replace("/usr/bin/run-parts: ", "run-parts: ");
    let mut lines: Vec<_> =
        errors.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if is_debug {
        // Names come as the directory has them, and libc's scandir lists these two.
        lines.retain(|line| !line.starts_with("\".\": ") && !line.starts_with("\"..\": "));
    }
    (output.status, output.stdout, lines)
}

#[test]
fn a_directory_of_odd_names_is_run_as_by_debians() {
    let Some(real) = real() else { return };
    let root = Root::new("run-parts");
    odd(&root);
    let calls: &[&[&str]] = &[
        &["d"],
        &["d/"],
        &["--", "d"],
        &["--test", "d"],
        &["d", "--test"],
        &["--list", "d"],
        &["--list", "--reverse", "d"],
        &["--report", "d"],
        &["--report", "--reverse", "d"],
        &["--rep", "d"],
        &["-v", "d"],
        &["--verbose", "-a", "x", "--arg=y z", "-a-v", "--arg", "-w", "d"],
        &["--report", "--verbose", "d"],
        &["--exit-on-error", "d"],
        &["--exit-on-error", "--regex", "^(fails|ok)$", "d"],
        &["--exit-on-error", "--report", "--regex", "^(fails|ok)$", "d"],
        &["--regex", "^[0-9]", "d"],
        &["--regex=sh$", "--test", "d"],
        &["--regex", "", "--test", "d"],
        &["--regex", "[", "d"],
        &["--lsbsysinit", "--test", "d"],
        &["--lsbsysinit", "--list", "d"],
        &["--lsbsysinit", "d"],
        &["--umask", "077", "--regex=mask", "d"],
        &["-u", "27", "--regex=mask", "d"],
        &["-u0", "--regex=mask", "d"],
        &["-u", "9", "d"],
        &["-u", "7777777", "d"],
        &["--umask=", "d"],
        &["--stdin", "--regex=reads", "d"],
        &["--stdin", "--report", "--regex=reads", "d"],
        &["--regex=reads", "d"],
        &["--new-session", "--report", "d"],
        &["none"],
        &["--report", "none"],
        &["d/ok"],
        &["nowhere"],
        &["closed"],
        &[],
        &["d", "none"],
        &["--list", "--test", "d"],
        &["--nonsense", "d"],
        &["-d", "d"],
        &["-x", "d"],
        &["--arg"],
    ];
    for arguments in calls {
        let theirs = said(call(real, &root, arguments), false);
        let ours = said(call(RUN_PARTS, &root, arguments), false);
        assert_eq!(ours, theirs, "{arguments:?}");
    }
    for arguments in [["--debug", "--test"], ["--debug", "--lsbsysinit"], ["--debug", "--regex=^o"]]
    {
        let arguments = [&arguments[..], &["--test", "d"]].concat();
        let sorted = |program| {
            let mut said = said(call(program, &root, &arguments), true);
            said.2.sort();
            said
        };
        assert_eq!(sorted(RUN_PARTS), sorted(real), "{arguments:?}");
    }
}

#[test]
fn who_is_in_the_background_is_not_waited_for() {
    let root = Root::new("run-parts-background");
    let gate = root.fifo("gate");
    let text = format!("#!/bin/sh\necho first\nread x <{} &\necho last\n", root.shown("gate"));
    root.write("d/a", text);
    root.write("d/b", "#!/bin/sh\necho second\n");
    root.mode("d/a", 0o755);
    root.mode("d/b", 0o755);
    let said = call(RUN_PARTS, &root, &["--report", "d"]);
    assert_eq!(said.ok().stdout, "d/a:\nfirst\nlast\nd/b:\nsecond\n");
    drop(gate);
}

#[test]
fn a_new_session_is_one_and_what_was_ignored_stays_so() {
    let root = Root::new("run-parts-session");
    let text = "#!/bin/sh\ncut -d' ' -f1,6 /proc/self/stat >/dev/null\nset -- $(cat /proc/$$/stat)\necho \"$1 $6\"\ngrep SigIgn /proc/self/status\n";
    root.write("d/a", text);
    root.mode("d/a", 0o755);
    for (arguments, is_new) in [(&["d"][..], false), (&["--new-session", "d"], true)] {
        let script = format!("trap '' HUP; exec {RUN_PARTS} {}", arguments.join(" "));
        let said = call("/bin/sh", &root, &["-c", &script]).ok().stdout;
        let (ids, ignored) = said.split_once('\n').unwrap();
        let (pid, session) = ids.split_once(' ').unwrap();
        assert_eq!(pid == session, is_new, "{said}");
        assert_eq!(ignored.trim().rsplit('\t').next(), Some("0000000000000001"), "{said}");
    }
}

/// `run-parts` where packages put the link, under the root.
fn stand_in(root: &Root) {
    root.directory("usr/lib/rat");
    symlink(RUN_PARTS, root.path("usr/lib/rat/run-parts")).unwrap();
}

#[test]
fn jobs_find_ours_where_there_is_no_other() {
    if !has_home() {
        return;
    }
    let root = Root::new("run-parts-found");
    stand_in(&root);
    root.write("d/a", "#!/bin/sh\necho \"ours $PATH\"\n");
    root.mode("d/a", 0o755);
    root.write("other/run-parts", "#!/bin/sh\necho \"other $PATH\"\n");
    root.mode("other/run-parts", 0o755);
    root.write("no-program/run-parts", "");
    let table = format!(
        "PATH={root}/no-program:/nonexistent\n@reboot cd {root} && run-parts --report d\n\
         @reboot echo \"without $PATH\"\n\
         PATH={root}/other\n@reboot cd {root} && run-parts --report d\n",
        root = root.shown("").trim_end_matches('/')
    );
    root.crontab(&table);
    let ratd = Start::system(&root).ready();
    eventually("all have run", || {
        let history = root.history();
        history.len() == 3 && history.iter().all(|run| !run["outcome"].is_null())
    });
    let printed = |part: &str| {
        let history = root.history();
        let outputs = history.iter().map(|run| run["output"].as_str().unwrap().to_owned());
        outputs
            .into_iter()
            .find(|output| output.contains(part))
            .unwrap_or_else(|| panic!("{history:?}"))
    };
    let path = root.shown("no-program");
    assert_eq!(
        printed("ours"),
        format!("d/a:\nours {path}:/nonexistent:{}\n", root.shown("usr/lib/rat"))
    );
    assert_eq!(printed("without"), format!("without {path}:/nonexistent\n"));
    assert_eq!(printed("other"), format!("other {}\n", root.shown("other")));
    ratd.stop();
}

#[test]
fn a_period_job_of_anacron_finds_ours_too() {
    let root = Root::new("run-parts-anacron");
    stand_in(&root);
    root.write("d/a", format!("#!/bin/sh\necho done >{}\n", root.shown("out")));
    root.mode("d/a", 0o755);
    root.directory("stamps");
    let table = format!("PATH=/nonexistent\n1 0 daily run-parts --report {}\n", root.shown("d"));
    root.write("table", table);
    let arguments = ["-d", "-t", &root.shown("table"), "-S", &root.shown("stamps")];
    root.client(crate::bench::ANACRON, &arguments).run().ok();
    assert_eq!(std::fs::read_to_string(Path::new(&root.path("out"))).unwrap(), "done\n");
}
