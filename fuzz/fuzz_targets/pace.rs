//! Any few bytes, again and again until they fill a file: no reader takes longer than a millisecond for each KiB.
#![no_main]

use std::str;

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;

use rat::protocol::wire::Frames;
use rat::syntax::crontab::{Form, parse};
use rat::syntax::dialect::{BUSYBOX, CRONIE, DEBIAN, OTHERS, RAT};
use rat::syntax::expression::schedule;
use rat::syntax::lines::lines;
use rat::syntax::lints::lints;
use rat::syntax::seed::Seed;
use rat::syntax::{anacrontab, portability, rat_conf, timespec};
use rat::zone::Zone;
use rat_fuzz::in_time;

const FILE: usize = 16 << 10;

fuzz_target!(|piece: &[u8]| {
    if piece.is_empty() {
        return;
    }
    let file = piece.repeat(FILE.div_ceil(piece.len()));
    let text = file.as_slice();
    let in_time = |work: &mut dyn FnMut()| in_time(text.len(), work);
    let seed = Seed { host: "machine".to_owned(), owner: "anna".to_owned() };
    for dialect in [&RAT, &DEBIAN, &CRONIE, &BUSYBOX] {
        for form in [Form::User, Form::System, Form::Single] {
            in_time(&mut || drop(parse(text, form, &seed, dialect)));
        }
    }
    let crontab = parse(text, Form::User, &seed, &RAT);
    let all: Vec<&[u8]> = lines(text).collect();
    in_time(&mut || drop(lints(&crontab, &all)));
    in_time(&mut || drop(portability::lints(text, Form::User, &seed, &OTHERS[..1])));
    in_time(&mut || drop(anacrontab::parse(text)));
    in_time(&mut || drop(rat_conf::parse(text)));
    let within = [b"[limits]\n".as_slice(), text].concat();
    in_time(&mut || drop(rat_conf::parse(&within)));
    in_time(&mut || {
        let mut frames = Frames::default();
        frames.push(text);
        while let Ok(Some(_)) = frames.pop() {}
    });
    let Ok(words) = str::from_utf8(text) else { return };
    in_time(&mut || drop(schedule(words, &seed, &RAT)));
    in_time(&mut || drop(timespec::parse(words)));
    let (Ok(timespec), Ok(zone)) = (timespec::parse(words), Zone::named("America/New_York")) else {
        return;
    };
    in_time(&mut || drop(timespec::resolve(&timespec, DateTime::UNIX_EPOCH, &zone)));
});
