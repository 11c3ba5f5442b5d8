//! What rat.conf says, as values: above all what holds where an entry says nothing, and what no entry may go beyond.
//! Knows which of several values counts; not how the file is written, nor where it is.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use chrono::TimeDelta;

use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::dialect::Dialect;
use crate::syntax::directive::{Chosen, Level, Options};
use crate::syntax::options::{Key, Value};

/// What rat.conf says; by default nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `[dialects]`
    pub dialects: Dialects,
    /// `[at]`
    pub at: AtJobs,
    /// The program that takes mail.
    pub sendmail: Option<String>,
    /// `[history]`
    pub kept: Kept,
    /// `[defaults]`: for every job.
    pub defaults: Options,
    /// `[user NAME]`: for the jobs of this user, before the defaults.
    pub users: BTreeMap<String, Options>,
    /// `[limits]`
    pub limits: Vec<Limit>,
}

/// As which cron crontabs are read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dialects {
    /// Wherever nothing else is said.
    pub default: Option<&'static Dialect>,
    /// Directories, or files, and what holds in them.
    pub places: BTreeMap<String, &'static Dialect>,
}

/// How at-jobs are held, as far as anything is said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AtJobs {
    /// So many run at once.
    pub parallel: Option<u32>,
    /// How much later than due one may start that says nothing about it.
    pub deadline: Option<TimeDelta>,
    /// The load average below which batch jobs start, in hundredths.
    pub batch_load: Option<u32>,
    /// How far apart batch jobs start.
    pub batch_interval: Option<TimeDelta>,
}

/// What the history keeps, as far as anything is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// So many runs of each job.
    pub runs: Option<u32>,
    /// For so many days.
    pub days: Option<u32>,
}

/// A bound for an option of every job.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// The option.
    pub key: Key,
    /// What it may be.
    pub bound: Bound,
    /// The line of rat.conf, from 1.
    pub line: u32,
    /// The bytes of that line.
    pub columns: Range<usize>,
}

/// What an option may be.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    /// Only what rat.conf itself says.
    Denied,
    /// Nothing looser than this value, which is written so.
    Up(Value, String),
}

impl Config {
    /// Whether crontabs say the same with this as with another one.
    pub fn reads_crontabs_as(&self, other: &Config) -> bool {
        let of_entries = |config: &Config| {
            (config.defaults.clone(), config.users.clone(), config.limits.clone())
        };
        self.dialects == other.dialects && of_entries(self) == of_entries(other)
    }

    /// The options that an entry of this owner runs with: what it says itself, else what the owner's section says, else
    /// the defaults; and nothing beyond the limits. `None`: it is denied an option that must not be passed over, so
    /// that it is not to run.
    pub fn options(
        &self,
        owner: &str,
        written: &Options,
        said: &mut Vec<Diagnostic>,
    ) -> Option<Options> {
        let mut options = written.clone();
        for limit in self.limits.iter().filter(|limit| limit.bound == Bound::Denied) {
            let Some(chosen) = options.get(limit.key) else { continue };
            said.push(limit.denied(chosen));
            if limit.key.known().fails_closed {
                return None;
            }
            options.drop(limit.key);
        }
        if let Some(section) = self.users.get(owner) {
            options = options.or(section);
        }
        options = options.or(&self.defaults);
        for limit in &self.limits {
            limit.cut(&mut options, said);
        }
        Some(options)
    }
}

impl Dialects {
    /// The dialect that was said for a file: for the place that comes closest to it. Places are named as they are
    /// under `root`.
    pub fn of(&self, file: &Path, root: &Path) -> Option<&'static Dialect> {
        let file = Path::new("/").join(file.strip_prefix(root).unwrap_or(file));
        let near = self.places.iter().filter(|(place, _)| file.starts_with(place));
        let nearest = near.max_by_key(|(place, _)| place.len());
        nearest.map(|(_, dialect)| *dialect).or(self.default)
    }
}

impl Limit {
    /// What to say of a setting of rat.conf's own that goes beyond this limit.
    pub fn goes_beyond(&self, options: &Options) -> Option<Diagnostic> {
        let Bound::Up(bound, text) = &self.bound else { return None };
        let chosen = options.get(self.key)?;
        let is_looser = self.key.known().is_looser(Some(&chosen.value), bound);
        is_looser.then(|| self.too_loose(chosen, text))
    }

    /// Puts the bound in the place of what is looser. Only who chose that in a crontab is told.
    fn cut(&self, options: &mut Options, said: &mut Vec<Diagnostic>) {
        let Bound::Up(bound, text) = &self.bound else { return };
        let key = self.key;
        if !key.known().is_looser(options.value(key).as_ref(), bound) {
            return;
        }
        let own = options.get(key).filter(|chosen| chosen.is_of_entry());
        said.extend(own.map(|chosen| self.too_loose(chosen, text)));
        options.set(Arc::new(Chosen {
            key,
            value: bound.clone(),
            level: Level::Limit,
            line: self.line,
            columns: self.columns.clone(),
        }));
    }

    #[cold]
    fn too_loose(&self, chosen: &Chosen, bound: &str) -> Diagnostic {
        let message = format!("`{}` goes beyond the limit of this machine", self.key.known().name);
        Diagnostic::warning("W030", chosen.line, chosen.columns.clone(), message)
            .label(format!("`{bound}` holds instead"))
            .help(self.origin())
    }

    #[cold]
    fn denied(&self, chosen: &Chosen) -> Diagnostic {
        let message = format!("`{}` is denied on this machine", self.key.known().name);
        let columns = chosen.columns.clone();
        let said = if self.key.known().fails_closed {
            Diagnostic::error("E030", chosen.line, columns, message).label("the entry is not run")
        } else {
            Diagnostic::warning("W030", chosen.line, columns, message).label("it has no effect")
        };
        said.help(self.origin())
    }

    fn origin(&self) -> String {
        format!("[limits] in /etc/rat/rat.conf, line {}, says so", self.line)
    }
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;
    use crate::syntax::options::{Known, named};

    fn known(name: &str) -> &'static Known {
        named(name).unwrap_or_else(|| panic!("no option {name}"))
    }

    /// `timeout=1h retries=2`, all chosen at this level.
    fn options(level: Level, text: &str) -> Options {
        let mut options = Options::default();
        for (name, value) in text.split_whitespace().filter_map(|pair| pair.split_once('=')) {
            let (known, columns) = (known(name), 0..value.len());
            let value = known.value(value).unwrap_or_else(|| panic!("{name}={value}"));
            options.set(Arc::new(Chosen { key: known.key, value, level, line: 7, columns }));
        }
        options
    }

    fn limits(text: &str) -> Vec<Limit> {
        let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
        let limit = |(name, text): (&str, &str)| {
            let value = known(name).value(text).filter(|_| text != "deny");
            let bound = value.map_or(Bound::Denied, |value| Bound::Up(value, text.to_owned()));
            Limit { key: known(name).key, bound, line: 3, columns: 0..1 }
        };
        pairs.map(limit).collect()
    }

    /// What an entry of alice's that says `written` runs with, as `name level`, and what is said about it.
    fn check(defaults: &str, section: &str, bounds: &str, written: &str, expected: &str) {
        let config = Config {
            defaults: options(Level::Defaults, defaults),
            users: BTreeMap::from([("alice".to_owned(), options(Level::User, section))]),
            limits: limits(bounds),
            ..Config::default()
        };
        let mut said = Vec::new();
        let found = config.options("alice", &options(Level::Directive, written), &mut said);
        let mut shown: Vec<String> = match &found {
            None => vec!["not run".to_owned()],
            Some(found) => {
                let show = |chosen: &Chosen| {
                    format!("{}={:?} {:?}", chosen.key.known().name, chosen.value, chosen.level)
                };
                let mut shown: Vec<_> = found.all().map(show).collect();
                shown.sort();
                shown
            }
        };
        shown.extend(said.iter().map(|said| said.code.to_owned()));
        assert_eq!(shown.join(", "), expected, "{defaults} | {section} | {bounds} | {written}");
    }

    #[test]
    fn an_entry_counts_more_than_its_owners_section_and_that_more_than_the_defaults() {
        check("", "", "", "", "");
        check("nice=1", "", "", "", "nice=Number(1) Defaults");
        check("nice=1", "nice=2", "", "", "nice=Number(2) User");
        check("nice=1", "nice=2", "", "nice=3", "nice=Number(3) Directive");
        check("nice=1", "retries=2", "", "", "nice=Number(1) Defaults, retries=Number(2) User");
    }

    #[test]
    fn what_is_looser_than_a_limit_is_cut_to_it() {
        check("", "", "timeout=1h", "timeout=30m", "timeout=Duration(1800s) Directive");
        check("", "", "timeout=1h", "timeout=2h", "timeout=Duration(3600s) Limit, W030");
        // Nobody chose it, so nobody is told.
        check("", "", "timeout=1h", "", "timeout=Duration(3600s) Limit");
        check("timeout=2h", "", "timeout=1h", "", "timeout=Duration(3600s) Limit");
        check("", "timeout=2h", "timeout=1h", "", "timeout=Duration(3600s) Limit");
        check("", "", "keep-output=1K", "", "keep-output=Number(1024) Limit");
        check("", "", "retries=3", "", "");
        check("", "", "nice=5", "", "nice=Number(5) Limit");
        check("", "", "nice=5", "nice=10", "nice=Number(10) Directive");
        check("", "", "catchup=once", "catchup=all", "catchup=Word(\"once\", None) Limit, W030");
    }

    #[test]
    fn what_is_denied_is_as_rat_conf_has_it() {
        check("", "", "ping=deny", "ping=https://x", "W030");
        check("mail-to=a", "", "mail-to=deny", "mail-to=b", "mail-to=List([\"a\"]) Defaults, W030");
        // Run on every host instead of on one of them, it would do harm.
        check("", "", "fleet=deny", "fleet=web", "not run, E030");
        check("", "", "fleet=deny", "", "");
    }

    #[test]
    fn the_dialect_of_the_nearest_place_counts() {
        let [debian, cronie, rat] = ["debian", "cronie", "rat"]
            .map(|name| Dialect::named_or_own(name).unwrap_or_else(|why| panic!("{name}: {why}")));
        let places = [("/etc", debian), ("/etc/cron.d/new", rat)];
        let places = places.map(|(place, dialect)| (place.to_owned(), dialect)).into();
        let dialects = Dialects { default: Some(cronie), places };
        for (root, file, expected) in [
            ("/", "/etc/crontab", debian),
            ("/", "/etc/cron.d/old", debian),
            ("/", "/etc/cron.d/new", rat),
            ("/", "/etc2/crontab", cronie),
            ("/srv", "/srv/etc/crontab", debian),
            ("/", "/var/spool/cron/alice", cronie),
        ] {
            let found = dialects.of(Path::new(file), Path::new(root));
            assert_eq!(found.map(|dialect| dialect.name), Some(expected.name), "{root} {file}");
        }
        assert_eq!(Dialects::default().of(Path::new("/etc/crontab"), Path::new("/")), None);
    }

    #[test]
    fn what_holds_is_what_was_chosen_or_what_is_built_in() {
        let holds = |written, key: &str| options(Level::Line, written).value(known(key).key);
        assert_eq!(holds("retries=3", "retries"), Some(Value::Number(3)));
        assert_eq!(holds("", "retries"), Some(Value::Number(0)));
        assert_eq!(holds("", "catchup"), Some(Value::Word("none", None)));
        assert_eq!(holds("", "timeout"), None);
    }
}
