//! Jobs that fail and are tried again, by ratd under a clock of its own.

use crate::bench::{Root, Start, is_root, shim};

/// A ratd whose clock runs from one instant to another, seconds since 1970, and the runs of a job: due, trigger, status.
fn runs(root: &Root, job: &str, from: u64, until: u64) -> Option<String> {
    let library = shim(root, "clock.c")?;
    let go = format!("go-{from}");
    let mut ratd = Start::system(root)
        .variable("TZ", "UTC")
        .variable("LD_PRELOAD", &library)
        .variable("RAT_SIM_FROM", from.to_string())
        .variable("RAT_SIM_UNTIL", until.to_string())
        .variable("RAT_SIM_QUIET", "100")
        .variable("RAT_SIM_GO", root.path(&go))
        .ready();
    root.write(&go, "");
    ratd.await_line("sim: the end");
    let mut history = root.history_of(job);
    history.sort_by_key(|run| run["started"].as_str().unwrap().to_owned());
    // Jobs live by the real clock: when they were started tells no more than their order.
    let shown = history.iter().map(|run| {
        let due = &run["due"].as_str().unwrap()[8..16];
        format!("{due} {} {}", run["trigger"].as_str().unwrap(), run["status"])
    });
    let shown = shown.collect::<Vec<_>>().join(", ");
    ratd.stop();
    Some(shown)
}

/// 2026-03-01 12:00 UTC.
const NOON: u64 = 1_772_366_400;
const DAY: u64 = 86_400;

#[test]
fn a_period_job_that_is_to_succeed_is_not_done_before_it_does() {
    if !is_root() {
        return;
    }
    let root = Root::new("retry-period");
    let log = root.shown("log");
    root.write(
        "etc/anacrontab",
        format!(
            "#rat: retries=2 retry-delay=1h\n\
             7 0 stubborn echo >> {log}; test $(wc -l < {log}) -ge 5\n\
             1 0 plain exit 1\n"
        ),
    );
    let Some(first) = runs(&root, "stubborn", NOON, NOON + DAY / 2 - 60) else { return };
    assert_eq!(first, "01T12:00 schedule 1, 01T12:00 retry 1, 01T12:00 retry 1");
    assert_eq!(root.read("var/spool/anacron/stubborn"), "");
    assert_eq!(root.read("var/spool/anacron/plain"), "20260301\n");
    // It is owed still, by a ratd that was started anew as well, and then not before a week is over.
    let all = runs(&root, "stubborn", NOON + DAY, NOON + 7 * DAY).unwrap();
    assert_eq!(all, format!("{first}, 02T12:00 schedule 1, 02T12:00 retry 0"));
    assert_eq!(root.read("var/spool/anacron/stubborn"), "20260302\n");
}

#[test]
fn an_entry_is_tried_again_for_the_same_instant_by_a_ratd_started_anew_too() {
    if !is_root() {
        return;
    }
    let root = Root::new("retry-entry");
    let log = root.shown("log");
    root.write(
        "etc/cron.d/jobs",
        format!(
            "5 12 * * * root RAT_RETRIES=3 RAT_RETRY_DELAY=2h RAT_RETRY_BACKOFF=fixed \
             RAT_RETRY_MAX_DELAY=2h RAT_RETRY_ON=75 echo >> {log}; exit $((78 - $(wc -l < {log})))\n"
        ),
    );
    // 77 is not said to be tried again.
    let Some(first) = runs(&root, "echo", NOON, NOON + DAY / 2) else { return };
    assert_eq!(first, "01T12:05 schedule 77");
    root.write("log", "\n\n");
    let second = runs(&root, "echo", NOON + DAY, NOON + DAY + 3600).unwrap();
    assert_eq!(second, format!("{first}, 02T12:05 schedule 75"));
    let third = runs(&root, "echo", NOON + DAY + 2 * 3600, NOON + DAY + 6 * 3600).unwrap();
    assert_eq!(third, format!("{second}, 02T12:05 retry 74"));
}
