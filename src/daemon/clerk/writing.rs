//! How records are written: all that have gathered in one transaction, with what could not be written before. What it
//! led to is told after the commit, and so is what could not be written.

use std::collections::BTreeSet;

use crate::daemon::clerk::Clerk;
use crate::daemon::crash::Place;
use crate::daemon::desk;
use crate::daemon::disk::Answer;
use crate::daemon::writes::{Record, Write, Written};
use crate::plan::civil::Timestamp;
use crate::plan::run::Outcome;

impl Clerk {
    /// Writes down all of it, and what an earlier time left.
    pub fn write(&mut self, mut records: Vec<Record>) {
        if records.is_empty() {
            return;
        }
        if let Some(now) = records.iter().find_map(Record::instant) {
            self.ledger.reopen(now, self.mode.retention());
            self.add_earlier(now, &mut records);
        }
        // That a session is gone is heard of twice: of its report, and of its file that was closed.
        let mut collected = BTreeSet::new();
        records.retain(|record| match record {
            Record::Collect { run, .. } => collected.insert(*run),
            Record::Write(_) => true,
        });
        let seen = records.iter().filter_map(Record::instant).max();
        let mut writes: Vec<_> =
            records.into_iter().filter_map(|record| self.prepare(record)).collect();
        if !writes.is_empty() {
            writes.extend(seen.map(|now| Write::Seen { now }));
        }
        for write in &writes {
            if let Write::Over(report) = write {
                self.sessions.tell_end(report);
            }
        }
        self.write_or_put_off(&writes);
        if writes.iter().any(leaves_untold) {
            self.sessions.tell_of_lost(self.ledger.store());
        }
    }

    /// Adds what could not be written before; and before it is asked what entries owe, which runs go on.
    fn add_earlier(&mut self, now: Timestamp, records: &mut Vec<Record>) {
        let asks = |record: &Record| matches!(record, Record::Write(Write::Recall { .. }));
        if self.ledger.store().is_some() {
            // Before all else: a later word on an entry, or a run of it, may be among the writes.
            let unwritten = std::mem::take(&mut self.unwritten).into_values();
            records.splice(0..0, unwritten.map(Record::Write));
            records.extend(self.sessions.unstored(now));
        }
        if self.sessions.is_settled() && records.iter().any(asks) {
            records.splice(0..0, self.sessions.going_on(now));
        }
    }

    /// What is to be written; `None` if that is nothing, or nothing yet.
    fn prepare(&mut self, record: Record) -> Option<Write> {
        match record {
            Record::Collect { run, now } => {
                let report = self.sessions.collect(run, now, self.ledger.store())?;
                Some(if report.told { Write::Told(run) } else { Write::Over(Box::new(report)) })
            }
            Record::Write(recall @ Write::Recall { .. }) if !self.sessions.is_settled() => {
                self.recalls.push(recall);
                None
            }
            // A run whose report waits to be stored is not known to have been.
            Record::Write(Write::Recall { .. }) if self.sessions.has_unstored() => {
                self.answers.give(Answer::Recalled { entries: None });
                None
            }
            Record::Write(write) => Some(write),
        }
    }

    /// Writes all of it in one transaction. If that fails each is tried alone, so that one that cannot be written
    /// takes no other with it.
    fn write_or_put_off(&mut self, writes: &[Write]) {
        let Err(why) = self.commit(writes) else { return };
        match writes {
            [write] => self.put_off(write, &why),
            writes => writes.chunks(1).for_each(|one| self.write_or_put_off(one)),
        }
    }

    fn commit(&mut self, writes: &[Write]) -> Result<(), String> {
        // Where there is one file, another ratd may have another.
        let gone = |entries| match self.mode.file {
            Some(_) => Vec::new(),
            None => self.lookout.gone(entries),
        };
        self.ledger.begin_anew(gone)?;
        let written = self.ledger.write(writes, &self.mode, self.crash)?;
        self.tell(written);
        Ok(())
    }

    fn tell(&mut self, written: Vec<Written>) {
        let (mut queue_changed, mut claimed) = (false, None);
        let mut untold = Vec::new();
        for written in written {
            match written {
                Written::Nothing => {}
                Written::Changed(client, desk::Changed { reply, end }) => {
                    queue_changed = true;
                    self.crash.at(Place::AfterSubmitCommit);
                    if let Some(run) = end {
                        self.sessions.end(run);
                    }
                    self.answers.give(Answer::Reply { client, reply });
                }
                Written::Ordered(client, run, job) => {
                    self.crash.at(Place::AfterClaimCommit);
                    self.answers.give(Answer::Ordered { client, run, job });
                }
                Written::MadeUp(run, job) => {
                    self.crash.at(Place::AfterClaimCommit);
                    self.answers.give(Answer::MadeUp { run, job });
                }
                Written::Recalled(entries) => {
                    self.answers.give(Answer::Recalled { entries: Some(entries) });
                }
                Written::Claimed { runs, refused } => {
                    claimed = Some(runs);
                    untold = refused;
                }
                Written::Stored(run) => {
                    self.crash.at(Place::AfterStore);
                    self.sessions.discard(run);
                    self.crash.at(Place::AfterRemoval);
                }
            }
        }
        if let Some(runs) = claimed {
            self.crash.at(Place::AfterClaimCommit);
            let waiting = self.ledger.after_claim();
            self.answers.give(Answer::Claimed { runs, waiting });
        } else if queue_changed {
            self.ledger.tell_queue();
        }
        for (report, recipe) in untold {
            self.sessions.tell_owner(report, recipe);
        }
    }

    /// What could not be written: who asked is told; a report stays where it is; a claim is tried again later.
    fn put_off(&mut self, write: &Write, why: &str) {
        match write {
            Write::Change { client, .. } => {
                self.answers.give(Answer::Reply { client: *client, reply: desk::unavailable(why) });
            }
            Write::Claim { now, .. } => {
                let waiting = self.ledger.after_failed_claim(*now);
                self.answers.give(Answer::Claimed { runs: Vec::new(), waiting });
            }
            Write::Order { client, run, .. } => {
                let (client, run, why) = (*client, run.id, why.to_owned());
                self.answers.give(Answer::Unordered { client, run, why });
            }
            Write::MakeUp { run, .. } => {
                let (run, why) = (run.clone(), why.to_owned());
                self.answers.give(Answer::NotMadeUp { run, why });
            }
            Write::Recall { .. } => self.answers.give(Answer::Recalled { entries: None }),
            Write::Over(report) => self.sessions.keep(report.run.id),
            Write::Told(run) => self.sessions.keep(*run),
            Write::Owe { job, owed, handled } => {
                let (job, owed, handled) = (job.clone(), owed.clone(), *handled);
                self.unwritten.insert(job.clone(), Write::Owe { job, owed, handled });
            }
            // Nobody waits for these, and the history does without them.
            Write::Begun { .. }
            | Write::Stamp { .. }
            | Write::Handled { .. }
            | Write::Forget { .. }
            | Write::Absent { .. }
            | Write::Seen { .. } => {}
        }
    }
}

/// Whether there may be owners to tell after this write: of a loss, or of those that came after the ones now told.
fn leaves_untold(write: &Write) -> bool {
    match write {
        Write::Over(report) => matches!(report.outcome, Outcome::Lost(_)),
        Write::Told(_) => true,
        Write::Change { .. }
        | Write::Claim { .. }
        | Write::Order { .. }
        | Write::MakeUp { .. }
        | Write::Begun { .. }
        | Write::Stamp { .. }
        | Write::Recall { .. }
        | Write::Owe { .. }
        | Write::Handled { .. }
        | Write::Forget { .. }
        | Write::Absent { .. }
        | Write::Seen { .. } => false,
    }
}
