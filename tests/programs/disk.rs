//! Disks that hang, stores that cannot be used, and file systems that are full.

use std::fs::File;
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use crate::bench::{
    AT, ATQ, Client, DEADLINE, RAT, RATD, Root, Start, eventually, is_root, me, shim,
};

#[test]
fn entries_start_while_the_disk_hangs() {
    let root = Root::new("disk-hangs");
    let Some(library) = shim(&root, "slow_disk.c") else { return };
    let table = root.write("table", "* * * * * * * echo tick\n");
    let hang = root.path("hang");
    let start = Start::file(&root, &table).variable("LD_PRELOAD", &library);
    let mut ratd = start.variable("RAT_TEST_HANG", &hang).ready();
    ratd.await_line("| tick");
    File::create(&hang).unwrap();
    let waiting = root.client(AT, &["noon", "tomorrow"]).input("true\n").start();
    // The one thread that may wait waits; what needs no disk is answered.
    root.client(RAT, &["status"]).run().ok();
    let seen = ratd.said.iter().filter(|line| line.contains("| tick")).count();
    ratd.await_lines("| tick", seen + 4);
    std::fs::remove_file(&hang).unwrap();
    let queued = waiting.finish().ok();
    assert!(queued.stderr.contains("job 1 at"), "{queued:?}");
    assert!(root.client(ATQ, &[]).run().ok().stdout.starts_with("1\t"));
    let drops = root.json(&["status"])["rows_dropped"].clone();
    assert_eq!(drops, 0, "a queue of thousands is not filled by four seconds");
    ratd.stop();
}

#[test]
fn who_cannot_be_looked_up_is_not_taken_for_somebody_else() {
    let root = Root::new("no-names");
    let Some(library) = shim(&root, "no_names.c") else { return };
    let away = root.path("away");
    let start = Start::system(&root).variable("LD_PRELOAD", &library);
    let ratd = start.variable("RAT_TEST_HANG", &away).ready();
    root.write("etc/at.deny", me());
    File::create(&away).unwrap();
    root.client(AT, &["noon", "tomorrow"]).input("true\n").run().fails(1, "cannot look up");
    root.client(RAT, &["list"]).run().fails(1, "cannot look up");
    root.client(RAT, &["status"]).run().ok();
    std::fs::remove_file(&away).unwrap();
    root.client(RAT, &["list"]).run().ok();
    ratd.stop();
}

/// A listener in the place of syslog, which reads at once: a line for which there is no room is dropped.
fn syslog(root: &Root) -> Receiver<String> {
    root.directory("dev");
    let socket = UnixDatagram::bind(root.path("dev/log")).unwrap();
    let (heard, lines) = channel();
    thread::spawn(move || {
        let mut line = [0; 4096];
        while let Ok(length) = socket.recv(&mut line)
            && heard.send(String::from_utf8_lossy(&line[..length]).into_owned()).is_ok()
        {}
    });
    lines
}

#[test]
fn a_store_that_cannot_be_used_stops_no_entry_and_is_said() {
    let foreign = {
        let root = Root::new("foreign");
        let store = rusqlite::Connection::open(root.path("foreign.db")).unwrap();
        store.execute_batch("CREATE TABLE somebodys (x); PRAGMA user_version = 1").unwrap();
        drop(store);
        std::fs::read(root.path("foreign.db")).unwrap()
    };
    let newer = {
        let root = Root::new("newer");
        drop(rat::store::Store::open(&root.path("rat.db")).unwrap());
        let store = rusqlite::Connection::open(root.path("rat.db")).unwrap();
        store.execute_batch("PRAGMA user_version = 999; PRAGMA journal_mode = DELETE").unwrap();
        drop(store);
        std::fs::read(root.path("rat.db")).unwrap()
    };
    for (name, content) in [
        ("directory", None),
        ("garbage", Some(b"no database at all\n".repeat(1000))),
        ("foreign", Some(foreign)),
        ("newer", Some(newer)),
    ] {
        let root = Root::new(&format!("store-{name}"));
        match &content {
            None => drop(root.directory("var/lib/rat/rat.db")),
            Some(bytes) => drop(root.write("var/lib/rat/rat.db", bytes)),
        }
        let log = syslog(&root);
        root.crontab("@reboot exit 3\n@reboot exit 4\n@reboot exit 5\n");
        let mut ratd = Start::system(&root).ready();
        ratd.await_lines("exited with status", 3);
        let status = root.client(RAT, &["status"]).run();
        assert_eq!(status.status, Some(1), "{name}: {status:?}");
        assert!(status.stdout.contains("TROUBLE"), "{name}: {status:?}");
        let refused = root.client(AT, &["noon", "tomorrow"]).input("true").run();
        refused.fails(1, "nothing was queued");
        root.client(ATQ, &[]).run().fails(1, "cannot use its store");
        let said = ratd.stop();
        assert!(
            said.iter().any(|line| line.contains("store")),
            "{name}: it is in the log: {said:?}"
        );
        let ends = said.iter().filter(|line| line.contains("exited with status")).count();
        assert_eq!(ends, 3, "{name}: each end is told once: {said:?}");
        let mut classic = Vec::new();
        while classic.iter().all(|line: &String| !line.contains("Shutting down")) {
            classic.push(log.recv_timeout(DEADLINE).unwrap());
        }
        for command in ["exit 3", "exit 4", "exit 5"] {
            let is_it = |line: &&String| line.contains(&format!("({}) CMD ({command})", me()));
            assert_eq!(classic.iter().filter(is_it).count(), 1, "{name}: {classic:?}");
        }
        if let Some(bytes) = content {
            assert_eq!(std::fs::read(root.path("var/lib/rat/rat.db")).unwrap(), bytes);
        }

        let again = Start::system(&root).ready();
        assert_eq!(root.json(&["status"])["runs_started"], 0, "{name}: @reboot is once a boot");
        again.stop();
    }
}

#[test]
fn a_full_disk_stops_no_entry_and_is_said() {
    if !is_root() {
        return;
    }
    let root = Root::new("full");
    let state = root.directory("var/lib/rat");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=320k", "tmpfs"])
        .arg(&state)
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: cannot mount a small file system");
        return;
    }
    struct Mounted(std::path::PathBuf);
    impl Drop for Mounted {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("-l").arg(&self.0).output();
        }
    }
    let _mounted = Mounted(state.clone());
    let mut ratd = Start::system(&root).ready();
    root.client(AT, &["noon", "tomorrow"]).input("true").run().ok();
    let mut filler = File::create(state.join("filler")).unwrap();
    while filler.write(&[b'x'; 512]).is_ok_and(|length| length > 0) {}
    let script = "# a script that is larger than what is left\n".repeat(2000);
    let refused = root.client(AT, &["noon", "tomorrow"]).input(script.clone()).run();
    refused.fails(1, "nothing was queued");
    let status = root.client(RAT, &["status"]).run();
    assert!(status.status == Some(1) && status.stdout.contains("TROUBLE"), "{status:?}");
    assert_eq!(root.client(ATQ, &[]).run().ok().stdout.lines().count(), 1);
    drop(filler);
    std::fs::remove_file(state.join("filler")).unwrap();
    root.client(AT, &["now"]).input("exit 7").run().ok();
    ratd.await_line("exited with status 7");
    eventually("the row is there", || root.history().iter().any(|run| run["status"] == 7));
    root.client(RAT, &["status"]).run().ok();
    ratd.stop();
    Client::new(RATD).argument("--version").run().ok();
}
