//! Entries that wait for mains power.

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, sendto, socket,
};
use std::os::fd::AsRawFd;

use crate::bench::{Ratd, Root, Start, is_root, shim};

/// A machine with one supply from outside and one battery.
fn plug(root: &Root, online: bool) {
    let supplies = "sys/class/power_supply";
    let (online, status) = if online { ("1\n", "Charging\n") } else { ("0\n", "Discharging\n") };
    root.write(&format!("{supplies}/BAT0/type"), "Battery\n");
    root.write(&format!("{supplies}/BAT0/status"), status);
    root.write(&format!("{supplies}/AC/type"), "Mains\n");
    root.write(&format!("{supplies}/AC/online"), online);
}

/// From 10:00:30 to 10:03:30 on battery, with an entry each minute that needs mains power and one that does not.
fn on_battery(root: &Root) -> Option<Ratd> {
    let library = shim(root, "clock.c")?;
    let runs = root.shown("home/runs");
    root.crontab(&format!(
        "#rat: ac-only=yes\n* * * * * echo $RAT_RUN_SCHEDULED >> {runs}; echo done\n0 0 1 1 * true\n"
    ));
    plug(root, false);
    let mut ratd = Start::system(root)
        .variable("LD_PRELOAD", library)
        .variable("RAT_SIM_FROM", "2119600830")
        .variable("RAT_SIM_UNTIL", "2119601010")
        .variable("RAT_SIM_QUIET", "30")
        .ready();
    ratd.await_line("sim: the end");
    let said = ratd.said.join("\n");
    assert!(said.contains("1 runs missed since Mon 2037-03-02 10:01:00"), "{said}");
    assert!(!said.contains("started"), "{said}");
    Some(ratd)
}

fn check(root: &Root, mut ratd: Ratd) {
    ratd.await_line("exited with status 0");
    assert_eq!(root.read("home/runs"), "2037-03-02T10:03:00Z\n");
    ratd.stop();
}

#[test]
fn the_latest_that_waits_for_mains_starts_when_ratd_next_looks() {
    let root = Root::new("mains-looks");
    let Some(ratd) = on_battery(&root) else { return };
    plug(&root, true);
    root.json(&["status"]);
    check(&root, ratd);
}

#[test]
fn what_waits_for_mains_starts_when_the_kernel_tells_of_it() {
    if !is_root() {
        return;
    }
    let root = Root::new("mains-tells");
    let Some(ratd) = on_battery(&root) else { return };
    plug(&root, true);
    let protocol = SockProtocol::NetlinkKObjectUEvent;
    let flags = SockFlag::SOCK_CLOEXEC;
    let kernel = socket(AddressFamily::Netlink, SockType::Datagram, flags, protocol).unwrap();
    let event =
        b"change@/devices/AC\0ACTION=change\0SUBSYSTEM=power_supply\0POWER_SUPPLY_ONLINE=1\0";
    let heard = sendto(kernel.as_raw_fd(), event, &NetlinkAddr::new(0, 1), MsgFlags::empty());
    if let Err(error) = heard {
        eprintln!("skipped: cannot speak for the kernel: {error}");
        ratd.stop();
        return;
    }
    check(&root, ratd);
}

#[test]
fn a_period_job_waits_for_mains_as_long_as_it_takes() {
    if !is_root() {
        return;
    }
    let root = Root::new("mains-period");
    let Some(library) = shim(&root, "clock.c") else { return };
    root.write(
        "etc/anacrontab",
        "#rat: ac-only=yes\n1 0 daily echo $RAT_RUN_TRIGGER\n\n#rat: enabled=no\n1 0 off echo off\n",
    );
    plug(&root, false);
    let mut ratd = Start::system(&root)
        .variable("LD_PRELOAD", library)
        .variable("RAT_SIM_FROM", "2119600830")
        // Three days on battery.
        .variable("RAT_SIM_UNTIL", "2119860030")
        .variable("RAT_SIM_QUIET", "30")
        .ready();
    ratd.await_line("sim: the end");
    assert!(!ratd.said.join("\n").contains("started"), "{:?}", ratd.said);
    plug(&root, true);
    root.json(&["status"]);
    ratd.await_line("exited with status 0");
    assert_eq!(root.history_of("daily").len(), 1);
    assert!(root.history_of("off").is_empty());
    ratd.stop();
}
