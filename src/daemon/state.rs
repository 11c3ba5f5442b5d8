//! What ratd knows of itself, for its operator. Decides nothing.

use std::collections::BTreeMap;

use crate::daemon::asked::OfLoop;
use crate::daemon::connections::Client;
use crate::daemon::disk::Errand;
use crate::plan::absence::Clocks;
use crate::plan::civil::Timestamp;
use crate::plan::job::Source;
use crate::plan::run::{Run, RunId};

/// What `rat status` tells.
#[derive(Debug)]
pub struct State {
    pub started: Timestamp,
    pub ready: bool,
    /// A crontab has been read, however little it holds.
    pub loaded: bool,
    /// All clocks, as they were last read.
    pub clocks: Option<Clocks>,
    /// What is wrong with each crontab.
    pub problems: BTreeMap<Source, Vec<String>>,
    /// What each crontab leaves to others, a line each.
    pub left: BTreeMap<Source, Vec<String>>,
    /// Why the store cannot be used; `None` if it can.
    pub trouble: Option<String>,
    /// The jobs whose runs go on, by run.
    pub running: BTreeMap<RunId, Run>,
    /// What was asked by clients whose name is being looked up.
    pub unnamed: BTreeMap<Client, OfLoop>,
    /// What makes the next piece of a reply, by the client that still takes the one before.
    pub continued: BTreeMap<Client, Errand>,
    /// Clients that wait for a run to end.
    pub waiting: Vec<(RunId, Client)>,
    pub runs_started: u64,
    pub runs_missed: u64,
    pub rows_dropped: u64,
}

impl State {
    /// A ratd that has just been started.
    pub fn new(started: Timestamp) -> State {
        State {
            started,
            ready: false,
            loaded: false,
            clocks: None,
            problems: BTreeMap::new(),
            left: BTreeMap::new(),
            trouble: None,
            running: BTreeMap::new(),
            unnamed: BTreeMap::new(),
            continued: BTreeMap::new(),
            waiting: Vec::new(),
            runs_started: 0,
            runs_missed: 0,
            rows_dropped: 0,
        }
    }
}
