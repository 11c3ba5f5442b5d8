//! Which machine this is, how busy it is, and who asks. Only for the user's eye, for stable draws and for batch jobs,
//! never for trust.

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

/// The load average of the last minute, in hundredths; none where the kernel does not tell (proc(5)).
pub fn load() -> u32 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let average: f64 = text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
    (average * 100.0).round() as u32
}

/// How many processors this process may use.
pub fn processors() -> u32 {
    std::thread::available_parallelism().map_or(1, |count| count.get() as u32)
}
