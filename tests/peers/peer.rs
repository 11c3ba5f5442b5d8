//! Other crons, run on clocks of their own. Knows how each is started and what it leaves behind; not what is right.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::generate::{Case, Whose};

/// Time that passes, from the first instant to just before the second, in seconds since 1970.
pub type Stretch = (i64, i64);

/// What a peer made of some crontabs.
#[derive(Default)]
pub struct Record {
    /// Of each case, the entries that the peer has; empty where it does not tell.
    pub entries: Vec<Vec<u64>>,
    /// Of each case, when the peer started what, in order.
    pub starts: Vec<Vec<(i64, u64)>>,
    /// What is started, by the entry.
    pub started: HashMap<u64, Started>,
}

/// What a peer would execute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Started {
    pub command: Vec<u8>,
    pub input: Vec<u8>,
    pub environment: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A cron to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Debian,
    Cronie,
    Busybox,
    Bcron,
}

impl Peer {
    /// What the peer makes of these crontabs while that time passes, in the zone of this name.
    pub fn run(self, cases: &[Case], zone: &str, stretches: &[Stretch], place: &Path) -> Record {
        let _ = fs::remove_dir_all(place);
        for name in ["etc/cron.d", "run", "var/run", "var/spool/cron/crontabs"] {
            fs::create_dir_all(place.join(name)).unwrap();
        }
        for name in [
            "etc/crontab",
            "run/crond.reboot",
            "run/cron.reboot",
            "var/run/crond.reboot",
            "var/run/cron.reboot",
        ] {
            fs::write(place.join(name), "").unwrap();
        }
        let mut users = String::from("root:x:0:0::/:/bin/sh\nnobody:x:1000:1000::/:/bin/sh\n");
        for (number, case) in cases.iter().enumerate() {
            let file = self.file(place, case, number);
            fs::write(&file, &case.text).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
            users += &format!("user{number}:x:1000:1000::/:/bin/sh\n");
        }
        fs::write(place.join("etc/passwd"), users).unwrap();
        let sentinel = Case { whose: Whose::System, text: b"* * * * * root sentinel\n".to_vec() };
        if matches!(self, Peer::Debian | Peer::Cronie) {
            fs::write(self.file(place, &sentinel, SENTINEL), &sentinel.text).unwrap();
        }
        for script in self.scripts(stretches) {
            fs::write(place.join("script"), script).unwrap();
            self.start(zone, place);
        }
        let record = fs::read(place.join("record")).unwrap();
        let read = match self {
            Peer::Busybox => of_busybox(&record, cases.len()),
            Peer::Bcron => of_bcron(&record, cases),
            Peer::Debian | Peer::Cronie => of_vixie(&record, cases.len()),
        };
        fs::remove_dir_all(place).unwrap();
        read
    }

    /// What its clock shall show. Each begins early enough for what is started in the first minutes to be left out.
    fn scripts(self, stretches: &[Stretch]) -> Vec<String> {
        let begins = |early: i64| {
            stretches.iter().map(move |(from, until)| format!("{} {until}\n", from - early))
        };
        match self {
            // What a cron of Vixie's line has read is as old as the beginning: files that are older stay as they are.
            Peer::Debian | Peer::Cronie => {
                vec![format!("{EARLY} {}\n{}", EARLY + 120, begins(0).collect::<String>())]
            }
            // It runs nothing in the minute in which it finds its clock set.
            Peer::Busybox => vec![begins(120).collect()],
            // It runs what it finds itself owing.
            Peer::Bcron => begins(120).collect(),
        }
    }

    fn file(self, place: &Path, case: &Case, number: usize) -> PathBuf {
        let spool = match self {
            Peer::Cronie => "var/spool/cron",
            Peer::Debian | Peer::Busybox | Peer::Bcron => "var/spool/cron/crontabs",
        };
        let name = match (self, case.whose) {
            (Peer::Bcron, Whose::System) => format!("{spool}/:case{number}"),
            (Peer::Debian | Peer::Cronie, Whose::System) => format!("etc/cron.d/case{number}"),
            (Peer::Debian | Peer::Cronie, Whose::Root) => format!("{spool}/admin{number}"),
            _ => format!("{spool}/user{number}"),
        };
        place.join(name)
    }

    fn start(self, zone: &str, place: &Path) {
        let peers = peers();
        let mut command = match self {
            Peer::Debian => preloaded(&peers.join("cron/usr/sbin/cron"), &["-f"], ["16", "32"]),
            Peer::Cronie => preloaded(&peers.join("cronie/src/crond"), &["-n", "-i"], ["24", "40"]),
            Peer::Bcron => {
                let trigger = place.join("var/spool/cron/trigger");
                assert!(
                    trigger.exists()
                        || Command::new("mkfifo").arg(&trigger).status().unwrap().success()
                );
                let mut command =
                    preloaded(&peers.join("bcron/usr/sbin/bcron-sched"), &[], ["", ""]);
                command.env_remove("PEER_TABLE").env("BCRON_SPOOL", place.join("var/spool/cron"));
                command.env("LD_LIBRARY_PATH", peers.join("libbg2/usr/lib"));
                command
            }
            Peer::Busybox => {
                fs::copy(peers.join("busybox-static/bin/busybox"), place.join("busybox")).unwrap();
                let mut command = Command::new(peers.join("tracer"));
                command.args([place.join("script"), place.join("record"), place.to_owned()]);
                command.args(["/busybox", "crond", "-f", "-l", "8", "-L", "/record"]);
                let zones = place.join("usr/share/zoneinfo").join(zone);
                fs::create_dir_all(zones.parent().unwrap()).unwrap();
                fs::copy(Path::new("/usr/share/zoneinfo").join(zone), zones).unwrap();
                command.env_clear();
                command
            }
        };
        command.env("TZ", zone).env("PATH", "/usr/bin:/bin");
        command.env("PEER_SCRIPT", place.join("script")).env("PEER_RECORD", place.join("record"));
        command.env("PEER_ROOT", place);
        let ended = command.stdin(Stdio::null()).stdout(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{self:?}: {}: {said}", ended.status);
        let record = fs::read(place.join("record")).unwrap();
        assert!(record.ends_with(b"end\n"), "{self:?} did not come to the end: {said}");
    }
}

/// Where the peers lie: tests/peers/fetch puts them there.
pub fn peers() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"));
    let peers = target.join("peers");
    assert!(
        peers.join("tracer").exists(),
        "there are no peers in {}: run tests/peers/fetch",
        peers.display()
    );
    peers
}

const EARLY: i64 = 1_577_836_800;
const SENTINEL: usize = 999_999_999;

fn preloaded(program: &Path, arguments: &[&str], offsets: [&str; 2]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("LD_PRELOAD", peers().join("clock.so"));
    command.env("PEER_TABLE", offsets[0]).env("PEER_CRONTAB", offsets[1]);
    command
}

fn of_vixie(record: &[u8], count: usize) -> Record {
    let mut read = Record {
        entries: vec![Vec::new(); count],
        starts: vec![Vec::new(); count],
        ..Record::default()
    };
    let mut case_of = HashMap::new();
    let mut seen: Option<Started> = None;
    for line in record.split(|byte| *byte == b'\n') {
        let line = std::str::from_utf8(line).unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        match words[0] {
            "E" => {
                let name = unhex(words[2]);
                let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
                let case = std::str::from_utf8(&name[name.len() - digits..])
                    .unwrap()
                    .parse()
                    .unwrap_or(SENTINEL);
                case_of.insert(number(1), case);
                if case < count {
                    read.entries[case].insert(0, number(1));
                }
            }
            "X" => {
                let environment = unhex(words[3]);
                let pairs = environment.split(|byte| *byte == 0).filter_map(|pair| {
                    let at = pair.iter().position(|byte| *byte == b'=')?;
                    Some((pair[..at].to_vec(), pair[at + 1..].to_vec()))
                });
                let environment = pairs.collect();
                seen =
                    Some(Started { command: unhex(words[2]), environment, ..Started::default() });
            }
            "S" => {
                if let Some(seen) = &mut seen {
                    seen.input = unhex(words[1]);
                }
            }
            "F" => {
                if let Some(seen) = seen.take() {
                    read.started.insert(number(2), seen);
                }
                let case = case_of[&number(2)];
                if case < count {
                    read.starts[case].push((number(1) as i64, number(2)));
                }
            }
            "" | "end" => {}
            other => panic!("a record of {other}"),
        }
    }
    assert!(case_of.values().any(|case| *case == SENTINEL), "the sentinel was not seen");
    read
}

fn of_busybox(record: &[u8], count: usize) -> Record {
    let mut read = Record { starts: vec![Vec::new(); count], ..Record::default() };
    let mut ids: HashMap<(usize, Vec<u8>), u64> = HashMap::new();
    let mut now = 0;
    for line in record.split(|byte| *byte == b'\n') {
        if let Some(time) = line.strip_prefix(b"@") {
            now = std::str::from_utf8(time).unwrap().parse().unwrap_or(0);
        }
        let Some(rest) = line.strip_prefix(b"crond: USER user") else { continue };
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let case: usize = std::str::from_utf8(&rest[..digits]).unwrap().parse().unwrap();
        let at = rest.windows(5).position(|five| five == b" cmd ").unwrap() + 5;
        let command = rest[at..].to_vec();
        let next = ids.len() as u64;
        let id = *ids.entry((case, command.clone())).or_insert(next);
        read.started.insert(id, Started { command, ..Started::default() });
        read.starts[case].push((now, id));
    }
    read
}

fn of_bcron(record: &[u8], cases: &[Case]) -> Record {
    let mut read = Record { starts: vec![Vec::new(); cases.len()], ..Record::default() };
    // Its requests do not say which file they come from, but no two plain cases have the same command.
    let mut cases_of: HashMap<Vec<u8>, usize> = HashMap::new();
    for (number, case) in cases.iter().enumerate() {
        let at = case.text.windows(2).position(|two| two == b"x ").unwrap();
        cases_of.insert(case.text[at..].trim_ascii().to_vec(), number);
    }
    for line in record.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"P ")) {
        let words: Vec<&str> = std::str::from_utf8(line).unwrap().split(' ').collect();
        let packet = unhex(words[2]);
        let command = packet.split(|byte| *byte == 0).nth(2).unwrap().to_vec();
        let Some(case) = cases_of.get(&command) else { continue };
        read.started.insert(*case as u64, Started { command, ..Started::default() });
        read.starts[*case].push((words[1].parse().unwrap(), *case as u64));
    }
    read
}

fn unhex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Whether Debian's `crontab -n` would take the file, which is written below `place`, as are the directories that it
/// would make if it found none.
pub fn crontab_takes(case: &Case, place: &Path) -> bool {
    fs::create_dir_all(place.join("var/spool/cron/crontabs")).unwrap();
    let file = place.join("file");
    fs::write(&file, &case.text).unwrap();
    fs::write(place.join("script"), "1 2\n").unwrap();
    let mut command = preloaded(&peers().join("cron/usr/bin/crontab"), &["-n"], ["16", "32"]);
    command.env("PEER_SCRIPT", place.join("script")).env("PEER_ROOT", place);
    command.env("PEER_RECORD", place.join("record")).arg(file);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap().success()
}
