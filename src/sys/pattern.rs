//! Patterns of file names: the shell's, fnmatch(3), and extended regular expressions, regcomp(3).

use std::ffi::{CString, OsStr};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;

/// Whether the name matches the pattern. A pattern that cannot be one matches nothing.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (Ok(pattern), Ok(name)) = (CString::new(pattern), CString::new(name)) else { return false };
    // SAFETY: both are strings that end in a zero byte and live until the call is over.
    unsafe { libc::fnmatch(pattern.as_ptr(), name.as_ptr(), 0) == 0 }
}

/// An extended regular expression.
pub struct Expression(libc::regex_t);

impl Expression {
    /// Reads it, or tells what is wrong with it.
    pub fn new(text: &str) -> Result<Expression, String> {
        let text = CString::new(text).map_err(|error| error.to_string())?;
        let mut expression = MaybeUninit::<libc::regex_t>::zeroed();
        let flags = libc::REG_EXTENDED | libc::REG_NOSUB;
        // SAFETY: the text ends in a zero byte, and regcomp fills what the pointer is to.
        let error = unsafe { libc::regcomp(expression.as_mut_ptr(), text.as_ptr(), flags) };
        if error == 0 {
            // SAFETY: regcomp says that it has filled it.
            return Ok(Expression(unsafe { expression.assume_init() }));
        }
        let mut said = [0_u8; 256];
        // SAFETY: the buffer is as long as is said; what it gets ends in a zero byte.
        let length = unsafe {
            libc::regerror(error, expression.as_ptr(), said.as_mut_ptr().cast(), said.len())
        };
        let end = length.saturating_sub(1).min(said.len() - 1);
        Err(String::from_utf8_lossy(&said[..end]).into_owned())
    }

    /// Whether some part of the name matches.
    pub fn matches(&self, name: &OsStr) -> bool {
        let Ok(name) = CString::new(name.as_bytes()) else { return false };
        // SAFETY: the expression was compiled, the name ends in a zero byte, and no places are asked for.
        unsafe { libc::regexec(&self.0, name.as_ptr(), 0, std::ptr::null_mut(), 0) == 0 }
    }
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Expression")
    }
}

impl Drop for Expression {
    fn drop(&mut self) {
        // SAFETY: it was compiled, and nobody uses it any more.
        unsafe { libc::regfree(&mut self.0) }
    }
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

    #[test]
    fn an_expression_is_an_extended_one() {
        let expression = Expression::new("^(a|b)+$").unwrap();
        assert!(expression.matches(OsStr::new("abba")));
        assert!(!expression.matches(OsStr::new("abc")));
        assert!(!Expression::new("[").unwrap_err().is_empty());
        Expression::new("a\0").unwrap_err();
    }
}
