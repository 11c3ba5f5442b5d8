//! The directories crontabs live in: which files count, whether they can be trusted, what changed since the last
//! look. Waits for disks and name services, so ratd's loop never calls it.

pub mod file;
pub mod handover;
pub mod install;
pub mod jobs;
pub mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::unistd::User;

use crate::paths::Paths;
use crate::plan::job::{Job, Source};
use crate::plan::text::Text;
use crate::spool::file::{Identity, Refusal, Trust};
use crate::spool::handover::is_left_to;
use crate::spool::jobs::{Machine, Zones};
use crate::syntax::anacrontab;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::dialect::{Dialect, Loss};

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
    /// It was read.
    Loaded { source: Source, jobs: Vec<Arc<Job>>, problems: Vec<String> },
    /// It could not be read; what it last held still counts.
    Kept { source: Source, problems: Vec<String> },
    /// It is not there any more, or not to be trusted, and what it held counts no more.
    Gone { source: Source, problems: Vec<String> },
}

/// The crontabs of one ratd.
#[derive(Debug)]
pub struct Spool {
    places: Vec<Place>,
    files: BTreeMap<PathBuf, Option<Identity>>,
    machine: Machine,
    zones: Zones,
    dialect: &'static Dialect,
    /// What the anacrontab runs.
    periods: Vec<Text>,
    /// Names passed over, and whether that has been told.
    skipped: BTreeMap<PathBuf, bool>,
}

impl Spool {
    /// The system's places under the root: /etc/crontab, /etc/cron.d, the users' spools, /etc/anacrontab.
    pub fn of_system(paths: &Paths, dialect: &'static Dialect) -> Spool {
        let file = |path, role| Place { path: paths.under_root(path), is_directory: false, role };
        let directory =
            |path, role| Place { path: paths.under_root(path), is_directory: true, role };
        let mut places =
            vec![file("etc/crontab", Role::System), directory("etc/cron.d", Role::System)];
        places.extend(USERS.map(|path| directory(path, Role::User)));
        places.push(file("etc/anacrontab", Role::Period));
        Spool::new(places, paths, dialect)
    }

    /// One file, all of whose jobs run as `owner`.
    pub fn of_file(path: &Path, owner: &str, paths: &Paths, dialect: &'static Dialect) -> Spool {
        let role = Role::Single { owner: owner.to_owned() };
        Spool::new(vec![Place { path: path.to_owned(), is_directory: false, role }], paths, dialect)
    }

    fn new(places: Vec<Place>, paths: &Paths, dialect: &'static Dialect) -> Spool {
        Spool {
            places,
            files: BTreeMap::new(),
            machine: Machine::of(paths),
            zones: Zones::new(&paths.root),
            dialect,
            periods: Vec::new(),
            skipped: BTreeMap::new(),
        }
    }

    /// The directories in which something may change that `look` would find. Ask again after each look:
    /// directories and links come and go.
    pub fn watched(&self) -> BTreeSet<PathBuf> {
        let mut directories = BTreeSet::new();
        for place in &self.places {
            directories.append(&mut watch::directories(&place.path));
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
        directories
    }

    /// Looks at every file, and reads those that changed since the last look.
    pub fn look(&mut self) -> Vec<Change> {
        if self.zones.refresh() {
            // Read anew, but remembered: one that went away meanwhile has to be told of.
            self.files.values_mut().for_each(|identity| *identity = None);
        }
        self.look_for_periods();
        let mut changes = Vec::new();
        let mut present = BTreeSet::new();
        for place in self.places.clone() {
            for path in self.list(&place) {
                self.look_at(&path, &place.role, &mut changes);
                present.insert(path);
            }
        }
        let gone: Vec<_> =
            self.files.keys().filter(|path| !present.contains(*path)).cloned().collect();
        for path in gone {
            self.files.remove(&path);
            changes.push(Change::Gone { source: Source(path), problems: Vec::new() });
        }
        changes
    }

    /// System crontabs are read with regard to the anacrontab, and anew when that runs something else.
    fn look_for_periods(&mut self) {
        let tables = self.places.iter().filter(|place| place.role == Role::Period);
        let texts = tables.filter_map(|place| file::read(&place.path, &Trust::system()).ok());
        let jobs = texts.flat_map(|text| anacrontab::parse(&text).jobs);
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

    /// Names in a directory of crontabs that were passed over, each told once.
    pub fn take_skipped(&mut self) -> Vec<PathBuf> {
        let untold: Vec<_> =
            self.skipped.iter().filter(|(_, told)| !**told).map(|(path, _)| path.clone()).collect();
        self.skipped.values_mut().for_each(|told| *told = true);
        untold
    }

    fn list(&mut self, place: &Place) -> Vec<PathBuf> {
        if !place.is_directory {
            return Vec::from_iter(
                place.path.symlink_metadata().is_ok().then(|| place.path.clone()),
            );
        }
        let Ok(entries) = std::fs::read_dir(&place.path) else { return Vec::new() };
        let system = place.role == Role::System;
        let mut paths = Vec::new();
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                continue;
            }
            match entry.file_name().to_str() {
                Some(name) if self.dialect.is_crontab_name(name, system) => paths.push(path),
                Some(name) if name.starts_with('.') => {}
                Some(_) | None => {
                    self.skipped.entry(path).or_insert(false);
                }
            }
        }
        paths.sort();
        paths
    }

    fn look_at(&mut self, path: &Path, role: &Role, changes: &mut Vec<Change>) {
        let identity = Identity::of(path).ok();
        if self.files.get(path).is_some_and(|known| *known == identity && identity.is_some()) {
            return;
        }
        let was_known = self.files.insert(path.to_owned(), identity).is_some();
        let source = Source(path.to_owned());
        match self.load(path, role) {
            Ok((jobs, problems)) => changes.push(Change::Loaded { source, jobs, problems }),
            Err(Refusal::Untrusted(why)) => {
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

    fn load(&mut self, path: &Path, role: &Role) -> Result<(Vec<Arc<Job>>, Vec<String>), Refusal> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let (trust, owner) = match role {
            Role::User => (Trust::user(&self.owner_of_spool_file(path, name)?), name.to_owned()),
            Role::System | Role::Period => (Trust::system(), "root".to_owned()),
            Role::Single { owner } => (Trust::anyone(), owner.clone()),
        };
        let text = file::read(path, &trust)?;
        let source = Source(path.to_owned());
        let (jobs, diagnostics) = match role {
            Role::Period => jobs::of_anacrontab(&text, &source, &self.machine, &mut self.zones),
            Role::User => self.of_crontab(&text, &source, jobs::Owner::All(&owner)),
            Role::System => {
                let (mut jobs, diagnostics) = self.of_crontab(&text, &source, jobs::Owner::Column);
                jobs.retain(|job| !is_left_to(&self.periods, &job.recipe.command));
                (jobs, diagnostics)
            }
            Role::Single { .. } => self.of_crontab(&text, &source, jobs::Owner::Single(&owner)),
        };
        let shown = path.display().to_string();
        let lines = diagnostics.iter().map(|diagnostic| diagnostic.in_a_line(&shown));
        let problems = lines.take(TOLD_PROBLEMS).collect();
        Ok((jobs, problems))
    }

    fn of_crontab(
        &mut self,
        text: &[u8],
        source: &Source,
        owner: jobs::Owner,
    ) -> (Vec<Arc<Job>>, Vec<Diagnostic>) {
        let read =
            jobs::of_crontab(text, source, owner, self.dialect, &self.machine, &mut self.zones);
        let (jobs, mut diagnostics) = read;
        if self.dialect.unknown_users != Loss::File || !matches!(owner, jobs::Owner::Column) {
            return (jobs, diagnostics);
        }
        let is_unknown = |job: &&Arc<Job>| matches!(User::from_name(&job.owner), Ok(None));
        let Some(unknown) = jobs.iter().find(is_unknown) else { return (jobs, diagnostics) };
        let cron = self.dialect.cron;
        let message = format!("there is no user {}; for this {cron} uses no line", unknown.owner);
        diagnostics.push(Diagnostic::error("E007", unknown.origin.line, 0..0, message));
        (Vec::new(), diagnostics)
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

/// The user whose crontab a file is; `None` for the system's.
pub fn user_of<'a>(path: &'a Path, paths: &Paths) -> Option<&'a str> {
    let parent = path.parent()?;
    let is_users = USERS.iter().any(|place| paths.under_root(place) == parent);
    path.file_name()?.to_str().filter(|_| is_users)
}

/// Reads an optional small file of names, one a line (`cron.allow`); `None` if there is none.
pub fn names(path: &Path) -> io::Result<Option<Vec<String>>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.lines().map(str::to_owned).collect())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
