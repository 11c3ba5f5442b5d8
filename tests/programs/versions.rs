//! What a crontab was: kept before each change, listed, brought back; for nobody but its owner and root.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use crate::bench::{OTHER, Root, Start, is_root, me};
use crate::crontab::{crontab, spool};

/// What `--history` lists, without times.
fn history(root: &Root, arguments: &[&str]) -> String {
    let listed = crontab(root, &[&["--history"], arguments].concat()).run().ok().stdout;
    let row = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        format!("{} {}", words[0], words[4..].join(" "))
    };
    listed.lines().skip(1).map(row).collect::<Vec<_>>().join(" | ")
}

fn changes_are_kept_and_undone(root: &Root) {
    let text = || crontab(root, &["-l"]).run().stdout;
    let install = |text: &str| crontab(root, &["-"]).input(text).run().ok();
    crontab(root, &["--history"]).run().fails(1, "no earlier crontab");
    crontab(root, &["--undo"]).run().fails(1, "no earlier crontab");
    install("@daily a\n");
    install("@daily a\n");
    assert_eq!(history(root, &[]), "1 none +1");
    install("@daily a\n@daily b\n");
    install("@hourly a\n@daily c\n# words\n");
    assert_eq!(history(root, &[]), "3 18 ~2 | 2 9 +1 | 1 none +1");

    crontab(root, &["--undo"]).run().fails(0, "version 3 is back");
    assert_eq!(text(), "@daily a\n@daily b\n");
    crontab(root, &["--undo"]).run().fails(0, "version 4 is back");
    assert_eq!(text(), "@hourly a\n@daily c\n# words\n", "an undo can be undone");
    crontab(root, &["--undo", "2"]).run().ok();
    assert_eq!(text(), "@daily a\n");

    crontab(root, &["-r"]).run().ok();
    crontab(root, &["--undo"]).run().ok();
    assert_eq!(text(), "@daily a\n", "a removal can be undone");
    crontab(root, &["--undo", "1"]).run().fails(0, "there is no crontab");
    crontab(root, &["-l"]).run().fails(1, "no crontab for");
    crontab(root, &["--undo", "99"]).run().fails(1, "no version 99 of the crontab");

    for number in 0..25 {
        install(&format!("{number} 4 * * * true\n"));
    }
    assert_eq!(history(root, &[]).split(" | ").count(), 20);
}

#[test]
fn what_a_crontab_was_is_kept_through_ratd() {
    let root = Root::new("versions");
    let ratd = Start::system(&root).ready();
    changes_are_kept_and_undone(&root);
    crontab(&root, &["--undo"]).run().ok();
    assert_eq!(root.json(&["status"])["jobs"], 1, "it counts once it is back");
    ratd.stop();
}

#[test]
fn what_a_crontab_was_is_kept_without_ratd() {
    if is_root() {
        changes_are_kept_and_undone(&Root::new("versions-root"));
    }
}

#[test]
fn versions_are_their_owners_and_roots() {
    if !is_root() {
        return;
    }
    let root = Root::new("versions-whose");
    let ratd = Start::system(&root).ready();
    for text in ["@daily secret\n", "@daily new\n"] {
        crontab(&root, &["-"]).input(text).of_other().run().ok();
    }
    assert_eq!(history(&root, &["-u", OTHER]), "2 14 ~1 | 1 none +1");
    crontab(&root, &["--history"]).run().fails(1, "no earlier crontab of root");
    let refused = crontab(&root, &["--history", "-u", "root"]).of_other().run();
    refused.fails(1, "must be privileged to use -u");
    let kept = root.path(&format!("var/lib/rat/crontabs/{OTHER}"));
    assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o7777, 0o700);
    for entry in std::fs::read_dir(&kept).unwrap() {
        let about = entry.unwrap().metadata().unwrap();
        assert_eq!((about.mode() & 0o7777, about.nlink()), (0o600, 1));
    }
    // The name was given to somebody else: what an earlier owner wrote is not theirs.
    for entry in std::fs::read_dir(&kept).unwrap() {
        chown(entry.unwrap().path(), Some(12345), None).unwrap();
    }
    crontab(&root, &["--history"]).of_other().run().fails(1, "no earlier crontab");
    crontab(&root, &["--undo"]).of_other().run().fails(1, "no earlier crontab");

    root.write("etc/cron.deny", format!("{OTHER}\n"));
    for verb in ["--history", "--undo"] {
        crontab(&root, &[verb]).of_other().run().fails(1, "not allowed to use this program");
    }
    ratd.stop();
}

#[test]
fn what_is_not_the_users_own_is_not_kept_as_theirs() {
    if !is_root() {
        return;
    }
    let root = Root::new("versions-planted");
    let ratd = Start::system(&root).ready();
    let secret = root.write("secret", "@daily secret\n");
    root.mode("secret", 0o600);
    let place = root.directory("var/spool/cron/crontabs").join(OTHER);
    for plant in [0, 1] {
        match plant {
            0 => std::fs::hard_link(&secret, &place).unwrap(),
            _ => std::os::unix::fs::symlink(&secret, &place).unwrap(),
        }
        let listed = crontab(&root, &["-l"]).of_other().run();
        assert!(listed.status == Some(1) && !listed.stdout.contains("secret"), "{listed:?}");
        crontab(&root, &["-"]).input("@daily mine\n").of_other().run().ok();
        crontab(&root, &["--undo"]).of_other().run();
        let listed = crontab(&root, &["-l"]).of_other().run();
        assert!(!listed.stdout.contains("secret"), "{listed:?}");
        let _ = std::fs::remove_file(&place);
    }
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "@daily secret\n");
    ratd.stop();
}

#[test]
fn a_change_that_cannot_be_kept_is_not_made() {
    let root = Root::new("versions-stuck");
    let ratd = Start::system(&root).ready();
    crontab(&root, &["-"]).input("@daily a\n").run().ok();
    let kept = root.path("var/lib/rat/crontabs");
    std::fs::rename(&kept, root.path("elsewhere")).unwrap();
    root.write("var/lib/rat/crontabs", "in the way");
    crontab(&root, &["-"]).input("@daily b\n").run().fails(1, "nothing is changed");
    crontab(&root, &["-r"]).run().fails(1, "nothing is changed");
    assert_eq!(crontab(&root, &["-l"]).run().ok().stdout, "@daily a\n");
    std::fs::remove_file(&kept).unwrap();
    root.directory("var/lib/rat/crontabs");
    root.mode("var/lib/rat/crontabs", 0o777);
    crontab(&root, &["-r"]).run().fails(1, "others could write");
    assert!(std::path::Path::new(&spool(&root)).exists(), "{}'s crontab stays", me());
    ratd.stop();
}
