//! At most once: ratd dies at each numbered place (src/daemon/crash.rs), and every at-job has then started once, or
//! is lost and said to be.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::bench::{AT, ATQ, Output, Ratd, Root, Start, children, eventually, overdue};

/// Waits until every job has a row that tells its end.
fn settled(root: &Root, ratd: &mut Ratd, jobs: u64) {
    loop {
        let history = root.history();
        let over = |number: u64| {
            let name = format!("at-{number}");
            history.iter().any(|run| run["name"] == *name && !run["outcome"].is_null())
        };
        if (1..=jobs).all(over) {
            return;
        }
        ratd.await_line("at-");
    }
}

fn check(root: &Root, before: &[String], ratd: &mut Ratd, jobs: u64) {
    let started = std::fs::read_to_string(root.path("started")).unwrap_or_default();
    let history = root.history_of("at-");
    for number in 1..=jobs {
        let name = format!("at-{number}");
        let runs: Vec<_> = history.iter().filter(|run| run["name"] == *name).collect();
        let [run] = runs[..] else { panic!("{name}: {runs:?}") };
        let starts = started.lines().filter(|line| **line == name).count();
        if run["outcome"] == "lost" {
            assert!(starts <= 1, "{name} started {starts} times");
            let is_said = |line: &str| line.contains(&name) && line.contains("is lost");
            if !before.iter().chain(&ratd.said).any(|line| is_said(line)) {
                ratd.await_line_that(&format!("{name} is said to be lost"), is_said);
            }
        } else {
            assert_eq!((starts, &run["status"]), (1, &0.into()), "{name}: {run}");
        }
    }
    assert_eq!(history.len() as u64, jobs);
}

/// ratd dies at this place with so many jobs due, and is started again.
fn dies_at(place: u32, jobs: u64) -> u64 {
    let root = Root::new(&format!("crash-{place}-{jobs}"));
    for number in 1..=jobs {
        overdue(&root, &format!("echo at-{number} >> {}\n", root.shown("started")), |_| ());
    }
    let mut first = Start::system(&root).variable("RAT_CRASH_AT", place.to_string()).begin();
    let ended = first.await_end();
    assert_eq!(ended.signal(), Some(libc::SIGKILL), "place {place}: {:?}", first.said);

    let mut second = Start::system(&root).ready();
    settled(&root, &mut second, jobs);
    check(&root, &first.said, &mut second, jobs);
    let said = [std::mem::take(&mut first.said), second.stop()].concat();
    // What was settled stays so.
    let mut third = Start::system(&root).ready();
    check(&root, &said, &mut third, jobs);
    // A report may be stored when ratd is stopped, and lie there until the next one has seen that.
    let reports = || std::fs::read_dir(root.path("run/rat/runs")).unwrap().count();
    eventually("no report is left", || reports() == 0);
    let lost = root.history().iter().filter(|run| run["outcome"] == "lost").count();
    third.stop();
    lost as u64
}

#[test]
fn a_job_starts_at_most_once_wherever_ratd_dies() {
    for place in 1..=10 {
        let lost = dies_at(place, 1);
        // Only where it was claimed and not yet ordered, or nobody can know.
        assert!(lost == 0 || [3, 4, 5].contains(&place), "lost at place {place}");
    }
}

#[test]
fn several_jobs_start_at_most_once_wherever_ratd_dies() {
    for place in 1..=10 {
        let lost = dies_at(place, 3);
        assert!(lost == 0 || (3..=9).contains(&place), "{lost} lost at place {place}");
    }
}

#[test]
fn what_is_acknowledged_is_kept_if_ratd_is_killed_then() {
    let root = Root::new("crash-acknowledged");
    for number in 1..=5 {
        let ratd = Start::system(&root).ready();
        let script = format!("echo at-{number} >> {}", root.shown("started"));
        let queued = root.client(AT, &["now"]).input(script).run().ok();
        assert!(queued.stderr.contains(&format!("job {number} at")), "{queued:?}");
        ratd.kill();
    }
    let mut ratd = Start::system(&root).ready();
    settled(&root, &mut ratd, 5);
    let history = root.history();
    let started = std::fs::read_to_string(root.path("started")).unwrap_or_default();
    for number in 1..=5 {
        let name = format!("at-{number}");
        let run = history.iter().find(|run| run["name"] == *name).unwrap();
        let starts = started.lines().filter(|line| **line == name).count();
        assert!(starts == 1 || (starts == 0 && run["outcome"] == "lost"), "{starts}: {run}");
    }
    ratd.stop();
}

/// A ratd whose fork server has served once: orders are sent to it, and wait in its socket if it stands still.
fn with_fork_server(root: &Root) -> (Ratd, Pid) {
    root.crontab("@reboot exit 9\n");
    let mut ratd = Start::system(root).ready();
    ratd.await_said("exited with status 9");
    let [server] = children(ratd.pid)[..] else { panic!("no fork server") };
    (ratd, server)
}

/// Has a process stand still, and waits until it does.
fn halt(process: Pid) {
    kill(process, Signal::SIGSTOP).unwrap();
    eventually("it stands still", || {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        stat.rsplit_once(')').unwrap().1.trim_start().starts_with('T')
    });
}

#[test]
fn an_order_that_died_with_its_fork_server_is_lost() {
    let root = Root::new("crash-fork-server");
    let (mut ratd, server) = with_fork_server(&root);
    halt(server);
    let script = format!("echo at-1 >> {}", root.shown("started"));
    root.client(AT, &["now"]).input(script).run().ok();
    ratd.await_line("started at-1");
    // The answer comes from a later turn of the loop: the order is sent.
    root.json(&["status"]);
    kill(server, Signal::SIGKILL).unwrap();
    ratd.await_line("started another");
    ratd.await_line("is lost");
    check(&root, &[], &mut ratd, 1);
    assert!(!root.path("started").exists());
    root.client(AT, &["now"]).input("exit 8").run().ok();
    ratd.await_line("exited with status 8");
    ratd.stop();
}

#[test]
fn ratd_and_its_fork_server_killed_together_lose_no_word() {
    let root = Root::new("crash-both");
    let (mut ratd, server) = with_fork_server(&root);
    halt(server);
    let script = format!("echo at-1 >> {}", root.shown("started"));
    root.client(AT, &["now"]).input(script.clone()).run().ok();
    ratd.await_line("started at-1");
    // The answer comes from a later turn of the loop: the order is sent.
    root.json(&["status"]);
    ratd.kill();
    // The order lies in the socket of a fork server that stands still: nobody may call it lost yet.
    let mut next = Start::system(&root).ready();
    kill(server, Signal::SIGCONT).unwrap();
    settled(&root, &mut next, 1);
    check(&root, &[], &mut next, 1);
    assert_eq!(root.read("started"), "at-1\n");
    next.stop();
}

/// The numbers in the queue, each of which must be there once.
fn queued(root: &Root) -> Vec<u64> {
    let listed = root.client(ATQ, &[]).run().ok().stdout;
    let number = |line: &str| line.split('\t').next().unwrap().parse().unwrap();
    let numbers: Vec<u64> = listed.lines().map(number).collect();
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), numbers.len(), "{listed}");
    numbers
}

/// The number that a submission was acknowledged with.
fn acknowledged(client: &Output) -> Option<u64> {
    let line = client.stderr.lines().find(|line| line.starts_with("job "))?;
    line.split(' ').nth(1).unwrap().parse().ok()
}

/// ratd dies at this place of so many submissions at once. What was acknowledged, and what is there.
fn submissions_die_at(place: u32, clients: usize) -> (Vec<u64>, Vec<u64>) {
    let root = Root::new(&format!("submit-{place}-{clients}"));
    let mut first = Start::system(&root).variable("RAT_CRASH_AT", place.to_string()).ready();
    let submit = || root.client(AT, &["noon", "tomorrow"]).input("true\n");
    let submitted: Vec<_> = (0..clients).map(|_| submit().start()).collect();
    let ended = first.await_end();
    assert_eq!(ended.signal(), Some(libc::SIGKILL), "place {place}: {:?}", first.said);
    let mut told = Vec::new();
    for client in submitted {
        let said = client.finish();
        match acknowledged(&said) {
            Some(number) => told.push(number),
            // One that came too late for this ratd knows that nothing was queued.
            None if said.stderr.contains("nothing was queued") => drop(said.fails(1, "no ratd")),
            None => drop(said.fails(1, "it is not known whether the job was queued")),
        }
    }
    let second = Start::system(&root).ready();
    let there = queued(&root);
    assert!(told.iter().all(|number| there.contains(number)), "{told:?} of {there:?}");
    let next = acknowledged(&submit().run().ok()).unwrap();
    assert!(there.iter().all(|number| *number < next), "{next} behind {there:?}");
    second.stop();
    (told, there)
}

#[test]
fn a_job_is_queued_once_or_not_at_all_wherever_ratd_dies() {
    let nothing = Vec::new;
    assert_eq!(submissions_die_at(11, 1), (nothing(), nothing()), "not yet written");
    assert_eq!(submissions_die_at(12, 1), (nothing(), nothing()), "not committed");
    assert_eq!(submissions_die_at(13, 1), (nothing(), vec![1]), "nobody was told");
    assert_eq!(submissions_die_at(14, 1), (vec![1], vec![1]));
    for place in 11..=14 {
        let (told, there) = submissions_die_at(place, 8);
        assert!(told.len() <= there.len() && there.len() <= 8, "{place}: {told:?} of {there:?}");
    }
}

#[test]
fn a_job_is_queued_once_or_not_at_all_wherever_its_client_dies() {
    let root = Root::new("client-dies");
    let ratd = Start::system(&root).ready();
    let trace = root.shown("home/trace");
    let submit = |options: &[&str]| {
        let command = [options, &["-f", "-o", &trace, AT, "noon", "tomorrow"]].concat();
        root.client("strace", &command).input("true\n").run()
    };
    if acknowledged(&submit(&[])) != Some(1) {
        eprintln!("skipped: strace cannot trace");
        return;
    }
    // Each call from the first to ratd on: its name, and how often it was made before.
    let text = std::fs::read_to_string(&trace).unwrap();
    let calls = text.lines().filter_map(|line| line.split_once(' ')?.1.trim().split_once('('));
    let calls: Vec<_> = calls.map(|(name, _)| name).collect();
    let first = calls.iter().position(|name| *name == "connect").unwrap();
    let mut before = queued(&root);
    let (mut acknowledgements, mut kept) = (0, 0);
    for at in first..calls.len() {
        let (name, count) =
            (calls[at], calls[..=at].iter().filter(|name| **name == calls[at]).count());
        let inject = format!("inject={name}:signal=KILL:when={count}");
        let said = submit(&["-e", &inject]);
        let after = queued(&root);
        assert!(before.iter().all(|number| after.contains(number)), "{inject}: {after:?}");
        let new: Vec<_> = after.iter().filter(|number| !before.contains(number)).copied().collect();
        assert!(new.len() <= 1, "{inject}: {new:?}");
        if let Some(number) = acknowledged(&said) {
            assert_eq!(new, [number], "{inject}");
            acknowledgements += 1;
        }
        kept += new.len();
        before = after;
    }
    let killed = calls.len() - first;
    assert!(acknowledgements < kept && kept < killed, "{acknowledgements}, {kept} of {killed}");
    ratd.stop();
}
