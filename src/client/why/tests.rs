//! What is known of a job at a time, and the answer to it. The real situations are in tests/programs/why.rs.

use chrono::TimeDelta;

use super::*;
use crate::plan::absence::{Absence, Cause};
use crate::plan::run::{Outcome, Trigger, Usage};
use crate::plan::text::Text;
use crate::protocol::reply::{End, Explanation, Field, Job, Run, ScheduleKind};

fn at(clock: &str) -> Timestamp {
    format!("2026-11-20T{clock}:00Z").parse().unwrap()
}

fn job() -> Job {
    Job {
        id: "4b7d20".to_owned(),
        name: "backup".to_owned(),
        owner: "root".to_owned(),
        schedule: "0 4 * * *".to_owned(),
        command: Text::from("backup"),
        file: "/etc/crontab".to_owned(),
        line: 7,
        disabled: false,
        next: Some(at("04:00") + TimeDelta::days(1)),
        last: None,
    }
}

/// A run due at one time and started at another, that took a minute.
fn run(due: &str, started: &str, outcome: Option<Outcome>) -> Run {
    Run {
        id: "r1".to_owned(),
        job: "4b7d20".to_owned(),
        name: "backup".to_owned(),
        owner: "root".to_owned(),
        due: at(due),
        trigger: Trigger::Schedule,
        started: Some(at(started)),
        ended: outcome.as_ref().map(|_| at(started) + TimeDelta::minutes(1)),
        end: End::from(outcome.as_ref()),
        usage: Usage::default(),
        output_bytes: 0,
        last_line: Text::default(),
        output: None,
    }
}

/// A job that was due at 04:00 and of which nothing else is known at noon.
fn explained() -> Explained {
    let explanation = Explanation {
        job: job(),
        kind: ScheduleKind::Calendar,
        zone: Some("UTC".to_owned()),
        single: false,
        delay: 0,
        from: at("04:00"),
        until: at("04:01"),
        shown: at("04:00").naive_utc(),
        due: vec![at("04:00")],
        more: false,
        before: Some(at("04:00") - TimeDelta::days(1)),
        after: Some(at("04:00") + TimeDelta::days(1)),
        refusing: Vec::new(),
        changes: Vec::new(),
        period: None,
        runs: Vec::new(),
        absences: Vec::new(),
        makes_up: 0,
        deadline: None,
        ac_only: false,
        owed: Vec::new(),
        first_seen: None,
        started: at("00:00"),
        changed: None,
    };
    Explained { now: at("12:00"), problems: Vec::new(), explanation: Some(explanation), last: None }
}

/// The verdict, and the line that decided, if this is known beside the usual.
fn check(known: impl FnOnce(&mut Explanation), expected: &str) {
    let mut explained = explained();
    known(explained.explanation.as_mut().unwrap());
    let zone = Zone::utc();
    let asked = Asked { word: "backup", spoken: None, zone: &zone, name: "UTC" };
    let answer = answer::answer(&explained, &asked);
    let of =
        ["run", "single", "ratd", "machine", "clock", "file", "history", "waits", "due", "option"];
    let decided = answer.lines.iter().filter(|line| of.contains(&line.topic));
    let decided: Vec<_> =
        decided.map(|line| format!("{} {}", line.mark.sign(), line.text)).collect();
    assert_eq!(format!("{} | {}", answer.verdict, decided.join(" | ")), expected);
    assert_eq!(answer.is_no, !["ran", "runs", "owed", "coming", "now"].contains(&answer.verdict));
}

#[test]
fn an_entry_that_is_disabled_is_never_due() {
    check(
        |known| known.kind = ScheduleKind::Disabled,
        "disabled | ✖ the option `enabled` is `no`, in its crontab or in rat.conf",
    );
}

#[test]
fn what_a_run_says_counts_most() {
    let ok = || Some(Outcome::Exited(0));
    check(
        |known| known.runs = vec![run("04:00", "04:00", ok())],
        "ran | ✔ run r1 began at Fri 2026-11-20 04:00:00, took 1m 00s: ok",
    );
    check(
        |known| {
            known.runs = vec![Run { trigger: Trigger::CatchUp, ..run("04:00", "08:01", ok()) }];
            let cause = Cause::Asleep;
            known.absences = vec![Absence { from: at("01:00"), until: at("08:00"), cause }];
        },
        "ran | ✔ run r1 began at Fri 2026-11-20 08:01:00, 4h 01m late, made up for, took 1m 00s: ok",
    );
    check(
        |known| known.runs = vec![run("04:00", "04:00", None)],
        "runs | ▶ run r1 began at Fri 2026-11-20 04:00:00: running",
    );
    check(
        |known| {
            known.runs = vec![run("04:00", "04:00", Some(Outcome::NotStarted("no".to_owned())))]
        },
        "not-started | ✖ run r1 began at Fri 2026-11-20 04:00:00, took 1m 00s: not started: no",
    );
    // What somebody ran by hand at that very time is another run.
    check(
        |known| known.runs = vec![Run { trigger: Trigger::Manual, ..run("04:00", "04:00", ok()) }],
        "unknown | · ratd ran, and neither run nor reason is written down; was the line there then?",
    );
}

#[test]
fn without_a_run_it_is_what_kept_it_from_running() {
    let before = || vec![run("03:00", "03:59", Some(Outcome::Exited(0)))];
    check(
        |known| {
            known.single = true;
            known.runs = before();
            known.runs[0].ended = Some(at("04:10"));
        },
        "skipped | ✖ -s: it never runs twice at a time, and run r1 had begun at Fri 2026-11-20 03:59:00 and went on until Fri 2026-11-20 04:10:00",
    );
    // Others may run twice at a time, and one that was over at that moment held nothing up.
    for single in [false, true] {
        check(
            |known| {
                known.single = single;
                known.runs = before();
                known.changed = Some(at("10:00"));
            },
            "new | ✖ its file was changed at Fri 2026-11-20 10:00:00; before, there was no such line, or ratd did not read it",
        );
    }
    for (cause, expected) in [
        (
            Cause::Stopped,
            "ratd did not run: last seen at Fri 2026-11-20 01:00:00, started again at Fri 2026-11-20 08:00:00",
        ),
        (
            Cause::Off,
            "machine was off or starting: ratd was last seen at Fri 2026-11-20 01:00:00, and started at Fri 2026-11-20 08:00:00",
        ),
        (Cause::Asleep, "machine slept from Fri 2026-11-20 01:00:00 to Fri 2026-11-20 08:00:00"),
        (
            Cause::Set,
            "clock was set forward, from Fri 2026-11-20 01:00:00 to Fri 2026-11-20 08:00:00: it never showed this time",
        ),
        (
            Cause::HeldUp,
            "ratd was held up from Fri 2026-11-20 01:00:00 to Fri 2026-11-20 08:00:00, and came to it too late",
        ),
    ] {
        let (_, text) = expected.split_once(' ').unwrap();
        check(
            |known| known.absences = vec![Absence { from: at("01:00"), until: at("08:00"), cause }],
            &format!("missed | ✖ {text}"),
        );
    }
    check(
        |known| {
            known.absences =
                vec![Absence { from: at("04:01"), until: at("08:00"), cause: Cause::Off }]
        },
        "unknown | · ratd ran, and neither run nor reason is written down; was the line there then?",
    );
    check(
        |known| known.owed = vec![at("04:00")],
        "owed | · it begins within minutes, one after the other",
    );
    check(
        |known| known.started = at("11:00"),
        "unknown | · nothing is written down of that time; was the line there, and ratd running?",
    );
    check(
        |known| known.runs = vec![run("05:00", "05:00", Some(Outcome::Exited(0))); fate::KEPT_RUNS],
        "forgotten | · of each job the last 50 runs are kept, for 30 days",
    );
}

#[test]
fn what_is_not_due_is_refused_by_fields() {
    let refusal = |refusing: &[Field]| {
        let mut explained = explained();
        let known = explained.explanation.as_mut().unwrap();
        (known.due, known.refusing) = (Vec::new(), refusing.to_vec());
        let zone = Zone::utc();
        let asked = Asked { word: "backup", spoken: None, zone: &zone, name: "UTC" };
        answer::answer(&explained, &asked).lines.swap_remove(0).text
    };
    assert_eq!(refusal(&[Field::Minute]), "0 4 * * *: its minute is not 0");
    assert_eq!(
        refusal(&[Field::Hour, Field::Weekday]),
        "0 4 * * *: its hour is not 4, its weekday is not Fri"
    );
    assert_eq!(
        refusal(&[Field::Day, Field::Month]),
        "0 4 * * *: its day is not 20, its month is not Nov"
    );
    assert_eq!(refusal(&[]), "0 4 * * * does not name it");
}

#[test]
fn times_are_read_as_they_are_written() {
    let zone = Zone::named("Europe/Berlin").unwrap();
    let read = |words: &str| {
        spoken(words, at("12:00"), &zone).map(|spoken| spoken.map(|spoken| spoken.from))
    };
    assert_eq!(read(""), Ok(None));
    for words in [
        "2026-11-20T05:00:00+01:00",
        "2026-11-20T05:00",
        "2026-11-20 05:00:00",
        "05:00",
        "today 5am",
    ] {
        assert_eq!(read(words), Ok(Some(at("04:00"))), "{words}");
    }
    assert_eq!(
        read("soon").unwrap_err(),
        "\"soon\": no such word: \"soon\"; did you mean \"noon\"?"
    );
}
