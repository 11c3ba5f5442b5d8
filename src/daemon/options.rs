//! ratd's command line, and the kind of ratd that it asks for.

use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use clap::Parser;
use nix::errno::Errno;
use nix::unistd::{User, geteuid};

use crate::daemon::room;
use crate::paths::Paths;
use crate::plan::at_queue::Limits;
use crate::store::runs::Retention;
use crate::syntax::config::{self, Config};
use crate::syntax::dialect::{CONTAINER, Dialect, RAT};
use crate::syntax::duration;
use crate::syntax::options::hundredths;
use crate::sys::host;

/// One scheduler in the place of crond, atd and anacron.
///
/// Without FILE ratd reads the system's crontabs and runs in the background. With FILE it stays in the foreground
/// and runs the jobs of that one crontab as the user who started it; as process 1 it is --container.
#[derive(Debug, Parser)]
#[command(name = "ratd", version)]
pub struct Options {
    /// Stay in the foreground
    #[arg(short = 'n', long, visible_short_alias = 'f')]
    pub foreground: bool,
    /// Use DIR in place of /
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Read crontabs as another cron does: debian, cronie, busybox or container
    #[arg(long, value_name = "DIALECT", value_parser = Dialect::named)]
    pub dialect: Option<&'static Dialect>,
    /// Run at most N at-jobs at once [default: any number]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub at_parallel: Option<u32>,
    /// Start batch jobs only below this load average [default: 1.5, or half less than there are processors]
    #[arg(long, value_name = "LOAD", value_parser = hundredths)]
    pub batch_load: Option<u32>,
    /// Start batch jobs no closer together than this [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = duration::named)]
    pub batch_interval: Option<TimeDelta>,
    /// Do not start an at-job later than this after it was due, unless it has a deadline of its own
    #[arg(long, value_name = "TIME", value_parser = duration::named)]
    pub at_deadline: Option<TimeDelta>,
    /// Run your own crontab and at-jobs alone, as yourself
    #[arg(long, conflicts_with_all = ["root", "file"])]
    pub user: bool,
    /// Be what a container runs: jobs have its environment and its output, and are waited for
    #[arg(long, requires = "file")]
    pub container: bool,
    /// When a container is stopped, let jobs run on for so long before they are asked to end [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = duration::named, requires = "file")]
    pub wait: Option<TimeDelta>,
    /// Run the jobs of this crontab
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// What kind of ratd this is.
#[derive(Clone, Debug)]
pub struct Mode {
    /// Its places.
    pub paths: Paths,
    /// The one crontab it reads, made absolute, and the user it is for.
    pub file: Option<(PathBuf, String)>,
    /// It is a user's own: no jobs but theirs.
    pub own: bool,
    /// It is what a container runs.
    pub container: Option<Container>,
    /// It stays in the foreground.
    pub foreground: bool,
    /// The dialect its crontabs are read in.
    pub dialect: &'static Dialect,
    /// How at-jobs are held.
    pub at: AtJobs,
    /// What the command line says of these, whatever rat.conf says.
    asked: Asked,
    /// What rat.conf says.
    pub config: Config,
}

/// What the command line and rat.conf both can say.
#[derive(Clone, Debug)]
struct Asked {
    dialect: Option<&'static Dialect>,
    at: config::AtJobs,
}

impl Mode {
    /// Whether it is the system's, which everybody may call and which is alone.
    pub fn is_system(&self) -> bool {
        self.file.is_none() && !self.own
    }
}

/// How a ratd in a container ends.
#[derive(Clone, Copy, Debug)]
pub struct Container {
    /// How long its jobs may go on when it is told to stop; `None` is for ever.
    pub wait: Option<TimeDelta>,
}

/// How at-jobs are held.
#[derive(Clone, Copy, Debug)]
pub struct AtJobs {
    /// When they are claimed.
    pub limits: Limits,
    /// How much later than due one may start that says nothing about it; `None` is any time.
    pub deadline: Option<TimeDelta>,
}

impl Options {
    /// The mode these options ask for.
    pub fn mode(&self) -> Result<Mode, String> {
        let asked = || std::env::var_os("RAT_ROOT").filter(|_| !self.user).map(PathBuf::from);
        let root = self.root.clone().or_else(asked).filter(|root| !root.as_os_str().is_empty());
        let root = root.as_ref().map(absolute).transpose()?;
        let file = match &self.file {
            Some(file) => Some((absolute(file)?, own_name()?)),
            None => None,
        };
        let container = self.container(file.is_some())?;
        let paths = match (&root, &file) {
            (Some(root), _) => Paths::system(root),
            (None, Some(_)) if container.is_some() => room::paths()?,
            (None, Some(_)) => Paths::user().ok_or(
                "neither HOME nor XDG_STATE_HOME says where to keep state; use --root DIR",
            )?,
            (None, None) if self.user => {
                Paths::user().ok_or("neither HOME nor XDG_STATE_HOME says where to keep state")?
            }
            (None, None) if geteuid().is_root() => Paths::system("/".as_ref()),
            (None, None) => {
                return Err(
                    "only root can run the system's crontabs; run your own with: ratd --user"
                        .to_owned(),
                );
            }
        };
        let usual = container.as_ref().map(|_| &CONTAINER);
        let dialect = self.dialect.or(usual);
        Ok(Mode {
            paths,
            foreground: self.foreground || file.is_some(),
            file,
            own: self.user,
            dialect: dialect.unwrap_or(&RAT),
            container,
            at: at_jobs(&self.at_jobs()),
            asked: Asked { dialect, at: self.at_jobs() },
            config: Config::default(),
        })
    }

    fn at_jobs(&self) -> config::AtJobs {
        config::AtJobs {
            parallel: self.at_parallel,
            deadline: self.at_deadline,
            batch_load: self.batch_load,
            batch_interval: self.batch_interval,
        }
    }

    /// Process 1 is what its container, or its machine, lives by.
    fn container(&self, has_file: bool) -> Result<Option<Container>, String> {
        let is_contained = self.container || (has_file && std::process::id() == 1);
        match (is_contained, self.wait) {
            (true, wait) => Ok(Some(Container { wait })),
            (false, None) => Ok(None),
            (false, Some(_)) => Err("--wait is for --container: elsewhere jobs go on".to_owned()),
        }
    }
}

impl Mode {
    /// Takes over what rat.conf says and the command line does not.
    pub fn configure(&mut self, config: &Config) {
        let of_system = self.asked.dialect.or(config.dialects.default);
        self.dialect = of_system.unwrap_or(&RAT);
        let (asked, configured) = (&self.asked.at, &config.at);
        self.at = at_jobs(&config::AtJobs {
            parallel: asked.parallel.or(configured.parallel),
            deadline: asked.deadline.or(configured.deadline),
            batch_load: asked.batch_load.or(configured.batch_load),
            batch_interval: asked.batch_interval.or(configured.batch_interval),
        });
        self.config = config.clone();
    }

    /// The dialect that was asked for in spite of rat.conf.
    pub fn asked_dialect(&self) -> Option<&'static Dialect> {
        self.asked.dialect
    }

    /// Those that crontabs are read in.
    pub fn dialects(&self) -> impl Iterator<Item = &'static Dialect> {
        let others = self.config.dialects.places.values().copied();
        std::iter::once(self.dialect).chain(others.filter(|_| self.asked.dialect.is_none()))
    }

    /// As which cron a crontab in this place is read.
    pub fn dialect_of(&self, place: &Path) -> &'static Dialect {
        let of_config = || self.config.dialects.of(place, &self.paths.root);
        self.asked.dialect.or_else(of_config).unwrap_or(self.dialect)
    }

    /// What is kept of runs that are over.
    pub fn retention(&self) -> Retention {
        let (kept, usual) = (self.config.kept, Retention::default());
        let age = kept.days.map(|days| TimeDelta::days(days.into()));
        Retention { runs: kept.runs.unwrap_or(usual.runs), age: age.unwrap_or(usual.age) }
    }
}

/// How at-jobs are held where this is said.
fn at_jobs(said: &config::AtJobs) -> AtJobs {
    let usual = Limits::of_machine(host::processors());
    let limits = Limits {
        parallel: said.parallel,
        load: said.batch_load.unwrap_or(usual.load),
        interval: said.batch_interval.unwrap_or(usual.interval),
    };
    AtJobs { limits, deadline: said.deadline }
}

/// The path from the root on; ratd may leave the directory it was started in.
fn absolute(path: &PathBuf) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn own_name() -> Result<String, String> {
    match User::from_uid(geteuid()) {
        Ok(Some(user)) => Ok(user.name),
        // A container may run under a uid without a name, or have no file of names at all.
        Ok(None) | Err(Errno::ENOENT) => Ok(geteuid().to_string()),
        Err(error) => Err(format!("cannot tell who uid {} is: {error}", geteuid())),
    }
}
