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
    environment: Vec<(Text, Text)>,
    /// The shell of its user, where its environment names none and a job may have it.
    shell: Option<Text>,
    /// The directory it was started in, if that is where jobs begin.
    pub directory: Option<Text>,
    /// What its locale calls its characters.
    pub codeset: String,
}

impl Surroundings {
    /// What is here, for jobs in these manners. The user is looked up only for one that asks for it.
    pub fn of<'m>(manners: impl Iterator<Item = &'m Manner>) -> Surroundings {
        let environment = environment();
        let has_shell =
            environment.iter().any(|(name, value)| name.0 == b"SHELL" && !value.0.is_empty());
        let manners: Vec<&Manner> = manners.collect();
        let is_asked = |inherits| manners.iter().any(|manner| manner.inherits == inherits);
        let shell = if is_asked(Inherits::Everything) && !has_shell { shell() } else { None };
        let directory = std::env::current_dir().ok().filter(|_| is_asked(Inherits::Unchanged));
        let directory = directory.map(|path| Text(path.into_os_string().into_vec()));
        Surroundings { environment, shell, directory, codeset: codeset() }
    }

    /// What this manner asks for.
    pub fn variables(&self, manner: &Manner) -> Vec<(Text, Text)> {
        if manner.inherits == Inherits::Nothing && manner.addresses != Addresses::Daemon {
            return Vec::new();
        }
        let shell = self.shell.as_ref().filter(|_| manner.inherits == Inherits::Everything);
        let shell = shell.map(|shell| (Text::from("SHELL"), shell.clone()));
        self.environment.iter().cloned().chain(shell).collect()
    }
}

fn shell() -> Option<Text> {
    let user = User::from_uid(geteuid()).ok().flatten();
    let shell = user.map(|user| Text(user.shell.into_os_string().into_vec()));
    shell.filter(|shell| !shell.0.is_empty())
}

fn environment() -> Vec<(Text, Text)> {
    let text = |text: std::ffi::OsString| Text(text.into_vec());
    let is_ours = |name: &std::ffi::OsString| VARIABLES.iter().any(|variable| name == variable);
    let others = std::env::vars_os().filter(|(name, _)| !is_ours(name));
    others.map(|(name, value)| (text(name), text(value))).collect()
}
