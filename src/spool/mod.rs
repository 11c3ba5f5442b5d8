//! The directories crontabs live in: which files count, whether they can be trusted, what changed since the last
//! look; and what rat.conf says of them. Waits for disks and name services, so ratd's loop never calls it.

pub mod file;
pub mod handover;
pub mod header;
pub mod install;
pub mod jobs;
pub mod policy;
pub mod settings;
pub mod versions;
pub mod watch;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::unistd::User;

use crate::paths::Paths;
use crate::plan::job::{Job, Source};
use crate::plan::text::Text;
use crate::spool::file::{Identity, Refusal, Trust};
use crate::spool::handover::is_left_to;
use crate::spool::jobs::{Good, Machine, Rules, Zones};
use crate::spool::settings::{Found, Settings};
use crate::syntax::anacrontab;
use crate::syntax::config::Config;
use crate::syntax::diagnostic::{Diagnostic, Severity};
use crate::syntax::dialect::{Dialect, Loss, RAT};

/// Where users' crontabs are, under the root.
const USERS: [&str; 3] = ["var/spool/cron/crontabs", "var/spool/cron", "etc/crontabs"];

/// So many things that are wrong with one file are told.
const TOLD_PROBLEMS: usize = 100;

/// What the files of a place are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// A user's crontab, named after its owner.
    User,
    /// A crontab with a user column.
    System,
    /// An anacrontab.
    Period,
    /// The one file of `ratd FILE`, run as this user.
    Single { owner: String },
}

/// A file, or a directory of files.
#[derive(Clone, Debug)]
struct Place {
    path: PathBuf,
    is_directory: bool,
    role: Role,
}

/// What became of a file since the last look.
#[derive(Clone, Debug)]
pub enum Change {
    /// It was read. What it leaves to others is no problem, and not among its jobs.
    Loaded { source: Source, jobs: Vec<Arc<Job>>, problems: Vec<String>, left: Vec<String> },
    /// It could not be read; what it last held still counts.
    Kept { source: Source, problems: Vec<String> },
    /// By its name it is no crontab.
    Skipped { source: Source, problem: String },
    /// It is not there any more, or not to be trusted, and what it held counts no more.
    Gone { source: Source, problems: Vec<String> },
    /// rat.conf was read. It counts; if not, what it last said does.
    Configured { source: Source, problems: Vec<String>, counts: bool },
}

/// What a file was read as.
#[derive(Debug)]
struct Loaded {
    /// `None`: it is so wrong that what it held before still counts.
    jobs: Option<Vec<Arc<Job>>>,
    problems: Vec<String>,
    left: Vec<String>,
}

/// What is in a place.
#[derive(Debug, Default)]
struct Names {
    crontabs: Vec<PathBuf>,
    skipped: Vec<PathBuf>,
}

/// The crontabs of one ratd.
#[derive(Debug)]
pub struct Spool {
    places: Vec<Place>,
    files: BTreeMap<PathBuf, Option<Identity>>,
    root: PathBuf,
    machine: Machine,
    zones: Zones,
    /// The one dialect that was asked for; else rat.conf says which one counts where.
    dialect: Option<&'static Dialect>,
    settings: Settings,
    /// What the anacrontab runs.
    periods: Vec<Text>,
    /// What was last good of the jobs of each file that say something of themselves.
    good: HashMap<PathBuf, Good>,
    /// Names that are passed over.
    skipped: BTreeSet<PathBuf>,
    /// Users that files with a user column name, and nobody knows.
    awaited: BTreeMap<PathBuf, BTreeSet<String>>,
}

impl Spool {
    /// The system's places under the root: /etc/crontab, /etc/cron.d, the users' spools, /etc/anacrontab.
    pub fn of_system(
        paths: &Paths,
        dialect: Option<&'static Dialect>,
        settings: Settings,
    ) -> Spool {
        let file = |path, role| Place { path: paths.under_root(path), is_directory: false, role };
        let directory =
            |path, role| Place { path: paths.under_root(path), is_directory: true, role };
        let mut places =
            vec![file("etc/crontab", Role::System), directory("etc/cron.d", Role::System)];
        places.extend(USERS.map(|path| directory(path, Role::User)));
        places.push(file("etc/anacrontab", Role::Period));
        Spool::new(places, paths, dialect, settings)
    }

    /// The places of users' crontabs alone: a user's own ratd has one.
    pub fn of_user(paths: &Paths, dialect: &'static Dialect) -> Spool {
        let place = |path| Place { path, is_directory: true, role: Role::User };
        let places = users(paths).into_iter().map(place).collect();
        Spool::new(places, paths, Some(dialect), Settings::none())
    }

    /// One file, all of whose jobs run as `owner`.
    pub fn of_file(path: &Path, owner: &str, paths: &Paths, dialect: &'static Dialect) -> Spool {
        let role = Role::Single { owner: owner.to_owned() };
        let place = Place { path: path.to_owned(), is_directory: false, role };
        Spool::new(vec![place], paths, Some(dialect), Settings::none())
    }

    fn new(
        places: Vec<Place>,
        paths: &Paths,
        dialect: Option<&'static Dialect>,
        settings: Settings,
    ) -> Spool {
        Spool {
            places,
            files: BTreeMap::new(),
            root: paths.root.clone(),
            machine: Machine::of(paths),
            zones: Zones::new(&paths.root),
            dialect,
            settings,
            periods: Vec::new(),
            good: HashMap::new(),
            skipped: BTreeSet::new(),
            awaited: BTreeMap::new(),
        }
    }

    /// The directories in which something may change that `look` would find, and a file that stands alone. Ask again
    /// after each look: directories and links come and go.
    pub fn watched(&self) -> BTreeSet<PathBuf> {
        let mut directories = BTreeSet::new();
        for place in &self.places {
            directories.append(&mut watch::directories(&place.path));
            if matches!(place.role, Role::Single { .. }) {
                // Of a file that is mounted by itself the directory says nothing.
                directories.extend(place.path.canonicalize());
            }
            if place.is_directory && place.path.is_dir() {
                directories.insert(place.path.clone());
            }
        }
        for path in self.files.keys().filter(|path| path.is_symlink()) {
            directories.append(&mut watch::directories(path));
        }
        for path in self.zones.files() {
            directories.append(&mut watch::directories(path));
        }
        if let Some(path) = self.settings.path() {
            directories.append(&mut watch::directories(path));
        }
        let waits = |(path, identity): (&PathBuf, &Option<Identity>)| {
            identity.is_none() && self.is_user_file(path)
        };
        if self.files.iter().any(waits) || self.awaited.values().any(|names| !names.is_empty()) {
            // Other sources of users tell nobody: they are asked again at each look.
            directories.append(&mut watch::directories(Path::new("/etc/passwd")));
        }
        directories
    }

    /// Looks at every file, and reads those that changed since the last look.
    pub fn look(&mut self) -> Vec<Change> {
        if self.zones.refresh() {
            // Read anew, but remembered: one that went away meanwhile has to be told of.
            self.files.values_mut().for_each(|identity| *identity = None);
        }
        let mut changes = Vec::new();
        changes.extend(self.look_at_settings());
        self.look_for_periods();
        for (path, names) in &self.awaited {
            if !names.iter().all(|name| is_unknown(name))
                && let Some(identity) = self.files.get_mut(path)
            {
                *identity = None;
            }
        }
        let mut present = BTreeSet::new();
        let mut skipped = BTreeSet::new();
        for (place, names) in self.list() {
            for path in names.crontabs {
                self.look_at(&path, &place.role, &mut changes);
                present.insert(path);
            }
            skipped.extend(names.skipped);
        }
        let gone: Vec<_> =
            self.files.keys().filter(|path| !present.contains(*path)).cloned().collect();
        for path in gone {
            self.files.remove(&path);
            self.awaited.remove(&path);
            self.good.remove(&path);
            self.look_again_at_namesakes(&path, &mut changes);
            changes.push(Change::Gone { source: Source(path), problems: Vec::new() });
        }
        for path in skipped.difference(&self.skipped) {
            let problem = format!("{}: not read, by its name it is no crontab", path.display());
            changes.push(Change::Skipped { source: Source(path.clone()), problem });
        }
        // One that counts now after all has been told of.
        for path in self.skipped.difference(&skipped).filter(|path| !present.contains(*path)) {
            changes.push(Change::Gone { source: Source(path.clone()), problems: Vec::new() });
        }
        self.skipped = skipped;
        changes
    }

    /// What rat.conf says of crontabs holds for all of them at once: if it changed, they are read anew.
    fn look_at_settings(&mut self) -> Option<Change> {
        let source = Source(self.settings.path()?.clone());
        let before = self.settings.config.clone();
        let change = match self.settings.look() {
            Found::Same => return None,
            Found::Read(problems) => Change::Configured { source, problems, counts: true },
            Found::Refused(problems) => Change::Configured { source, problems, counts: false },
        };
        if !self.settings.config.reads_crontabs_as(&before) {
            // Read anew, but remembered: one that went away meanwhile has to be told of.
            self.files.values_mut().for_each(|identity| *identity = None);
        }
        Some(change)
    }

    /// What rat.conf says.
    pub fn config(&self) -> &Config {
        &self.settings.config
    }

    /// As which cron a file is read.
    fn dialect_of(&self, path: &Path) -> &'static Dialect {
        let of_config = || self.settings.config.dialects.of(path, &self.root);
        self.dialect.or_else(of_config).unwrap_or(&RAT)
    }

    /// System crontabs are read with regard to the anacrontab, and anew when that runs something else.
    fn look_for_periods(&mut self) {
        let tables = self.places.iter().filter(|place| place.role == Role::Period);
        let texts =
            tables.filter_map(|place| file::read(&place.path, &Trust::system(&self.root)).ok());
        let jobs = texts.flat_map(|read| anacrontab::parse(&read.text).jobs);
        let periods: Vec<Text> = jobs.map(|job| job.command).collect();
        if periods != self.periods {
            self.periods = periods;
            let places = self.places.iter().filter(|place| place.role == Role::System);
            let systems: Vec<_> = places.map(|place| place.path.clone()).collect();
            let is_systems = |path: &Path| systems.iter().any(|place| path.starts_with(place));
            let files = self.files.iter_mut().filter(|(path, _)| is_systems(path));
            files.for_each(|(_, identity)| *identity = None);
        }
    }

    /// Whether a zone file changed since the last look.
    pub fn zones_changed(&self) -> bool {
        self.zones.changed()
    }

    /// The places with what is in them. One that is reached on two ways is one place (Alpine's spool is a link to
    /// /etc/crontabs).
    fn list(&self) -> Vec<(Place, Names)> {
        let mut known = BTreeSet::new();
        let is_first = |place: &&Place| {
            !place.is_directory || place.path.canonicalize().is_ok_and(|path| known.insert(path))
        };
        let places: Vec<_> = self.places.iter().filter(is_first).cloned().collect();
        places.into_iter().map(|place| (place.clone(), self.names(&place))).collect()
    }

    fn names(&self, place: &Place) -> Names {
        let mut names = Names::default();
        if !place.is_directory {
            names
                .crontabs
                .extend(place.path.symlink_metadata().is_ok().then(|| place.path.clone()));
            return names;
        }
        let Ok(entries) = std::fs::read_dir(&place.path) else { return names };
        let system = place.role == Role::System;
        for path in entries.flatten().map(|entry| entry.path()).filter(|path| !path.is_dir()) {
            match path.file_name().and_then(|name| name.to_str()) {
                Some(name) if self.dialect_of(&path).is_crontab_name(name, system) => {
                    names.crontabs.push(path)
                }
                // An install that goes on.
                Some(name) if name.starts_with(".tmp.") && !system => {}
                Some(_) | None => names.skipped.push(path),
            }
        }
        names.crontabs.sort();
        names
    }

    /// A crontab that was refused because of one that is gone now is read after all.
    fn look_again_at_namesakes(&mut self, gone: &Path, changes: &mut Vec<Change>) {
        if !self.is_user_file(gone) {
            return;
        }
        let is_namesake =
            |path: &&PathBuf| path.file_name() == gone.file_name() && self.is_user_file(path);
        let namesakes: Vec<_> = self.files.keys().filter(is_namesake).cloned().collect();
        for path in namesakes {
            self.files.insert(path.clone(), None);
            self.look_at(&path, &Role::User, changes);
        }
    }

    fn look_at(&mut self, path: &Path, role: &Role, changes: &mut Vec<Change>) {
        let identity = Identity::of(path).ok();
        if self.files.get(path).is_some_and(|known| *known == identity && identity.is_some()) {
            return;
        }
        let was_known = self.files.insert(path.to_owned(), identity).is_some();
        let source = Source(path.to_owned());
        match self.load(path, role) {
            Ok(Loaded { jobs: Some(jobs), problems, left }) => {
                changes.push(Change::Loaded { source, jobs, problems, left });
            }
            Ok(Loaded { jobs: None, problems, .. }) => {
                changes.push(Change::Kept { source, problems });
            }
            Err(Refusal::Untrusted(why)) => {
                if path.is_symlink() {
                    // What is wrong with the way to a file does not show in the file.
                    self.files.insert(path.to_owned(), None);
                }
                changes.push(Change::Gone { source, problems: vec![why] })
            }
            Err(Refusal::Unreadable(_)) if !was_known && !path.exists() => {
                self.files.remove(path);
            }
            Err(Refusal::Unreadable(why)) => {
                // Tried again at every look, until it can be read.
                self.files.insert(path.to_owned(), None);
                changes.push(Change::Kept { source, problems: vec![why] });
            }
        }
    }

    /// What a file holds, and what is to be told of it.
    fn load(&mut self, path: &Path, role: &Role) -> Result<Loaded, Refusal> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let (trust, owner) = match role {
            Role::User => (Trust::user(&self.owner_of_spool_file(path, name)?), name.to_owned()),
            Role::System | Role::Period => (Trust::system(&self.root), "root".to_owned()),
            Role::Single { owner } => (Trust::anyone(), owner.clone()),
        };
        let file::Read { text, warning } = file::read(path, &trust)?;
        let source = Source(path.to_owned());
        let mut left = Vec::new();
        let (jobs, diagnostics) = match role {
            Role::Period => {
                let dialect = self.dialect_of(path);
                let rules =
                    Rules { dialect, machine: &self.machine, config: &self.settings.config };
                jobs::of_anacrontab(&text, &source, &rules, &mut self.zones)
            }
            Role::User => self.of_crontab(&text, &source, jobs::Owner::All(&owner)),
            Role::System => {
                let (mut jobs, diagnostics) = self.of_crontab(&text, &source, jobs::Owner::Column);
                left.extend(
                    jobs.extract_if(.., |job| is_left_to(&self.periods, &job.recipe.command)),
                );
                (jobs, diagnostics)
            }
            Role::Single { .. } => self.of_crontab(&text, &source, jobs::Owner::Single(&owner)),
        };
        let is_wrong = |said: &Diagnostic| said.severity == Severity::Error;
        let stays = self.dialect_of(path).error == Loss::Change && diagnostics.iter().any(is_wrong);
        let shown = path.display().to_string();
        // What works as written is no problem.
        let problems = diagnostics.iter().filter(|said| said.severity > Severity::Note);
        let lines = problems.map(|diagnostic| diagnostic.in_a_line(&shown));
        let problems = warning.into_iter().chain(lines).take(TOLD_PROBLEMS).collect();
        let left = left.iter().map(|job| {
            let line = job.origin.line;
            format!("{shown}:{line}: left to the anacrontab, which runs the same directories")
        });
        let jobs = if stays { None } else { Some(jobs) };
        Ok(Loaded { jobs, problems, left: left.collect() })
    }

    fn of_crontab(
        &mut self,
        text: &[u8],
        source: &Source,
        owner: jobs::Owner,
    ) -> (Vec<Arc<Job>>, Vec<Diagnostic>) {
        let dialect = self.dialect_of(&source.0);
        let rules = Rules { dialect, machine: &self.machine, config: &self.settings.config };
        let good = self.good.entry(source.0.clone()).or_default();
        let read = jobs::of_crontab_again(text, source, owner, &rules, (&mut self.zones, good));
        let (jobs, mut diagnostics) = read;
        if !matches!(owner, jobs::Owner::Column) {
            return (jobs, diagnostics);
        }
        let lines: BTreeMap<_, _> =
            jobs.iter().rev().map(|job| (job.owner.clone(), job.origin.line)).collect();
        let unknown: Vec<_> = lines.into_iter().filter(|(name, _)| is_unknown(name)).collect();
        let cron = dialect.cron;
        let loses_all = dialect.unknown_users == Loss::File && !unknown.is_empty();
        diagnostics.extend(unknown.iter().map(|(name, line)| {
            let message = format!("there is no user {name}");
            if loses_all {
                let message = format!("{message}; for this {cron} uses no line");
                Diagnostic::error("E007", *line, 0..0, message)
            } else {
                let message = format!("{message}; what is theirs starts once there is");
                Diagnostic::warning("E007", *line, 0..0, message)
            }
        }));
        let names = unknown.into_iter().map(|(name, _)| name).collect();
        self.awaited.insert(source.0.clone(), names);
        (if loses_all { Vec::new() } else { jobs }, diagnostics)
    }

    fn owner_of_spool_file(&self, path: &Path, name: &str) -> Result<User, Refusal> {
        let earlier = self.files.keys().find(|other| {
            *other != path
                && other.file_name().is_some_and(|other| other == name)
                && self.is_user_file(other)
        });
        if let Some(other) = earlier {
            let why =
                format!("{}: {name} has a crontab already: {}", path.display(), other.display());
            return Err(Refusal::Untrusted(why));
        }
        match User::from_name(name) {
            Ok(Some(user)) => Ok(user),
            Ok(None) => Err(Refusal::Unreadable(format!(
                "{}: ORPHAN (no passwd entry for {name})",
                path.display()
            ))),
            Err(error) => Err(Refusal::Unreadable(format!(
                "{}: cannot look up {name}: {error}",
                path.display()
            ))),
        }
    }

    fn is_user_file(&self, path: &Path) -> bool {
        let users = self.places.iter().filter(|place| place.role == Role::User);
        path.parent()
            .is_some_and(|parent| users.map(|place| &place.path).any(|place| place == parent))
    }
}

/// Whether there is no such user. One that cannot be looked up now may be there.
fn is_unknown(name: &str) -> bool {
    matches!(User::from_name(name), Ok(None))
}

/// Where users' crontabs are.
fn users(paths: &Paths) -> Vec<PathBuf> {
    match &paths.crontabs {
        Some(own) => vec![own.clone()],
        None => USERS.iter().map(|path| paths.under_root(path)).collect(),
    }
}

/// The user whose crontab a file is; `None` for the system's.
pub fn user_of<'a>(path: &'a Path, paths: &Paths) -> Option<&'a str> {
    let parent = path.parent()?;
    let is_users = users(paths).iter().any(|place| place == parent);
    path.file_name()?.to_str().filter(|_| is_users)
}
