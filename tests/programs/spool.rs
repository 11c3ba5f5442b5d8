//! The spool: which files count, whose they are, and what is said of the others.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::bench::{OTHER, RATD, Root, Start, eventually, is_root, me};
use crate::crontab::{crontab, spool};

/// What `rat status` says is wrong.
fn problems(root: &Root) -> String {
    let status = root.json(&["status"]);
    let problems = status["problems"].as_array().unwrap().iter();
    problems.map(|problem| problem.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_name_that_is_passed_over_is_told_once_and_listed() {
    let root = Root::new("skipped");
    for name in [".placeholder", "old.dpkg-old", "mine~", "#mine#", "a.swp"] {
        root.write(&format!("etc/cron.d/{name}"), "@reboot root echo never\n");
    }
    let mut ratd = Start::system(&root).ready();
    for name in [".placeholder", "old.dpkg-old", "mine~", "#mine#", "a.swp"] {
        let said = format!("etc/cron.d/{name}: not read, by its name it is no crontab");
        assert!(problems(&root).contains(&said), "{name}: {}", problems(&root));
        assert_eq!(ratd.said.iter().filter(|line| line.contains(&said)).count(), 1, "{name}");
    }
    std::fs::remove_file(root.path("etc/cron.d/mine~")).unwrap();
    eventually("what is gone is not listed", || !problems(&root).contains("mine~"));
    root.write("etc/cron.d/new.bak", "");
    ratd.await_line("new.bak: not read");
    assert_eq!(root.json(&["status"])["jobs"], 0);
    ratd.stop();
}

#[test]
fn a_user_has_one_crontab() {
    let root = Root::new("twice");
    let first = root.crontab("@daily first\n@daily first\n");
    let relative = format!("var/spool/cron/{}", me());
    let second = root.write(&relative, "@daily second\n");
    root.mode(&relative, 0o600);
    let ratd = Start::system(&root).ready();
    let said = format!("{}: {} has a crontab already: {}", second.display(), me(), first.display());
    assert_eq!(problems(&root), said);
    assert_eq!(root.json(&["status"])["jobs"], 2);
    std::fs::remove_file(first).unwrap();
    eventually("the other one counts", || root.json(&["status"])["jobs"] == 1);
    assert_eq!(problems(&root), "");
    // It is listed and changed where it is.
    assert_eq!(crontab(&root, &["-l"]).run().ok().stdout, "@daily second\n");
    crontab(&root, &["-"]).input("@daily third\n").run().ok();
    assert_eq!(std::fs::read_to_string(&second).unwrap(), "@daily third\n");
    assert!(!Path::new(&spool(&root)).exists());
    ratd.stop();
}

#[test]
fn a_spool_that_is_a_link_to_another_is_one_spool() {
    let root = Root::new("alpine");
    root.write(&format!("etc/crontabs/{}", me()), "@daily true\n");
    root.mode(&format!("etc/crontabs/{}", me()), 0o600);
    root.directory("var/spool/cron");
    symlink("../../../etc/crontabs", root.path("var/spool/cron/crontabs")).unwrap();
    let ratd = Start::system(&root).ready();
    assert_eq!(problems(&root), "");
    assert_eq!(root.json(&["status"])["jobs"], 1);
    crontab(&root, &["-"]).input("@daily true\n@hourly true\n").run().ok();
    assert_eq!(root.json(&["status"])["jobs"], 2);
    ratd.stop();
}

#[test]
fn a_spool_that_is_made_anew_is_noticed() {
    let root = Root::new("anew");
    let ratd = Start::system(&root).ready();
    let directory = root.path("var/spool/cron/crontabs");
    for round in 1..3 {
        crontab(&root, &["-"]).input("@daily true\n").run().ok();
        assert_eq!(root.json(&["status"])["jobs"], 1, "round {round}");
        std::fs::remove_dir_all(&directory).unwrap();
        eventually("it is seen to be gone", || root.json(&["status"])["jobs"] == 0);
        crontab(&root, &["-l"]).run().fails(1, "no crontab for");
        root.crontab("@daily true\n@daily false\n");
        eventually("it is seen again", || root.json(&["status"])["jobs"] == 2);
    }
    ratd.stop();
}

#[test]
fn a_link_is_followed_where_nobody_else_can_bend_the_way() {
    let root = Root::new("way");
    root.directory("etc/cron.d");
    root.directory("opt/package");
    let target = root.write("opt/package/tab", "@daily root true\n");
    symlink(&target, root.path("etc/cron.d/package")).unwrap();
    let ratd = Start::system(&root).ready();
    assert_eq!(
        (root.json(&["status"])["jobs"].clone(), problems(&root)),
        (1.into(), String::new())
    );
    root.mode("opt", 0o777);
    root.write("opt/package/tab", "@daily root true\n@daily root false\n");
    eventually("the way is looked at", || problems(&root).contains("has mode 0777"));
    let said = problems(&root);
    assert!(said.contains(&format!("mend it with: chmod go-w '{}'", root.shown("opt"))), "{said}");
    assert_eq!(root.json(&["status"])["jobs"], 0);
    root.mode("opt", 0o755);
    root.client(crate::bench::RAT, &["status"]).run().ok();
    root.write("etc/cron.d/other", "");
    eventually("it is looked at again", || root.json(&["status"])["jobs"] == 2);
    ratd.stop();
}

#[test]
fn what_others_can_read_is_used_and_said() {
    let root = Root::new("readable");
    root.crontab("@daily true\n");
    root.mode(&format!("var/spool/cron/crontabs/{}", me()), 0o644);
    let ratd = Start::system(&root).ready();
    assert_eq!(root.json(&["status"])["jobs"], 1);
    let said = problems(&root);
    assert!(said.contains("mode 0644 lets others read it; mend it with: chmod go-r '"), "{said}");
    ratd.stop();
}

#[test]
fn what_is_planted_in_the_spool_holds_nobody_up() {
    let root = Root::new("planted");
    let ratd = Start::system(&root).ready();
    let place = spool(&root);
    let victim = root.write("victim", "precious\n");
    root.directory("var/spool/cron/crontabs");
    for plant in [format!("{place}.x"), place.replace(&me(), &format!(".tmp.{}", me()))] {
        symlink(&victim, &plant).unwrap();
        crontab(&root, &["-"]).input("@daily true\n").run().ok();
        let _ = std::fs::remove_file(&plant);
    }
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious\n");
    std::fs::remove_file(&place).unwrap();
    drop(root.fifo(&format!("var/spool/cron/crontabs/{}", me())));
    crontab(&root, &["-l"]).run().fails(1, "not a regular file");
    let lock = root.fifo("var/spool/cron/crontabs/.lock");
    crontab(&root, &["-"]).input("@daily true\n").run().ok();
    assert_eq!(crontab(&root, &["-l"]).run().ok().stdout, "@daily true\n");
    drop(lock);
    crontab(&root, &["-"]).input(b"@daily a\0b\n").run().fails(1, "\"-\":1: bad command");
    crontab(&root, &["/dev/zero"]).run().fails(1, "larger than any crontab");
    crontab(&root, &[&root.shown("etc")]).run().fails(1, "rat-crontab: ");
    ratd.stop();
}

#[test]
fn a_crontab_may_come_through_a_pipe_with_a_name() {
    let root = Root::new("piped");
    let ratd = Start::system(&root).ready();
    let fifo = root.fifo("pipe");
    let started = crontab(&root, &[&root.shown("pipe")]).start();
    std::fs::write(root.path("pipe"), "@daily true\n").unwrap();
    started.finish().ok();
    drop(fifo);
    assert_eq!(crontab(&root, &["-l"]).run().ok().stdout, "@daily true\n");
    if is_root() {
        crontab(&root, &["-u", OTHER, "-l"]).run().fails(1, &format!("no crontab for {OTHER}"));
    }
    ratd.stop();
}

#[test]
fn a_crontab_whose_user_comes_later_is_read_then() {
    let mounts = || Command::new("unshare").args(["-m", "true"]).status();
    if !is_root() || !mounts().is_ok_and(|status| status.success()) {
        eprintln!("skipped: cannot have an /etc of its own");
        return;
    }
    let root = Root::new("later");
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    root.write("own-etc/passwd", &passwd);
    root.write("var/spool/cron/crontabs/comes-later", "@daily true\n");
    root.mode("var/spool/cron/crontabs/comes-later", 0o600);
    root.write("etc/cron.d/package", "@daily comes-later true\n@daily root true\n");
    let script = "mount --bind \"$1\" /etc && exec \"$2\" -n --root \"$3\"";
    let mut ratd = Start::program(&root, "unshare")
        .arguments(["-m", "sh", "-c", script, "sh"])
        .arguments([root.shown("own-etc"), RATD.to_owned(), root.shown("")])
        .ready();
    let orphan = "ORPHAN (no passwd entry for comes-later)";
    let unknown = "package:1:1: there is no user comes-later";
    for said in [orphan, unknown] {
        assert!(problems(&root).contains(said), "{}", problems(&root));
    }
    assert_eq!(root.json(&["status"])["jobs"], 2, "its entry is there already");
    root.write("own-etc/new", passwd.clone() + "comes-later:x:4242:4242::/:/bin/sh\n");
    std::fs::rename(root.path("own-etc/new"), root.path("own-etc/passwd")).unwrap();
    eventually("its user is known", || root.json(&["status"])["jobs"] == 3);
    assert_eq!(problems(&root), "");
    ratd.signal(nix::sys::signal::Signal::SIGTERM);
    ratd.await_end();
    for said in [orphan, unknown] {
        assert_eq!(ratd.said.iter().filter(|line| line.contains(said)).count(), 1, "{said}");
    }
}
