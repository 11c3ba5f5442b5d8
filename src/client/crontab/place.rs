//! Where crontabs are: with ratd; or, for root where no ratd answers, in the spool, under the same lock and with the
//! same words in the log.

use std::path::{Path, PathBuf};

use nix::unistd::{User, geteuid, getuid};

use crate::client::call::{CallError, Connection, asked_root};
use crate::log::{Syslog, Weight};
use crate::paths::Paths;
use crate::plan::text::Text;
use crate::protocol::fault::Fault;
use crate::protocol::reply::{Undone, Version};
use crate::protocol::request::{
    EndEdit, GetCrontab, GetStatus, ListVersions, Method, PutCrontab, RemoveCrontab, UndoCrontab,
};
use crate::spool::install;
use crate::spool::versions::{self, Changed};
use crate::syntax::dialect::{Dialect, RAT};

/// Why something was not done.
pub enum Trouble {
    /// The words that crontab(1) has for it, whole.
    Classic(String),
    /// Said after the program's name.
    Said(String),
}

/// The crontab of one user.
pub struct Place {
    user: User,
    way: Way,
}

enum Way {
    Ratd {
        /// Where ratd is looked for. An edit may take longer than a ratd lives: each call connects anew.
        root: Option<PathBuf>,
        /// Who was named; ratd itself knows who calls.
        named: Option<String>,
    },
    Spool {
        paths: Paths,
        syslog: Syslog,
    },
}

impl Place {
    /// The place of the crontab of whoever is named, or else of the caller.
    pub fn of(program: &str, root: Option<&Path>, named: Option<&str>) -> Result<Place, Trouble> {
        let user = look_up(program, named)?;
        let way = match Connection::open(root) {
            Ok(_) => Way::Ratd { root: root.map(Path::to_owned), named: named.map(str::to_owned) },
            Err(_) if geteuid().is_root() => {
                let root = asked_root(root).unwrap_or_else(|| PathBuf::from("/"));
                let paths = Paths::system(&root);
                let syslog = Syslog::new(&paths.under_root("dev/log"), "crontab".into());
                Way::Spool { paths, syslog }
            }
            Err(no_daemon) => return Err(Trouble::Said(no_daemon.to_string())),
        };
        Ok(Place { user, way })
    }

    /// The login name of the crontab's owner.
    pub fn user(&self) -> &str {
        &self.user.name
    }

    /// What is said where there is none.
    pub fn no_crontab(&self) -> Trouble {
        Trouble::Classic(format!("no crontab for {}", self.user.name))
    }

    /// The dialect that the crontab will be read in.
    pub fn dialect(&self) -> &'static Dialect {
        let told = match &self.way {
            Way::Ratd { root, .. } => call(root.as_deref(), &GetStatus {}).ok(),
            Way::Spool { .. } => None,
        };
        told.and_then(|status| Dialect::named(&status.dialect).ok()).unwrap_or(&RAT)
    }

    /// The crontab; `None` if there is none.
    pub fn read(&mut self) -> Result<Option<Vec<u8>>, Trouble> {
        self.get(false)
    }

    /// The same, to be edited.
    pub fn begin_edit(&mut self) -> Result<Option<Vec<u8>>, Trouble> {
        self.get(true)
    }

    fn get(&mut self, edit: bool) -> Result<Option<Vec<u8>>, Trouble> {
        match &mut self.way {
            Way::Ratd { root, named } => {
                let request = GetCrontab { user: named.clone(), edit };
                optional(call(root.as_deref(), &request).map(|crontab| crontab.text.0))
            }
            Way::Spool { paths, syslog } => {
                log(syslog, if edit { "BEGIN EDIT" } else { "LIST" }, &self.user);
                install::read(paths, &self.user).map_err(failed)
            }
        }
    }

    /// Lets the log know that an edit is over.
    pub fn end_edit(&mut self) {
        match &mut self.way {
            // What was to be done is done, or has been complained of.
            Way::Ratd { root, named } => {
                drop(call(root.as_deref(), &EndEdit { user: named.clone() }));
            }
            Way::Spool { syslog, .. } => log(syslog, "END EDIT", &self.user),
        }
    }

    /// Installs a crontab.
    pub fn install(&mut self, text: Vec<u8>, allow_empty: bool) -> Result<(), Trouble> {
        match &mut self.way {
            Way::Ratd { root, named } => {
                let request = PutCrontab { user: named.clone(), text: Text(text), allow_empty };
                call(root.as_deref(), &request).map(drop).map_err(told)
            }
            Way::Spool { paths, syslog } => {
                let would_empty = || install::would_empty(paths, &self.user, &text).map_err(failed);
                if !allow_empty && would_empty()? {
                    let user = self.user.name.clone();
                    return Err(Trouble::Said(Fault::EmptyCrontab { user }.to_string()));
                }
                install::install(paths, &self.user, &text).map_err(failed)?;
                log(syslog, "REPLACE", &self.user);
                Ok(())
            }
        }
    }

    /// Removes the crontab. False if there was none.
    pub fn remove(&mut self) -> Result<bool, Trouble> {
        match &mut self.way {
            Way::Ratd { root, named } => {
                let request = RemoveCrontab { user: named.clone() };
                optional(call(root.as_deref(), &request)).map(|done| done.is_some())
            }
            Way::Spool { paths, syslog } => {
                let removed = install::remove(paths, &self.user).map_err(failed)?;
                if removed {
                    log(syslog, "DELETE", &self.user);
                }
                Ok(removed)
            }
        }
    }

    /// What the crontab was before each change, the newest first.
    pub fn versions(&mut self) -> Result<Vec<Version>, Trouble> {
        match &mut self.way {
            Way::Ratd { root, named } => {
                let request = ListVersions { user: named.clone() };
                call(root.as_deref(), &request).map(|told| told.versions).map_err(told)
            }
            Way::Spool { paths, .. } => {
                let now = install::read(paths, &self.user).map_err(failed)?;
                let known = versions::changes(paths, &self.user, now).map_err(failed)?;
                let told = |change: Changed| Version {
                    number: change.number,
                    until: change.until,
                    bytes: change.bytes,
                    added: change.added,
                    removed: change.removed,
                    changed: change.changed,
                };
                Ok(known.into_iter().map(told).collect())
            }
        }
    }

    /// Brings back a version, the newest without a number.
    pub fn undo(&mut self, number: Option<u64>) -> Result<Undone, Trouble> {
        match &mut self.way {
            Way::Ratd { root, named } => {
                let request = UndoCrontab { user: named.clone(), number };
                call(root.as_deref(), &request).map_err(told)
            }
            Way::Spool { paths, syslog } => {
                match install::undo(paths, &self.user, number).map_err(failed)? {
                    install::Undone::Back(version) => {
                        let event = if version.text.is_some() { "REPLACE" } else { "DELETE" };
                        log(syslog, event, &self.user);
                        Ok(Undone { number: version.number, text: version.text.map(Text) })
                    }
                    install::Undone::NoVersion => {
                        Err(Trouble::Said(install::no_version(&self.user, number)))
                    }
                }
            }
        }
    }
}

/// Whose crontab is meant.
fn look_up(program: &str, named: Option<&str>) -> Result<User, Trouble> {
    let found = match named {
        Some(name) => User::from_name(name),
        None => User::from_uid(getuid()),
    };
    let classic = match (found, named) {
        (Ok(Some(user)), _) => return Ok(user),
        (Ok(None), Some(name)) => format!("{program}:  user `{name}' unknown"),
        (Ok(None), None) => {
            format!("{program}: your UID isn't in the passwd file.\nbailing out.")
        }
        (Err(error), _) => {
            return Err(Trouble::Said(format!("cannot look up who this is: {error}")));
        }
    };
    Err(Trouble::Classic(classic))
}

fn call<M: Method>(root: Option<&Path>, method: &M) -> Result<M::Reply, CallError> {
    match Connection::open(root) {
        Ok(mut connection) => connection.call(method),
        Err(no_daemon) => Err(CallError::Broken(no_daemon.to_string())),
    }
}

/// Whether it is there: no crontab is an answer.
fn optional<R>(reply: Result<R, CallError>) -> Result<Option<R>, Trouble> {
    match reply {
        Ok(reply) => Ok(Some(reply)),
        Err(CallError::Fault(Fault::NoCrontab { .. })) => Ok(None),
        Err(error) => Err(told(error)),
    }
}

/// What ratd refuses in the words of crontab(1) is said in them.
fn told(error: CallError) -> Trouble {
    match error {
        CallError::Fault(Fault::NotPermitted { message }) => Trouble::Classic(message),
        CallError::Fault(Fault::InvalidParameter { parameter }) => {
            Trouble::Classic(format!("{parameter}\nerrors in crontab file, can't install."))
        }
        error => Trouble::Said(error.to_string()),
    }
}

fn failed(error: std::io::Error) -> Trouble {
    Trouble::Said(error.to_string())
}

fn log(syslog: &mut Syslog, event: &str, user: &User) {
    let who = User::from_uid(getuid())
        .ok()
        .flatten()
        .map_or_else(|| getuid().to_string(), |own| own.name);
    syslog.cron(Weight::Info, &who, event, user.name.as_bytes());
}
