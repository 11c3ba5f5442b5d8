//! What each entry is owed, by the manual's words: every instant goes into the ledger as the clock passes it, and has to
//! leave it once. Shares no code with the scheduler or the store.
//!
//! Whatever the clock passed while no ratd ran, or while the machine slept or the clock jumped for six minutes and
//! more, was missed; but what is due in this minute is on time. Once a ratd knows the past, the latest that were missed
//! are owed, as many as the entry says and as it is not too late for; the others are said. What is owed starts in order
//! and within five minutes, unless a run of the entry goes on. What a clock that was set back shows again may be
//! started on time again, and is never made up for; after three hours all is new.

use std::collections::{BTreeMap, BTreeSet};

use crate::entry::{Entry, HOUR, MINUTE};

/// One entry's account.
pub struct Account {
    entry: Entry,
    /// All that it was due at up to here is in the account.
    decided: i64,
    /// What a clock that was set back shows again.
    again: i64,
    started: BTreeSet<i64>,
    missed: BTreeSet<i64>,
    owed: BTreeSet<i64>,
    /// What was decided about since that was last written down.
    before: BTreeSet<i64>,
    /// One that is being written down as made up for.
    claimed: Option<i64>,
    /// It is written down that it is there.
    is_seen: bool,
    /// The ratd that lives knows the past.
    known: bool,
    /// How many of those left out must be said.
    unsaid: usize,
    /// A ratd died before its last word was written down: it may be said again.
    loose: bool,
    running: u32,
    /// Since when, by true time, nothing has been in the way of what is owed.
    free_since: i64,
}

/// All accounts, and the clock.
pub struct Ledger {
    accounts: BTreeMap<u32, Account>,
    reached: i64,
    last: (i64, i64),
    pub made_up: u64,
}

/// One turn of a ratd.
pub struct Turn {
    pub true_time: i64,
    pub wall: i64,
    pub monotonic: i64,
    /// The entries that the store has told of.
    pub recalled: Vec<u32>,
    /// Starts on time, what is to be made up for, and what was said to be missed: entry, instant or count.
    pub started: Vec<(u32, i64)>,
    pub claimed: Vec<(u32, i64)>,
    pub said: Vec<(u32, usize)>,
}

type Judgement = Result<(), String>;

impl Ledger {
    pub fn new() -> Ledger {
        Ledger { accounts: BTreeMap::new(), reached: 0, last: (0, 0), made_up: 0 }
    }

    /// A ratd begins.
    pub fn begin(&mut self, wall: i64, monotonic: i64) {
        (self.reached, self.last) = (wall, (wall, monotonic));
        self.accounts.retain(|_, account| account.is_seen);
        for account in self.accounts.values_mut() {
            (account.known, account.claimed, account.unsaid) = (false, None, 0);
            if account.loose {
                account.take_back(wall);
            }
            account.pass_missed(wall);
        }
    }

    /// What was decided of an entry is written down.
    pub fn written(&mut self, number: u32) {
        if let Some(account) = self.accounts.get_mut(&number) {
            account.before.clear();
        }
    }

    /// It is written down since when an entry is there.
    pub fn seen(&mut self, number: u32) {
        if let Some(account) = self.accounts.get_mut(&number) {
            account.is_seen = true;
        }
    }

    /// A file with these entries is read: the others are no more.
    pub fn read(&mut self, entries: &[Entry], wall: i64, true_time: i64) {
        let there: BTreeSet<_> = entries.iter().map(|entry| entry.number).collect();
        self.accounts.retain(|number, _| there.contains(number));
        let reached = self.reached.max(wall);
        for entry in entries {
            self.accounts.entry(entry.number).or_insert_with(|| Account {
                entry: entry.clone(),
                decided: reached,
                again: i64::MIN,
                started: BTreeSet::new(),
                missed: BTreeSet::new(),
                owed: BTreeSet::new(),
                before: BTreeSet::new(),
                claimed: None,
                is_seen: false,
                known: false,
                unsaid: 0,
                loose: false,
                running: 0,
                free_since: true_time,
            });
        }
    }

    /// The last word of a ratd that was killed on this entry was not written down.
    pub fn unwritten(&mut self, number: u32) {
        if let Some(account) = self.accounts.get_mut(&number) {
            account.loose = true;
        }
    }

    /// The power failed before anybody could know that it had been started.
    pub fn unstart(&mut self, number: u32, due: i64) {
        if let Some(account) = self.accounts.get_mut(&number) {
            account.started.remove(&due);
            if due > account.again {
                account.missed.insert(due);
            }
        }
    }

    /// That an instant is made up for is written down.
    pub fn consume(&mut self, number: u32, due: i64) {
        if let Some(account) = self.accounts.get_mut(&number) {
            account.owed.remove(&due);
            account.before.remove(&due);
            account.claimed = None;
        }
    }

    /// It could not be written down.
    pub fn put_back(&mut self, number: u32, wall: i64, true_time: i64) {
        if let Some(account) = self.accounts.get_mut(&number) {
            account.claimed = None;
            account.free_since = true_time;
            account.decide(wall);
        }
    }

    pub fn run_begins(&mut self, number: u32) {
        if let Some(account) = self.accounts.get_mut(&number) {
            account.running += 1;
        }
    }

    pub fn run_ends(&mut self, number: u32, true_time: i64) {
        if let Some(account) = self.accounts.get_mut(&number) {
            account.running = account.running.saturating_sub(1);
            account.free_since = true_time;
        }
    }

    pub fn nothing_runs(&mut self) {
        self.accounts.values_mut().for_each(|account| account.running = 0);
    }

    /// Judges one turn; what is wrong first, in words.
    pub fn judge(&mut self, turn: &Turn) -> Judgement {
        let step = (turn.wall - self.last.0) - (turn.monotonic - self.last.1);
        self.last = (turn.wall, turn.monotonic);
        self.set_back(turn.wall, step);
        if step.abs() > MINUTE {
            self.accounts.values_mut().for_each(|account| account.free_since = turn.true_time);
        }
        self.reached = self.reached.max(turn.wall);
        let oldest = self
            .accounts
            .values()
            .filter_map(|account| account.entry.dues(account.decided, turn.wall).first().copied());
        let delay = oldest.min().map_or(step, |oldest| step.max(turn.wall - oldest));
        for account in self.accounts.values_mut() {
            account.pass(turn, delay < 6 * MINUTE)?;
        }
        for (number, due) in &turn.started {
            let account = self.accounts.get(number).ok_or(format!("{number} is no entry"))?;
            if !account.started.contains(due) && account.entry.makes_up() {
                return account.wrong("was started and is not due", *due);
            }
        }
        for number in &turn.recalled {
            if let Some(account) = self.accounts.get_mut(number) {
                account.known = true;
                account.decide(turn.wall);
                account.free_since = turn.true_time;
            }
        }
        for (number, count) in &turn.said {
            if let Some(account) = self.accounts.get_mut(number) {
                account.hear(*count, turn.wall)?;
            }
        }
        for (number, due) in &turn.claimed {
            let account = self.accounts.get_mut(number).ok_or(format!("{number} is no entry"))?;
            account.claim(*due, turn.wall)?;
            self.made_up += 1;
        }
        for (number, _) in &turn.started {
            if let Some(account) = self.accounts.get_mut(number) {
                account.free_since = turn.true_time;
            }
        }
        self.accounts.values_mut().try_for_each(|account| account.balance(turn))
    }

    fn set_back(&mut self, wall: i64, step: i64) {
        let by = |limit: i64, shown: i64| wall < shown && (step <= -limit || shown - wall >= limit);
        let anew = by(3 * HOUR, self.reached);
        if anew {
            self.reached = wall;
        }
        for account in self.accounts.values_mut() {
            if anew {
                account.begin_anew(wall);
            } else if wall < account.decided {
                account.again = account.again.max(account.decided);
                if account.entry.goes_by_the_clock() && by(2 * MINUTE, self.reached) {
                    account.owed.retain(|due| *due <= wall || Some(*due) == account.claimed);
                }
            }
        }
    }
}

impl Account {
    fn wrong(&self, what: &str, due: i64) -> Judgement {
        let due = shown(due);
        Err(format!("{} ({}): {due} {what}", self.entry.number, self.entry.written()))
    }

    /// What was decided was not written down, and is decided again, be it that the clock was set back meanwhile.
    fn take_back(&mut self, wall: i64) {
        let mut all = std::mem::take(&mut self.before);
        all.append(&mut self.owed);
        all.retain(|due| *due <= wall && !self.started.contains(due));
        self.missed.append(&mut all);
        self.decided = self.decided.min(wall);
    }

    fn begin_anew(&mut self, wall: i64) {
        self.again = i64::MIN;
        self.decided = wall;
        for instants in [&mut self.started, &mut self.missed, &mut self.owed] {
            instants.retain(|due| *due <= wall);
        }
    }

    /// No ratd saw what was due up to here.
    fn pass_missed(&mut self, until: i64) {
        let missed = self.entry.dues(self.decided, until);
        self.missed.extend(missed.into_iter().filter(|due| !self.started.contains(due)));
        self.decided = self.decided.max(until);
        if self.decided > until {
            self.again = self.again.max(self.decided);
        }
    }

    /// The clock has passed what was due since the last turn.
    fn pass(&mut self, turn: &Turn, is_small: bool) -> Judgement {
        let mine = |(number, due): &(u32, i64)| (*number == self.entry.number).then_some(*due);
        let mut started: BTreeSet<i64> = turn.started.iter().filter_map(mine).collect();
        if started.len() < turn.started.iter().filter_map(mine).count() {
            return self.wrong("is among those that were started twice at once", 0);
        }
        let this_minute = turn.wall - turn.wall.rem_euclid(MINUTE);
        let mut missed = false;
        for due in self.entry.dues(self.decided, turn.wall) {
            let was_started = started.remove(&due);
            if !self.entry.makes_up() {
                continue;
            }
            if due <= self.again {
                continue;
            }
            let is_on_time = is_small || due >= this_minute;
            if is_on_time && !was_started {
                return self.wrong("was due and was not started", due);
            }
            if !is_on_time && was_started {
                return self.wrong("was missed, and was started as if it were on time", due);
            }
            if was_started {
                self.started.insert(due);
            } else {
                self.missed.insert(due);
                missed = true;
            }
        }
        self.decided = self.decided.max(turn.wall);
        for due in started {
            if due > turn.wall {
                return self.wrong("was started before its time", due);
            }
            if self.entry.makes_up() && due > self.again {
                return self.wrong("was started again", due);
            }
            self.started.insert(due);
        }
        if missed && self.known {
            self.decide(turn.wall);
            self.free_since = turn.true_time;
        }
        // Long ago is long ago.
        let old = turn.wall - 40 * 24 * HOUR;
        self.started.retain(|due| *due > old);
        Ok(())
    }

    /// What becomes of all that was missed.
    fn decide(&mut self, wall: i64) {
        let mut all: BTreeSet<i64> = std::mem::take(&mut self.missed);
        all.append(&mut self.owed);
        all.retain(|due| Some(*due) != self.claimed);
        self.before.extend(&all);
        if !self.entry.makes_up() {
            return;
        }
        let kept = all.iter().rev().take(self.entry.most).copied();
        let kept: BTreeSet<i64> = kept.filter(|due| wall <= self.entry.last_start(*due)).collect();
        self.unsaid += all.len() - kept.len();
        self.owed = kept;
        self.owed.extend(self.claimed);
    }

    /// So many are said not to be made up for.
    fn hear(&mut self, count: usize, wall: i64) -> Judgement {
        if !self.entry.makes_up() {
            return Ok(());
        }
        self.expire(wall);
        if count > self.unsaid && !self.loose {
            let what = format!("{count} were said to be missed where {} were", self.unsaid);
            return self.wrong(&what, wall);
        }
        self.unsaid = self.unsaid.saturating_sub(count);
        Ok(())
    }

    fn expire(&mut self, wall: i64) {
        let late = |due: &i64| wall > self.entry.last_start(*due) && Some(*due) != self.claimed;
        let late: Vec<i64> = self.owed.iter().copied().filter(late).collect();
        self.unsaid += late.len();
        self.owed.retain(|due| !late.contains(due));
    }

    /// An instant is about to be made up for.
    fn claim(&mut self, due: i64, wall: i64) -> Judgement {
        if !self.entry.makes_up() {
            return self.wrong("is made up for by an entry that makes up for nothing", due);
        }
        if due > wall {
            return self.wrong("is made up for before it came", due);
        }
        if self.started.contains(&due) {
            return self.wrong("is made up for and was started", due);
        }
        if self.running > 0 {
            return self.wrong("is made up for beside another run", due);
        }
        self.expire(wall);
        match self.owed.first() {
            Some(first) if *first == due => {}
            Some(first) => {
                let what = format!("is made up for before {}", shown(*first));
                return self.wrong(&what, due);
            }
            None => return self.wrong("is made up for and is not owed", due),
        }
        self.claimed = Some(due);
        Ok(())
    }

    /// At the end of a turn all is said, and nothing waits that could have been started.
    fn balance(&mut self, turn: &Turn) -> Judgement {
        if !self.known || !self.entry.makes_up() {
            return Ok(());
        }
        self.expire(turn.wall);
        if self.unsaid > 0 && !self.loose {
            let what = format!("or before: {} were missed, unsaid", self.unsaid);
            return self.wrong(&what, turn.wall);
        }
        (self.unsaid, self.loose) = (0, self.loose && !self.known);
        if self.owed.is_empty() || self.running > 0 || self.claimed.is_some() {
            self.free_since = turn.true_time;
        }
        if turn.true_time - self.free_since > 7 * MINUTE {
            return self.wrong(
                "is owed, and nothing is done about it",
                self.owed.first().copied().unwrap_or(0),
            );
        }
        Ok(())
    }
}

/// An instant for people.
pub fn shown(second: i64) -> String {
    chrono::DateTime::from_timestamp(second, 0)
        .map_or("never".to_owned(), |at| at.format("%FT%TZ").to_string())
}
