//! The one other thread: everything that may wait for a disk or for a name service. It owns the store and the spool,
//! takes commands from a bounded queue, commits what has gathered at once, and answers through an eventfd.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TrySendError};

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::unistd::Uid;

use crate::daemon::asked::{OfCrontab, OfDesk, Question};
use crate::daemon::connections::{Caller, Client};
use crate::daemon::explain::Explained;
use crate::daemon::writes::{Record, Write};
use crate::plan::at_queue::Waiting;
use crate::plan::civil::Timestamp;
use crate::plan::job::{Job, JobId, Recipe, Source};
use crate::plan::missed::Remembered;
use crate::plan::run::{Outcome, Report, Run, RunId};
use crate::protocol::reply;
use crate::protocol::request::Call;
use crate::store::queue::Position;
use crate::syntax::config::Config;

/// What the disk thread is told.
#[derive(Debug)]
pub enum Command {
    /// Who has this uid, and what is to be done for them?
    Introduce {
        client: Client,
        uid: Uid,
        asked: OfDesk,
        now: Timestamp,
    },
    Errand(Errand),
    Record(Record),
}

/// What is looked at, answered or done, and not part of what is written in one transaction.
#[derive(Debug)]
pub enum Errand {
    /// Who has this uid?
    Identify { client: Client, uid: Uid },
    /// A frame too large to be parsed between two turns of the loop.
    Parse { client: Client, frame: Vec<u8> },
    /// A question to the store.
    Ask { client: Client, caller: Caller, question: Question },
    /// What somebody does with a crontab.
    Crontab { client: Client, caller: Caller, asked: OfCrontab },
    /// The next piece of the at queue, from this position on.
    List { client: Client, caller: Caller, from: Position },
    /// The reply to a request for jobs, but for how each ended last.
    Annotate { client: Client, jobs: reply::Jobs, owner: Option<String> },
    /// The reply to a request for why a job ran or did not, but for what the store knows.
    Explain { client: Client, explained: Box<Explained>, owner: Option<String> },
    /// Tell a client how this run ended, and what it printed.
    Tell { client: Client, run: Run, outcome: Outcome },
    /// Read what changed in the spool. `client` waits to be told that it is done.
    Look { client: Option<Client> },
    /// Read everything again if a zone file changed.
    CheckZones,
    /// Ask the sessions of these runs to end their jobs.
    End { runs: Vec<RunId> },
    /// Look for reports of which nothing was heard.
    CollectAll { now: Timestamp },
    /// Wait until no fork server but this one can start anything, then find out what became of earlier orders.
    Settle(Settlement),
}

/// The fork server that is there now, and the runs that an earlier one was told to start and has not confirmed.
#[derive(Debug)]
pub struct Settlement {
    pub server: u64,
    pub unconfirmed: Vec<Run>,
    pub now: Timestamp,
}

impl From<Errand> for Command {
    fn from(errand: Errand) -> Command {
        Command::Errand(errand)
    }
}

impl From<Record> for Command {
    fn from(record: Record) -> Command {
        Command::Record(record)
    }
}

impl From<Write> for Command {
    fn from(write: Write) -> Command {
        Command::Record(Record::Write(write))
    }
}

/// What the disk thread tells.
#[derive(Debug)]
pub enum Answer {
    /// Who a client is, or why that cannot be told.
    Identified { client: Client, caller: Result<Caller, String> },
    /// What a client's frame says.
    Parsed { client: Client, call: Call },
    /// The reply for a client.
    Reply { client: Client, reply: Vec<u8> },
    /// The beginning of a reply, and what makes the next piece once this one is sent.
    Piece { client: Client, piece: Vec<u8>, next: Box<Errand> },
    /// A run of an earlier ratd goes on.
    Adopted { run: Run, at: Timestamp },
    /// A crontab was read.
    Loaded { source: Source, jobs: Vec<Arc<Job>>, problems: Vec<String>, left: Vec<String> },
    /// A crontab could not be read; its jobs stay.
    Kept { source: Source, problems: Vec<String> },
    /// rat.conf was read. `None`: what it last said counts.
    Configured { source: Source, problems: Vec<String>, config: Option<Box<Config>> },
    /// A file in a directory of crontabs is none by its name.
    Skipped { source: Source, problem: String },
    /// A crontab is gone.
    Gone { source: Source, problems: Vec<String> },
    /// The spool was looked at, and nobody is to be replied to.
    Looked,
    /// Everything was read once.
    Ready { after_boot: bool },
    /// When the earliest at-jobs are due.
    Queued { waiting: Waiting },
    /// At-jobs that were claimed.
    Claimed { runs: Vec<(Run, Recipe)>, waiting: Waiting },
    /// A run that was over before any session began: its owner is to be told.
    Untold { report: Box<Report>, recipe: Box<Recipe> },
    /// A run that a client asked for is written down.
    Ordered { client: Client, run: Run, job: Arc<Job> },
    /// It cannot be written down, and why.
    Unordered { client: Client, run: RunId, why: String },
    /// A run is over.
    Ended { run: Run, outcome: Outcome },
    /// The last run of a job under an earlier ratd ended so.
    Failed { run: Run, outcome: Outcome, ended: Timestamp },
    /// The stamp of a period job says this now.
    Stamped { name: String, done: Option<chrono::NaiveDate> },
    /// What is written down of entries that make up for what they missed; `None`: that cannot be told now.
    Recalled { entries: Option<Vec<(JobId, Remembered)>> },
    /// A run that makes up for a missed instant is written down.
    MadeUp { run: Run, job: Arc<Job> },
    /// It cannot be written down, and why.
    NotMadeUp { run: Run, why: String },
    /// The store works, or why it does not.
    Health { trouble: Option<String> },
    /// Something that the operator should read.
    Said { text: String },
}

/// Where answers go: into the channel, and a knock at the loop.
#[derive(Clone, Debug)]
pub struct Answers {
    channel: Sender<Answer>,
    knock: Arc<EventFd>,
}

impl Answers {
    /// Gives an answer to the loop.
    pub fn give(&self, answer: Answer) {
        self.leave(answer);
        let _ = self.knock.write(1);
    }

    /// Leaves an answer that can wait for the next one, which must follow soon: a knock wakes the loop.
    pub fn leave(&self, answer: Answer) {
        // The loop holds the other end until the process ends.
        let _ = self.channel.send(answer);
    }
}

/// The loop's end of the thread.
#[derive(Debug)]
pub struct Disk {
    commands: SyncSender<Command>,
    answers: Receiver<Answer>,
    knock: Arc<EventFd>,
    owed: Owed,
}

/// What could not be commanded because the queue was full; made good as soon as there is room.
#[derive(Debug, Default)]
struct Owed {
    look: bool,
    collect: bool,
    rows: u64,
    must: VecDeque<Command>,
}

/// ratd without this thread would run jobs and remember none of them: better that it is started again.
struct EndsWithIt;

impl Drop for EndsWithIt {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the disk thread failed, which is a bug; ratd ends, its jobs go on");
            std::process::abort();
        }
    }
}

/// So many commands may wait. It bounds memory; a disk that hangs must not.
const LONGEST_QUEUE: usize = 4096;

impl Disk {
    /// Starts the thread, which does nothing but this work.
    pub fn start(
        work: impl FnOnce(Receiver<Command>, Answers) + Send + 'static,
    ) -> std::io::Result<Disk> {
        let (commands, received) = mpsc::sync_channel(LONGEST_QUEUE);
        let (channel, answers) = mpsc::channel();
        let knock = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let way = Answers { channel, knock: knock.clone() };
        std::thread::Builder::new().name("ratd disk".to_owned()).spawn(move || {
            let _guard = EndsWithIt;
            work(received, way);
        })?;
        Ok(Disk { commands, answers, knock, owed: Owed::default() })
    }

    /// Readable when there are answers.
    pub fn descriptor(&self) -> impl AsFd + '_ {
        self.knock.as_fd()
    }

    /// The answers that have come. Also makes good what a full queue held up.
    pub fn answers(&mut self) -> Vec<Answer> {
        let _ = self.knock.read();
        let answers = self.answers.try_iter().collect();
        self.pay();
        answers
    }

    /// Commands what has to be done sooner or later: it waits here while the queue is full.
    pub fn must(&mut self, command: impl Into<Command>) {
        let command = command.into();
        if !self.owed.must.is_empty() {
            self.owed.must.push_back(command);
            return;
        }
        if let Err(TrySendError::Full(command)) = self.commands.try_send(command) {
            self.owed.must.push_back(command);
        }
    }

    /// Commands what may be refused. False: the queue is full.
    pub fn may(&mut self, command: impl Into<Command>) -> bool {
        self.commands.try_send(command.into()).is_ok()
    }

    /// Writes into the history; a full queue drops the row and counts it.
    pub fn record(&mut self, write: Write) {
        if !self.may(write) {
            self.owed.rows += 1;
        }
    }

    /// Takes the report of a run; while the queue is full it stays where it lies.
    pub fn collect(&mut self, run: RunId, now: Timestamp) {
        if !self.may(Record::Collect { run, now }) {
            self.owed.collect = true;
        }
    }

    /// Looks at the spool.
    pub fn look(&mut self) {
        if !self.may(Errand::Look { client: None }) {
            self.owed.look = true;
        }
    }

    /// How many history rows were dropped since this was last asked.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.owed.rows)
    }

    fn pay(&mut self) {
        while let Some(command) = self.owed.must.pop_front() {
            if let Err(TrySendError::Full(command)) = self.commands.try_send(command) {
                self.owed.must.push_front(command);
                return;
            }
        }
        if self.owed.look && self.may(Errand::Look { client: None }) {
            self.owed.look = false;
        }
    }

    /// Whether reports lie about that nobody was told to take; the answer is yes only once.
    pub fn take_collect_all(&mut self) -> bool {
        std::mem::take(&mut self.owed.collect)
    }
}
