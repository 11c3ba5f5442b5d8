//! The anacrontab of one call, and the jobs in it that were asked for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::anacron::options::Options;
use crate::paths::Paths;
use crate::plan::job::{Job, Source};
use crate::spool::file::{self, Refusal, Trust};
use crate::spool::jobs::{Machine, Rules, Zones, of_anacrontab};
use crate::syntax::config::Config;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::dialect;
use crate::sys::pattern;

/// An anacrontab that was read.
#[derive(Debug)]
pub struct Table {
    path: PathBuf,
    jobs: Vec<Arc<Job>>,
    diagnostics: Vec<Diagnostic>,
}

impl Table {
    /// Reads the one that was asked for, or the system's, which has to be root's.
    pub fn read(options: &Options, paths: &Paths) -> Result<Table, String> {
        let (path, trust) = match &options.table {
            Some(path) => (path.clone(), Trust::anyone()),
            None => (paths.under_root("etc/anacrontab"), Trust::system(&paths.root)),
        };
        let read = file::read(&path, &trust).map_err(|refusal| match refusal {
            Refusal::Untrusted(why) | Refusal::Unreadable(why) => format!("Error opening {why}"),
        })?;
        let mut zones = Zones::new(&paths.root);
        let source = Source(path.clone());
        let (machine, config) = (Machine::of(paths), Config::default());
        let rules = Rules { dialect: &dialect::RAT, machine: &machine, config: &config };
        let (jobs, diagnostics) = of_anacrontab(&read.text, &source, &rules, &mut zones);
        Ok(Table { path, jobs, diagnostics })
    }

    /// What is wrong with it, a line each.
    pub fn complaints(&self) -> impl Iterator<Item = String> {
        let path = shown(&self.path);
        self.diagnostics.iter().map(move |said| said.in_a_line(&path))
    }

    /// Whether something in it is wrong, and not only odd.
    pub fn is_wrong(&self) -> bool {
        self.diagnostics.iter().any(|said| said.code.starts_with('E'))
    }

    /// The jobs that match one of the patterns, and the first that they match; without patterns, all.
    pub fn asked(&self, patterns: &[String]) -> Vec<(usize, Arc<Job>)> {
        let first = |job: &Job| match patterns {
            [] => Some(0),
            some => some.iter().position(|asked| pattern::matches(asked, &job.name)),
        };
        self.jobs.iter().filter_map(|job| Some((first(job)?, job.clone()))).collect()
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
