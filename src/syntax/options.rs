//! What can be said of an entry besides when it runs what: one table of options, with what each takes. Knows whether
//! a value is one; not where options are written, nor what becomes of them.

use std::cmp::Ordering;
use std::ops::Range;
use std::time::Duration;

use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::duration;
use crate::syntax::field::nearest;

/// An option. Its word is in `OPTIONS`, at the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[rustfmt::skip]
pub enum Key {
    Name, Desc, Tags, Enabled, Match,
    Tz, Dst, Jitter, Every, NotBefore, NotAfter, DayMatch, When, Manual, AcOnly, LoadMax,
    Catchup, Deadline,
    Overlap, Lock, Pool, StartDelayMax,
    Timeout, TimeoutSignal, KillAfter, Cpu, CpuWeight, Memory, MemoryHigh, Tasks, IoWeight,
    Nice, Ionice, OomScoreAdj, Nofile, Core, Umask,
    OkExit, FailWhen, Retries, RetryDelay, RetryMaxDelay, RetryBackoff, RetryOn,
    Output, KeepOutput, KeepRuns, KeepDays,
    Mail, MailTo, MailFrom, Ping, PingBody, Notify, LateAfter, MaxAge, WarnAfter,
    After, OnSuccess, OnFailure,
    Cwd, EnvFile, InheritEnv, Sandbox,
    Fleet, Guarantee, StoreDown,
}

/// What is known of an option.
#[derive(Debug)]
pub struct Known {
    /// The option.
    pub key: Key,
    /// The word for it after `#rat:`.
    pub name: &'static str,
    takes: Takes,
    /// What holds where nothing is said, as the manual has it: a value of this option, or words for people. `none` is
    /// no bound at all, and so looser than every value.
    pub default: &'static str,
    /// Something is done about it, and not only read.
    pub is_honoured: bool,
    /// An entry whose value cannot be read is not run: it could run in the wrong place or at the wrong time.
    pub fails_closed: bool,
}

/// What an option takes.
#[derive(Debug)]
enum Takes {
    Text,
    Name,
    /// `@` makes it one of the whole system.
    Lock,
    YesOrNo,
    /// One of these; `[:N]` is a number that may follow.
    Word(&'static [&'static str]),
    Duration,
    DurationOr(&'static str),
    /// So many seconds that a minute is a multiple of them.
    Every,
    Jitter,
    Date,
    Zone,
    Number(i64, i64),
    Octal,
    Percent,
    Load,
    Size,
    Signal,
    Path,
    Url,
    Days,
    /// Some of these, with commas between them.
    List(Item),
    YesOrList(Item),
}

/// What a list holds.
#[derive(Clone, Copy, Debug)]
enum Item {
    Name,
    Address,
    /// A job, and how long to wait for it: `dump/30m`.
    Job,
    Status,
    Reason,
    Sink,
    Variable,
}

/// A value that an option can have.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text, a name, a path, a zone, a date.
    Text(String),
    /// Yes or no.
    Is(bool),
    /// A word of the table, and the number behind it.
    Word(&'static str, Option<u32>),
    /// How long.
    Duration(Duration),
    /// How long, and the same for each run of a job.
    Jitter(Duration, bool),
    /// A number, percents, or bytes.
    Number(i64),
    /// A load average.
    Load(f64),
    /// The parts of a list.
    List(Vec<String>),
}

/// Which of two values leaves a job more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looser {
    /// The larger one, or the later one of a list of words.
    Larger,
    /// The smaller one, or the earlier word.
    Smaller,
    /// They are not compared.
    Neither,
}

impl Value {
    /// The text, of a value that is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

const fn option(key: Key, name: &'static str, takes: Takes, default: &'static str) -> Known {
    Known { key, name, takes, default, is_honoured: false, fails_closed: false }
}

/// One of those that something is done about.
const fn honoured(key: Key, name: &'static str, takes: Takes, default: &'static str) -> Known {
    Known { is_honoured: true, ..option(key, name, takes, default) }
}

/// One of those that must not be misread.
const fn closed(key: Key, name: &'static str, takes: Takes, default: &'static str) -> Known {
    Known { fails_closed: true, ..option(key, name, takes, default) }
}

/// Of those, one that something is done about.
const fn honoured_closed(
    key: Key,
    name: &'static str,
    takes: Takes,
    default: &'static str,
) -> Known {
    Known { is_honoured: true, ..closed(key, name, takes, default) }
}

/// The vocabulary, in the order of `Key`.
#[rustfmt::skip]
pub const OPTIONS: &[Known] = &[
    option(Key::Name, "name", Takes::Name, "made of the command"),
    option(Key::Desc, "desc", Takes::Text, ""),
    option(Key::Tags, "tags", Takes::List(Item::Name), ""),
    honoured_closed(Key::Enabled, "enabled", Takes::YesOrNo, "yes"),
    honoured(Key::Match, "match", Takes::Text, ""),
    honoured_closed(Key::Tz, "tz", Takes::Zone, "CRON_TZ, or the machine's"),
    option(Key::Dst, "dst", Takes::Word(&["classic", "wall"]), "classic"),
    option(Key::Jitter, "jitter", Takes::Jitter, "0"),
    option(Key::Every, "every", Takes::Every, ""),
    closed(Key::NotBefore, "not-before", Takes::Date, ""),
    closed(Key::NotAfter, "not-after", Takes::Date, ""),
    option(Key::DayMatch, "day-match", Takes::Word(&["or", "and"]), "or"),
    option(Key::When, "when", Takes::Days, ""),
    option(Key::Manual, "manual", Takes::YesOrNo, "no"),
    honoured(Key::AcOnly, "ac-only", Takes::YesOrNo, "no"),
    option(Key::LoadMax, "load-max", Takes::Load, ""),
    honoured(Key::Catchup, "catchup", Takes::Word(&["none", "once", "all[:N]"]), "none"),
    honoured(Key::Deadline, "deadline", Takes::Duration, "24h; for one instant, no later than the next"),
    option(Key::Overlap, "overlap", Takes::Word(&["allow", "skip", "queue[:N]", "replace"]), "allow"),
    option(Key::Lock, "lock", Takes::Lock, ""),
    option(Key::Pool, "pool", Takes::Name, ""),
    option(Key::StartDelayMax, "start-delay-max", Takes::Duration, "1h"),
    option(Key::Timeout, "timeout", Takes::Duration, "none"),
    option(Key::TimeoutSignal, "timeout-signal", Takes::Signal, "TERM"),
    option(Key::KillAfter, "kill-after", Takes::Duration, "10s"),
    option(Key::Cpu, "cpu", Takes::Percent, "none"),
    option(Key::CpuWeight, "cpu-weight", Takes::Number(1, 10_000), ""),
    option(Key::Memory, "memory", Takes::Size, "none"),
    option(Key::MemoryHigh, "memory-high", Takes::Size, "none"),
    option(Key::Tasks, "tasks", Takes::Number(1, i32::MAX as i64), "none"),
    option(Key::IoWeight, "io-weight", Takes::Number(1, 10_000), ""),
    option(Key::Nice, "nice", Takes::Number(-20, 19), "0"),
    option(Key::Ionice, "ionice", Takes::Word(&["idle", "best-effort[:N]", "realtime[:N]"]), ""),
    option(Key::OomScoreAdj, "oom-score-adj", Takes::Number(-1000, 1000), ""),
    option(Key::Nofile, "nofile", Takes::Number(3, i32::MAX as i64), ""),
    option(Key::Core, "core", Takes::Size, ""),
    option(Key::Umask, "umask", Takes::Octal, "022"),
    option(Key::OkExit, "ok-exit", Takes::List(Item::Status), "0"),
    option(Key::FailWhen, "fail-when", Takes::Word(&["exit", "stderr", "output"]), "exit"),
    honoured(Key::Retries, "retries", Takes::Number(0, 100), "0"),
    honoured(Key::RetryDelay, "retry-delay", Takes::Duration, "30s"),
    honoured(Key::RetryMaxDelay, "retry-max-delay", Takes::Duration, "1h"),
    honoured(Key::RetryBackoff, "retry-backoff", Takes::Word(&["fixed", "exp"]), "exp"),
    honoured(Key::RetryOn, "retry-on", Takes::List(Item::Reason), "any but timeout"),
    option(Key::Output, "output", Takes::List(Item::Sink), "mail,history"),
    option(Key::KeepOutput, "keep-output", Takes::Size, "1M"),
    option(Key::KeepRuns, "keep-runs", Takes::Number(1, i32::MAX as i64), "50"),
    option(Key::KeepDays, "keep-days", Takes::Number(1, 36_500), "30"),
    option(Key::Mail, "mail", Takes::Word(&["output", "failure", "change", "always", "never"]), "output"),
    option(Key::MailTo, "mail-to", Takes::List(Item::Address), ""),
    option(Key::MailFrom, "mail-from", Takes::List(Item::Address), ""),
    option(Key::Ping, "ping", Takes::Url, ""),
    option(Key::PingBody, "ping-body", Takes::Word(&["none", "tail"]), "none"),
    option(Key::Notify, "notify", Takes::List(Item::Name), ""),
    option(Key::LateAfter, "late-after", Takes::Duration, ""),
    option(Key::MaxAge, "max-age", Takes::Duration, ""),
    option(Key::WarnAfter, "warn-after", Takes::DurationOr("auto"), ""),
    option(Key::After, "after", Takes::List(Item::Job), ""),
    option(Key::OnSuccess, "on-success", Takes::List(Item::Name), ""),
    option(Key::OnFailure, "on-failure", Takes::List(Item::Name), ""),
    option(Key::Cwd, "cwd", Takes::Path, "the home directory"),
    option(Key::EnvFile, "env-file", Takes::Path, ""),
    option(Key::InheritEnv, "inherit-env", Takes::YesOrList(Item::Variable), "no"),
    option(Key::Sandbox, "sandbox", Takes::Word(&["none", "strict"]), "none"),
    closed(Key::Fleet, "fleet", Takes::Name, ""),
    closed(Key::Guarantee, "guarantee", Takes::Word(&["at-most-once", "at-least-once"]), "at-most-once"),
    option(Key::StoreDown, "store-down", Takes::Word(&["skip", "local"]), "skip"),
];

impl Key {
    /// What is known of it.
    pub fn known(self) -> &'static Known {
        &OPTIONS[self as usize]
    }

    /// Its bit in a set of options.
    pub fn bit(self) -> u128 {
        1 << self as u32
    }
}

/// The option of this name.
pub fn named(name: &str) -> Option<&'static Known> {
    OPTIONS.iter().find(|known| known.name == name)
}

/// Those that must not be misread, as a set of bits.
pub fn fails_closed() -> u128 {
    let closed = OPTIONS.iter().filter(|known| known.fails_closed);
    closed.fold(0, |bits, known| bits | known.key.bit())
}

/// The option that may have been meant.
pub fn near(name: &str) -> Option<&'static str> {
    nearest(name, OPTIONS.iter().map(|known| known.name))
}

/// The variable that stands for an option of this name: `RAT_RETRY_DELAY` for `retry-delay`.
pub fn variable(name: &str) -> String {
    format!("RAT_{}", name.to_ascii_uppercase().replace('-', "_"))
}

impl Known {
    /// The variable that stands for it.
    pub fn variable(&self) -> String {
        variable(self.name)
    }

    /// The value that a text says, if it says one.
    pub fn value(&self, text: &str) -> Option<Value> {
        self.takes.value(text)
    }

    /// The value that holds where nothing is said, if there is one.
    pub fn built_in(&self) -> Option<Value> {
        self.value(self.default)
    }

    /// Whether values of it can be compared, so that there can be a bound for them.
    pub fn has_bounds(&self) -> bool {
        self.looser() != Looser::Neither
    }

    /// Whether a value leaves a job more than this bound does. No value is no bound at all where that is what holds
    /// without one; else it is nobody's to judge.
    pub fn is_looser(&self, value: Option<&Value>, bound: &Value) -> bool {
        let Some(value) = value else { return self.default == "none" };
        let order = match (value, bound) {
            (Value::Duration(value), Value::Duration(bound)) => value.partial_cmp(bound),
            (Value::Number(value), Value::Number(bound)) => value.partial_cmp(bound),
            (Value::Load(value), Value::Load(bound)) => value.partial_cmp(bound),
            (Value::Word(word, count), Value::Word(most, at_most)) => {
                // Without a number there are any number of them.
                let number = |count: &Option<u32>| count.unwrap_or(u32::MAX);
                let value = (self.takes.rank(word), number(count));
                value.partial_cmp(&(self.takes.rank(most), number(at_most)))
            }
            _ => None,
        };
        match self.looser() {
            Looser::Larger => order.is_some_and(Ordering::is_gt),
            Looser::Smaller => order.is_some_and(Ordering::is_lt),
            Looser::Neither => false,
        }
    }

    fn looser(&self) -> Looser {
        match self.key {
            Key::Nice | Key::OomScoreAdj | Key::Every | Key::RetryDelay | Key::Sandbox => {
                Looser::Smaller
            }
            Key::Catchup => Looser::Larger,
            _ => match self.takes {
                Takes::Duration
                | Takes::Number(..)
                | Takes::Percent
                | Takes::Load
                | Takes::Size => Looser::Larger,
                _ => Looser::Neither,
            },
        }
    }

    /// What to say where it is set while nothing acts on it.
    #[cold]
    pub fn without_effect(&self, line: u32, columns: Range<usize>) -> Diagnostic {
        let message = format!("ratd does not act on `{}` yet", self.name);
        let label = match self.fails_closed {
            true => "without effect: what runs, runs as if this were not there",
            false => "read and checked, without effect",
        };
        Diagnostic::warning("W016", line, columns, message).label(label)
    }

    /// What it takes, in words.
    pub fn expected(&self) -> String {
        format!("`{}` takes {}", self.name, self.takes.in_words())
    }
}

impl Takes {
    fn value(&self, text: &str) -> Option<Value> {
        let words = || Some(Value::Text(text.to_owned()));
        match self {
            Takes::Text => words(),
            Takes::Name => words().filter(|_| is_name(text)),
            Takes::Lock => words().filter(|_| is_name(text.strip_prefix('@').unwrap_or(text))),
            Takes::YesOrNo => yes_or_no(text).map(Value::Is),
            Takes::Word(known) => known.iter().find_map(|form| word(form, text)),
            Takes::Duration => duration::parse(text).map(Value::Duration),
            Takes::DurationOr(other) if text == *other => Some(Value::Word(other, None)),
            Takes::DurationOr(_) => duration::parse(text).map(Value::Duration),
            Takes::Every => {
                let fits = |every: &Duration| {
                    let seconds = every.as_secs();
                    (1..=30).contains(&seconds) && 60 % seconds == 0
                };
                duration::parse(text).filter(fits).map(Value::Duration)
            }
            Takes::Jitter => jitter(text),
            Takes::Date => words().filter(|_| is_date(text)),
            Takes::Zone => words().filter(|_| is_zone_name(text)),
            Takes::Number(least, most) => text
                .parse()
                .ok()
                .filter(|number| (*least..=*most).contains(number))
                .map(Value::Number),
            Takes::Octal => i64::from_str_radix(text, 8)
                .ok()
                .filter(|mask| (0..=0o777).contains(mask) && !text.starts_with(['+', '-']))
                .map(Value::Number),
            Takes::Percent => {
                let percent: u32 = text.strip_suffix('%')?.parse().ok()?;
                (percent > 0).then_some(Value::Number(percent.into()))
            }
            Takes::Load => {
                let load: f64 = text.parse().ok()?;
                (load.is_finite() && load > 0.0).then_some(Value::Load(load))
            }
            Takes::Size => size(text).map(Value::Number),
            Takes::Signal => words().filter(|_| is_signal(text)),
            Takes::Path => words().filter(|_| text.starts_with('/')),
            Takes::Url => words().filter(|_| is_url(text)),
            Takes::Days => words().filter(|_| text.split(',').all(is_day_filter)),
            Takes::List(item) => list(text, *item),
            Takes::YesOrList(item) => yes_or_no(text).map(Value::Is).or_else(|| list(text, *item)),
        }
    }

    /// The place of a word among those that can be said.
    fn rank(&self, word: &str) -> usize {
        let Takes::Word(known) = self else { return 0 };
        let is_it = |form: &&str| form.strip_suffix("[:N]").unwrap_or(form) == word;
        known.iter().position(is_it).unwrap_or(0)
    }

    fn in_words(&self) -> String {
        match self {
            Takes::Text => "text".to_owned(),
            Takes::Name => NAME.to_owned(),
            Takes::Lock => format!("{NAME}; for root also `@` and one"),
            Takes::YesOrNo => "`yes` or `no`".to_owned(),
            Takes::Word(known) => {
                let words: Vec<String> = known.iter().map(|word| format!("`{word}`")).collect();
                words.join(", ")
            }
            Takes::Duration => duration::EXAMPLES.to_owned(),
            Takes::DurationOr(other) => format!("{}, or `{other}`", duration::EXAMPLES),
            Takes::Every => "`1s` to `30s`, so that a minute is a multiple of it".to_owned(),
            Takes::Jitter => {
                format!("{}, with `/stable` or `/random` behind it", duration::EXAMPLES)
            }
            Takes::Date => "a date such as `2026-12-31` or `2026-12-31T18:00:00+01:00`".to_owned(),
            Takes::Zone => "a name of /usr/share/zoneinfo, such as `Europe/Berlin`".to_owned(),
            Takes::Number(least, most) => format!("a number from {least} to {most}"),
            Takes::Octal => "an octal number such as `027`".to_owned(),
            Takes::Percent => "percents of one processor, such as `150%`".to_owned(),
            Takes::Load => "a load average such as `2.5`".to_owned(),
            Takes::Size => "a number of bytes such as `512K`, `2G`".to_owned(),
            Takes::Signal => "a signal such as `TERM` or `INT`".to_owned(),
            Takes::Path => "a path that begins with `/`".to_owned(),
            Takes::Url => "an http or https address, or `@` and a file that holds one".to_owned(),
            Takes::Days => {
                "`first-mon`, `last-day`, `workday+1`, `week=even`, `!file:/path`".to_owned()
            }
            Takes::List(item) => item.in_words().to_owned(),
            Takes::YesOrList(item) => format!("`yes`, `no`, or {}", item.in_words()),
        }
    }
}

const NAME: &str = "a name of letters, digits, `.`, `_` and `-`, at most 64";

impl Item {
    fn is_one(self, text: &str) -> bool {
        match self {
            Item::Name => is_name(text),
            Item::Address => !text.is_empty() && !text.contains(char::is_control),
            Item::Job => match text.split_once('/') {
                Some((job, wait)) => is_name(job) && duration::parse(wait).is_some(),
                None => is_name(text),
            },
            Item::Status => is_status(text),
            Item::Reason => ["any", "signal", "timeout"].contains(&text) || is_status(text),
            Item::Sink => {
                let file = text.strip_prefix("file:");
                ["mail", "journal", "history", "passthrough", "discard"].contains(&text)
                    || file.is_some_and(|path| path.starts_with('/'))
            }
            Item::Variable => {
                let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
                !text.is_empty() && text.chars().all(letter)
            }
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Item::Name => "names with commas between them",
            Item::Address => "addresses with commas between them",
            Item::Job => "jobs with commas between them, each with `/` and how long to wait",
            Item::Status => "exit statuses with commas between them, such as `0,24`",
            Item::Reason => {
                "`any`, or some of `signal`, `timeout` and exit statuses, such as `75,11`"
            }
            Item::Sink => {
                "some of `mail`, `journal`, `history`, `passthrough`, `discard`, `file:/path`"
            }
            Item::Variable => "names of variables with commas between them",
        }
    }
}

/// A load average, in hundredths.
pub fn hundredths(text: &str) -> Result<u32, String> {
    match text.parse::<f64>() {
        Ok(load) if load > 0.0 && load < 1e6 => Ok((load * 100.0).round() as u32),
        Ok(_) | Err(_) => Err("a load average is a number above 0".to_owned()),
    }
}

fn list(text: &str, item: Item) -> Option<Value> {
    let parts = || text.split(',').map(str::trim);
    parts().all(|part| item.is_one(part)).then(|| Value::List(parts().map(str::to_owned).collect()))
}

fn is_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    text.len() <= 64
        && text.bytes().all(letter)
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
}

fn yes_or_no(text: &str) -> Option<bool> {
    match text {
        "yes" | "true" | "1" | "on" => Some(true),
        "no" | "false" | "0" | "off" => Some(false),
        _ => None,
    }
}

/// Whether a text is a word, or with `[:N]` that word and a number.
fn word(form: &'static str, text: &str) -> Option<Value> {
    let Some(word) = form.strip_suffix("[:N]") else {
        return (form == text).then_some(Value::Word(form, None));
    };
    match text.strip_prefix(word)?.strip_prefix(':') {
        Some(count) => Some(Value::Word(word, Some(count.parse().ok()?))),
        None => (text == word).then_some(Value::Word(word, None)),
    }
}

fn jitter(text: &str) -> Option<Value> {
    let (length, stable) = match text.split_once('/') {
        Some((length, "stable")) => (length, true),
        Some((length, "random")) => (length, false),
        Some(_) => return None,
        None => (text, true),
    };
    Some(Value::Jitter(duration::parse(length)?, stable))
}

fn size(text: &str) -> Option<i64> {
    let shift = match text.bytes().last()? {
        b'K' => 10,
        b'M' => 20,
        b'G' => 30,
        b'T' => 40,
        _ => 0,
    };
    let digits = &text[..text.len() - usize::from(shift > 0)];
    let number: u32 = digits.parse().ok().filter(|_| !digits.starts_with('+'))?;
    Some(i64::from(number) << shift)
}

fn is_date(text: &str) -> bool {
    chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
        || chrono::DateTime::parse_from_rfc3339(text).is_ok()
}

fn is_zone_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-".contains(&byte);
    text.split('/').all(|part| !part.is_empty() && part.bytes().all(letter))
}

fn is_signal(text: &str) -> bool {
    const NAMES: &[&str] = &[
        "HUP", "INT", "QUIT", "KILL", "USR1", "USR2", "PIPE", "ALRM", "TERM", "CONT", "STOP",
        "ABRT",
    ];
    NAMES.contains(&text.strip_prefix("SIG").unwrap_or(text))
        || text.parse().is_ok_and(|number: u8| (1..=64).contains(&number))
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or(text.strip_prefix("http://"));
    let plain = !text.contains(|c: char| c.is_control() || c.is_whitespace());
    plain && (rest.is_some_and(|rest| !rest.is_empty()) || text.starts_with("@/"))
}

fn is_status(text: &str) -> bool {
    text.parse::<u8>().is_ok() && !text.starts_with('+')
}

/// A filter of days: `first-mon`, `last-day`, `workday+1`, `week=even`, or a file of dates.
fn is_day_filter(text: &str) -> bool {
    const NTHS: &[&str] = &["first", "second", "third", "fourth", "fifth", "last"];
    const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat", "day", "workday"];
    let text = text.strip_prefix('!').unwrap_or(text);
    if let Some(path) = text.strip_prefix("file:") {
        return path.starts_with('/');
    }
    if let Some(distance) = text.strip_prefix("workday") {
        return distance.is_empty() || distance.parse::<i8>().is_ok();
    }
    ["week=even", "week=odd"].contains(&text)
        || text.split_once('-').is_some_and(|(nth, day)| NTHS.contains(&nth) && DAYS.contains(&day))
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_its_keys() {
        for (index, known) in OPTIONS.iter().enumerate() {
            assert_eq!(known.key as usize, index, "{}", known.name);
        }
        assert!(OPTIONS.len() <= 128);
    }

    #[test]
    fn every_default_that_is_a_value_is_one() {
        let words = ["none", "made of the command", "any but timeout"];
        for known in OPTIONS.iter().filter(|known| !known.default.is_empty()) {
            let in_words = words.contains(&known.default) || known.default.contains(' ');
            assert!(in_words || known.value(known.default).is_some(), "{}", known.name);
        }
    }

    #[test]
    fn what_leaves_a_job_more_is_looser() {
        let check = |name: &str, value: &str, bound: &str, looser: bool| {
            let known = named(name).unwrap_or_else(|| panic!("{name}"));
            let bound_value = known.value(bound).unwrap_or_else(|| panic!("{name}={bound}"));
            let found = known.is_looser(known.value(value).as_ref(), &bound_value);
            assert_eq!(found, looser, "{name}: {value} beside {bound}");
        };
        check("timeout", "25h", "24h", true);
        check("timeout", "24h", "1d", false);
        check("timeout", "none", "24h", true);
        check("memory", "3G", "2G", true);
        check("cpu", "50%", "100%", false);
        check("load-max", "2.5", "2", true);
        check("nice", "0", "5", true);
        check("nice", "19", "5", false);
        check("retry-delay", "1s", "30s", true);
        check("catchup", "once", "none", true);
        check("catchup", "all:3", "once", true);
        check("catchup", "all:3", "all:5", false);
        check("catchup", "all", "all:5", true);
        check("catchup", "none", "all", false);
        check("sandbox", "none", "strict", true);
        // Nothing said of the share of a processor is its usual share.
        check("cpu-weight", "", "50", false);
        check("fleet", "web", "db", false);
    }

    #[test]
    fn values_are_read_or_refused() {
        let check = |name: &str, text: &str, value: Option<Value>| {
            let known = named(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(known.value(text), value, "{name}={text}");
        };
        let seconds = |seconds| Some(Value::Duration(Duration::from_secs(seconds)));
        check("timeout", "90s", seconds(90));
        check("timeout", "2h30m", seconds(9000));
        check("timeout", "1d", seconds(86_400));
        check("timeout", "0", seconds(0));
        for wrong in ["", "5", "m", "5x", "-5m", "5m3", "99999999999999999999s", "40000d", "5 m"] {
            check("timeout", wrong, None);
        }
        check("every", "15s", seconds(15));
        check("every", "7s", None);
        check("every", "1m", None);
        check("memory", "2G", Some(Value::Number(2 << 30)));
        check("memory", "12", Some(Value::Number(12)));
        for wrong in ["G", "2g", "-1K", "", "2GB", "+2G", "é"] {
            check("memory", wrong, None);
        }
        check("overlap", "skip", Some(Value::Word("skip", None)));
        check("overlap", "queue:3", Some(Value::Word("queue", Some(3))));
        check("overlap", "skip:3", None);
        check("overlap", "queue:", None);
        check("catchup", "all", Some(Value::Word("all", None)));
        check("jitter", "5m/random", Some(Value::Jitter(Duration::from_secs(300), false)));
        check("jitter", "5m/often", None);
        check("enabled", "off", Some(Value::Is(false)));
        check("enabled", "maybe", None);
        check("nice", "-20", Some(Value::Number(-20)));
        check("nice", "20", None);
        check("umask", "027", Some(Value::Number(0o27)));
        check("umask", "888", None);
        check("cpu", "150%", Some(Value::Number(150)));
        check("cpu", "150", None);
        check("ok-exit", "0,24", Some(Value::List(vec!["0".to_owned(), "24".to_owned()])));
        check("ok-exit", "0,,24", None);
        check("ok-exit", "256", None);
        check("after", "dump/30m", Some(Value::List(vec!["dump/30m".to_owned()])));
        check("after", "dump/soon", None);
        check("not-after", "2026-02-30", None);
        check("tz", "../etc/passwd", None);
        check("ping", "ftp://x", None);
        check(
            "when",
            "last-day,!file:/etc/holidays",
            Some(Value::Text("last-day,!file:/etc/holidays".to_owned())),
        );
        check("when", "next-mon", None);
        check("name", "-x", None);
        check("inherit-env", "yes", Some(Value::Is(true)));
    }
}
