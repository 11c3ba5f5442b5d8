//! Options as getopt(3) has them: letters alone or together, a value behind its letter or in the next word, operands
//! anywhere, `--` before what are operands only; and long ones as getopt_long(3) does. Knows the options of no program.
//!
//! at's programs are started for each job that is queued, so theirs are read by this and not by what the others use,
//! which takes a fifth of a millisecond to get ready.

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// How a program is called.
#[derive(Debug)]
pub struct Usage {
    /// The program's own name.
    pub program: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// What may stand behind its name, a line a way.
    pub ways: &'static [&'static str],
    pub flags: &'static [Flag],
    /// What its operands are called, and what they are.
    pub operand: (&'static str, &'static str),
}

/// An option.
#[derive(Debug)]
pub struct Flag {
    /// Its letter or long name; the first of several is the one it is given by.
    pub names: &'static [&'static str],
    /// What its value is called, if it takes one.
    pub value: Option<&'static str>,
    pub help: &'static str,
}

impl Flag {
    /// An option without a value.
    pub const fn switch(names: &'static [&'static str], help: &'static str) -> Flag {
        Flag { names, value: None, help }
    }

    /// An option with a value of this kind.
    pub const fn taking(
        value: &'static str,
        names: &'static [&'static str],
        help: &'static str,
    ) -> Flag {
        Flag { names, value: Some(value), help }
    }
}

/// A word of the command line.
#[derive(Debug, PartialEq, Eq)]
pub enum Given {
    /// An option by its first name; empty where it takes no value.
    Flag(&'static str, OsString),
    Operand(OsString),
}

/// The words behind a program's name, one after the other, so that what is said of one comes before what is wrong with
/// the next. An error is what getopt(3) says, without the program in front.
pub struct Words<I> {
    usage: &'static Usage,
    words: I,
    /// The letters of a word that are still to be read.
    letters: Vec<u8>,
    only_operands: bool,
}

/// Reads the words behind the program's name.
pub fn read<I: IntoIterator<Item = OsString>>(
    usage: &'static Usage,
    words: I,
) -> Words<I::IntoIter> {
    Words { usage, words: words.into_iter(), letters: Vec::new(), only_operands: false }
}

impl<I: Iterator<Item = OsString>> Iterator for Words<I> {
    type Item = Result<Given, String>;

    fn next(&mut self) -> Option<Result<Given, String>> {
        if !self.letters.is_empty() {
            return Some(self.letter());
        }
        let word = self.words.next()?;
        Some(match word.as_bytes() {
            _ if self.only_operands => Ok(Given::Operand(word)),
            b"--" => {
                self.only_operands = true;
                return self.next();
            }
            [b'-', b'-', long @ ..] => self.long(long),
            [b'-', letters @ ..] if !letters.is_empty() => {
                self.letters = letters.to_vec();
                self.letter()
            }
            _ => Ok(Given::Operand(word)),
        })
    }
}

impl<I: Iterator<Item = OsString>> Words<I> {
    /// `deadline=30m`, or `deadline` with the value in the next word.
    fn long(&mut self, word: &[u8]) -> Result<Given, String> {
        let (name, attached) = match word.iter().position(|byte| *byte == b'=') {
            Some(end) => (&word[..end], Some(&word[end + 1..])),
            None => (word, None),
        };
        let flag = self.usage.flag(name).filter(|_| name.len() > 1);
        let flag = flag.ok_or_else(|| no_option(name))?;
        let value = match (flag.value, attached) {
            (None, Some(_)) => {
                return Err(format!("option '--{}' doesn't allow an argument", shown(name)));
            }
            (None, None) => Some(OsString::new()),
            (Some(_), Some(value)) => Some(owned(value)),
            (Some(_), None) => self.words.next(),
        };
        let missing = || format!("option '--{}' requires an argument", shown(name));
        Ok(Given::Flag(flag.names[0], value.ok_or_else(missing)?))
    }

    /// The first of `ml`, or of `qb`, whose value may also be in the next word.
    fn letter(&mut self) -> Result<Given, String> {
        let name = [self.letters.remove(0)];
        let flag = self.usage.flag(&name).ok_or_else(|| no_option(&name))?;
        let value = match flag.value {
            None => Some(OsString::new()),
            Some(_) if self.letters.is_empty() => self.words.next(),
            Some(_) => Some(owned(&std::mem::take(&mut self.letters))),
        };
        let missing = || format!("option requires an argument -- '{}'", shown(&name));
        Ok(Given::Flag(flag.names[0], value.ok_or_else(missing)?))
    }
}

/// What is said of an option that is none, or not there.
pub fn no_option(name: &[u8]) -> String {
    match name {
        [_] => format!("invalid option -- '{}'", shown(name)),
        _ => format!("unrecognized option '--{}'", shown(name)),
    }
}

impl Usage {
    fn flag(&self, name: &[u8]) -> Option<&'static Flag> {
        self.flags.iter().find(|flag| flag.names.iter().any(|known| known.as_bytes() == name))
    }

    /// The ways the program is called, under the name it was called by.
    pub fn ways(&self, program: &str) -> String {
        let mut text = String::new();
        for (way, head) in
            self.ways.iter().zip(std::iter::once("Usage:").chain(std::iter::repeat("      ")))
        {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{head} {program} {way}");
        }
        text
    }

    /// All there is to say of it.
    pub fn help(&self, program: &str) -> String {
        let mut text = format!("{}\n\n{}\nOptions:\n", self.about, self.ways(program));
        let written: Vec<String> = self.flags.iter().map(written).collect();
        let width = written.iter().map(String::len).max().unwrap_or(0);
        for (flag, written) in self.flags.iter().zip(written) {
            let _ = writeln!(text, "  {written:width$}  {}", flag.help);
        }
        text
    }
}

/// `-q QUEUE`, `-V, --version`, and with no letter `    --now EPOCH`.
fn written(flag: &Flag) -> String {
    let dashed = flag.names.iter().map(|name| match name.len() {
        1 => format!("-{name}"),
        _ => format!("--{name}"),
    });
    let names = dashed.collect::<Vec<_>>().join(", ");
    let indent = if flag.names[0].len() > 1 { "    " } else { "" };
    let value = flag.value.map_or(String::new(), |value| format!(" {value}"));
    format!("{indent}{names}{value}")
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).escape_debug().to_string()
}

fn owned(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

/// A value that is text; what is none of is shown so, and is no letter, no user and no time.
pub fn text(value: &OsStr) -> String {
    value.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    static USAGE: Usage = Usage {
        program: "test",
        about: "Tests",
        ways: &["[-mM] [-q QUEUE] TIME...", "-V"],
        flags: &[
            Flag::taking("QUEUE", &["q"], "The queue"),
            Flag::switch(&["m"], "Mail"),
            Flag::switch(&["V", "version"], "Print the version"),
            Flag::taking("TIME", &["deadline"], "Not later"),
        ],
        operand: ("TIME", "When"),
    };

    /// `q=b m .now` for a value, a switch and an operand.
    fn told(words: &[&str]) -> Result<String, String> {
        let given: Vec<_> =
            read(&USAGE, words.iter().map(OsString::from)).collect::<Result<_, _>>()?;
        let told = given.iter().map(|given| match given {
            Given::Flag(name, value) if value.is_empty() => (*name).to_owned(),
            Given::Flag(name, value) => format!("{name}={}", value.display()),
            Given::Operand(word) => format!(".{}", word.display()),
        });
        Ok(told.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn words_are_options_values_and_operands() {
        for (words, expected) in [
            (&["-mq", "b", "noon"][..], "m q=b .noon"),
            (&["noon", "-mqb", "-m"], ".noon m q=b m"),
            (&["-q=", "-q", "-m"], "q== q=-m"),
            (&["-q", ""], "q"),
            (
                &["--deadline", "2h", "--deadline=3h", "--deadline="],
                "deadline=2h deadline=3h deadline",
            ),
            (&["--version", "-V"], "V V"),
            (&["-m", "--", "-m", "--", "-"], "m .-m .-- .-"),
            (&["-", "", "now", "+", "1"], ".- . .now .+ .1"),
        ] {
            assert_eq!(told(words).as_deref(), Ok(expected), "{words:?}");
        }
    }

    #[test]
    fn what_is_none_is_said_as_getopt_says_it() {
        for (words, expected) in [
            (&["-mx"][..], "invalid option -- 'x'"),
            (&["-1"], "invalid option -- '1'"),
            (&["-m-"], "invalid option -- '-'"),
            (&["-\n"], "invalid option -- '\\n'"),
            (&["-mq"], "option requires an argument -- 'q'"),
            (&["--m"], "invalid option -- 'm'"),
            (&["--dead"], "unrecognized option '--dead'"),
            (&["--deadline"], "option '--deadline' requires an argument"),
            (&["--version=1"], "option '--version' doesn't allow an argument"),
        ] {
            assert_eq!(told(words), Err(expected.to_owned()), "{words:?}");
        }
    }

    #[test]
    fn help_is_under_the_name_it_was_called_by() {
        let help = "Tests\n\nUsage: at [-mM] [-q QUEUE] TIME...\n       at -V\n\nOptions:\n  \
            -q QUEUE             The queue\n  \
            -m                   Mail\n  \
            -V, --version        Print the version\n      \
            --deadline TIME  Not later\n";
        assert_eq!(USAGE.help("at"), help);
    }
}
