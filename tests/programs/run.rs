//! `rat run`: a job now, as its schedule would run it, by whoever may.

use crate::bench::{Client, OTHER, RAT, Root, Start, eventually, has_home, is_root, me};

/// `rat run` and more arguments.
fn run(root: &Root, arguments: &[&str]) -> Client {
    root.client(RAT, &[&["run"], arguments].concat())
}

fn next_of(root: &Root) -> Vec<serde_json::Value> {
    let jobs = root.json(&["list"]);
    jobs["jobs"].as_array().unwrap().iter().map(|job| job["next"].clone()).collect()
}

#[test]
fn a_job_runs_now_and_its_schedule_stays() {
    if !has_home() {
        return;
    }
    let root = Root::new("run-now");
    root.crontab("V=of the crontab\n30 4 1 1 * echo \"$V $0 $(cat)\"; exit 3%input%more\n");
    let mut ratd = Start::system(&root).ready();
    let before = next_of(&root);
    let ordered = run(&root, &["echo"]).run().ok();
    ratd.await_line("exited with status 3");
    let history = root.history();
    let [run] = &history[..] else { panic!("{history:?}") };
    assert_eq!(run["id"], ordered.stdout.trim());
    assert_eq!((&run["trigger"], &run["status"]), (&"manual".into(), &3.into()), "{run}");
    assert_eq!(run["output"], "of the crontab /bin/sh input\nmore\n");
    assert_eq!(next_of(&root), before);
    ratd.stop();
}

#[test]
fn who_waits_sees_the_output_and_the_end() {
    if !has_home() {
        return;
    }
    let root = Root::new("run-wait");
    root.crontab(
        "1 1 1 1 * printf 'one\\n'; exit 75\n2 1 1 1 * true\n3 1 1 1 * kill -9 $$\n4 1 1 1 * SHELL=x\n",
    );
    let ratd = Start::system(&root).ready();
    let failed = run(&root, &["printf", "--wait"]).run();
    assert_eq!((failed.status, &*failed.stdout), (Some(1), "one\n"), "{failed:?}");
    let (begun, rest) = failed.stderr.split_once('\n').unwrap();
    assert!(begun.contains("printf-") && begun.ends_with(&me()), "{begun}");
    assert!(rest.starts_with("✖ exit 75 after "), "{rest}");
    run(&root, &["--exit-status", "printf"]).run().fails(75, "exit 75");
    run(&root, &["--exit-status", "kill"]).run().fails(137, "signal 9");
    run(&root, &["-w", "kill"]).run().fails(1, "signal 9");
    let done = run(&root, &["-w", "true"]).run().ok();
    assert!(done.stdout.is_empty() && done.stderr.contains("● ok after "), "{done:?}");
    ratd.stop();
}

#[test]
fn who_waits_is_told_when_the_job_ends_and_may_go_before() {
    if !has_home() {
        return;
    }
    let root = Root::new("run-end");
    let (gate, began) = (root.fifo("gate"), root.fifo("began"));
    root.crontab(&format!(
        "1 1 1 1 * echo > {}; read x < {}; echo through\n",
        root.shown("began"),
        root.shown("gate")
    ));
    let ratd = Start::system(&root).ready();
    // Only sockets: the disk thread opens a file now and then.
    let sockets = || {
        let open = std::fs::read_dir(format!("/proc/{}/fd", ratd.pid)).unwrap();
        let kinds = open.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
        kinds.filter(|kind| kind.to_string_lossy().starts_with("socket:")).count()
    };
    let mut gone = run(&root, &["-w", "echo"]).start();
    began.take();
    let waiting = sockets();
    gone.child.kill().unwrap();
    gone.child.wait().unwrap();
    eventually("who went costs nothing", || sockets() < waiting);
    gate.open();
    eventually("the job went on to its end", || root.json(&["status"])["running"] == 0);
    let waiting = run(&root, &["-w", "echo"]).start();
    began.take();
    gate.open();
    assert_eq!(waiting.finish().ok().stdout, "through\n");
    ratd.stop();
}

#[test]
fn what_is_no_job_or_not_one_is_refused() {
    let root = Root::new("run-none");
    let path = root.crontab("1 1 1 1 * backup\n2 1 1 1 * backup\n3 1 1 1 * report\n");
    let mut ratd = Start::system(&root).ready();
    let several = run(&root, &["backup"]).run();
    several.fails(5, &format!("\"backup\" could be any of 2 jobs:\n  {}/backup-", me()));
    run(&root, &["reprot"]).run().fails(5, "did you mean report-");
    run(&root, &[""]).run().fails(5, "no such job");
    run(&root, &[]).run().fails(2, "JOB");
    run(&root, &[&format!("{}:1", path.display())]).run().ok();
    ratd.await_line("backup");
    run(&root, &[&format!("{}/report", me())]).run().ok();
    ratd.await_line("report");
    ratd.stop();
    run(&root, &["report"]).run().fails(3, "no ratd is running");
}

#[test]
fn one_at_a_time_is_one_at_a_time_by_hand_too() {
    let root = Root::new("run-single");
    let (gate, began) = (root.fifo("gate"), root.fifo("began"));
    let command = format!("echo > {}; read x < {}", root.shown("began"), root.shown("gate"));
    root.crontab(&format!("1 1 1 1 * -s {command}\n"));
    let ratd = Start::system(&root).ready();
    run(&root, &["echo"]).run().ok();
    began.take();
    run(&root, &["echo"]).run().fails(1, "still runs, and never runs twice at a time");
    gate.open();
    eventually("it ends", || root.json(&["status"])["running"] == 0);
    let again = run(&root, &["-w", "echo"]).start();
    began.take();
    gate.open();
    again.finish().ok();
    ratd.stop();
}

#[test]
fn a_period_job_that_was_run_is_done_for_its_period_as_with_anacron() {
    let root = Root::new("run-period");
    root.write("etc/anacrontab", "1 600 daily echo period; exit 1\n");
    root.write("etc/cron.d/boot", "@reboot root echo boot\n");
    if !is_root() {
        return;
    }
    let ratd = Start::system(&root).ready();
    let waiting = root.json(&["list"])["jobs"].clone();
    let next = |jobs: &serde_json::Value| {
        let all = jobs.as_array().unwrap();
        let daily = all.iter().find(|job| job["name"] == "daily").unwrap();
        daily["next"].as_str().unwrap().to_owned()
    };
    run(&root, &["daily", "-w"]).run().fails(1, "exit 1");
    let stamp = || std::fs::read_to_string(root.path("var/spool/anacron/daily"));
    eventually("it is stamped", || stamp().is_ok());
    let after = root.json(&["list"])["jobs"].clone();
    // The delay from now, and the delay from midnight.
    assert!(next(&after) > next(&waiting), "{after} {waiting}");
    let by_hand = run(&root, &["root/echo", "-w"]).run().ok();
    assert_eq!(by_hand.stdout, "boot\n");
    ratd.stop();
}

#[test]
fn users_run_their_own_jobs_and_root_all() {
    if !is_root() {
        return;
    }
    let root = Root::new("run-users");
    root.write(
        "etc/cron.d/jobs",
        format!("1 1 1 1 * root id -un\n1 1 1 1 * {OTHER} echo I am $(id -un)\n"),
    );
    root.mode("", 0o755);
    let ratd = Start::system(&root).ready();
    let own = run(&root, &["echo", "-w"]).of_other().run().ok();
    assert!(own.stdout.ends_with(&format!("I am {OTHER}\n")), "{own:?}");
    run(&root, &["id"]).of_other().run().fails(5, "no such job");
    run(&root, &["root/id"]).of_other().run().fails(4, "only root runs the jobs of others");
    run(&root, &["root/none"]).of_other().run().fails(4, "only root runs the jobs of others");
    let of_root = run(&root, &[&format!("{OTHER}/echo"), "-w"]).run().ok();
    assert_eq!(of_root.stdout, own.stdout);
    assert_eq!(root.history().len(), 2);
    ratd.stop();
}
