//! rat.conf, line by line: `[section]`, `name = value`, comments. What is wrong is left out and said, and all other lines
//! stand. Knows what may stand in which section; what comes of it is `config`'s.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use chrono::TimeDelta;

use crate::syntax::config::{Bound, Config, Limit};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::dialect::Dialect;
use crate::syntax::directive::{Chosen, Level, Options};
use crate::syntax::duration;
use crate::syntax::field::nearest;
use crate::syntax::lines::lines;
use crate::syntax::options::{self, Key, Known, hundredths};

/// What a rat.conf says, and what is to be said about it.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// All that could be read.
    pub config: Config,
    /// What is wrong, or perhaps not as meant.
    pub diagnostics: Vec<Diagnostic>,
}

/// A section; it goes on until the next one begins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    Dialects,
    At,
    Mail,
    History,
    Defaults,
    User(String),
    Limits,
    /// There is no such section, or none has begun: what stands in it is passed over.
    Unknown,
}

const SECTIONS: &[(&str, Section)] = &[
    ("dialects", Section::Dialects),
    ("at", Section::At),
    ("mail", Section::Mail),
    ("history", Section::History),
    ("defaults", Section::Defaults),
    ("limits", Section::Limits),
];

const AT: &[&str] = &["parallel", "deadline", "batch-load", "batch-interval"];
const MAIL: &[&str] = &["sendmail"];
const HISTORY: &[&str] = &["keep-runs", "keep-days"];

/// What a limit is for an option whose values are not compared.
const DENY: &str = "deny";

/// `name = value`, and where it stands.
struct Setting<'t> {
    line: u32,
    name: &'t str,
    value: &'t str,
    name_columns: Range<usize>,
    columns: Range<usize>,
}

/// Reads a rat.conf.
pub fn parse(text: &[u8]) -> Read {
    let mut reading = Reading { read: Read::default(), section: None, set: BTreeMap::new() };
    for (number, line) in (1..).zip(lines(text)) {
        reading.line(line, number);
    }
    let Read { config, mut diagnostics } = reading.read;
    diagnostics.extend(beyond_limits(&config));
    diagnostics.sort_by_key(|said| (said.line, said.columns.start));
    Read { config, diagnostics }
}

/// A file as far as it was read.
struct Reading {
    read: Read,
    section: Option<Section>,
    /// What was set where, so that the same name is not set twice.
    set: BTreeMap<(Section, String), (u32, Range<usize>)>,
}

impl Reading {
    fn line(&mut self, text: &[u8], line: u32) {
        let start = text.len() - text.trim_ascii_start().len();
        let columns = start..text.trim_ascii_end().len().max(start);
        let Ok(text) = str::from_utf8(text) else {
            let message = "this line is not UTF-8".to_owned();
            return self.say(Diagnostic::error("E028", line, columns, message));
        };
        match text.as_bytes().get(start) {
            None | Some(b'#') => {}
            Some(b'[') => self.header(&text[columns.clone()], line, columns),
            Some(_) => match setting(text, line, columns.clone()) {
                Ok(setting) => self.setting(&setting),
                Err(message) => self.say(
                    Diagnostic::error("E028", line, columns, message.to_owned())
                        .label("this line is left out")
                        .help("write `[section]`, `name = value`, or `#` and a comment"),
                ),
            },
        }
    }

    fn say(&mut self, diagnostic: Diagnostic) {
        self.read.diagnostics.push(diagnostic);
    }

    fn header(&mut self, text: &str, line: u32, columns: Range<usize>) {
        self.section = Some(Section::Unknown);
        let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let words: Vec<&str> = inside.unwrap_or_default().split_whitespace().collect();
        let found = match words[..] {
            ["user", name] => Some(Section::User(name.to_owned())),
            [word] => {
                let named = SECTIONS.iter().find(|(name, _)| *name == word);
                named.map(|(_, section)| section.clone())
            }
            _ => None,
        };
        if found.is_some() {
            self.section = found;
            return;
        }
        let message = format!("there is no section `{}`", text.escape_debug());
        let names = SECTIONS.iter().map(|(name, _)| *name);
        let near = words.first().and_then(|word| nearest(word, names));
        let label = match near {
            Some(name) => format!("did you mean `[{name}]`?"),
            None => "what stands in it is left out".to_owned(),
        };
        let names: Vec<String> = SECTIONS.iter().map(|(name, _)| format!("`[{name}]`")).collect();
        let help = format!("the sections are {} and `[user NAME]`", names.join(", "));
        self.say(Diagnostic::error("E028", line, columns, message).label(label).help(help));
    }

    fn setting(&mut self, setting: &Setting<'_>) {
        let Some(section) = self.section.clone() else {
            let message = format!("`{}` stands in no section", setting.name.escape_debug());
            let columns = setting.name_columns.clone();
            return self.say(
                Diagnostic::error("E028", setting.line, columns, message)
                    .label("this line is left out")
                    .help("begin a section above it, such as `[defaults]`"),
            );
        };
        let done = match &section {
            Section::Unknown => return,
            Section::Dialects => self.dialect(setting),
            Section::At => self.at(setting),
            Section::Mail => self.mail(setting),
            Section::History => self.history(setting),
            Section::Defaults | Section::User(_) => self.option(&section, setting),
            Section::Limits => self.limit(setting),
        };
        match done {
            Ok(()) => self.note_twice(section, setting),
            Err(wrong) => self.say(wrong),
        }
    }

    fn note_twice(&mut self, section: Section, setting: &Setting<'_>) {
        // A directory is the same with a slash at its end.
        let name = setting.name.trim_end_matches('/').to_owned();
        let place = (setting.line, setting.name_columns.clone());
        if let Some((line, columns)) = self.set.insert((section, name), place) {
            let message = format!("`{}` is set twice; the last one counts", setting.name);
            let warning = Diagnostic::warning("W013", line, columns, message);
            self.say(warning.label("this has no effect"));
        }
    }

    fn dialect(&mut self, setting: &Setting<'_>) -> Result<(), Diagnostic> {
        // Rat's own is a dialect too where another one holds for the rest.
        let dialect = Dialect::named_or_own(setting.value).map_err(|why| setting.wrong(&why))?;
        let dialects = &mut self.read.config.dialects;
        match setting.name {
            "default" => dialects.default = Some(dialect),
            path if path.starts_with('/') => {
                dialects.places.insert(path.trim_end_matches('/').to_owned(), dialect);
            }
            _ => return Err(setting.unknown("a directory or file, or `default`", &["default"])),
        }
        Ok(())
    }

    fn at(&mut self, setting: &Setting<'_>) -> Result<(), Diagnostic> {
        let at = &mut self.read.config.at;
        match setting.name {
            "parallel" => at.parallel = Some(setting.count()?),
            "deadline" => at.deadline = Some(setting.duration()?),
            "batch-load" => {
                let load = hundredths(setting.value).map_err(|why| setting.wrong(&why))?;
                at.batch_load = Some(load);
            }
            "batch-interval" => at.batch_interval = Some(setting.duration()?),
            _ => return Err(setting.unknown_of(AT)),
        }
        Ok(())
    }

    fn mail(&mut self, setting: &Setting<'_>) -> Result<(), Diagnostic> {
        if setting.name != "sendmail" {
            return Err(setting.unknown_of(MAIL));
        }
        if !setting.value.starts_with('/') {
            return Err(setting.wrong("it is the path of a program that is called as sendmail is"));
        }
        self.read.config.sendmail = Some(setting.value.to_owned());
        Ok(())
    }

    fn history(&mut self, setting: &Setting<'_>) -> Result<(), Diagnostic> {
        let kept = &mut self.read.config.kept;
        match setting.name {
            "keep-runs" => kept.runs = Some(setting.count()?),
            "keep-days" => {
                let days = setting.count()?;
                if days > 36_500 {
                    return Err(setting.wrong("it is a number from 1 to 36500"));
                }
                kept.days = Some(days);
            }
            _ => return Err(setting.unknown_of(HISTORY)),
        }
        Ok(())
    }

    /// A default of everybody's or of a user's.
    fn option(&mut self, section: &Section, setting: &Setting<'_>) -> Result<(), Diagnostic> {
        let known = setting.option()?;
        if matches!(known.key, Key::Match | Key::Name) {
            return Err(setting.wrong(&format!("`{}` is one entry's own", known.name)));
        }
        let Some(value) = known.value(setting.value) else {
            return Err(setting.wrong(&known.expected()));
        };
        let (level, options) = match section {
            Section::User(name) => {
                (Level::User, self.read.config.users.entry(name.clone()).or_default())
            }
            _ => (Level::Defaults, &mut self.read.config.defaults),
        };
        let (line, columns) = (setting.line, setting.columns.clone());
        options.set(Arc::new(Chosen { key: known.key, value, level, line, columns }));
        self.say_without_effect(known, setting);
        Ok(())
    }

    fn limit(&mut self, setting: &Setting<'_>) -> Result<(), Diagnostic> {
        let known = setting.option()?;
        let bound = match known.value(setting.value) {
            _ if setting.value == DENY => Bound::Denied,
            Some(value) if known.has_bounds() => Bound::Up(value, setting.value.to_owned()),
            _ if known.has_bounds() => {
                return Err(setting.wrong(&format!("{}, or `{DENY}`", known.expected())));
            }
            _ => return Err(setting.wrong(&format!("`{}` can only be `{DENY}`", known.name))),
        };
        let (line, columns) = (setting.line, setting.columns.clone());
        if bound != Bound::Denied {
            self.say_without_effect(known, setting);
        }
        let limits = &mut self.read.config.limits;
        limits.retain(|limit| limit.key != known.key);
        limits.push(Limit { key: known.key, bound, line, columns });
        Ok(())
    }

    fn say_without_effect(&mut self, known: &Known, setting: &Setting<'_>) {
        if !known.is_honoured {
            let columns = setting.name_columns.start..setting.columns.end;
            self.say(known.without_effect(setting.line, columns));
        }
    }
}

impl Setting<'_> {
    fn count(&self) -> Result<u32, Diagnostic> {
        let count = self.value.parse().ok().filter(|count: &u32| (1..=1_000_000).contains(count));
        count.ok_or_else(|| self.wrong("it is a number from 1 to 1000000"))
    }

    fn duration(&self) -> Result<TimeDelta, Diagnostic> {
        duration::named(self.value).map_err(|why| self.wrong(&why))
    }

    fn option(&self) -> Result<&'static Known, Diagnostic> {
        options::named(self.name).ok_or_else(|| {
            // Comparing it with all would make a file of nothing else slow to read.
            let names: Vec<&str> = options::near(self.name).into_iter().collect();
            self.unknown("an option of entries; rat-crontab(5) lists them", &names)
        })
    }

    #[cold]
    fn unknown_of(&self, names: &[&str]) -> Diagnostic {
        let listed: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        self.unknown(&listed.join(", "), names)
    }

    #[cold]
    fn unknown(&self, wanted: &str, names: &[&str]) -> Diagnostic {
        let message = format!("there is no `{}` in this section", self.name.escape_debug());
        let error = Diagnostic::error("E028", self.line, self.name_columns.clone(), message);
        let label = match nearest(self.name, names.iter().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "this line is left out".to_owned(),
        };
        error.label(label).help(format!("what can be set here: {wanted}"))
    }

    #[cold]
    fn wrong(&self, wanted: &str) -> Diagnostic {
        let message = format!(
            "`{}` is no value of `{}`",
            self.value.escape_debug(),
            self.name.escape_debug()
        );
        // A comment behind a value would be part of it.
        let help = match self.value.contains(" #") {
            true => "a comment stands on a line of its own".to_owned(),
            false => wanted.to_owned(),
        };
        Diagnostic::error("E010", self.line, self.columns.clone(), message)
            .label("this line is left out")
            .help(help)
    }
}

/// Splits a line, of which these bytes are not blank.
fn setting(text: &str, line: u32, within: Range<usize>) -> Result<Setting<'_>, &'static str> {
    let equals = text.find('=').ok_or("this sets nothing, and begins no section")?;
    let name = text[within.start..equals].trim_ascii_end();
    if name.is_empty() {
        return Err("a name is missing before `=`");
    }
    let name_columns = within.start..within.start + name.len();
    let value = text[equals + 1..within.end].trim_ascii();
    let start = within.end - value.len();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    let (value, columns) = match quote {
        None => (value, start..within.end),
        Some(quote) => {
            let inside = value[1..].strip_suffix(quote).filter(|inside| !inside.contains(quote));
            (inside.ok_or("the quotes of this value do not enclose it")?, start + 1..within.end - 1)
        }
    };
    if value.is_empty() {
        return Err("a value is missing behind `=`");
    }
    Ok(Setting { line, name, value, name_columns, columns })
}

/// What is set for everybody or for a user, and goes beyond the limits.
fn beyond_limits(config: &Config) -> Vec<Diagnostic> {
    let beyond = |options: &Options| {
        let limits = config.limits.iter();
        limits.filter_map(|limit| limit.goes_beyond(options)).collect::<Vec<_>>()
    };
    config.users.values().chain([&config.defaults]).flat_map(beyond).collect()
}
