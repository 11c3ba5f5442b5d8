//! rat-crontab: with a ratd, and for root without one.

use std::path::Path;
use std::thread;

use crate::bench::{CRONTAB, Client, OTHER, RAT, Root, Start, is_root, me};

fn crontab(root: &Root, arguments: &[&str]) -> Client {
    root.client(CRONTAB, arguments).variable("TMPDIR", root.directory("home"))
}

fn spool(root: &Root) -> String {
    root.shown(&format!("var/spool/cron/crontabs/{}", me()))
}

#[test]
fn what_is_installed_is_listed_byte_for_byte_and_runs() {
    let root = Root::new("install");
    let mut ratd = Start::system(&root).ready();
    crontab(&root, &["-l"]).run().fails(1, &format!("no crontab for {}", me()));
    crontab(&root, &["-r"]).run().fails(1, &format!("no crontab for {}", me()));
    for text in [
        "30 4 * * * true\n".as_bytes(),
        b"# only words\n",
        b"30 4 * * * echo \xff\xfe\r\n\r\n",
        "30 4 * * * echo \u{e9} % in % put".as_bytes(),
        b"\xef\xbb\xbfMAILTO=\"\"\n\n\n@daily true\n\n",
    ] {
        crontab(&root, &["-"]).input(text).run().ok();
        assert_eq!(crontab(&root, &["-l"]).run().ok().bytes, text);
        let file = root.write("file", text);
        crontab(&root, &["-"]).input("1 1 * * * true\n").run().ok();
        crontab(&root, &[file.to_str().unwrap()]).run().ok();
        assert_eq!(std::fs::read(spool(&root)).unwrap(), text);
        crontab(&root, &[]).input(text).run().ok();
    }
    crontab(&root, &["-"]).input("@daily true\n@hourly true\n").run().ok();
    assert_eq!(root.json(&["status"])["jobs"], 2, "it counts once it is installed");
    crontab(&root, &["-r"]).run().ok();
    assert_eq!(root.json(&["status"])["jobs"], 0);
    assert!(!Path::new(&spool(&root)).exists());
    ratd.await_line("is not used");
    ratd.stop();
}

#[test]
fn a_bad_crontab_is_refused_and_the_old_one_kept() {
    let root = Root::new("bad");
    let _ratd = Start::system(&root).ready();
    let good = "30 4 * * * true\n";
    crontab(&root, &["-"]).input(good).run().ok();
    for (bad, said) in [
        ("30 4 * * * true\n61 * * * * true\n", "-:2:1"),
        ("* * * * * * * seven fields\n", "-:1:"),
        ("CRON_TZ=No/Where\n30 4 * * * true\n", "No/Where"),
        ("0 4 * *\n", "-:1:"),
    ] {
        let refused = crontab(&root, &["-"]).input(bad).run();
        refused.fails(1, said).fails(1, "nothing is installed");
        crontab(&root, &["-T", "-"]).input(bad).run().fails(1, said);
        assert_eq!(crontab(&root, &["-l"]).run().ok().stdout, good);
    }
    crontab(&root, &["no-such-file"]).run().fails(1, "no-such-file");
    crontab(&root, &["-"]).run().fails(1, "--allow-empty");
    assert_eq!(crontab(&root, &["-l"]).run().ok().stdout, good);
    crontab(&root, &["--allow-empty", "-"]).run().ok();
    assert_eq!(crontab(&root, &["-l"]).run().ok().stdout, "");
}

#[test]
fn what_would_not_be_read_is_not_installed() {
    let root = Root::new("large");
    let ratd = Start::system(&root).ready();
    let line = "# a comment of sixty-four bytes in all, and a newline at its end\n";
    let larger = line.repeat((1 << 20) / line.len() + 1) + "30 4 * * * true\n";
    let installed = crontab(&root, &["-"]).input(larger.clone()).run();
    if me() == "root" {
        installed.ok();
        assert_eq!(crontab(&root, &["-l"]).run().ok().stdout, larger);
        assert_eq!(root.json(&["status"])["jobs"], 1);
        let other = crontab(&root, &["-u", OTHER, "-"]).input(larger).run();
        other.fails(1, "larger than 1048576 bytes");
    } else {
        installed.fails(1, "larger than 1048576 bytes");
        crontab(&root, &["-l"]).run().fails(1, "no crontab");
    }
    ratd.stop();
}

#[test]
fn a_crontab_is_edited_with_the_users_own_editor() {
    let root = Root::new("edit-e");
    let _ratd = Start::system(&root).ready();
    let edit = |editor: &str| crontab(&root, &["-e"]).variable("EDITOR", editor);
    let text = || crontab(&root, &["-l"]).run().stdout;
    let script = root.write("appends", "#!/bin/sh\necho \"$1 * * * * true\" >> \"$2\"\n");
    root.mode("appends", 0o755);
    let appends = script.to_str().unwrap();

    edit(&format!("{appends} 1")).run().ok();
    assert_eq!(text(), "1 * * * * true\n");
    edit(&format!("{appends} 2")).run().ok();
    assert_eq!(text(), "1 * * * * true\n2 * * * * true\n");
    edit("true").run().fails(0, "no changes made");
    edit("false").run().fails(1, "nothing is installed");
    edit("no-such-editor-anywhere").run().fails(1, "nothing is installed");
    edit("true").variable("VISUAL", "false").run().fails(1, "nothing is installed");

    let refused = edit(&format!("{appends} 61")).input("n\n").run();
    let left = refused.fails(1, "edits left in").stderr;
    let left = left.rsplit("edits left in ").next().unwrap().trim();
    assert!(std::fs::read_to_string(left).unwrap().ends_with("61 * * * * true\n"));
    assert_eq!(text(), "1 * * * * true\n2 * * * * true\n");
    std::fs::remove_dir_all(Path::new(left).parent().unwrap()).unwrap();

    root.write("mends", "#!/bin/sh\nif grep -q 61 \"$1\"; then sed -i s/61/5/ \"$1\"; else echo '61 * * * * true' >> \"$1\"; fi\n");
    root.mode("mends", 0o755);
    edit(&root.shown("mends")).input("y\n").run().fails(0, "retry");
    assert_eq!(text(), "1 * * * * true\n2 * * * * true\n5 * * * * true\n");
    assert_eq!(std::fs::read_dir(root.path("home")).unwrap().count(), 0, "no draft is left");
    crontab(&root, &["-r", "-i"]).input("n\n").run().ok();
    assert_ne!(text(), "");
    crontab(&root, &["-r", "-i"]).input("y\n").run().ok();
    assert_eq!(text(), "");
}

#[test]
fn other_users_crontabs_are_for_root() {
    if !is_root() {
        return;
    }
    let root = Root::new("users");
    let ratd = Start::system(&root).ready();
    crontab(&root, &["-u", OTHER, "-"]).input("@daily true\n").run().ok();
    let own = crontab(&root, &["-l"]).of_other().run().ok();
    assert_eq!(own.stdout, "@daily true\n");
    crontab(&root, &["-u", OTHER, "-l"]).of_other().run().ok();
    crontab(&root, &["-"]).input("@weekly true\n").of_other().run().ok();
    assert_eq!(crontab(&root, &["-u", OTHER, "-l"]).run().ok().stdout, "@weekly true\n");
    for arguments in [&["-u", "root", "-l"][..], &["-u", "root", "-r"], &["-u", "root", "-"]] {
        let refused = crontab(&root, arguments).input("@daily true\n").of_other().run();
        refused.fails(1, "must be privileged to use -u");
    }
    crontab(&root, &["-u", "nobody-of-this-name", "-l"]).run().fails(1, "no such user");
    crontab(&root, &["-u", "../../../etc/x", "-l"]).run().fails(1, "no such user");
    let listed = root.client(RAT, &["list"]).of_other().run().ok();
    assert!(listed.stdout.contains("1 jobs"), "{listed:?}");

    for (allow, deny, allowed) in [
        (None, None, true),
        (None, Some(""), true),
        (None, Some("nobody\n"), false),
        (None, Some("nobodys\n"), true),
        (Some(""), None, false),
        (Some("root\nnobody\n"), Some("nobody\n"), true),
        (Some("root\n"), Some(""), false),
    ] {
        for (name, text) in [("etc/cron.allow", allow), ("etc/cron.deny", deny)] {
            match text {
                Some(text) => drop(root.write(name, text)),
                None => drop(std::fs::remove_file(root.path(name))),
            }
        }
        let asked = crontab(&root, &["-l"]).of_other().run();
        if allowed {
            asked.ok();
        } else {
            asked.fails(1, "not allowed to use crontab");
            crontab(&root, &["-"]).input("").of_other().run().fails(1, "not allowed");
            crontab(&root, &["-r"]).of_other().run().fails(1, "not allowed");
        }
        crontab(&root, &["-u", OTHER, "-l"]).run().ok();
    }
    ratd.stop();
    crontab(&root, &["-l"]).of_other().run().fails(1, "no ratd is running");
}

#[test]
fn root_needs_no_ratd() {
    if !is_root() {
        return;
    }
    let root = Root::new("no-ratd");
    crontab(&root, &["-l"]).run().fails(1, "no crontab for root");
    crontab(&root, &["-"]).input("@daily true\n").run().ok();
    crontab(&root, &["-u", OTHER, "-"]).input("@weekly true\n").run().ok();
    assert_eq!(crontab(&root, &["-l"]).run().ok().stdout, "@daily true\n");
    let ratd = Start::system(&root).ready();
    assert_eq!(root.json(&["status"])["jobs"], 2);
    assert_eq!(root.json(&["status"])["problems"], serde_json::json!([]));
    ratd.stop();
    crontab(&root, &["-u", OTHER, "-r"]).run().ok();
    crontab(&root, &["-u", OTHER, "-l"]).run().fails(1, "no crontab for nobody");
}

/// Many install at once, and whoever reads meanwhile sees one of their crontabs whole.
fn installs_at_once(root: &Root) {
    let text = |number: usize| {
        format!("# {number}\n").repeat(2000) + &format!("{number} 4 * * * true\n").repeat(10)
    };
    thread::scope(|scope| {
        for number in 0..4 {
            scope.spawn(move || {
                for _ in 0..5 {
                    crontab(root, &["-"]).input(text(number)).run().ok();
                }
            });
        }
        scope.spawn(move || {
            for _ in 0..20 {
                let listed = crontab(root, &["-l"]).run();
                let is_whole = (0..4).any(|number| listed.stdout == text(number));
                assert!(is_whole || listed.stderr.contains("no crontab"), "torn");
                if let Ok(read) = std::fs::read_to_string(spool(root)) {
                    assert!((0..4).any(|number| read == text(number)), "torn");
                }
            }
        });
    });
    let names = std::fs::read_dir(Path::new(&spool(root)).parent().unwrap()).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".lock", &me()].map(std::ffi::OsString::from), "nothing is left behind");
}

#[test]
fn many_can_install_at_once_through_ratd() {
    let root = Root::new("at-once");
    let ratd = Start::system(&root).ready();
    installs_at_once(&root);
    assert_eq!(root.json(&["status"])["jobs"], 10);
    ratd.stop();
}

#[test]
fn many_can_install_at_once_without_ratd() {
    if is_root() {
        installs_at_once(&Root::new("at-once-root"));
    }
}
