//! Where jobs find a `run-parts` on a system that has none, so that a distribution's crontab need not be edited. Knows
//! PATH and files, no directory of parts.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::plan::text::Text;

const NAME: &str = "run-parts";

/// The PATH of a job whose command speaks of run-parts and that would find none: with `directory` behind it, if that
/// has one. `None`: it stays as it is.
pub fn path_with_run_parts(path: &Text, command: &Text, directory: &Text) -> Option<Text> {
    let speaks_of_it = command.0.windows(NAME.len()).any(|part| part == NAME.as_bytes());
    if !speaks_of_it || path.0.split(|byte| *byte == b':').any(has_run_parts) {
        return None;
    }
    has_run_parts(&directory.0).then(|| Text([&path.0[..], b":", &directory.0].concat()))
}

fn has_run_parts(directory: &[u8]) -> bool {
    let path = Path::new(std::ffi::OsStr::from_bytes(directory)).join(NAME);
    let is_program =
        |about: std::fs::Metadata| about.is_file() && about.permissions().mode() & 0o111 != 0;
    directory.starts_with(b"/") && std::fs::metadata(path).is_ok_and(is_program)
}
