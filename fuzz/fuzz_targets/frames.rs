//! Any bytes where clients write to ratd, where the fork server does, and where sessions leave reports: nothing panics,
//! however they are cut the frames are the same, and what is understood is understood again from what is written for it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;

use rat::plan::run::{Order, Report, Run};
use rat::plan::submission::Submission;
use rat::protocol::wire::Frames;
use rat::protocol::{reply, request};
use rat::session::frame::{ANSWER, Answers, HEADER, Header};

fuzz_target!(|input: (usize, &[u8])| {
    let (cut, bytes) = input;
    let (head, tail) = bytes.split_at(cut % (bytes.len() + 1));
    let whole = frames(&[bytes]);
    assert_eq!(whole, frames(&[head, tail]));
    for frame in whole {
        understand(&frame);
    }
    understand(bytes);
    answers(head, tail);
    if let Some(header) = bytes.first_chunk::<HEADER>() {
        let _ = Header::decode(*header);
    }
});

fn frames(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut frames = Frames::default();
    let mut found = Vec::new();
    for piece in pieces {
        frames.push(piece);
        while let Ok(Some(frame)) = frames.pop() {
            found.push(frame);
        }
    }
    found
}

fn understand(bytes: &[u8]) {
    let _ = request::parse(bytes);
    let _ = reply::parse::<reply::Queue>(bytes);
    let _ = reply::parse::<reply::Runs>(bytes);
    again::<Order>(bytes);
    again::<Report>(bytes);
    again::<Run>(bytes);
    again::<Submission>(bytes);
}

fn again<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(bytes) else { return };
    let written = serde_json::to_vec(&read).expect("what was read can be written");
    let again: T = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(serde_json::to_vec(&again).expect("as above"), written);
}

/// An answer comes back as the bytes it was.
fn answers(head: &[u8], tail: &[u8]) {
    let mut answers = Answers::default();
    let mut bytes = head.iter().chain(tail).copied();
    for piece in [head, tail] {
        answers.push(piece);
        while let Ok(Some(answer)) = answers.next_answer() {
            let came: Vec<u8> = bytes.by_ref().take(ANSWER).collect();
            assert_eq!(answer.encode()[..9], came[..9]);
        }
    }
}
