//! What jobs may have of ratd itself, in a dialect whose cron hands that on. Read once, when ratd starts.

use std::os::unix::ffi::OsStringExt;

use nix::unistd::{User, geteuid};

use crate::daemon::systemd::VARIABLES;
use crate::plan::manner::{Addresses, Inherits, Manner};
use crate::plan::text::Text;
use crate::sys::host::codeset;

/// ratd's own environment, as far as jobs or their mail may have it.
#[derive(Debug)]
pub struct Surroundings {
    pub variables: Vec<(Text, Text)>,
    /// The directory it was started in, if that is where jobs begin.
    pub directory: Option<Text>,
    /// What its locale calls its characters.
    pub codeset: String,
}

impl Surroundings {
    /// What this manner asks for.
    pub fn of(manner: &Manner) -> Surroundings {
        let is_asked =
            manner.inherits != Inherits::Nothing || manner.addresses == Addresses::Daemon;
        let mut variables = if is_asked { environment() } else { Vec::new() };
        let has_shell =
            variables.iter().any(|(name, value)| name.0 == b"SHELL" && !value.0.is_empty());
        if manner.inherits == Inherits::Everything && !has_shell {
            let user = User::from_uid(geteuid()).ok().flatten();
            let shell = user.map(|user| Text(user.shell.into_os_string().into_vec()));
            let shell = shell.filter(|shell| !shell.0.is_empty());
            variables.extend(shell.map(|shell| (Text::from("SHELL"), shell)));
        }
        let is_shared = manner.inherits == Inherits::Unchanged;
        let directory = std::env::current_dir().ok().filter(|_| is_shared);
        let directory = directory.map(|path| Text(path.into_os_string().into_vec()));
        Surroundings { variables, directory, codeset: codeset() }
    }
}

fn environment() -> Vec<(Text, Text)> {
    let text = |text: std::ffi::OsString| Text(text.into_vec());
    let is_ours = |name: &std::ffi::OsString| VARIABLES.iter().any(|variable| name == variable);
    let others = std::env::vars_os().filter(|(name, _)| !is_ours(name));
    others.map(|(name, value)| (text(name), text(value))).collect()
}
