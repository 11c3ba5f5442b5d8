//! Any bytes where clients write to ratd, and where the fork server does: nothing panics, and however they are cut the
//! frames are the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

use rat::protocol::request;
use rat::protocol::wire::Frames;
use rat::session::frame::Answers;

fuzz_target!(|input: (usize, &[u8])| {
    let (cut, bytes) = input;
    let (head, tail) = bytes.split_at(cut % (bytes.len() + 1));
    let frames = |pieces: &[&[u8]]| {
        let mut frames = Frames::default();
        let mut found = Vec::new();
        for piece in pieces {
            frames.push(piece);
            while let Ok(Some(frame)) = frames.pop() {
                found.push(frame);
            }
        }
        found
    };
    let whole = frames(&[bytes]);
    assert_eq!(whole, frames(&[head, tail]));
    for frame in whole {
        let _ = request::parse(&frame);
    }
    let _ = request::parse(bytes);
    let mut answers = Answers::default();
    answers.push(bytes);
    while let Ok(Some(_)) = answers.next_answer() {}
});
