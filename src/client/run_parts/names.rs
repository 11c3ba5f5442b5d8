//! Which names in a directory are run. Reads no directory.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::sys::pattern::Expression;

/// A rule for names.
#[derive(Debug)]
pub enum Names {
    /// Letters, digits, `_` and `-`.
    Classic,
    /// The namespaces of the LSB as Debian's run-parts has them, which takes no capitals; what dpkg leaves is passed over.
    Lsb,
    /// What matches.
    Custom(Expression),
}

/// What dpkg leaves beside configuration files.
const LEFT: [&[u8]; 4] = [b".dpkg-old", b".dpkg-dist", b".dpkg-new", b".dpkg-tmp"];

impl Names {
    /// Whether a file of this name is run, and what Debian's says of that where it debugs.
    pub fn judge(&self, name: &OsStr) -> (bool, &'static str) {
        let bytes = name.as_bytes();
        match self {
            Names::Classic => {
                let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte);
                match !bytes.is_empty() && bytes.iter().all(is_plain) {
                    true => (true, "classicalre pass"),
                    false => (false, "classicalre fail"),
                }
            }
            Names::Lsb if is_hierarchical(bytes) => {
                match LEFT.iter().any(|left| bytes.ends_with(left)) {
                    true => (false, "hierre pass, excsre fail"),
                    false => (true, "hierre pass, excsre pass"),
                }
            }
            Names::Lsb if is_traditional(bytes) => (true, "tradre pass"),
            Names::Lsb => (false, "tradre fail"),
            Names::Custom(expression) if expression.matches(name) => (true, "customre pass"),
            Names::Custom(_) => (false, "customre fail"),
        }
    }
}

/// Lower-case letters, digits and `-`, but no `-` first.
fn is_traditional(name: &[u8]) -> bool {
    let is_small = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.first().is_some_and(is_small) && name.iter().all(|byte| is_small(byte) || *byte == b'-')
}

/// Parts that a `-` divides, of lower-case letters and digits; all but the last may have `_` and `.`.
fn is_hierarchical(name: &[u8]) -> bool {
    let is_small = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_wide = |byte: &u8| is_small(byte) || b"_.".contains(byte);
    let mut parts: Vec<&[u8]> = name.split(|byte| *byte == b'-').collect();
    let last = parts.pop().unwrap_or_default();
    let wide = parts.iter().all(|part| !part.is_empty() && part.iter().all(is_wide));
    !parts.is_empty() && wide && !last.is_empty() && last.iter().all(is_small)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_debians_run_parts() {
        for (name, classic, lsb) in [
            ("backup", true, true),
            ("0anacron", true, true),
            ("A", true, false),
            ("a_b", true, false),
            ("a-b", true, true),
            ("_x", true, false),
            ("_a-b", true, true),
            ("_a-b.c-d", false, true),
            ("x.y-z", false, true),
            ("a--b", true, true),
            ("a-", true, true),
            ("a.b--c", false, false),
            ("a.b-", false, false),
            ("-a", true, false),
            ("a.sh", false, false),
            ("a~", false, false),
            ("a b", false, false),
            ("é", false, false),
            (".placeholder", false, false),
            ("foo.dpkg-old", false, false),
            ("foo.dpkg-more", false, true),
        ] {
            let name = OsStr::new(name);
            let found = (Names::Classic.judge(name).0, Names::Lsb.judge(name).0);
            assert_eq!(found, (classic, lsb), "{name:?}");
        }
        let custom = Names::Custom(Expression::new("^(a|b)+\\.sh$").unwrap());
        assert!(custom.judge(OsStr::new("abba.sh")).0 && !custom.judge(OsStr::new("c.sh")).0);
    }
}
