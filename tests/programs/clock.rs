//! A year of New York in seconds: the whole daemon on a simulated clock that waits for nobody.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::bench::{RAT, Root, Start, is_root, shim};

/// The history keeps fifty runs of each entry, so each has fewer.
const TABLE: &str = "\
0 0 * 1 * : midnights
0 0 * 2 * : midnights
0 0 * 3 * : midnights
0 0 * 4 * : midnights
0 0 * 5 * : midnights
0 0 * 6 * : midnights
0 0 * 7 * : midnights
0 0 * 8 * : midnights
0 0 * 9 * : midnights
0 0 * 10 * : midnights
0 0 * 11 * : midnights
0 0 * 12 * : midnights
30 2 * 1-6 0 : in the gap of March
30 2 * 7-12 0 : past two
30 1 * 1-6 sun : past one
30 1 * 7-12 sun : in the fold of November
0 * 8 3 * : each hour of the day in March
*/20 1-3 1 11 * : each shown time of the day in November
15 2 8 3 * : skipped
15 */2 8 3 * : skipped too
0 12 13 1-6 5 : or
0 12 13 7-12 5 : or
0 12 */7 * 1 : and
0 6 L * * : the last of the month
0 0 29 2 * : never in this year
@yearly : once
CRON_TZ=Europe/Berlin
30 2 29 3 * : gap of Berlin
30 2 25 10 * : fold of Berlin
*/30 2 25 10 * : fold of Berlin by the clock
";

fn instant(text: &Value) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text.as_str().unwrap()).unwrap().to_utc()
}

/// The runs of each line, in order, as `rat next` foresees them.
fn foreseen(root: &Root, from: &str, until: &str) -> BTreeMap<u64, Vec<DateTime<Utc>>> {
    let table = root.write("table", TABLE);
    let arguments =
        ["next", "--json", "--from", from, "--until", until, "--tz", "America/New_York"];
    let client = root.client(RAT, &arguments);
    let output = client.arguments(&["--crontab", table.to_str().unwrap()]).run().ok();
    let mut runs: BTreeMap<u64, Vec<_>> = BTreeMap::new();
    for line in output.stdout.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        runs.entry(line["line"].as_u64().unwrap()).or_default().push(instant(&line["time"]));
    }
    runs
}

/// The runs of each line, in order, as the history has them.
fn done(root: &Root) -> BTreeMap<u64, Vec<DateTime<Utc>>> {
    let jobs = root.json(&["list"])["jobs"].clone();
    let lines: BTreeMap<_, _> = jobs
        .as_array()
        .unwrap()
        .iter()
        .map(|job| (job["id"].as_str().unwrap(), job["line"].as_u64().unwrap()))
        .collect();
    let mut runs: BTreeMap<u64, Vec<_>> = BTreeMap::new();
    for run in root.history() {
        assert_eq!((&run["outcome"], &run["trigger"]), (&"exited".into(), &"schedule".into()));
        let line = lines[run["job"].as_str().unwrap()];
        runs.entry(line).or_default().push(instant(&run["due"]));
    }
    runs.values_mut().for_each(|runs| runs.sort_unstable());
    runs
}

#[test]
fn a_year_of_new_york_goes_as_rat_next_foresees_it() {
    let root = Root::new("year");
    let Some(library) = shim(&root, "clock.c") else { return };
    let (from, until) = ("2026-01-01T00:00:30-05:00", "2026-12-31T23:59:30-05:00");
    let foreseen = foreseen(&root, from, until);
    let total: usize = foreseen.values().map(Vec::len).sum();
    assert!(total > 500, "{total}");
    root.crontab(TABLE);
    let seconds = |text: &str| instant(&text.into()).timestamp().to_string();
    let mut ratd = Start::system(&root)
        .variable("TZ", "America/New_York")
        .variable("LD_PRELOAD", &library)
        .variable("RAT_SIM_FROM", seconds(from))
        .variable("RAT_SIM_UNTIL", seconds(until))
        .variable("RAT_SIM_QUIET", "3")
        .variable("RAT_SIM_GO", root.path("go"))
        .ready();
    root.write("go", "");
    ratd.await_line("sim: the end");
    ratd.await_lines("exited with status 0", total);
    let done = done(&root);
    for line in 1..=TABLE.lines().count() as u64 {
        assert_eq!(done.get(&line), foreseen.get(&line), "line {line}");
    }
    let status = root.json(&["status"]);
    assert_eq!(status["runs_started"], total);
    ratd.stop();
}

#[test]
fn a_simulated_clock_does_not_reach_jobs() {
    let root = Root::new("real-jobs");
    let Some(library) = shim(&root, "clock.c") else { return };
    let table = root.write("table", "@reboot echo \"[$LD_PRELOAD$RAT_SIM_FROM] $(date +\\%Y)\"\n");
    let mut ratd = Start::file(&root, &table)
        .variable("LD_PRELOAD", &library)
        .variable("RAT_SIM_FROM", "1000000000")
        .variable("RAT_SIM_UNTIL", "1000000060")
        .ready();
    let line = ratd.await_said("| []");
    assert!(!line.ends_with("2001"), "{line}");
    ratd.stop();
}

#[test]
fn a_month_of_a_period_job_runs_once_a_day() {
    if !is_root() {
        return;
    }
    let root = Root::new("month");
    let Some(library) = shim(&root, "clock.c") else { return };
    root.write("etc/anacrontab", "START_HOURS_RANGE=3-5\n1 10 daily :\n7 20 weekly :\n");
    let seconds = |text: &str| instant(&text.into()).timestamp().to_string();
    let mut ratd = Start::system(&root)
        .variable("TZ", "America/New_York")
        .variable("LD_PRELOAD", &library)
        .variable("RAT_SIM_FROM", seconds("2026-03-01T12:00:00-05:00"))
        .variable("RAT_SIM_UNTIL", seconds("2026-03-29T12:00:00-04:00"))
        // Each stamp must be written before the next day.
        .variable("RAT_SIM_QUIET", "100")
        .variable("RAT_SIM_GO", root.path("go"))
        .ready();
    root.write("go", "");
    ratd.await_line("sim: the end");
    ratd.await_lines("exited with status 0", 28 + 4);
    let days: Vec<_> = root.history_of("daily").iter().map(|run| instant(&run["due"])).collect();
    assert_eq!(days.len(), 28);
    let mut sorted: Vec<_> = days.iter().map(DateTime::date_naive).collect();
    sorted.dedup();
    assert_eq!(sorted.len(), 28, "{days:?}");
    assert_eq!(root.history_of("weekly").len(), 4);
    assert_eq!(root.read("var/spool/anacron/daily"), "20260329\n");
    ratd.stop();
}
