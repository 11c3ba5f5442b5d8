//! The rules of the house that no compiler checks: who may know whom, where clocks are read, where `unsafe` stands.
#![allow(clippy::unwrap_used)] // A file that cannot be read fails the test.

use std::fs;
use std::path::{Path, PathBuf};

/// Each room, and the rooms of ours that it may import.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("plan", &[]),
    ("sys", &[]),
    ("log", &[]),
    ("paths", &[]),
    ("syntax", &["plan"]),
    ("zone", &["plan"]),
    ("protocol", &["plan"]),
    ("store", &["plan", "paths"]),
    ("session", &["plan", "sys", "log", "paths"]),
    ("spool", &["plan", "syntax", "zone", "sys", "paths"]),
    ("client", &["syntax", "protocol", "plan", "zone", "spool", "sys", "log", "paths"]),
    ("anacron", &["client", "session", "spool", "syntax", "zone", "plan", "sys", "log", "paths"]),
    (
        "daemon",
        &["session", "store", "protocol", "spool", "syntax", "zone", "plan", "sys", "log", "paths"],
    ),
];

/// Words that only some rooms may say, and why.
const ONLY_IN: &[(&str, &[&str], &str)] = &[
    ("unsafe ", &["sys"], "unsafe code lives in sys, each piece with its reason"),
    ("rusqlite", &["store"], "only store knows SQL"),
    (
        "clock_gettime",
        &["daemon/wait.rs", "session", "client/clock.rs", "log.rs"],
        "time is read once a turn and handed in",
    ),
    ("SystemTime::now", &[], "time is read once a turn and handed in"),
    ("Utc::now", &[], "time is read once a turn and handed in"),
    ("Instant::now", &[], "time is read once a turn and handed in"),
    ("setuid", &["session", "sys"], "only a session changes ids"),
    ("setgid", &["session", "sys"], "only a session changes ids"),
    ("setresuid", &["session", "sys"], "only a session changes ids"),
    ("chrono::Local", &[], "wrong at every change of the clock"),
    ("Mutex", &[], "state has one owner"),
    ("todo!", &[], "do it, or leave it out and say so"),
    ("unimplemented!", &[], "do it, or leave it out and say so"),
];

/// What `plan` and `syntax` decide, they decide on values alone.
const NOT_PURE: &[&str] = &[
    "std::fs",
    "std::io",
    "std::env",
    "std::net",
    "std::process",
    "std::thread",
    "tracing",
    "nix::",
    "libc::",
];

fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut left = vec![PathBuf::from("src")];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push((inside_src(&path), fs::read_to_string(&path).unwrap()));
        }
    }
    files.sort();
    assert!(files.len() > 20, "the sources were not found");
    files
}

fn inside_src(path: &Path) -> String {
    path.strip_prefix("src").unwrap().display().to_string()
}

fn room(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

/// The lines of code of a file: no comments, no tests.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let tests = text.find("#[cfg(test)]").unwrap_or(text.len());
    text[..tests].lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn rooms_know_only_whom_they_may() {
    let mut found = Vec::new();
    for (file, text) in sources() {
        let room = room(&file);
        if room == "lib" || room == "bin" {
            continue;
        }
        let Some((_, allowed)) = MAY_KNOW.iter().find(|(name, _)| *name == room) else {
            found.push(format!("{file}: the house has no room {room}"));
            continue;
        };
        for (number, line) in code(&text) {
            for used in line.split("crate::").skip(1) {
                let used = used.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                if used != room && !allowed.contains(&used) {
                    found.push(format!("{file}:{}: {room} may not know {used}", number + 1));
                }
            }
        }
    }
    assert_none(&found);
}

#[test]
fn words_stay_in_their_rooms() {
    let mut found = Vec::new();
    for (file, text) in sources() {
        for (number, line) in code(&text) {
            for (word, rooms, why) in ONLY_IN {
                let at_home =
                    rooms.iter().any(|room| file == *room || file.starts_with(&format!("{room}/")));
                if line.contains(word) && !at_home {
                    found.push(format!("{file}:{}: {word}: {why}", number + 1));
                }
            }
        }
    }
    assert_none(&found);
}

#[test]
fn plan_and_syntax_are_pure() {
    let mut found = Vec::new();
    for (file, text) in
        sources().iter().filter(|(file, _)| ["plan", "syntax"].contains(&room(file)))
    {
        for (number, line) in code(text) {
            for word in NOT_PURE.iter().filter(|word| line.contains(**word)) {
                found.push(format!("{file}:{}: {word} in a pure room", number + 1));
            }
        }
    }
    assert_none(&found);
}

#[test]
fn every_file_says_what_it_knows() {
    let silent = |(file, text): &(String, String)| {
        (!text.starts_with("//!") && room(file) != "bin").then(|| file.clone())
    };
    assert_none(&sources().iter().filter_map(silent).collect::<Vec<_>>());
}

#[test]
fn programs_are_three_lines() {
    let long = |(file, text): &(String, String)| {
        (room(file) == "bin" && text.lines().count() > 8).then(|| file.clone())
    };
    assert_none(&sources().iter().filter_map(long).collect::<Vec<_>>());
}

#[test]
fn functions_end_before_the_wall() {
    let mut found = Vec::new();
    for (file, text) in sources() {
        let lines: Vec<_> = text.lines().collect();
        for (start, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let begins = line.trim_start();
            let is_function = ["fn ", "pub fn ", "const fn ", "pub const fn "]
                .iter()
                .any(|word| begins.starts_with(word));
            if !is_function || begins.ends_with(';') || begins.ends_with('}') {
                continue;
            }
            let closing = format!("{}}}", " ".repeat(indent));
            let length = lines[start..].iter().position(|line| *line == closing).unwrap_or(0);
            if length > 70 {
                found.push(format!("{file}:{}: a function of {length} lines", start + 1));
            }
        }
    }
    assert_none(&found);
}

#[test]
fn every_migration_is_compiled_in() {
    let listed = fs::read_to_string("src/store/mod.rs").unwrap();
    for entry in fs::read_dir("migrations").unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(listed.contains(&name), "migrations/{name} is not in src/store/mod.rs");
    }
}
