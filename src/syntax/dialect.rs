//! How other crons read a crontab and run its jobs: one table of differences. Knows what differs and how; the readers of lines,
//! entries and fields ask it, and none of them knows a cron by name.

use std::borrow::Cow;

use crate::plan::manner::{self, Addresses, Ends, Homeless, Inherits, Letter, Manner};

/// The rules one cron reads crontabs by, and surrounds their jobs by.
#[derive(Debug, PartialEq, Eq)]
pub struct Dialect {
    /// The word for it on command lines.
    pub name: &'static str,
    /// What people call that cron.
    pub cron: &'static str,

    /// What a wrong line costs.
    pub error: Loss,
    /// What a last line without a newline costs.
    pub no_newline: Loss,
    /// What a NUL byte does.
    pub nul: Nul,
    /// A byte order mark and carriage returns are left out, and what is odd about a file is told.
    pub mends_text: bool,
    /// A line that ends in a backslash goes on in the next one.
    pub joins_lines: bool,
    /// `#` ends a line wherever it stands.
    pub hash_cuts: bool,
    /// How much a file may hold.
    pub limits: Limits,
    /// Names of files in a directory of crontabs that are passed over.
    pub file_names: FileNames,

    /// Only these may be assigned to, in one word and without quotes; empty is all, in Vixie's way.
    pub variables: &'static [&'static str],
    /// Assignments to these have no effect.
    pub without_effect: &'static [&'static str],
    /// `NAME=` is an assignment.
    pub empty_values: bool,
    /// Blanks at the end of a quoted value are cut, and a second pair of quotes in it.
    pub strips_quoted: bool,
    /// An assignment is `NAME = VALUE` to the end of the line, blanks and all, without quotes if it ends in the one it
    /// begins with; and it holds for every entry of the file, wherever it stands.
    pub whole_file: bool,
    /// What is assigned before the first line.
    pub assigned: &'static [(&'static str, &'static str)],
    /// What `CRON_TZ` does.
    pub zone: ZoneRule,
    /// `RANDOM_DELAY` delays; else it is a variable like others.
    pub random_delay: bool,

    /// What a `-` at the beginning of a line does.
    pub dash: Dash,
    /// Which flags stand before the command.
    pub flags: FlagRule,
    /// A schedule without a command is an entry.
    pub empty_commands: bool,
    /// A byte 255 right after the five fields and their blanks is taken for the end of the file.
    pub byte_255_ends: bool,
    /// A sixth field that begins with `*` is a command.
    pub star_commands: bool,
    /// `%` begins standard input.
    pub percent: bool,
    /// `\\` in a command is one backslash.
    pub unescapes: bool,
    /// Blanks after the user column, but the first, belong to the command.
    pub blank_commands: bool,
    /// The longest text after the schedule and the user, and whether a longer one is cut there.
    pub longest_command: (usize, bool),
    /// `#rat:` and `RAT_…=` are options.
    pub options: bool,
    /// A user column that names no user costs the file.
    pub unknown_users: Loss,

    /// How fields are read.
    pub fields: Fields,
    /// Nicknames in any case, and `@every_minute`.
    pub more_nicknames: bool,
    /// Jobs that name their times have no special part in changes of the clock.
    pub by_the_clock: bool,

    /// An entry is not started while it still runs.
    pub single: bool,
    /// How jobs are surrounded.
    pub manner: Manner,
}

/// What something wrong costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nothing.
    Nothing,
    /// The line.
    Line,
    /// All entries of the file.
    File,
    /// The change of the file: what it held before stays in force.
    Change,
}

/// What a NUL byte does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nul {
    /// The line is wrong.
    Error,
    /// What follows it in an assignment or a command is read as a line of its own.
    Splits,
    /// The line ends there.
    Cuts,
}

/// How much a file may hold; 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries of a user's crontab, and what more than these cost.
    pub entries: (usize, Loss),
    /// The same holds for root.
    pub of_root: bool,
    /// Assignments of a user's crontab; more cost the file.
    pub assignments: usize,
    /// The number of the last line that may hold something; later ones cost the file.
    pub last_line: u32,
    /// Lines that hold something, of users and of root; later ones are not read.
    pub lines: Option<(usize, usize)>,
    /// Bytes of comments and blanks in a row in a user's crontab; more cost the file.
    pub garbage: usize,
    /// The longest assignment; longer ones are cut.
    pub assignment: usize,
}

/// Names of files in a directory of crontabs that are passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileNames {
    /// What editors and package managers leave behind.
    LeftBehind,
    /// All but letters, digits, `_` and `-` in system crontabs.
    Letters,
    /// Hidden files, `#…`, `…~` and what rpm leaves behind.
    Rpm,
    /// All with a dot.
    Dots,
}

/// What `CRON_TZ` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneRule {
    /// Entries are read in that zone.
    Read,
    /// Entries go by the clock of that zone, and a name that is none is UTC.
    ByTheClock,
    /// It is a variable like others.
    Ignored,
}

/// What a `-` at the beginning of a line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dash {
    /// The start is not logged.
    Quiet,
    /// The same, for root and system crontabs; else it is wrong.
    QuietForRoot,
    /// It is wrong.
    Error,
}

/// Which flags stand before the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagRule {
    /// Any of `-n`, `-q` and `-s`.
    All,
    /// One `-n`; no command begins with `-`.
    OneN,
    /// None: what begins with `-` is the command.
    None,
}

/// How fields are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields {
    /// Strictly, with names in full, `~`, `L` and `$`.
    Rat,
    /// The same, and `?`, `5/15`, `15W`, `LW` and small letters; 7 is 0 wherever it stands. Seven, six or five of them
    /// are a schedule, whichever can be read first.
    Quartz,
    /// As Vixie's, in one of its kinds.
    Vixie(Vixie),
    /// By filling a ring of values, whatever comes.
    Ring,
}

/// What differs between the kinds of Vixie's cron.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vixie {
    /// What follows a whole item is left out.
    pub drops_rest: bool,
    /// Both ends of a range must be in range, and not only the values it has.
    pub checks_ends: bool,
    /// `a-0` is `a-7`.
    pub zero_is_seven: bool,
    /// `~` draws.
    pub draws: bool,
}

/// Without a dialect: the best of all, and nothing silently.
pub static RAT: Dialect = OWN;

const OWN: Dialect = Dialect {
    name: "rat",
    cron: "rat",
    error: Loss::Line,
    no_newline: Loss::Nothing,
    nul: Nul::Error,
    mends_text: true,
    joins_lines: false,
    hash_cuts: false,
    limits: Limits {
        entries: (10_000, Loss::Line),
        of_root: false,
        assignments: 0,
        last_line: 0,
        lines: None,
        garbage: 0,
        assignment: usize::MAX,
    },
    file_names: FileNames::LeftBehind,
    variables: &[],
    without_effect: &[],
    empty_values: true,
    strips_quoted: false,
    whole_file: false,
    assigned: &[],
    zone: ZoneRule::Read,
    random_delay: true,
    dash: Dash::Quiet,
    flags: FlagRule::All,
    empty_commands: false,
    byte_255_ends: false,
    star_commands: false,
    percent: true,
    unescapes: false,
    blank_commands: false,
    longest_command: (128 * 1024 - 1, false),
    options: true,
    unknown_users: Loss::Nothing,
    fields: Fields::Rat,
    more_nicknames: true,
    by_the_clock: false,
    single: false,
    manner: manner::OWN,
};

/// Debian's cron 3.0pl1.
pub static DEBIAN: Dialect = Dialect {
    name: "debian",
    cron: "Debian's cron",
    error: Loss::File,
    no_newline: Loss::File,
    nul: Nul::Splits,
    mends_text: false,
    limits: Limits {
        entries: (0, Loss::Nothing),
        of_root: true,
        last_line: 10_003,
        assignment: 998,
        ..OWN.limits
    },
    file_names: FileNames::Letters,
    empty_values: false,
    strips_quoted: true,
    zone: ZoneRule::Ignored,
    random_delay: false,
    dash: Dash::Error,
    flags: FlagRule::None,
    empty_commands: true,
    byte_255_ends: true,
    unescapes: true,
    blank_commands: true,
    longest_command: (998, false),
    options: false,
    unknown_users: Loss::File,
    fields: Fields::Vixie(Vixie {
        drops_rest: true,
        checks_ends: true,
        zero_is_seven: false,
        draws: false,
    }),
    more_nicknames: false,
    manner: Manner {
        path: Some(Cow::Borrowed("/usr/bin:/bin")),
        sets_user: false,
        homeless: Homeless::Daemons(Cow::Borrowed("/var/spool/cron")),
        letter: Letter::Named,
        addresses: Addresses::Nobody,
        ends: Ends::Nothing,
        no_boot: Cow::Borrowed("Skipping @reboot jobs -- not system startup"),
        ..manner::OWN
    },
    ..OWN
};

/// cronie, the cron of Fedora, RHEL, SUSE and Arch.
pub static CRONIE: Dialect = Dialect {
    name: "cronie",
    cron: "cronie",
    no_newline: Loss::Line,
    nul: Nul::Splits,
    mends_text: false,
    limits: Limits {
        entries: (10_000, Loss::File),
        of_root: true,
        assignments: 1000,
        garbage: 32_768,
        assignment: 131_071,
        ..OWN.limits
    },
    file_names: FileNames::Rpm,
    zone: ZoneRule::ByTheClock,
    dash: Dash::QuietForRoot,
    flags: FlagRule::OneN,
    longest_command: (131_071, true),
    options: false,
    fields: Fields::Vixie(Vixie {
        drops_rest: false,
        checks_ends: false,
        zero_is_seven: true,
        draws: true,
    }),
    more_nicknames: false,
    manner: Manner {
        inherits: Inherits::Locale,
        homeless: Homeless::NotRun,
        letter: Letter::Quoted,
        addresses: Addresses::Daemon,
        daemon: Cow::Borrowed("crond"),
        job: Cow::Borrowed("CROND"),
        ends: Ends::Command,
        ..manner::OWN
    },
    ..OWN
};

/// The crond of busybox, Alpine's.
pub static BUSYBOX: Dialect = Dialect {
    name: "busybox",
    cron: "busybox's cron",
    nul: Nul::Cuts,
    mends_text: false,
    joins_lines: true,
    hash_cuts: true,
    limits: Limits { entries: (0, Loss::Nothing), lines: Some((255, 65_534)), ..OWN.limits },
    file_names: FileNames::Dots,
    variables: &["MAILTO", "SHELL", "PATH"],
    without_effect: &["PATH"],
    assigned: &[("MAILTO", "")],
    zone: ZoneRule::Ignored,
    random_delay: false,
    dash: Dash::Error,
    flags: FlagRule::None,
    star_commands: true,
    percent: false,
    longest_command: (usize::MAX, false),
    options: false,
    fields: Fields::Ring,
    more_nicknames: false,
    by_the_clock: true,
    single: true,
    manner: Manner {
        path: None,
        inherits: Inherits::Everything,
        keeps_assignments: true,
        homeless: Homeless::Daemons(Cow::Borrowed("/var/spool/cron")),
        letter: Letter::Bare,
        addresses: Addresses::Nobody,
        daemon: Cow::Borrowed("crond"),
        job: Cow::Borrowed("crond"),
        ..manner::OWN
    },
    ..OWN
};

/// What `ratd --container` reads: supercronic's crontabs as they are, and what rat reads besides.
pub static CONTAINER: Dialect = Dialect {
    name: "container",
    cron: "ratd --container",
    error: Loss::Change,
    whole_file: true,
    random_delay: false,
    percent: false,
    flags: FlagRule::None,
    star_commands: true,
    dash: Dash::Error,
    fields: Fields::Quartz,
    single: true,
    manner: Manner { path: None, sets_user: false, inherits: Inherits::Unchanged, ..manner::OWN },
    ..OWN
};

/// Every cron but rat.
pub static OTHERS: [&Dialect; 3] = [&DEBIAN, &CRONIE, &BUSYBOX];

impl Dialect {
    /// The dialect of this name; what names there are, if it is none.
    pub fn named(name: &str) -> Result<&'static Dialect, String> {
        let found = OTHERS.into_iter().chain([&CONTAINER]).find(|dialect| dialect.name == name);
        let names = "the dialects are debian, cronie, busybox and container";
        found.ok_or_else(|| names.to_owned())
    }

    /// The same, where rat's own has a name too: `rat`.
    pub fn named_or_own(name: &str) -> Result<&'static Dialect, String> {
        let found = OTHERS.into_iter().chain([&RAT]).find(|dialect| dialect.name == name);
        found.ok_or_else(|| "the dialects are rat, debian, cronie and busybox".to_owned())
    }

    /// Whether this is rat's own, or rat's own in a container.
    pub fn is_rat(&self) -> bool {
        matches!(self.fields, Fields::Rat | Fields::Quartz)
    }

    /// Whether a file of this name in a directory of crontabs is one.
    pub fn is_crontab_name(&self, name: &str, system: bool) -> bool {
        const RPM: [&str; 4] = ["~", ".rpmsave", ".rpmorig", ".rpmnew"];
        const LEFT_BEHIND: [&str; 6] =
            [".swp", ".bak", ".orig", ".cfsaved", ".dpkg-new", ".dpkg-tmp"];
        let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        let hidden = name.starts_with('.');
        match self.file_names {
            FileNames::LeftBehind => {
                let marks = [".dpkg-", ".ucf-"].iter().any(|mark| name.contains(mark));
                let odd = name.starts_with('#') || name.starts_with("tmp.") || marks;
                !(hidden || odd || ends(&RPM) || ends(&LEFT_BEHIND))
            }
            FileNames::Letters if system => {
                let letter =
                    |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
                !name.is_empty() && name.bytes().all(letter)
            }
            FileNames::Letters => !hidden,
            FileNames::Rpm => !(hidden || name.starts_with('#') || ends(&RPM)),
            FileNames::Dots => !name.contains('.'),
        }
    }
}
