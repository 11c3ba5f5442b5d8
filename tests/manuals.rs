//! The manual pages name every option that the programs take, and no other; every method, and every code.
#![allow(clippy::unwrap_used, clippy::panic)] // What is not there fails the test.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output};

use rat::syntax::options::OPTIONS;

/// The options that a page lists, and the options that its program says it takes.
struct Programs {
    page: &'static str,
    program: &'static str,
    /// Each has a `.Ss` of its own in the page.
    verbs: &'static [&'static str],
}

const PROGRAMS: &[Programs] = &[
    Programs { page: "ratd.8", program: env!("CARGO_BIN_EXE_ratd"), verbs: &[] },
    Programs { page: "rat-at.1", program: env!("CARGO_BIN_EXE_rat-at"), verbs: &[] },
    Programs { page: "rat-atq.1", program: env!("CARGO_BIN_EXE_rat-atq"), verbs: &[] },
    Programs { page: "rat-atrm.1", program: env!("CARGO_BIN_EXE_rat-atrm"), verbs: &[] },
    Programs { page: "rat-anacron.8", program: env!("CARGO_BIN_EXE_rat-anacron"), verbs: &[] },
    Programs { page: "rat-run-parts.8", program: env!("CARGO_BIN_EXE_rat-run-parts"), verbs: &[] },
    Programs { page: "rat-crontab.1", program: env!("CARGO_BIN_EXE_rat-crontab"), verbs: &[] },
    Programs {
        page: "rat.1",
        program: env!("CARGO_BIN_EXE_rat"),
        verbs: &[
            "list", "history", "retry", "status", "next", "why", "run", "check", "import",
            "explain",
        ],
    },
];

fn page(name: &str) -> String {
    fs::read_to_string(format!("man/{name}")).unwrap_or_else(|error| panic!("man/{name}: {error}"))
}

/// The options of `.It Fl` lines: `Fl n Ar count , Fl -count Ar count` is `-n` and `--count`.
fn listed(text: &str) -> BTreeSet<String> {
    let mut options = BTreeSet::new();
    for line in text.lines().filter(|line| line.starts_with(".It Fl ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        for pair in words.windows(2).filter(|pair| pair[0] == "Fl") {
            options.insert(format!("-{}", pair[1]));
        }
    }
    options
}

/// The part of a page under `.Ss verb`, or what stands before the first `.Ss` for none.
fn part<'t>(text: &'t str, verb: Option<&str>) -> &'t str {
    let Some(verb) = verb else { return text };
    let begins = text.find(&format!("\n.Ss {verb}\n")).expect("every verb has its part");
    let rest = &text[begins + 1..];
    let ends = ["\n.Ss ", "\n.Sh "].iter().filter_map(|head| rest.find(head)).min();
    &rest[..ends.unwrap_or(rest.len())]
}

fn run(program: &str, arguments: &[&str]) -> Output {
    // The root is one that no ratd and no crontab is under, whatever an option may do.
    Command::new(program).args(arguments).env("RAT_ROOT", "/nonexistent").output().unwrap()
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The options that `--help` lists: those that begin a line, and their aliases.
fn helped(help: &str) -> BTreeSet<String> {
    let mut options = BTreeSet::new();
    let (_, list) = help.split_once("Options:").expect("help lists options");
    for line in list.lines().map(str::trim_start) {
        if let Some(aliases) = line.strip_prefix("[alias: ") {
            options.insert(aliases.trim_end_matches(']').to_owned());
        }
        let words = line.split_whitespace().take_while(|word| word.starts_with('-'));
        options.extend(words.map(|word| word.trim_end_matches(',').to_owned()));
    }
    options
}

fn check(program: &Programs, verb: Option<&str>) {
    let page_text = page(program.page);
    let listed = listed(part(&page_text, verb));
    let ask =
        |arguments: &[&str]| text(&run(program.program, &[verb.as_slice(), arguments].concat()));
    let mut helped = helped(&ask(&["--help"]));
    if verb.is_some() {
        helped.retain(|option| option != "-h" && option != "--help");
    }
    let place = format!("{} {}", program.page, verb.unwrap_or_default());
    let unlisted: Vec<_> = helped.difference(&listed).collect();
    assert!(unlisted.is_empty(), "{place}: not in the page: {unlisted:?}");
    for option in listed {
        // What follows is no option at all, so that nothing is done, whatever this one means.
        let said = ask(&[&option, "--no-such-option"]);
        let refused = format!("unexpected argument '{option}'");
        assert!(!said.contains(&refused), "{place}: not in the program: {option}");
    }
}

#[test]
fn every_option_is_in_its_page_and_every_page_tells_of_options_that_are() {
    for program in PROGRAMS {
        if program.verbs.is_empty() {
            check(program, None);
        }
        for verb in program.verbs {
            check(program, Some(verb));
        }
    }
}

#[test]
fn every_verb_has_its_part() {
    for program in PROGRAMS.iter().filter(|program| !program.verbs.is_empty()) {
        let help = text(&run(program.program, &["--help"]));
        let (_, rest) = help.split_once("Commands:").unwrap();
        let (list, _) = rest.split_once("\n\n").unwrap();
        let verbs: Vec<_> =
            list.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(verbs, [program.verbs, &["help"]].concat());
    }
}

#[test]
fn every_method_and_error_is_in_its_page() {
    let page = page("rat-control.7");
    let description = fs::read_to_string("src/protocol/rat.varlink").unwrap();
    for line in description.lines() {
        let Some(named) = line.strip_prefix("method ").or(line.strip_prefix("error ")) else {
            continue;
        };
        let name = named.split([' ', '(']).next().unwrap();
        assert!(page.contains(&format!("\n.It Cm {name} ")), "{name} is not in rat-control.7");
    }
}

/// The texts of a module: that of its file, or those in its directory.
fn sources(module: &str) -> Vec<String> {
    match fs::read_dir(format!("src/{module}")) {
        Ok(files) => files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect(),
        Err(_) => vec![fs::read_to_string(format!("src/{module}.rs")).unwrap()],
    }
}

#[test]
fn every_code_is_in_its_page() {
    let page = page("rat-crontab.5");
    let mut told = BTreeSet::new();
    let modules = [
        "syntax/anacrontab",
        "syntax/config",
        "syntax/crontab",
        "syntax/directive",
        "syntax/expression",
        "syntax/field",
        "syntax/lints",
        "syntax/options",
        "syntax/portability",
        "syntax/rat_conf",
        "client/check",
        "client/host",
        "spool/jobs",
        "spool/mod",
    ];
    for source in modules.into_iter().flat_map(sources) {
        let code = |word: &str| {
            word.len() == 4
                && word.starts_with(['E', 'N', 'W'])
                && word[1..].bytes().all(|byte| byte.is_ascii_digit())
        };
        told.extend(source.split('"').filter(|word| code(word)).map(str::to_owned));
    }
    let listed: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix(".It ")?.split_once(" Ta "))
        .map(|(code, _)| code.to_owned())
        .filter(|code| code.starts_with(['E', 'N', 'W']))
        .collect();
    assert_eq!(listed, told);
}

#[test]
fn every_option_of_entries_is_in_its_page() {
    let page = page("rat-crontab.5");
    let (_, rest) = page.split_once("\n.Ss Options\n").unwrap();
    let (part, _) = rest.split_once("\n.Ss ").unwrap();
    let (_, list) = part.split_once("No dialect has options.").unwrap();
    let named: Vec<&str> = list
        .lines()
        .filter_map(|line| line.strip_prefix(".Cm "))
        .flat_map(|line| line.split(" , "))
        .collect();
    let known: Vec<&str> = OPTIONS.iter().map(|known| known.name).collect();
    assert_eq!(named, known);
    let (_, acts_on) = part.split_once("\nacts on\n.Cm ").unwrap();
    let acts_on = acts_on.lines().next().unwrap().trim_end_matches(" ;").split(" , ");
    let honoured = OPTIONS.iter().filter(|known| known.is_honoured).map(|known| known.name);
    assert_eq!(acts_on.collect::<Vec<_>>(), honoured.collect::<Vec<_>>());
}

#[test]
fn every_page_names_its_files_and_points_to_pages_that_are() {
    let ours: BTreeSet<String> = fs::read_dir("man")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for name in &ours {
        for line in page(name).lines().filter(|line| line.starts_with(".Xr rat")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let other = format!("{}.{}", words[1], words[2]);
            assert!(ours.contains(&other), "{name} points to {other}");
        }
    }
}

#[test]
fn every_program_that_is_installed_has_its_page_under_each_of_its_names() {
    let files = fs::read_to_string("dist/files").unwrap();
    let lines: Vec<Vec<&str>> =
        files.lines().map(|line| line.split_whitespace().collect()).collect();
    // `stage` installs all of man/; what is linked there is a page as well.
    let mut pages: BTreeSet<String> = fs::read_dir("man")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let named = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    for line in lines.iter().filter(|line| line.first() == Some(&"link")) {
        let (to, path) = (line[1], line[2]);
        if let Some(page) = named(path).strip_suffix(".gz") {
            assert!(pages.contains(to.trim_end_matches(".gz")), "{path} leads to no page");
            pages.insert(page.to_owned());
        }
    }
    let mut programs = 0;
    for line in lines.iter().filter(|line| line.len() >= 3) {
        let is_program = line[2].starts_with("/usr/bin/") || line[2].starts_with("@sbin@/");
        if is_program {
            programs += 1;
            let name = named(line[2]);
            let has_page = ["1", "8"].iter().any(|part| pages.contains(&format!("{name}.{part}")));
            assert!(has_page, "{name} has no page");
        }
    }
    assert!(programs >= 14, "dist/files was not understood");
}
