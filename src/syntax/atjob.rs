//! The files of at's own queue, as Debian's at and that of Red Hat write them: name and text to what the job is, and
//! back. Knows nothing of whose file it is.

use crate::plan::civil::Timestamp;
use crate::plan::job::{Assignments, Mail};
use crate::plan::submission::{Queue, Submission};
use crate::plan::text::Text;

/// What the name of a file says: `a0001f01c6bd44`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// `None` for a job that runs.
    pub queue: Option<Queue>,
    /// Its number there.
    pub number: u32,
    /// When it is due.
    pub due: Timestamp,
}

/// A job, and the user that its text names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtJob {
    /// The user.
    pub uid: u32,
    /// What is queued.
    pub job: Submission,
}

impl Name {
    /// What a name says; `None` for files that are no jobs.
    pub fn parse(name: &str) -> Option<Name> {
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let (letter, rest) = name.split_at_checked(1)?;
        let (number, minutes) = rest.split_at_checked(5)?;
        if minutes.len() != 8 || !is_hex(rest) {
            return None;
        }
        let queue = Queue::try_from(letter.to_owned()).ok();
        if queue.is_none() && letter != "=" {
            return None;
        }
        let minutes = i64::from_str_radix(minutes, 16).ok()?;
        let due = Timestamp::from_timestamp(minutes * 60, 0)?;
        Some(Name { queue, number: u32::from_str_radix(number, 16).ok()?, due })
    }
}

/// What a file says; or at which line it does not go on as at writes it.
///
/// Red Hat's at puts a script into a here-document for the user's `$SHELL`. That is kept: fed to sh it is what it was.
pub fn parse(queue: Queue, due: Timestamp, text: &[u8]) -> Result<AtJob, String> {
    let mut reader = Reader { text, at: 0 };
    reader.word(b"#!/bin/sh\n")?;
    reader.word(b"# atrun uid=")?;
    let uid = reader.number(10)?;
    reader.word(b" gid=")?;
    reader.number(10)?;
    reader.word(b"\n# mail ")?;
    let mail_to = String::from_utf8(reader.until(b' ')?.to_vec())
        .ok()
        .filter(|name| !name.is_empty() && !name.starts_with('-'))
        .ok_or_else(|| reader.wrong("a user to mail to"))?;
    let flag = reader.at;
    let mail = match reader.until(b'\n')? {
        b"0" => Mail::Auto,
        b"1" => Mail::Always,
        b"-1" => Mail::Never,
        _ => {
            reader.at = flag;
            return Err(reader.wrong("whether to mail"));
        }
    };
    reader.word(b"umask ")?;
    let umask = reader.number(8)?;
    reader.word(b"\n")?;
    let mut environment = Vec::new();
    while !reader.text[reader.at..].starts_with(b"cd ") {
        environment.push(reader.assignment()?);
    }
    reader.word(b"cd ")?;
    let directory = Text(reader.value(b" || {\n")?);
    reader.line(b"echo 'Execution directory inaccessible' >&2")?;
    reader.line(b"exit 1")?;
    reader.word(b"}\n")?;
    let script = Text(text[reader.at..].to_vec());
    let mail_to = Some(mail_to);
    let environment = Assignments::from(environment);
    let job = Submission {
        due,
        queue,
        script,
        environment,
        directory,
        umask,
        mail,
        mail_to,
        deadline: None,
    };
    job.check_size()?;
    Ok(AtJob { uid, job })
}

/// The file that Debian's at would have written: a script for sh that does what the job does.
pub fn write((uid, gid): (u32, u32), owner: &str, job: &Submission) -> Vec<u8> {
    let mail_to = job.mail_to.as_deref().unwrap_or(owner).escape_debug();
    let mail = match job.mail {
        Mail::Auto => "0",
        Mail::Always => "1",
        Mail::Never => "-1",
    };
    let head = format!(
        "#!/bin/sh\n# atrun uid={uid} gid={gid}\n# mail {mail_to} {mail}\numask {:o}\n",
        job.umask
    );
    let mut text = head.into_bytes();
    for (name, value) in job.environment.iter() {
        text.extend_from_slice(&name.0);
        text.push(b'=');
        text.extend(escaped(&value.0, PLAIN));
        text.extend_from_slice(b"; export ");
        text.extend_from_slice(&name.0);
        text.push(b'\n');
    }
    text.extend_from_slice(b"cd ");
    text.extend(escaped(&job.directory.0, b"/"));
    text.extend_from_slice(
        b" || {\n\t echo 'Execution directory inaccessible' >&2\n\t exit 1\n}\n",
    );
    text.extend_from_slice(&job.script.0);
    text
}

/// The bytes as a word of the shell, with a backslash before all but letters, digits and what is `plain`.
fn escaped(bytes: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut word = Vec::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'\n' => word.extend_from_slice(b"\"\n\""),
            byte if byte.is_ascii_alphanumeric() || plain.contains(byte) => word.push(*byte),
            byte => word.extend_from_slice(&[b'\\', *byte]),
        }
    }
    word
}

/// What at writes into values as it is.
const PLAIN: &[u8] = b"%/{[]=}@+#,.:-_";

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn wrong(&self, wanted: &str) -> String {
        let line = self.text[..self.at].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line}: {wanted} expected")
    }

    fn word(&mut self, word: &[u8]) -> Result<(), String> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.wrong(&format!("\"{}\"", word.escape_ascii())));
        }
        self.at += word.len();
        Ok(())
    }

    /// That line, after blanks; at's releases differ in how many.
    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        let blanks = |byte: &&u8| matches!(byte, b' ' | b'\t');
        self.at += self.text[self.at..].iter().take_while(blanks).count();
        self.word(line)?;
        self.word(b"\n")
    }

    fn until(&mut self, end: u8) -> Result<&'a [u8], String> {
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|byte| matches!(byte, b'\n' | b' '));
        match length {
            Some(length) if rest[length] == end => {
                self.at += length + 1;
                Ok(&rest[..length])
            }
            _ => Err(self.wrong("another word")),
        }
    }

    fn number(&mut self, radix: u32) -> Result<u32, String> {
        let digits = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = String::from_utf8_lossy(&self.text[self.at..self.at + digits]);
        let number = u32::from_str_radix(&text, radix).map_err(|_| self.wrong("a number"))?;
        self.at += digits;
        Ok(number)
    }

    /// `NAME=value; export NAME`
    fn assignment(&mut self) -> Result<(Text, Text), String> {
        let rest = &self.text[self.at..];
        let length =
            rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        let name = &rest[..length];
        if name.first().is_none_or(u8::is_ascii_digit) {
            return Err(self.wrong("a variable or cd"));
        }
        self.at += length;
        self.word(b"=")?;
        let value = self.value(b"; export ")?;
        self.word(name)?;
        self.word(b"\n")?;
        Ok((Text(name.to_vec()), Text(value)))
    }

    /// A word of the shell as at writes it, up to `end`: a backslash before what is special, newlines in quotes.
    fn value(&mut self, end: &[u8]) -> Result<Vec<u8>, String> {
        let mut value = Vec::new();
        loop {
            let rest = &self.text[self.at..];
            if rest.starts_with(end) {
                self.at += end.len();
                return Ok(value);
            }
            let length = match rest {
                [b'"', b'\n', b'"', ..] => {
                    value.push(b'\n');
                    3
                }
                [b'\\', byte, ..] if *byte != b'\n' => {
                    value.push(*byte);
                    2
                }
                [byte, ..] if byte.is_ascii_alphanumeric() || PLAIN.contains(byte) => {
                    value.push(*byte);
                    1
                }
                _ => return Err(self.wrong("the end of a value")),
            };
            self.at += length;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const DEBIAN: &str = "#!/bin/sh\n# atrun uid=1000 gid=1000\n# mail alice 1\numask 27\n\
        EMPTY=; export EMPTY\nQUOTED=it\\'s\\ \\\"so\\\"\\ \\\\\"\n\"two\\;\\ export\\ X; export QUOTED\n\
        cd /home/alice/a\\ b || {\n\t echo 'Execution directory inaccessible' >&2\n\t exit 1\n}\n\
        echo hello\n\n";

    fn read(text: &str) -> Result<AtJob, String> {
        let name = Name::parse("c0001f01c6bd44").unwrap();
        parse(name.queue.unwrap(), name.due, text.as_bytes())
    }

    #[test]
    fn names_say_queue_number_and_minute() {
        let name = Name::parse("c0001f01c6bd44").unwrap();
        assert_eq!((name.number, name.due.timestamp()), (31, 0x01c6_bd44 * 60));
        assert_eq!(name.queue.map(Queue::letter), Some('c'));
        assert_eq!(Name::parse("=0001f01c6bd44").unwrap().queue, None);
        for wrong in [
            ".SEQ",
            "",
            "a",
            "a0001f01c6bd4",
            "a0001f01c6bd444",
            "a0001g01c6bd44",
            "é0001f01c6bd44",
            "10001f01c6bd44",
            "a+001f01c6bd44",
        ] {
            assert_eq!(Name::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_file_of_debian_s_at() {
        let AtJob { uid, job } = read(DEBIAN).unwrap();
        assert_eq!((uid, job.umask, job.mail), (1000, 0o27, Mail::Always));
        assert_eq!(job.mail_to.as_deref(), Some("alice"));
        assert_eq!(job.directory, Text::from("/home/alice/a b"));
        assert_eq!(job.script, Text::from("echo hello\n\n"));
        let environment: Vec<_> = job.environment.iter().cloned().collect();
        let quoted = Text::from("it's \"so\" \\\ntwo; export X");
        let wanted = [(Text::from("EMPTY"), Text::from("")), (Text::from("QUOTED"), quoted)];
        assert_eq!(environment, wanted);
        assert_eq!(String::from_utf8(write((1000, 1000), "bob", &job)).unwrap(), DEBIAN);
    }

    #[test]
    fn a_file_of_red_hat_s_at_keeps_its_shell() {
        let body =
            "${SHELL:-/bin/sh} << 'marcinDELIMITER0a1b2c3d'\nsetenv A b\nmarcinDELIMITER0a1b2c3d\n";
        let text = DEBIAN.replace("echo hello\n\n", body);
        assert_eq!(read(&text).unwrap().job.script, Text::from(body));
    }

    #[test]
    fn what_at_does_not_write_is_refused_with_its_line() {
        for (from, to, line) in [
            ("#!/bin/sh", "#!/bin/bash", "line 1"),
            ("uid=1000", "uid=-1", "line 2"),
            ("alice 1", "-Calice 1", "line 3"),
            ("alice 1", "alice 2", "line 3"),
            ("umask 27", "umask 9", "line 4"),
            ("EMPTY=;", "EMPTY=$(id);x;", "line 5"),
            ("export EMPTY", "export OTHER", "line 5"),
            ("cd /home", "pwd; cd /home", "line 8"),
            ("exit 1\n", "exit 0\n", "line 10"),
        ] {
            let wrong = read(&DEBIAN.replacen(from, to, 1)).unwrap_err();
            assert!(wrong.starts_with(line), "{to}: {wrong}");
        }
        for end in 0..DEBIAN.len() - "echo hello\n\n".len() {
            assert!(read(&DEBIAN[..end]).is_err(), "{end}");
        }
    }
}
