//! anacron's stamp files: the local date on which a period job was last done, in anacron's own format.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use crate::paths::Paths;

/// The stamp file of a job.
pub fn path(paths: &Paths, ident: &str) -> PathBuf {
    paths.under_root("var/spool/anacron").join(ident)
}

/// When the job was last done. `None` if never, or if the file says nothing that can be understood.
pub fn read(path: &Path) -> Option<NaiveDate> {
    let mut text = String::new();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .ok()?;
    file.take(8).read_to_string(&mut text).ok()?;
    NaiveDate::parse_from_str(&text, "%Y%m%d").ok()
}

/// Writes down when the job was done. The directory is made if it is missing; links are not followed.
pub fn write(path: &Path, date: NaiveDate) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    let mut file = options.open(path)?;
    writeln!(file, "{}", date.format("%Y%m%d"))?;
    file.sync_all()
}
