//! What the disk thread does: takes commands, has records written, does errands. Decides nothing about when something
//! runs. `ledger` has the store, `lookout` the spool, `sessions` what runs leave; `writing` brings them together.

pub mod ledger;
pub mod lookout;
pub mod sessions;
pub mod writing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use nix::sys::inotify::Inotify;
use nix::unistd::{Uid, User, geteuid};

use crate::daemon::asked::{OfCrontab, Question};
use crate::daemon::clerk::ledger::Ledger;
use crate::daemon::clerk::lookout::Lookout;
use crate::daemon::clerk::sessions::Sessions;
use crate::daemon::connections::{Caller, Client};
use crate::daemon::control;
use crate::daemon::crash::Crash;
use crate::daemon::crontabs;
use crate::daemon::desk;
use crate::daemon::disk::{Answer, Answers, Command, Errand, Settlement};
use crate::daemon::explain;
use crate::daemon::options::Mode;
use crate::daemon::writes::{Record, Write};
use crate::log::Syslog;
use crate::plan::civil::Timestamp;
use crate::plan::job::JobId;
use crate::plan::run::RunId;
use crate::protocol::fault::Fault;
use crate::protocol::reply;
use crate::protocol::request;
use crate::session::stamp;
use crate::spool::Spool;
use crate::store::Store;
use crate::store::queue::Position;

/// So much is committed at once; more would make the first of it wait too long.
const GATHERED: usize = 256;

/// How long an earlier fork server is left alone before it is looked for again.
const SETTLE_PAUSE: Duration = Duration::from_millis(200);

/// How often the spool is looked at where the kernel does not tell of changes.
const BLIND_LOOK: Duration = Duration::from_secs(60);

/// The disk thread's state.
pub struct Clerk {
    mode: Mode,
    ledger: Ledger,
    lookout: Lookout,
    sessions: Sessions,
    /// What users do with their crontabs, under crontab's own name.
    syslog: Syslog,
    /// When this ratd was started.
    started: Timestamp,
    /// Who asked for what is written down of entries before it was known what an earlier ratd had started.
    recalls: Vec<Write>,
    /// What entries owe, and could not be written down: the last word on each.
    unwritten: BTreeMap<JobId, Write>,
    crash: Crash,
    answers: Answers,
}

/// What a clerk begins with.
pub struct Beginning {
    pub mode: Mode,
    pub store: Result<Store, String>,
    pub spool: Spool,
    pub changes: Arc<Inotify>,
    /// The first run of this ratd.
    pub first: RunId,
    /// When this ratd was started.
    pub started: Timestamp,
    pub crash: Crash,
}

/// What has come together: all of it is written in one transaction, and then the errands are done.
#[derive(Default)]
struct Gathered {
    records: Vec<Record>,
    errands: Vec<Errand>,
}

impl Clerk {
    /// A clerk that has not begun.
    pub fn new(beginning: Beginning, answers: Answers) -> Clerk {
        let Beginning { mode, store, spool, changes, first, started, crash } = beginning;
        let (paths, told) = (&mode.paths, || answers.clone());
        Clerk {
            ledger: Ledger::new(store, paths.database(), told()),
            lookout: Lookout::new(spool, changes, stamp::directory(paths), told()),
            sessions: Sessions::new(paths.runs(), paths.servers(), first, told()),
            syslog: Syslog::new(&paths.under_root("dev/log"), "crontab".into()),
            mode,
            started,
            recalls: Vec::new(),
            unwritten: BTreeMap::new(),
            crash,
            answers,
        }
    }

    /// Works until ratd ends.
    pub fn serve(mut self, commands: &Receiver<Command>) {
        self.begin();
        while let Some(first) = self.next(commands) {
            let mut gathered = Gathered::default();
            self.sort(first, &mut gathered);
            for command in commands.try_iter().take(GATHERED - 1) {
                self.sort(command, &mut gathered);
            }
            self.write(gathered.records);
            for errand in gathered.errands {
                self.perform(errand);
            }
            if let Some(settlement) = self.sessions.unsettled.take() {
                self.settle(settlement);
            }
        }
    }

    /// What runs is adopted and what ended is told before the first table is: a job that runs is known to run.
    fn begin(&mut self) {
        self.ledger.keep(self.mode.retention());
        self.ledger.begin(self.started);
        self.sessions.take_up_all();
        self.look();
        let after_boot = self.ledger.is_first_since_boot(&self.mode);
        self.answers.give(Answer::Ready { after_boot });
        self.ledger.tell_queue();
    }

    /// The next command. What waits for an earlier fork server is tried again each moment, and where changes cannot
    /// be watched for, each minute without a command asks for a look; else nothing wakes this thread.
    fn next(&mut self, commands: &Receiver<Command>) -> Option<Command> {
        let pause = match (&self.sessions.unsettled, self.lookout.is_blind()) {
            (Some(_), _) => SETTLE_PAUSE,
            (None, true) => BLIND_LOOK,
            (None, false) => return commands.recv().ok(),
        };
        match commands.recv_timeout(pause) {
            Err(RecvTimeoutError::Timeout) => {
                let unsettled = self.sessions.unsettled.take().map(Errand::Settle);
                Some(unsettled.unwrap_or(Errand::Look { client: None }).into())
            }
            received => received.ok(),
        }
    }

    /// Puts a command to those of its kind; one by somebody whose name is not known yet, as soon as it is.
    fn sort(&self, command: Command, gathered: &mut Gathered) {
        match command {
            Command::Errand(errand) => gathered.errands.push(errand),
            Command::Record(record) => gathered.records.push(record),
            Command::Introduce { client, uid, asked, now } => {
                if let Some(caller) = self.introduce(client, uid) {
                    let command = control::for_the_desk(now, client, caller, asked);
                    self.sort(command, gathered);
                }
            }
        }
    }

    fn perform(&mut self, errand: Errand) {
        match errand {
            Errand::Identify { client, uid } => {
                self.answers.give(Answer::Identified { client, caller: self.look_up(uid) });
            }
            Errand::Parse { client, frame } => {
                self.answers.give(Answer::Parsed { client, call: request::parse(&frame) });
            }
            Errand::Ask { client, caller, question } => self.answer(client, &caller, &question),
            Errand::Crontab { client, caller, asked } => {
                self.answer_about_crontab(client, &caller, &asked);
            }
            Errand::List { client, caller, from } => self.list(client, caller, from),
            Errand::Annotate { client, mut jobs, owner } => {
                let told = desk::annotate(self.ledger.store(), &mut jobs, owner.as_deref());
                let reply = control::encode(Ok(told));
                self.answers.give(Answer::Reply { client, reply });
            }
            Errand::Explain { client, explained, owner } => {
                let reply = explain::complete(self.ledger.store(), *explained, owner.as_deref());
                self.answers.give(Answer::Reply { client, reply });
            }
            Errand::Tell { client, run, outcome } => {
                let reply = desk::ended(self.ledger.store(), &run, outcome);
                self.answers.give(Answer::Reply { client, reply });
            }
            Errand::Look { client } => {
                self.look();
                self.answers.give(match client {
                    Some(client) => {
                        let reply = control::encode(Ok(reply::Done {}));
                        Answer::Reply { client, reply }
                    }
                    None => Answer::Looked,
                });
            }
            // With jobs each minute there is never a minute without a command.
            Errand::CheckZones if self.lookout.is_blind() || self.lookout.zones_changed() => {
                self.look();
            }
            Errand::CheckZones => {}
            Errand::End { runs } => self.sessions.end_all(&runs),
            Errand::CollectAll { now } => self.write(self.sessions.over(now)),
            Errand::Settle(settlement) => self.settle(settlement),
        }
    }

    fn look(&mut self) {
        self.lookout.look(&mut self.mode, &mut self.ledger);
    }

    /// Finds out what earlier ratds started, and whom that is to be told, if it can be known yet.
    fn settle(&mut self, settlement: Settlement) {
        let Some(over) = self.sessions.settle(settlement, self.ledger.store()) else { return };
        self.write(over);
        // Now it is known what was started, and so what was not.
        let recalls = std::mem::take(&mut self.recalls);
        self.write(recalls.into_iter().map(Record::Write).collect());
        // Those too of which an earlier ratd could not tell any more.
        self.sessions.tell_of_lost(self.ledger.store());
        self.ledger.tell_queue();
    }

    /// Who is only not found now is not nobody: lists of who may not do something go by the name.
    fn look_up(&self, uid: Uid) -> Result<Caller, String> {
        match User::from_uid(uid) {
            Ok(user) => {
                let name = user.as_ref().map_or_else(|| uid.to_string(), |user| user.name.clone());
                Ok(Caller { uid, name, user })
            }
            // A container needs no users but its own, nor a file of names.
            Err(_)
                if let (Some(_), Some((_, name))) = (self.mode.container, &self.mode.file)
                    && uid == geteuid() =>
            {
                Ok(Caller { uid, name: name.clone(), user: None })
            }
            Err(error) => Err(format!("cannot look up the name of uid {uid}: {error}")),
        }
    }

    /// Who asks for something that waits for their name; they are told if it cannot be found out.
    fn introduce(&self, client: Client, uid: Uid) -> Option<Caller> {
        match self.look_up(uid) {
            Ok(caller) => {
                self.answers.leave(Answer::Identified { client, caller: Ok(caller.clone()) });
                Some(caller)
            }
            Err(message) => {
                let reply = desk::refused(Fault::Unavailable { message });
                self.answers.give(Answer::Reply { client, reply });
                None
            }
        }
    }

    fn answer(&self, client: Client, caller: &Caller, question: &Question) {
        let reply = desk::answer(self.ledger.usable(), caller, question, &self.mode.paths);
        self.answers.give(Answer::Reply { client, reply });
    }

    fn answer_about_crontab(&mut self, client: Client, caller: &Caller, asked: &OfCrontab) {
        let reply = match &self.mode.file {
            Some((file, _)) => desk::keeps_no_crontabs(file),
            None => crontabs::answer(&mut self.syslog, caller, asked, &self.mode),
        };
        // A crontab that was installed counts from the moment this is known.
        if self.mode.file.is_none() && asked.may_change_it() {
            self.look();
        }
        self.answers.give(Answer::Reply { client, reply });
    }

    fn list(&self, client: Client, caller: Caller, from: Position) {
        let store = self.ledger.usable();
        self.answers.give(match desk::piece_of_queue(store, &caller, from, &self.mode.paths) {
            (piece, Some(from)) => {
                let next = Box::new(Errand::List { client, caller, from });
                Answer::Piece { client, piece, next }
            }
            (reply, None) => Answer::Reply { client, reply },
        });
    }
}
