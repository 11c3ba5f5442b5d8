//! Who may use crontab and at: the allow and deny files, and whose jobs a caller may touch.

use nix::unistd::{Uid, geteuid};

use crate::daemon::connections::Caller;
use crate::paths::Paths;
use crate::protocol::fault::NOT_ALLOWED;
use crate::spool::file::names;

/// A tool whose use can be allowed or denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    Crontab,
    At,
}

/// Whether the caller may use the tool, and if not, what it is told.
///
/// root always may. Where the allow file exists only the users in it may; else all but those in the deny file.
/// Without either file everybody may use crontab, and nobody at, as with the classic programs: distributions ship an
/// empty at.deny. A file that cannot be read allows nobody. The files are read at each request.
pub fn check(tool: Tool, caller: &Caller, paths: &Paths) -> Result<(), String> {
    if is_master(caller) {
        return Ok(());
    }
    let name = match tool {
        Tool::Crontab => "cron",
        Tool::At => "at",
    };
    let listed = |kind: &str| match names(&paths.under_root(&format!("etc/{name}.{kind}"))) {
        Ok(Some(names)) => Ok(Some(names.iter().any(|name| name == caller.name.as_bytes()))),
        Ok(None) => Ok(None),
        Err(error) => Err(format!("etc/{name}.{kind} cannot be read: {error}")),
    };
    let allowed = match (listed("allow")?, listed("deny")?) {
        (Some(allowed), _) => allowed,
        (None, Some(denied)) => !denied,
        (None, None) => tool == Tool::Crontab,
    };
    match (allowed, tool) {
        (true, _) => Ok(()),
        (false, Tool::Crontab) => Err(format!(
            "You ({}) are not allowed to use this program (crontab)\n\
             See crontab(1) for more information",
            caller.name
        )),
        (false, Tool::At) => Err(NOT_ALLOWED.to_owned()),
    }
}

/// Whether the caller may do everything here: root, and the user that ratd itself runs as.
pub fn is_master(caller: &Caller) -> bool {
    caller.uid.is_root() || caller.uid == geteuid()
}

/// Whether the caller may touch what belongs to this user.
pub fn owns(caller: &Caller, uid: Uid) -> bool {
    is_master(caller) || caller.uid == uid
}
