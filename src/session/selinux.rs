//! The context a job runs in where the system has SELinux, as cronie has it. A system that enforces its policy runs no
//! job that has none; one that does not runs it all the same, and the log says so.

use std::ffi::{CStr, CString};
use std::io;

use nix::errno::Errno;

use crate::plan::job::Kind;
use crate::plan::text::Text;
use crate::sys::selinux::{Identity, Selinux};

/// Whom the system's own jobs belong to.
const SYSTEM: &CStr = c"system_u";

/// A crontab is not executed, so nobody but its cron asks whether it may decide what is done in a context.
const ENTRYPOINT: (&CStr, &CStr) = (c"file", c"entrypoint");

/// Whether a range lies within that of a context.
const CONTAINS: (&CStr, &CStr) = (c"context", c"contains");

/// A job that has no context yet.
#[derive(Clone, Copy, Debug)]
pub struct Unlabelled<'a> {
    /// Which tool's rules hold.
    pub kind: Kind,
    /// Who it runs as.
    pub login: &'a str,
    /// The crontab it is from.
    pub crontab: Option<&'a Text>,
    /// The range its crontab asks for, as `MLS_LEVEL`.
    pub level: Option<&'a Text>,
}

/// The context of a job, for its own process to take.
#[derive(Debug)]
pub struct Label {
    selinux: Selinux,
    context: CString,
    is_enforced: bool,
}

/// What came of asking SELinux.
#[derive(Debug)]
pub enum Labelled {
    /// There is none.
    NotAsked,
    /// The job has this context.
    With(Label),
    /// It has none, for this reason; and it may run.
    Without(String),
}

impl Unlabelled<'_> {
    /// Asks for the job's context. An error is a refusal.
    pub fn label(&self) -> Result<Labelled, String> {
        let Some(selinux) = Selinux::if_enabled()? else { return Ok(Labelled::NotAsked) };
        let is_enforced = selinux.is_enforcing();
        match self.context(&selinux) {
            Ok(context) => Ok(Labelled::With(Label { selinux, context, is_enforced })),
            Err(why) if is_enforced => Err(why),
            Err(why) => Ok(Labelled::Without(why)),
        }
    }

    fn context(&self, selinux: &Selinux) -> Result<CString, String> {
        let context = self.default_context(selinux)?;
        if let Some(crontab) = self.crontab {
            check_crontab(selinux, &context, crontab)?;
        }
        let Some(level) = self.level else { return Ok(context) };
        let ranged = with_range(&context, level).ok_or_else(|| {
            format!("MLS_LEVEL={}: {} has no range", level.shown(), shown(&context))
        })?;
        selinux.check(&context, &ranged, CONTAINS).map_err(|error| {
            format!("MLS_LEVEL={}: not in the range of {}: {error}", level.shown(), shown(&context))
        })?;
        Ok(ranged)
    }

    fn default_context(&self, selinux: &Selinux) -> Result<CString, String> {
        let none = |error: io::Error| format!("no context for {}: {error}", self.login);
        let identity = match self.kind {
            Kind::SystemEntry | Kind::Period => Identity { user: SYSTEM.to_owned(), range: None },
            Kind::Entry | Kind::At => {
                let login = CString::new(self.login).map_err(|error| none(error.into()))?;
                selinux.identity(&login).map_err(none)?
            }
        };
        selinux.default_context(&identity).map_err(none)
    }
}

fn check_crontab(selinux: &Selinux, context: &CStr, crontab: &Text) -> Result<(), String> {
    let unknown = |error: io::Error| format!("no context of {}: {error}", crontab.shown());
    let path = CString::new(crontab.0.clone()).map_err(|error| unknown(error.into()))?;
    let of_file = selinux.context_of_file(&path).map_err(unknown)?;
    selinux.check(context, &of_file, ENTRYPOINT).map_err(|error| {
        let (file, job) = (shown(&of_file), shown(context));
        format!("{} is {file}, and no entrypoint for {job}: {error}", crontab.shown())
    })
}

/// The same context, USER:ROLE:TYPE:RANGE, with another range.
fn with_range(context: &CStr, range: &Text) -> Option<CString> {
    let mut colons = context.to_bytes().iter().enumerate().filter(|(_, byte)| **byte == b':');
    let (third, _) = colons.nth(2)?;
    CString::new([&context.to_bytes()[..=third], &range.0].concat()).ok()
}

fn shown(context: &CStr) -> String {
    context.to_string_lossy().into_owned()
}

impl Label {
    /// What this process executes next is the job.
    pub fn wear(&self) -> Result<(), Errno> {
        match self.selinux.set_next_context(&self.context) {
            Err(errno) if self.is_enforced => Err(errno),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_takes_the_place_of_all_behind_the_type() {
        for (context, expected) in [
            (c"u:r:t:s0", Some(c"u:r:t:s0:c1")),
            (c"u:r:t:s0-s15:c0.c1023", Some(c"u:r:t:s0:c1")),
            (c"u:r:t", None),
            (c"", None),
        ] {
            let got = with_range(context, &Text::from("s0:c1"));
            assert_eq!(got.as_deref(), expected, "{context:?}");
        }
    }
}
