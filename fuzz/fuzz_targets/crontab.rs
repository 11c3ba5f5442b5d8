//! Any bytes as a crontab in every dialect and form, as an anacrontab and as a rat.conf: nothing panics, neither in
//! reading nor in what is said about it; and a schedule that is read in a crontab is the same where it stands alone.
#![no_main]

use libfuzzer_sys::fuzz_target;

use rat::syntax::crontab::{Crontab, Form, parse};
use rat::syntax::dialect::{BUSYBOX, CONTAINER, CRONIE, DEBIAN, Dialect, OTHERS, RAT};
use rat::syntax::expression::schedule;
use rat::syntax::lines::lines;
use rat::syntax::lints::{Crowd, line_of, lints};
use rat::syntax::seed::Seed;
use rat::syntax::{anacrontab, changes, classic, portability, rat_conf};

fuzz_target!(|text: &[u8]| {
    let seed = Seed { host: "machine".to_owned(), owner: "anna".to_owned() };
    let lines: Vec<&[u8]> = lines(text).collect();
    for form in [Form::User, Form::System, Form::Single] {
        for dialect in [&RAT, &DEBIAN, &CRONIE, &BUSYBOX, &CONTAINER] {
            let crontab = parse(text, form, &seed, dialect);
            for said in crontab.diagnostics.iter().take(20) {
                let line = line_of(&lines, said.line);
                said.picture("file", &String::from_utf8_lossy(line));
                classic::line("file", said, line, form);
            }
            same_alone(&crontab, dialect, &seed);
        }
        portability::lints(text, form, &seed, &OTHERS);
    }
    let crontab = parse(text, Form::User, &seed, &RAT);
    lints(&crontab, &lines);
    let mut crowd = Crowd::default();
    crontab.entries.iter().for_each(|entry| crowd.count(entry));
    if let (Some(busy), Some(entry)) = (crowd.busiest(), crontab.entries.first()) {
        busy.told(entry, line_of(&lines, entry.line), &[]);
    }
    anacrontab::parse(text);
    let config = rat_conf::parse(text);
    for said in config.diagnostics.iter().take(20) {
        said.picture("file", &String::from_utf8_lossy(line_of(&lines, said.line)));
    }
    for entry in &crontab.entries {
        config.config.options("anna", &entry.options, &mut Vec::new());
    }
    changes::between(Some(text), Some(&text[text.len() / 2..]));
});

fn same_alone(crontab: &Crontab, dialect: &'static Dialect, seed: &Seed) {
    // What is drawn is drawn by the line that it stands in, and `CRON_TZ` changes what a clock means.
    let plain = |written: &str| !written.contains(['~', '\u{fffd}']);
    for entry in
        crontab.entries.iter().filter(|entry| entry.zone.is_none() && plain(&entry.written))
    {
        let alone = schedule(&entry.written, seed, dialect);
        let alone = alone.unwrap_or_else(|error| panic!("`{}`: {}", entry.written, error.message));
        assert_eq!(format!("{alone:?}"), format!("{:?}", entry.schedule), "`{}`", entry.written);
    }
}
