//! `rat check` and `rat explain` as people and scripts call them: what they print, and how they end.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A directory of its own, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("rat-check-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn rat(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rat"));
    command.args(arguments).env("TZ", "Europe/Berlin");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The codes that are said of a text, with their severities, and the exit status.
fn codes(arguments: &[&str], text: &str) -> (Vec<String>, Option<i32>) {
    let output = rat(&[&["check", "--json"], arguments, &["-"]].concat(), text);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["schema"], "rat.check/1");
    let said = object["diagnostics"].as_array().unwrap().iter();
    let code = |said: &Value| {
        format!("{} {}", said["severity"].as_str().unwrap(), said["code"].as_str().unwrap())
    };
    (said.map(code).collect(), output.status.code())
}

#[test]
fn only_errors_fail() {
    let check = |arguments: &[&str], text: &str, said: &[&str], status| {
        let (codes, ended) = codes(arguments, text);
        assert_eq!(
            (codes, ended),
            (said.iter().map(|s| s.to_string()).collect(), Some(status)),
            "{text}"
        );
    };
    check(&[], "0 9 * * * /bin/true\n", &[], 0);
    check(&[], "61 9 * * * /bin/true\n", &["error E003"], 1);
    check(&[], "@reboot /bin/true\n", &["note W046"], 0);
    check(&[], "0 9 * * * /bin/true\nA=b\n", &["warning W015"], 0);
    check(&[], "30 2 * * * /bin/true\n", &["note W033"], 0);
    check(&[], "#rat: timeout=soon\n0 9 * * * /bin/true\n", &["error E010"], 1);
    check(&[], "#rat: tz=No/Where\n0 9 * * * /bin/true\n", &["error E022"], 1);
    // No other cron knows options.
    check(&["--dialect", "cronie"], "#rat: timeout=soon\n0 9 * * * /bin/true\n", &[], 0);
    check(&["--system"], "0 9 * * * root /bin/true\n", &[], 0);
    check(&["--system"], "0 9 * * * ro0t /bin/true\n", &["error E007"], 1);
    check(&["--system", "--dialect", "cronie"], "0 9 * * * ro0t /bin/true\n", &["warning E007"], 0);
    check(&["--system", "--dialect", "debian"], "0 9 * * * ro0t /bin/true\n", &["error E007"], 1);
    // A command that is nowhere could be on another machine; one that the default PATH lacks is wrong here.
    check(&[], "0 9 * * * no-such-command x\n", &["note W038"], 0);
    check(&[], "PATH=/bin\n0 9 * * * no-such-command\n", &[], 0);
    check(&[], "0 9 * * * A=1 cd /tmp && x\n", &[], 0);
    check(
        &["--portable"],
        "RAT_NICE=1\n0 9 * * * /bin/true\n",
        &["warning W016", "warning W023"],
        0,
    );
}

#[test]
fn files_that_cannot_be_checked_are_said() {
    let directory = Directory::new("files");
    let good = directory.file("good", "0 9 * * * /bin/true\n");
    let there = directory.0.display().to_string();
    let missing = format!("{there}/missing");
    let output = rat(&["check", &good, &there, &missing, &good], "");
    assert_eq!(output.status.code(), Some(1));
    let said = err(&output);
    assert!(said.contains(&format!("{there}: is a directory; name the files in it")), "{said}");
    assert!(said.contains(&format!("{missing}: No such file")), "{said}");
    assert!(said.contains(&format!("{good}: named twice; read once")), "{said}");
    let output = rat(&["check", &good, &good], "");
    assert_eq!(output.status.code(), Some(0));
    let output = rat(&["check", "--json", &good, &missing], "");
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["files"][0]["entries"], 1);
    assert_eq!(object["files"][1]["file"], missing.as_str());
    assert!(object["files"][1]["why"].as_str().unwrap().contains("No such file"));
}

#[test]
fn a_rat_conf_is_checked_with_places_and_suggestions() {
    let directory = Directory::new("config");
    let check = |text: &str, expected: Option<&str>, status| {
        let file = directory.file("settings", text);
        let output = rat(&["check", "--config", &file], "");
        let said = out(&output);
        assert_eq!(said.lines().next(), expected, "{said}");
        assert_eq!(output.status.code(), Some(status), "{said}");
        said
    };
    check("", None, 0);
    check("# nothing\n[at]\nparallel = 3\n", None, 0);
    check(
        "[defaults]\ntimeout = 1h\n",
        Some("warning[W016]: ratd does not act on `timeout` yet"),
        0,
    );
    let said =
        check("[at]\nparalel = 3\n", Some("error[E028]: there is no `paralel` in this section"), 1);
    assert!(said.contains("settings:2:1"), "{said}");
    assert!(said.contains("^^^^^^^ did you mean `parallel`?"), "{said}");
    let file = directory.file("rat.conf", "[defaults]\nretries = many\n");
    let output = rat(&["check", "--json", &file], "");
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["diagnostics"][0]["code"], "E010");
    assert_eq!(object["diagnostics"][0]["line"], 2);
    assert_eq!(object["diagnostics"][0]["column"], 11);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_shipped_rat_conf_is_comments_that_would_do() {
    let text = std::fs::read_to_string("dist/rat.conf").unwrap();
    assert!(text.lines().all(|line| line.is_empty() || line.starts_with('#')));
    let said = |text: &str| {
        let directory = Directory::new("shipped");
        let file = directory.file("rat.conf", text);
        let output = rat(&["check", "--json", &file], "");
        let object: Value = serde_json::from_slice(&output.stdout).unwrap();
        (object["errors"].clone(), output.status.code())
    };
    assert_eq!(said(&text), (0.into(), Some(0)));
    // What is not a sentence but can be said begins right behind its mark.
    let in_force = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
        _ => String::new(),
    };
    let text: String = text.lines().map(in_force).collect();
    assert!(text.contains("[limits]\n"), "{text}");
    assert_eq!(said(&text), (0.into(), Some(0)));
}

#[test]
fn jobs_of_several_files_may_begin_together() {
    let directory = Directory::new("crowd");
    let one = directory.file("one", "0 9 * * * /bin/true\n0 9 * * * /bin/true\n");
    let other = directory.file("other", "0 9 * * * /bin/true\n");
    assert_eq!(out(&rat(&["check", &one], "")), "");
    let said = out(&rat(&["check", &one, &other], ""));
    assert!(said.contains("note[W036]: 3 jobs begin at 09:00"), "{said}");
    assert!(said.contains(&format!("they are in {one}, {other}")), "{said}");
    assert!(said.contains("09:30 is free"), "{said}");
}

#[test]
fn names_that_are_passed_over_are_said() {
    let directory = Directory::new("names");
    let check = |name: &str, said: &str| {
        let file = directory.file(&format!("cron.d/{name}"), "");
        assert_eq!(out(&rat(&["check", "--system", &file], "")).lines().next().unwrap_or(""), said);
    };
    check("backup.sh", "warning[W043]: Debian's cron passes over a file of this name");
    check("backup.bak", "warning[W043]: ratd passes over a file of this name");
    check("backup", "");
}

#[test]
fn annotations_are_escaped() {
    let directory = Directory::new("github");
    let file = directory.file("a,b", "61 * * * * /bin/true 100\\%\n");
    let output = rat(&["check", "--format", "github", &file], "");
    let said = out(&output);
    assert!(
        said.starts_with("::error file=")
            && said.contains("a%2Cb,line=1,col=1,endColumn=2,title=E003::"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn an_expression_is_explained() {
    let said = out(&rat(&["explain", "0 9 13 * fri"], ""));
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "At 09:00, on the 13th of every month AND ALSO on every Friday.");
    assert_eq!(lines[2], "  0 9 13 * fri");
    assert_eq!(lines[3], "      ^^   ^^^ both day fields are restricted, so cron ORs them");
    assert!(lines[4].starts_with("  next  "), "{said}");
    assert_eq!(
        lines[5],
        "  hint  only Friday the 13th?   0 9 13 * *  [ \"$(date +\\%u)\" = 5 ] && …"
    );
    assert_eq!(
        lines[6],
        "  same  OnCalendar=Fri *-*-* 09:00:00 + OnCalendar=*-*-13 09:00:00   (systemd needs 2 lines)"
    );
    let check = |arguments: &[&str], part: &str| {
        let said = out(&rat(&[&["explain"], arguments].concat(), ""));
        assert!(said.contains(part), "{arguments:?}: {said}");
    };
    check(&["@Daily"], "means 0 0 * * *");
    check(&["@reboot"], "OnBootSec=0");
    check(&["--tz", "Asia/Tokyo", "0 9 * * *"], "OnCalendar=*-*-* 09:00:00 Asia/Tokyo");
    check(&["*/15 0 9 * * fri 2090"], "At 09:00, on every Friday, every 15 seconds, in 2090.");
    check(&["*/15 0 9 * * fri 2090"], "OnCalendar=Fri 2090-*-* 09:00:00/15");
    check(&["--dialect", "busybox", "0 22-2 * * *"], "At 00:00, 01:00, 02:00, 22:00 and 23:00");
    let json = rat(&["explain", "--json", "0 9 13 * fri"], "");
    let object: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(object["schema"], "rat.explain/1");
    assert_eq!(object["systemd"].as_array().unwrap().len(), 2);
    assert_eq!(object["next"].as_array().unwrap().len(), 4);
    let wrong = rat(&["explain", "--json", "0 24 * * *"], "");
    assert_eq!(wrong.status.code(), Some(1));
    let object: Value = serde_json::from_slice(&wrong.stdout).unwrap();
    assert_eq!(object["diagnostics"][0]["code"], "E003");
}

#[test]
fn a_file_of_the_system_is_only_told_to_be_untrusted_where_it_lies() {
    let directory = Directory::new("trust");
    let file = directory.file("crontab", "0 9 * * * /bin/true\n");
    std::fs::set_permissions(Path::new(&file), std::os::unix::fs::PermissionsExt::from_mode(0o666))
        .unwrap();
    assert_eq!(out(&rat(&["check", &file], "")), "");
}

#[test]
fn a_containers_crontab_is_checked_as_the_container_reads_it() {
    let place = Directory::new("container");
    let table = "*/5 * * * * * * hello %Y\n0 0 15W * * hello\n30 4 * * * 2028 hello\nFOO=bar\n";
    let check = |arguments: &[&str]| {
        let output = rat(&[&["check"], arguments].concat(), "");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let file = place.file("table", table);
    assert_eq!(check(&["--dialect", "container", &file]), (Some(0), String::new()));
    assert_eq!(check(&[&file]).0, Some(1));
    let file = place.file("wrong", &format!("{table}32 4 * * mon-fry x\n"));
    let (status, said) = check(&["--dialect", "container", &file]);
    assert_eq!(status, Some(1));
    assert!(said.contains("ratd --container goes on with what the file held before"), "{said}");
}
