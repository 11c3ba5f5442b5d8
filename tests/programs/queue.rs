//! The at queue as ratd keeps it: niceness, batch jobs, the cap, deadlines, what is lost, what is ended.

use rat::plan::job::Mail;
use rat::plan::submission::{Queue, Submission};

use crate::bench::{
    AT, ATQ, ATRM, OTHER, RAT, Ratd, Root, Start, all_overdue, eventually, is_root, me, overdue,
};

fn in_queue(letter: char) -> impl FnOnce(&mut Submission) {
    move |job| job.queue = Queue::new(letter).unwrap()
}

fn queue(root: &Root) -> String {
    root.client(ATQ, &[]).run().ok().stdout
}

/// The letters that rat-atq shows, in order.
fn letters(root: &Root) -> String {
    let letter = |line: &str| line.rsplit(' ').nth(1).unwrap().to_owned();
    queue(root).lines().map(letter).collect()
}

#[test]
fn later_letters_are_nicer() {
    let root = Root::new("nice");
    for letter in ['a', 'c', 'z'] {
        overdue(&root, "nice; exit 7", in_queue(letter));
    }
    let mut ratd = Start::system(&root).ready();
    ratd.await_lines("exited with status 7", 3);
    eventually("all are in the history", || root.history().len() == 3);
    let own: i32 = nice_of_this_process();
    for (number, more) in [(1, 0), (2, 4), (3, 19)] {
        let run = root.history_of(&format!("at-{number}"))[0].clone();
        let nice: i32 = run["output"].as_str().unwrap().trim().parse().unwrap();
        assert_eq!(nice, (own + more).min(19), "{run}");
    }
    ratd.stop();
}

fn nice_of_this_process() -> i32 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    stat.rsplit(") ").next().unwrap().split(' ').nth(16).unwrap().parse().unwrap()
}

#[test]
fn batch_jobs_start_one_at_a_time_while_the_load_is_low() {
    let root = Root::new("batch");
    overdue(&root, "exit 7", in_queue('b'));
    overdue(&root, "exit 7", in_queue('B'));
    overdue(&root, "exit 6", in_queue('a'));
    let limits = ["--batch-load", "99999", "--batch-interval", "1h"];
    let mut ratd = Start::system(&root).arguments(limits).ready();
    ratd.await_line("exited with status 7");
    ratd.await_said("exited with status 6");
    assert_eq!(letters(&root), "B");
    ratd.stop();
}

#[test]
fn a_thousand_jobs_start_in_order_of_due_time_and_number() {
    let root = Root::new("thousand");
    // Out of order, and twenty at each instant.
    let ago: Vec<i64> = (0..1000).map(|number| 60 + number * 37 % 50).collect();
    all_overdue(&root, &ago);
    let mut ratd = Start::system(&root).ready();
    ratd.await_lines("exited with status 0", 1000);
    let started = ratd.said.iter().filter_map(|line| line.split_once("started at-"));
    let started: Vec<usize> =
        started.map(|(_, rest)| rest.split(' ').next().unwrap().parse().unwrap()).collect();
    let mut expected: Vec<usize> = (1..=1000).collect();
    expected.sort_by_key(|number| -ago[number - 1]);
    assert_eq!(started, expected);
    ratd.stop();
}

#[test]
fn no_batch_job_starts_while_the_load_is_high() {
    let root = Root::new("load");
    overdue(&root, "exit 7", in_queue('b'));
    overdue(&root, "exit 6", in_queue('a'));
    // No machine that runs this test has a load as low as that for long; one that has, has no job to run.
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    if load.starts_with("0.0") {
        eprintln!("skipped: the load is {load}");
        return;
    }
    let mut ratd = Start::system(&root).arguments(["--batch-load", "0.01"]).ready();
    ratd.await_line("exited with status 6");
    assert_eq!(letters(&root), "b");
    ratd.stop();
}

/// A job that says when it began, and ends when the gate is opened.
fn gated(root: &Root) -> String {
    format!("echo >> {}; read x < {}; exit 7", root.shown("began"), root.shown("gate"))
}

#[test]
fn no_more_jobs_run_at_once_than_may() {
    let root = Root::new("parallel");
    let (gate, began) = (root.fifo("gate"), root.fifo("began"));
    for _ in 0..3 {
        overdue(&root, &gated(&root), |_| ());
    }
    let mut ratd = Start::system(&root).arguments(["--at-parallel", "1"]).ready();
    for left in ["=aa", "=a", "="] {
        began.take();
        assert_eq!(letters(&root), left);
        gate.open();
        ratd.await_line("exited with status 7");
    }
    ratd.stop();
}

#[test]
fn a_job_whose_deadline_has_passed_is_not_started_and_said_to_be_late() {
    let root = Root::new("deadline");
    overdue(&root, "exit 7", |job| job.deadline = Some(3600));
    overdue(&root, "exit 6", |job| job.deadline = Some(3 * 3600));
    overdue(&root, "exit 5", |_| ());
    let mut ratd = Start::system(&root).arguments(["--at-deadline", "90m"]).ready();
    ratd.await_line("exited with status 6");
    for number in [1, 3] {
        ratd.await_said(&format!("at-{number} run"));
        let run = root.history_of(&format!("at-{number}"))[0].clone();
        assert_eq!(run["outcome"], "not-started", "{run}");
        assert!(run["why"].as_str().unwrap().contains("deadline has passed"), "{run}");
    }
    assert_eq!(queue(&root), "");
    ratd.stop();
}

#[test]
fn who_may_not_use_at_any_more_has_no_job_started() {
    if !is_root() {
        eprintln!("skipped: only root can run a ratd for several users");
        return;
    }
    let root = Root::new("denied");
    root.write("etc/at.deny", "");
    let (gate, began) = (root.fifo("gate"), root.fifo("began"));
    let mut ratd = Start::system(&root).arguments(["--at-parallel", "1"]).ready();
    root.client(AT, &["now"]).input(gated(&root)).run().ok();
    began.take();
    root.client(AT, &["now"]).input("exit 6").of_other().run().ok();
    root.write("etc/at.deny", format!("{OTHER}\n"));
    gate.open();
    ratd.await_line("at-2 run");
    let run = root.history_of("at-2")[0].clone();
    assert_eq!(run["outcome"], "not-started", "{run}");
    ratd.stop();
}

#[test]
fn a_running_job_can_be_ended() {
    let root = Root::new("end");
    let began = root.fifo("began");
    let mut ratd = Start::system(&root).ready();
    let script = format!("echo > {}; sleep 1000 & wait", root.shown("began"));
    root.client(AT, &["now"]).input(script).run().ok();
    began.take();
    let said = root.client(ATRM, &["--kill", "1"]).run().ok();
    assert_eq!(said.stderr, "");
    ratd.await_line("was killed by signal 15");
    assert_eq!(queue(&root), "");
    ratd.stop();
}

/// A ratd that dies right after it claimed a job, and the next one, which has found the job lost.
fn with_a_lost_job(root: &Root) -> Ratd {
    let mail = |job: &mut Submission| job.mail = Mail::Never;
    overdue(root, &format!("echo >> {}; exit 7", root.shown("began")), mail);
    let mut first = Start::system(root).variable("RAT_CRASH_AT", "3").begin();
    first.await_end();
    let mut ratd = Start::system(root).ready();
    ratd.await_said("is lost");
    ratd
}

#[test]
fn a_lost_job_is_listed_and_queued_again() {
    let root = Root::new("lost");
    let mut ratd = with_a_lost_job(&root);
    assert!(queue(&root).ends_with(&format!(" ! {}\n", me())), "{}", queue(&root));
    root.client(RAT, &["retry", "7"]).run().fails(5, "Cannot find jobid 7");
    let said = root.client(RAT, &["retry", "1"]).run().ok();
    assert_eq!(said.stdout, "job 1 is queued again as job 2\n");
    ratd.await_line("exited with status 7");
    eventually("the queue is empty", || queue(&root).is_empty());
    root.client(RAT, &["retry", "1"]).run().fails(5, "Cannot find jobid 1");
    ratd.stop();
}

#[test]
fn a_lost_job_can_be_removed() {
    let root = Root::new("forgotten");
    let ratd = with_a_lost_job(&root);
    root.client(ATRM, &["1"]).run().ok();
    assert_eq!(queue(&root), "");
    ratd.stop();
}
