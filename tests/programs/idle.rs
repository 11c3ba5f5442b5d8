//! Nothing happens when nothing is due; and nothing grows when much has happened.

use std::process::Command;

use nix::unistd::Pid;

use crate::bench::{AT, Root, Start, children, eventually};

#[test]
fn an_idle_ratd_makes_no_call() {
    let root = Root::new("idle");
    root.crontab("30 4 1 1 * true\n@reboot true\n");
    let mut ratd = Start::system(&root).ready();
    ratd.await_said("exited with status 0");
    root.client(AT, &["noon", "tomorrow"]).input("true").run().ok();
    root.json(&["history"]);
    let [server] = children(ratd.pid)[..] else { panic!("no fork server") };
    let (ratd_pid, server) = (ratd.pid.to_string(), server.to_string());
    let trace = root.shown("home/trace");
    let traced = Command::new("timeout")
        .args(["-s", "INT", "3", "strace", "-f", "-qq", "-o", &trace])
        .args(["-p", &ratd_pid, "-p", &server])
        .output();
    let text = std::fs::read_to_string(&trace).unwrap_or_default();
    if traced.is_err() || text.is_empty() {
        eprintln!("skipped: strace cannot attach");
        return;
    }
    // What each thread was waiting in when strace came, and that strace went.
    let is_wait = |line: &str| {
        ["epoll_wait(", "epoll_pwait(", "futex(", "read(", "recvfrom(", "restart_syscall("]
            .iter()
            .any(|call| line.contains(call))
            && (line.contains("<unfinished") || line.contains("<detached"))
    };
    let calls: Vec<_> = text.lines().filter(|line| !is_wait(line)).collect();
    assert!(calls.is_empty(), "{calls:#?}");
    assert_eq!(text.lines().count(), 3, "two threads and a fork server: {text}");
    ratd.stop();
}

fn descriptors(pid: Pid) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

fn resident_kib(pid: Pid) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn nothing_grows_with_the_number_of_runs() {
    let root = Root::new("grows");
    let mut ratd = Start::system(&root).ready();
    let [server] = children(ratd.pid)[..] else { panic!("no fork server") };
    let all = [ratd.pid, server];
    let mut ended = 0;
    let mut measure = |runs: usize| {
        for _ in 0..runs / 20 {
            let scripts: Vec<_> =
                (0..20).map(|_| root.client(AT, &["now"]).input("echo $PWD").start()).collect();
            scripts.into_iter().for_each(|client| drop(client.finish().ok()));
        }
        ended += runs;
        ratd.await_lines("exited with status 0", ended);
        eventually("all is quiet", || root.json(&["status"])["running"] == 0);
        all.map(resident_kib)
    };
    measure(20);
    let open = all.map(descriptors);
    let before = measure(160);
    let after = measure(320);
    // The client that asked last is still being let go of.
    eventually("no more descriptors are open than before", || {
        all.map(descriptors).iter().zip(open).all(|(after, before)| *after <= before)
    });
    for (before, after) in before.iter().zip(after) {
        assert!(after < before + 4096, "{before} KiB grew to {after} KiB");
    }
    assert_eq!(std::fs::read_dir(root.path("run/rat/runs")).unwrap().count(), 0);
    ratd.stop();
}
