//! PAM around one run: which service is asked, for whom it is asked at all, and what it leaves behind. The job's
//! limits are set in the session's own process, since only so are they inherited; afterwards it takes them off.

use std::ffi::CString;
use std::path::Path;

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

use crate::plan::job::{Kind, Recipe};
use crate::plan::text::Text;
use crate::session::owner::Owner;
use crate::sys::pam::{Refused, Transaction, Unstarted};

/// Where services are described; the second is the vendor's.
const DIRECTORIES: &[&str] = &["/etc/pam.d", "/usr/lib/pam.d"];

/// What the session sits at, for modules that insist on a terminal.
const TTY: &std::ffi::CStr = c"cron";

/// A PAM session that is open.
#[derive(Debug)]
pub struct Opened {
    transaction: Transaction,
    /// What the modules want in the job's environment.
    pub environment: Vec<(Text, Text)>,
    limits: Limits,
}

/// What came of asking PAM.
#[derive(Debug)]
pub enum Admission {
    /// It has nothing to say about this run.
    NotAsked,
    /// There is nobody to ask, and why.
    Absent(String),
    /// The owner may.
    Opened(Opened),
}

/// What pam_systemd is told of the session, if a crontab says it.
const SESSION_CLASS: &str = "XDG_SESSION_CLASS";

/// Asks PAM whether the owner may, and opens a session. An error is its refusal.
pub fn admit(recipe: &Recipe, owner: &mut Owner) -> Result<Admission, String> {
    let kind = recipe.kind;
    // As cronie: the system's own jobs are nobody's session, and would fill the log.
    let own = owner.is_root() && matches!(kind, Kind::SystemEntry | Kind::Period);
    if own || !owner.is_assumed_by_root() {
        return Ok(Admission::NotAsked);
    }
    let services = services(kind);
    let exists = |name: &&&str| DIRECTORIES.iter().any(|dir| Path::new(dir).join(name).exists());
    let Some(service) = services.iter().find(exists) else {
        let why = format!("no PAM service {} in {}", services.join(", "), DIRECTORIES.join(", "));
        return Ok(Admission::Absent(why));
    };
    let string = |text: &str| CString::new(text).map_err(|error| error.to_string());
    match Transaction::start(&string(service)?, &string(&owner.login)?, TTY) {
        Ok(transaction) => Opened::open(transaction, owner, class(recipe))
            .map(Admission::Opened)
            .map_err(|why| format!("{why} (service {service})")),
        Err(Unstarted::NoLibrary(why)) => Ok(Admission::Absent(format!("no PAM: {why}"))),
        Err(Unstarted::Refused(why)) => Err(format!("{why} (service {service})")),
    }
}

/// What the crontab says. An at-job has captured that of the session it was queued in, which is not its own.
fn class(recipe: &Recipe) -> Option<CString> {
    let is_of_crontab = matches!(recipe.kind, Kind::Entry | Kind::SystemEntry);
    let mut assigned = recipe.environment.iter().rev().filter(|_| is_of_crontab);
    let (name, value) = assigned.find(|(name, _)| name.0 == SESSION_CLASS.as_bytes())?;
    CString::new([&name.0[..], b"=", &value.0].concat()).ok()
}

/// The services that describe such a run, the first that exists is asked.
fn services(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Entry | Kind::SystemEntry | Kind::Period => &["ratd", "crond", "cron"],
        Kind::At => &["ratd", "atd", "crond", "cron"],
    }
}

impl Opened {
    fn open(
        mut transaction: Transaction,
        owner: &mut Owner,
        class: Option<CString>,
    ) -> Result<Opened, String> {
        let words = |Refused(why)| why;
        transaction.admit().map_err(words)?;
        if let Some(class) = class {
            transaction.tell(&class).map_err(words)?;
        }
        let limits = Limits::read();
        let errno = |errno: nix::errno::Errno| format!("cannot set groups: {}", errno.desc());
        let before = owner.lend_groups().map_err(errno)?;
        let established = transaction.establish_credentials();
        owner.take_groups(&before).map_err(errno)?;
        established.map_err(words)?;
        if let Err(Refused(why)) = transaction.open_session() {
            // Whatever it says: there is nothing left to undo.
            let _ = transaction.delete_credentials();
            limits.restore();
            return Err(why);
        }
        let environment = transaction.environment();
        let environment = environment.iter().filter_map(|text| assignment(text)).collect();
        Ok(Opened { transaction, environment, limits })
    }

    /// The job has been started with its limits; this process wants none of them.
    pub fn lift_limits(&self) {
        self.limits.restore();
    }

    /// Closes the session; what is refused now changes nothing any more.
    pub fn close(mut self) {
        let _ = self.transaction.close_session();
        let _ = self.transaction.delete_credentials();
    }
}

/// `NAME=value`, parted; `None` if it is no assignment.
fn assignment(text: &[u8]) -> Option<(Text, Text)> {
    let equals = text.iter().position(|byte| *byte == b'=').filter(|equals| *equals > 0)?;
    Some((Text(text[..equals].to_vec()), Text(text[equals + 1..].to_vec())))
}

/// A process's limits, soft and hard.
#[derive(Debug)]
struct Limits(Vec<(Resource, rlim_t, rlim_t)>);

const RESOURCES: &[Resource] = &[
    Resource::RLIMIT_AS,
    Resource::RLIMIT_CORE,
    Resource::RLIMIT_CPU,
    Resource::RLIMIT_DATA,
    Resource::RLIMIT_FSIZE,
    Resource::RLIMIT_LOCKS,
    Resource::RLIMIT_MEMLOCK,
    Resource::RLIMIT_MSGQUEUE,
    Resource::RLIMIT_NICE,
    Resource::RLIMIT_NOFILE,
    Resource::RLIMIT_NPROC,
    Resource::RLIMIT_RSS,
    Resource::RLIMIT_RTPRIO,
    Resource::RLIMIT_RTTIME,
    Resource::RLIMIT_SIGPENDING,
    Resource::RLIMIT_STACK,
];

impl Limits {
    fn read() -> Limits {
        let read = |resource: &Resource| {
            let (soft, hard) = getrlimit(*resource).ok()?;
            Some((*resource, soft, hard))
        };
        Limits(RESOURCES.iter().filter_map(read).collect())
    }

    fn restore(&self) {
        for (resource, soft, hard) in &self.0 {
            // A root that may not raise limits raises what it may; the report needs little.
            if setrlimit(*resource, *soft, *hard).is_err()
                && let Ok((_, hard)) = getrlimit(*resource)
            {
                let _ = setrlimit(*resource, hard, hard);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_parted_at_the_first_equals_sign() {
        for (text, expected) in [
            ("A=b", Some(("A", "b"))),
            ("A=", Some(("A", ""))),
            ("A=b=c", Some(("A", "b=c"))),
            ("A", None),
            ("=b", None),
        ] {
            let expected = expected.map(|(name, value)| (Text::from(name), Text::from(value)));
            assert_eq!(assignment(text.as_bytes()), expected, "{text}");
        }
    }
}
