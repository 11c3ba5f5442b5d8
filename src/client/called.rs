//! The name a program was called by: a link `crontab` to rat-crontab speaks of itself as crontab. Knows no program.

use std::path::Path;

/// The last part of argv[0]; `built_in` where there is none that could be shown.
pub fn name(built_in: &str) -> String {
    let called = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&called).file_name().and_then(|name| name.to_str());
    // A login shell puts a `-` in front.
    let name = name.unwrap_or_default().trim_start_matches('-');
    let is_plain = !name.is_empty() && !name.chars().any(char::is_control);
    if is_plain { name.to_owned() } else { built_in.to_owned() }
}
