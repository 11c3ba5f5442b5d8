//! rat.conf on disk: whether it changed, whether it can be trusted, what it says. Does not know what is done with it.

use std::path::PathBuf;

use crate::paths::{Paths, RAT_CONF};
use crate::spool::TOLD_PROBLEMS;
use crate::spool::file::{self, Identity, Refusal, Trust};
use crate::syntax::config::Config;
use crate::syntax::diagnostic::{Diagnostic, Severity};
use crate::syntax::rat_conf;

/// rat.conf as it was last read.
#[derive(Debug)]
pub struct Settings {
    /// What it says, or last said without errors.
    pub config: Config,
    /// Where it is, and who may have written it; `None` where there is none to be read.
    file: Option<(PathBuf, Trust)>,
    /// That of the file that was read, if there was one; `None`: it is to be tried again.
    identity: Option<Option<Identity>>,
    /// What was wrong with it when ratd started, which is still to be told.
    untold: Option<Vec<String>>,
}

/// What a look at rat.conf found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing new.
    Same,
    /// It counts from now on, with what had better be mended.
    Read(Vec<String>),
    /// Something is wrong with it; what it last said still counts.
    Refused(Vec<String>),
}

impl Settings {
    /// No file is read, and nothing is set.
    pub fn none() -> Settings {
        Settings { config: Config::default(), file: None, identity: None, untold: None }
    }

    /// Reads the system's for the first time. There is nothing that it last said: what can be read of it counts.
    pub fn begin(paths: &Paths) -> Settings {
        let path = paths.under_root(RAT_CONF);
        let identity = Identity::of(&path).ok();
        let file = Some((path, Trust::system(&paths.root)));
        let mut settings = Settings { file, ..Settings::none() };
        // What cannot be used is looked at again, and told of then.
        if let Ok(read) = settings.read() {
            settings.untold = Some(settings.problems(&read.diagnostics));
            settings.config = read.config;
            settings.identity = Some(identity);
        }
        settings
    }

    /// The file.
    pub fn path(&self) -> Option<&PathBuf> {
        self.file.as_ref().map(|(path, _)| path)
    }

    /// Reads it again if it changed.
    pub fn look(&mut self) -> Found {
        let Some((path, _)) = &self.file else { return Found::Same };
        let identity = Some(Identity::of(path).ok());
        let untold = self.untold.take();
        if identity == self.identity {
            return untold.map_or(Found::Same, Found::Read);
        }
        self.identity = identity;
        match self.read() {
            Ok(read) => {
                let problems = self.problems(&read.diagnostics);
                if read.diagnostics.iter().any(|said| said.severity == Severity::Error) {
                    return Found::Refused(problems);
                }
                self.config = read.config;
                Found::Read(problems)
            }
            Err(why) => {
                // Tried again at every look, until it can be read.
                self.identity = None;
                Found::Refused(vec![why])
            }
        }
    }

    /// What it says; nothing if it is not there. An error is why it cannot be used.
    fn read(&self) -> Result<rat_conf::Read, String> {
        let Some((path, trust)) = &self.file else { return Ok(rat_conf::Read::default()) };
        match file::read(path, trust) {
            Ok(read) => Ok(rat_conf::parse(&read.text)),
            Err(Refusal::Unreadable(_)) if path.symlink_metadata().is_err() => {
                Ok(rat_conf::Read::default())
            }
            Err(Refusal::Unreadable(why) | Refusal::Untrusted(why)) => Err(why),
        }
    }

    /// In lines for a log.
    fn problems(&self, said: &[Diagnostic]) -> Vec<String> {
        let shown = self.path().map(|path| path.display().to_string()).unwrap_or_default();
        let problems = said.iter().filter(|said| said.severity > Severity::Note);
        problems.map(|said| said.in_a_line(&shown)).take(TOLD_PROBLEMS).collect()
    }
}
