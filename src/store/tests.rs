//! The store against real files: what is acknowledged stays, what is not ours is refused.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{DateTime, NaiveDate, TimeDelta};
use nix::unistd::Uid;

use crate::plan::absence::{Absence, Cause};
use crate::plan::at_queue::QueueKind;
use crate::plan::civil::Timestamp;
use crate::plan::job::{JobId, Kind, Mail};
use crate::plan::missed::Remembered;
use crate::plan::run::{Outcome, Report, Run, RunId, Trigger, Usage};
use crate::plan::submission::{Queue, Submission};
use crate::plan::text::Text;
use crate::store::queue::{Removed, Retried, State};
use crate::store::runs::Filter;
use crate::store::{Change, MIGRATIONS, Store};

const ALICE: Uid = Uid::from_raw(1000);
const BOB: Uid = Uid::from_raw(1001);

/// A directory that goes with the test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Directory {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rat-store-{}-{count}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Directory(path)
    }

    fn database(&self) -> PathBuf {
        self.0.join("rat.db")
    }

    fn open(&self) -> Store {
        Store::open(&self.database()).unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn at(seconds: i64) -> Timestamp {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn submission(due: i64) -> Submission {
    Submission {
        due: at(due),
        queue: Queue::new('a').unwrap(),
        script: Text(b"echo \xff\n".to_vec()),
        environment: [("PATH".into(), "/bin".into()), ("E".into(), "a=b".into())].into(),
        directory: "/home/alice".into(),
        umask: 0o27,
        mail: Mail::Always,
        mail_to: Some("carol".to_owned()),
        deadline: None,
    }
}

fn submit(store: &mut Store, due: i64) -> u64 {
    let change = store.begin().unwrap();
    let number = change.submit(ALICE, "alice", at(-5), &submission(due)).unwrap();
    change.commit().unwrap();
    number
}

fn run(id: u64, job: &str) -> Run {
    Run {
        id: RunId(id),
        job: JobId(job.to_owned()),
        name: format!("{job}-name"),
        owner: "alice".to_owned(),
        due: at(id as i64),
        trigger: Trigger::Schedule,
        attempt: 1,
    }
}

fn report(run: Run, outcome: Outcome) -> Report {
    Report {
        started: run.due,
        ended: run.due + TimeDelta::seconds(1),
        run,
        outcome,
        usage: Usage { user_microseconds: 1, system_microseconds: 2, max_rss_kib: 3 },
        output: Text(b"out\n".to_vec()),
        output_bytes: 4,
        told: false,
    }
}

fn finish(store: &mut Store, report: &Report) {
    let change = store.begin().unwrap();
    change.finish(report).unwrap();
    change.commit().unwrap();
}

fn refusal(path: &Path) -> String {
    let message = Store::open(path).unwrap_err().to_string();
    assert!(message.starts_with(path.to_str().unwrap()), "names the file: {message}");
    message
}

#[test]
fn the_list_of_migrations_is_the_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut names: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let texts: Vec<String> =
        names.iter().map(|name| std::fs::read_to_string(name).unwrap()).collect();
    assert_eq!(texts, MIGRATIONS);
    for (number, name) in (1..).zip(&names) {
        let name = name.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with(&format!("{number:04}_")), "{name}");
    }
}

#[test]
fn only_its_owner_may_read_the_database() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::new();
    let mut store = directory.open();
    submit(&mut store, 0);
    for file in std::fs::read_dir(&directory.0).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.path());
    }
}

#[test]
fn a_job_comes_back_as_it_was_submitted() {
    let directory = Directory::new();
    let number = submit(&mut directory.open(), 60);
    let store = directory.open();
    let (queued, shown) = store.show(number).unwrap().unwrap();
    assert_eq!(shown, submission(60));
    assert_eq!((queued.uid, queued.owner.as_str()), (ALICE, "alice"));
    assert_eq!((queued.due, queued.submitted, queued.state), (at(60), at(-5), State::Queued));
    assert_eq!(store.waiting().unwrap().timed, Some(at(60)));
}

#[test]
fn what_was_committed_is_in_the_files_before_they_are_closed() {
    let directory = Directory::new();
    let mut store = directory.open();
    let number = submit(&mut store, 0);
    let unfinished = store.begin().unwrap();
    unfinished.submit(ALICE, "alice", at(0), &submission(0)).unwrap();
    // As after a kill: the files as they are, with no connection closed in order.
    let copy = Directory::new();
    for name in ["rat.db", "rat.db-wal"] {
        std::fs::copy(directory.0.join(name), copy.0.join(name)).unwrap();
    }
    let found: Vec<u64> = copy.open().list(None).unwrap().iter().map(|job| job.number).collect();
    assert_eq!(found, [number]);
}

#[test]
fn a_change_that_is_dropped_never_was() {
    let directory = Directory::new();
    let mut store = directory.open();
    drop(store.begin().unwrap().submit(ALICE, "alice", at(0), &submission(0)));
    assert_eq!(store.list(None).unwrap(), []);
}

#[test]
fn jobs_are_claimed_in_order_of_due_time_and_number() {
    let directory = Directory::new();
    let mut store = directory.open();
    let numbers: Vec<u64> = [300, 100, 200, 100, 4000].map(|due| submit(&mut store, due)).to_vec();
    let change = store.begin().unwrap();
    let first = change.claim_due(QueueKind::Timed, at(310), RunId(70), 2).unwrap();
    let second = change.claim_due(QueueKind::Timed, at(310), RunId(72), 100).unwrap();
    change.commit().unwrap();
    let claimed: Vec<_> = first
        .iter()
        .chain(&second)
        .map(|job| (job.number, job.run.id.0, job.run.trigger))
        .collect();
    assert_eq!(
        claimed,
        [
            (numbers[1], 70, Trigger::CatchUp),
            (numbers[3], 71, Trigger::CatchUp),
            (numbers[2], 72, Trigger::CatchUp),
            (numbers[0], 73, Trigger::At),
        ]
    );
    let recipe = &first[0].recipe;
    assert_eq!((recipe.kind, recipe.umask), (Kind::At, Some(0o27)));
    assert_eq!(recipe.environment, submission(0).environment);
    assert_eq!(first[0].run.job, JobId(format!("at-{}", numbers[1])));
    let change = store.begin().unwrap();
    assert_eq!(change.claim_due(QueueKind::Timed, at(310), RunId(80), 100).unwrap(), []);
    drop(change);
    assert_eq!(store.waiting().unwrap().timed, Some(at(4000)));
    assert_eq!(store.highest_id().unwrap(), Some(RunId(73)));
}

#[test]
fn a_number_is_never_given_twice() {
    let directory = Directory::new();
    let mut store = directory.open();
    submit(&mut store, 0);
    let highest = submit(&mut store, 0);
    let change = store.begin().unwrap();
    assert_eq!(change.remove(highest, ALICE).unwrap(), Removed::Gone);
    change.commit().unwrap();
    drop(store);
    assert!(submit(&mut directory.open(), 0) > highest);
}

#[test]
fn a_job_is_removed_by_its_owner_or_root_alone() {
    let directory = Directory::new();
    let mut store = directory.open();
    let numbers = [submit(&mut store, 0), submit(&mut store, 0), submit(&mut store, 100)];
    let change = store.begin().unwrap();
    assert_eq!(change.claim_due(QueueKind::Timed, at(0), RunId(1), 1).unwrap().len(), 1);
    let cases = [
        (numbers[0], BOB, Removed::NotOwner),
        (numbers[0], ALICE, Removed::WasRunning(RunId(1))),
        (numbers[1], BOB, Removed::NotOwner),
        (numbers[1], ALICE, Removed::Gone),
        (numbers[1], ALICE, Removed::NoSuchJob),
        (numbers[2], Uid::from_raw(0), Removed::Gone),
        (u64::MAX, ALICE, Removed::NoSuchJob),
    ];
    for (number, caller, expected) in cases {
        assert_eq!(change.remove(number, caller).unwrap(), expected, "{number} by {caller}");
    }
    change.commit().unwrap();
    assert_eq!(store.list(None).unwrap(), []);
    // Its run is still known, and is finished as any other.
    assert_eq!(store.unfinished().unwrap().len(), 1);
}

#[test]
fn users_see_their_own_jobs_running_ones_too() {
    let directory = Directory::new();
    let mut store = directory.open();
    let mine = [submit(&mut store, 50), submit(&mut store, 10)];
    let change = store.begin().unwrap();
    let other = change.submit(BOB, "bob", at(0), &submission(20)).unwrap();
    change.claim_due(QueueKind::Timed, at(10), RunId(1), 9).unwrap();
    change.commit().unwrap();
    let numbers = |owner| -> Vec<(u64, State)> {
        store.list(owner).unwrap().iter().map(|job| (job.number, job.state)).collect()
    };
    assert_eq!(numbers(Some(ALICE)), [(mine[1], State::Claimed), (mine[0], State::Queued)]);
    assert_eq!(
        numbers(None),
        [(mine[1], State::Claimed), (other, State::Queued), (mine[0], State::Queued)]
    );
}

#[test]
fn a_job_that_is_over_leaves_no_script_behind() {
    let cases = [
        (Outcome::Exited(0), false),
        (Outcome::Exited(7), false),
        (Outcome::Killed(9), false),
        (Outcome::NotStarted("no such user".to_owned()), false),
        (Outcome::Lost("power".to_owned()), true),
    ];
    for (outcome, kept) in cases {
        let directory = Directory::new();
        let mut store = directory.open();
        let number = submit(&mut store, 0);
        let change = store.begin().unwrap();
        let claimed = change.claim_due(QueueKind::Timed, at(0), RunId(1), 9).unwrap();
        change.commit().unwrap();
        assert_eq!(store.unfinished().unwrap(), [claimed[0].run.clone()]);
        finish(&mut store, &report(claimed[0].run.clone(), outcome.clone()));
        assert_eq!(store.unfinished().unwrap(), []);
        assert_eq!(store.list(None).unwrap().len(), usize::from(kept));
        assert_eq!(store.show(number).unwrap().is_some(), kept, "{outcome:?}");
        let past = store.history(&Filter { limit: 9, ..Filter::default() }).unwrap();
        assert_eq!(past[0].outcome, Some(outcome));
    }
}

#[test]
fn a_lost_job_whose_report_turns_up_was_not_lost() {
    let directory = Directory::new();
    let mut store = directory.open();
    let number = submit(&mut store, 0);
    let change = store.begin().unwrap();
    let run = change.claim_due(QueueKind::Timed, at(0), RunId(1), 9).unwrap()[0].run.clone();
    change.lose(&run, "power failed", at(9)).unwrap();
    change.commit().unwrap();
    assert_eq!(store.show(number).unwrap().unwrap().0.state, State::Lost);
    finish(&mut store, &report(run.clone(), Outcome::Exited(0)));
    let change = store.begin().unwrap();
    change.lose(&run, "too late", at(10)).unwrap();
    change.commit().unwrap();
    let past = store.history(&Filter { limit: 9, ..Filter::default() }).unwrap();
    assert_eq!(past[0].outcome, Some(Outcome::Exited(0)));
    assert_eq!(store.show(number).unwrap(), None);
}

#[test]
fn batch_jobs_are_claimed_on_their_own() {
    let directory = Directory::new();
    let mut store = directory.open();
    let change = store.begin().unwrap();
    let queue = |letter| Submission { queue: Queue::new(letter).unwrap(), ..submission(0) };
    let numbers = ['b', 'c', 'Z']
        .map(|letter| change.submit(ALICE, "alice", at(-5), &queue(letter)).unwrap());
    let claim = |kind, run| -> Vec<u64> {
        let claimed = change.claim_due(kind, at(0), RunId(run), 1).unwrap();
        claimed.iter().map(|job| job.number).collect()
    };
    assert_eq!(claim(QueueKind::Batch, 1), [numbers[0]]);
    assert_eq!(claim(QueueKind::Timed, 2), [numbers[1]]);
    assert_eq!(claim(QueueKind::Timed, 3), [0; 0]);
    assert_eq!(claim(QueueKind::Batch, 4), [numbers[2]]);
    assert_eq!(claim(QueueKind::Batch, 5), [0; 0]);
}

#[test]
fn a_lost_job_is_told_of_once_and_queued_again_by_its_owner_alone() {
    let directory = Directory::new();
    let mut store = directory.open();
    let number = submit(&mut store, 0);
    let waiting = submit(&mut store, 50);
    let change = store.begin().unwrap();
    let run = change.claim_due(QueueKind::Timed, at(0), RunId(1), 9).unwrap()[0].run.clone();
    change.lose(&run, "power failed", at(9)).unwrap();
    change.commit().unwrap();
    let untold = store.untold(9).unwrap();
    let [(report, recipe)] = untold.as_slice() else { panic!("{untold:?}") };
    assert_eq!(report.outcome, Outcome::Lost("power failed".to_owned()));
    assert_eq!((&report.run, report.ended), (&run, at(9)));
    assert_eq!((recipe.uid, recipe.command.clone()), (Some(1000), submission(0).script));
    let change = store.begin().unwrap();
    change.told(run.id).unwrap();
    let cases = [
        (number, BOB, Retried::NotOwner),
        (waiting, ALICE, Retried::NotLost),
        (number, ALICE, Retried::As(waiting + 1)),
        (number, ALICE, Retried::NoSuchJob),
    ];
    for (number, caller, expected) in cases {
        assert_eq!(change.retry(number, caller, at(70)).unwrap(), expected, "{number} by {caller}");
    }
    change.commit().unwrap();
    assert_eq!(store.untold(9).unwrap(), []);
    let (again, kept) = store.show(waiting + 1).unwrap().unwrap();
    assert_eq!((again.due, again.state), (at(70), State::Queued));
    assert_eq!(kept, Submission { due: at(70), ..submission(0) });
}

#[test]
fn a_run_finishes_once_whether_its_beginning_was_told_or_not() {
    let directory = Directory::new();
    let mut store = directory.open();
    let (told, untold) = (run(1, "told"), run(2, "untold"));
    let change = store.begin().unwrap();
    change.begun(&told).unwrap();
    change.begun(&told).unwrap();
    change.commit().unwrap();
    assert_eq!(store.unfinished().unwrap(), std::slice::from_ref(&told));
    for run in [told, untold.clone()] {
        let report = report(run, Outcome::Exited(7));
        finish(&mut store, &report);
        finish(&mut store, &report);
    }
    assert_eq!(store.unfinished().unwrap(), []);
    let past = store.history(&Filter { limit: 9, ..Filter::default() }).unwrap();
    assert_eq!(past.iter().map(|past| past.run.id.0).collect::<Vec<_>>(), [2, 1]);
    let report = report(untold, Outcome::Exited(7));
    assert_eq!(past[0].run, report.run);
    assert_eq!((past[0].started, past[0].ended), (Some(report.started), Some(report.ended)));
    assert_eq!((past[0].usage, past[0].output_bytes), (report.usage, 4));
    assert_eq!(past[0].output, report.output);
}

#[test]
fn history_is_asked_by_owner_name_and_beginning_of_id() {
    let directory = Directory::new();
    let mut store = directory.open();
    let bobs = Run { owner: "bob".to_owned(), ..run(3, "00ff") };
    for run in [run(1, "aabb"), run(2, "aacc"), bobs] {
        finish(&mut store, &report(run, Outcome::Exited(0)));
    }
    let filter = |owner, job, limit| Filter { owner, job, limit, only_ends: false };
    let cases: [(Filter<'_>, &[u64]); 8] = [
        (filter(None, None, 9), &[3, 2, 1]),
        (filter(None, None, 1), &[3]),
        (filter(Some("alice"), None, 9), &[2, 1]),
        (filter(None, Some("aa"), 9), &[2, 1]),
        (filter(None, Some("aabb"), 9), &[1]),
        (filter(None, Some("aacc-name"), 9), &[2]),
        (filter(Some("alice"), Some("00ff"), 9), &[]),
        (filter(None, Some("%"), 9), &[]),
    ];
    for (filter, expected) in cases {
        let found: Vec<u64> =
            store.history(&filter).unwrap().iter().map(|past| past.run.id.0).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}

#[test]
fn the_last_run_of_each_job_is_known() {
    let directory = Directory::new();
    let mut store = directory.open();
    submit(&mut store, 0);
    // Reports may come in any order.
    for (id, job) in [(1, "a"), (5, "a"), (3, "a"), (2, "b")] {
        finish(&mut store, &report(run(id, job), Outcome::Exited(id as i32)));
    }
    let change = store.begin().unwrap();
    change.claim_due(QueueKind::Timed, at(0), RunId(9), 1).unwrap();
    change.commit().unwrap();
    let ids = |owner| -> Vec<u64> {
        store.last_of_each(owner).unwrap().iter().map(|past| past.run.id.0).collect()
    };
    assert_eq!(ids(None), [5, 2]);
    assert!(ids(Some("bob")).is_empty());
}

#[test]
fn fifty_runs_of_a_job_are_kept_and_those_that_go_on() {
    let directory = Directory::new();
    let mut store = directory.open();
    let change = store.begin().unwrap();
    change.begun(&run(1, "a")).unwrap();
    for id in 2..=200 {
        change.finish(&report(run(id, "a"), Outcome::Exited(0))).unwrap();
    }
    change.commit().unwrap();
    let past = store.history(&Filter { limit: 999, ..Filter::default() }).unwrap();
    assert_eq!((past.len(), past[49].run.id.0, past[50].run.id.0), (51, 151, 1));
}

#[test]
fn old_runs_go_but_for_the_newest_of_a_job_a_few_at_a_time() {
    let directory = Directory::new();
    let mut store = directory.open();
    submit(&mut store, 0);
    let change = store.begin().unwrap();
    let claimed = change.claim_due(QueueKind::Timed, at(0), RunId(900), 1).unwrap();
    change.finish(&report(claimed[0].run.clone(), Outcome::Exited(0))).unwrap();
    for id in 1..=9 {
        change.finish(&report(run(id, "a"), Outcome::Exited(0))).unwrap();
    }
    change.commit().unwrap();
    let prune = |store: &mut Store, days, limit| {
        let change = store.begin().unwrap();
        let pruned = change.prune(at(60) + TimeDelta::days(days), limit).unwrap();
        change.commit().unwrap();
        pruned
    };
    assert_eq!(prune(&mut store, 29, 99), 0);
    assert_eq!(prune(&mut store, 30, 5), 5 + 1);
    assert_eq!(prune(&mut store, 30, 5), 4);
    assert_eq!(prune(&mut store, 30, 5), 0);
    let left = store.history(&Filter { limit: 999, ..Filter::default() }).unwrap();
    assert_eq!(left.iter().map(|past| past.run.id.0).collect::<Vec<_>>(), [9]);
    assert_eq!(prune(&mut store, 900, 5), 1);
}

#[test]
fn stamps_and_the_boot_are_remembered() {
    let directory = Directory::new();
    let day = |day| NaiveDate::from_ymd_opt(2027, 2, day).unwrap();
    let mut store = directory.open();
    assert_eq!(store.done("cron.daily").unwrap(), None);
    assert_eq!(store.boot_id().unwrap(), None);
    let change = store.begin().unwrap();
    change.mark_done("cron.daily", day(1)).unwrap();
    change.mark_done("cron.daily", day(2)).unwrap();
    change.set_boot_id("b00t").unwrap();
    change.commit().unwrap();
    drop(store);
    let store = directory.open();
    assert_eq!(store.done("cron.daily").unwrap(), Some(day(2)));
    assert_eq!(store.boot_id().unwrap().as_deref(), Some("b00t"));
}

#[test]
fn what_is_no_database_of_ours_is_refused_and_left_alone() {
    let directory = Directory::new();
    let path = directory.database();
    let noise: Vec<u8> =
        (0..9000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for garbage in [b"hello".as_slice(), &noise] {
        std::fs::write(&path, garbage).unwrap();
        assert!(refusal(&path).contains("not a database"));
        assert_eq!(std::fs::read(&path).unwrap(), garbage);
    }
    std::fs::remove_file(&path).unwrap();
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(refusal(&path).contains("belongs to another program"));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert!(refusal(&directory.0.join("missing/rat.db")).contains("No such file"));
    assert!(!refusal(&directory.0).is_empty());
}

#[test]
fn a_file_cut_or_overwritten_makes_errors_not_panics() {
    let directory = Directory::new();
    let mut store = directory.open();
    for due in 0..300 {
        submit(&mut store, due);
    }
    drop(store);
    let whole = std::fs::read(directory.database()).unwrap();
    for cut in [0, 100, 512, 4096, 5000, whole.len() / 2, whole.len() - 1] {
        let mut noisy = whole.clone();
        noisy[cut.max(100)..].fill(0xa5);
        for damaged in [&whole[..cut], &noisy] {
            std::fs::write(directory.database(), damaged).unwrap();
            let Ok(mut store) = Store::open(&directory.database()) else { continue };
            let _ = store.list(None);
            let _ = store.waiting();
            let _ = store.show(7);
            if let Ok(change) = store.begin() {
                let _ = change.claim_due(QueueKind::Timed, at(100), RunId(1), 999);
                let _ = change.commit();
            }
        }
    }
}

#[test]
fn a_newer_database_is_refused() {
    let directory = Directory::new();
    drop(directory.open());
    drop(Store::open_with(
        &directory.database(),
        &[MIGRATIONS, &["CREATE TABLE new (x)"]].concat(),
    ));
    let message = refusal(&directory.database());
    let (newer, copy) = (MIGRATIONS.len() + 1, MIGRATIONS.len());
    let says = |what: String| message.contains(&what);
    assert!(says(format!("has version {newer}")) && says(format!("rat.db.{copy}")), "{message}");
}

#[test]
fn the_first_database_is_upgraded_with_its_queue() {
    let directory = Directory::new();
    let store = Store::open_with(&directory.database(), &MIGRATIONS[..1]).unwrap();
    store
        .read(|connection| {
            connection.execute_batch(
                "INSERT INTO jobs (uid, owner, queue, due, submitted) VALUES (1, 'a', 'b', 5, 1), (1, 'a', 'c', 7, 1)",
            )
        })
        .unwrap();
    drop(store);
    let waiting = directory.open().waiting().unwrap();
    let at = |microseconds| DateTime::from_timestamp_micros(microseconds);
    assert_eq!((waiting.batch, waiting.timed), (at(5), at(7)));
}

#[test]
fn an_upgrade_keeps_a_copy_and_fails_as_a_whole() {
    let directory = Directory::new();
    let number = submit(&mut directory.open(), 0);
    let failing = [MIGRATIONS, &["CREATE TABLE half (x)", "CREATE TABLE half (x)"]].concat();
    let error = Store::open_with(&directory.database(), &failing).unwrap_err();
    assert!(error.to_string().contains("half"), "{error}");
    let store = directory.open();
    let half = store
        .read(|connection| {
            connection.prepare("SELECT * FROM sqlite_schema WHERE name = 'half'")?.exists([])
        })
        .unwrap();
    assert!(!half);
    assert_eq!(store.list(None).unwrap()[0].number, number);
    drop(store);
    let copy = directory.0.join(format!("rat.db.{}", MIGRATIONS.len()));
    std::fs::rename(copy, directory.database()).unwrap();
    assert_eq!(directory.open().list(None).unwrap()[0].number, number);
}

#[test]
fn a_full_disk_loses_the_change_and_nothing_else() {
    let directory = Directory::new();
    let mut store = directory.open();
    let first = submit(&mut store, 0);
    let limit = |store: &Store, pages: &str| {
        let pragma = format!("PRAGMA max_page_count = {pages}");
        store.read(|connection| connection.query_row(&pragma, [], |_| Ok(()))).unwrap();
    };
    limit(&store, "1");
    let large = Submission { script: Text(vec![b'x'; 1 << 20]), ..submission(0) };
    let change = store.begin().unwrap();
    let error = change
        .submit(ALICE, "alice", at(0), &large)
        .and_then(|_| change.commit())
        .expect_err("there is no room");
    assert!(error.is_full(), "{error}");
    assert!(error.to_string().contains("make room"), "{error}");
    assert_eq!(store.list(None).unwrap().len(), 1);
    // What is due can still be claimed: that needs no new page.
    let change = store.begin().unwrap();
    assert_eq!(change.claim_due(QueueKind::Timed, at(0), RunId(1), 9).unwrap()[0].number, first);
    change.commit().unwrap();
    limit(&store, "1000000");
    assert!(submit(&mut store, 0) > first);
}

#[test]
fn a_long_queue_is_claimed_and_listed_by_its_indexes() {
    let directory = Directory::new();
    let store = directory.open();
    let plan = |query: &str| -> String {
        store
            .read(|connection| {
                connection
                    .prepare(&format!("EXPLAIN QUERY PLAN {query}"))?
                    .query_map([], |row| row.get::<_, String>(3))?
                    .collect::<rusqlite::Result<Vec<_>>>()
            })
            .unwrap()
            .join("; ")
    };
    let cases = [
        (
            "SELECT due FROM jobs WHERE state = 'queued' AND batch = 0 ORDER BY due, number LIMIT 1",
            "timed_by_due",
        ),
        (
            "SELECT due FROM jobs WHERE state = 'queued' AND batch = 1 ORDER BY due, number LIMIT 1",
            "batch_by_due",
        ),
        (
            "SELECT number, script FROM jobs JOIN recipes USING (number)
             WHERE state = 'queued' AND batch = 0 AND due <= 1 ORDER BY due, number LIMIT 5",
            "timed_by_due",
        ),
        ("SELECT number FROM jobs WHERE state = 'lost' ORDER BY number", "jobs_lost"),
        (
            "SELECT id FROM jobs JOIN recipes USING (number) JOIN runs ON runs.id = jobs.run
             WHERE state = 'lost' AND told = 0 ORDER BY number LIMIT 5",
            "jobs_lost",
        ),
        (
            "SELECT number, uid, owner, queue, due, submitted, state FROM jobs
             WHERE ended IS NULL ORDER BY due, number",
            "COVERING INDEX jobs_listed",
        ),
        (
            "SELECT number, uid, owner, queue, due, submitted, state FROM jobs
             WHERE ended IS NULL AND uid = 1 ORDER BY due, number",
            "jobs_of_uid",
        ),
        (
            "SELECT id FROM runs WHERE newest = 1 AND ended < 5 ORDER BY ended LIMIT 5",
            "runs_by_end",
        ),
        ("SELECT * FROM runs WHERE newest = 1 AND (NULL IS NULL) ORDER BY job", "runs_newest"),
        ("SELECT * FROM runs WHERE outcome IS NULL ORDER BY id", "runs_unfinished"),
        ("SELECT * FROM runs WHERE owner = 'a' ORDER BY id DESC LIMIT 5", "runs_by_owner"),
        ("SELECT number FROM jobs WHERE run = 5", "jobs_by_run"),
    ];
    for (query, index) in cases {
        let plan = plan(query);
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{query}: {plan}");
    }
}

#[test]
fn of_large_jobs_fewer_are_claimed_at_once() {
    let directory = Directory::new();
    let mut store = directory.open();
    let change = store.begin().unwrap();
    for _ in 0..12 {
        let script = Text(vec![b'#'; 3 << 20]);
        change.submit(ALICE, "alice", at(0), &Submission { script, ..submission(0) }).unwrap();
    }
    let claimed: Vec<_> = (0..3)
        .map(|n| change.claim_due(QueueKind::Timed, at(0), RunId(n * 100 + 1), 100).unwrap().len())
        .collect();
    assert_eq!(claimed, [6, 6, 0]);
}

#[test]
fn of_much_output_only_the_ends_are_read() {
    let directory = Directory::new();
    let mut store = directory.open();
    let change = store.begin().unwrap();
    for id in 1..=11 {
        let output = Text([vec![b'x'; 1 << 20], b"\nlast\n".to_vec()].concat());
        let report = report(run(id, "job"), Outcome::Exited(0));
        change.finish(&Report { output, ..report }).unwrap();
    }
    change.commit().unwrap();
    for (only_ends, whole) in [(false, 7), (true, 0)] {
        let past = store.history(&Filter { limit: 99, only_ends, ..Filter::default() }).unwrap();
        assert_eq!(past.iter().filter(|past| !past.only_end).count(), whole);
        assert!(past.iter().all(|past| past.output.0.ends_with(b"x\nlast\n")));
        assert!(past[whole..].iter().all(|past| past.only_end && past.output.0.len() == 1024));
    }
}

#[test]
fn an_entry_is_known_from_when_it_was_first_seen() {
    let directory = Directory::new();
    let mut store = directory.open();
    let job = JobId("backup".to_owned());
    let change = store.begin().unwrap();
    let first = change.recall(&job, at(100), at(101)).unwrap();
    assert_eq!(first, Remembered { handled: at(100), ..Remembered::default() });
    assert_eq!(change.recall(&job, at(500), at(501)).unwrap(), first);
    change.commit().unwrap();
    let known = store.entry(&job).unwrap().unwrap();
    assert_eq!((known.first_seen, known.remembered), (at(101), first));
    assert_eq!(store.entry(&JobId("other".to_owned())).unwrap(), None);
    assert_eq!(store.entries().unwrap(), std::slice::from_ref(&job));
    let change = store.begin().unwrap();
    change.forget_entries(&[job]).unwrap();
    change.commit().unwrap();
    assert_eq!(store.entries().unwrap(), []);
}

/// What is written down of the job `backup` after some writes, after each of which it is killed.
fn remembered(writes: &[&dyn Fn(&Change)]) -> String {
    let directory = Directory::new();
    let job = JobId("backup".to_owned());
    for write in writes {
        let mut store = directory.open();
        let change = store.begin().unwrap();
        change.recall(&job, at(100), at(100)).unwrap();
        write(&change);
        change.commit().unwrap();
    }
    let known = directory.open().entry(&job).unwrap().unwrap().remembered;
    let seconds = |all: Vec<Timestamp>| -> Vec<i64> {
        all.into_iter().map(|instant| (instant - at(0)).num_seconds()).collect()
    };
    let [handled] = seconds(vec![known.handled])[..] else { return String::new() };
    let (owed, done) = (seconds(known.owed), seconds(known.done));
    format!("handled {handled} owed {owed:?} done {done:?}")
}

#[test]
fn a_run_is_the_last_word_on_its_instant_and_only_then_on_those_before() {
    let job = JobId("backup".to_owned());
    let begun = |id: u64, due: i64, trigger: Trigger| {
        let run = Run { due: at(due), trigger, ..run(id, "backup") };
        move |change: &Change| change.begun(&run).unwrap()
    };
    let owe = |owed: &'static [i64], handled: i64| {
        let job = job.clone();
        move |change: &Change| {
            let owed: Vec<_> = owed.iter().copied().map(at).collect();
            change.owe(&job, &owed, at(handled)).unwrap();
        }
    };
    let anew = |change: &Change| change.begin_anew().unwrap();
    let (schedule, catch_up) = (Trigger::Schedule, Trigger::CatchUp);
    // Before it is decided what was missed, a run says nothing of what came before it.
    let early = begun(1, 300, schedule);
    assert_eq!(remembered(&[&early]), "handled 100 owed [] done [300]");
    assert_eq!(remembered(&[&early, &owe(&[200], 310)]), "handled 310 owed [200] done []");
    // Then it does.
    let current = owe(&[200, 250], 310);
    let later = begun(2, 400, schedule);
    assert_eq!(remembered(&[&current, &later]), "handled 400 owed [200, 250] done []");
    assert_eq!(remembered(&[&current, &anew, &later]), "handled 310 owed [200, 250] done [400]");
    // What is made up for is owed no longer, whoever wrote it down.
    let made_up = begun(3, 200, catch_up);
    assert_eq!(remembered(&[&current, &made_up]), "handled 310 owed [250] done []");
    assert_eq!(remembered(&[&current, &anew, &made_up]), "handled 310 owed [250] done [200]");
    assert_eq!(remembered(&[&current, &made_up, &made_up]), "handled 310 owed [250] done []");
    // One that somebody asked for is no answer to the schedule.
    let by_hand = begun(4, 500, Trigger::Manual);
    assert_eq!(remembered(&[&current, &by_hand]), "handled 310 owed [200, 250] done []");
    // A report tells as much as a beginning.
    let reported = |change: &Change| {
        let run = Run { due: at(400), ..run(5, "backup") };
        change.finish(&report(run, Outcome::Exited(0))).unwrap();
    };
    assert_eq!(remembered(&[&current, &reported]), "handled 400 owed [200, 250] done []");
    let skipped = |change: &Change| change.handled(&JobId("backup".to_owned()), at(400)).unwrap();
    assert_eq!(remembered(&[&current, &skipped]), "handled 400 owed [200, 250] done []");
    // A clock that was set back takes the word back.
    assert_eq!(remembered(&[&current, &owe(&[], 50)]), "handled 50 owed [] done []");
}

#[test]
fn runs_of_other_jobs_leave_nothing_behind() {
    let directory = Directory::new();
    let mut store = directory.open();
    let change = store.begin().unwrap();
    change.begun(&run(1, "plain")).unwrap();
    change.handled(&JobId("plain".to_owned()), at(5)).unwrap();
    change.owe(&JobId("plain".to_owned()), &[at(5)], at(6)).unwrap();
    change.commit().unwrap();
    assert_eq!(store.entries().unwrap(), []);
}

#[test]
fn absences_are_found_by_the_time_they_cover_and_forgotten_in_the_end() {
    let directory = Directory::new();
    let mut store = directory.open();
    let day = 86_400;
    let absence =
        |from, until, cause| Absence { from: at(from * day), until: at(until * day), cause };
    let all = [
        absence(10, 12, Cause::Off),
        absence(20, 21, Cause::Asleep),
        absence(21, 22, Cause::Set),
        absence(900, 901, Cause::HeldUp),
    ];
    let note = |store: &mut Store, some: &[Absence]| {
        let change = store.begin().unwrap();
        some.iter().for_each(|absence| change.note_absence(absence).unwrap());
        change.set_seen(at(22)).unwrap();
        change.commit().unwrap();
    };
    let found = |store: &Store, from: i64, until: i64, limit| {
        store.absences(at(from * day), at(until * day), limit).unwrap()
    };
    assert_eq!(store.seen().unwrap(), None);
    note(&mut store, &all[..3]);
    assert_eq!(store.seen().unwrap(), Some(at(22)));
    assert_eq!(found(&store, 11, 12, 9), all[..1]);
    assert_eq!(found(&store, 0, 99, 2), [all[2], all[1]]);
    assert_eq!(found(&store, 13, 20, 9), []);
    note(&mut store, &all[3..]);
    assert_eq!(found(&store, 0, 999, 9), all[3..]);
}
