//! Frames cut up in every way, and calls that are none.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use super::*;
use crate::plan::text::Text;
use crate::protocol::reply::{Nothing, Removed};
use crate::protocol::request::{GetInfo, ListRuns, PutCrontab, RemoveJob};

fn frames(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut frames = Frames::new(16);
    let mut found = Vec::new();
    for piece in pieces {
        frames.push(piece);
        while let Some(frame) = frames.pop().unwrap() {
            found.push(frame.to_vec());
        }
    }
    found
}

#[test]
fn frames_are_found_however_they_are_cut() {
    type Pieces<'a> = &'a [&'a [u8]];
    let cases: [(Pieces, Pieces); 6] = [
        (&[b"half"], &[]),
        (&[b"ha", b"lf", b"\0"], &[b"half"]),
        (&[b"one\0two\0thr", b"ee\0"], &[b"one", b"two", b"three"]),
        (&[b"\0"], &[b""]),
        (&[b"\0\0", b"\0"], &[b"", b"", b""]),
        (&[b"0123456789abcdef\0x", b"\0"], &[b"0123456789abcdef", b"x"]),
    ];
    for (pieces, expected) in cases {
        assert_eq!(frames(pieces), expected, "{pieces:?}");
    }
}

#[test]
fn a_frame_of_the_longest_length_passes_and_one_byte_more_does_not() {
    let mut whole = vec![b' '; LONGEST_REQUEST];
    whole.push(0);
    let mut frames = Frames::new(LONGEST_REQUEST);
    for piece in whole.chunks(4096) {
        assert_eq!(frames.pop(), Ok(None));
        frames.push(piece);
    }
    assert_eq!(frames.pop().unwrap().map(<[u8]>::len), Some(LONGEST_REQUEST));
    assert!(!frames.is_halfway());
    frames.push(&whole[..LONGEST_REQUEST]);
    assert_eq!(frames.pop(), Ok(None));
    assert!(frames.is_halfway());
    frames.push(b" ");
    assert_eq!(frames.pop(), Err(TooLong { limit: LONGEST_REQUEST }));
    frames.push(b"\0");
    assert_eq!(frames.pop(), Err(TooLong { limit: LONGEST_REQUEST }));
}

#[test]
fn many_small_frames_in_one_read_are_all_found() {
    let mut frames = Frames::new(LONGEST_REQUEST);
    frames.push(&b"x\0".repeat(1 << 20));
    let mut count = 0;
    while let Some(frame) = frames.pop().unwrap() {
        assert_eq!(frame, b"x");
        count += 1;
    }
    assert_eq!(count, 1 << 20);
    frames.push(b"");
    assert!(frames.bytes.capacity() <= ROOM, "what is read is given back");
}

#[test]
fn a_call_crosses_a_socket_as_it_was() {
    let (mut client, mut server) = UnixStream::pair().unwrap();
    let request = PutCrontab { user: None, text: Text(b"* * * * * echo \"\xff\0\"\n".to_vec()) };
    client.write_all(&call(&request)).unwrap();
    client.write_all(&call(&GetInfo {})).unwrap();
    drop(client);
    let mut bytes = Vec::new();
    server.read_to_end(&mut bytes).unwrap();
    let mut frames = Frames::new(LONGEST_REQUEST);
    frames.push(&bytes);
    let put = parse(frames.pop().unwrap().unwrap());
    assert_eq!(put.request, Ok(Request::PutCrontab(request)));
    let info = parse(frames.pop().unwrap().unwrap());
    assert_eq!(info.request, Ok(Request::GetInfo(GetInfo {})));
    assert_eq!(frames.pop(), Ok(None));
}

#[test]
fn flags_and_absent_parameters_are_read_in_any_order() {
    let list = ListRuns { limit: 3, ..ListRuns::default() };
    let cases = [
        (r#"{"method":"org.varlink.service.GetInfo"}"#, Request::GetInfo(GetInfo {}), false, false),
        (
            r#"{"parameters":null,"oneway":true,"method":"org.varlink.service.GetInfo"}"#,
            Request::GetInfo(GetInfo {}),
            false,
            true,
        ),
        (
            r#"{"parameters":{"limit":3,"owner":null},"more":true,"upgrade":false,
                "method":"org.rat.scheduler1.ListRuns"}"#,
            Request::ListRuns(list),
            true,
            false,
        ),
    ];
    for (frame, request, more, oneway) in cases {
        let expected = Call { request: Ok(request), more, oneway };
        assert_eq!(parse(frame.as_bytes()), expected, "{frame}");
    }
}

#[test]
fn what_cannot_be_done_is_said_in_varlinks_words() {
    let name = "org.varlink.service.InvalidParameter";
    let cases: [(&[u8], &str, &str); 13] = [
        (b"\"x\"", name, "a varlink call"),
        (b"", name, "EOF"),
        (b"\xff\xfe", name, "expected value"),
        (b"[]", name, "a varlink call"),
        (b"{\"method\":\"\xff\"}", name, "unicode"),
        (b"{\"method\":\"org.rat.scheduler1.RemoveJob\"}", name, "missing field `number`"),
        (
            b"{\"method\":\"org.rat.scheduler1.RemoveJob\",\"parameters\":{\"number\":-1}}",
            name,
            "invalid value",
        ),
        (
            b"{\"method\":\"org.rat.scheduler1.RemoveJob\",\"parameters\":{\"number\":1,\"kill\":true}}",
            name,
            "unknown field `kill`",
        ),
        (
            b"{\"method\":\"org.rat.scheduler1.PutCrontab\",\"parameters\":{\"text\":{\"text\":\"\xff\"}}}",
            name,
            "unicode",
        ),
        (
            b"{\"method\":\"org.rat.scheduler1.PutCrontab\",\"parameters\":{\"text\":{}}}",
            name,
            "exactly one",
        ),
        (
            b"{\"method\":\"org.rat.scheduler1.Fly\"}",
            "org.varlink.service.MethodNotFound",
            "org.rat.scheduler1.Fly",
        ),
        (b"{\"method\":\"org.other.Fly\"}", "org.varlink.service.InterfaceNotFound", "org.other"),
        (b"{\"method\":\"Fly\"}", "org.varlink.service.MethodNotFound", "Fly"),
    ];
    for (frame, error, part) in cases {
        let shown = String::from_utf8_lossy(frame);
        let fault = parse(frame).request.expect_err(&shown);
        let refusal = String::from_utf8(refuse(&fault)).unwrap();
        assert!(refusal.contains(&format!("\"error\":\"{error}\"")), "{shown}: {refusal}");
        assert!(refusal.contains(part), "{shown}: {refusal}");
    }
}

#[test]
fn an_environment_that_no_process_can_have_is_refused() {
    for (assignment, part) in [
        (r#"{"name":{"text":""},"value":{"text":"x"}}"#, "cannot be the name"),
        (r#"{"name":{"text":"a=b"},"value":{"text":"x"}}"#, "cannot be the name"),
        (r#"{"name":{"text":"a"},"value":{"text":"x\u0000y"}}"#, "zero byte"),
    ] {
        let frame = format!(
            r#"{{"method":"org.rat.scheduler1.SubmitJob","parameters":{{"due":"2026-03-08T07:00:00Z",
                "queue":"a","script":{{"text":""}},"environment":[{assignment}],
                "directory":{{"text":"/"}},"umask":18,"mail":"auto"}}}}"#
        );
        let fault = parse(frame.as_bytes()).request.unwrap_err().to_string();
        assert!(fault.contains(part), "{fault}");
    }
}

#[test]
fn deep_nesting_and_noise_are_refused_without_harm() {
    for open in ["[", "{\"a\":", "{\"method\":\"org.rat.scheduler1.GetStatus\",\"parameters\":["] {
        let bomb = open.repeat(1 << 20);
        assert!(parse(bomb.as_bytes()).request.is_err());
    }
    let hidden = format!(
        "{{\"method\":\"org.varlink.service.GetInfo\",\"x\":{}1{}}}",
        "[".repeat(1 << 20),
        "]".repeat(1 << 20)
    );
    let _ = parse(hidden.as_bytes());
    let valid = call(&ListRuns { job: Some("é\"".to_owned()), owner: None, limit: 5 });
    for at in 0..valid.len() {
        let _ = parse(&valid[..at]);
        for byte in [0, b'"', b'\\', b'{', b'}', 0x80, 0xff] {
            let mut noisy = valid.clone();
            noisy[at] = byte;
            let _ = parse(&noisy);
        }
    }
}

#[test]
fn an_answer_is_what_the_method_promises_or_a_fault() {
    let unframed = |mut bytes: Vec<u8>| {
        assert_eq!(bytes.pop(), Some(0));
        bytes
    };
    type Promised = <RemoveJob as Method>::Reply;
    let removed = Removed { was_running: true };
    for encoded in [
        encode(&Reply::Removed(removed.clone())),
        encode_continued(&Reply::Removed(removed.clone())),
    ] {
        match answer::<Promised>(&unframed(encoded)).unwrap() {
            Answer::Reply(reply) => assert_eq!(reply, removed),
            Answer::Fault(fault) => panic!("{fault}"),
        }
    }
    match answer::<Promised>(&unframed(refuse(&Fault::NoSuchJob { number: 7 }))).unwrap() {
        Answer::Reply(reply) => panic!("{reply:?}"),
        Answer::Fault(fault) => assert_eq!(fault, Fault::NoSuchJob { number: 7 }),
    }
    assert!(answer::<Promised>(&unframed(encode(&Reply::Nothing(Nothing {})))).is_err());
    assert!(answer::<Promised>(b"{\"error\":\"org.rat.scheduler1.New\"}").is_err());
    assert!(answer::<Nothing>(b"{}").is_ok());
}
