//! Requests about users' crontabs, answered for the clerk: who may, what is done in the spool, and what the log says
//! of it in crontab(1)'s own words. Knows no store.

use std::path::PathBuf;

use nix::unistd::User;

use crate::daemon::access::{self, Tool};
use crate::daemon::asked::OfCrontab;
use crate::daemon::connections::Caller;
use crate::daemon::control::encode;
use crate::daemon::options::Mode;
use crate::log::{Syslog, Weight};
use crate::paths::Paths;
use crate::plan::job::Source;
use crate::plan::text::Text;
use crate::protocol::fault::Fault;
use crate::protocol::reply;
use crate::protocol::request::PutCrontab;
use crate::spool::install::{self, Undone};
use crate::spool::jobs::{self, Machine, Rules, Zones, of_crontab};
use crate::spool::versions::{self, Changed};
use crate::syntax::diagnostic::Severity;

/// Carries out a request about a crontab.
pub fn answer(syslog: &mut Syslog, caller: &Caller, asked: &OfCrontab, mode: &Mode) -> Vec<u8> {
    let mut desk = Desk { syslog, caller, mode };
    match asked {
        OfCrontab::Get(request) => encode(desk.get(request.user.as_deref(), request.edit)),
        OfCrontab::EndEdit(request) => encode(desk.end_edit(request.user.as_deref())),
        OfCrontab::Put(request) => encode(desk.put(request)),
        OfCrontab::Remove(request) => encode(desk.remove(request.user.as_deref())),
        OfCrontab::Versions(request) => encode(desk.versions(request.user.as_deref())),
        OfCrontab::Undo(request) => encode(desk.undo(request.user.as_deref(), request.number)),
    }
}

/// One request, and who made it.
struct Desk<'a> {
    syslog: &'a mut Syslog,
    caller: &'a Caller,
    mode: &'a Mode,
}

impl Desk<'_> {
    fn paths(&self) -> &Paths {
        &self.mode.paths
    }

    fn log(&mut self, event: &str, user: &User) {
        self.syslog.cron(Weight::Info, &self.caller.name, event, user.name.as_bytes());
    }

    /// Whose crontab is meant; another user's is for root alone.
    fn owner(&mut self, named: Option<&str>) -> Result<User, Fault> {
        if let Err(message) = access::check(Tool::Crontab, self.caller, self.paths()) {
            let what = b"crontab command not allowed";
            self.syslog.cron(Weight::Info, &self.caller.name, "AUTH", what);
            return Err(Fault::NotPermitted { message });
        }
        let Some(name) = named.filter(|name| *name != self.caller.name) else {
            let uid = self.caller.uid;
            let message = format!("uid {uid} has no passwd entry, so it cannot have a crontab");
            return self.caller.user.clone().ok_or(Fault::NotPermitted { message });
        };
        if !access::is_master(self.caller) {
            return Err(Fault::NotPermitted { message: "must be privileged to use -u".to_owned() });
        }
        match User::from_name(name) {
            Ok(Some(user)) => Ok(user),
            Ok(None) => Err(Fault::NotFound { message: format!("user `{name}' unknown") }),
            Err(error) => {
                Err(Fault::Unavailable { message: format!("cannot look up {name}: {error}") })
            }
        }
    }

    fn get(&mut self, named: Option<&str>, edit: bool) -> Result<reply::Crontab, Fault> {
        let user = self.owner(named)?;
        self.log(if edit { "BEGIN EDIT" } else { "LIST" }, &user);
        match install::read(self.paths(), &user).map_err(failed)? {
            Some(text) => Ok(reply::Crontab { text: Text(text) }),
            None => Err(Fault::NoCrontab { user: user.name }),
        }
    }

    fn end_edit(&mut self, named: Option<&str>) -> Result<reply::Done, Fault> {
        let user = self.owner(named)?;
        self.log("END EDIT", &user);
        Ok(reply::Done {})
    }

    fn put(&mut self, request: &PutCrontab) -> Result<reply::Done, Fault> {
        let user = self.owner(request.user.as_deref())?;
        let text = &request.text.0;
        self.check(&user, text)?;
        if !request.allow_empty
            && install::would_empty(self.paths(), &user, text).map_err(failed)?
        {
            return Err(Fault::EmptyCrontab { user: user.name });
        }
        install::install(self.paths(), &user, text).map_err(failed)?;
        self.log("REPLACE", &user);
        Ok(reply::Done {})
    }

    /// Whether the crontab can be read as it is meant: one line that is not used may be the one that matters.
    fn check(&self, user: &User, text: &[u8]) -> Result<(), Fault> {
        install::check_length(user, text).map_err(failed)?;
        let (source, owner) = (Source(PathBuf::from("crontab")), jobs::Owner::All(&user.name));
        let (machine, mut zones) = (Machine::of(self.paths()), Zones::new(&self.paths().root));
        let place = install::place(self.paths(), user).map_err(failed)?;
        let (dialect, config) = (self.mode.dialect_of(&place), &self.mode.config);
        let rules = Rules { dialect, machine: &machine, config };
        let (_, said) = of_crontab(text, &source, owner, &rules, &mut zones);
        match said.iter().find(|said| said.severity == Severity::Error) {
            Some(error) => Err(Fault::InvalidParameter { parameter: error.in_a_line("crontab") }),
            None => Ok(()),
        }
    }

    fn remove(&mut self, named: Option<&str>) -> Result<reply::Done, Fault> {
        let user = self.owner(named)?;
        if !install::remove(self.paths(), &user).map_err(failed)? {
            return Err(Fault::NoCrontab { user: user.name });
        }
        self.log("DELETE", &user);
        Ok(reply::Done {})
    }

    fn versions(&mut self, named: Option<&str>) -> Result<reply::Versions, Fault> {
        let user = self.owner(named)?;
        let now = install::read(self.paths(), &user).map_err(failed)?;
        let changes = versions::changes(self.paths(), &user, now).map_err(failed)?;
        Ok(reply::Versions { versions: changes.into_iter().map(told).collect() })
    }

    fn undo(&mut self, named: Option<&str>, number: Option<u64>) -> Result<reply::Undone, Fault> {
        let user = self.owner(named)?;
        match install::undo(self.paths(), &user, number).map_err(failed)? {
            Undone::Back(version) => {
                let event = if version.text.is_some() { "REPLACE" } else { "DELETE" };
                self.log(event, &user);
                Ok(reply::Undone { number: version.number, text: version.text.map(Text) })
            }
            Undone::NoVersion => {
                let message = install::no_version(&user, number);
                Err(Fault::NotFound { message })
            }
        }
    }
}

fn told(change: Changed) -> reply::Version {
    reply::Version {
        number: change.number,
        until: change.until,
        bytes: change.bytes,
        added: change.added,
        removed: change.removed,
        changed: change.changed,
    }
}

fn failed(error: std::io::Error) -> Fault {
    Fault::Unavailable { message: error.to_string() }
}
