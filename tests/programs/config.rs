//! rat.conf as ratd takes it: what holds, what wins over it, and what a broken one costs.

use nix::sys::signal::Signal;

use crate::bench::{ATQ, ATRM, RAT, Root, Start, eventually, me, overdue};

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

#[test]
fn a_broken_one_leaves_what_held_until_it_is_mended() {
    let root = Root::new("config-broken");
    root.write("etc/cron.d/dot.ted", "@daily root true\n");
    root.write(FILE, "[dialects]\n/etc/cron.d = debian\n");
    let jobs = || root.json(&["status"])["jobs"].clone();
    let mut ratd = Start::system(&root).ready();
    assert_eq!(jobs(), 0);
    root.write(FILE, "[dialects]\n/etc/cron.d = rat\n[limits]\ntimeout = soon\n");
    ratd.await_line("what it last said still counts");
    assert_eq!(jobs(), 0);
    let said = format!("{}:4:11: `soon` is no value of `timeout`", root.shown(FILE));
    assert!(problems(&root).contains(&said), "{}", problems(&root));
    // Who else could have written it could have said anything.
    root.write(FILE, "[dialects]\n/etc/cron.d = rat\n");
    root.mode(FILE, 0o666);
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
