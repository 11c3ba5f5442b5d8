//! From lines to jobs: who owns them, in which zone they are read, what they are called. Reads zone files and the
//! machine's id, nothing else.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::TimeDelta;

use crate::paths::Paths;
use crate::plan::catch_up::Every;
use crate::plan::civil::{Beside, Offsets};
use crate::plan::digest::digest;
use crate::plan::job::{Job, JobId, Kind, Mailing, Origin, Recipe, Source};
use crate::plan::schedule::Schedule;
use crate::spool::file::Identity;
use crate::spool::policy;
use crate::syntax::anacrontab;
use crate::syntax::config::Config;
use crate::syntax::crontab::{self, Entry, Form};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::dialect::{Dialect, ZoneRule};
use crate::syntax::directive::{Chosen, Level, Options};
use crate::syntax::options::Key;
use crate::syntax::seed::Seed;
use crate::sys::host::machine_id;
use crate::zone::{Unknown, Zone, zoneinfo};

/// What tells this machine from others, so that `~` falls on a minute of its own.
#[derive(Clone, Debug)]
pub struct Machine {
    id: String,
}

impl Machine {
    /// The machine's id (machine-id(5)), or its name.
    pub fn of(paths: &Paths) -> Machine {
        Machine { id: machine_id(&paths.root) }
    }

    /// The seed for what `owner` wrote.
    pub fn seed(&self, owner: &str) -> Seed {
        Seed { host: self.id.clone(), owner: owner.to_owned() }
    }

    /// A number up to `most`, always the same one for this name.
    fn draw(&self, name: &str, most: u32) -> u32 {
        let draw = digest(&[self.id.as_bytes(), name.as_bytes()]) % (u64::from(most) + 1);
        u32::try_from(draw).unwrap_or(0)
    }

    /// A job's share of a random delay of up to so many minutes.
    fn delay(&self, job: &str, minutes: u32) -> TimeDelta {
        TimeDelta::minutes(i64::from(self.draw(job, minutes)))
    }
}

/// The zones in use, read once and again when their files change.
#[derive(Debug)]
pub struct Zones {
    root: PathBuf,
    local: Zone,
    named: HashMap<String, Zone>,
    identities: Vec<(PathBuf, Option<Identity>)>,
}

impl Zones {
    /// The zone of the machine under `root`, and others as they are asked for.
    pub fn new(root: &Path) -> Zones {
        let mut zones = Zones {
            root: root.to_owned(),
            local: Zone::utc(),
            named: HashMap::new(),
            identities: Vec::new(),
        };
        zones.read();
        zones
    }

    /// The zone of this machine.
    pub fn local(&self) -> Zone {
        self.local.clone()
    }

    /// A zone by the name that a crontab gives it.
    pub fn named(&mut self, name: &str) -> Result<Zone, Unknown> {
        if let Some(zone) = self.named.get(name) {
            return Ok(zone.clone());
        }
        let zone = Zone::in_zoneinfo(name)?;
        self.identities.push(identified(zoneinfo().join(name)));
        self.named.insert(name.to_owned(), zone.clone());
        Ok(zone)
    }

    /// Lets UTC stand for a name that is no zone's.
    fn set_utc(&mut self, name: &str) {
        self.named.insert(name.to_owned(), Zone::utc());
    }

    /// Whether a file changed since it was read.
    pub fn changed(&self) -> bool {
        self.identities.iter().any(|(path, identity)| Identity::of(path).ok() != *identity)
    }

    /// Reads the zones again if a file changed; true if so.
    pub fn refresh(&mut self) -> bool {
        let changed = self.changed();
        if changed {
            self.read();
        }
        changed
    }

    /// The files that the zones in use were read from.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.identities.iter().map(|(path, _)| path.as_path())
    }

    fn read(&mut self) {
        self.named.clear();
        let mut places = vec![self.root.join("etc/localtime"), PathBuf::from("/etc/localtime")];
        places.extend(
            std::env::var("TZ").ok().map(|name| zoneinfo().join(name.trim_start_matches(':'))),
        );
        self.identities = places.into_iter().map(identified).collect();
        self.local = Zone::local(&self.root).unwrap_or_else(|_| Zone::utc());
    }
}

fn identified(path: PathBuf) -> (PathBuf, Option<Identity>) {
    let identity = Identity::of(&path).ok();
    (path, identity)
}

/// Who owns the jobs of a file.
#[derive(Clone, Copy, Debug)]
pub enum Owner<'a> {
    /// This user owns all of them.
    All(&'a str),
    /// Each line names its user.
    Column,
    /// This user owns all of them, and lines may have seven fields.
    Single(&'a str),
}

/// What a crontab or an anacrontab is read by.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// As which cron.
    pub dialect: &'static Dialect,
    /// On which machine.
    pub machine: &'a Machine,
    /// What rat.conf says of its entries.
    pub config: &'a Config,
}

/// Jobs of a file that say something of themselves in options, as they were when all of that could be read.
pub type Good = HashMap<JobId, Arc<Job>>;

/// The jobs of a crontab, and what is to be said about it.
pub fn of_crontab(
    text: &[u8],
    source: &Source,
    owner: Owner,
    rules: &Rules<'_>,
    zones: &mut Zones,
) -> (Vec<Arc<Job>>, Vec<Diagnostic>) {
    of_crontab_again(text, source, owner, rules, (zones, &mut Good::default()))
}

/// The same of a crontab that was read before. A job with an option that cannot be read now stays as it was, if it was
/// good; a slip of the pen must not change what runs.
pub fn of_crontab_again(
    text: &[u8],
    source: &Source,
    owner: Owner,
    rules: &Rules<'_>,
    (zones, good): (&mut Zones, &mut Good),
) -> (Vec<Arc<Job>>, Vec<Diagnostic>) {
    let Rules { dialect, machine, config } = *rules;
    let (form, seed_owner, kind) = match owner {
        Owner::All(name) => (Form::User, name, Kind::Entry),
        Owner::Column => (Form::System, "root", Kind::SystemEntry),
        Owner::Single(name) => (Form::Single, name, Kind::Entry),
    };
    let crontab = crontab::parse(text, form, &machine.seed(seed_owner), dialect);
    let mut diagnostics = crontab.diagnostics;
    for zone in &crontab.zones {
        if let Err(unknown) = zones.named(&zone.name) {
            diagnostics.push(if dialect.zone == ZoneRule::ByTheClock {
                zones.set_utc(&zone.name);
                zone.taken_for_utc(unknown.to_string())
            } else {
                zone.unknown(unknown.to_string())
            });
        }
    }
    let mut names = Names::default();
    let mut jobs = Vec::with_capacity(crontab.entries.len());
    // Entries under one zone share its rules.
    let mut shared_zones: HashMap<Option<String>, Arc<dyn Offsets>> = HashMap::new();
    let (mut held, before) = (Vec::new(), std::mem::take(good));
    for mut entry in crontab.entries {
        entry.flags.single |= dialect.single;
        let owner = entry.user.clone().unwrap_or_else(|| seed_owner.to_owned());
        match config.options(&owner, &entry.options, &mut held) {
            Some(options) => entry.options = options,
            None => continue,
        }
        set_default_zone(&mut entry, zones, &mut held);
        let zone = match shared_zones.get(&entry.zone) {
            Some(zone) => zone.clone(),
            None => match zone_of(&entry, zones) {
                Ok(zone) => {
                    let own = zones.local();
                    let shared: Arc<dyn Offsets> =
                        if entry.zone.is_some() && dialect.zone == ZoneRule::ByTheClock {
                            Arc::new(Beside { zone, own })
                        } else {
                            Arc::new(zone)
                        };
                    shared_zones.entry(entry.zone.clone()).or_insert(shared).clone()
                }
                Err(_) => continue,
            },
        };
        let (written, is_misread) = (entry.options.is_written(), entry.options.is_misread);
        let mut job = job_of_entry(entry, owner, kind, source, zone, rules, &mut names);
        if let (true, Some(known)) = (is_misread, before.get(&job.id)) {
            diagnostics.push(stays_as_it_was(job.origin.line));
            job = Job { origin: job.origin, ..(**known).clone() };
        }
        let job = Arc::new(job);
        if is_misread && before.contains_key(&job.id) || written && !is_misread {
            good.insert(job.id.clone(), job.clone());
        }
        jobs.push(job);
    }
    diagnostics.append(&mut each_once(held));
    (jobs, diagnostics)
}

fn stays_as_it_was(line: u32) -> Diagnostic {
    let message = "one of its options cannot be read: the entry stays as it last was".to_owned();
    Diagnostic::warning("W017", line, 0..0, message)
}

/// What one line chose for several entries is told once.
pub fn each_once(mut said: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut told = HashSet::new();
    said.retain(|said| told.insert((said.line, said.columns.start)));
    said
}

/// An entry that is in no zone of its own is in the one that rat.conf has for it. Where there is no such zone it is not
/// run: it could run at the wrong times.
fn set_default_zone(entry: &mut Entry, zones: &mut Zones, said: &mut Vec<Diagnostic>) {
    let default = entry.options.get(Key::Tz).filter(|_| entry.zone.is_none());
    let Some(name) = default.and_then(|chosen| chosen.value.text()) else { return };
    if let Err(unknown) = zones.named(name) {
        let message = format!("rat.conf sets `tz`, and the entry is not run: {unknown}");
        said.push(Diagnostic::error("E022", entry.line, 0..0, message));
    }
    entry.zone = Some(name.to_owned());
}

fn zone_of(entry: &Entry, zones: &mut Zones) -> Result<Zone, Unknown> {
    match &entry.zone {
        Some(name) => zones.named(name),
        None => Ok(zones.local()),
    }
}

fn job_of_entry(
    entry: Entry,
    owner: String,
    kind: Kind,
    source: &Source,
    zone: Arc<dyn Offsets>,
    rules: &Rules<'_>,
    names: &mut Names,
) -> Job {
    let manner = &rules.dialect.manner;
    let (id, name) = names.of(&owner, source, &entry.written, &entry.command.0);
    let delay = rules.machine.delay(&id.0, entry.random_delay);
    let terms = policy::terms(&entry.options, rules.machine.draw(&id.0, 999));
    let knows_run = is_told(&entry.options);
    Job {
        id,
        name,
        owner,
        schedule: if entry.options.is_disabled() { Schedule::Never } else { entry.schedule },
        written: entry.written,
        zone,
        delay,
        single: entry.flags.single,
        terms,
        retries: policy::retries(&entry.options),
        recipe: Recipe {
            kind,
            command: entry.command,
            input: entry.input,
            environment: entry.environment,
            uid: None,
            directory: None,
            umask: None,
            nice: 0,
            knows_run,
            quiet: entry.flags.quiet,
            mailing: Mailing {
                on_failure_only: entry.flags.mail_on_failure_only,
                ..Mailing::default()
            },
            manner: Some(manner),
        },
        origin: Origin { source: source.clone(), line: entry.line },
    }
}

/// The jobs of an anacrontab, and what is to be said about it. Nothing is known yet of when they were done.
pub fn of_anacrontab(
    text: &[u8],
    source: &Source,
    rules: &Rules<'_>,
    zones: &mut Zones,
) -> (Vec<Arc<Job>>, Vec<Diagnostic>) {
    let Rules { machine, config, .. } = *rules;
    let anacrontab = anacrontab::parse(text);
    let (mut diagnostics, mut held) = (anacrontab.diagnostics, Vec::new());
    let zone: Arc<dyn Offsets> = Arc::new(zones.local());
    let mut job = |line: anacrontab::Line| {
        let options = config.options("root", &line.options, &mut held)?;
        held.extend(line.options.all().filter_map(meaningless_for_periods));
        let delay = line.delay.saturating_add(machine.draw(&line.ident, line.random_delay));
        let every = Every { period: line.period, delay, hours: line.window(), done: None };
        Some(Arc::new(Job {
            id: JobId(format!("{:016x}", digest(&[b"anacrontab", line.ident.as_bytes()]))),
            name: line.ident,
            owner: "root".to_owned(),
            schedule: match options.is_disabled() {
                true => Schedule::Never,
                false => Schedule::Every(every),
            },
            written: line.written,
            zone: zone.clone(),
            // It is part of the schedule, and begins only when the job may start.
            delay: TimeDelta::zero(),
            single: false,
            terms: policy::terms_of_period(&options),
            retries: policy::retries(&options),
            recipe: Recipe {
                environment: line.environment,
                knows_run: is_told(&options),
                ..Recipe::plain(Kind::Period, line.command)
            },
            origin: Origin { source: source.clone(), line: line.line },
        }))
    };
    let jobs = anacrontab.jobs.into_iter().filter_map(&mut job).collect();
    diagnostics.append(&mut each_once(held));
    (jobs, diagnostics)
}

/// Whether a job is told which run it is. A limit of the machine is nothing that was said of it.
fn is_told(options: &Options) -> bool {
    options.all().any(|chosen| chosen.level != Level::Limit)
}

/// What is to be said of an option that holds for entries, and can mean nothing to a job that is due once a period.
fn meaningless_for_periods(chosen: &Chosen) -> Option<Diagnostic> {
    let (Key::Catchup | Key::Deadline | Key::Tz) = chosen.key else { return None };
    let message = format!("`{}` means nothing to a job of an anacrontab", chosen.key.known().name);
    Some(
        Diagnostic::warning("W016", chosen.line, chosen.columns.clone(), message)
            .label("it has no effect"),
    )
}

/// Gives the entries of a file ids that depend on what they say, not on where they stand.
#[derive(Default)]
struct Names {
    seen: HashMap<u64, u64>,
}

impl Names {
    /// The id of an entry, and a name for people that begins with its command.
    fn of(
        &mut self,
        owner: &str,
        source: &Source,
        schedule: &str,
        command: &[u8],
    ) -> (JobId, String) {
        let file = source.0.as_os_str().as_encoded_bytes();
        let first = digest(&[owner.as_bytes(), file, schedule.as_bytes(), command]);
        let nth = self.seen.entry(first).or_default();
        let id =
            if *nth == 0 { first } else { digest(&[&first.to_le_bytes(), &nth.to_le_bytes()]) };
        *nth += 1;
        (JobId(format!("{id:016x}")), format!("{}-{:06x}", slug(command), id >> 40))
    }
}

/// The last part of the path of the first word that is a command's, as far as it can be part of a name.
fn slug(command: &[u8]) -> String {
    let command = String::from_utf8_lossy(command);
    let words = command.split_whitespace().filter(|word| !word.contains('='));
    let mut names = words.filter_map(|word| word.rsplit('/').find(|part| !part.is_empty()));
    let name = names.find(|name| name.starts_with(char::is_alphanumeric)).unwrap_or("job");
    name.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_called_after_its_command() {
        for (command, name) in [
            ("/usr/bin/backup --all", "backup"),
            ("[ -x /usr/lib/php/sessionclean ] && /usr/lib/php/sessionclean", "sessionclean"),
            ("A=1 B=2 report", "report"),
            ("cd / && run-parts --report /etc/cron.hourly", "cd"),
            ("( true )", "true"),
            ("%", "job"),
            ("", "job"),
        ] {
            assert_eq!(slug(command.as_bytes()), name, "{command}");
        }
    }

    #[test]
    fn entries_that_say_the_same_have_ids_of_their_own_that_stay() {
        let source = Source("/etc/crontab".into());
        let of = |names: &mut Names, command: &str| {
            names.of("root", &source, "@daily", command.as_bytes()).0
        };
        let (mut before, mut after) = (Names::default(), Names::default());
        let first = [of(&mut before, "a"), of(&mut before, "b"), of(&mut before, "a")];
        let second =
            [of(&mut after, "new"), of(&mut after, "a"), of(&mut after, "b"), of(&mut after, "a")];
        assert_eq!(first, second[1..]);
        assert_ne!(first[0], first[2]);
    }
}
