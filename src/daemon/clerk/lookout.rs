//! What the spool says: looks at crontabs, rat.conf and stamps, and watches for changes. Knows what is in which file
//! only as far as its stamps and what is written down of it go.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use chrono::NaiveDate;
use nix::sys::inotify::{AddWatchFlags, Inotify};

use crate::daemon::clerk::ledger::Ledger;
use crate::daemon::disk::{Answer, Answers};
use crate::daemon::options::Mode;
use crate::plan::catch_up::is_done_by;
use crate::plan::civil::reading;
use crate::plan::job::{Job, JobId, Source};
use crate::plan::schedule::Schedule;
use crate::session::stamp;
use crate::spool::watch::{directories, is_blind};
use crate::spool::{Change, Spool};
use crate::store::Store;
use crate::store::runs::{Filter, Past};

/// The spool, and what was seen of it last.
pub struct Lookout {
    spool: Spool,
    changes: Arc<Inotify>,
    watched: BTreeSet<PathBuf>,
    /// Changes in some of those are not told by the kernel.
    blind: bool,
    /// The directory of stamps.
    stamps: PathBuf,
    /// The period jobs by name, and when each was done by its stamp when that was last looked at.
    periods: BTreeMap<Source, Vec<(String, Option<NaiveDate>)>>,
    /// Entries that make up for what they missed, in the files that were read.
    making_up: BTreeMap<Source, Vec<JobId>>,
    /// Every file has been read once.
    has_looked: bool,
    answers: Answers,
}

impl Lookout {
    /// A lookout that has seen nothing yet.
    pub fn new(spool: Spool, changes: Arc<Inotify>, stamps: PathBuf, answers: Answers) -> Lookout {
        Lookout {
            spool,
            changes,
            watched: BTreeSet::new(),
            blind: false,
            stamps,
            periods: BTreeMap::new(),
            making_up: BTreeMap::new(),
            has_looked: false,
            answers,
        }
    }

    /// Whether there are changes that nobody tells.
    pub fn is_blind(&self) -> bool {
        self.blind
    }

    /// Whether a zone file changed, so that everything is to be read again.
    pub fn zones_changed(&self) -> bool {
        self.spool.zones_changed()
    }

    /// Which of these entries, that made up for what they missed, are in no file any more.
    pub fn gone(&self, mut entries: Vec<JobId>) -> Vec<JobId> {
        let there: BTreeSet<_> = self.making_up.values().flatten().collect();
        entries.retain(|job| !there.contains(job));
        entries
    }

    /// Reads what changed. Watches are set before anything is read, so that no change falls in between; what has come
    /// to be watched only after it was read is read again.
    pub fn look(&mut self, mode: &mut Mode, ledger: &mut Ledger) {
        self.watch();
        loop {
            self.read_changes(mode, ledger);
            if !self.watch() {
                break;
            }
        }
        self.look_at_stamps(ledger.store());
        self.has_looked = true;
    }

    fn read_changes(&mut self, mode: &mut Mode, ledger: &mut Ledger) {
        for change in self.spool.look() {
            let mut failed = Vec::new();
            let answer = match change {
                Change::Loaded { source, jobs, problems, left } => {
                    self.periods.insert(source.clone(), Vec::new());
                    let store = ledger.store();
                    let jobs = jobs.into_iter().map(|job| self.with_stamp(job, store));
                    let jobs: Vec<_> = jobs.collect();
                    self.note_making_up(&source, &jobs);
                    failed = self.failed_before(&jobs, store);
                    Answer::Loaded { source, jobs, problems, left }
                }
                Change::Kept { source, problems } => Answer::Kept { source, problems },
                Change::Configured { source, problems, counts } => {
                    mode.configure(self.spool.config());
                    ledger.keep(mode.retention());
                    let config = counts.then(|| Box::new(mode.config.clone()));
                    Answer::Configured { source, problems, config }
                }
                Change::Skipped { source, problem } => Answer::Skipped { source, problem },
                Change::Gone { source, problems } => {
                    self.periods.remove(&source);
                    self.making_up.remove(&source);
                    Answer::Gone { source, problems }
                }
            };
            self.answers.give(answer);
            failed.into_iter().for_each(|failed| self.answers.give(failed));
        }
    }

    fn note_making_up(&mut self, source: &Source, jobs: &[Arc<Job>]) {
        let making_up = jobs.iter().filter(|job| job.terms.make_up());
        let ids: Vec<_> = making_up.map(|job| job.id.clone()).collect();
        self.making_up.remove(source);
        if !ids.is_empty() {
            self.making_up.insert(source.clone(), ids);
        }
    }

    /// What failed under an earlier ratd, and may wait to be tried again.
    fn failed_before(&self, jobs: &[Arc<Job>], store: Option<&Store>) -> Vec<Answer> {
        let Some(store) = store.filter(|_| !self.has_looked) else {
            return Vec::new();
        };
        let failed = |job: &Arc<Job>| {
            let past = last_run(store, job)?;
            Some(Answer::Failed { run: past.run, outcome: past.outcome?, ended: past.ended? })
        };
        jobs.iter().filter(|job| job.retries.times > 0).filter_map(failed).collect()
    }

    /// Another anacron may have done a job, or root may have changed when it was done.
    fn look_at_stamps(&mut self, store: Option<&Store>) {
        for (name, known) in self.periods.values_mut().flatten() {
            let file = stamp::read(&self.stamps.join(&*name));
            if file != *known {
                *known = file;
                let stored = store.and_then(|store| store.done(name).ok()?);
                let done = file.max(stored);
                self.answers.give(Answer::Stamped { name: name.clone(), done });
            }
        }
    }

    /// Watches what is to be watched now; tells whether a directory is among it that was not.
    fn watch(&mut self) -> bool {
        let mut wanted = self.spool.watched();
        if self.periods.values().any(|jobs| !jobs.is_empty()) {
            wanted.append(&mut directories(&self.stamps));
            wanted.extend(Some(self.stamps.clone()).filter(|stamps| stamps.is_dir()));
        }
        for path in &wanted {
            let events = AddWatchFlags::IN_CLOSE_WRITE
                | AddWatchFlags::IN_MOVE
                | AddWatchFlags::IN_CREATE
                | AddWatchFlags::IN_DELETE
                | AddWatchFlags::IN_ATTRIB;
            // Asked again for one that is watched already, the kernel changes nothing; a directory that was
            // replaced gets its watch back.
            if let Err(error) = self.changes.add_watch(path, events)
                && !self.watched.contains(path)
            {
                let text = format!("cannot watch {}: {error}", path.display());
                self.answers.give(Answer::Said { text });
            }
        }
        self.blind = wanted.iter().any(|directory| is_blind(directory));
        let has_come = !wanted.is_subset(&self.watched);
        self.watched = wanted;
        has_come
    }

    /// A period job, with the date it was last done: the later one of the stamp file and the store.
    fn with_stamp(&mut self, job: Arc<Job>, store: Option<&Store>) -> Arc<Job> {
        let Schedule::Every(every) = &job.schedule else { return job };
        let file = stamp::read(&self.stamps.join(&job.name));
        let known = self.periods.entry(job.origin.source.clone()).or_default();
        known.push((job.name.clone(), file));
        let stored = store.and_then(|store| store.done(&job.name).ok().flatten());
        // ratd may have died between the run and its stamp.
        let ran = store.and_then(|store| last_done(store, &job));
        let mut every = every.clone();
        every.done = file.max(stored).max(ran);
        Arc::new(Job { schedule: Schedule::Every(every), ..(*job).clone() })
    }
}

/// The date of a period job's last run, if that counts as done.
fn last_done(store: &Store, job: &Job) -> Option<NaiveDate> {
    let last = last_run(store, job)?;
    let on_success = job.retries.times > 0;
    let counts = last.outcome.as_ref().is_some_and(|outcome| is_done_by(on_success, outcome));
    last.started.filter(|_| counts).map(|started| reading(&*job.zone, started).date())
}

fn last_run(store: &Store, job: &Job) -> Option<Past> {
    let filter = Filter { owner: None, job: Some(&job.id.0), limit: 1, only_ends: true };
    store.history(&filter).ok()?.pop()
}
