//! Where options are written: `#rat:` above an entry, `RAT_NAME=` before its command, and `RAT_NAME=` as a line for
//! all entries below. Knows which entry a spelling is for and which one wins; `options` knows the values.

use std::ops::Range;
use std::sync::Arc;

use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::expression::is_blank;
use crate::syntax::options::{self, Key, Known, Value};

/// The options of one entry, each once, as the spelling that counts most says it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    chosen: Vec<Arc<Chosen>>,
    /// A value could not be read, and is left out.
    pub is_misread: bool,
}

impl Options {
    /// What was chosen for an option, if anything was.
    pub fn get(&self, key: Key) -> Option<&Chosen> {
        self.all().find(|chosen| chosen.key == key)
    }

    /// What holds for an option: what was chosen, else what is built in, if that is a value.
    pub fn value(&self, key: Key) -> Option<Value> {
        self.get(key).map(|chosen| chosen.value.clone()).or_else(|| key.known().built_in())
    }

    /// All that was chosen.
    pub fn all(&self) -> impl Iterator<Item = &Chosen> {
        self.chosen.iter().map(Arc::as_ref)
    }

    /// Those that are chosen here, and of the others those that are chosen there.
    pub fn or(&self, others: &Options) -> Options {
        let new = |chosen: &&Arc<Chosen>| self.get(chosen.key).is_none();
        let chosen = self.chosen.iter().chain(others.chosen.iter().filter(new)).cloned().collect();
        Options { chosen, ..*self }
    }

    /// The crontab itself says something of the entry.
    pub fn is_written(&self) -> bool {
        self.all().any(Chosen::is_of_entry)
    }

    /// The entry is not to run.
    pub fn is_disabled(&self) -> bool {
        self.get(Key::Enabled).is_some_and(|chosen| chosen.value == Value::Is(false))
    }

    /// Chooses this in the place of what was chosen for the same option.
    pub fn set(&mut self, chosen: Arc<Chosen>) {
        self.drop(chosen.key);
        self.chosen.push(chosen);
    }

    /// Nothing is chosen for this option any more.
    pub fn drop(&mut self, key: Key) {
        self.chosen.retain(|chosen| chosen.key != key);
    }
}

/// An option with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// The option.
    pub key: Key,
    /// Its value.
    pub value: Value,
    /// How it was spelled.
    pub level: Level,
    /// The line it stands in, from 1: of the crontab, or of rat.conf for what is chosen there.
    pub line: u32,
    /// The bytes of that line.
    pub columns: Range<usize>,
}

/// Where an option is chosen; later ones count more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `[defaults]` of rat.conf.
    Defaults,
    /// The section of rat.conf for the owner.
    User,
    /// `RAT_NAME=` as a line of its own.
    Line,
    /// `#rat:`
    Directive,
    /// `RAT_NAME=` before the command.
    Inline,
    /// `[limits]` of rat.conf, which something looser was cut to.
    Limit,
}

/// What config management writes above the entries it owns.
const MARKERS: &[(&[u8], &str)] = &[
    (b"Ansible:", "Ansible"),
    (b"Puppet Name:", "Puppet"),
    (b"Chef Name:", "Chef"),
    (b"SALT_CRON_IDENTIFIER", "Salt"),
];

/// The options of a file, as far as it was read.
#[derive(Debug, Default)]
pub struct Directives {
    /// What the assignments above chose.
    lines: Chosens,
    /// Where each of those stands, and how far it reaches.
    reaches: Vec<Reach>,
    /// What the directives directly above chose, and where they stand.
    above: Chosens,
    above_lines: Vec<Above>,
    /// The last line that marks an entry as somebody's.
    marker: Option<(u32, &'static str)>,
    /// Options that were told not to be honoured.
    told: u128,
}

/// What one spelling chose.
#[derive(Debug, Default)]
struct Chosens {
    chosen: Vec<Arc<Chosen>>,
    /// Options whose value could not be read.
    misread: u128,
}

/// A directive that waits for its entry.
#[derive(Debug)]
struct Above {
    line: u32,
    columns: Range<usize>,
    /// Its first option in the spelling that goes into a command.
    inline: String,
}

/// An assignment of an option, and which entries it reaches.
#[derive(Debug)]
struct Reach {
    known: &'static Known,
    line: u32,
    columns: Range<usize>,
    /// How many entries stood above.
    entries: usize,
    /// The next entry stands directly below, so that it looks as if it were meant for that one.
    is_above_entry: bool,
}

/// One spelled option.
struct Spelled<'t> {
    level: Level,
    key: &'t str,
    value: &'t str,
    line: u32,
    /// Of the key and of the value.
    columns: (Range<usize>, Range<usize>),
}

impl Directives {
    /// Reads a comment, from its `#` at `start`.
    pub fn comment(&mut self, text: &[u8], line: u32, start: usize, said: &mut Vec<Diagnostic>) {
        let rest = text[start..].strip_prefix(b"#").unwrap_or_default();
        let rest = rest.strip_prefix(b" ").unwrap_or(rest);
        if let Some(pairs) = rest.strip_prefix(b"rat:") {
            return self.directive(text, text.len() - pairs.len(), line, start, said);
        }
        if let Some(marker) = marker(rest) {
            self.marker = Some((line, marker));
            self.refuse_managed(marker, said);
        }
        self.orphan("a comment", said);
    }

    /// Something that is no entry stands below the directives; they are for none.
    pub fn orphan(&mut self, what: &str, said: &mut Vec<Diagnostic>) {
        if self.above_lines.is_empty() {
            return;
        }
        self.above = Chosens::default();
        said.extend(self.above_lines.drain(..).map(|above| {
            let message = "this directive is for no entry".to_owned();
            Diagnostic::warning("W011", above.line, above.columns, message)
                .label(format!("{what} follows where its entry must"))
                .help("put it directly above the entry it is for")
        }));
    }

    /// The directives above were for an entry that is not used.
    pub fn forget(&mut self) {
        self.above = Chosens::default();
        self.above_lines.clear();
    }

    #[cold]
    fn refuse_managed(&mut self, marker: &str, said: &mut Vec<Diagnostic>) {
        self.above = Chosens::default();
        said.extend(self.above_lines.drain(..).map(|above| {
            let message = format!("this entry is managed by {marker}");
            Diagnostic::error("E012", above.line, above.columns, message)
                .label(format!("{marker} would lose or double this line; it has no effect"))
                .help(format!("put options into the command: `{} …`", above.inline))
        }));
    }

    #[cold]
    fn directive(
        &mut self,
        text: &[u8],
        from: usize,
        line: u32,
        start: usize,
        said: &mut Vec<Diagnostic>,
    ) {
        let end = text.trim_ascii_end().len().max(from);
        if !text[from..].contains(&b'=') {
            let message = "this is prose, since nothing in it is set".to_owned();
            said.push(
                Diagnostic::note("N014", line, start..end, message)
                    .help("options are written like `#rat: timeout=1h`"),
            );
            return self.orphan("a comment", said);
        }
        if !text.get(from).copied().is_some_and(is_blank) {
            let message = "a blank must follow `#rat:`".to_owned();
            said.push(
                Diagnostic::warning("W010", line, from..end, message)
                    .label("this is a plain comment"),
            );
            return self.orphan("a comment", said);
        }
        let mut at = from;
        let mut inline = None;
        while let Some(found) = pair(text, at) {
            at = found.end;
            let (key, value) = match found.read(text) {
                Ok(read) => read,
                Err(why) => {
                    said.push(not_a_pair(line, found.key.start..found.end, why));
                    continue;
                }
            };
            let written = String::from_utf8_lossy(&text[found.written()]);
            inline.get_or_insert_with(|| inline_spelling(key, &written));
            let columns = (found.key, found.value);
            let spelled = Spelled { level: Level::Directive, key, value, line, columns };
            choose(&mut self.above, &mut self.told, &spelled, said);
        }
        let inline = inline.unwrap_or_else(|| "RAT_TIMEOUT=1h".to_owned());
        self.above_lines.push(Above { line, columns: start..end, inline });
        if let Some((marked, marker)) = self.marker
            && marked + self.above_lines.len() as u32 == line
        {
            self.refuse_managed(marker, said);
            // The lines that follow are just as near to it.
            self.marker = Some((line, marker));
        }
    }

    /// Reads an assignment that may be an option's. `entries` stand above it.
    pub fn assignment(
        &mut self,
        (name, value): (&[u8], &[u8]),
        line: u32,
        columns: Range<usize>,
        entries: usize,
        said: &mut Vec<Diagnostic>,
    ) {
        let (Some(name), Ok(value)) = (name.strip_prefix(b"RAT_"), str::from_utf8(value)) else {
            return;
        };
        let Ok(name) = str::from_utf8(name) else { return };
        let key = key_of(name);
        if let Some(known) = options::named(&key) {
            self.end_reach(known, line, entries, said);
            self.lines.chosen.retain(|chosen| chosen.key != known.key);
            self.lines.misread &= !known.key.bit();
            if value.is_empty() {
                return;
            }
            let columns = columns.clone();
            self.reaches.push(Reach { known, line, columns, entries, is_above_entry: false });
        }
        let columns = (0..columns.start, columns);
        let spelled = Spelled { level: Level::Line, key: &key, value, line, columns };
        choose(&mut self.lines, &mut self.told, &spelled, said);
    }

    /// Whether anything is said of an entry with this command.
    pub fn concern(&self, command: &[u8]) -> bool {
        let said =
            !self.above_lines.is_empty() || !self.lines.is_empty() || !self.reaches.is_empty();
        said || command.starts_with(b"RAT_")
    }

    /// The options of an entry; `None` if one that must not be misread was, so that the entry is not to run.
    /// `command` is where its command stands in the line. `entries` stand above.
    pub fn entry(
        &mut self,
        text: &[u8],
        line: u32,
        command: Range<usize>,
        entries: usize,
        said: &mut Vec<Diagnostic>,
    ) -> Option<Options> {
        let mut inline = Chosens::default();
        if text[command.clone()].starts_with(b"RAT_") {
            self.prefixes(&text[..command.end], line, command.start, &mut inline, said);
        }
        self.check_guard(&text[command], said);
        self.find_above(line, entries);
        let above = std::mem::take(&mut self.above);
        self.above_lines.clear();
        let options = merge(&[&inline, &above, &self.lines])?;
        said.extend(fleet_without_timeout(&options));
        Some(options)
    }

    /// Finds the assignments that stand directly above an entry, in the lines before it.
    fn find_above(&mut self, line: u32, entries: usize) {
        let since = self.reaches.iter_mut().rev().take_while(|reach| reach.entries == entries);
        for (reach, distance) in since.zip(1..) {
            reach.is_above_entry = reach.line + distance == line;
        }
    }

    /// `match=TEXT`: the directives are void for another command than the one they were written for.
    fn check_guard(&mut self, command: &[u8], said: &mut Vec<Diagnostic>) {
        let guard = self.above.chosen.iter().find(|chosen| chosen.key == Key::Match).cloned();
        let Some(guard) = guard else { return };
        let Value::Text(wanted) = &guard.value else { return };
        let found = wanted.is_empty() || contains(command, wanted.as_bytes());
        if !found {
            let message = "the command below is not the one this directive is for".to_owned();
            said.push(
                Diagnostic::warning("W011", guard.line, guard.columns.clone(), message)
                    .label("it does not hold this text, and the directive has no effect"),
            );
            self.above = Chosens::default();
        }
    }

    /// The file ends with so many entries.
    pub fn end(&mut self, entries: usize, said: &mut Vec<Diagnostic>) {
        self.orphan("the end of the file", said);
        for reach in std::mem::take(&mut self.reaches) {
            said.extend(reach.leak(entries, None));
        }
    }

    /// An option is assigned anew at this line.
    fn end_reach(&mut self, known: &Known, line: u32, entries: usize, said: &mut Vec<Diagnostic>) {
        let Some(index) = self.reaches.iter().position(|reach| reach.known.key == known.key) else {
            return;
        };
        let reach = self.reaches.remove(index);
        if reach.entries == entries {
            said.push(twice(known, reach.line, reach.columns));
        } else {
            said.extend(reach.leak(entries, Some(line)));
        }
    }

    /// Reads the options before a command.
    fn prefixes(
        &mut self,
        text: &[u8],
        line: u32,
        start: usize,
        inline: &mut Chosens,
        said: &mut Vec<Diagnostic>,
    ) {
        let mut at = start;
        while let Some(name) = prefix_name(text, at) {
            let key = key_of(&String::from_utf8_lossy(&text[at + 4..name.end]));
            let Some(word) = ShellWord::read(text, name.end + 1) else {
                if let Some(known) = options::named(&key) {
                    said.push(not_literal(known, line, at..name.end));
                }
                return;
            };
            let columns = (at..name.end, word.columns);
            let level = Level::Inline;
            let spelled = Spelled { level, key: &key, value: &word.value, line, columns };
            choose(inline, &mut self.told, &spelled, said);
            at = word.end + text[word.end..].iter().take_while(|byte| is_blank(**byte)).count();
        }
        said.extend(reserved_word(text, at, line));
    }
}

impl Chosen {
    /// Whether the crontab chose it, and not rat.conf.
    pub fn is_of_entry(&self) -> bool {
        match self.level {
            Level::Line | Level::Directive | Level::Inline => true,
            Level::Defaults | Level::User | Level::Limit => false,
        }
    }
}

impl Chosens {
    fn is_empty(&self) -> bool {
        self.chosen.is_empty() && self.misread == 0
    }
}

impl Reach {
    /// What to say of an option that was set for one entry and reaches others.
    fn leak(&self, entries: usize, until: Option<u32>) -> Option<Diagnostic> {
        let reached = entries - self.entries;
        if self.entries == 0 || !self.is_above_entry || reached < 2 {
            return None;
        }
        let others = match reached - 1 {
            1 => "one more".to_owned(),
            others => format!("{others} more"),
        };
        let message = format!("this option set for one entry reaches {others}");
        let end =
            until.map_or("to the end of the file".to_owned(), |line| format!("up to line {line}"));
        let Known { name, .. } = self.known;
        let help = format!(
            "write `#rat: {name}=…` above the entry, or `{}=` below it",
            self.known.variable()
        );
        let warning = Diagnostic::warning("W014", self.line, self.columns.clone(), message);
        Some(warning.label(format!("it holds {end}")).help(help))
    }
}

/// `RETRY_DELAY` is `retry-delay`.
fn key_of(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

fn inline_spelling(key: &str, value: &str) -> String {
    format!("{}={value}", options::variable(key)).escape_debug().to_string()
}

fn marker(comment: &[u8]) -> Option<&'static str> {
    let found = MARKERS.iter().find(|(mark, name)| {
        // Salt's stands behind a comment of the user's.
        if *name == "Salt" { contains(comment, mark) } else { comment.starts_with(mark) }
    });
    found.map(|(_, name)| *name)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Adds an option to what its spelling chose so far, or says why not.
fn choose(
    chosens: &mut Chosens,
    told: &mut u128,
    spelled: &Spelled<'_>,
    said: &mut Vec<Diagnostic>,
) {
    let Some(known) = options::named(spelled.key) else {
        said.extend(unknown(spelled));
        return;
    };
    let (key, value) = (known.key, spelled.columns.1.clone());
    if let Some(at) = chosens.chosen.iter().position(|chosen| chosen.key == key) {
        let earlier = chosens.chosen.remove(at);
        said.push(twice(known, earlier.line, earlier.columns.clone()));
    }
    chosens.misread &= !key.bit();
    if key == Key::Match && spelled.level != Level::Directive {
        let message = "`match` guards `#rat:` lines, and nothing else".to_owned();
        said.push(Diagnostic::warning("W010", spelled.line, value, message));
        return;
    }
    let Some(found) = known.value(spelled.value) else {
        chosens.misread |= key.bit();
        said.push(bad_value(known, spelled));
        return;
    };
    if !known.is_honoured && *told & key.bit() == 0 {
        *told |= key.bit();
        said.push(known.without_effect(spelled.line, spelled.columns.0.start..value.end));
    }
    let Spelled { level, line, .. } = *spelled;
    chosens.chosen.push(Arc::new(Chosen { key, value: found, level, line, columns: value }));
}

/// One option of each kind, of the first level that has it.
fn merge(levels: &[&Chosens]) -> Option<Options> {
    let (mut seen, mut all, mut is_misread) = (0, Vec::new(), false);
    for level in levels {
        let misread = level.misread & !seen;
        if misread != 0 && misread & options::fails_closed() != 0 {
            return None;
        }
        is_misread |= misread != 0;
        for chosen in &level.chosen {
            let is_new = seen & chosen.key.bit() == 0;
            seen |= chosen.key.bit();
            // A guard has done its work.
            if is_new && chosen.key != Key::Match {
                all.push(chosen.clone());
            }
        }
    }
    Some(Options { chosen: all, is_misread })
}

#[cold]
fn bad_value(known: &Known, spelled: &Spelled<'_>) -> Diagnostic {
    let shown = spelled.value.escape_debug();
    let message = format!("`{shown}` is no value of the option `{}`", known.name);
    let cost = match (known.fails_closed, spelled.level) {
        (false, _) => "this option is left out",
        (true, Level::Line) => "the entries below are not run",
        (true, _) => "the entry is not run",
    };
    Diagnostic::error("E010", spelled.line, spelled.columns.1.clone(), message)
        .label(cost)
        .help(known.expected())
}

#[cold]
fn twice(known: &Known, line: u32, columns: Range<usize>) -> Diagnostic {
    let message = format!("`{}` is set twice; the last one counts", known.name);
    Diagnostic::warning("W013", line, columns, message).label("this has no effect")
}

/// A variable of the user's own may well begin with `RAT_`, so only what is nearly an option is a warning there.
#[cold]
fn unknown(spelled: &Spelled<'_>) -> Option<Diagnostic> {
    let shown = spelled.key.escape_debug().to_string();
    let columns = spelled.columns.0.clone();
    let spelling = |name: &str| match spelled.level == Level::Directive {
        true => name.to_owned(),
        false => inline_spelling(name, "").trim_end_matches('=').to_owned(),
    };
    if spelled.level != Level::Directive && shown.starts_with("run-") {
        let message = "names that begin with `RAT_RUN_` are reserved for ratd".to_owned();
        return Some(Diagnostic::warning("W010", spelled.line, columns, message));
    }
    let message = format!("there is no option `{}`", spelling(&shown));
    Some(match (options::near(&shown), spelled.level) {
        (Some(name), _) => Diagnostic::warning("W010", spelled.line, columns, message)
            .label(format!("did you mean `{}`?", spelling(name))),
        (None, Level::Line | Level::Inline) => {
            Diagnostic::note("W010", spelled.line, columns, message)
                .label("this is a variable like others")
        }
        (None, _) => Diagnostic::warning("W010", spelled.line, columns, message),
    })
}

#[cold]
fn not_a_pair(line: u32, columns: Range<usize>, why: &str) -> Diagnostic {
    Diagnostic::error("E010", line, columns, why.to_owned())
        .label("this is left out")
        .help("options are written like `timeout=1h` or `desc='two words'`")
}

#[cold]
fn not_literal(known: &Known, line: u32, columns: Range<usize>) -> Diagnostic {
    let message =
        format!("this is no option, since the shell makes its value: `{}`", known.variable());
    Diagnostic::note("N016", line, columns, message)
        .label("a variable like others")
        .help("an option's value is written out, or quoted whole, without `$`, `\\` and backquotes")
}

/// Words that the shell knows only where a command begins, and not after an assignment.
fn reserved_word(text: &[u8], at: usize, line: u32) -> Option<Diagnostic> {
    const RESERVED: &[&str] =
        &["!", "[[", "case", "coproc", "for", "function", "if", "select", "until", "while", "{"];
    let rest = &text[at..];
    let first = rest.split(|byte| is_blank(*byte) || *byte == b';').next()?;
    let word = match rest {
        [b'(', ..] => "(",
        _ => RESERVED.iter().copied().find(|word| word.as_bytes() == first)?,
    };
    let message = format!("a shell cannot read `RAT_…=` before `{word}`");
    Some(
        Diagnostic::error("E021", line, at..at + word.len(), message)
            .label("the shell will reject this command")
            .help("write the options as `#rat: name=value` above the entry"),
    )
}

/// Two hosts could run what is to run once, if nothing ends a run that hangs.
fn fleet_without_timeout(options: &Options) -> Option<Diagnostic> {
    options.get(Key::Fleet)?;
    let overlap = options.get(Key::Overlap)?;
    let allows = matches!(overlap.value, Value::Word("allow", _));
    if allows || options.get(Key::Timeout).is_some() {
        return None;
    }
    let message = "`overlap` within a fleet needs a `timeout`".to_owned();
    Some(
        Diagnostic::error("E025", overlap.line, overlap.columns.clone(), message)
            .label("a run that hangs would keep all hosts from running")
            .help("add `timeout=1h`, or what the job may take at most"),
    )
}

/// A pair of a directive, by its bytes of the line.
struct Pair {
    key: Range<usize>,
    value: Range<usize>,
    quoted: bool,
    /// What is wrong with it.
    wrong: Option<&'static str>,
    end: usize,
}

impl Pair {
    /// Its key and its value, or what is wrong with it.
    fn read<'t>(&self, text: &'t [u8]) -> Result<(&'t str, &'t str), &'static str> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        let read = |part: &Range<usize>| str::from_utf8(&text[part.clone()]);
        match (read(&self.key), read(&self.value)) {
            (Ok(key), Ok(value)) => Ok((key, value)),
            _ => Err("an option is UTF-8"),
        }
    }

    /// The value with its quotes.
    fn written(&self) -> Range<usize> {
        let quote = usize::from(self.quoted);
        self.value.start - quote..self.value.end + quote
    }
}

/// The next pair of a directive from `at` on.
fn pair(text: &[u8], at: usize) -> Option<Pair> {
    let blanks = |from: usize| text[from..].iter().take_while(|byte| is_space(**byte)).count();
    let until_blank =
        |from: usize| text[from..].iter().take_while(|byte| !is_space(**byte)).count();
    let start = at + blanks(at);
    if start >= text.len() {
        return None;
    }
    let end = start + until_blank(start);
    let wrong = |wrong, end| Pair {
        key: start..end,
        value: end..end,
        quoted: false,
        wrong: Some(wrong),
        end,
    };
    let Some(equals) = text[start..end].iter().position(|byte| *byte == b'=') else {
        return Some(wrong("an option has a value", end));
    };
    let (key, from) = (start..start + equals, start + equals + 1);
    let Some(quote @ (b'"' | b'\'')) = text.get(from).copied() else {
        return Some(Pair { key, value: from..end, quoted: false, wrong: None, end });
    };
    let Some(length) = text[from + 1..].iter().position(|byte| *byte == quote) else {
        return Some(wrong("the quote of this value is never closed", text.len()));
    };
    let close = from + 1 + length;
    let end = close + 1 + until_blank(close + 1);
    if end > close + 1 {
        return Some(wrong("something follows the closing quote of this value", end));
    }
    Some(Pair { key, value: from + 1..close, quoted: true, wrong: None, end })
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace()
}

/// Where the name of a `RAT_NAME=` that begins at `at` stands.
fn prefix_name(text: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..)?.strip_prefix(b"RAT_")?;
    let letter = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
    let end = at + 4 + rest.iter().take_while(letter).count();
    (end > at + 4 && text.get(end) == Some(&b'=')).then_some(at..end)
}

/// A word of the shell that stands for itself.
struct ShellWord {
    value: String,
    columns: Range<usize>,
    end: usize,
}

impl ShellWord {
    /// Reads a word without anything in it that the shell would make something else of. `%` is cron's, and
    /// stands for itself as `\%` only.
    fn read(text: &[u8], start: usize) -> Option<ShellWord> {
        let quote = text.get(start).copied().filter(|byte| matches!(byte, b'"' | b'\''));
        let mut at = start + usize::from(quote.is_some());
        let mut value = Vec::new();
        while let Some(byte) = text.get(at).copied() {
            match byte {
                _ if Some(byte) == quote => break,
                b'\\' if text.get(at + 1) == Some(&b'%') => {
                    at += 1;
                    value.push(b'%');
                }
                b'$' | b'`' | b'\\' => return None,
                _ if quote.is_some() => value.push(byte),
                b' ' | b'\t' => break,
                b'~' if value.is_empty() => return None,
                b'"' | b'\'' | b';' | b'|' | b'&' | b'<' | b'>' | b'(' | b')' => return None,
                _ => value.push(byte),
            }
            at += 1;
        }
        let columns = start + usize::from(quote.is_some())..at;
        if quote.is_some() {
            // Closed, and nothing else in the word.
            text.get(at)?;
            at += 1;
        }
        let ends = text.get(at).copied().is_none_or(is_blank);
        Some(ShellWord { value: String::from_utf8(value).ok()?, columns, end: at }).filter(|_| ends)
    }
}
