//! `rat next`, `rat check` and `rat explain` as programs: what is printed where, and the exit status.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::process::{Command, Output};

fn rat(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rat")).args(arguments).env("TZ", "UTC").output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

struct File(std::path::PathBuf);

impl File {
    fn new(name: &str, text: &str) -> File {
        let path = std::env::temp_dir().join(format!("rat-next-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        File(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn entries_are_merged_in_time_order_each_in_its_own_zone() {
    let file = File::new(
        "merge",
        "30 2 * * * a \"b\"\n0,30 2 * * * twice\nCRON_TZ=UTC\n30 6 * * * c%in\n@reboot never shown\n",
    );
    let output = rat(&[
        "next",
        "--crontab",
        file.path(),
        "--from",
        "2026-03-08T01:00",
        "--until",
        "2026-03-09T07:00:00Z",
        "--tz",
        "America/New_York",
        "--json",
    ]);
    assert_eq!(
        stdout(&output),
        r#"{"line":4,"command":"c","time":"2026-03-08T06:30:00+00:00"}
{"line":1,"command":"a \"b\"","time":"2026-03-08T03:00:00-04:00"}
{"line":2,"command":"twice","time":"2026-03-08T03:00:00-04:00"}
{"line":2,"command":"twice","time":"2026-03-08T03:00:00-04:00"}
{"line":2,"command":"twice","time":"2026-03-09T02:00:00-04:00"}
{"line":1,"command":"a \"b\"","time":"2026-03-09T02:30:00-04:00"}
{"line":2,"command":"twice","time":"2026-03-09T02:30:00-04:00"}
{"line":4,"command":"c","time":"2026-03-09T06:30:00+00:00"}
"#
    );
    assert!(output.status.success());
    assert_eq!(stderr(&output), "");
}

#[test]
fn what_changes_of_the_clock_do_is_explained() {
    let file = File::new(
        "explain",
        "30 2 * * * a\n*/30 2 * * * b\n0,15 1 * * * c\n*/20 1 * * * d\n0 12 * * * e\n",
    );
    let explained = |from: &str, until: &str| {
        let file = ["next", "--explain", "--crontab", file.path(), "--tz", "America/New_York"];
        let output = rat(&[&file[..], &["--from", from, "--until", until]].concat());
        let lines = stdout(&output);
        let marked = lines.lines().filter(|line| line.starts_with('!'));
        marked.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        explained("2026-03-08", "2026-03-09"),
        [
            "! line 1: 30 2 * * *: the clock skips Sun 2026-03-08 02:30: it runs at 03:00",
            "! line 2: */30 2 * * *: the clock skips Sun 2026-03-08 02:00 and 1 more: it does not run",
        ]
    );
    assert_eq!(
        explained("2026-11-01", "2026-11-02"),
        [
            "! line 3: 0,15 1 * * *: the clock shows Sun 2026-11-01 01:00 and 1 more twice: it runs the first time",
            "! line 4: */20 1 * * *: the clock shows Sun 2026-11-01 01:00 and 2 more twice: it runs each time",
        ]
    );
    assert_eq!(explained("2026-06-01", "2026-06-02"), [""; 0]);
    let few = rat(&["next", "--expr", "0 9 * * fri#2", "-n", "3", "--from", "2026-01-01"]);
    assert_eq!(stdout(&few).lines().count(), 3);
}

#[test]
fn from_is_included_and_until_excluded() {
    let range = |from: &str, until: &str| {
        let output =
            rat(&["next", "--expr", "0 * * * *", "--from", from, "--until", until, "--json"]);
        assert!(output.status.success());
        stdout(&output).lines().count()
    };
    assert_eq!(range("2026-01-01T00:00:00Z", "2026-01-01T02:00:00Z"), 2);
    assert_eq!(range("2026-01-01T00:00:01Z", "2026-01-01T02:00:01Z"), 2);
    assert_eq!(range("2026-01-01T00:00:00.5Z", "2026-01-01T02:00:00Z"), 1);
    assert_eq!(range("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"), 8760);
    assert_eq!(range("2026-01-01", "2026-01-01"), 0);
}

#[test]
fn bad_lines_are_shown_and_the_good_ones_still_previewed() {
    let file = File::new("bad", "61 * * * * x\n0 0 * * * y\nCRON_TZ=No/Where\n0 0 * * * z\n");
    let output = rat(&[
        "next",
        "--crontab",
        file.path(),
        "--from",
        "2026-01-01",
        "--until",
        "2026-01-02",
        "--json",
    ]);
    assert_eq!(
        stdout(&output),
        "{\"line\":2,\"command\":\"y\",\"time\":\"2026-01-01T00:00:00+00:00\"}\n"
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("error[E003]: minute 61 is out of range"));
    assert!(stderr(&output).contains("error[E022]: no such time zone: \"No/Where\""));
}

#[test]
fn a_rejected_schedule_is_a_picture_and_exit_1() {
    let output = rat(&["next", "--expr", "0 25 * * *"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    assert!(stderr(&output).contains("^^ hours go from 0 to 23"), "{}", stderr(&output));
}

#[test]
fn wrong_usage_exits_2() {
    assert_eq!(rat(&["next", "--bogus"]).status.code(), Some(2));
    assert_eq!(rat(&["bogus"]).status.code(), Some(2));
    assert_eq!(rat(&["next", "--crontab", "x", "--expr", "y"]).status.code(), Some(2));
    assert_eq!(rat(&["explain"]).status.code(), Some(2));
}

#[test]
fn wrong_times_zones_and_files_exit_1() {
    for arguments in [
        &["next", "--expr", "@daily", "--from", "soon"][..],
        &["next", "--expr", "@daily", "--tz", "No/Where"],
        &["next", "--crontab", "/no/such/file"],
        &["check", "/no/such/file"],
        &["explain", "0 0 * *"],
    ] {
        let output = rat(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(!stderr(&output).is_empty());
    }
}

#[test]
fn without_a_ratd_its_own_view_cannot_be_had() {
    let output = rat(&["next", "--root", "/no/such/root"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).starts_with("rat: no ratd is running"), "{}", stderr(&output));
}

#[test]
fn a_closed_pipe_is_a_quiet_end() {
    let program = env!("CARGO_BIN_EXE_rat");
    let script = format!("{program} next --expr '* * * * *' --until 9999-01-01 --json | head -n 1");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(stdout(&output).lines().count(), 1);
    assert_eq!(stderr(&output), "");
}

#[test]
fn check_shows_everything_and_exits_1_only_for_errors() {
    let warned = File::new("warned", "*/7 * * * * x\n");
    let output = rat(&["check", warned.path()]);
    assert!(stdout(&output).contains("warning[W031]"));
    assert_eq!(output.status.code(), Some(0));
    let wrong = File::new("wrong", "* * * * 9 x\n");
    let output = rat(&["check", "--json", warned.path(), wrong.path()]);
    assert_eq!(output.status.code(), Some(1));
    let object: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(object["errors"], 1);
    let mut said = object["diagnostics"].as_array().unwrap().iter();
    let error = said.find(|said| said["severity"] == "error").unwrap();
    assert_eq!(error["code"], "E003");
    assert_eq!(error["file"], wrong.path());
    assert_eq!(error["line"], 1);
    assert_eq!(error["column"], 9);
}

#[test]
fn explain_says_it_in_words_with_the_next_instants() {
    let output = rat(&["explain", "0 9 13 * fri", "--tz", "Europe/Berlin"]);
    assert!(output.status.success());
    let text = stdout(&output);
    assert!(text.starts_with("At 09:00, on the 13th of every month AND ALSO on every Friday.\n"));
    assert!(text.contains("  next  "), "{text}");
    assert!(text.contains("      ^^   ^^^ both day fields"), "{text}");
}

#[test]
fn thousands_of_entries_over_a_day_are_printed_whole() {
    let text = "*/10 * * * * x\n".repeat(3000);
    let file = File::new("many", &text);
    let output = rat(&[
        "next",
        "--crontab",
        file.path(),
        "--from",
        "2026-01-01",
        "--until",
        "2026-01-02",
        "--json",
    ]);
    assert_eq!(stdout(&output).lines().count(), 3000 * 144);
}

#[test]
fn nothing_is_shown_past_the_year_9999() {
    let end = ["--from", "9999-12-31T23:58", "--json", "--expr", "* * * * *", "--tz"];
    for zone in ["Asia/Tokyo", "America/New_York", "UTC"] {
        let arguments = [&["next"], &end[..], &[zone]].concat();
        let shown = stdout(&rat(&arguments));
        assert_eq!(shown.lines().count(), 2, "{zone}: {shown}");
        assert!(shown.contains("\"9999-12-31T23:59:00"), "{zone}: {shown}");
    }
}

#[test]
fn in_a_dialect_check_succeeds_exactly_if_every_line_is_taken() {
    let status = |text: &str, dialect: &str| {
        let file = File::new(&format!("dialect-{dialect}"), text);
        rat(&["check", "--dialect", dialect, file.path()]).status.code()
    };
    for (text, debian, cronie, busybox) in [
        ("0.5 * * * * x\n", 0, 1, 0),
        ("0 22-2 * * * x\n", 0, 0, 0),
        ("A=\n", 1, 0, 1),
        ("* * * * * x", 1, 1, 0),
        ("60 * * * * x\n", 1, 1, 0),
        ("~ * * * * x\n", 1, 0, 0),
        ("* * * * *\n", 0, 1, 1),
        ("@Daily x\n", 1, 1, 1),
        ("0 0 1 1 * x\n", 0, 0, 0),
    ] {
        let is = ["debian", "cronie", "busybox"].map(|dialect| status(text, dialect));
        assert_eq!(is, [Some(debian), Some(cronie), Some(busybox)], "{text:?}");
    }
    assert_eq!(status("", "solaris"), Some(2));
}

#[test]
fn in_a_dialect_next_and_explain_are_that_crons() {
    let next = |text: &str, dialect: &str, tz: &str, from: &str| {
        let file = File::new(&format!("next-{dialect}"), text);
        let arguments = ["next", "--crontab", file.path(), "--dialect", dialect, "--tz", tz];
        let range = ["--from", from, "--until", "2026-11-02T00:00:00Z", "--json"];
        stdout(&rat(&[&arguments[..], &range].concat())).lines().count()
    };
    let wrapped = "0 22-2 * * * x\n";
    assert_eq!(next(wrapped, "debian", "UTC", "2026-11-01T00:00:00Z"), 0);
    assert_eq!(next(wrapped, "busybox", "UTC", "2026-11-01T00:00:00Z"), 5);
    let twice = "CRON_TZ=America/New_York\n30 1 * * * x\n";
    assert_eq!(next(twice, "cronie", "UTC", "2026-11-01T00:00:00Z"), 2);
    assert_eq!(next(twice, "cronie", "America/New_York", "2026-11-01T00:00:00Z"), 1);
    assert_eq!(next("CRON_TZ=No/Where\n30 1 * * * x\n", "cronie", "UTC", "2026-11-01"), 1);
    let words = rat(&["explain", "--dialect", "debian", "0 0 * * 5-1"]);
    assert!(stdout(&words).starts_with("Never:"), "{}", stdout(&words));
    assert_eq!(rat(&["explain", "--dialect", "cronie", "0 0 L * *"]).status.code(), Some(1));
}

#[test]
fn check_tells_what_others_read_differently() {
    let file = File::new("portable", "0 0 * * fri-sun x\n0 0 * * 7 y # z\n@daily -q z\n");
    let codes = |arguments: &[&str]| {
        let output = rat(&[&["check", "--json"], arguments, &[file.path()]].concat());
        assert!(output.status.success());
        let object: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        let said = object["diagnostics"].as_array().unwrap().iter();
        let said = said.filter(|said| said["code"] == "W023" || said["code"] == "W024");
        said.map(|said| format!("{} {}", said["line"], said["message"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        codes(&[]),
        [
            "1 Debian's cron never runs this line",
            "3 cronie does not read this line",
            "3 Debian's cron runs another command"
        ]
    );
    assert_eq!(
        codes(&["--portable"]),
        [
            "1 Debian's cron never runs this line",
            "2 busybox's cron runs this at other times",
            "3 cronie does not read this line",
            "3 Debian's cron and busybox's cron run another command"
        ]
    );
}
