//! `rat why`: each reason, in a situation that a real ratd was in.

use chrono::{DateTime, TimeDelta, Utc};
use rat::plan::civil::{meaning, reading};
use rat::store::Store;
use rat::syntax::timespec::iso;
use rat::zone::Zone;
use serde_json::Value;

use crate::bench::{
    ANACRON, Fifo, RAT, Ratd, Root, Start, eventually, has_home, is_root, me, shim,
};

fn seconds(text: &str) -> String {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp().to_string()
}

/// A ratd in New York whose clock goes from one instant to another; events happen to its clocks meanwhile.
fn live(root: &Root, from: &str, until: &str, events: &[(&str, &str)]) -> Option<Ratd> {
    let library = shim(root, "clock.c")?;
    let _ = std::fs::remove_file(root.path("go"));
    let events: String =
        events.iter().map(|(at, what)| format!("{} {what}\n", seconds(at))).collect();
    root.write("events", events);
    let mut ratd = Start::system(root)
        .variable("TZ", "America/New_York")
        .variable("LD_PRELOAD", &library)
        .variable("RAT_SIM_FROM", seconds(from))
        .variable("RAT_SIM_UNTIL", seconds(until))
        .variable("RAT_SIM_EVENTS", root.path("events"))
        .variable("RAT_SIM_QUIET", "30")
        .variable("RAT_SIM_GO", root.path("go"))
        .ready();
    root.write("go", "");
    ratd.await_line("sim: the end");
    Some(ratd)
}

/// What `rat why` says: exit status and lines.
fn asked(root: &Root, arguments: &[&str]) -> (i32, String) {
    let client = root.client(RAT, &["why"]).variable("TZ", "America/New_York");
    let said = client.arguments(arguments).run();
    assert_eq!(said.stderr, "", "{arguments:?}");
    (said.status.unwrap(), said.stdout)
}

/// Asks about the job of a line of the own crontab; the answer has this exit status and these parts, and is the same in
/// JSON.
#[track_caller]
fn check(root: &Root, arguments: &[&str], status: i32, verdict: &str, parts: &[&str]) {
    let (ended, said) = asked(root, arguments);
    assert_eq!(ended, status, "{arguments:?}: {said}");
    for part in parts {
        assert!(said.contains(part), "{arguments:?}: {part:?} is not in\n{said}");
    }
    let (_, object) = asked(root, &[arguments, &["--json"]].concat());
    let object: Value = serde_json::from_str(&object).unwrap_or_else(|_| panic!("{object}"));
    assert_eq!(
        (&object["schema"], &object["verdict"]),
        (&"rat.why/1".into(), &verdict.into()),
        "{said}"
    );
    assert!(said.contains(object["said"].as_str().unwrap()));
}

/// The job of a line of the own crontab.
fn line(number: u32) -> String {
    format!("{}:{number}", me())
}

const MARCH: &str = "\
0 4 * * * true
0 5 * * * exit 3
30 2 * * * true
*/30 2 * * * true
0 6 * * 1 true
0 0 30 2 * true
SHELL=/nonexistent/shell
0 7 * * * true
SHELL=/bin/sh
0-5 8 8 3 * -s cat GO
59 11 9 3 * cat GO
0 9 8 3 * kill -9 $PPID
@reboot true
RANDOM_DELAY=30
0 10 * * * true
";

#[test]
fn what_ran_and_what_was_never_due() {
    if !has_home() {
        return;
    }
    let root = Root::new("why-march");
    let go: Fifo = root.fifo("go-on");
    root.crontab(&MARCH.replace("GO", go.0.to_str().unwrap()));
    let (from, until) = ("2026-03-07T12:00:00-05:00", "2026-03-09T12:00:00-04:00");
    let Some(ratd) = live(&root, from, until, &[]) else { return };
    let day = |time: &str| format!("2026-03-08 {time}");
    check(
        &root,
        &[&line(1), &day("04:00")],
        0,
        "ran",
        &[
            "✔ true-",
            "ran at Sun 2026-03-08 04:00:00 America/New_York: ok",
            "0 4 * * * is due then",
            "next",
        ],
    );
    // Without a time it is the last one that was due.
    check(
        &root,
        &[&line(1)],
        0,
        "ran",
        &["ran at Mon 2026-03-09 04:00:00", "· next      Tue 2026-03-10 04:00:00, in 16h 00m"],
    );
    check(&root, &[&line(2), &day("05:00")], 0, "ran", &[": exit 3\n", "rat history --output"]);
    check(
        &root,
        &[&line(3), &day("02:30")],
        0,
        "ran",
        &["ran at Sun 2026-03-08 03:00:00", "· clock", "set forward by 1h 00m"],
    );
    check(
        &root,
        &[&line(4), &day("02:30")],
        1,
        "not-due",
        &["is not", "it never shows 02:30 on Sun 2026-03-08"],
    );
    check(
        &root,
        &[&line(5), &day("06:00")],
        1,
        "not-due",
        &["its weekday is not Sun", "before", "next"],
    );
    check(&root, &[&line(1), &day("04:30")], 1, "not-due", &["its minute is not 30\n"]);
    check(
        &root,
        &[&line(1), &day("05:30")],
        1,
        "not-due",
        &["its minute is not 30, its hour is not 5\n"],
    );
    check(&root, &[&line(6)], 1, "never-due", &["0 0 30 2 * is never due", "next      never"]);
    check(
        &root,
        &[&line(8), &day("07:00")],
        1,
        "not-started",
        &["could not be started", "/nonexistent/shell"],
    );
    check(&root, &[&line(10), &day("08:00")], 0, "runs", &["▶ run"]);
    check(
        &root,
        &[&line(10), &day("08:03")],
        1,
        "skipped",
        &["-s: it never runs twice", "still goes on"],
    );
    check(&root, &[&line(11)], 0, "runs", &["runs, due Mon 2026-03-09 11:59:00"]);
    check(
        &root,
        &[&line(12), &day("09:00")],
        1,
        "lost",
        &["nobody knows whether", "its session was killed"],
    );
    check(
        &root,
        &[&line(13)],
        0,
        "ran",
        &["ran after a boot", "@reboot is due once after each boot"],
    );
    check(
        &root,
        &[&line(15), &day("10:00")],
        0,
        "ran",
        &["names Sun 2026-03-08 10:00:00; its RANDOM_DELAY is"],
    );
    check(
        &root,
        &[&line(1), "2026-03-10 04:00"],
        0,
        "coming",
        &["is due at Tue 2026-03-10 04:00:00 America/New_York, in 16h 00m"],
    );
    check(&root, &[&line(1), "2026-03-10 04:01"], 1, "not-due", &["is not due at"]);
    // A day is all that was due on it.
    check(&root, &[&line(1), "2026-03-08"], 0, "ran", &["ran at Sun 2026-03-08 04:00:00"]);
    check(
        &root,
        &[&line(5), "2026-03-08"],
        1,
        "not-due",
        &[
            "is not due on Sun 2026-03-08".replace("is not", "was not").as_str(),
            "its weekday is not Sun",
        ],
    );
    check(
        &root,
        &[&line(10), "2026-03-08"],
        1,
        "skipped",
        &["was due 6 times on Sun 2026-03-08", "▶ due", "08:01 to 08:05, 5 times: single"],
    );
    ratd.stop();
    go.open();
}

#[test]
fn what_was_missed_and_who_was_not_there() {
    if !has_home() {
        return;
    }
    let root = Root::new("why-missed");
    root.crontab("0 4 * * * true\n20 * * * * true\n#rat: catchup=once\n0 5 * * * true\n");
    let night = |day: u32| format!("2026-05-{day:02}T00:30:00-04:00");
    let noon = |day: u32| format!("2026-05-{day:02}T12:00:00-04:00");
    let events = [
        ("2026-05-02T01:12:00-04:00", "sleep 25200"),
        ("2026-05-03T03:30:00-04:00", "set 18000"),
        ("2026-05-04T03:59:00-04:00", "hold 12600"),
        ("2026-05-05T03:30:00-04:00", "set -7200"),
    ];
    let Some(ratd) = live(&root, &noon(1), &noon(5), &events) else { return };
    let first = line(1);
    let at = |day: u32| format!("2026-05-{day:02} 04:00");
    check(
        &root,
        &[&first, &at(2)],
        1,
        "missed",
        &[
            "✖ true-",
            "did not run at Sat 2026-05-02 04:00:00",
            "✖ machine    slept from Sat 2026-05-02 01:12:00 to Sat 2026-05-02 08:12:00",
            "none: #rat: catchup=once",
        ],
    );
    check(
        &root,
        &[&first, &at(3)],
        1,
        "missed",
        &["✖ clock", "was set forward, from Sun 2026-05-03 03:30:00 to Sun 2026-05-03 08:30:00"],
    );
    check(
        &root,
        &[&first, &at(4)],
        1,
        "missed",
        &["✖ ratd", "was held up from Mon 2026-05-04 04:00:00 to Mon 2026-05-04 07:29:00"],
    );
    check(&root, &[&first, &at(5)], 0, "ran", &[": ok"]);
    // It says that it makes up for what it missed, and did.
    check(&root, &[&line(4), "2026-05-02 05:00"], 0, "ran", &["made up for", ": ok"]);
    // What goes by the clock was not owed; several of them are a line.
    check(
        &root,
        &[&line(2), "2026-05-02"],
        1,
        "forgotten",
        &["24 times", "01:20 to 07:20, 7 times: machine: slept"],
    );
    ratd.stop();
    let Some(ratd) = live(&root, &night(6), &noon(6), &[]) else { return };
    ratd.kill();
    let mut store = Store::open(&root.path("var/lib/rat/rat.db")).unwrap();
    let change = store.begin().unwrap();
    change.set_boot_id("another").unwrap();
    change.commit().unwrap();
    drop(store);
    let Some(ratd) = live(&root, &noon(8), &noon(9), &[]) else { return };
    check(
        &root,
        &[&first, "2026-05-06 00:20"],
        1,
        "not-due",
        &["its minute is not 20, its hour is not 0"],
    );
    check(
        &root,
        &[&line(2), "2026-05-06 00:20"],
        1,
        "missed",
        &[
            "✖ ratd",
            "did not run: last seen at Tue 2026-05-05",
            "started again at Wed 2026-05-06 00:30:00",
        ],
    );
    check(
        &root,
        &[&first, &at(7)],
        1,
        "missed",
        &[
            "✖ machine",
            "was off or starting: ratd was last seen at Wed 2026-05-06 11:20:00, and started at Fri 2026-05-08 12:00:00",
        ],
    );
    ratd.stop();
}

#[test]
fn what_is_not_loaded_and_what_is_not_known() {
    if !has_home() || !is_root() {
        return;
    }
    let root = Root::new("why-not-loaded");
    root.write("etc/cron.d/open", "0 4 * * * root true\n");
    root.mode("etc/cron.d/open", 0o666);
    root.write("etc/cron.d/backup.dpkg-old", "0 4 * * * root true\n");
    root.write("etc/cron.d/bad", "0 4 * * * root true\n0 25 * * * root true\n");
    root.write("etc/anacrontab", "1 5 cron.daily run-parts /etc/cron.daily\n");
    root.write(
        "etc/crontab",
        "25 6 * * * root test -x /usr/sbin/anacron || run-parts /etc/cron.daily\n",
    );
    root.crontab("0 4 * * * true\n0 5 * * * old-job\n");
    let (from, until) = ("2026-11-01T12:00:00-05:00", "2026-11-02T12:00:00-05:00");
    let Some(mut ratd) = live(&root, from, until, &[]) else { return };
    let not_loaded = |word: &str, parts: &[&str]| {
        let parts = [parts, &["is not loaded, so nothing of it is due", "rat list"]].concat();
        check(&root, &[word], 1, "not-loaded", &parts);
    };
    not_loaded("cron.d/open", &["✖ file", "BAD FILE MODE", "chmod"]);
    not_loaded("cron.d/open:1", &["BAD FILE MODE"]);
    not_loaded("cron.d/backup.dpkg-old", &["not read, by its name it is no crontab"]);
    not_loaded("cron.d/bad:2", &["hour 25"]);
    not_loaded("etc/crontab:1", &["left to the anacrontab, which runs the same directories"]);
    check(&root, &["cron.d/bad:1", "2026-11-02 04:00"], 0, "ran", &[]);
    let unknown = root.client(RAT, &["why", "nothing-like-it"]).run();
    unknown.fails(5, "no such job: \"nothing-like-it\"");
    root.client(RAT, &["why", "true", "teatime tommorow"])
        .run()
        .fails(2, "no such word: \"tommorow\"");
    // The file is from today, by the clock of the machine: later than all that.
    check(&root, &[&line(1), "2026-11-01 04:00"], 1, "new", &["✖ file", "its file was changed at"]);
    check(
        &root,
        &[&line(1), "2026-07-01 04:00"],
        1,
        "forgotten",
        &["the last 50 runs are kept, for 30 days"],
    );
    check(&root, &[&line(2), "2026-11-02 05:00"], 0, "ran", &[": exit 127"]);
    // It is gone.
    root.crontab("0 4 * * * true\n");
    ratd.await_line("1 job");
    check(
        &root,
        &["old-job"],
        1,
        "gone",
        &["is in no crontab any more; it ran last at", "exit 127"],
    );
    ratd.stop();
}

#[test]
fn what_the_clock_shows_twice() {
    if !has_home() {
        return;
    }
    let root = Root::new("why-twice");
    root.crontab("30 1 * * * true\n*/30 1 * * * true\n");
    let (from, until) = ("2026-10-31T12:00:00-04:00", "2026-11-01T12:00:00-05:00");
    let Some(ratd) = live(&root, from, until, &[]) else { return };
    let (one, two) = ("2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00");
    check(&root, &[&line(1), one], 0, "ran", &[]);
    check(
        &root,
        &[&line(1), two],
        1,
        "not-due",
        &[
            "was due when the clock showed this for the first time, at Sun 2026-11-01 01:30:00; it was set back by 1h 00m",
        ],
    );
    check(&root, &[&line(2), one], 0, "ran", &[]);
    check(&root, &[&line(2), two], 0, "ran", &[]);
    ratd.stop();
}

/// The date so many days from today, in New York. Sessions tell the time by the machine's own clock.
fn date(days: i64) -> String {
    let now: DateTime<Utc> = std::time::SystemTime::now().into();
    let zone = Zone::named("America/New_York").unwrap();
    (reading(&zone, now) + TimeDelta::days(days)).format("%Y-%m-%d").to_string()
}

const PERIODS: &str = "\
1 5 daily true
7 5 other true
1 1000 slow true
1 0 held true
@monthly 0 broken true
START_HOURS_RANGE=22-23
1 0 evening true
";

#[test]
fn why_a_period_job_was_done_or_not() {
    if !is_root() {
        return;
    }
    let root = Root::new("why-periods");
    let offset = |time: &str, days: i64| {
        let zone = Zone::named("America/New_York").unwrap();
        let shown = format!("{}T{time}:00", date(days)).parse().unwrap();
        iso(meaning(&zone, shown).instant(), &zone)
    };
    let Some(ratd) = live(&root, &offset("12:00", -3), &offset("13:00", -3), &[]) else { return };
    ratd.stop();
    root.write("etc/anacrontab", PERIODS);
    let stamp = |job: &str| format!("var/spool/anacron/{job}");
    let digits = |days| date(days).replace('-', "") + "\n";
    root.write(&stamp("other"), digits(-2));
    root.write(&stamp("held"), digits(-1));
    std::fs::create_dir(root.path(&stamp("broken"))).unwrap();
    // Another anacron has one of them.
    let (begun, go) = (root.fifo("begun"), root.fifo("go-on"));
    let line = format!("1 0 held echo >{}; cat {} >/dev/null\n", begun.0.display(), go.0.display());
    root.write("table", line);
    let arguments = ["-d", "-t", &root.shown("table"), "-S", &root.shown("var/spool/anacron")];
    let other = root.client(ANACRON, &arguments).start();
    begun.take();
    let Some(ratd) = live(&root, &offset("00:30", 0), &offset("12:00", 0), &[]) else { return };
    let (today, yesterday, tomorrow) = (date(0), date(-1), date(1));
    eventually("it is done", || asked(&root, &["daily"]).0 == 0);
    check(
        &root,
        &["daily"],
        0,
        "ran",
        &["daily was done on", &today, ": ok", "once a day", "/daily: last done on"],
    );
    check(&root, &["daily", &today], 0, "ran", &[]);
    check(&root, &["daily", &tomorrow], 0, "coming", &["daily is to be done on", "next"]);
    check(
        &root,
        &["daily", &yesterday],
        1,
        "missed",
        &["daily was not done on", "✖ ratd", "· later", ": ok"],
    );
    check(
        &root,
        &["other"],
        0,
        "done-by-another",
        &["was done from", "by another anacron, on ", &date(-2), "7 days after the last time"],
    );
    check(
        &root,
        &["slow"],
        1,
        "waiting",
        &["slow is owed on", "it waits 1000 minutes", "rat run slow runs it now"],
    );
    check(
        &root,
        &["evening"],
        1,
        "waiting",
        &["✖ hours", "it may start from 22:00 up to 23:00", "22:00:00"],
    );
    check(&root, &["held"], 1, "waiting", &["✖ run", "another anacron does it"]);
    check(&root, &["broken"], 1, "waiting", &["once in each month", "✖ run", "not started"]);
    check(&root, &["daily", &date(-40)], 1, "unknown", &["it is not known that daily was done on"]);
    go.open();
    other.finish().ok();
    eventually("its stamp is heeded", || asked(&root, &["held"]).0 == 0);
    check(&root, &["held"], 0, "done-by-another", &[]);
    ratd.stop();
}

#[test]
fn others_are_told_of_their_own_jobs_alone() {
    if !is_root() {
        return;
    }
    let root = Root::new("why-others");
    root.crontab("0 4 * * * secret\n");
    root.write(&format!("var/spool/cron/crontabs/{}", "daemon"), "0 25 * * * secret\n");
    root.mode("var/spool/cron/crontabs/daemon", 0o600);
    let ratd = Start::system(&root).ready();
    let asked = |word: &str| root.client(RAT, &["why", word]).of_other().run();
    asked("secret").fails(5, "no such job");
    asked("root/secret").fails(4, "only root is told of the jobs of others");
    asked("crontabs/daemon:1").fails(5, "no such job");
    ratd.stop();
}
