//! anacron in the place of anacron and beside it: what is said, what is stamped, and that nothing runs twice.

use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::bench::{ANACRON, Client, Root, Start, eventually, in_time, is_root, shim};

fn today() -> String {
    let now: DateTime<Utc> = std::time::SystemTime::now().into();
    now.format("%Y%m%d\n").to_string()
}

fn days_ago(days: i64) -> String {
    let now: DateTime<Utc> = std::time::SystemTime::now().into();
    (now - TimeDelta::days(days)).format("%Y%m%d\n").to_string()
}

/// A table of an ordinary user, and a directory for its stamps.
struct Table {
    root: Root,
}

impl Table {
    fn new(name: &str, text: &str) -> Table {
        let root = Root::new(name);
        root.write("table", text);
        root.directory("stamps");
        Table { root }
    }

    fn client(&self, arguments: &[&str]) -> Client {
        let client = self.root.client(ANACRON, &["-t", &self.root.shown("table")]);
        client.arguments(&["-S", &self.root.shown("stamps")]).arguments(arguments)
    }

    #[track_caller]
    fn says(&self, arguments: &[&str]) -> String {
        let said = self.client(arguments).run().ok();
        assert_eq!(said.stdout, "");
        // Whether the machine has a mailer is not ours to say.
        let lines = said.stderr.lines().filter(|line| !line.contains(" MAIL "));
        let date = today();
        let date = format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..8]);
        lines.map(|line| line.replace(&date, "TODAY") + "\n").collect()
    }

    fn stamp(&self, job: &str) -> String {
        std::fs::read_to_string(self.root.path("stamps").join(job)).unwrap_or_default()
    }
}

#[test]
fn a_call_runs_what_is_owed_and_says_so_as_anacron_does() {
    let table =
        Table::new("anacron-says", "1 0 a echo hi\n@monthly 0 b exit 3\n7 0 c kill -9 $$\n");
    table.root.write("stamps/c", days_ago(7));
    let said = table.says(&["-d", "-s"]);
    let expected = "Anacron started on TODAY\nWill run job `a' in 0 min.\nWill run job `b' in 0 min.\n\
        Will run job `c' in 0 min.\nJobs will be executed sequentially\nJob `a' started\n\
        Job `a' terminated (mailing output)\nJob `b' started\nJob `b' terminated (exit status: 3)\n\
        Job `c' started\nJob `c' terminated due to signal 9\nNormal exit (3 jobs run)\n";
    assert_eq!(said, expected);
    for job in ["a", "b", "c"] {
        assert_eq!(table.stamp(job), today(), "{job}");
    }
    assert_eq!(table.says(&["-d"]), "Anacron started on TODAY\nNormal exit (0 jobs run)\n");
    let said = table.says(&["-d", "-f", "-n", "c", "[a]"]);
    let expected = "Anacron started on TODAY\nWill run job `c'\nWill run job `a'\n\
        Jobs will be executed sequentially\nJob `c' started\nJob `c' terminated due to signal 9\n\
        Job `a' started\nJob `a' terminated (mailing output)\nNormal exit (2 jobs run)\n";
    assert_eq!(said, expected);
    assert_eq!(table.says(&["-d", "-q", "-f"]), "");
}

#[test]
fn only_what_the_stamps_leave_owed_is_run() {
    for (stamp, line, expected) in [
        (days_ago(0), "1 0 x :", false),
        (days_ago(1), "1 0 x :", true),
        (days_ago(6), "7 0 x :", false),
        (days_ago(7), "7 0 x :", true),
        (days_ago(0), "0 0 x :", true),
        (days_ago(0), "@weekly 0 x :", false),
        (days_ago(7), "@weekly 0 x :", true),
        (days_ago(31), "@monthly 0 x :", true),
        (days_ago(366), "@yearly 0 x :", true),
        (days_ago(-3), "@yearly 0 x :", true),
        ("".to_owned(), "1000 0 x :", true),
        ("nonsense".to_owned(), "1000 0 x :", true),
        ("2026".to_owned(), "1000 0 x :", true),
    ] {
        let table = Table::new("anacron-owed", line);
        table.root.write("stamps/x", &stamp);
        let said = table.says(&["-d"]);
        assert_eq!(said.contains("Job `x' terminated"), expected, "{stamp} {line}: {said}");
    }
}

#[test]
fn options_do_what_they_do_for_anacron() {
    let table = Table::new("anacron-options", "1 0 cron.daily echo ran >>$OUT\n7 0 other :\n");
    let said = table.says(&["-u", "-d", "cron.*"]);
    assert_eq!(said, "Updated timestamp for job `cron.daily' to TODAY\n");
    assert_eq!((table.stamp("cron.daily"), table.stamp("other")), (today(), String::new()));
    table.client(&["-T"]).run().ok();
    table.root.write("table", "1 0 x\n");
    table.client(&["-T"]).run().fails(1, "1:1: a job has a period");
    table.client(&["-x"]).run().fails(1, "'-x'");
    table.client(&["-V"]).run().ok();
    let nowhere = ["-t", "/nonexistent", "-d"];
    table.root.client(ANACRON, &nowhere).run().fails(1, "Error opening /nonexistent: ");
    table.root.write("table", "1 0 x :\n");
    table.client(&["-d", "-S", "/nonexistent"]).run().fails(1, "Can't chdir to /nonexistent: ");
}

#[test]
fn without_d_the_call_goes_on_in_the_background() {
    let table = Table::new("anacron-background", "1 0 x echo $A $PWD $B >$OUT\nB=b\n");
    let out = table.root.fifo("out");
    let client = table.client(&[]).variable("OUT", &out.0).variable("A", "inherited");
    let said = client.run().ok();
    assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("", ""));
    assert_eq!(out.take(), "inherited /\n");
    eventually("it is stamped", || table.stamp("x") == today());
}

/// A call whose first job has begun and waits, with what lets it go on.
fn begun(table: &Table) -> (crate::bench::Started, Pid, crate::bench::Fifo) {
    table.root.write("table", "1 0 x echo >$BEGUN; cat $GO >/dev/null\n1 5 y :\n");
    let (begun, go) = (table.root.fifo("begun"), table.root.fifo("go"));
    let client = table.client(&["-d"]).variable("GO", &go.0).variable("BEGUN", &begun.0);
    let started = client.start();
    let pid = Pid::from_raw(started.child.id().cast_signed());
    begun.take();
    (started, pid, go)
}

#[test]
fn jobs_outlive_the_call_and_are_stamped_all_the_same() {
    let table = Table::new("anacron-killed", "");
    let (started, pid, go) = begun(&table);
    let said = table.says(&["-d", "-n"]);
    for job in ["x", "y"] {
        assert!(said.contains(&format!("Job `{job}' locked by another anacron - skipping\n")));
    }
    kill(pid, Signal::SIGKILL).unwrap();
    let mut child = started.child;
    in_time("the end of the call", move || child.wait().unwrap());
    // The lock of the job that waited went with the call.
    let said = table.says(&["-d", "-n"]);
    assert!(said.contains("Job `x' locked") && said.contains("Job `y' terminated\n"), "{said}");
    go.open();
    eventually("it is stamped", || table.stamp("x") == today());
}

#[test]
fn asked_to_stop_a_call_starts_nothing_more() {
    let table = Table::new("anacron-usr1", "");
    let (started, pid, go) = begun(&table);
    kill(pid, Signal::SIGUSR1).unwrap();
    // Only then is it known that the other job is let go of.
    eventually("it lets go", || table.says(&["-d", "-n", "y"]).contains("Job `y' terminated"));
    go.open();
    // That it started is told by its session, which may come to it late.
    let said = started.finish().ok().stderr.replace("Job `x' started\n", "");
    assert!(said.ends_with("Received SIGUSR1\nJob `x' terminated\nExited\n"), "{said}");
    assert_eq!(table.stamp("x"), today());
}

/// Debian's anacron, where it is installed; `ANACRON` names another place.
fn real() -> Option<PathBuf> {
    let asked = std::env::var_os("ANACRON").map(PathBuf::from);
    let path = asked.unwrap_or_else(|| "/usr/sbin/anacron".into());
    // A link to ours is no other.
    let is_ours = |path: &Path| path.canonicalize().is_ok_and(|path| path.ends_with("rat-anacron"));
    let found = path.exists() && !is_ours(&path);
    assert!(found || std::env::var_os("ANACRON").is_none(), "{} is no anacron", path.display());
    if !found {
        eprintln!("skipped: no anacron; ANACRON=PATH says where there is one");
    }
    found.then_some(path)
}

/// How often programs are started together; the gate says `TOGETHER=200`.
fn together() -> u32 {
    std::env::var("TOGETHER").map_or(4, |count| count.parse().unwrap())
}

const JOBS: &str = "1 0 a echo a >>$OUT\n7 0 b echo b >>$OUT; exit 1\n@monthly 0 c echo c >>$OUT\n";

/// Every job was run once, by whomever, and is stamped.
#[track_caller]
fn once_each(root: &Root) {
    let stamp = |job: &str| root.read(&format!("var/spool/anacron/{job}"));
    let ran = root.read("out");
    let mut ran: Vec<_> = ran.lines().collect();
    ran.sort_unstable();
    assert_eq!(ran, ["a", "b", "c"]);
    for job in ["a", "b", "c"] {
        assert_eq!(stamp(job), today(), "{job}");
    }
}

fn prepare(name: &str) -> Root {
    let root = Root::new(name);
    root.write("etc/anacrontab", format!("OUT={}\n{JOBS}", root.shown("out")));
    root.write("var/spool/anacron/b", days_ago(8));
    root
}

fn beside(program: &Path, root: &Root) -> Client {
    let client = Client::new(program.to_str().unwrap());
    let client = client.arguments(&["-d", "-t", &root.shown("etc/anacrontab")]);
    client.arguments(&["-S", &root.shown("var/spool/anacron")])
}

#[test]
fn two_of_the_real_anacron_ours_and_ratd_run_each_job_once() {
    if !is_root() {
        return;
    }
    let programs: Vec<_> = [Some(PathBuf::from(ANACRON)), real()].into_iter().flatten().collect();
    for round in 0..together() {
        let root = prepare("anacron-together");
        // Every other time ratd has a head start, for it takes longer until it looks.
        let start = Start::system(&root);
        let call = || programs.iter().map(|program| beside(program, &root).start());
        let (started, mut ratd): (Vec<_>, _) = if round % 2 == 0 {
            let started = call().collect();
            (started, start.begin())
        } else {
            let mut ratd = start.begin();
            ratd.await_line("loaded");
            (call().collect(), ratd)
        };
        let others: Vec<_> = started.into_iter().map(|started| started.finish().ok()).collect();
        ratd.await_said("ready: ");
        // Each knows of every job by now: it is done, is being done by ratd, or was seen by ratd to be done.
        eventually("all is stamped", || {
            ["a", "b", "c"].iter().all(|job| {
                let path = root.path("var/spool/anacron").join(job);
                std::fs::read_to_string(path).is_ok_and(|text| text == today())
            })
        });
        eventually("ratd waits for another day", || {
            let jobs = root.json(&["list"])["jobs"].as_array().unwrap().clone();
            jobs.iter().all(|job| {
                job["next"]
                    .as_str()
                    .is_some_and(|next| next[..10].replace('-', "") + "\n" > today())
            })
        });
        once_each(&root);
        let ours = root.history();
        let ours = ours.iter().filter(|run| run["outcome"] == "exited").count();
        let theirs: Vec<_> =
            others.iter().map(|said| said.stderr.matches("' started").count()).collect();
        println!("round {round}: ratd ran {ours}, the others {theirs:?}");
        assert_eq!(ours + theirs.iter().sum::<usize>(), 3);
        ratd.stop();
        once_each(&root);
    }
}

#[test]
fn what_another_anacron_does_is_left_to_it_and_its_stamp_is_heeded() {
    if !is_root() {
        return;
    }
    let root = Root::new("anacron-left");
    root.directory("var/spool/anacron");
    let (begun, go) = (root.fifo("begun"), root.fifo("go"));
    let line = format!("1 0 x echo >{}; cat {}\n", root.shown("begun"), root.shown("go"));
    root.write("etc/anacrontab", line);
    let other = beside(Path::new(ANACRON), &root).start();
    begun.take();
    let mut ratd = Start::system(&root).ready();
    ratd.await_line("another anacron does it");
    let next = || root.json(&["list"])["jobs"][0]["next"].as_str().unwrap().to_owned();
    let soon = next();
    go.open();
    other.finish().ok();
    eventually("the stamp is heeded", || {
        next() > soon && next()[..10].replace('-', "") + "\n" > today()
    });
    assert_eq!(root.history_of("x")[0]["outcome"], "not-started");
    ratd.stop();
}

/// Debian's wiring under a root: its crontab, its anacrontab, and what its packages put into the directories. No
/// line is changed but for the place of the directories, and of anacron where it would be asked to stamp.
fn debian(root: &Root) {
    let crontab = "\
SHELL=/bin/sh
PATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin
17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly
25 6\t* * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }
47 6\t* * 7\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.weekly; }
52 6\t1 * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.monthly; }
";
    let anacrontab = "\
SHELL=/bin/sh
PATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin
HOME=/root
LOGNAME=root
1\t5\tcron.daily\trun-parts --report /etc/cron.daily
7\t10\tcron.weekly\trun-parts --report /etc/cron.weekly
@monthly\t15\tcron.monthly\trun-parts --report /etc/cron.monthly
";
    let here = |text: &str| text.replace("/etc/cron.", &format!("{}/etc/cron.", root.shown("")));
    root.write("etc/crontab", here(crontab));
    root.write("etc/anacrontab", here(anacrontab));
    for often in ["hourly", "daily", "weekly", "monthly"] {
        let stamps = format!("#!/bin/sh\nRAT_ROOT={} {ANACRON} -u cron.{often}\n", root.shown(""));
        let works = format!("#!/bin/sh\necho {often} >>{}\n", root.shown("out"));
        for (name, text) in [("0anacron", stamps), ("work", works)] {
            if (often, name) != ("hourly", "0anacron") {
                root.write(&format!("etc/cron.{often}/{name}"), text);
                root.mode(&format!("etc/cron.{often}/{name}"), 0o755);
            }
        }
    }
}

/// Has ratd live from one instant to another, and waits until nothing runs any more.
fn live(root: &Root, library: &Path, from: &str, until: &str) {
    let seconds = |text: &str| {
        let instant = DateTime::parse_from_rfc3339(&format!("{text}:00Z")).unwrap();
        instant.timestamp().to_string()
    };
    let _ = std::fs::remove_file(root.path("go"));
    let mut ratd = Start::system(root)
        .variable("LD_PRELOAD", library)
        .variable("RAT_SIM_FROM", seconds(from))
        .variable("RAT_SIM_UNTIL", seconds(until))
        .variable("RAT_SIM_QUIET", "100")
        .variable("RAT_SIM_GO", root.path("go"))
        .ready();
    root.write("go", "");
    ratd.await_line("sim: the end");
    eventually("nothing runs any more", || root.json(&["status"])["running"] == 0);
    ratd.stop();
}

fn count(root: &Root, often: &str) -> usize {
    let out = std::fs::read_to_string(root.path("out")).unwrap_or_default();
    out.lines().filter(|line| *line == often).count()
}

#[test]
fn debians_wiring_runs_each_directory_once_a_period() {
    if !is_root() {
        return;
    }
    let root = Root::new("wiring");
    let Some(library) = shim(&root, "clock.c") else { return };
    let counts =
        |root: &Root| ["hourly", "daily", "weekly", "monthly"].map(|often| count(root, often));
    // Always on: two days and a half, from Wednesday noon over the end of a month.
    debian(&root);
    live(&root, &library, "2030-01-30T12:00", "2030-02-02T00:00");
    assert_eq!(counts(&root), [60, 3, 1, 2]);
    // Off each night and each morning: two hours a day of the next week.
    for day in 2..=8 {
        let at = |hour| format!("2030-02-{day:02}T{hour}");
        live(&root, &library, &at("20:00"), &at("22:00"));
    }
    assert_eq!(counts(&root), [60 + 14, 3 + 7, 2, 2]);
}

#[test]
fn red_hats_wiring_calls_anacron_beside_ratd_and_nothing_runs_twice() {
    if !is_root() {
        return;
    }
    let root = prepare("wiring-red-hat");
    let bin = root.directory("bin");
    std::os::unix::fs::symlink(ANACRON, bin.join("anacron")).unwrap();
    let script = format!(
        "#!/bin/sh\n\
         test -r {spool}/cron.daily && [ \"$(date +%Y%m%d)\" = \"$(cat {spool}/cron.daily)\" ] && exit 0\n\
         {bin}/anacron -s\n",
        spool = root.shown("var/spool/anacron"),
        bin = root.shown("bin"),
    );
    root.write("0anacron", script);
    let hourly = || Client::new("/bin/sh").argument(&root.shown("0anacron"));
    let first = hourly().variable("RAT_ROOT", &root.path).start();
    let ratd = Start::system(&root).ready();
    first.finish().ok();
    hourly().variable("RAT_ROOT", &root.path).run().ok();
    eventually("all is stamped", || {
        ["a", "b", "c"].iter().all(|job| {
            let path = root.path("var/spool/anacron").join(job);
            std::fs::read_to_string(path).is_ok_and(|text| text == today())
        })
    });
    once_each(&root);
    ratd.stop();
}
