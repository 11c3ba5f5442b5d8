//! Every byte of a mail, as tables.

use super::*;
use crate::plan::job::{JobId, Mailing};
use crate::plan::manner::OWN;
use crate::plan::run::{Run, RunId, Trigger, Usage};
use crate::session::environment::Around;

/// A run of `alice` on `box` that said `output`.
struct Case {
    report: Report,
    recipe: Recipe,
    base: Vec<(Text, Text)>,
    manner: Manner,
    codeset: &'static str,
    shown: bool,
}

fn case(kind: Kind, command: &str, variables: &[(&str, &str)], output: &[u8]) -> Case {
    let variable = |(name, value): &(&str, &str)| (Text::from(*name), Text::from(*value));
    Case {
        report: Report {
            run: Run {
                id: RunId(35),
                job: JobId("at-17".to_owned()),
                name: if kind == Kind::At { "at-17" } else { "backup-3fa21c" }.to_owned(),
                owner: "alice".to_owned(),
                due: Default::default(),
                trigger: Trigger::Schedule,
                attempt: 1,
            },
            started: Default::default(),
            ended: Default::default(),
            outcome: Outcome::Exited(0),
            usage: Usage::default(),
            output: Text(output.to_vec()),
            output_bytes: output.len() as u64,
            told: false,
        },
        recipe: Recipe {
            environment: variables.iter().map(variable).collect(),
            ..Recipe::plain(kind, Text::from(command))
        },
        base: Vec::new(),
        manner: OWN,
        codeset: "UTF-8",
        shown: false,
    }
}

fn entry(variables: &[(&str, &str)], output: &[u8]) -> Case {
    case(Kind::Entry, "echo hi", variables, output)
}

impl Case {
    fn mail(&self) -> Result<Option<Mail>, Unsafe> {
        let home = Text::from("/home/alice");
        let daemon = [(Text::from("DOMAIN"), Text::from("example.org"))];
        let (manner, run) = (&self.manner, &self.report.run);
        let around = Around { manner, daemon: &daemon, pam: &self.base, run };
        let environment = Environment::of(&self.recipe, "alice", &home, around);
        Told {
            report: &self.report,
            recipe: &self.recipe,
            environment: &environment,
            host: "box",
            manner: &self.manner,
            daemon: &daemon,
            codeset: self.codeset,
            shown: self.shown,
        }
        .mail()
    }

    fn sent(&self) -> Mail {
        self.mail().unwrap().unwrap()
    }

    fn parts(&self) -> (String, Vec<u8>) {
        let message = self.sent().message;
        let end = message.windows(2).position(|two| two == b"\n\n").unwrap();
        (String::from_utf8(message[..end].to_vec()).unwrap(), message[end + 2..].to_vec())
    }

    /// The lines of one header, as they stand there.
    fn header(&self, name: &str) -> Vec<String> {
        let (header, _) = self.parts();
        let mut found: Vec<String> = Vec::new();
        let mut inside = false;
        for line in header.lines() {
            inside = line.starts_with(&format!("{name}: ")) || (inside && line.starts_with(' '));
            if inside {
                found.push(line.to_owned());
            }
        }
        found
    }
}

/// The text of encoded words, one a line, behind what the first line begins with.
fn decoded(lines: &[String], begin: &str) -> String {
    let mut bytes = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        assert!(line.len() <= 76, "{line}");
        let line = line.strip_prefix(if index == 0 { begin } else { " " }).unwrap();
        let word =
            line.strip_prefix("=?UTF-8?B?").and_then(|line| line.strip_suffix("?=")).unwrap();
        let part = STANDARD.decode(word).unwrap();
        assert!(str::from_utf8(&part).is_ok(), "a character is cut in two");
        bytes.extend(part);
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn the_mail_of_an_entry_is_crons() {
    let mail = entry(&[("MAILTO", "bob,carol@example.org")], b"hi\n").sent();
    assert_eq!(mail.arguments.join(" "), "sendmail -FCronDaemon -i -odi -oem -oi -t -f alice");
    assert_eq!(
        String::from_utf8(mail.message).unwrap(),
        "From: \"(Cron Daemon)\" <alice>\n\
         To: bob,carol@example.org\n\
         Subject: Cron <alice@box> echo hi\n\
         Date: Thu, 1 Jan 1970 00:00:00 +0000\n\
         MIME-Version: 1.0\n\
         Content-Type: text/plain; charset=UTF-8\n\
         Content-Transfer-Encoding: 8bit\n\
         Auto-Submitted: auto-generated\n\
         Precedence: bulk\n\
         X-Cron-Env: <HOME=/home/alice>\n\
         X-Cron-Env: <LOGNAME=alice>\n\
         X-Cron-Env: <USER=alice>\n\
         X-Cron-Env: <SHELL=/bin/sh>\n\
         X-Cron-Env: <PATH=/usr/bin:/bin:/usr/sbin:/sbin>\n\
         X-Cron-Env: <MAILTO=bob,carol@example.org>\n\
         X-Rat-Job: backup-3fa21c\n\
         X-Rat-Run: z\n\
         X-Rat-Exit: exited with status 0\n\
         \n\
         hi\n"
    );
}

#[test]
fn the_mail_of_an_at_job_tells_no_environment() {
    let at = case(Kind::At, "secret", &[("TOKEN", "secret"), ("MAILTO", "bob")], b"hi");
    let (header, body) = at.parts();
    assert!(header.starts_with("From: \"(At Daemon)\" <alice>\nTo: alice\n"), "{header}");
    assert_eq!(at.header("Subject"), ["Subject: Output from your job       17"]);
    assert!(!header.contains("secret"), "{header}");
    assert_eq!(body, b"hi\n");
}

#[test]
fn the_mail_of_a_period_job_is_anacrons() {
    let period = case(Kind::Period, "run-parts", &[], b"hi\n");
    assert_eq!(period.header("From"), ["From: Anacron <alice>"]);
    assert_eq!(period.header("Subject"), ["Subject: Anacron job 'backup-3fa21c' on box"]);
}

#[test]
fn there_is_mail_when_it_was_asked_for() {
    use When::{Always, Auto, Never};
    let not_started = || Outcome::NotStarted("no shell".to_owned());
    for (when, on_failure_only, outcome, output, expected) in [
        (Auto, false, Outcome::Exited(0), "", false),
        (Auto, false, Outcome::Exited(1), "", false),
        (Auto, false, Outcome::Exited(0), "x", true),
        (Auto, false, not_started(), "", true),
        (Auto, true, Outcome::Exited(0), "x", false),
        (Auto, true, Outcome::Exited(1), "x", true),
        (Auto, true, Outcome::Exited(1), "", false),
        (Auto, true, Outcome::Killed(9), "x", true),
        (Always, false, Outcome::Exited(0), "", true),
        (Never, false, Outcome::Exited(1), "x", false),
        (Never, false, not_started(), "", false),
    ] {
        let mut case = entry(&[], output.as_bytes());
        case.recipe.mailing = Mailing { when, on_failure_only, to: None };
        case.report.outcome = outcome.clone();
        let got = case.mail().unwrap().is_some();
        assert_eq!(got, expected, "{when:?} {on_failure_only} {outcome:?} {output:?}");
    }
}

#[test]
fn what_could_be_more_than_an_address_gets_no_mail() {
    for (mailto, expected) in [
        ("bob", Some("bob")),
        ("_apt", Some("_apt")),
        ("a@b.c,d!e,x+y%z@h:1", Some("a@b.c,d!e,x+y%z@h:1")),
        ("a,,b,", Some("a,b")),
        ("$LOGNAME@example.org", Some("alice@example.org")),
        ("${USER}x,$USER", Some("alicex,alice")),
        ("", None),
        (",", None),
    ] {
        let case = entry(&[("MAILTO", mailto)], b"x");
        let expected: Vec<_> = expected.iter().map(|to| format!("To: {to}")).collect();
        let got = case.mail().unwrap().map_or(Vec::new(), |_| case.header("To"));
        assert_eq!(got, expected, "{mailto:?}");
    }
    for mailto in [
        "-oQ/tmp",
        "bob,-X/tmp/x",
        "a b",
        "a, b",
        " bob",
        "|sh",
        "/etc/passwd",
        ".a",
        "\"a\"@b",
        "a;b",
        "a\nBcc: eve",
        "a\r\nBcc: eve",
        "a\0b",
        "bøb",
        "<a@b>",
        "a(b)",
        "$NOBODY",
        "$",
        "${",
        "a@b\tc",
        "`id`",
        "'a'",
        "a\\b",
        "a&b",
        "a*b",
        "a?b",
        "a#b",
        "a^b",
        "~a",
        "a[b]",
        "a{b}",
    ] {
        let case = entry(&[("MAILTO", mailto)], b"x");
        assert_eq!(case.mail(), Err(Unsafe { address: Text::from(mailto) }), "{mailto:?}");
    }
}

#[test]
fn an_at_job_is_mailed_to_whom_it_says() {
    let mut at = case(Kind::At, "x", &[], b"x");
    at.recipe.mailing.to = Some("carol".to_owned());
    assert_eq!(at.header("To"), ["To: carol"]);
    at.recipe.mailing.to = Some("-f eve".to_owned());
    assert!(at.mail().is_err());
}

#[test]
fn output_that_was_shown_is_mailed_only_to_those_named() {
    let mut shown = entry(&[], b"x");
    shown.shown = true;
    assert_eq!(shown.mail(), Ok(None));
    let mut named = entry(&[("MAILTO", "bob")], b"x");
    named.shown = true;
    assert!(named.mail().unwrap().is_some());
}

#[test]
fn a_sender_that_is_no_address_is_not_used_and_loses_no_mail() {
    for (from, expected) in [
        ("noreply@example.org", "noreply@example.org"),
        ("cron-$USER@example.org", "cron-alice@example.org"),
        ("", "alice"),
    ] {
        let mail = entry(&[("MAILFROM", from)], b"x").sent();
        assert_eq!((mail.arguments[8].as_str(), mail.warning), (expected, None), "{from:?}");
    }
    for from in ["-oQ/tmp", "a b", "a,b", "x\nBcc: eve", "\"x\" <a@b>"] {
        let case = entry(&[("MAILFROM", from)], b"x");
        let mail = case.sent();
        assert_eq!(mail.arguments[8], "alice");
        assert_eq!(mail.warning, Some(Unsafe { address: Text::from(from) }));
        assert_eq!(case.header("From"), ["From: \"(Cron Daemon)\" <alice>"]);
    }
}

#[test]
fn nothing_that_people_wrote_ends_its_line() {
    let evil = "x\r\nBcc: eve\n\nbody\u{85}\u{2028}";
    let mut case = case(
        Kind::Entry,
        evil,
        &[("A", evil), ("CONTENT_TYPE", evil), ("CONTENT_TRANSFER_ENCODING", evil)],
        b"hi\n",
    );
    case.report.outcome = Outcome::NotStarted(evil.to_owned());
    case.report.run.name = evil.to_owned();
    let (header, body) = case.parts();
    assert!(!header.contains('\r'), "{header:?}");
    for line in header.lines() {
        let name = line.split(": ").next().unwrap();
        assert!(line.starts_with(' ') || KNOWN.contains(&name), "{line:?}");
    }
    assert!(String::from_utf8(body).unwrap().starts_with("hi\nrat: not started: x"));
    assert_eq!(case.header("Content-Type"), ["Content-Type: text/plain; charset=UTF-8"]);
    assert_eq!(case.header("Content-Transfer-Encoding"), ["Content-Transfer-Encoding: 8bit"]);
}

const KNOWN: &[&str] = &[
    "From",
    "To",
    "Subject",
    "Date",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Auto-Submitted",
    "Precedence",
    "X-Cron-Env",
    "X-Rat-Job",
    "X-Rat-Run",
    "X-Rat-Exit",
];

#[test]
fn a_subject_that_is_not_ascii_is_encoded_behind_what_filters_look_for() {
    for command in ["echo grüße", "echo =?UTF-8?B?aGk=?=", &"ü€😀".repeat(50)] {
        let lines = case(Kind::Entry, command, &[], b"x").header("Subject");
        assert_eq!(decoded(&lines, "Subject: Cron <alice@box> "), command);
    }
    let lines = entry(&[("A", "ü€😀 and more, far more than one line can hold of it")], b"x")
        .header("X-Cron-Env");
    let last: Vec<_> = lines[5..].to_vec();
    let expected = "<A=ü€😀 and more, far more than one line can hold of it>";
    assert_eq!(decoded(&last, "X-Cron-Env: "), expected);
}

#[test]
fn no_line_is_too_long() {
    for command in [
        "word ".repeat(300),
        format!("a {}", "x".repeat(5000)),
        " ".repeat(3000),
        format!("{}x", " ".repeat(3000)),
        format!("x{}", "\t".repeat(3000)),
        "x".repeat(997),
    ] {
        let case = case(Kind::Entry, &command, &[], b"x");
        let (header, _) = case.parts();
        for line in header.lines() {
            assert!(line.len() <= LONGEST_LINE && !line.trim().is_empty(), "{line:?}");
        }
    }
    let lines = case(Kind::Entry, &"word ".repeat(300), &[], b"x").header("Subject");
    let expected = format!("{}wor…", "word ".repeat(199));
    assert_eq!(decoded(&lines, "Subject: Cron <alice@box> "), expected);
    let many = vec!["somebody@example.org"; 100];
    let lines = entry(&[("MAILTO", &many.join(","))], b"x").header("To");
    assert_eq!(lines.concat(), format!("To: {}", many.join(", ")));
    assert!(entry(&[("MAILTO", &"a".repeat(321))], b"x").mail().is_err());
}

#[test]
fn bodies_are_encoded_only_where_they_must_be() {
    let long = "ü".repeat(600);
    for (output, charset, encoding, expected) in [
        (&b"a\r\nb\rc"[..], "UTF-8", "8bit", &b"a\nbc\n"[..]),
        ("grüße\n".as_bytes(), "UTF-8", "8bit", "grüße\n".as_bytes()),
        (b"gr\xfc\xdfe\n", "unknown-8bit", "8bit", b"gr\xfc\xdfe\n"),
        (b"a\0b", "UTF-8", "base64", b"YQBi\n"),
        (b".\n..\nFrom x\n", "UTF-8", "8bit", b".\n..\nFrom x\n"),
    ] {
        let case = entry(&[], output);
        let (_, body) = case.parts();
        assert_eq!(body, expected, "{output:?}");
        let kind = format!("Content-Type: text/plain; charset={charset}");
        assert_eq!(case.header("Content-Type"), [kind], "{output:?}");
        let encoding = format!("Content-Transfer-Encoding: {encoding}");
        assert_eq!(case.header("Content-Transfer-Encoding"), [encoding], "{output:?}");
    }
    let case = entry(&[], format!("{long} = \t\nend ").as_bytes());
    let (_, body) = case.parts();
    let body = String::from_utf8(body).unwrap();
    assert!(body.lines().all(|line| line.len() <= 76), "{body}");
    let joined = body.replace("=\n", "");
    assert_eq!(joined, format!("{} =3D =09\nend=20", long.replace('ü', "=C3=BC")));
}

#[test]
fn whoever_names_type_and_encoding_has_made_them() {
    let case = entry(
        &[
            ("CONTENT_TYPE", "text/html; charset=ISO-8859-1"),
            ("CONTENT_TRANSFER_ENCODING", "base64"),
        ],
        b"PGI+aGk8L2I+\n",
    );
    assert_eq!(case.header("Content-Type"), ["Content-Type: text/html; charset=ISO-8859-1"]);
    assert_eq!(case.header("Content-Transfer-Encoding"), ["Content-Transfer-Encoding: base64"]);
    assert_eq!(case.parts().1, b"PGI+aGk8L2I+\n");
}

fn in_manner(letter: Letter, addresses: Addresses, variables: &[(&str, &str)]) -> Case {
    let manner = Manner { letter, addresses, ..OWN };
    let command = "echo gr\u{fc}n\r";
    Case { manner, codeset: ASCII, ..case(Kind::Entry, command, variables, b"a\r\n\xfc") }
}

#[test]
fn a_dialect_has_its_own_header_and_leaves_bytes_as_they_are() {
    let check = |case: Case, arguments: &str, expected: &str, body: &[u8]| {
        let mail = case.sent();
        assert_eq!(mail.arguments.join(" "), arguments);
        let (header, got) = case.parts();
        let lines: Vec<_> = header.lines().filter(|line| !line.starts_with("X-Cron-Env")).collect();
        assert_eq!(lines.join("|"), expected);
        assert_eq!(got, body);
    };
    let mime = "MIME-Version: 1.0|Content-Type: text/plain; charset=ANSI_X3.4-1968|\
                Content-Transfer-Encoding: 8bit";
    check(
        in_manner(Letter::Quoted, Addresses::Daemon, &[("MAILTO", "a@$DOMAIN,b")]),
        "sendmail -FCronDaemon -i -odi -oem -oi -t -f alice",
        &format!(
            "From: \"(Cron Daemon)\" <alice>|To: a@example.org,b|Subject: Cron <alice@box> echo gr\u{fc}n |\
             {mime}|Auto-Submitted: auto-generated|Precedence: bulk"
        ),
        b"a\n\xfc",
    );
    check(
        in_manner(Letter::Named, Addresses::Nobody, &[("MAILTO", "bob")]),
        "sendmail -FCronDaemon -i -B8BITMIME -oem bob",
        &format!(
            "From: root (Cron Daemon)|To: bob|Subject: Cron <alice@box> echo gr\u{fc}n |{mime}"
        ),
        b"a\r\n\xfc",
    );
    let named = in_manner(Letter::Named, Addresses::Nobody, &[("MAILFROM", "ci@example.org")]);
    assert_eq!(named.header("From"), ["From: ci@example.org"]);
    assert_eq!(named.header("X-Cron-Env").len(), 6);
    check(
        in_manner(Letter::Bare, Addresses::Nobody, &[("MAILTO", "bob")]),
        "sendmail -ti",
        "To: bob|Subject: cron: echo gr\u{fc}n ",
        b"a\r\n\xfc",
    );
}

#[test]
fn only_where_a_cron_expands_addresses_are_they_expanded() {
    let of = |addresses| {
        let case =
            in_manner(Letter::Full, addresses, &[("MAILTO", "a@$DOMAIN"), ("DOMAIN", "own")]);
        case.mail().map(|_| case.header("To").concat())
    };
    let address = Text::from("a@$DOMAIN");
    assert_eq!(of(Addresses::Job).unwrap(), "To: a@own");
    assert_eq!(of(Addresses::Daemon).unwrap(), "To: a@example.org");
    assert_eq!(of(Addresses::Nobody), Err(Unsafe { address }));
}

#[test]
fn a_dialect_mails_nothing_of_a_job_that_was_not_started() {
    let mut refused = in_manner(Letter::Quoted, Addresses::Daemon, &[]);
    refused.report.outcome = Outcome::NotStarted("refused by PAM".to_owned());
    assert!(refused.mail().unwrap().is_some());
    refused.report.output_bytes = 0;
    assert_eq!(refused.mail(), Ok(None));
}

#[test]
fn what_is_not_utf_8_may_be_in_the_characters_of_the_locale() {
    for (codeset, expected) in
        [("UTF-8", "unknown-8bit"), (ASCII, "unknown-8bit"), ("ISO-8859-1", "ISO-8859-1")]
    {
        let case = Case { codeset, ..entry(&[], b"gr\xfcn\n") };
        let expected = format!("Content-Type: text/plain; charset={expected}");
        assert_eq!(case.header("Content-Type"), [expected]);
    }
}

#[test]
fn a_mail_says_what_its_run_makes_up_for_and_only_then() {
    let mut case = entry(&[], b"x");
    assert_eq!(case.header("X-Rat-Trigger"), [""; 0]);
    let subject = case.header("Subject");
    case.report.run.trigger = Trigger::CatchUp;
    assert_eq!(case.header("X-Rat-Trigger"), ["X-Rat-Trigger: catchup"]);
    let scheduled = "X-Rat-Scheduled: Thu, 1 Jan 1970 00:00:00 +0000";
    assert_eq!(case.header("X-Rat-Scheduled"), [scheduled]);
    assert_eq!(case.header("Subject"), subject);
}
