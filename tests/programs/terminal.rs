//! rat-crontab at a terminal: it asks, shows what is hidden, and tells what a change means.

use crate::bench::{Root, Start, me};
use crate::crontab::crontab;

#[test]
fn a_removal_is_asked_for_once_and_can_be_undone() {
    let root = Root::new("tty-remove");
    let ratd = Start::system(&root).ready();
    let install = || crontab(&root, &["-"]).input("@daily true\n").run().ok();
    let is_there = || crontab(&root, &["-l"]).run().status == Some(0);
    let question = format!("crontab: really delete {}'s crontab? (y/n) ", me());
    install();
    for (typed, removed) in [("n\n", false), ("\n", false), ("\x04", false), ("y\n", true)] {
        let (status, shown) = crontab(&root, &["-r"]).on_terminal(typed);
        assert_eq!((status, is_there()), (Some(0), !removed), "{typed:?} {shown}");
        assert_eq!(shown.matches(&question).count(), 1, "{shown}");
        assert_eq!(shown.contains("`rat-crontab --undo` brings it back"), removed, "{shown}");
    }
    let (status, shown) = crontab(&root, &["--undo"]).on_terminal("");
    assert_eq!((status, is_there()), (Some(0), true), "{shown}");
    assert!(shown.contains("+ 1 new"), "{shown}");
    let (status, shown) = crontab(&root, &["-ry"]).on_terminal("");
    assert!(status == Some(0) && !shown.contains("really") && !is_there(), "{shown}");
    let (status, shown) = crontab(&root, &["-r"]).on_terminal("y\n");
    assert!(status == Some(1) && shown.contains("no crontab for"), "{shown}");
    ratd.stop();
}

#[test]
fn a_terminal_is_no_crontab() {
    let root = Root::new("tty-bare");
    let (status, shown) = crontab(&root, &[]).on_terminal("");
    assert_eq!(status, Some(1), "{shown}");
    assert!(shown.contains("usage error: file name or - (for stdin) must be specified"), "{shown}");
}

#[test]
fn what_hides_is_shown_on_a_terminal_and_left_alone_in_a_pipe() {
    let root = Root::new("tty-list");
    let ratd = Start::system(&root).ready();
    let text = b"@daily evil #\x1b[2K\x08\x08@daily good \xff\n";
    crontab(&root, &["-"]).input(text).run().ok();
    assert_eq!(crontab(&root, &["-l"]).run().ok().bytes, text);
    let (status, shown) = crontab(&root, &["-l"]).on_terminal("");
    assert_eq!(status, Some(0));
    assert_eq!(shown, "@daily evil #\\u{1b}[2K\\b\\b@daily good \\xff\n");
    ratd.stop();
}

#[test]
fn an_edit_tells_what_it_means() {
    let root = Root::new("tty-edit");
    let ratd = Start::system(&root).ready();
    crontab(&root, &["-"]).input("30 2 1 1 * dump\n@daily old\n").run().ok();
    let editor = "printf '30 3 1 1 * dump\\n@weekly new\\n@weekly newer\\n' >";
    let (status, shown) = crontab(&root, &["-e"]).variable("EDITOR", editor).on_terminal("");
    assert_eq!(status, Some(0), "{shown}");
    for line in
        ["~ dump: 30 2 1 1 * → 30 3 1 1 * (next run moves from ", "+ 2 new\n", "- 1 removed\n"]
    {
        assert!(shown.contains(line), "{line} is not in\n{shown}");
    }
    let (status, shown) =
        crontab(&root, &["-e"]).variable("EDITOR", "echo x >").on_terminal("\x04");
    assert_eq!(status, Some(1), "{shown}");
    for part in ["\":1: bad minute\n", "retry the same edit? (y/n)", "edits left in"] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    let edited = crontab(&root, &["-e"]).variable("EDITOR", "echo '@daily x' >").run().ok();
    assert_eq!(edited.stderr, "rat-crontab: installing new crontab\n", "a script reads no more");
    ratd.stop();
}
