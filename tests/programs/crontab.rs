//! rat-crontab: with a ratd, and for root without one.

use std::path::Path;
use std::thread;

use crate::bench::{CRONTAB, Client, OTHER, RAT, Root, Start, is_root, me};

pub fn crontab(root: &Root, arguments: &[&str]) -> Client {
    root.client(CRONTAB, arguments).variable("TMPDIR", root.directory("home"))
}

pub fn spool(root: &Root) -> String {
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
        ("30 4 * * * true\n61 * * * * true\n", "\"-\":2: bad minute\n"),
        ("30 4 * * * true\n61 * * * * true\n", "-:2:1"),
        ("* * * * * * * seven fields\n", "-:1:"),
        ("CRON_TZ=No/Where\n30 4 * * * true\n", "No/Where"),
        ("0 4 * *\n", "-:1:"),
    ] {
        let refused = crontab(&root, &["-"]).input(bad).run();
        refused.fails(1, said).fails(1, "errors in crontab file, can't install.");
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
    edit("true").run().fails(0, "rat-crontab: no changes made to crontab\n");
    edit("false").run().fails(1, "rat-crontab: \"false\" exited with status 1\n");
    edit("no-such-editor").run().fails(1, "\"no-such-editor\" exited with status 127\n");
    edit("true").variable("VISUAL", "exit 3;").run().fails(1, "exited with status 3\n");
    edit("kill -9 $$;").run().fails(1, "killed; signal 9 (no core dumped)\n");
    assert_eq!(std::fs::read_dir(root.path("home")).unwrap().count(), 0, "no draft is left");

    let refused = edit(&format!("{appends} 61")).input("n\n").run();
    let left = refused.fails(1, "edits left in").stderr;
    let left = left.rsplit("edits left in ").next().unwrap().trim();
    assert!(std::fs::read_to_string(left).unwrap().ends_with("61 * * * * true\n"));
    assert_eq!(text(), "1 * * * * true\n2 * * * * true\n");
    std::fs::remove_dir_all(Path::new(left).parent().unwrap()).unwrap();

    root.write("mends", "#!/bin/sh\nif grep -q 61 \"$1\"; then sed -i s/61/5/ \"$1\"; else echo '61 * * * * true' >> \"$1\"; fi\n");
    root.mode("mends", 0o755);
    let mended = edit(&root.shown("mends")).input("what\ny\n").run();
    let mended = mended.fails(0, "bad minute").fails(0, "Enter Y or N\n");
    assert!(mended.stdout.contains("Do you want to retry the same edit? (y/n) "), "{mended:?}");
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
    crontab(&root, &["-u", "nobody-of-this-name", "-l"])
        .run()
        .fails(1, "user `nobody-of-this-name' unknown");
    crontab(&root, &["-u", "../../../etc/x", "-l"]).run().fails(1, "unknown");
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
            let said = format!(
                "You ({OTHER}) are not allowed to use this program (crontab)\n\
                 See crontab(1) for more information\n"
            );
            assert_eq!(asked.fails(1, "").stderr, said);
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
    assert_eq!(names, [std::ffi::OsString::from(me())], "nothing is left behind");
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

#[test]
fn options_are_combined_as_getopt_does() {
    let root = Root::new("options");
    let ratd = Start::system(&root).ready();
    let me = me();
    crontab(&root, &["-"]).input("@daily true\n").run().ok();
    for arguments in [
        &["-l"][..],
        &["-il"],
        &["-sl"],
        &["-lu", &me],
        &["-u", &me, "-l"],
        &["-l", "-u", &me],
        &[&format!("-u{me}"), "-l"],
        &["-l", "-l"],
    ] {
        let listed = crontab(&root, arguments).run().ok();
        assert_eq!((&*listed.stdout, &*listed.stderr), ("@daily true\n", ""), "{arguments:?}");
    }
    let usage = "rat-crontab: usage error: ";
    for (arguments, said) in [
        (&["-l", "-r"][..], "only one operation permitted\n"),
        (&["-er"], "only one operation permitted\n"),
        (&["-nr"], "only one operation permitted\n"),
        (&["-l", "file"], "no arguments permitted after this option\n"),
        (&["-r", "file"], "no arguments permitted after this option\n"),
        (&["-x"], "unrecognized option\n"),
        (&["--no-such"], "unrecognized option\n"),
        (&["-u"], "a value is required"),
        (&["one", "two"], ""),
        (&["--dialect", "debian", "-l"], "a dialect is for checking"),
        (&["--undo", "x"], "invalid value"),
    ] {
        let refused = crontab(&root, arguments).run().fails(1, &format!("{usage}{said}"));
        assert!(refused.stderr.contains("Usage: rat-crontab"), "{refused:?}");
    }
    crontab(&root, &["-c"]).run().fails(1, "no host was chosen");
    crontab(&root, &["-n", "web1"]).run().fails(1, "no host of a cluster can be set");
    let version = crontab(&root, &["-V"]).run().ok().stdout;
    assert_eq!(version, format!("rat-crontab {}\n", env!("CARGO_PKG_VERSION")));
    let removed = crontab(&root, &["-ir"]).input("y\n").run().ok();
    assert_eq!(removed.stdout, format!("crontab: really delete {me}'s crontab? (y/n) "));
    for nobody in ["", "what\n", "n\n", "\n"] {
        crontab(&root, &["-"]).input("@daily true\n").run().ok();
        crontab(&root, &["-r", "-i"]).input(nobody).run().ok();
        crontab(&root, &["-l"]).run().ok();
    }
    crontab(&root, &["-r", "-i", "-y"]).run().ok();
    crontab(&root, &["-l"]).run().fails(1, "no crontab");
    ratd.stop();
}

#[test]
fn a_check_ends_in_the_words_of_the_cron_that_was_asked_for() {
    let root = Root::new("check");
    let good = root.write("good", "30 4 * * * true\n");
    let bad = root.write("bad", "30 4 * * * true\n30 25 * * * true\n");
    let cut = root.write("cut", "30 4 * * * true");
    let checked = "The syntax of the crontab file was successfully checked.\n";
    let no_issues = "No syntax issues were found in the crontab file.\n";
    let issues = "Invalid crontab file. Syntax issues were found.\n";
    let errors = "errors in crontab file, can't install.\n";
    let newline = "new crontab file is missing newline before EOF, can't install.\n";
    for (options, file, status, last) in [
        (&["-n"][..], &good, 0, checked),
        (&["-n"], &bad, 1, errors),
        (&["-T"], &good, 0, no_issues),
        (&["-T"], &bad, 1, issues),
        (&["-T", "--dialect", "debian"], &good, 0, checked),
        (&["-T", "--dialect", "debian"], &bad, 1, errors),
        (&["-n", "--dialect", "debian"], &cut, 1, newline),
        (&["-n", "--dialect", "cronie"], &cut, 1, issues),
        (&["-n", "--dialect", "cronie"], &good, 0, no_issues),
        (&["-n"], &cut, 0, checked),
    ] {
        let checked = crontab(&root, options).argument(file.to_str().unwrap()).run();
        assert_eq!(checked.status, Some(status), "{options:?} {checked:?}");
        assert!(checked.stderr.ends_with(last), "{options:?} {checked:?}");
        assert_eq!(checked.stdout, "");
        let by_class = format!("\"{}\":2: bad hour\n", bad.display());
        assert_eq!(checked.stderr.contains(&by_class), *file == bad, "{checked:?}");
    }
    crontab(&root, &["-T"]).input("x\n").run().fails(1, "\"-\":1: bad minute\n");
    crontab(&root, &["good", "-n"]).directory(&root.path).run().ok();
}

#[test]
fn it_answers_to_the_name_it_was_called_by() {
    let root = Root::new("called");
    let ratd = Start::system(&root).ready();
    let called = root.path("crontab");
    std::os::unix::fs::symlink(CRONTAB, &called).unwrap();
    let called = |arguments: &[&str]| {
        let client = root.client(called.to_str().unwrap(), arguments);
        client.variable("TMPDIR", root.directory("home")).variable("EDITOR", "true")
    };
    called(&["-e"]).run().fails(0, "crontab: no changes made to crontab\n");
    let usage = called(&["-q"]).run().fails(1, "crontab: usage error: unrecognized option\n");
    assert!(usage.stderr.contains("\nUsage: crontab "), "{usage:?}");
    assert!(called(&["-V"]).run().ok().stdout.starts_with("crontab "));
    let edited = called(&["-e"]).variable("EDITOR", "echo '@daily true' >").run().ok();
    assert!(edited.stderr.ends_with("crontab: installing new crontab\n"), "{edited:?}");
    ratd.stop();
}

#[test]
fn an_empty_standard_input_is_refused_and_an_empty_file_is_meant() {
    let root = Root::new("empty");
    let ratd = Start::system(&root).ready();
    crontab(&root, &["-"]).run().ok();
    assert_eq!(crontab(&root, &["-l"]).run().ok().stdout, "");
    crontab(&root, &["-"]).input("@daily true\n").run().ok();
    crontab(&root, &[]).run().fails(1, "--allow-empty");
    crontab(&root, &["-"]).run().fails(1, "--allow-empty");
    assert_eq!(crontab(&root, &["-l"]).run().ok().stdout, "@daily true\n");
    crontab(&root, &["/dev/null"]).run().ok();
    assert_eq!(crontab(&root, &["-l"]).run().ok().stdout, "");
    ratd.stop();
}

#[test]
fn what_an_older_cron_put_in_front_is_not_listed() {
    let root = Root::new("header");
    let header = "# DO NOT EDIT THIS FILE - edit the master and reinstall.\n\
        # (/tmp/crontab.aBcDeF/crontab installed on Thu Nov 26 10:50:51 2026)\n\
        # (Cron version -- $Id: crontab.c,v 2.13 1994/01/17 03:20:37 vixie Exp $)\n";
    root.crontab(&format!("{header}@daily true\n"));
    let ratd = Start::system(&root).ready();
    let listed = || crontab(&root, &["-l"]).run().ok().stdout;
    assert_eq!(listed(), "@daily true\n");
    for text in ["@daily true\n", &format!("{header}@daily true\n"), &header.repeat(3)] {
        crontab(&root, &["-"]).input(text).run().ok();
        assert_eq!(listed(), text);
        crontab(&root, &["-"]).input(listed()).run().ok();
        assert_eq!(listed(), text);
    }
    ratd.stop();
}

#[test]
fn the_log_says_who_did_what_to_whose_crontab() {
    let root = Root::new("crontab-log");
    root.directory("dev");
    let socket = std::os::unix::net::UnixDatagram::bind(root.path("dev/log")).unwrap();
    socket.set_read_timeout(Some(crate::bench::DEADLINE)).unwrap();
    let heard = || {
        let mut line = [0; 2048];
        loop {
            let length = socket.recv(&mut line).unwrap();
            let line = String::from_utf8_lossy(&line[..length]).into_owned();
            let Some((ident, said)) = line.split_once("]: ") else { continue };
            if ident.contains(">crontab[") {
                return said.to_owned();
            }
        }
    };
    let me = me();
    let all = |root: &Root| {
        crontab(root, &["-l"]).run();
        assert_eq!(heard(), format!("({me}) LIST ({me})"));
        crontab(root, &["-"]).input("@daily true\n").run().ok();
        assert_eq!(heard(), format!("({me}) REPLACE ({me})"));
        let editor = "echo '@hourly true' >";
        crontab(root, &["-e"]).variable("EDITOR", editor).run().ok();
        for event in ["BEGIN EDIT", "REPLACE", "END EDIT"] {
            assert_eq!(heard(), format!("({me}) {event} ({me})"));
        }
        crontab(root, &["-r"]).run().ok();
        assert_eq!(heard(), format!("({me}) DELETE ({me})"));
        crontab(root, &["--undo"]).run().ok();
        assert_eq!(heard(), format!("({me}) REPLACE ({me})"));
    };
    let ratd = Start::system(&root).ready();
    all(&root);
    if is_root() {
        root.write("etc/cron.deny", format!("{OTHER}\n"));
        crontab(&root, &["-l"]).of_other().run().fails(1, "not allowed");
        assert_eq!(heard(), format!("({OTHER}) AUTH (crontab command not allowed)"));
        crontab(&root, &["-u", OTHER, "-"]).input("@daily true\n").run().ok();
        assert_eq!(heard(), format!("({me}) REPLACE ({OTHER})"));
    }
    ratd.stop();
    if is_root() {
        all(&root);
    }
}

#[test]
fn names_in_allow_and_deny_files_are_whole_lines() {
    if !is_root() {
        return;
    }
    let root = Root::new("names");
    let ratd = Start::system(&root).ready();
    let is_allowed = || {
        let listed = crontab(&root, &["-l"]).of_other().run();
        assert!(
            listed.stderr.contains("no crontab") || listed.stderr.contains("not"),
            "{listed:?}"
        );
        listed.stderr.contains("no crontab")
    };
    for (text, listed) in [
        (&b"nobody"[..], true),
        (b"root\nnobody", true),
        (b"nobody\n", true),
        (b"\xff\xfe\nnobody\n", true),
        (b" nobody\n", false),
        (b"nobody \n", false),
        (b"nobody\r\n", false),
        (b"Nobody\n", false),
        (b"nobody2\nnobod\n", false),
        (b"#nobody\n", false),
    ] {
        root.write("etc/cron.allow", text);
        assert_eq!(is_allowed(), listed, "allow {text:?}");
        std::fs::remove_file(root.path("etc/cron.allow")).unwrap();
        root.write("etc/cron.deny", text);
        assert_eq!(is_allowed(), !listed, "deny {text:?}");
        std::fs::remove_file(root.path("etc/cron.deny")).unwrap();
    }
    // Root reads files of any mode; what nobody can read is a directory, and a FIFO must hold nobody up.
    root.directory("etc/cron.allow");
    crontab(&root, &["-l"]).of_other().run().fails(1, "cron.allow cannot be read");
    std::fs::remove_dir(root.path("etc/cron.allow")).unwrap();
    let fifo = root.fifo("etc/cron.deny");
    crontab(&root, &["-l"]).of_other().run().fails(1, "cron.deny cannot be read");
    crontab(&root, &["-l"]).run().fails(1, "no crontab for root");
    drop(fifo);
    ratd.stop();
}

#[test]
fn an_editor_can_hide_nothing_and_a_script_is_never_asked_for_ever() {
    let root = Root::new("editors");
    let ratd = Start::system(&root).ready();
    let edit = |editor: &str| crontab(&root, &["-e"]).variable("EDITOR", editor);
    let replaces = "f() { echo '@daily true' >\"$1.new\" && mv \"$1.new\" \"$1\"; }; f";
    edit(replaces).run().ok();
    assert_eq!(crontab(&root, &["-l"]).run().ok().stdout, "@daily true\n");

    let modes = "f() { stat -c %a \"$1\" \"$(dirname \"$1\")\" >&2; }; f";
    edit(modes).run().fails(0, "600\n700\n");
    root.write("secret", "@hourly true\n");
    let links = format!("f() {{ ln -sf {} \"$1\"; }}; f", root.shown("secret"));
    edit(&links).run().fails(1, "the temporary crontab must remain a regular file");
    edit("f() { rm \"$1\"; mkfifo \"$1\"; }; f").run().fails(1, "must remain a regular file");
    edit("rm").run().fails(1, "No such file");
    assert_eq!(crontab(&root, &["-l"]).run().ok().stdout, "@daily true\n");

    let refused = edit("echo x >").run().fails(1, "rat-crontab: edits left in ");
    assert_eq!(refused.stdout.matches("retry").count(), 1, "{refused:?}");
    edit("echo y; exit 1 #").run().fails(1, "exited with status 1");
    assert_eq!(crontab(&root, &["-l"]).run().ok().stdout, "@daily true\n");
    let ends = "f() { echo '@weekly true' >\"$1\"; exec >/dev/null 2>&1; kill -TERM $PPID; \
        while kill -0 $PPID; do :; done; }; f";
    let ended = edit(ends).run().fails(1, "rat-crontab: terminated\nrat-crontab: edits left in ");
    let left = ended.stderr.rsplit("left in ").next().unwrap().trim();
    assert_eq!(std::fs::read_to_string(left).unwrap(), "@weekly true\n");
    assert_eq!(crontab(&root, &["-l"]).run().ok().stdout, "@daily true\n");
    edit("kill -INT $PPID; kill -QUIT $PPID; kill -HUP $PPID; echo '@weekly true' >").run().ok();
    assert_eq!(crontab(&root, &["-l"]).run().ok().stdout, "@weekly true\n");
    edit("true").variable("TMPDIR", "/nonexistent").run().fails(1, "cannot make a file to edit");
    ratd.stop();
}
