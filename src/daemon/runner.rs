//! Orders to the fork server: queued, sent without waiting, and accounted for until their session is seen. Starts
//! another fork server when one dies. Knows nothing of what becomes of a run after it has begun.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{read, write};

use crate::daemon::crash::{Crash, Place};
use crate::daemon::wait::{For, Token, Wait};
use crate::plan::civil::Timestamp;
use crate::plan::run::{Order, Run, RunId};
use crate::session::frame::{self, Answer, Answers, Malformed};
use crate::session::server::{self, ForkServer};

/// Two fork servers are started at least this far apart.
const PAUSE: TimeDelta = TimeDelta::seconds(1);

/// What became known of the orders.
#[derive(Debug)]
pub enum News {
    /// The fork server of this name reads; any other in this place is from before. Whether these runs were started
    /// by the one before, only their files tell.
    Ready { server: u64, unconfirmed: Vec<Run> },
    /// The kernel refused another process for this run.
    Refused { run: Run, why: io::Error },
    /// The fork server died; another is started in a moment.
    Died,
}

/// The way to the fork server.
#[derive(Debug)]
pub struct Runner {
    run_directory: PathBuf,
    inherit_output: bool,
    /// `None` for a moment after one died, so that one that cannot live is not started without end.
    server: Option<ForkServer>,
    started: Timestamp,
    /// The server's name among the locks, once it holds its own; before that, an order could start after it was
    /// declared lost.
    name: Option<u64>,
    answers: Answers,
    /// Frames not yet written; the first one may be written in part.
    frames: VecDeque<(RunId, Vec<u8>)>,
    written: usize,
    watched: For,
    /// Runs that were ordered and whose session has not been seen yet.
    unconfirmed: BTreeMap<RunId, Run>,
    /// Those of a server that died.
    inherited: Vec<Run>,
    crash: Crash,
}

impl Runner {
    /// The first fork server; started before ratd locks or opens anything.
    pub fn start(run_directory: &Path, inherit_output: bool, crash: Crash) -> io::Result<Runner> {
        Ok(Runner {
            run_directory: run_directory.to_owned(),
            inherit_output,
            server: Some(server::start(run_directory, inherit_output)?),
            started: Timestamp::MIN_UTC,
            name: None,
            answers: Answers::default(),
            frames: VecDeque::new(),
            written: 0,
            watched: For::Reading,
            unconfirmed: BTreeMap::new(),
            inherited: Vec::new(),
            crash,
        })
    }

    /// Waits for the fork server's answers under this token.
    pub fn watch(&self, wait: &Wait, token: Token) -> io::Result<()> {
        self.server.iter().try_for_each(|server| wait.add(&server.socket, token, self.watched))
    }

    /// Orders a run.
    pub fn order(&mut self, order: &Order, wait: &Wait, token: Token) -> Result<(), Malformed> {
        self.crash.at(Place::BeforeOrder);
        let frame = frame::encode_order(order)?;
        self.unconfirmed.insert(order.run.id, order.run.clone());
        self.frames.push_back((order.run.id, frame));
        self.send(wait, token);
        Ok(())
    }

    /// The session of this run has been seen.
    pub fn confirm(&mut self, run: RunId) {
        self.unconfirmed.remove(&run);
        self.inherited.retain(|inherited| inherited.id != run);
    }

    /// Writes what is taken of the frames, and asks to be woken when more would be.
    pub fn send(&mut self, wait: &Wait, token: Token) {
        let Some(server) = &self.server else { return };
        while self.name.is_some()
            && let Some((_, frame)) = self.frames.front()
        {
            match write(&server.socket, &frame[self.written..]) {
                Ok(length) => {
                    self.written += length;
                    if self.written == frame.len() {
                        self.frames.pop_front();
                        self.written = 0;
                        self.crash.at(Place::AfterOrder);
                    }
                }
                Err(Errno::EINTR) => {}
                // A server that died is noticed when its socket is read.
                Err(_) => break,
            }
        }
        let wanted =
            if self.name.is_some() && !self.frames.is_empty() { For::Both } else { For::Reading };
        if wanted != self.watched && wait.change(&server.socket, token, wanted).is_ok() {
            self.watched = wanted;
        }
    }

    /// Reads what the fork server has to say.
    pub fn hear(&mut self, wait: &Wait, token: Token) -> Vec<News> {
        let mut news = Vec::new();
        let mut piece = [0; 4096];
        while let Some(server) = &self.server {
            match read(&server.socket, &mut piece) {
                Ok(length) if length > 0 => self.answers.push(&piece[..length]),
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                Ok(_) | Err(_) => {
                    self.mourn(wait);
                    return vec![News::Died];
                }
            }
        }
        loop {
            match self.answers.next_answer() {
                Ok(None) => break,
                Ok(Some(answer)) => news.extend(self.note(answer)),
                // What it says makes no sense: it is as good as dead.
                Err(_) => {
                    self.mourn(wait);
                    return vec![News::Died];
                }
            }
        }
        self.send(wait, token);
        news
    }

    fn note(&mut self, answer: Answer) -> Option<News> {
        match answer {
            Answer::Ready { server } => {
                self.name = Some(server);
                let unconfirmed = std::mem::take(&mut self.inherited);
                Some(News::Ready { server, unconfirmed })
            }
            Answer::Refused { run, errno } => {
                let run = self.unconfirmed.remove(&run)?;
                Some(News::Refused { run, why: io::Error::from_raw_os_error(errno) })
            }
        }
    }

    /// Takes the ends of fork servers that died, and in a container those of orphans; ratd has no other children.
    pub fn bury() {
        while waitpid(None, Some(WaitPidFlag::WNOHANG))
            .is_ok_and(|status| status != WaitStatus::StillAlive)
        {}
    }

    /// The server is dead. Frames that were not written whole go to the next one: this one cannot have understood
    /// them. What became of the others is to be found out.
    fn mourn(&mut self, wait: &Wait) {
        if let Some(dead) = self.server.take() {
            let _ = wait.remove(dead.socket.as_fd());
        }
        self.name = None;
        self.answers = Answers::default();
        self.written = 0;
        self.watched = For::Reading;
        let unsent: Vec<RunId> = self.frames.iter().map(|(run, _)| *run).collect();
        let (kept, unconfirmed): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.unconfirmed)
                .into_iter()
                .partition(|(run, _)| unsent.contains(run));
        self.unconfirmed = kept;
        self.inherited.extend(unconfirmed.into_values());
    }

    /// When the next server is to be started; `None` while there is one.
    pub fn wakeup(&self) -> Option<Timestamp> {
        self.server.is_none().then_some(self.started + PAUSE)
    }

    /// Starts another server if there is none and the last start is not a moment ago. True if it did.
    pub fn revive(&mut self, now: Timestamp, wait: &Wait, token: Token) -> io::Result<bool> {
        // A clock that was set back must not keep it waiting.
        if self.wakeup().is_none_or(|at| now < at && at <= now + PAUSE) {
            return Ok(false);
        }
        self.started = now;
        self.server = Some(server::start(&self.run_directory, self.inherit_output)?);
        self.watch(wait, token)?;
        Ok(true)
    }

    /// The fork server's pid.
    pub fn pid(&self) -> Option<i32> {
        self.server.as_ref().map(|server| server.pid.as_raw())
    }
}
