//! rat.conf as ratd takes it: what holds, what wins over it, and what a broken one costs.

use nix::sys::signal::Signal;

use crate::bench::{ATQ, ATRM, RAT, Root, Start, eventually, has_home, is_root, me, overdue};

const FILE: &str = "etc/rat/rat.conf";

fn problems(root: &Root) -> String {
    let status = root.json(&["status"]);
    let problems = status["problems"].as_array().unwrap().iter();
    problems.map(|problem| problem.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

/// How many of the at-jobs run, and how many wait.
fn at_jobs(root: &Root) -> (usize, usize) {
    let listed = root.client(ATQ, &[]).run().ok().stdout;
    let running = listed.lines().filter(|line| line.contains(" = ")).count();
    (running, listed.lines().count() - running)
}

fn endless(root: &Root, count: usize) {
    for _ in 0..count {
        overdue(root, "sleep 1000", |_| ());
    }
}

fn end(root: &Root, count: usize) {
    for number in 1..=count {
        root.client(ATRM, &["--kill", &number.to_string()]).run();
    }
    eventually("all are over", || at_jobs(root) == (0, 0));
}

#[test]
fn at_jobs_are_held_to_it_and_a_change_counts_at_once() {
    let root = Root::new("config-at");
    endless(&root, 3);
    root.write(FILE, "[at]\nparallel = 1\n");
    let ratd = Start::system(&root).ready();
    eventually("one starts", || at_jobs(&root) == (1, 2));
    root.write(FILE, "[at]\nparallel = 3\n");
    eventually("the others start", || at_jobs(&root) == (3, 0));
    end(&root, 3);
    ratd.stop();
}

#[test]
fn the_command_line_counts_more() {
    let root = Root::new("config-wins");
    endless(&root, 2);
    root.write(FILE, "[at]\nparallel = 5\n[dialects]\netc/x = rat\n/etc = debian\n");
    root.write("etc/cron.d/dot.ted", "@daily root true\n");
    let arguments = ["--at-parallel", "1", "--dialect", "cronie"];
    let ratd = Start::system(&root).arguments(arguments).ready();
    eventually("one starts", || at_jobs(&root) == (1, 1));
    assert_eq!(root.json(&["status"])["jobs"], 1);
    end(&root, 2);
    ratd.stop();
}

#[test]
fn a_directory_has_a_dialect_of_its_own() {
    let root = Root::new("config-dialect");
    root.write("etc/crontab", "@daily root true\n");
    root.write("etc/cron.d/dot.ted", "@daily root true\n");
    let jobs = || root.json(&["status"])["jobs"].clone();
    let ratd = Start::system(&root).ready();
    assert_eq!(jobs(), 2);
    // Debian's cron passes over names with dots.
    root.write(FILE, "[dialects]\n/etc/cron.d = debian\n");
    eventually("it is passed over", || jobs() == 1);
    assert!(problems(&root).contains("dot.ted: not read"), "{}", problems(&root));
    std::fs::remove_file(root.path(FILE)).unwrap();
    eventually("it is read again", || jobs() == 2);
    assert_eq!(problems(&root), "");
    ratd.stop();
}

/// Puts another file in its place at once: one that is written where it is may be read when it is half there.
fn put(root: &Root, text: &str, mode: u32) {
    let new = root.write("new", text);
    root.mode("new", mode);
    std::fs::rename(new, root.path(FILE)).unwrap();
}

#[test]
fn a_broken_one_leaves_what_held_until_it_is_mended() {
    let root = Root::new("config-broken");
    root.write("etc/cron.d/dot.ted", "@daily root true\n");
    root.write(FILE, "[dialects]\n/etc/cron.d = debian\n");
    let jobs = || root.json(&["status"])["jobs"].clone();
    let mut ratd = Start::system(&root).ready();
    assert_eq!(jobs(), 0);
    put(&root, "[dialects]\n/etc/cron.d = rat\n[limits]\ntimeout = soon\n", 0o644);
    ratd.await_line("what it last said still counts");
    assert_eq!(jobs(), 0);
    let said = format!("{}:4:11: `soon` is no value of `timeout`", root.shown(FILE));
    assert!(problems(&root).contains(&said), "{}", problems(&root));
    // Who else could have written it could have said anything.
    put(&root, "[dialects]\n/etc/cron.d = rat\n", 0o666);
    eventually("it is not trusted", || problems(&root).contains("BAD FILE MODE"));
    ratd.signal(Signal::SIGHUP);
    assert_eq!(jobs(), 0);
    root.mode(FILE, 0o644);
    eventually("it counts", || jobs() == 1);
    assert_eq!(problems(&root), "");
    let complaints = ratd.stop();
    let told = complaints.iter().filter(|line| line.contains("BAD FILE MODE")).count();
    assert_eq!(told, 1, "{complaints:#?}");
}

#[test]
fn a_broken_one_does_not_keep_ratd_from_starting() {
    let root = Root::new("config-start");
    root.write("etc/cron.d/dot.ted", "@daily root true\n");
    root.write(FILE, "[dialects]\n/etc/cron.d = debian\n/etc = vixie\n");
    let ratd = Start::system(&root).ready();
    // What can be read of it counts.
    assert!(problems(&root).contains("`vixie` is no value of `/etc`"), "{}", problems(&root));
    assert_eq!(root.json(&["status"])["jobs"], 0);
    ratd.stop();
    root.mode(FILE, 0o666);
    let ratd = Start::system(&root).ready();
    assert!(problems(&root).contains("BAD FILE MODE"), "{}", problems(&root));
    assert_eq!(root.json(&["status"])["jobs"], 1);
    ratd.stop();
}

#[test]
fn mail_goes_to_the_program_that_it_names() {
    let root = Root::new("config-mail");
    let mails = root.directory("mails");
    root.mode("mails", 0o777);
    let sendmail = format!("#!/bin/sh\nexec cat > {}/one\n", mails.display());
    root.write("a mailer", sendmail);
    root.mode("a mailer", 0o755);
    root.write(FILE, format!("[mail]\nsendmail = '{}'\n", root.shown("a mailer")));
    root.crontab(&format!("MAILTO={}\n@yearly echo mailed\n", me()));
    let ratd = Start::system(&root).ready();
    root.client(RAT, &["run", "--wait", "echo"]).run().ok();
    eventually("the mail is there", || {
        std::fs::read_to_string(mails.join("one")).is_ok_and(|mail| mail.ends_with("mailed\n"))
    });
    ratd.stop();
}

#[test]
fn the_history_keeps_as_much_as_it_says() {
    let root = Root::new("config-history");
    root.write(FILE, "[history]\nkeep-runs = 2\n");
    root.crontab("@yearly true\n");
    let ratd = Start::system(&root).ready();
    for _ in 0..4 {
        root.client(RAT, &["run", "--wait", "true"]).run().ok();
    }
    eventually("the last two are kept", || root.history().len() == 2);
    ratd.stop();
}

/// What the job whose name begins so did when it was run by hand: its output.
fn ran(root: &Root, job: &str) -> String {
    root.client(RAT, &["run", "--wait", job]).run().ok().stdout
}

#[test]
fn a_disabled_entry_is_listed_and_never_run() {
    let root = Root::new("config-disabled");
    root.crontab("#rat: enabled=no\n* * * * * echo off\n* * * * * RAT_ENABLED=yes echo on\n");
    let jobs = || {
        let jobs = root.json(&["list"])["jobs"].as_array().unwrap().clone();
        let row = |job: &serde_json::Value| {
            (job["line"].as_u64().unwrap(), job["disabled"] == true, job["next"].is_string())
        };
        let mut rows: Vec<_> = jobs.iter().map(row).collect();
        rows.sort();
        rows
    };
    let ratd = Start::system(&root).ready();
    assert_eq!(jobs(), [(2, true, false), (3, false, true)]);
    let listed = root.client(RAT, &["list"]).run().ok().stdout;
    assert!(
        listed.lines().any(|line| line.contains("disabled") && line.contains("off")),
        "{listed}"
    );
    let said = root.client(RAT, &["run", &format!("{}:2", me())]).run();
    assert!(said.stderr.contains("is disabled, and never runs"), "{}", said.stderr);
    let why = root.client(RAT, &["why", &format!("{}:2", me())]).run();
    assert!(why.stdout.contains("is disabled, and never runs"), "{}", why.stdout);
    // The administrator can say so of all of a user's entries.
    root.crontab("* * * * * echo on\n");
    eventually("it is due", || jobs() == [(1, false, true)]);
    root.write(FILE, format!("[user {}]\nenabled = no\n", me()));
    eventually("it is disabled", || jobs() == [(1, true, false)]);
    root.write(FILE, "[user other]\nenabled = no\n");
    eventually("it is due again", || jobs() == [(1, false, true)]);
    ratd.stop();
}

#[test]
fn an_option_that_cannot_be_read_leaves_the_entry_as_it_was() {
    if !has_home() {
        return;
    }
    let root = Root::new("config-misread");
    let jobs = || root.json(&["list"])["jobs"].as_array().unwrap().clone();
    // Whoever writes into the spool by hand is told by the log.
    root.crontab(
        "A=1\n#rat: timeout=1h\n@yearly echo $A one\n#rat: timeout=1h\n@yearly echo two\n",
    );
    let mut ratd = Start::system(&root).ready();
    root.crontab(
        "A=2\n#rat: timeout=soon\n@yearly echo $A one\n#rat: enabled=maybe\n@yearly echo two\n",
    );
    ratd.await_line("stays as it last was");
    assert_eq!(jobs().len(), 1);
    assert_eq!(jobs()[0]["line"], 3);
    assert_eq!(ran(&root, "echo"), "1 one\n");
    ratd.stop();
    // Nothing is known of what it was: it runs without the option.
    let ratd = Start::system(&root).ready();
    assert_eq!(ran(&root, "echo"), "2 one\n");
    assert!(problems(&root).contains("`soon` is no value of the option `timeout`"));
    ratd.stop();
}

#[test]
fn an_entry_has_a_zone_of_its_own() {
    let root = Root::new("config-zone");
    root.crontab(
        "CRON_TZ=Asia/Tokyo\n0 12 * * * true\n#rat: tz=UTC\n0 12 * * * false\n#rat: tz=No/Where\n0 12 * * * :\n",
    );
    let ratd = Start::system(&root).ready();
    let jobs = root.json(&["list"])["jobs"].as_array().unwrap().clone();
    let hour = |line: u64| {
        let job = jobs.iter().find(|job| job["line"] == line);
        job.map(|job| job["next"].as_str().unwrap()[11..16].to_owned())
    };
    assert_eq!((hour(2), hour(4), hour(6)), (Some("03:00".into()), Some("12:00".into()), None));
    assert!(problems(&root).contains("No/Where"), "{}", problems(&root));
    ratd.stop();
}

#[test]
fn jobs_are_surrounded_as_the_cron_of_their_directory_does() {
    // busybox's crond runs the owner's own shell, which is to be one.
    if !is_root() {
        return;
    }
    let root = Root::new("config-manner");
    root.write(FILE, "[dialects]\n/etc/cron.d = busybox\n");
    let line = format!("@yearly {} echo \"$SURROUNDED\"", me());
    root.write("etc/cron.d/theirs", format!("{line} theirs\n"));
    root.write("etc/crontab", format!("{line} ours\n"));
    let ratd = Start::system(&root).variable("SURROUNDED", "yes").ready();
    let file = |name: &str| {
        let jobs = root.json(&["list"])["jobs"].as_array().unwrap().clone();
        let job = jobs.iter().find(|job| job["file"].as_str().unwrap().ends_with(name));
        job.unwrap()["id"].as_str().unwrap().to_owned()
    };
    // busybox's crond hands on all that it has.
    assert_eq!(ran(&root, &file("theirs")), "yes theirs\n");
    assert_eq!(ran(&root, &file("crontab")), " ours\n");
    ratd.stop();
}
