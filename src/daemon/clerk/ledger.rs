//! The store as the clerk has it: it may not open, and is tried again; whether it works is told, and when at-jobs are
//! due. Knows no run and no crontab.

use std::path::PathBuf;

use chrono::TimeDelta;

use crate::daemon::crash::Crash;
use crate::daemon::disk::{Answer, Answers};
use crate::daemon::options::Mode;
use crate::daemon::writes::{Write, Written, in_one_transaction};
use crate::plan::absence::before_start;
use crate::plan::at_queue::Waiting;
use crate::plan::civil::Timestamp;
use crate::plan::job::JobId;
use crate::store::Store;
use crate::store::error::Error;
use crate::store::runs::Retention;
use crate::sys::host;

/// A store that cannot be used, and a claim that could not be made, are tried again after this.
pub const TRY_AGAIN: TimeDelta = TimeDelta::seconds(60);

/// The store, or why it cannot be used.
pub struct Ledger {
    store: Result<Store, String>,
    place: PathBuf,
    /// When it was last tried to be opened.
    opened: Option<Timestamp>,
    /// Why it cannot be used, as it was told last.
    trouble: Option<String>,
    /// When the earliest at-jobs are due, as it was told last.
    waiting: Option<Waiting>,
    /// What an earlier ratd wrote down of entries is known not to be the last word.
    is_anew: bool,
    answers: Answers,
}

impl Ledger {
    /// A store that was tried to be opened, at this place.
    pub fn new(store: Result<Store, String>, place: PathBuf, answers: Answers) -> Ledger {
        Ledger { store, place, opened: None, trouble: None, waiting: None, is_anew: false, answers }
    }

    /// The store, if it can be used.
    pub fn store(&self) -> Option<&Store> {
        self.store.as_ref().ok()
    }

    /// The store, or why it cannot be used.
    pub fn usable(&self) -> Result<&Store, String> {
        self.store.as_ref().map_err(Clone::clone)
    }

    /// So much of the history is kept from now on.
    pub fn keep(&mut self, retention: Retention) {
        if let Ok(store) = &mut self.store {
            store.retention = retention;
        }
    }

    /// Tells whether the store works, and writes down that no ratd ran up to now, if one did before.
    pub fn begin(&mut self, started: Timestamp) {
        self.tell_health();
        let Ok(store) = &mut self.store else { return };
        let restarted =
            store.boot_id().is_ok_and(|known| known.is_some_and(|known| known != host::boot()));
        let seen = store.seen().ok().flatten();
        let absence = before_start(seen, started, restarted);
        let written = store.begin().and_then(|change| {
            if let Some(absence) = &absence {
                change.note_absence(absence)?;
            }
            change.set_seen(started)?;
            change.commit()
        });
        self.note(&written);
    }

    /// `@reboot` jobs run once a boot; with one file, at each start.
    pub fn is_first_since_boot(&mut self, mode: &Mode) -> bool {
        if mode.file.is_some() {
            return true;
        }
        let boot = host::boot();
        let boot = boot.as_str();
        // In the run directory as well, which lasts as long as the boot: the store may not be usable.
        let mark = mode.paths.run.join("boot");
        let is_marked = std::fs::read_to_string(&mark).is_ok_and(|known| known == boot);
        let is_stored = match &self.store {
            Ok(store) => store.boot_id().is_ok_and(|known| known.as_deref() == Some(boot)),
            Err(_) => is_marked,
        };
        if !is_marked {
            let _ = std::fs::write(&mark, boot);
        }
        if let (Ok(store), false) = (&mut self.store, is_stored) {
            let written = store.begin().and_then(|change| {
                change.set_boot_id(boot)?;
                change.commit()
            });
            self.note(&written);
        }
        !is_marked && !is_stored
    }

    /// Tries once a minute to open a store that could not be opened: a full disk is made room on.
    pub fn reopen(&mut self, now: Timestamp, retention: Retention) {
        if self.store.is_ok() || self.opened.is_some_and(|tried| (now - tried).abs() < TRY_AGAIN) {
            return;
        }
        self.opened = Some(now);
        self.store = Store::open(&self.place).map_err(|error| error.to_string());
        self.keep(retention);
        self.tell_health();
        self.tell_queue();
    }

    /// Before anything else is written: nothing that an earlier ratd wrote down of entries is the last word, there was
    /// none since. Those that are gone are forgotten.
    pub fn begin_anew(
        &mut self,
        gone: impl FnOnce(Vec<JobId>) -> Vec<JobId>,
    ) -> Result<(), String> {
        let (Ok(store), false) = (&mut self.store, self.is_anew) else { return Ok(()) };
        let begun = forget_gone(store, gone);
        self.is_anew = begun.is_ok();
        if begun.is_err() {
            self.note(&begun);
        }
        begun.map_err(|error| error.to_string())
    }

    /// Writes all of it, durably, or nothing, and why.
    pub fn write(
        &mut self,
        writes: &[Write],
        mode: &Mode,
        crash: Crash,
    ) -> Result<Vec<Written>, String> {
        let store = self.store.as_mut().map_err(|why| why.clone())?;
        let written = in_one_transaction(store, writes, mode, crash);
        self.note(&written);
        written.map_err(|error| error.to_string())
    }

    /// Tells when the earliest at-jobs are due, if that has changed.
    pub fn tell_queue(&mut self) {
        if let Ok(store) = &self.store
            && let Ok(waiting) = store.waiting()
            && self.waiting != Some(waiting)
        {
            self.waiting = Some(waiting);
            self.answers.give(Answer::Queued { waiting });
        }
    }

    /// When the earliest at-jobs are due, to be told with what has been claimed.
    pub fn after_claim(&mut self) -> Waiting {
        let waiting = self.store.as_ref().ok().and_then(|store| store.waiting().ok());
        *self.waiting.insert(waiting.unwrap_or_default())
    }

    /// When at-jobs are to be claimed that could not be at this time, to be told.
    pub fn after_failed_claim(&mut self, now: Timestamp) -> Waiting {
        let again = Some(now + TRY_AGAIN);
        *self.waiting.insert(Waiting { timed: again, batch: again })
    }

    fn tell_health(&mut self) {
        self.tell_trouble(self.store.as_ref().err().cloned());
    }

    /// Tells whether the store works, by what became of the last write.
    fn note<T>(&mut self, written: &Result<T, Error>) {
        self.tell_trouble(written.as_ref().err().map(ToString::to_string));
    }

    /// Each write ends here: the loop is woken only where something has changed.
    fn tell_trouble(&mut self, trouble: Option<String>) {
        if trouble != self.trouble {
            self.trouble.clone_from(&trouble);
            self.answers.give(Answer::Health { trouble });
        }
    }
}

fn forget_gone(
    store: &mut Store,
    gone: impl FnOnce(Vec<JobId>) -> Vec<JobId>,
) -> Result<(), Error> {
    let entries = store.entries()?;
    if entries.is_empty() {
        return Ok(());
    }
    let change = store.begin()?;
    change.begin_anew()?;
    change.forget_entries(&gone(entries))?;
    change.commit()
}
