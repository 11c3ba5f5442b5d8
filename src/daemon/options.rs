//! ratd's command line, and the kind of ratd that it asks for.

use std::path::PathBuf;

use clap::Parser;
use nix::unistd::{User, geteuid};

use crate::paths::Paths;
use crate::syntax::dialect::{Dialect, RAT};

/// One scheduler in the place of crond, atd and anacron.
///
/// Without FILE ratd reads the system's crontabs and runs in the background. With FILE it stays in the foreground
/// and runs the jobs of that one crontab as the user who started it.
#[derive(Debug, Parser)]
#[command(name = "ratd", version)]
pub struct Options {
    /// Stay in the foreground
    #[arg(short = 'n', long, visible_short_alias = 'f')]
    pub foreground: bool,
    /// Use DIR in place of /
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Read crontabs as another cron does: debian, cronie or busybox
    #[arg(long, value_name = "DIALECT", value_parser = Dialect::named)]
    pub dialect: Option<&'static Dialect>,
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
    /// It stays in the foreground.
    pub foreground: bool,
    /// The dialect its crontabs are read in.
    pub dialect: &'static Dialect,
}

impl Options {
    /// The mode these options ask for.
    pub fn mode(&self) -> Result<Mode, String> {
        let asked = || std::env::var_os("RAT_ROOT").map(PathBuf::from);
        let root = self.root.clone().or_else(asked).filter(|root| !root.as_os_str().is_empty());
        let root = root.as_ref().map(absolute).transpose()?;
        let file = match &self.file {
            Some(file) => Some((absolute(file)?, own_name()?)),
            None => None,
        };
        let paths = match (&root, &file) {
            (Some(root), _) => Paths::system(root),
            (None, Some(_)) => Paths::user().ok_or(
                "neither HOME nor XDG_STATE_HOME says where to keep state; use --root DIR",
            )?,
            (None, None) if geteuid().is_root() => Paths::system("/".as_ref()),
            (None, None) => {
                return Err(
                    "only root can run the system's crontabs; run your own with: ratd FILE"
                        .to_owned(),
                );
            }
        };
        Ok(Mode {
            paths,
            foreground: self.foreground || file.is_some(),
            file,
            dialect: self.dialect.unwrap_or(&RAT),
        })
    }
}

/// The path from the root on; ratd may leave the directory it was started in.
fn absolute(path: &PathBuf) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn own_name() -> Result<String, String> {
    match User::from_uid(geteuid()) {
        Ok(Some(user)) => Ok(user.name),
        // A container may run under a uid without a name; the session compares uids.
        Ok(None) => Ok(geteuid().to_string()),
        Err(error) => Err(format!("cannot tell who uid {} is: {error}", geteuid())),
    }
}
