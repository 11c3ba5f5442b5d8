//! What is mailed about a run: to whom, when, and every byte of it. Pure; nothing that a job or its owner wrote gets
//! out of the header or the body it was put in.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::plan::job::{Kind, Mail as When, Recipe};
use crate::plan::manner::{Addresses, Letter, Manner};
use crate::plan::run::{Outcome, Report, Trigger};
use crate::plan::text::Text;
use crate::session::environment::Environment;
use crate::session::output::append_line;

/// A mail that is ready to be handed to the mailer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Which cron's it looks like.
    pub letter: Letter,
    /// What the mailer is called with, all of it safe on a command line.
    pub arguments: Vec<String>,
    /// Header and body.
    pub message: Vec<u8>,
    /// How many bytes of output it tells of.
    pub output: usize,
    /// What is odd about it, for the log.
    pub warning: Option<Unsafe>,
}

/// An address that is not used: it could be more than an address to some mailer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsafe {
    /// The address.
    pub address: Text,
}

/// The longest line that a mail may have, without its end (RFC 5322).
const LONGEST_LINE: usize = 998;

/// The longest line that holds an encoded word (RFC 2047).
const ENCODED_LINE: usize = 76;

/// No mailbox has a longer name (RFC 5321).
const LONGEST_ADDRESS: usize = 320;

/// What glibc calls the characters of the locale `C`.
const ASCII: &str = "ANSI_X3.4-1968";

/// What may stand in an address, besides letters and digits, but not begin it. What cron allows, of any cron.
const SAFE: &[u8] = b"@!:%-.+=/";

/// A run that is over, and all that its mail is made from.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The run.
    pub report: &'a Report,
    /// What was run.
    pub recipe: &'a Recipe,
    /// The job's environment.
    pub environment: &'a Environment,
    /// This machine's name, without its domain.
    pub host: &'a str,
    /// How an entry's output is mailed.
    pub manner: &'a Manner,
    /// The daemon's own variables.
    pub daemon: &'a [(Text, Text)],
    /// What the daemon's locale calls its characters.
    pub codeset: &'a str,
    /// Its output was shown as it came, so that nobody is told who did not ask for it.
    pub shown: bool,
}

impl Told<'_> {
    /// The mail, if there is to be one.
    pub fn mail(&self) -> Result<Option<Mail>, Unsafe> {
        if !self.is_occasion() {
            return Ok(None);
        }
        let Some(recipients) = self.recipients()? else { return Ok(None) };
        let (sender, warning) = self.sender();
        let mut message = match self.letter() {
            Letter::Full => self.header(&recipients, &sender),
            Letter::Quoted | Letter::Named | Letter::Bare => {
                self.plain_header(&recipients, &sender)
            }
        };
        self.add_body(&mut message);
        let arguments = self.arguments(&recipients, sender);
        let output = self.report.output.0.len();
        Ok(Some(Mail { letter: self.letter(), arguments, message, output, warning }))
    }

    /// Only crontabs have a dialect.
    pub fn letter(&self) -> Letter {
        match self.recipe.kind {
            Kind::Entry | Kind::SystemEntry => self.manner.letter,
            Kind::Period | Kind::At => Letter::Full,
        }
    }

    fn arguments(&self, recipients: &str, sender: String) -> Vec<String> {
        let name = format!("-F{}", self.daemon());
        let sender = sender.as_str();
        let arguments: &[&str] = match self.letter() {
            Letter::Full | Letter::Quoted => {
                &["sendmail", &name, "-i", "-odi", "-oem", "-oi", "-t", "-f", sender]
            }
            Letter::Named => &["sendmail", &name, "-i", "-B8BITMIME", "-oem", recipients],
            Letter::Bare => &["sendmail", "-ti"],
        };
        arguments.iter().map(|argument| (*argument).to_owned()).collect()
    }

    fn is_occasion(&self) -> bool {
        let mailing = &self.recipe.mailing;
        if mailing.on_failure_only && self.report.outcome == Outcome::Exited(0) {
            return false;
        }
        match mailing.when {
            When::Never => false,
            When::Always => true,
            When::Auto => {
                let is_told = self.letter() == Letter::Full
                    && matches!(self.report.outcome, Outcome::NotStarted(_) | Outcome::Lost(_));
                self.report.output_bytes > 0 || is_told
            }
        }
    }

    fn recipients(&self) -> Result<Option<String>, Unsafe> {
        let owner = &self.report.run.owner;
        let asked = match (&self.recipe.mailing.to, self.recipe.kind) {
            (Some(to), _) => Text::from(to.as_str()),
            (None, Kind::At) => Text::from(owner.as_str()),
            (None, Kind::Entry | Kind::SystemEntry | Kind::Period) => {
                match self.environment.assigned("MAILTO") {
                    _ if self.has_no_mail_output() => return Ok(None),
                    Some(to) => self.expanded(to),
                    None if self.shown => return Ok(None),
                    None => Text::from(owner.as_str()),
                }
            }
        };
        let named: Vec<&[u8]> =
            asked.0.split(|byte| *byte == b',').filter(|one| !one.is_empty()).collect();
        let safe: Option<Vec<&str>> = named.iter().map(|one| safe_address(one)).collect();
        let Some(safe) = safe else { return Err(Unsafe { address: asked }) };
        Ok((!safe.is_empty()).then(|| safe.join(",")))
    }

    /// A name of cronie's anacron.
    fn has_no_mail_output(&self) -> bool {
        let is_period = self.recipe.kind == Kind::Period;
        is_period && self.environment.assigned("NO_MAIL_OUTPUT").is_some()
    }

    /// Who the mail is from; a `MAILFROM` that cannot be used loses no mail.
    fn sender(&self) -> (String, Option<Unsafe>) {
        let owner = self.report.run.owner.clone();
        let asked = match self.recipe.kind {
            Kind::At => None,
            Kind::Entry | Kind::SystemEntry | Kind::Period => self.environment.get("MAILFROM"),
        };
        let Some(asked) = asked.map(|from| self.expanded(from)) else {
            // A login name that is no address is left to the mailer, which knows who calls it.
            let safe = safe_address(owner.as_bytes()).is_some();
            return (if safe { owner } else { "root".to_owned() }, None);
        };
        match safe_address(&asked.0) {
            Some(from) => (from.to_owned(), None),
            None => (owner, Some(Unsafe { address: asked })),
        }
    }

    /// `$NAME` and `${NAME}` replaced; what is unknown stays, and is no address then.
    fn expanded(&self, address: &Text) -> Text {
        let of_daemon = |name: &str| {
            let found = self.daemon.iter().find(|(known, _)| known.0 == name.as_bytes());
            found.map(|(_, value)| value)
        };
        match (self.recipe.kind, self.manner.addresses) {
            (Kind::Entry | Kind::SystemEntry, Addresses::Nobody) => address.clone(),
            (Kind::Entry | Kind::SystemEntry, Addresses::Daemon) => expanded(address, of_daemon),
            _ => expanded(address, |name| self.environment.assigned(name)),
        }
    }

    fn daemon(&self) -> &'static str {
        match self.recipe.kind {
            Kind::Entry | Kind::SystemEntry => "CronDaemon",
            Kind::Period => "Anacron",
            Kind::At => "AtDaemon",
        }
    }

    fn header(&self, recipients: &str, sender: &str) -> Vec<u8> {
        let run = &self.report.run;
        let from = match self.recipe.kind {
            Kind::Entry | Kind::SystemEntry => "\"(Cron Daemon)\"",
            Kind::Period => "Anacron",
            Kind::At => "\"(At Daemon)\"",
        };
        let mut message = Vec::new();
        add_header(&mut message, "From", &format!("{from} <{sender}>"), "");
        add_recipients(&mut message, recipients);
        let (before, subject) = self.subject();
        add_header(&mut message, "Subject", &before, &subject);
        add_header(&mut message, "Date", &self.report.ended.to_rfc2822(), "");
        add_header(&mut message, "MIME-Version", "1.0", "");
        add_header(&mut message, "Content-Type", &self.content_type(), "");
        add_header(&mut message, "Content-Transfer-Encoding", &self.encoding().0, "");
        add_header(&mut message, "Auto-Submitted", "auto-generated", "");
        add_header(&mut message, "Precedence", "bulk", "");
        if let Kind::Entry | Kind::SystemEntry = self.recipe.kind {
            for assignment in self.environment.assignments() {
                let assignment = format!("<{}>", String::from_utf8_lossy(&assignment));
                add_header(&mut message, "X-Cron-Env", "", &assignment);
            }
        }
        add_header(&mut message, "X-Rat-Job", "", &run.name);
        add_header(&mut message, "X-Rat-Run", "", &run.id.to_string());
        add_header(&mut message, "X-Rat-Exit", "", &words(&self.report.outcome));
        // What is sorted by its subject stays where it was.
        if let (Kind::Entry | Kind::SystemEntry, Trigger::CatchUp) = (self.recipe.kind, run.trigger)
        {
            add_header(&mut message, "X-Rat-Trigger", "catchup", "");
            add_header(&mut message, "X-Rat-Scheduled", &run.due.to_rfc2822(), "");
        }
        message.push(b'\n');
        message
    }

    /// The header of a dialect: its own lines, and what people wrote as they wrote it.
    fn plain_header(&self, recipients: &str, sender: &str) -> Vec<u8> {
        let run = &self.report.run;
        let mut message = Vec::new();
        let mut add = |name: &str, value: &[u8]| add_line(&mut message, name, value);
        let letter = self.letter();
        let from = match letter {
            Letter::Named if self.environment.get("MAILFROM").is_none() => {
                Some("root (Cron Daemon)".to_owned())
            }
            Letter::Named => Some(sender.to_owned()),
            Letter::Quoted => Some(format!("\"(Cron Daemon)\" <{sender}>")),
            Letter::Full | Letter::Bare => None,
        };
        from.iter().for_each(|from| add("From", from.as_bytes()));
        add("To", recipients.as_bytes());
        let begin = match letter {
            Letter::Bare => "cron: ".to_owned(),
            Letter::Full | Letter::Quoted | Letter::Named => {
                format!("Cron <{}@{}> ", run.owner, self.host)
            }
        };
        add("Subject", &[begin.as_bytes(), &self.recipe.command.0].concat());
        if letter != Letter::Bare {
            let by_locale = || format!("text/plain; charset={}", self.codeset);
            let encoding = self.variable("CONTENT_TRANSFER_ENCODING");
            add("MIME-Version", b"1.0");
            add("Content-Type", self.variable("CONTENT_TYPE").unwrap_or_else(by_locale).as_bytes());
            add("Content-Transfer-Encoding", encoding.as_deref().unwrap_or("8bit").as_bytes());
        }
        if letter == Letter::Quoted {
            add("Auto-Submitted", b"auto-generated");
            add("Precedence", b"bulk");
        }
        if letter != Letter::Bare {
            let all = self.environment.assignments();
            all.for_each(|one| add("X-Cron-Env", &[b"<", &one[..], b">"].concat()));
        }
        message.push(b'\n');
        message
    }

    /// The subject in two parts; the second is what people wrote.
    fn subject(&self) -> (String, String) {
        let run = &self.report.run;
        match self.recipe.kind {
            Kind::Entry | Kind::SystemEntry => {
                let command = self.recipe.command.shown().into_owned();
                (format!("Cron <{}@{}> ", run.owner, self.host), command)
            }
            Kind::Period => ("Anacron job ".to_owned(), format!("'{}' on {}", run.name, self.host)),
            Kind::At => {
                let number = run.name.strip_prefix("at-").unwrap_or(&run.name);
                (format!("Output from your job {number:>8}"), String::new())
            }
        }
    }

    fn content_type(&self) -> String {
        let asked = self.variable("CONTENT_TYPE").filter(|kind| is_plain(kind));
        asked.unwrap_or_else(|| match str::from_utf8(&self.report.output.0) {
            Ok(_) => "text/plain; charset=UTF-8".to_owned(),
            // It is not in the locale's characters if those are UTF-8, nor if it knows only ASCII.
            Err(_) if matches!(self.codeset, "UTF-8" | ASCII) => {
                "text/plain; charset=unknown-8bit".to_owned()
            }
            Err(_) => format!("text/plain; charset={}", self.codeset),
        })
    }

    /// How the body is encoded: the word for it, and what is to be done. Whoever says it did so themselves.
    fn encoding(&self) -> (String, Encoding) {
        let is_word = |word: &String| {
            !word.is_empty()
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if let Some(asked) = self.variable("CONTENT_TRANSFER_ENCODING").filter(is_word) {
            return (asked, Encoding::None);
        }
        let output = &self.report.output.0;
        let is_short = output.split(|byte| *byte == b'\n').all(|line| line.len() <= LONGEST_LINE);
        let (word, encoding) = match (output.contains(&0), is_short, str::from_utf8(output)) {
            (false, true, _) => ("8bit", Encoding::None),
            (false, false, Ok(_)) => ("quoted-printable", Encoding::QuotedPrintable),
            _ => ("base64", Encoding::Base64),
        };
        (word.to_owned(), encoding)
    }

    /// A variable of the crontab that is about its mail.
    fn variable(&self, name: &str) -> Option<String> {
        match self.recipe.kind {
            Kind::At => None,
            Kind::Entry | Kind::SystemEntry | Kind::Period => {
                self.environment.get(name).map(|value| value.shown().into_owned())
            }
        }
    }

    fn add_body(&self, message: &mut Vec<u8>) {
        let mut body = self.report.output.0.clone();
        if let Letter::Full | Letter::Quoted = self.letter() {
            // A progress bar is no text.
            body.retain(|byte| *byte != b'\r');
        }
        if self.letter() != Letter::Full {
            return message.append(&mut body);
        }
        if let Outcome::NotStarted(_) | Outcome::Lost(_) = self.report.outcome {
            append_line(&mut body, &format!("rat: {}", words(&self.report.outcome)));
        }
        match self.encoding().1 {
            Encoding::None => message.append(&mut body),
            Encoding::QuotedPrintable => add_quoted_printable(message, &body),
            Encoding::Base64 => {
                for line in STANDARD.encode(&body).as_bytes().chunks(ENCODED_LINE) {
                    message.extend_from_slice(line);
                    message.push(b'\n');
                }
            }
        }
        if !message.ends_with(b"\n") {
            message.push(b'\n');
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    None,
    QuotedPrintable,
    Base64,
}

fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Exited(status) => format!("exited with status {status}"),
        Outcome::Killed(signal) => format!("killed by signal {signal}"),
        Outcome::NotStarted(why) | Outcome::LeftToAnother(why) => format!("not started: {why}"),
        Outcome::Lost(why) => format!("lost: {why}"),
    }
}

/// The address, if it can be nothing else.
fn safe_address(address: &[u8]) -> Option<&str> {
    let may_begin = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_safe = |byte: &u8| may_begin(*byte) || SAFE.contains(byte);
    let safe =
        address.first().is_some_and(|first| may_begin(*first)) && address.iter().all(is_safe);
    if safe && address.len() <= LONGEST_ADDRESS { str::from_utf8(address).ok() } else { None }
}

/// `$NAME` and `${NAME}` replaced by what `value` knows.
fn expanded<'v>(address: &Text, value: impl Fn(&str) -> Option<&'v Text>) -> Text {
    let text = address.shown().into_owned();
    let mut parts = text.split('$');
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = match part.strip_prefix('{').and_then(|part| part.split_once('}')) {
            Some(braced) => braced,
            None => {
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                part.split_at(part.find(|c| !is_name(c)).unwrap_or(part.len()))
            }
        };
        match value(name).filter(|_| !name.is_empty()) {
            Some(value) => {
                result.push_str(&value.shown());
                result.push_str(rest);
            }
            None => {
                result.push('$');
                result.push_str(part);
            }
        }
    }
    if result == text { address.clone() } else { Text(result.into_bytes()) }
}

/// Whether the text can stand in a header as it is: not if it would be taken for encoded words.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) && !text.contains("=?")
}

/// Adds a header line as it is, but for what would end it.
fn add_line(message: &mut Vec<u8>, name: &str, value: &[u8]) {
    message.extend_from_slice(name.as_bytes());
    message.extend_from_slice(b": ");
    message.extend(value.iter().map(|byte| match byte {
        b'\n' | b'\r' | 0 => b' ',
        byte => *byte,
    }));
    message.push(b'\n');
}

/// Adds a header of two parts: as they are where they can stand so, else encoded, so that no byte of them can
/// end the line. The line is that of cron, for people's filters; what is longer than any line can be is cut.
fn add_header(message: &mut Vec<u8>, name: &str, before: &str, text: &str) {
    let clean = |text: &str| text.replace(|c: char| c.is_control() && c != '\t', " ");
    let (before, mut text) = (clean(before), clean(text));
    if text.len() > LONGEST_LINE {
        let is_boundary = |length: &usize| text.is_char_boundary(*length);
        text.truncate((0..=LONGEST_LINE).rev().find(is_boundary).unwrap_or(0));
        text.push('…');
    }
    let plain = format!("{name}: {before}{text}");
    if is_plain(&before) && is_plain(&text) && plain.len() <= LONGEST_LINE {
        message.extend_from_slice(plain.as_bytes());
        message.push(b'\n');
    } else if is_plain(&before) && before.ends_with(' ') && before.len() < ENCODED_LINE / 2 {
        add_encoded(message, &format!("{name}: {before}"), &text);
    } else {
        add_encoded(message, &format!("{name}: "), &format!("{before}{text}"));
    }
}

/// Adds the recipients, one a line where one line cannot hold them.
fn add_recipients(message: &mut Vec<u8>, recipients: &str) {
    let one_line = "To: ".len() + recipients.len() <= LONGEST_LINE;
    let list = if one_line { recipients.to_owned() } else { recipients.replace(',', ",\n ") };
    message.extend_from_slice(format!("To: {list}\n").as_bytes());
}

/// Adds encoded words after what the line begins with, a line each.
fn add_encoded(message: &mut Vec<u8>, begin: &str, text: &str) {
    const MARK: usize = "=?UTF-8?B??=".len();
    let mut begin = begin;
    let mut rest = text;
    while !rest.is_empty() {
        let room = ENCODED_LINE.saturating_sub(begin.len() + MARK) / 4 * 3;
        let mut length = rest.len().min(room.max(4));
        while !rest.is_char_boundary(length) {
            length -= 1;
        }
        let word = STANDARD.encode(&rest[..length]);
        message.extend_from_slice(format!("{begin}=?UTF-8?B?{word}?=\n").as_bytes());
        rest = &rest[length..];
        begin = " ";
    }
}

fn add_quoted_printable(message: &mut Vec<u8>, body: &[u8]) {
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let (text, end) = match line.strip_suffix(b"\n") {
            Some(text) => (text, true),
            None => (line, false),
        };
        let mut column = 0;
        for (index, byte) in text.iter().enumerate() {
            let is_last = index + 1 == text.len();
            let piece = match byte {
                b' ' | b'\t' if !is_last => vec![*byte],
                b'!'..=b'~' if *byte != b'=' => vec![*byte],
                byte => format!("={byte:02X}").into_bytes(),
            };
            if column + piece.len() >= ENCODED_LINE {
                message.extend_from_slice(b"=\n");
                column = 0;
            }
            column += piece.len();
            message.extend_from_slice(&piece);
        }
        message.extend_from_slice(if end { b"\n" } else { b"=\n" });
    }
}

#[cfg(test)]
mod tests;
