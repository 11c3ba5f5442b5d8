//! What ratd says: classic cron lines to syslog, by our own writer; on standard error, by tracing, text for people, or
//! in a container an object of JSON a line.

use std::borrow::Cow;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::time::{ClockId, clock_gettime};
use tracing::field::{Field, Visit};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::{Context, SubscriberExt};
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
        .fmt_fields(debug_fn(only_message))
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
        .fmt_fields(debug_fn(only_message))
        .with_writer(move || Lines(Syslog::new(&path, "ratd".into())))
        .with_ansi(false)
        .with_target(false)
        .without_time();
    let trouble = tracing_subscriber::fmt::layer()
        .fmt_fields(debug_fn(only_message))
        .with_writer(|| OnStderr)
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .with_filter(LevelFilter::WARN);
    let (filter, loudness) = Loudness::of(level);
    let _ = tracing_subscriber::registry().with(filter).with(lines).with(trouble).try_init();
    loudness
}

/// People read the sentence; what stands beside it is for programs.
fn only_message(
    to: &mut Writer<'_>,
    field: &Field,
    value: &dyn std::fmt::Debug,
) -> std::fmt::Result {
    if field.name() == "message" { write!(to, "{value:?}") } else { Ok(()) }
}

/// Turns tracing's events into objects of JSON on standard error, one a line; called once, by the program.
pub fn to_json(level: LevelFilter) -> Loudness {
    let (filter, loudness) = Loudness::of(level);
    let _ = tracing_subscriber::registry().with(filter).with(Objects).try_init();
    loudness
}

/// Takes each event as an object.
struct Objects;

impl<S: tracing::Subscriber> Layer<S> for Objects {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let level = event.metadata().level().as_str().to_ascii_lowercase();
        let fields: Vec<_> =
            said.fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        offer(io::stderr(), object(&level, &said.message, &fields).as_bytes());
    }
}

/// What an event says.
#[derive(Default)]
struct Said {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.fields.push((field.name(), format!("{value:?}")));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.push((field.name(), value.to_owned()));
    }
}

/// A line of JSON: the time, how much it matters, these fields, what happened in words. Values that are numbers are
/// written as numbers; whatever is in the others stays inside its quotes.
pub fn object(level: &str, message: &str, fields: &[(&str, &str)]) -> String {
    let time = clock_gettime(ClockId::CLOCK_REALTIME).ok();
    let time = time.and_then(|time| {
        DateTime::from_timestamp(time.tv_sec(), u32::try_from(time.tv_nsec()).ok()?)
    });
    let time = time.unwrap_or_default().to_rfc3339_opts(SecondsFormat::Micros, true);
    let mut line = format!("{{\"ts\":\"{time}\",\"level\":\"{level}\"");
    for (name, value) in fields {
        let is_number = NUMBERS.contains(name) && value.parse::<i64>().is_ok();
        let value = if is_number { (*value).to_owned() } else { quoted(value) };
        line += &format!(",\"{name}\":{value}");
    }
    line + &format!(",\"message\":{}}}\n", quoted(message))
}

/// Fields whose values are numbers.
const NUMBERS: [&str; 6] = ["exit", "signal", "line", "jobs", "times", "running"];

/// A string of JSON, cut where it is long, so that a line goes through a pipe whole (pipe(7)).
fn quoted(text: &str) -> String {
    let end = (0..=LONGEST_DETAIL.min(text.len())).rfind(|end| text.is_char_boundary(*end));
    serde_json::Value::from(&text[..end.unwrap_or(0)]).to_string()
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
    fn no_text_gets_out_of_its_string_and_no_line_out_of_its_line() {
        let nasty = "a\"b\\c\n\u{1b}[31m\u{0}\u{2028}é";
        let line = object("info", nasty, &[("event", "start"), ("job", nasty), ("exit", "3")]);
        let parsed: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&parsed["message"], &parsed["job"]), (&nasty.into(), &nasty.into()));
        assert_eq!((&parsed["exit"], &parsed["level"]), (&3.into(), &"info".into()));
        assert_eq!(line.matches('\n').count(), 1);
        assert!(parsed["ts"].as_str().unwrap().ends_with('Z'), "{line}");
    }

    #[test]
    fn a_line_goes_through_a_pipe_whole() {
        let long = "é".repeat(100_000);
        let line = object("info", &long, &[("event", "start"), ("job", &long)]);
        assert!(line.len() < PIPE_BUFFER && line.ends_with("\"}\n"), "{}", line.len());
    }

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
