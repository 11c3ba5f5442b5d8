//! Patterns of file names, as the shell has them: fnmatch(3).

use std::ffi::CString;

/// Whether the name matches the pattern. A pattern that cannot be one matches nothing.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (Ok(pattern), Ok(name)) = (CString::new(pattern), CString::new(name)) else { return false };
    // SAFETY: both are strings that end in a zero byte and live until the call is over.
    unsafe { libc::fnmatch(pattern.as_ptr(), name.as_ptr(), 0) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_the_shells() {
        for (pattern, name, expected) in [
            ("*", "cron.daily", true),
            ("cron.*", "cron.daily", true),
            ("cron.[dw]*", "cron.weekly", true),
            ("cron.?aily", "cron.daily", true),
            ("cron", "cron.daily", false),
            ("[", "cron.daily", false),
            ("cron\\.daily", "cron.daily", true),
            ("a\0", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern}");
        }
    }
}
