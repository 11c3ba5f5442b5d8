//! `ratd FILE`: one crontab, run by whoever starts it.

use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::bench::{AT, ATQ, CRONTAB, RAT, RATD, Ratd, Root, Start, eventually, me};

const TABLE: &str = "@reboot echo \"hello $((6*7))\"; exit 3\n\
                     * * * * * * * echo tick\n\
                     30 4 1 1 * echo rarely\n";

#[test]
fn it_says_what_it_loaded_and_runs_it() {
    let root = Root::new("first");
    let mut ratd = Start::file(&root, &root.write("table", TABLE)).ready();
    let first = ratd.said.last().unwrap().clone();
    assert!(first.contains("3 jobs from") && first.contains(&me()), "{first}");
    let line = ratd.await_line("line 1");
    assert!(line.contains("@reboot") && line.contains("now"), "{line}");
    let line = ratd.await_line("line 2");
    assert!(line.contains("* * * * * * *") && line.contains("in "), "{line}");
    let line = ratd.await_line("line 3");
    assert!(line.contains("30 4 1 1 *") && line.contains("-01-01 04:30:00, in "), "{line}");
    ratd.await_said("| hello 42");
    ratd.await_said("exited with status 3");
    ratd.await_lines("| tick", 2);
    ratd.stop();

    let mut again = Start::file(&root, &root.path("table")).ready();
    again.await_line("| hello 42");
    again.await_said("exited with status 3");
    let reboots = root.history_of("echo").into_iter().filter(|run| run["trigger"] == "reboot");
    assert!(reboots.count() >= 2, "@reboot means each start");
}

fn press_ctrl_c(ratd: &mut Ratd) {
    kill(Pid::from_raw(-ratd.pid.as_raw()), Signal::SIGINT).unwrap();
    assert_eq!(ratd.await_end().code(), Some(0), "{}", ratd.said.join("\n"));
}

#[test]
fn ctrl_c_stops_ratd_and_not_its_jobs() {
    let root = Root::new("ctrl-c");
    let (gate, words) = (root.fifo("gate"), root.fifo("words"));
    let (gate_path, words_path) = (root.shown("gate"), root.shown("words"));
    let command = format!("read x < {gate_path}; echo here > {words_path}; echo last; exit 4");
    let table = root.write("table", format!("@reboot {command}\n"));
    let mut ratd = Start::file(&root, &table).ready();
    eventually("it runs", || root.json(&["status"])["running"] == 1);
    press_ctrl_c(&mut ratd);
    assert!(ratd.said.iter().any(|line| line.contains("1 running jobs go on")), "{:?}", ratd.said);
    assert!(!root.path("run/rat/control.sock").exists() && !root.path("run/ratd.pid").exists());
    gate.open();
    assert_eq!(words.take(), "here\n");

    root.write("table", "# nothing\n");
    let _again = Start::file(&root, &table).ready();
    eventually("its end is known", || !root.history()[0]["outcome"].is_null());
    let run = &root.history()[0];
    assert_eq!((&run["status"], &run["last_line"]), (&4.into(), &"last".into()), "{run}");
}

#[test]
fn a_second_ratd_in_the_same_place_is_refused_with_the_pid_of_the_first() {
    let root = Root::new("second");
    let table = root.write("table", "@reboot :\n");
    let first = Start::file(&root, &table).ready();
    let second = root.client(RATD, &["--root", &root.shown(""), &root.shown("table")]).run();
    second.fails(1, &format!("ratd is running already with pid {}", first.pid));
    let third = root.client(RATD, &["-n"]).run();
    third.fails(1, &format!("ratd is running already with pid {}", first.pid));
    root.client(RAT, &["status"]).run().ok();
    first.stop();
    Start::file(&root, &table).ready().stop();
}

#[test]
fn what_was_killed_leaves_no_lock_and_no_socket_in_the_way() {
    let root = Root::new("killed");
    let table = root.write("table", "@reboot :\n");
    Start::file(&root, &table).ready().kill();
    root.client(RAT, &["status"]).run().fails(3, "no ratd is running");
    Start::file(&root, &table).ready().stop();
}

#[test]
fn roots_may_be_longer_than_a_socket_address() {
    let root = Root::new("long");
    for length in [60, 90, 100, 107, 200] {
        let name = "d".repeat(length);
        root.directory(&name);
        let root = Root { path: root.path(&name) };
        let table = root.write("table", "@reboot :\n");
        let ratd = Start::file(&root, &table).ready();
        let status = root.json(&["status"]);
        assert_eq!(status["pid"], ratd.pid.as_raw(), "{length}");
        let queued = root.client(AT, &["now", "+", "3", "days"]).input("true\n").run().ok();
        assert!(queued.stderr.contains("job 1 at "), "{queued:?}");
        ratd.stop();
    }
}

#[test]
fn state_goes_where_xdg_says_and_clients_look_there_first() {
    for (runtime, state) in [
        (Some("xdg-run"), Some("xdg-state")),
        (None, Some("xdg-state")),
        (Some("xdg-run"), None),
        (None, None),
    ] {
        let root = Root::new("xdg");
        let table = root.write("table", "30 4 * * * true\n");
        let mut start = Start::bare(&root).arguments([&table]);
        let mut variables = Vec::new();
        for (name, directory) in [("XDG_RUNTIME_DIR", runtime), ("XDG_STATE_HOME", state)] {
            if let Some(directory) = directory {
                let path = root.directory(directory);
                start = start.variable(name, &path);
                variables.push((name, path));
            }
        }
        let ratd = start.ready();
        let state = root.path(state.unwrap_or("home/.local/state")).join("rat");
        let run = runtime.map_or(state.clone(), |runtime| root.path(runtime).join("rat"));
        assert!(state.join("rat.db").exists() && run.join("control.sock").exists());
        for directory in [&state, &run] {
            let mode = directory.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{}", directory.display());
        }
        let client = |program, arguments: &[&str]| {
            let client = root.client(program, arguments).without("RAT_ROOT");
            variables.iter().fold(client, |client, (name, path)| client.variable(name, path))
        };
        let status = client(RAT, &["status", "--json"]).run().ok();
        assert!(status.stdout.contains(&format!("\"pid\":{}", ratd.pid)), "{status:?}");
        client(AT, &["noon", "tomorrow"]).input("true").run().ok();
        let queue = client(ATQ, &[]).run().ok();
        assert!(queue.stdout.starts_with("1\t"), "{queue:?}");
        assert!(queue.stdout.ends_with(&format!(" a {}\n", me())), "{queue:?}");
        ratd.stop();
    }
}

#[test]
fn a_ratd_of_one_file_keeps_no_crontabs() {
    let root = Root::new("one-file");
    let table = root.write("table", "30 4 * * * true\n");
    let _ratd = Start::bare(&root).arguments([&table]).ready();
    let own = |arguments: &[&str]| root.client(CRONTAB, arguments).without("RAT_ROOT");
    for arguments in [&["-l"][..], &["-r"], &["-"]] {
        let refused = own(arguments).input("0 5 * * * true\n").run();
        refused.fails(1, &format!("runs the jobs of {} alone", root.shown("table")));
    }
}

#[test]
fn edits_of_the_file_count_at_once() {
    let root = Root::new("edit");
    let table = root.write("table", "30 4 * * * true\n");
    let mut ratd = Start::file(&root, &table).ready();
    root.write("table", "* * * * * * * echo in place\n");
    ratd.await_line("| in place");
    root.write("new", "* * * * * * * echo renamed\n");
    std::fs::rename(root.path("new"), &table).unwrap();
    ratd.await_line("| renamed");
    root.write("table", "* * * * * * * echo good\n61 * * * * echo bad\n");
    let line = ratd.await_line("table:2:1");
    assert!(line.contains("61"), "{line}");
    ratd.await_line("| good");
    let status = root.client(RAT, &["status"]).run().ok();
    assert!(status.stdout.contains("table:2:1"), "{status:?}");
    std::fs::remove_file(&table).unwrap();
    eventually("no job is left", || root.json(&["status"])["jobs"] == 0);
    root.write("table", "* * * * * * * echo back\n");
    ratd.await_line("| back");
}
