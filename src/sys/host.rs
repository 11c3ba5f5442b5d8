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

/// What tells this boot from others: the kernel's id of it, and when process 1 was started, which in a container is
/// the boot. A kernel that tells neither is one boot for ever.
pub fn boot() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let about = std::fs::read_to_string("/proc/1/stat").unwrap_or_default();
    // The name in the second field may hold anything; the start is the 22nd, the 20th after that.
    let after_name = about.rsplit_once(')').map_or("", |(_, rest)| rest);
    let started = after_name.split_ascii_whitespace().nth(19).unwrap_or("-");
    format!("{} {started}", id.trim())
}

/// What the locale of this process's environment calls its characters: `UTF-8`, `ISO-8859-1`; the name of ASCII where
/// there is no such locale.
pub fn codeset() -> String {
    // SAFETY: the name ends with NUL, and no locale is used as a base; what is made is freed below, after its
    // string, which lasts as long as it, has been copied.
    unsafe {
        let own = libc::newlocale(libc::LC_CTYPE_MASK, c"".as_ptr(), std::ptr::null_mut());
        if own.is_null() {
            return "ANSI_X3.4-1968".to_owned();
        }
        let name = libc::nl_langinfo_l(libc::CODESET, own);
        let name = std::ffi::CStr::from_ptr(name).to_string_lossy().into_owned();
        libc::freelocale(own);
        name
    }
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
