//! `ratd --user`: a user's own ratd, with the clients that the system's has.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User};
use serde_json::Value;

use crate::bench::{
    AT, ATQ, CRONTAB, Client, OTHER, RAT, RATD, Root, eventually, has_home, is_root, me,
};

/// Who calls, and where what is theirs is.
struct Caller {
    name: String,
    is_other: bool,
    run: PathBuf,
    state: PathBuf,
}

impl Caller {
    fn me(root: &Root) -> Caller {
        Caller {
            name: me(),
            is_other: false,
            run: root.directory("xdg-run"),
            state: root.directory("xdg-state"),
        }
    }

    fn other(root: &Root) -> Caller {
        let caller = Caller { name: OTHER.to_owned(), is_other: true, ..Caller::me(root) };
        let other = User::from_name(OTHER).unwrap().unwrap();
        for directory in [&caller.run, &caller.state] {
            chown(directory, Some(other.uid.as_raw()), Some(other.gid.as_raw())).unwrap();
        }
        caller
    }

    fn types(&self, program: &str, arguments: &[&str]) -> Client {
        let client = Client::new(program).arguments(arguments);
        let client = client.variable("XDG_RUNTIME_DIR", &self.run);
        let client = client.variable("XDG_STATE_HOME", &self.state);
        if self.is_other { client.of_other() } else { client }
    }

    fn says(&self, verb: &[&str]) -> Value {
        let output = self.types(RAT, verb).argument("--json").run();
        serde_json::from_str(&output.stdout).unwrap_or_default()
    }

    /// Starts a ratd that becomes a daemon: when this returns it is ready.
    fn starts_ratd(&self) -> Own<'_> {
        self.types(RATD, &["--user"]).run().ok();
        let pid = self.says(&["status"])["pid"].as_i64().unwrap();
        Own(self, Pid::from_raw(pid as i32))
    }

    fn ran(&self, job: &str) -> Option<Value> {
        let history = self.says(&["history", job, "--output"]);
        let run = history["runs"].as_array()?.first()?.clone();
        (!run["outcome"].is_null()).then_some(run)
    }
}

/// A user's own ratd, which goes with the test.
struct Own<'a>(&'a Caller, Pid);

impl Own<'_> {
    fn stops(self) {
        kill(self.1, Signal::SIGTERM).unwrap();
        eventually("it is gone", || !self.0.run.join("rat/control.sock").exists());
    }
}

impl Drop for Own<'_> {
    fn drop(&mut self) {
        let _ = kill(self.1, Signal::SIGTERM);
    }
}

fn is_served(caller: &Caller) {
    let own = caller.starts_ratd();
    assert_eq!(caller.says(&["status"])["jobs"], 0, "the system's crontabs are the system's");
    caller.types(CRONTAB, &["-l"]).run().fails(1, &format!("no crontab for {}", caller.name));
    caller.types(CRONTAB, &["-"]).input("30 4 1 1 * echo entry $(id -un) $HOME\n").run().ok();
    let list = caller.says(&["list"]);
    assert_eq!(list["jobs"][0]["owner"], caller.name.as_str(), "{list}");
    let ran = caller.types(RAT, &["run", "--wait", "echo"]).run().ok();
    assert!(ran.stdout.contains(&format!("entry {} ", caller.name)), "{ran:?}");
    caller.types(AT, &["now"]).input("echo at-job $(id -un)\n").run().ok();
    eventually("the at-job ran", || caller.ran("at").is_some());
    let run = caller.ran("at").unwrap();
    assert_eq!(run["output"], format!("at-job {}\n", caller.name), "{run}");
    own.stops();
    caller.types(ATQ, &[]).run().fails(1, "no ratd is running");
}

#[test]
fn whoever_has_no_rights_has_crontab_at_and_history_of_their_own() {
    if !has_home() {
        return;
    }
    let root = Root::new("user");
    let caller = Caller::me(&root);
    is_served(&caller);
    let table = caller.state.join("rat/spool").join(me());
    assert_eq!(table.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(caller.run.join("rat").metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn root_is_not_needed_for_any_of_it() {
    if !is_root() {
        return;
    }
    let root = Root::new("user-other");
    let caller = Caller::other(&root);
    is_served(&caller);
    let other = User::from_name(OTHER).unwrap().unwrap();
    for file in ["rat/rat.db".to_owned(), format!("rat/spool/{OTHER}")] {
        assert_eq!(caller.state.join(file).metadata().unwrap().uid(), other.uid.as_raw());
    }
}

#[test]
fn a_crontab_is_kept_across_ratds_and_changes_of_it_are_undone() {
    let root = Root::new("user-kept");
    let caller = Caller::me(&root);
    let own = caller.starts_ratd();
    caller.types(CRONTAB, &["-"]).input("@daily true\n").run().ok();
    caller.types(CRONTAB, &["-"]).input("@daily true\n@hourly true\n").run().ok();
    own.stops();
    let own = caller.starts_ratd();
    assert_eq!(caller.says(&["status"])["jobs"], 2);
    caller.types(CRONTAB, &["--undo"]).run().ok();
    assert_eq!(caller.types(CRONTAB, &["-l"]).run().ok().stdout, "@daily true\n");
    eventually("it counts", || caller.says(&["status"])["jobs"] == 1);
    // An editor of one's own is as good.
    std::fs::write(caller.state.join("rat/spool").join(me()), "@daily a\n@daily b\n@daily c\n")
        .unwrap();
    eventually("it is read", || caller.says(&["status"])["jobs"] == 3);
    own.stops();
}

#[test]
fn there_is_one_of_a_user_and_it_stands_beside_the_systems() {
    let root = Root::new("user-beside");
    let caller = Caller::me(&root);
    let own = caller.starts_ratd();
    let pid = own.1;
    caller
        .types(RATD, &["--user", "-n"])
        .run()
        .fails(1, &format!("running already with pid {pid}"));
    let system = crate::bench::Start::system(&root).ready();
    let found = |client: Client| {
        let said = client.run().ok().stdout;
        serde_json::from_str::<Value>(&said).unwrap()["pid"].clone()
    };
    assert_eq!(found(caller.types(RAT, &["status", "--json"])), pid.as_raw());
    let other = caller.types(RAT, &["status", "--json", "--root", &root.shown("")]);
    assert_eq!(found(other), system.pid.as_raw());
    system.stop();
    own.stops();
    caller.types(RATD, &["--user", "--root", "/tmp"]).run().fails(2, "cannot be used with");
    caller.types(RATD, &["--user", "table"]).run().fails(2, "cannot be used with");
    let homeless = Client::new(RATD).arguments(&["--user"]).run();
    homeless.fails(1, "neither HOME nor XDG_STATE_HOME says where to keep state");
}
