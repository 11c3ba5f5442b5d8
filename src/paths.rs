//! Where everything lives: under `/`, under another root, or in a user's own directories. Opens nothing.

use std::path::{Path, PathBuf};

/// Where the system's sendmail is; the second is where it was.
pub const SENDMAIL: &[&str] = &["/usr/sbin/sendmail", "/usr/lib/sendmail"];

/// What the administrator has to say of all of rat.
pub const RAT_CONF: &str = "/etc/rat/rat.conf";

/// Where a ratd in a container may have its directory, the best place first: the root file system may be for reading
/// only, and its user anybody. The last two belong to everybody, so that the name says whose it is.
pub fn rooms(uid: u32) -> Vec<PathBuf> {
    let directory = |name| absolute(name).into_iter();
    let own = format!("rat-{uid}");
    let shared = directory("TMPDIR").chain(["/tmp".into(), "/dev/shm".into()]);
    let mut rooms: Vec<_> = directory("XDG_RUNTIME_DIR").map(|path| path.join("rat")).collect();
    rooms.push(PathBuf::from("/run/rat"));
    rooms.extend(shared.map(|path| path.join(&own)));
    rooms
}

/// Where a ratd in a container keeps what lasts, if it can write there: `/var/lib/rat` is a volume, or is not.
pub fn stores(uid: u32) -> Vec<PathBuf> {
    let own = absolute("XDG_STATE_HOME").map(|path| path.join("rat"));
    own.into_iter().chain([Path::new("/var/lib/rat").join(uid.to_string())]).collect()
}

fn absolute(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The places of one ratd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// In front of every system path: `/`, or what `--root` says.
    pub root: PathBuf,
    /// What lasts until the next boot: the socket, the runs, the locks.
    pub run: PathBuf,
    /// What lasts: the database.
    pub state: PathBuf,
    /// The pid file.
    pub pid_file: PathBuf,
    /// Where the crontab of a user who has a ratd of their own is; `None` is the system's spool.
    pub crontabs: Option<PathBuf>,
}

impl Paths {
    /// The places of the system's ratd, or of one under another root.
    pub fn system(root: &Path) -> Paths {
        Paths {
            root: root.to_owned(),
            run: root.join("run/rat"),
            state: root.join("var/lib/rat"),
            pid_file: root.join("run/ratd.pid"),
            crontabs: None,
        }
    }

    /// The places of a user's own ratd: `$XDG_RUNTIME_DIR/rat` and `$XDG_STATE_HOME/rat`, by default
    /// `~/.local/state/rat` for both. `None` without a home directory.
    pub fn user() -> Option<Paths> {
        let state = absolute("XDG_STATE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?
            .join("rat");
        let run = absolute("XDG_RUNTIME_DIR")
            .map_or_else(|| state.clone(), |runtime| runtime.join("rat"));
        let crontabs = Some(state.join("spool"));
        Some(Paths { crontabs, ..Paths::contained(run, Some(state)) })
    }

    /// The places of a ratd in a container that has this directory for what it needs: what lasts is there too, unless
    /// there is a better place for it.
    pub fn contained(run: PathBuf, state: Option<PathBuf>) -> Paths {
        let state = state.unwrap_or_else(|| run.clone());
        let (root, pid_file) = (PathBuf::from("/"), run.join("ratd.pid"));
        Paths { root, pid_file, run, state, crontabs: None }
    }

    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.run.join("control.sock")
    }

    /// One file a run: locked while its session lives, holding its report afterwards.
    pub fn runs(&self) -> PathBuf {
        self.run.join("runs")
    }

    /// One file a fork server: locked until it has read its last order.
    pub fn servers(&self) -> PathBuf {
        self.run.join("servers")
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.state.join("rat.db")
    }

    /// The directory of a `run-parts` for jobs that find no other.
    pub fn programs(&self) -> PathBuf {
        self.root.join("usr/lib/rat")
    }

    /// A path of the system, under the root.
    pub fn under_root(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}
