//! The lists of who may use at, as far as at's programs say something of them. Who may is ratd's to decide.

use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use crate::client::call::asked_root;
use crate::client::output::complain;

/// Warns, as at does, of a list whose last line does not end: whoever wrote it may not have finished. Nobody asks for
/// the lists where root calls, and one that its caller cannot read is not complained of.
pub fn complain_of_lists(root: Option<&Path>) {
    if geteuid().is_root() {
        return;
    }
    let root = asked_root(root).unwrap_or_else(|| PathBuf::from("/"));
    let lists = ["etc/at.allow", "etc/at.deny"].map(|list| root.join(list));
    // The second counts only where there is no first.
    if let Some(list) = lists.iter().find(|list| list.symlink_metadata().is_ok())
        && let Ok(names) = std::fs::read(list)
        && names.last().is_some_and(|byte| *byte != b'\n')
    {
        complain(&format!("{}: incomplete last line.", list.display()));
    }
}
