//! `ratd --container FILE`: what a container runs. As process 1 it is tried by tests/system/container.sh.

use std::os::unix::fs::symlink;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::bench::{Client, Output, RAT, RATD, Root, Started, eventually};

/// `ratd --container FILE` under this root, with nothing in its environment but the root's name.
fn contained(root: &Root, options: &[&str], table: &Path) -> Client {
    let client = Client::new(RATD).arguments(&["--root", &root.shown(""), "--container"]);
    client.arguments(options).argument(table.to_str().unwrap()).directory(&root.path)
}

fn signal(ratd: &Started, signal: Signal) {
    kill(Pid::from_raw(ratd.child.id().cast_signed()), signal).unwrap();
}

fn has_started(root: &Root, runs: u64) {
    eventually("they were started", || {
        let status = root.client(RAT, &["status", "--json"]).run();
        let status: Value = serde_json::from_str(&status.stdout).unwrap_or_default();
        status["runs_started"].as_u64().is_some_and(|started| started >= runs)
    });
}

fn has_jobs(root: &Root, jobs: u64) {
    eventually("it was read", || {
        let status = root.client(RAT, &["status", "--json"]).run();
        serde_json::from_str(&status.stdout).is_ok_and(|status: Value| status["jobs"] == jobs)
    });
}

/// ratd's own lines on standard error, and all others.
fn parted(output: &Output) -> (Vec<Value>, String) {
    let mut events = Vec::new();
    let mut others = String::new();
    for line in output.stderr.split_inclusive('\n') {
        match serde_json::from_str(line) {
            Ok(Value::Object(event)) => events.push(Value::Object(event)),
            Ok(_) | Err(_) => others.push_str(line),
        }
    }
    (events, others)
}

fn of<'e>(events: &'e [Value], event: &str) -> Vec<&'e Value> {
    events.iter().filter(|one| one["event"] == event).collect()
}

#[test]
fn a_job_has_the_environment_the_directory_and_the_output_of_its_container() {
    let root = Root::new("contained");
    let table = root.write(
        "table",
        "@reboot printf 'out \\377\\000 %s|%s|%s|' \"$FOO\" \"$BAR\" \"$PWD\"; printf 'err\\n%s' $# >&2; exit 3\n\
         BAR=from the file\n",
    );
    let start = contained(&root, &[], &table).variable("FOO", "from outside").variable("BAR", "x");
    let ratd = start.start();
    has_started(&root, 1);
    signal(&ratd, Signal::SIGTERM);
    let output = ratd.finish().ok();
    let place = root.path.display();
    let expected = format!("out \u{fffd}\0 from outside|from the file|{place}|");
    assert_eq!(output.stdout, expected);
    assert_eq!(output.bytes[4..6], [0xff, 0]);
    // Its last line has no end, so that ratd's next one stands behind it.
    assert!(output.stderr.contains("err\n0{\"ts\":"), "{}", output.stderr);
    let (events, _) = parted(&Output { stderr: output.stderr.replace("err\n0{", "{"), ..output });
    let finish = of(&events, "finish");
    assert_eq!((&finish[0]["exit"], &finish[0]["level"]), (&3.into(), &"info".into()));
    let start = of(&events, "start")[0];
    assert!(start["command"].as_str().unwrap().starts_with("printf 'out"), "{start}");
    for name in ["ts", "level", "job", "run_id", "owner", "due", "message"] {
        assert!(start[name].is_string(), "{name}: {start}");
    }
    assert_eq!(finish[0]["run_id"], start["run_id"]);
    for event in ["load", "ready", "stop", "stopped"] {
        assert_eq!(of(&events, event).len(), 1, "{event}: {events:?}");
    }
}

#[test]
fn nothing_of_cron_is_added_to_the_environment() {
    let root = Root::new("bare-environment");
    let table = root.write("table", "@reboot exec env\n");
    let ratd = contained(&root, &[], &table).variable("SHELL", "/no/shell").start();
    has_started(&root, 1);
    signal(&ratd, Signal::SIGTERM);
    let output = ratd.finish().ok();
    let mut names: Vec<_> =
        output.stdout.lines().map(|line| line.split('=').next().unwrap()).collect();
    names.sort_unstable();
    // The shell has put in PWD and _ itself.
    names.retain(|name| !["PWD", "_", "OLDPWD", "SHLVL"].contains(name));
    assert_eq!(names, ["PATH", "SHELL", "TZ"], "{output:?}");
}

#[test]
fn told_to_stop_it_waits_for_its_jobs_and_starts_no_others() {
    let root = Root::new("stop");
    let (gate, word) = (root.fifo("gate"), root.fifo("word"));
    let table = root.write(
        "table",
        "@reboot echo begun > word; read x < gate; echo ended\n* * * * * * * true\n",
    );
    let ratd = contained(&root, &[], &table).start();
    assert_eq!(word.take(), "begun\n");
    signal(&ratd, Signal::SIGTERM);
    eventually("it stops", || {
        let refused = root.client(RAT, &["run", "true"]).run();
        refused.stderr.contains("ratd is stopping")
    });
    let before = root.json(&["status"])["runs_started"].clone();
    gate.open();
    let output = ratd.finish().ok();
    assert!(output.stdout.ends_with("ended\n"), "{output:?}");
    let (events, _) = parted(&output);
    assert_eq!(before, of(&events, "start").len() as u64, "{output:?}");
    assert_eq!(events.last().unwrap()["event"], "stopped");
}

#[test]
fn jobs_are_asked_to_end_when_the_wait_is_over_or_it_is_told_again() {
    let cases: [(&[&str], &[Signal]); 4] = [
        (&["--wait", "0s"], &[Signal::SIGTERM]),
        (&["--wait", "1s"], &[Signal::SIGTERM]),
        (&[], &[Signal::SIGTERM, Signal::SIGINT]),
        (&[], &[Signal::SIGQUIT]),
    ];
    for (options, signals) in cases {
        let root = Root::new("ask");
        let (_gate, word) = (root.fifo("gate"), root.fifo("word"));
        let script =
            "trap 'echo asked; exit 7' TERM; echo begun > word; while :; do read x < gate; done";
        let table = root.write("table", format!("@reboot {script}\n"));
        let ratd = contained(&root, options, &table).start();
        assert_eq!(word.take(), "begun\n");
        for (told, one) in signals.iter().enumerate() {
            // Two that come at once may be one.
            if told > 0 {
                eventually("it stops", || {
                    root.client(RAT, &["run", "trap"]).run().stderr.contains("ratd is stopping")
                });
            }
            signal(&ratd, *one);
        }
        let output = ratd.finish().ok();
        assert_eq!(output.stdout, "asked\n", "{options:?} {signals:?}: {output:?}");
        let (events, _) = parted(&output);
        assert_eq!(of(&events, "finish")[0]["exit"], 7, "{output:?}");
    }
}

#[test]
fn what_a_job_leaves_behind_is_buried() {
    let root = Root::new("orphans");
    let (gate, word) = (root.fifo("gate"), root.fifo("word"));
    let table = root.write("table", "@reboot (sh -c 'echo $$ > word; read x < gate' &)\n");
    let ratd = contained(&root, &[], &table).start();
    let orphan = format!("/proc/{}", word.take().trim());
    let parent = || {
        let stat = std::fs::read_to_string(format!("{orphan}/stat")).unwrap();
        stat.rsplit_once(')').unwrap().1.split_whitespace().nth(1).unwrap().to_owned()
    };
    eventually("it is ratd's", || parent() == ratd.child.id().to_string());
    gate.open();
    eventually("it is buried", || !Path::new(&orphan).exists());
    signal(&ratd, Signal::SIGTERM);
    ratd.finish().ok();
}

#[test]
fn a_change_counts_however_it_is_made_and_a_wrong_one_does_not() {
    let root = Root::new("swap");
    // As a ConfigMap is mounted: the name leads to the data through a link that is replaced.
    root.write("map/..1/table", "30 4 * * * true\n");
    root.write("map/..2/table", "30 4 * * * true\n30 5 * * * true\n");
    symlink("..1", root.path("map/..data")).unwrap();
    symlink("..data/table", root.path("map/table")).unwrap();
    let ratd = contained(&root, &[], &root.path("map/table")).start();
    has_jobs(&root, 1);
    symlink("..2", root.path("map/..data_tmp")).unwrap();
    std::fs::rename(root.path("map/..data_tmp"), root.path("map/..data")).unwrap();
    std::fs::remove_dir_all(root.path("map/..1")).unwrap();
    has_jobs(&root, 2);
    root.write("map/..2/table", "30 4 * * * true\n30 5 * * * true\n30 6 * * * true\n");
    has_jobs(&root, 3);
    root.write("map/..2/table", "30 4 * * * true\nnot at all\n");
    eventually("it is said", || {
        root.json(&["status"])["problems"].as_array().is_some_and(|said| !said.is_empty())
    });
    has_jobs(&root, 3);
    root.write("map/..2/table", "30 4 * * * true\n");
    has_jobs(&root, 1);
    assert!(root.json(&["status"])["problems"].as_array().unwrap().is_empty());
    signal(&ratd, Signal::SIGTERM);
    let output = ratd.finish().ok();
    let (events, others) = parted(&output);
    let problem = of(&events, "problem")[0]["message"].as_str().unwrap();
    assert!(problem.contains("map/table:2:1: "), "{problem}");
    assert_eq!(others, "");
}

#[test]
fn without_a_crontab_that_can_be_run_it_fails_at_once() {
    let root = Root::new("no-table");
    let wrong = root.write("wrong", "30 4 * * * true\n30 4 * * mon-fry true\n");
    for (table, said) in
        [(wrong, "unknown weekday"), (root.path("missing"), "missing is no crontab")]
    {
        let output = contained(&root, &[], &table).run();
        assert_eq!(output.status, Some(1), "{output:?}");
        let (events, others) = parted(&output);
        assert_eq!(of(&events, "failed").len(), 1, "{output:?}");
        assert!(output.stderr.contains(said) && others.is_empty(), "{output:?}");
    }
    root.client(RATD, &["--wait", "5s", "table"]).run().fails(1, "--wait is for --container");
    root.client(RATD, &["--container"]).run().fails(2, "<FILE>");
}

#[test]
fn a_job_that_still_runs_is_not_started_again() {
    let root = Root::new("single");
    let (gate, word) = (root.fifo("gate"), root.fifo("word"));
    let table = root.write("table", "* * * * * * * echo begun > word; read x < gate\n");
    let ratd = contained(&root, &[], &table).start();
    assert_eq!(word.take(), "begun\n");
    eventually("a start is passed over", || {
        root.json(&["status"])["runs_missed"].as_u64().is_some_and(|missed| missed > 0)
    });
    signal(&ratd, Signal::SIGTERM);
    gate.open();
    let output = ratd.finish().ok();
    let (events, _) = parted(&output);
    assert_eq!(of(&events, "start").len(), 1, "{output:?}");
    let skip = of(&events, "skip")[0];
    assert!(skip["message"].as_str().unwrap().contains("it still runs"), "{skip}");
}

#[test]
fn clients_find_it_and_what_came_of_its_runs() {
    let root = Root::new("found");
    let (run, state) = (root.directory("run"), root.directory("state"));
    let table = root.write("table", "@reboot exit 5\n");
    let places = |client: Client| {
        client.variable("XDG_RUNTIME_DIR", &run).variable("XDG_STATE_HOME", &state)
    };
    let ratd =
        places(Client::new(RATD)).arguments(&["--container", table.to_str().unwrap()]).start();
    eventually("it is over", || {
        let history = places(Client::new(RAT)).arguments(&["history", "--json"]).run();
        let history: Value = serde_json::from_str(&history.stdout).unwrap_or_default();
        history["runs"][0]["status"] == 5
    });
    assert!(state.join("rat/rat.db").exists() && run.join("rat/control.sock").exists());
    signal(&ratd, Signal::SIGTERM);
    ratd.finish().ok();
}
