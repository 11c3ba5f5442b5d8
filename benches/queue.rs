//! What the at queue costs, beside Debian's at in the same run: `cargo bench --bench queue`, as root.
//!
//! A submission through the client process, rat's durable, at's not; the same from eight clients at once; a queue of
//! 100,000 jobs listed; an idle ratd with 1,000,000 jobs queued. at is unpacked from its package and works in a spool
//! of its own, in a mount namespace of its own.
#![allow(clippy::disallowed_methods)] // It starts the programs that it measures.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};

use rat::plan::job::Mail;
use rat::plan::submission::{Queue, Submission};
use rat::plan::text::Text;
use rat::store::Store;

type Failed = Box<dyn std::error::Error>;

const SUBMISSIONS: u32 = 100;
const ROUNDS: usize = 9;
const CLIENTS: u32 = 8;

fn main() -> Result<(), Failed> {
    if !Uid::effective().is_root() {
        println!("skipped: only root can give at a spool of its own");
        return Ok(());
    }
    let place = Place::new()?;
    match place.unpack_at() {
        Ok(at) => submissions(&place, &at)?,
        Err(why) => println!("skipped: at cannot be had from its package: {why}"),
    }
    listing(&place)?;
    idle(&place)
}

/// A directory that goes with the run.
struct Place(PathBuf);

impl Place {
    fn new() -> Result<Place, Failed> {
        let path = std::env::temp_dir().join(format!("rat-bench-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Place(path))
    }

    fn root(&self, name: &str) -> Result<PathBuf, Failed> {
        let root = self.0.join(name);
        fs::create_dir_all(root.join("var/lib/rat"))?;
        Ok(root)
    }

    /// Debian's at, from its package and nowhere installed.
    fn unpack_at(&self) -> Result<PathBuf, Failed> {
        let script = "apt-get download -qq at >/dev/null 2>&1 && dpkg-deb -x at_*.deb at";
        let status = Command::new("sh").args(["-c", script]).current_dir(&self.0).status()?;
        if status.success() {
            Ok(self.0.join("at/usr/bin/at"))
        } else {
            Err(format!("{script}: {status}").into())
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A ratd in a root of its own.
struct Ratd(Child);

impl Ratd {
    fn start(root: &Path) -> Result<Ratd, Failed> {
        let ratd = Path::new(env!("CARGO_BIN_EXE_ratd"));
        let mut ratd =
            Command::new(ratd).args(["-n", "--root"]).arg(root).stderr(Stdio::piped()).spawn()?;
        let said = BufReader::new(ratd.stderr.take().ok_or("no standard error")?);
        let mut lines = said.lines();
        while !lines.next().ok_or("ratd ended")??.contains("ready") {}
        // It goes on saying things, and must not be stopped by that.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Ratd(ratd))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Ratd {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

/// A shell that submits jobs when it is told to, one client after the other or several at once.
struct Submitter {
    shell: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Submitter {
    fn new(mut shell: Command) -> Result<Submitter, Failed> {
        let loop_ = "while read clients count; do
            for client in $(seq $clients); do
                (for job in $(seq $count); do $AT -f /dev/null noon tomorrow 2>/dev/null || echo failed; done) &
            done
            wait; echo done
        done";
        let mut shell =
            shell.args(["sh", "-c", loop_]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let said = BufReader::new(shell.stdout.take().ok_or("no standard output")?);
        Ok(Submitter { shell, said })
    }

    fn time(&mut self, clients: u32, count: u32) -> Result<Duration, Failed> {
        let started = Instant::now();
        let input = self.shell.stdin.as_mut().ok_or("no standard input")?;
        writeln!(input, "{clients} {count}")?;
        let mut said = String::new();
        self.said.read_line(&mut said)?;
        if said == "done\n" {
            Ok(started.elapsed())
        } else {
            Err(format!("a submission: {said}").into())
        }
    }
}

impl Drop for Submitter {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

fn submissions(place: &Place, at: &Path) -> Result<(), Failed> {
    let root = place.root("submissions")?;
    let _ratd = Ratd::start(&root)?;
    let mut ours = Command::new("env");
    ours.env("AT", env!("CARGO_BIN_EXE_rat-at")).env("RAT_ROOT", &root);
    let mut theirs = Command::new("unshare");
    // On the same file system as ratd's state, so that both pay the same for a file.
    let spool = place.root("at-spool")?;
    let set_up = "cd \"$SPOOL\" && mkdir -p cron/atjobs cron/atspool && echo 01 >cron/atjobs/.SEQ &&
        chown -R daemon:daemon cron && chmod 1770 cron/atjobs cron/atspool && chmod 600 cron/atjobs/.SEQ &&
        mount --bind . /var/spool && exec \"$@\"";
    theirs.env("AT", at).env("SPOOL", &spool).args(["-m", "sh", "-c", set_up, "sh"]);
    let (mut ours, mut theirs) = (Submitter::new(ours)?, Submitter::new(theirs)?);
    for clients in [1, CLIENTS] {
        let count = SUBMISSIONS / clients;
        let mut rows = Vec::new();
        for _ in 0..ROUNDS {
            rows.push((ours.time(clients, count)?, theirs.time(clients, count)?));
        }
        let each = |total: Duration| total.as_secs_f64() * 1e3 / f64::from(count * clients);
        let ratio =
            median(rows.iter().map(|(ours, theirs)| ours.as_secs_f64() / theirs.as_secs_f64()));
        println!(
            "a submission, {clients} at once: rat {:.2} ms, at {:.2} ms, ratio {ratio:.2} (median of {ROUNDS})",
            median(rows.iter().map(|(ours, _)| each(*ours))),
            median(rows.iter().map(|(_, theirs)| each(*theirs))),
        );
    }
    Ok(())
}

fn listing(place: &Place) -> Result<(), Failed> {
    const JOBS: u32 = 100_000;
    let root = place.root("listing")?;
    fill(&root, JOBS)?;
    let _ratd = Ratd::start(&root)?;
    let (mut times, list) = (Vec::new(), root.join("list"));
    for _ in 0..ROUNDS {
        // Into a file: a pipe would cost as much as whoever reads it takes of the processors.
        let mut atq = Command::new(env!("CARGO_BIN_EXE_rat-atq"));
        atq.env("RAT_ROOT", &root).stdout(fs::File::create(&list)?);
        let started = Instant::now();
        let status = atq.status()?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
        let lines = fs::read(&list)?.iter().filter(|byte| **byte == b'\n').count();
        if lines != JOBS as usize || !status.success() {
            return Err(format!("rat-atq listed {lines} jobs: {status}").into());
        }
    }
    println!("rat-atq with {JOBS} jobs: {:.0} ms (median of {ROUNDS})", median(times.into_iter()));
    Ok(())
}

fn idle(place: &Place) -> Result<(), Failed> {
    const JOBS: u32 = 1_000_000;
    const WATCHED: Duration = Duration::from_secs(10);
    let root = place.root("idle")?;
    fill(&root, JOBS)?;
    let ratd = Ratd::start(&root)?;
    // It is ready before its last words are written.
    std::thread::sleep(Duration::from_secs(1));
    let before = Cost::of(ratd.pid())?;
    std::thread::sleep(WATCHED);
    let after = Cost::of(ratd.pid())?;
    println!(
        "idle with {JOBS} jobs queued, for {} s: {} wake-ups, {} clock ticks, {} KiB resident",
        WATCHED.as_secs(),
        after.switches - before.switches,
        after.ticks - before.ticks,
        after.resident,
    );
    Ok(())
}

/// What a process has used so far (proc(5)).
struct Cost {
    switches: u64,
    ticks: u64,
    resident: u64,
}

impl Cost {
    fn of(pid: u32) -> Result<Cost, Failed> {
        let (mut switches, mut resident) = (0, 0);
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let status = fs::read_to_string(thread?.path().join("status"))?;
            let number = |name: &str| -> u64 {
                let line = status.lines().find(|line| line.starts_with(name));
                let word = line.and_then(|line| line.split_whitespace().nth(1));
                word.and_then(|word| word.parse().ok()).unwrap_or(0)
            };
            switches += number("voluntary_ctxt_switches");
            resident = number("VmRSS");
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        Ok(Cost { switches, ticks, resident })
    }
}

/// Queues so many jobs, all due in a year.
fn fill(root: &Path, jobs: u32) -> Result<(), Failed> {
    let mut store = Store::open(&root.join("var/lib/rat/rat.db"))?;
    // On a second, as what at's words mean always is.
    let now = DateTime::<Utc>::from(std::time::SystemTime::now()).trunc_subsecs(0);
    let job = |number: u32| Submission {
        due: now + TimeDelta::days(365) + TimeDelta::seconds(i64::from(number)),
        queue: Queue::new('a').unwrap_or_else(|| unreachable!()),
        script: Text::from("true\n"),
        environment: [(Text::from("PATH"), Text::from("/usr/bin:/bin"))].into(),
        directory: Text::from("/"),
        umask: 0o22,
        mail: Mail::Never,
        mail_to: None,
        deadline: None,
    };
    let change = store.begin()?;
    for number in 0..jobs {
        change.submit(Uid::from_raw(0), "root", now, &job(number))?;
    }
    change.commit()?;
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
