//! What entries make up for after ratd, or the whole machine, was not there: on a simulated clock, over several lives.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use chrono::DateTime;
use serde_json::Value;

use crate::bench::{RAT, Ratd, Root, Start, eventually, shim};

/// A ratd that lives from one time to another. Its jobs have the true clock, by which old runs are forgotten: the times
/// are far ahead of it.
fn life(root: &Root, library: &Path, from: &str, until: &str) -> Start {
    let seconds = |text: &str| {
        DateTime::parse_from_rfc3339(&format!("{text}Z")).unwrap().timestamp().to_string()
    };
    let _ = std::fs::remove_file(root.path("go"));
    Start::system(root)
        .variable("LD_PRELOAD", library)
        .variable("RAT_SIM_FROM", seconds(from))
        .variable("RAT_SIM_UNTIL", seconds(until))
        .variable("RAT_SIM_QUIET", "150")
        .variable("RAT_SIM_GO", OsString::from(root.path("go")))
}

/// Such a ratd lives on to its end; what it said.
fn live(root: &Root, library: &Path, from: &str, until: &str) -> Vec<String> {
    let mut ratd = life(root, library, from, until).ready();
    go(root, &mut ratd);
    ratd.stop()
}

fn go(root: &Root, ratd: &mut Ratd) {
    // What was missed is known before time passes.
    root.json(&["list"]);
    root.write("go", "");
    ratd.await_line("sim: the end");
    // Answered by the disk thread, after all that it was told before.
    root.json(&["list"]);
}

/// What jobs wrote: each run a line.
fn runs(root: &Root) -> Vec<String> {
    let text = std::fs::read_to_string(root.path("home/runs")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// A command that writes down which run it is.
fn command(root: &Root, name: &str) -> String {
    let file = root.shown("home/runs");
    format!("echo {name} $RAT_RUN_TRIGGER $RAT_RUN_SCHEDULED >> {file}")
}

#[test]
fn days_off_are_made_up_for_as_each_entry_says() {
    let root = Root::new("missed-days");
    let Some(library) = shim(&root, "clock.c") else { return };
    let entry = |options: &str, fields: &str, name: &str| {
        format!("#rat: {options}\n{fields} {}\n", command(&root, name))
    };
    let old = entry("catchup=once", "30 2 * * *", "once")
        + &entry("catchup=all:3", "0 8-10 * * *", "all")
        + &entry("catchup=all deadline=3d", "@daily", "days")
        + &entry("deadline=3d", "@daily", "never")
        + &entry("catchup=once", "0 3 1 3 *", "too-late");
    root.crontab(&old);
    live(&root, &library, "2037-03-01T01:00:00", "2037-03-01T01:30:00");
    assert_eq!(runs(&root), [""; 0]);
    // An entry that was not there cannot have missed anything.
    root.crontab(&(old.clone() + &entry("catchup=all", "0 * * * *", "new")));
    let said = live(&root, &library, "2037-03-04T10:30:00", "2037-03-04T10:50:00");
    let mut runs_now = runs(&root);
    let mut of = |name: &str| -> Vec<String> {
        let begins = format!("{name} ");
        runs_now.extract_if(.., |line| line.starts_with(&begins)).collect()
    };
    assert_eq!(of("once"), ["once catchup 2037-03-04T02:30:00Z"]);
    let hours = ["08", "09", "10"].map(|hour| format!("all catchup 2037-03-04T{hour}:00:00Z"));
    assert_eq!(of("all"), hours);
    let days = ["02", "03", "04"].map(|day| format!("days catchup 2037-03-{day}T00:00:00Z"));
    assert_eq!(of("days"), days);
    assert_eq!(runs_now, [""; 0]);
    // Said are those that are not made up for.
    for missed in [
        "3 runs missed since Sun 2037-03-01 02:30:00",
        "9 runs missed since Sun 2037-03-01 08:00:00",
        "1 runs missed since Sun 2037-03-01 03:00:00",
    ] {
        assert!(said.iter().any(|line| line.contains(missed)), "{missed}: {said:#?}");
    }
    assert!(!said.iter().any(|line| line.contains("never")), "{said:#?}");
    for run in root_history(&root, &library) {
        assert!(run.contains(" catch-up "), "{run}");
    }
    // And that was that.
    let before = runs(&root);
    live(&root, &library, "2037-03-04T10:51:00", "2037-03-04T10:59:00");
    assert_eq!(runs(&root), before);
    // On time it runs as any other.
    live(&root, &library, "2037-03-04T10:59:10", "2037-03-04T11:00:30");
    assert_eq!(runs(&root)[before.len()..], ["new schedule 2037-03-04T11:00:00Z"]);
}

/// The history, each run a line, as a ratd of the next minute tells it.
fn root_history(root: &Root, library: &Path) -> Vec<String> {
    let ratd = life(root, library, "2037-03-04T10:50:10", "2037-03-04T10:50:20").ready();
    let history = root.client(RAT, &["history"]).run().ok().stdout;
    ratd.stop();
    let lines: Vec<String> = history.lines().skip(1).take(7).map(str::to_owned).collect();
    lines
}

#[test]
fn a_year_off_is_made_up_for_within_its_bounds() {
    let root = Root::new("missed-year");
    let Some(library) = shim(&root, "clock.c") else { return };
    root.crontab(&format!("* * * * * RAT_CATCHUP=all {}\n", command(&root, "all")));
    live(&root, &library, "2036-03-01T12:00:30", "2036-03-01T12:00:40");
    let began = std::time::Instant::now();
    let said = live(&root, &library, "2037-03-01T12:00:30", "2037-03-01T12:20:30");
    assert!(began.elapsed().as_secs() < 50, "{:?}", began.elapsed());
    let runs = runs(&root);
    let made_up: Vec<_> = runs.iter().filter(|run| run.contains("catchup")).collect();
    assert_eq!(made_up.len(), 100);
    assert_eq!(*made_up[0], "all catchup 2037-03-01T10:21:00Z");
    assert_eq!(*made_up[99], "all catchup 2037-03-01T12:00:00Z");
    assert!(made_up.is_sorted());
    assert_eq!(runs.len(), 120, "and each minute since on time");
    let missed = "10000 runs missed since Sat 2036-03-01 12:01:00";
    assert!(said.iter().any(|line| line.contains(missed)), "{said:#?}");
}

/// ratd dies at a numbered place (src/daemon/crash.rs) while it makes up for three hours, and lives again twice.
fn dies_at(place: u32) {
    let root = Root::new(&format!("missed-crash-{place}"));
    let Some(library) = shim(&root, "clock.c") else { return };
    root.crontab(&format!("#rat: catchup=all\n0 * * * * {}\n", command(&root, "all")));
    live(&root, &library, "2037-03-01T07:30:00", "2037-03-01T07:40:00");
    let mut first = life(&root, &library, "2037-03-01T10:10:00", "2037-03-01T10:30:00")
        .variable("RAT_CRASH_AT", place.to_string())
        .ready();
    root.json(&["list"]);
    root.write("go", "");
    let ended = first.await_end();
    assert_eq!(ended.signal(), Some(libc::SIGKILL), "place {place}: {:?}", first.said);
    let mut ratd = life(&root, &library, "2037-03-01T10:31:00", "2037-03-01T10:50:00").ready();
    go(&root, &mut ratd);
    let is_over = |run: &Value| !run["outcome"].is_null();
    eventually("every run is over", || root.history().iter().all(is_over));
    let history = root.history();
    ratd.stop();
    live(&root, &library, "2037-03-01T10:51:00", "2037-03-01T10:59:00");
    let runs = runs(&root);
    let (mut started, mut lost) = (Vec::new(), 0);
    for hour in ["08", "09", "10"] {
        let due = format!("2037-03-01T{hour}:00:00Z");
        let starts = runs.iter().filter(|run| run.ends_with(&due)).count();
        let rows: Vec<_> = history.iter().filter(|run| run["due"] == *due).collect();
        let [row] = rows[..] else { panic!("place {place}, {due}: {history:#?}") };
        assert_eq!(row["trigger"], "catch-up");
        if row["outcome"] == "lost" {
            assert!(starts <= 1, "place {place}: {runs:?}");
            lost += 1;
        } else {
            assert_eq!((starts, &row["outcome"]), (1, &"exited".into()), "place {place}: {row}");
        }
        started.extend((starts > 0).then_some(due));
    }
    assert!(lost <= 1, "place {place}: {history:#?}");
    assert!(started.is_sorted() && runs.len() == started.len(), "place {place}: {runs:?}");
}

#[test]
fn an_instant_is_made_up_for_at_most_once_wherever_ratd_dies() {
    for place in 1..=10 {
        dies_at(place);
    }
}

/// A scheduled run that began before ratd was killed is not made up for by the next one, whether its beginning was
/// written down or not.
#[test]
fn what_was_started_on_time_is_not_made_up_for() {
    for place in [5, 6, 7, 8, 9, 10] {
        let root = Root::new(&format!("missed-started-{place}"));
        let Some(library) = shim(&root, "clock.c") else { return };
        root.crontab(&format!("#rat: catchup=all\n0 * * * * {}\n", command(&root, "all")));
        live(&root, &library, "2037-03-01T07:30:00", "2037-03-01T07:40:00");
        let mut first = life(&root, &library, "2037-03-01T07:59:00", "2037-03-01T08:30:00")
            .variable("RAT_CRASH_AT", place.to_string())
            .ready();
        root.json(&["list"]);
        root.write("go", "");
        let ended = first.await_end();
        assert_eq!(ended.signal(), Some(libc::SIGKILL), "place {place}: {:?}", first.said);
        live(&root, &library, "2037-03-01T08:31:00", "2037-03-01T08:50:00");
        let starts = runs(&root);
        assert_eq!(starts, ["all schedule 2037-03-01T08:00:00Z"], "place {place}");
    }
}
