//! Which machine this is and who asks. Both only for the user's eye and for stable draws, never for trust.

use std::path::Path;

use nix::unistd::{User, getuid};

/// The machine's id; its host name where it has none.
pub fn machine_id(root: &Path) -> String {
    let files =
        [root.join("etc/machine-id"), "/etc/machine-id".into(), "/var/lib/dbus/machine-id".into()];
    let id = files.iter().filter_map(|file| std::fs::read_to_string(file).ok());
    let id = id.map(|id| id.trim().to_owned()).find(|id| !id.is_empty());
    id.or_else(|| nix::unistd::gethostname().ok()?.into_string().ok()).unwrap_or_default()
}

/// Login name of the user this process runs as; the number where there is no name.
pub fn user_name() -> String {
    let uid = getuid();
    User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}
