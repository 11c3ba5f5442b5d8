//! Orders to the fork server: queued, sent without waiting, and accounted for until their session is seen. Starts
//! another fork server when one dies. Knows nothing of what becomes of a run after it has begun.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{read, write};

use crate::daemon::crash::{Crash, Place};
use crate::daemon::wait::{For, Token, Wait};
use crate::plan::run::{Order, Run, RunId};
use crate::session::frame::{self, Answer, Answers, Malformed};
use crate::session::server::{self, ForkServer};

/// What became known of the orders.
#[derive(Debug)]
pub enum News {
    /// The fork server of this name reads; any other in this place is from before. Whether these runs were started
    /// by the one before, only their files tell.
    Ready { server: u64, unconfirmed: Vec<Run> },
    /// The kernel refused another process for this run.
    Refused { run: Run, why: io::Error },
    /// The fork server died, and another was started.
    Restarted,
}

/// The way to the fork server.
#[derive(Debug)]
pub struct Runner {
    run_directory: PathBuf,
    inherit_output: bool,
    server: ForkServer,
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
            server: server::start(run_directory, inherit_output)?,
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
        wait.add(&self.server.socket, token, self.watched)
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
    }

    /// Writes what is taken of the frames, and asks to be woken when more would be.
    pub fn send(&mut self, wait: &Wait, token: Token) {
        while self.name.is_some()
            && let Some((_, frame)) = self.frames.front()
        {
            match write(&self.server.socket, &frame[self.written..]) {
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
        if wanted != self.watched && wait.change(&self.server.socket, token, wanted).is_ok() {
            self.watched = wanted;
        }
    }

    /// Reads what the fork server has to say.
    pub fn hear(&mut self, wait: &Wait, token: Token) -> io::Result<Vec<News>> {
        let mut news = Vec::new();
        let mut piece = [0; 4096];
        loop {
            match read(&self.server.socket, &mut piece) {
                Ok(0) => {
                    news.push(self.restart(wait, token)?);
                    return Ok(news);
                }
                Ok(length) => self.answers.push(&piece[..length]),
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                Err(_) => {
                    news.push(self.restart(wait, token)?);
                    return Ok(news);
                }
            }
        }
        while let Some(answer) = self.answers.next_answer().map_err(io::Error::other)? {
            match answer {
                Answer::Ready { server } => {
                    self.name = Some(server);
                    news.push(News::Ready {
                        server,
                        unconfirmed: std::mem::take(&mut self.inherited),
                    });
                }
                Answer::Refused { run, errno } => {
                    if let Some(run) = self.unconfirmed.remove(&run) {
                        news.push(News::Refused { run, why: io::Error::from_raw_os_error(errno) });
                    }
                }
            }
        }
        self.send(wait, token);
        Ok(news)
    }

    /// Takes the ends of fork servers that died; nothing else is a child of ratd's.
    pub fn bury() {
        while waitpid(None, Some(WaitPidFlag::WNOHANG))
            .is_ok_and(|status| status != WaitStatus::StillAlive)
        {}
    }

    /// Starts another server. Frames that were not written whole go to the new one: the old one cannot have
    /// understood them.
    fn restart(&mut self, wait: &Wait, token: Token) -> io::Result<News> {
        let _ = wait.remove(self.server.socket.as_fd());
        self.server = server::start(&self.run_directory, self.inherit_output)?;
        self.name = None;
        self.answers = Answers::default();
        self.written = 0;
        self.watched = For::Reading;
        self.watch(wait, token)?;
        let unsent: Vec<RunId> = self.frames.iter().map(|(run, _)| *run).collect();
        let (kept, unconfirmed) = std::mem::take(&mut self.unconfirmed)
            .into_iter()
            .partition(|(run, _)| unsent.contains(run));
        self.unconfirmed = kept;
        let unconfirmed: BTreeMap<RunId, Run> = unconfirmed;
        self.inherited.extend(unconfirmed.into_values());
        Ok(News::Restarted)
    }

    /// The fork server's pid.
    pub fn pid(&self) -> i32 {
        self.server.pid.as_raw()
    }
}
