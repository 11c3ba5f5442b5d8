//! What ratd says: classic cron lines to syslog, by our own writer; readable text on standard error by tracing.

use std::borrow::Cow;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

/// Where classic cron lines go. Cheap to make; connects anew when the logger was restarted.
#[derive(Debug)]
pub struct Syslog {
    path: PathBuf,
    ident: Cow<'static, str>,
    pid: u32,
    socket: Option<UnixDatagram>,
}

/// How much it matters (syslog(3)).
#[derive(Clone, Copy, Debug)]
pub enum Weight {
    Info,
    Notice,
    Error,
}

impl Weight {
    fn severity(self) -> u8 {
        match self {
            Weight::Info => 6,
            Weight::Notice => 5,
            Weight::Error => 3,
        }
    }
}

/// Facility cron, of RFC 3164.
const CRON: u8 = 9;

impl Syslog {
    /// A writer to the socket at `path` (/dev/log) that calls itself `ident`.
    pub fn new(path: &Path, ident: Cow<'static, str>) -> Syslog {
        Syslog { path: path.to_owned(), ident, pid: std::process::id(), socket: None }
    }

    /// The same, in the name of another process.
    pub fn of_process(self, pid: u32) -> Syslog {
        Syslog { pid, ..self }
    }

    /// Logs `(WHO) EVENT (DETAIL)` as cron does, at once or not at all: a logger that does not read holds nobody up.
    pub fn cron(&mut self, weight: Weight, who: &str, event: &str, detail: &[u8]) {
        self.line(weight, &entry(who, event, detail));
    }

    /// The same, and where the log is systemd's journal with these fields, by which it can be searched.
    pub fn with_fields(
        &mut self,
        weight: Weight,
        line: (&str, &str, &[u8]),
        fields: &[(&str, String)],
    ) {
        let (who, event, detail) = line;
        let text = entry(who, event, detail);
        if self.journal(weight, &text, fields).is_err() {
            self.line(weight, &text);
        }
    }

    /// Logs `(WHO) EVENT (DETAIL): why`.
    pub fn trouble(&mut self, who: &str, event: &str, detail: &[u8], why: &str) {
        self.line(Weight::Error, &format!("{}: {why}", entry(who, event, detail)));
    }

    /// Logs a sentence, as anacron does.
    pub fn sentence(&mut self, weight: Weight, text: &str) {
        self.line(weight, &visible(text.as_bytes()));
    }

    /// Straight to the journal, if that is what /dev/log leads to.
    fn journal(&self, weight: Weight, text: &str, fields: &[(&str, String)]) -> io::Result<()> {
        if std::fs::read_link(&self.path)?.file_name() != Some("dev-log".as_ref()) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect(std::fs::canonicalize(&self.path)?.with_file_name("socket"))?;
        socket.send(&self.with_own_fields(weight, text, fields)).map(drop)
    }

    /// An entry as systemd-journald reads it (systemd.io/JOURNAL_NATIVE_PROTOCOL).
    fn with_own_fields(&self, weight: Weight, text: &str, fields: &[(&str, String)]) -> Vec<u8> {
        let own = [
            ("MESSAGE", text.to_owned()),
            ("PRIORITY", weight.severity().to_string()),
            ("SYSLOG_FACILITY", CRON.to_string()),
            ("SYSLOG_IDENTIFIER", self.ident.to_string()),
            ("SYSLOG_PID", self.pid.to_string()),
        ];
        let mut entry = Vec::new();
        for (name, value) in own.iter().chain(fields) {
            // With its length, whatever is in it: it cannot end the field, nor begin another.
            entry.extend_from_slice(format!("{name}\n").as_bytes());
            entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
            entry.extend_from_slice(value.as_bytes());
            entry.push(b'\n');
        }
        entry
    }

    fn line(&mut self, weight: Weight, text: &str) {
        let priority = CRON << 3 | weight.severity();
        let line = format!("<{priority}>{}[{}]: {text}", self.ident, self.pid);
        if self.send(line.as_bytes()).is_err() {
            self.socket = None;
            let _ = self.send(line.as_bytes());
        }
    }

    fn send(&mut self, line: &[u8]) -> std::io::Result<()> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => {
                let socket = UnixDatagram::unbound()?;
                socket.set_nonblocking(true)?;
                socket.connect(&self.path)?;
                socket
            }
        };
        socket.send(line)?;
        self.socket = Some(socket);
        Ok(())
    }
}

fn entry(who: &str, event: &str, detail: &[u8]) -> String {
    let cut = &detail[..detail.len().min(LONGEST_DETAIL)];
    format!("({}) {event} ({})", visible(who.as_bytes()), visible(cut))
}

/// More of a command than this is no help in a log, and syslog would refuse the line.
const LONGEST_DETAIL: usize = 1000;

/// Text that cannot break a log line: control characters as `^X`, bytes that are not ASCII as `\ooo`.
pub fn visible(text: &[u8]) -> String {
    let mut shown = String::with_capacity(text.len());
    for byte in text {
        match byte {
            0..32 => shown.extend(['^', char::from(byte + 64)]),
            127 => shown.push_str("^?"),
            128.. => shown.push_str(&format!("\\{byte:03o}")),
            32..127 => shown.push(char::from(*byte)),
        }
    }
    shown
}

/// Writes for people, where it can be done without waiting: who does not read, or has stopped the terminal, misses
/// it, and the clock goes on.
pub fn offer(mut to: impl Write + AsFd, text: &[u8]) {
    for piece in text.chunks(PIPE_BUFFER) {
        // Ready, a pipe takes this much at once (pipe(7)).
        let mut ready = [PollFd::new(to.as_fd(), PollFlags::POLLOUT)];
        let can_write = poll(&mut ready, PollTimeout::ZERO).is_ok_and(|count| count > 0);
        if !can_write || to.write_all(piece).is_err() {
            return;
        }
    }
}

const PIPE_BUFFER: usize = 4096;

/// Standard error, an event a line: what people named files and jobs neither ends the line nor moves the cursor.
struct OnStderr;

impl Write for OnStderr {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let mut line = String::with_capacity(text.len());
        for c in text.trim_end_matches('\n').chars() {
            if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
        }
        line.push('\n');
        offer(io::stderr(), line.as_bytes());
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How much of tracing's events is said, which can be changed while it is being said.
#[derive(Debug)]
pub struct Loudness {
    handle: reload::Handle<LevelFilter, Registry>,
    usual: LevelFilter,
    is_usual: bool,
}

impl Loudness {
    fn of(level: LevelFilter) -> (reload::Layer<LevelFilter, Registry>, Loudness) {
        let (filter, handle) = reload::Layer::new(level);
        (filter, Loudness { handle, usual: level, is_usual: true })
    }

    /// Says everything, or as much as usual again.
    pub fn toggle(&mut self) {
        self.is_usual = !self.is_usual;
        let level = if self.is_usual { self.usual } else { LevelFilter::DEBUG };
        // It is refused only when nothing is said any more.
        let _ = self.handle.reload(level);
        tracing::info!("debugging is {}", if self.is_usual { "off" } else { "on" });
    }
}

/// Turns tracing's events into lines on standard error; called once, by the program.
pub fn to_stderr(level: LevelFilter) -> Loudness {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| OnStderr)
        .with_ansi(false)
        .with_target(false)
        .without_time();
    // A second call would be refused; the first one holds.
    let (filter, loudness) = Loudness::of(level);
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    loudness
}

/// Turns tracing's events into lines of syslog, and those that matter into lines on standard error as well, for as
/// long as that leads to whoever started the daemon; called once, by the program.
pub fn to_syslog(path: &Path, level: LevelFilter) -> Loudness {
    let path = path.to_owned();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(move || Lines(Syslog::new(&path, "ratd".into())))
        .with_ansi(false)
        .with_target(false)
        .without_time();
    let trouble = tracing_subscriber::fmt::layer()
        .with_writer(|| OnStderr)
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .with_filter(LevelFilter::WARN);
    let (filter, loudness) = Loudness::of(level);
    let _ = tracing_subscriber::registry().with(filter).with(lines).with(trouble).try_init();
    loudness
}

/// Takes each event as one line.
struct Lines(Syslog);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.line(Weight::Info, &visible(line.trim_ascii()));
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_the_journal_cannot_end_itself() {
        let fields = [("RAT_JOB", "a\nPRIORITY=0".to_owned())];
        let entry = Syslog::new("/dev/log".as_ref(), "CRON".into()).with_own_fields(
            Weight::Info,
            "text",
            &fields,
        );
        let begins = b"MESSAGE\n\x04\0\0\0\0\0\0\0text\nPRIORITY\n\x01\0\0\0\0\0\0\x006\n";
        assert_eq!(&entry[..begins.len()], begins);
        assert!(entry.ends_with(b"RAT_JOB\n\x0c\0\0\0\0\0\0\0a\nPRIORITY=0\n"));
    }
}
