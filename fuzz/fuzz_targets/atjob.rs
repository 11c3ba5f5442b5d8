//! Any bytes as a file of at's spool: nothing panics, and a job that is read is read again from what is written for it.
#![no_main]

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;

use rat::plan::submission::Queue;
use rat::syntax::atjob::{Name, parse, write};

fuzz_target!(|input: (&str, &[u8])| {
    let (name, text) = input;
    let _ = Name::parse(name);
    let Some(queue) = Queue::new('a') else { return };
    let Ok(read) = parse(queue, DateTime::UNIX_EPOCH, text) else { return };
    let written = write((read.uid, read.uid), "anna", &read.job);
    let again = parse(queue, DateTime::UNIX_EPOCH, &written);
    assert_eq!(again.as_ref(), Ok(&read), "{}", written.escape_ascii());
});
