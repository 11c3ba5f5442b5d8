//! What systemd hands to ratd and is told by it, without a systemd.

use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::bench::{DEADLINE, RAT, RATD, Root, Start, eventually, has_home};

/// What a service manager hears.
struct Manager(UnixDatagram);

impl Manager {
    fn new(root: &Root) -> Manager {
        let socket = UnixDatagram::bind(root.path("notify")).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Manager(socket)
    }

    fn hear(&self) -> String {
        let mut message = [0; 4096];
        let length = self.0.recv(&mut message).expect("ratd has more to say");
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    /// Waits for a message that begins so; there may be others before.
    fn await_message(&self, begins: &str) -> String {
        loop {
            let message = self.hear();
            if message.starts_with(begins) {
                return message;
            }
        }
    }
}

#[test]
fn it_is_told_of_start_reload_and_stop_and_jobs_see_nothing_of_it() {
    if !has_home() {
        return;
    }
    let root = Root::new("notify");
    root.crontab("@reboot env | grep -c -e NOTIFY -e WATCHDOG -e LISTEN\n@yearly true\n");
    let manager = Manager::new(&root);
    let start = Start::system(&root).variable("NOTIFY_SOCKET", root.path("notify"));
    let mut ratd = start.ready();
    assert_eq!(manager.hear(), "READY=1");
    assert!(manager.hear().starts_with("STATUS=2 jobs, "));
    ratd.signal(Signal::SIGHUP);
    assert!(manager.await_message("RELOADING=1\nMONOTONIC_USEC=").len() > 30);
    assert_eq!(manager.await_message("READY=1"), "READY=1");
    ratd.await_line("exited with status 1");
    assert_eq!(root.history()[0]["output"], "0\n");
    ratd.stop();
    manager.await_message("STOPPING=1");
}

#[test]
fn the_loop_feeds_a_watchdog_where_there_is_one() {
    let root = Root::new("watchdog");
    let manager = Manager::new(&root);
    let start = Start::system(&root).variable("NOTIFY_SOCKET", root.path("notify"));
    let ratd = start.variable("WATCHDOG_USEC", "20000").ready();
    for _ in 0..5 {
        manager.await_message("WATCHDOG=1");
    }
    ratd.stop();
}

#[test]
fn clients_that_came_before_ratd_are_answered_and_its_socket_outlives_it() {
    let root = Root::new("handed");
    root.directory("run/rat");
    let socket = root.path("run/rat/control.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let early = root.client(RAT, &["status"]).start();
    let mut ratd = Command::new("/bin/sh");
    ratd.args(["-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\" 3<&0 </dev/null", RATD, "-n"]);
    ratd.arg("--root").arg(&root.path).stdin(OwnedFd::from(listener)).stderr(Stdio::null());
    let mut ratd = ratd.spawn().unwrap();
    early.finish().ok();
    kill(Pid::from_raw(ratd.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert!(ratd.wait().unwrap().success());
    assert!(socket.exists());
    // Nobody holds its other end any more: the next ratd makes its own.
    let ratd = Start::system(&root).ready();
    eventually("it answers", || root.client(RAT, &["status"]).run().status == Some(0));
    ratd.stop();
}
