//! What came due while nothing ran.

use chrono::{DateTime, Utc};

use crate::bench::{Root, Start, is_root, overdue};

#[test]
fn an_at_job_that_came_due_meanwhile_runs_once() {
    let root = Root::new("catch-up-at");
    overdue(&root, "echo second; exit 2", |job| job.due += chrono::TimeDelta::minutes(1));
    overdue(&root, "echo first; exit 1", |_| ());
    let mut ratd = Start::system(&root).ready();
    ratd.await_lines("exited with status", 2);
    let begins: Vec<_> = ratd.said.iter().filter(|line| line.contains("started at-")).collect();
    assert!(begins[0].contains("at-2") && begins[1].contains("at-1"), "{begins:?}");
    for run in root.history() {
        assert_eq!(run["trigger"], "catch-up", "{run}");
    }
    ratd.stop();
    let ratd = Start::system(&root).ready();
    assert_eq!(root.history().len(), 2);
    assert!(!ratd.stop().iter().any(|line| line.contains("started at-")));
}

fn stamp(root: &Root) -> String {
    std::fs::read_to_string(root.path("var/spool/anacron/daily")).unwrap_or_default()
}

fn today() -> String {
    let now: DateTime<Utc> = std::time::SystemTime::now().into();
    now.format("%Y%m%d\n").to_string()
}

#[test]
fn a_period_job_whose_period_has_passed_runs_once() {
    if !is_root() {
        return;
    }
    for before in [None, Some("20200101\n"), Some("nonsense")] {
        let root = Root::new("catch-up-period");
        root.write("etc/anacrontab", "1 0 daily echo done; exit 3\n");
        if let Some(before) = before {
            root.write("var/spool/anacron/daily", before);
        }
        let first_day = today();
        let mut ratd = Start::system(&root).ready();
        ratd.await_line("exited with status 3");
        assert_eq!(root.history_of("daily").len(), 1);
        assert!([first_day, today()].contains(&stamp(&root)), "{:?}", stamp(&root));
        ratd.kill();
        let ratd = Start::system(&root).ready();
        let next = root.json(&["list"])["jobs"][0]["next"].clone();
        let tomorrow = next.as_str().unwrap()[..10].replace('-', "") + "\n";
        assert!(tomorrow > today(), "{next}");
        assert_eq!(root.history_of("daily").len(), 1);
        ratd.stop();
    }
}

#[test]
fn a_period_job_that_was_done_today_waits() {
    if !is_root() {
        return;
    }
    let root = Root::new("catch-up-not");
    root.write("etc/anacrontab", "1 0 daily echo done\n");
    root.write("var/spool/anacron/daily", today());
    let ratd = Start::system(&root).ready();
    assert_eq!(root.json(&["list"])["jobs"][0]["last"], serde_json::Value::Null);
    assert!(!ratd.stop().iter().any(|line| line.contains("started daily")));
}

#[test]
fn a_period_job_needs_no_store_to_be_done_once() {
    if !is_root() {
        return;
    }
    let root = Root::new("catch-up-no-store");
    root.directory("var/lib/rat/rat.db");
    root.write("etc/anacrontab", "1 0 daily echo done; exit 3\n");
    let mut ratd = Start::system(&root).ready();
    ratd.await_line("exited with status 3");
    // Answered by the disk thread, after the stamp is written.
    root.json(&["list"]);
    ratd.stop();
    assert_eq!(stamp(&root), today());
    let ratd = Start::system(&root).ready();
    assert_eq!(root.json(&["status"])["runs_started"], 0);
    ratd.stop();
}
