//! Years of machines in seconds: the real ratd, on a clock that waits for nobody, over days and nights, off and asleep,
//! with clocks that are set. What it started when is compared with a plain reckoning of what is owed.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc};
use rat::plan::civil::{meaning, reading};
use rat::zone::Zone;

use crate::bench::{Root, Start, eventually, is_root, shim};

/// An instant on the wall of New York.
fn at(shown: &str) -> DateTime<Utc> {
    let shown = NaiveDateTime::parse_from_str(shown, "%Y-%m-%d %H:%M").unwrap();
    meaning(zone(), shown).instant()
}

fn zone() -> &'static Zone {
    static ZONE: OnceLock<Zone> = OnceLock::new();
    ZONE.get_or_init(|| Zone::named("America/New_York").unwrap())
}

/// What happens to the clocks of a machine that is on.
#[derive(Clone, Debug)]
struct Event {
    at: DateTime<Utc>,
    /// `sleep` or `set`, as in clock.c.
    what: &'static str,
    seconds: i64,
}

/// A machine that is on, from one reading of its clock to another.
#[derive(Clone, Debug)]
struct Life {
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    events: Vec<Event>,
}

impl Life {
    fn new(from: &str, until: &str) -> Life {
        Life { from: at(from), until: at(until), events: Vec::new() }
    }

    fn event(mut self, when: &str, what: &'static str, seconds: i64) -> Life {
        self.events.push(Event { at: at(when), what, seconds });
        self
    }

    fn sleeps(self, from: &str, until: &str) -> Life {
        let seconds = (at(until) - at(from)).num_seconds();
        self.event(from, "sleep", seconds)
    }

    /// The stretches in which its clock ran while it was awake.
    fn awake(&self) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
        let mut from = self.from;
        let mut stretches = Vec::new();
        for event in &self.events {
            stretches.push((from, event.at));
            from = event.at + TimeDelta::seconds(event.seconds);
        }
        stretches.push((from, self.until));
        stretches
    }
}

/// A start that ratd tells of.
#[derive(Clone, Debug)]
struct Started {
    job: String,
    at: DateTime<Utc>,
}

/// One machine, from life to life.
struct Machine {
    root: Root,
    library: PathBuf,
    started: Vec<Started>,
}

impl Machine {
    /// `None`, and said, where there is no compiler.
    fn new(name: &str, anacrontab: &str, crontab: &str) -> Option<Machine> {
        let root = Root::new(name);
        let library = shim(&root, "clock.c")?;
        root.write("etc/anacrontab", anacrontab);
        root.write("etc/crontab", crontab);
        Some(Machine { root, library, started: Vec::new() })
    }

    fn live(&mut self, life: &Life) {
        let root = &self.root;
        let _ = std::fs::remove_file(root.path("go"));
        let line =
            |event: &Event| format!("{} {} {}\n", event.at.timestamp(), event.what, event.seconds);
        root.write("events", life.events.iter().map(line).collect::<String>());
        let mut ratd = Start::system(root)
            .variable("TZ", "America/New_York")
            .variable("LD_PRELOAD", &self.library)
            .variable("RAT_SIM_FROM", life.from.timestamp().to_string())
            .variable("RAT_SIM_UNTIL", life.until.timestamp().to_string())
            .variable("RAT_SIM_EVENTS", root.path("events"))
            .variable("RAT_SIM_QUIET", "20")
            .variable("RAT_SIM_TELL", "1")
            .variable("RAT_SIM_GO", root.path("go"))
            .ready();
        root.write("go", "");
        ratd.await_line("sim: the end");
        eventually("nothing runs any more", || root.json(&["status"])["running"] == 0);
        for line in ratd.stop() {
            let Some((before, name)) = line.split_once(": started ") else { continue };
            let at = before.split(' ').next().unwrap().parse().unwrap();
            let job = name.split(" as run ").next().unwrap().to_owned();
            self.started.push(Started { job, at: DateTime::from_timestamp(at, 0).unwrap() });
        }
    }

    /// When a job was started, in order.
    fn of(&self, job: &str) -> Vec<DateTime<Utc>> {
        let is_it = |started: &&Started| started.job.starts_with(job);
        self.started.iter().filter(is_it).map(|started| started.at).collect()
    }

    /// The same as readings of the clock.
    fn shown(&self, job: &str) -> Vec<String> {
        let shown = |at| reading(zone(), at).format("%Y-%m-%d %H:%M").to_string();
        self.of(job).into_iter().map(shown).collect()
    }
}

/// What two days of one period share.
type Key = fn(NaiveDate) -> (i32, u32);

/// A job of an anacrontab as the reckoning knows it.
struct Periodic {
    name: &'static str,
    /// What is the same for two days of one period, or how many days are from one to the next.
    same: Result<Key, i64>,
    delay: TimeDelta,
    hours: Option<(u32, u32)>,
}

impl Periodic {
    fn is_same(&self, one: NaiveDate, other: NaiveDate) -> bool {
        match self.same {
            Ok(key) => key(one) == key(other),
            Err(days) => (other - one).num_days().abs() < days,
        }
    }

    fn is_open(&self, at: DateTime<Utc>) -> bool {
        let hour = reading(zone(), at).hour();
        self.hours.is_none_or(|(from, until)| (from..until).contains(&hour))
    }

    /// Never twice in a period, never outside of its hours, never before its delay is over; and once in each in which
    /// the machine was up long enough.
    fn check(&self, started: &[DateTime<Utc>], lives: &[Life]) {
        let name = self.name;
        let date = |at: DateTime<Utc>| reading(zone(), at).date();
        for pair in started.windows(2) {
            let [one, other] = [date(pair[0]), date(pair[1])];
            assert!(!self.is_same(one, other), "{name} ran twice in a period: {one} and {other}");
        }
        for at in started {
            assert!(self.is_open(*at), "{name} started outside of its hours, at {at}");
            let is_up = |life: &&Life| life.from <= *at && *at <= life.until;
            let life = lives.iter().find(is_up).unwrap_or_else(|| panic!("{name}: {at}"));
            assert!(*at >= life.from + self.delay, "{name} started before its delay, at {at}");
        }
        let dates: Vec<_> = started.iter().map(|at| date(*at)).collect();
        // The day of the last start up to then.
        let last = |minute| {
            let before = started.partition_point(|at| *at <= minute);
            before.checked_sub(1).map(|last| dates[last])
        };
        for (from, until) in lives.iter().flat_map(Life::awake) {
            let mut minute = from;
            let mut open_since: Option<(DateTime<Utc>, NaiveDate)> = None;
            while minute < until {
                let today = date(minute);
                // A period that ends starts the wait anew, as do hours that close.
                let since = open_since.filter(|(_, day)| self.is_same(*day, today));
                open_since = self.is_open(minute).then(|| since.unwrap_or((minute, today)));
                if let Some((since, day)) = open_since
                    && last(minute).is_none_or(|last| !self.is_same(last, day))
                {
                    let longest = self.delay + TimeDelta::minutes(10);
                    assert!(minute - since <= longest, "{name} waits at {minute} since {since}");
                }
                minute += TimeDelta::minutes(5);
            }
        }
    }
}

const ANACRONTAB: &str = "\
1 5 day true
@weekly 10 week true
@monthly 15 month true
@yearly 20 year true
7 25 seven true
START_HOURS_RANGE=3-22
@daily 5 hours true
";

fn periodic() -> [Periodic; 6] {
    let job =
        |name, same, delay, hours| Periodic { name, same, delay: TimeDelta::minutes(delay), hours };
    let day: Key = |date| (date.year(), date.ordinal());
    let week: Key = |date| (date.iso_week().year(), date.iso_week().week());
    let month: Key = |date| (date.year(), date.month());
    let year: Key = |date| (date.year(), 0);
    [
        job("day", Ok(day), 5, None),
        job("week", Ok(week), 10, None),
        job("month", Ok(month), 15, None),
        job("year", Ok(year), 20, None),
        job("seven", Err(7), 25, None),
        job("hours", Ok(day), 5, Some((3, 22))),
    ]
}

/// Beside periods: what a server does each hour, here on some days only, and once a day.
const CRONTAB: &str = "\
17 * 1-2 * * root : hourly
25 6 * * * root test daily
";

/// The year of a machine that is a server, then a laptop, then in a cupboard. No sleep is so short, and no clock set so
/// little, that what names its time would be made up for.
fn a_year() -> Vec<Life> {
    let mut lives = Vec::new();
    let mut each_day = |month: u32, days: u32, of_day: &dyn Fn(&str) -> Life| {
        for day in 1..=days {
            lives.push(of_day(&format!("2027-{month:02}-{day:02}")));
        }
    };
    // Off at 06:25; then two hours a day, over the night of the change of the clock.
    each_day(2, 28, &|day| Life::new(&format!("{day} 08:00"), &format!("{day} 23:30")));
    each_day(3, 31, &|day| Life::new(&format!("{day} 20:00"), &format!("{day} 22:00")));
    // Asleep each night.
    let mut april = Life::new("2027-04-01 07:30", "2027-04-30 22:00");
    for day in 1..30 {
        let (evening, morning) =
            (format!("2027-04-{day:02} 23:00"), format!("2027-04-{:02} 07:30", day + 1));
        april = april.sleeps(&evening, &morning);
    }
    lives.insert(0, Life::new("2027-01-01 00:00", "2027-01-31 23:50"));
    lives.push(april);
    // Off for two weeks; then a battery that dies now and then.
    lives.push(Life::new("2027-05-15 09:00", "2027-05-31 18:00"));
    let mut begins = at("2027-06-01 00:10");
    let mut random = 12345_u64;
    while begins < at("2027-06-28 00:00") {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let (on, off) = ((random >> 33) % 2000 + 20, (random >> 50) % 1500 + 5);
        let until = begins + TimeDelta::minutes(i64::try_from(on).unwrap());
        lives.push(Life { from: begins, until, events: Vec::new() });
        begins = until + TimeDelta::minutes(i64::try_from(off).unwrap());
    }
    // A clock that is set forward, and back a little over midnight.
    lives.push(
        Life::new("2027-07-05 12:00", "2027-07-31 12:00")
            .event("2027-07-10 08:00", "set", 5 * 3600)
            .event("2027-07-14 22:00", "set", 26 * 3600),
    );
    lives.push(Life::new("2027-08-01 10:00", "2027-08-03 09:00"));
    // A server again, over the other change of the clock; then holidays.
    lives.push(Life::new("2027-10-20 12:00", "2027-11-20 12:00"));
    lives.push(Life::new("2027-12-10 12:00", "2027-12-20 12:00"));
    lives.push(Life::new("2028-01-05 12:00", "2028-01-10 12:00"));
    lives
}

#[test]
fn in_a_year_every_period_is_done_once_and_no_entry_twice() {
    if !is_root() {
        return;
    }
    let Some(mut machine) = Machine::new("year-of-machine", ANACRONTAB, CRONTAB) else { return };
    let lives = a_year();
    for life in &lives {
        machine.live(life);
    }
    for job in periodic() {
        job.check(&machine.of(job.name), &lives);
    }
    assert_eq!(machine.of("year").len(), 2);
    // Entries run at the instants at which the machine was awake, once each.
    let is_due = [
        (":", (|shown| shown.minute() == 17 && shown.day() <= 2) as fn(NaiveDateTime) -> bool),
        ("test", |shown| (shown.hour(), shown.minute()) == (6, 25)),
    ];
    for (name, is_due) in is_due {
        let mut expected = Vec::new();
        for (from, until) in lives.iter().flat_map(Life::awake) {
            let mut minute = from + TimeDelta::seconds((60 - from.timestamp() % 60) % 60);
            while minute < until {
                if minute > from && is_due(reading(zone(), minute)) {
                    expected.push(minute);
                }
                minute += TimeDelta::minutes(1);
            }
        }
        let word = if name == ":" { "hourly" } else { name };
        assert_eq!(machine.of(word), expected, "{name}");
    }
}

/// What a job of one anacrontab line does in these lives.
fn check(name: &str, line: &str, lives: &[Life], expected: &[&str]) {
    if !is_root() {
        return;
    }
    let Some(mut machine) = Machine::new(name, line, "") else { return };
    lives.iter().for_each(|life| machine.live(life));
    assert_eq!(machine.shown("x"), expected, "{line}");
}

#[test]
fn the_end_of_a_period_that_is_slept_through_is_made_up_for_on_waking() {
    let life = Life::new("2027-05-03 12:00", "2027-05-06 12:00");
    let life = life.sleeps("2027-05-03 22:00", "2027-05-05 09:00");
    check(
        "year-sleep",
        "1 5 x true\n",
        &[life],
        &["2027-05-03 12:05", "2027-05-05 09:00", "2027-05-06 00:05"],
    );
}

#[test]
fn a_clock_that_is_set_over_the_end_of_a_period_runs_nothing_twice() {
    let life = Life::new("2027-05-03 12:00", "2027-05-05 06:00");
    let forward = life.clone().event("2027-05-03 23:00", "set", 7200);
    let back = life.event("2027-05-04 00:30", "set", -3600);
    check(
        "year-forward",
        "1 5 x true\n",
        &[forward],
        &["2027-05-03 12:05", "2027-05-04 01:00", "2027-05-05 00:05"],
    );
    check(
        "year-back",
        "1 5 x true\n",
        &[back],
        &["2027-05-03 12:05", "2027-05-04 00:05", "2027-05-05 00:05"],
    );
}

#[test]
fn nights_of_clock_changes_are_days_as_others() {
    let march = Life::new("2027-03-13 12:00", "2027-03-16 00:00");
    check(
        "year-gap",
        "START_HOURS_RANGE=2-4\n1 5 x true\n",
        &[march],
        &["2027-03-14 03:05", "2027-03-15 02:05"],
    );
    let november = Life::new("2027-11-06 12:00", "2027-11-09 00:00");
    check(
        "year-fold",
        "START_HOURS_RANGE=1-4\n1 5 x true\n",
        &[november],
        &["2027-11-07 01:05", "2027-11-08 01:05"],
    );
}

#[test]
fn months_of_every_length_are_one_each() {
    let lives = [
        Life::new("2028-01-31 12:00", "2028-02-02 00:00"),
        Life::new("2028-02-28 12:00", "2028-03-02 00:00"),
        Life::new("2028-04-29 12:00", "2028-05-02 00:00"),
    ];
    let expected = [
        "2028-01-31 12:05",
        "2028-02-01 00:05",
        "2028-03-01 00:05",
        "2028-04-29 12:05",
        "2028-05-01 00:05",
    ];
    check("year-months", "@monthly 5 x true\n", &lives, &expected);
    let leap = [Life::new("2028-02-28 12:00", "2028-03-01 12:00")];
    check(
        "year-leap",
        "1 5 x true\n",
        &leap,
        &["2028-02-28 12:05", "2028-02-29 00:05", "2028-03-01 00:05"],
    );
}

#[test]
fn two_years_off_are_one_run_each() {
    let lives = [
        Life::new("2027-05-03 12:00", "2027-05-03 14:00"),
        Life::new("2029-05-03 12:00", "2029-05-03 14:00"),
    ];
    for line in [
        "1 5 x true\n",
        "7 5 x true\n",
        "@weekly 5 x true\n",
        "@monthly 5 x true\n",
        "@yearly 5 x true\n",
    ] {
        check("year-off", line, &lives, &["2027-05-03 12:05", "2029-05-03 12:05"]);
    }
}

/// A distribution's files under a root: unchanged but for the place of what they name.
fn wired(name: &str, files: &[(&str, &str)]) -> Option<Machine> {
    let machine = Machine::new(name, "", "")?;
    let root = &machine.root;
    let place = root.shown("");
    let place = place.trim_end_matches('/');
    for (path, text) in files {
        root.write(path, text.replace(" /etc/cron.", &format!(" {place}/etc/cron.")));
    }
    for often in ["hourly", "daily", "weekly", "monthly"] {
        let part = format!("etc/cron.{often}/part");
        root.write(&part, format!("#!/bin/sh\necho {often} >>{place}/out\n"));
        root.mode(&part, 0o755);
    }
    Some(machine)
}

fn counts(root: &Root) -> [usize; 4] {
    let out = std::fs::read_to_string(root.path("out")).unwrap_or_default();
    ["hourly", "daily", "weekly", "monthly"]
        .map(|often| out.lines().filter(|line| *line == often).count())
}

const DEBIAN: &[(&str, &str)] = &[
    (
        "etc/crontab",
        "SHELL=/bin/sh\nPATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin\n\
         17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly\n\
         25 6\t* * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }\n\
         47 6\t* * 7\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.weekly; }\n\
         52 6\t1 * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.monthly; }\n",
    ),
    (
        "etc/anacrontab",
        "SHELL=/bin/sh\nHOME=/root\nLOGNAME=root\n\
         1\t5\tcron.daily\trun-parts --report /etc/cron.daily\n\
         7\t10\tcron.weekly\trun-parts --report /etc/cron.weekly\n\
         @monthly\t15\tcron.monthly\trun-parts --report /etc/cron.monthly\n",
    ),
];

const RED_HAT: &[(&str, &str)] = &[
    (
        "etc/cron.d/0hourly",
        "# Run the hourly jobs\nSHELL=/bin/bash\nPATH=/sbin:/bin:/usr/sbin:/usr/bin\nMAILTO=root\n\
         01 * * * * root run-parts /etc/cron.hourly\n",
    ),
    (
        "etc/anacrontab",
        "SHELL=/bin/sh\nPATH=/sbin:/bin:/usr/sbin:/usr/bin\nMAILTO=root\nRANDOM_DELAY=45\nSTART_HOURS_RANGE=3-22\n\
         1\t5\tcron.daily\t\tnice run-parts /etc/cron.daily\n\
         7\t25\tcron.weekly\t\tnice run-parts /etc/cron.weekly\n\
         @monthly 45\tcron.monthly\t\tnice run-parts /etc/cron.monthly\n",
    ),
];

/// Two weeks from a Wednesday on, over the end of a month: the directories run so often.
fn check_wiring(name: &str, files: &[(&str, &str)], lives: &[Life], expected: [usize; 4]) {
    if !is_root() {
        return;
    }
    let Some(mut machine) = wired(name, files) else { return };
    lives.iter().for_each(|life| machine.live(life));
    assert_eq!(counts(&machine.root), expected, "{name}");
    assert!(Path::new(&machine.root.path("var/spool/anacron/cron.daily")).exists());
}

/// Fourteen days that begin at noon of the 20th of January.
fn fortnight() -> [Life; 1] {
    [Life::new("2027-01-20 12:00", "2027-02-03 12:00")]
}

/// The same days, off from eleven to eight.
fn off_at_night() -> Vec<Life> {
    let first = at("2027-01-20 12:00");
    let day = |day: i64| {
        let from =
            if day == 0 { first } else { first + TimeDelta::days(day) - TimeDelta::hours(4) };
        let until =
            (first + TimeDelta::days(day) + TimeDelta::hours(11)).min(at("2027-02-03 12:00"));
        Life { from, until, events: Vec::new() }
    };
    (0..=14).map(day).collect()
}

/// And asleep then.
fn asleep_at_night() -> [Life; 1] {
    let [mut life] = fortnight();
    for day in 0..14 {
        let at = at("2027-01-20 23:00") + TimeDelta::days(day);
        life.events.push(Event { at, what: "sleep", seconds: 9 * 3600 });
    }
    [life]
}

#[test]
fn debians_directories_are_run_once_a_period_on_every_machine() {
    check_wiring("wiring-debian-on", DEBIAN, &fortnight(), [336, 15, 3, 2]);
    check_wiring("wiring-debian-off", DEBIAN, &off_at_night(), [210, 15, 3, 2]);
    check_wiring("wiring-debian-asleep", DEBIAN, &asleep_at_night(), [210, 15, 3, 2]);
}

#[test]
fn red_hats_directories_are_run_once_a_period_on_every_machine() {
    check_wiring("wiring-red-hat-on", RED_HAT, &fortnight(), [336, 15, 3, 2]);
    check_wiring("wiring-red-hat-off", RED_HAT, &off_at_night(), [210, 15, 3, 2]);
    check_wiring("wiring-red-hat-asleep", RED_HAT, &asleep_at_night(), [210, 15, 3, 2]);
}
