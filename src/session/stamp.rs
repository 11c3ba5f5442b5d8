//! anacron's stamp of a period job: the file, the lock on it, and the date in it, as any other anacron takes them.
//! Does not know when a job is owed.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use nix::unistd::{getegid, geteuid};

use crate::paths::Paths;
use crate::sys::lock;

/// How long a date is; anacron reads no more.
const LENGTH: usize = 8;

/// The directory of stamps.
pub fn directory(paths: &Paths) -> PathBuf {
    paths.under_root("var/spool/anacron")
}

/// When the job was last done. `None` if never, or if the file says nothing that can be understood.
pub fn read(path: &Path) -> Option<NaiveDate> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .ok()?;
    date_in(&file)
}

/// Writes down when the job was done, whoever holds its lock.
pub fn write(path: &Path, date: NaiveDate) -> io::Result<()> {
    Stamp { file: open(path)? }.write(date)
}

/// A stamp whose lock is held, from when its job is considered until it is done. The lock belongs to the open file:
/// a process that is forked holds it as well, and it lasts until all have let go of it.
#[derive(Debug)]
pub struct Stamp {
    file: File,
}

impl Stamp {
    /// Takes the lock; `None` if another anacron has it. The file and its directory are made if they are missing.
    /// Links are not followed, and what is no file is an error of kind `InvalidInput`.
    pub fn take(path: &Path) -> io::Result<Option<Stamp>> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        loop {
            let file = open(path)?;
            if !lock::try_lock(&file)? {
                return Ok(None);
            }
            // One that was removed meanwhile is nobody's stamp.
            let named = path.symlink_metadata().map(|about| (about.dev(), about.ino()));
            let about = file.metadata()?;
            if named.is_ok_and(|named| named == (about.dev(), about.ino())) {
                return Ok(Some(Stamp { file }));
            }
        }
    }

    /// When the job was last done.
    pub fn done(&self) -> Option<NaiveDate> {
        date_in(&self.file)
    }

    /// Writes down when the job was done. Whoever reads meanwhile finds a date.
    pub fn write(&self, date: NaiveDate) -> io::Result<()> {
        let text = date.format("%Y%m%d\n").to_string();
        self.file.write_all_at(text.as_bytes(), 0)?;
        self.file.set_len(text.len() as u64)?;
        self.file.sync_all()
    }

    /// Lets go of the lock, whoever else has the file open: a close is told to others before the lock is gone.
    pub fn release(self) {
        let _ = lock::unlock(&self.file);
    }
}

fn open(path: &Path) -> io::Result<File> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path);
    let file = match opened.map_err(|error| (error.raw_os_error(), error)) {
        Ok(file) => file,
        Err((Some(libc::ELOOP | libc::EISDIR | libc::ENXIO), _)) => return Err(wrong()),
        Err((_, error)) => return Err(error),
    };
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(wrong());
    }
    // As anacron does: nobody else is to hold its lock. On a file of somebody else's neither can be done.
    if about.uid() != geteuid().as_raw() {
        let _ = fchown(&file, Some(geteuid().as_raw()), Some(getegid().as_raw()));
    }
    if about.mode() & 0o7777 != 0o600 {
        let _ = file.set_permissions(Permissions::from_mode(0o600));
    }
    Ok(file)
}

fn date_in(file: &File) -> Option<NaiveDate> {
    let mut text = Vec::new();
    let mut file = file;
    io::Seek::rewind(&mut file).ok()?;
    file.take(LENGTH as u64).read_to_end(&mut text).ok()?;
    let digits = |part: &[u8]| -> Option<u32> {
        part.iter().all(u8::is_ascii_digit).then(|| str::from_utf8(part).ok()?.parse().ok())?
    };
    let text: [u8; LENGTH] = text.try_into().ok()?;
    let year = i32::try_from(digits(&text[..4])?).ok()?;
    NaiveDate::from_ymd_opt(year, digits(&text[4..6])?, digits(&text[6..])?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A directory of this test's own, removed at its end.
    struct Spool(PathBuf);

    impl Spool {
        fn new(name: &str) -> Spool {
            let path =
                std::env::temp_dir().join(format!("rat-stamp-{}-{name}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            Spool(path)
        }

        fn with(name: &str, text: &str) -> Spool {
            let spool = Spool::new(name);
            std::fs::create_dir_all(&spool.0).unwrap();
            std::fs::write(spool.job(), text).unwrap();
            spool
        }

        fn job(&self) -> PathBuf {
            self.0.join("cron.daily")
        }
    }

    impl Drop for Spool {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn date(text: &str) -> Option<NaiveDate> {
        NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()
    }

    #[test]
    fn the_first_eight_bytes_are_the_date() {
        for (text, expected) in [
            ("20270314\n", "2027-03-14"),
            ("20270314", "2027-03-14"),
            ("20270314 and more", "2027-03-14"),
            ("99990101\n", "9999-01-01"),
            ("", "never"),
            ("2027031", "never"),
            ("2027-3-1", "never"),
            ("+2027031", "never"),
            ("20271301", "never"),
            ("20270229", "never"),
            ("nonsense", "never"),
        ] {
            let spool = Spool::with("dates", text);
            assert_eq!(read(&spool.job()), date(expected), "{text:?}");
            let stamp = Stamp::take(&spool.job()).unwrap().unwrap();
            assert_eq!(stamp.done(), date(expected), "{text:?}");
        }
    }

    #[test]
    fn a_stamp_is_written_as_anacron_does() {
        let spool = Spool::new("written");
        let stamp = Stamp::take(&spool.job()).unwrap().unwrap();
        assert_eq!(std::fs::read_to_string(spool.job()).unwrap(), "");
        stamp.write(date("2027-03-14").unwrap()).unwrap();
        assert_eq!(std::fs::read_to_string(spool.job()).unwrap(), "20270314\n");
        assert_eq!(spool.job().metadata().unwrap().mode() & 0o7777, 0o600);
        stamp.release();
        let spool = Spool::with("long", "nonsense that is longer than a date");
        Stamp::take(&spool.job()).unwrap().unwrap().write(date("2027-03-14").unwrap()).unwrap();
        assert_eq!(std::fs::read_to_string(spool.job()).unwrap(), "20270314\n");
    }

    #[test]
    fn a_lock_is_held_until_it_is_let_go_of() {
        let spool = Spool::new("lock");
        let stamp = Stamp::take(&spool.job()).unwrap().unwrap();
        let copy = stamp.file.try_clone().unwrap();
        assert!(Stamp::take(&spool.job()).unwrap().is_none());
        stamp.release();
        assert!(Stamp::take(&spool.job()).unwrap().is_some());
        drop(copy);
    }

    #[test]
    fn what_is_no_file_is_no_stamp() {
        let spool = Spool::with("links", "20270314\n");
        let link = spool.0.join("link");
        symlink("cron.daily", &link).unwrap();
        let directory = spool.0.join("directory");
        std::fs::create_dir(&directory).unwrap();
        let fifo = spool.0.join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [link, directory, fifo] {
            assert_eq!(read(&path), None, "{path:?}");
            let error = Stamp::take(&path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path:?}");
        }
        assert_eq!(std::fs::read_to_string(spool.job()).unwrap(), "20270314\n");
    }
}
