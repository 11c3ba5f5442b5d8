//! Clients that behave badly: whatever they do, others are served meanwhile, and ratd lives.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::thread;

use nix::sys::signal::Signal;
use nix::unistd::User;
use serde_json::{Value, json};

use crate::bench::{
    AT, ATQ, Client, DEADLINE, OTHER, RAT, RATD, Ratd, Root, Start, eventually, far_ahead, is_root,
};

/// A connection that says what it likes.
struct Raw(BufReader<UnixStream>);

impl Raw {
    fn new(root: &Root) -> Raw {
        // The tests' roots are short enough.
        let stream = UnixStream::connect(root.path("run/rat/control.sock")).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Raw(BufReader::new(stream))
    }

    fn send(&mut self, bytes: &[u8]) -> &mut Raw {
        self.0.get_mut().write_all(bytes).unwrap();
        self
    }

    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.send(&frame(method, parameters, false)).reply()
    }

    fn reply(&mut self) -> Value {
        let mut reply = Vec::new();
        self.0.read_until(0, &mut reply).unwrap();
        serde_json::from_slice(reply.strip_suffix(b"\0").unwrap()).unwrap()
    }

    /// Waits until ratd closes the connection.
    fn await_close(&mut self) {
        let mut rest = [0; 4096];
        loop {
            match self.0.read(&mut rest) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn frame(method: &str, parameters: &Value, oneway: bool) -> Vec<u8> {
    let method = match method.contains('.') {
        true => method.to_owned(),
        false => format!("org.rat.scheduler1.{method}"),
    };
    let mut call = json!({ "method": method, "parameters": parameters });
    if oneway {
        call["oneway"] = true.into();
    }
    let mut bytes = call.to_string().into_bytes();
    bytes.push(0);
    bytes
}

/// A ratd with something to list, and the check that it serves.
fn ratd(root: &Root) -> Ratd {
    root.crontab(
        &"30 4 * * * echo a command of some length, so that a list of jobs is long\n".repeat(3000),
    );
    Start::system(root).ready()
}

fn serves(root: &Root) {
    let queued = root.client(AT, &["noon", "tomorrow"]).input("true\n").run().ok();
    let number = queued.stderr.rsplit("job ").next().unwrap().split(' ').next().unwrap().to_owned();
    assert!(root.client(ATQ, &[]).run().ok().stdout.contains(&format!("{number}\t")));
    root.client(RAT, &["status"]).run().ok();
}

#[test]
fn foreign_varlink_clients_are_answered() {
    let root = Root::new("varlink");
    let _ratd = ratd(&root);
    let mut raw = Raw::new(&root);
    let info = raw.call("org.varlink.service.GetInfo", &json!({}));
    assert_eq!(info["parameters"]["product"], "ratd");
    let interface = json!({ "interface": "org.rat.scheduler1" });
    let description = raw.call("org.varlink.service.GetInterfaceDescription", &interface);
    let text = description["parameters"]["description"].as_str().unwrap().to_owned();
    assert!(text.contains("interface org.rat.scheduler1"));
    for line in text.lines().filter(|line| line.starts_with("method ")) {
        let method = line["method ".len()..].split('(').next().unwrap().trim();
        let reply = raw.call(method, &json!({}));
        assert_ne!(reply["error"], "org.varlink.service.MethodNotFound", "{method}");
    }
    for (method, error) in [
        ("NoSuchMethod", "MethodNotFound"),
        ("org.varlink.service.No", "MethodNotFound"),
        ("com.example.Ping", "InterfaceNotFound"),
        ("x", "MethodNotFound"),
    ] {
        let reply = raw.call(method, &json!({}));
        assert!(reply["error"].as_str().unwrap().ends_with(error), "{method}: {reply}");
    }
}

#[test]
fn nonsense_is_refused() {
    let root = Root::new("nonsense");
    let _ratd = ratd(&root);
    let deep = "[".repeat(30_000) + &"]".repeat(30_000);
    let deep_request =
        format!("{{\"method\":\"org.rat.scheduler1.ListJobs\",\"parameters\":{deep}}}");
    let deeper = "{\"a\":".repeat(200_000);
    for nonsense in [
        &b""[..],
        b"{}",
        b"null",
        b"[]",
        b"{\"method\":1}",
        b"\xff\xfe\xfd",
        b"{\"method\":\"org.rat.scheduler1.RemoveJob\",\"parameters\":{\"number\":-1}}",
        b"{\"method\":\"org.rat.scheduler1.RemoveJob\",\"parameters\":{\"number\":1e99}}",
        b"{\"method\":\"org.rat.scheduler1.RemoveJob\",\"parameters\":{\"number\":18446744073709551615}}",
        b"{\"method\":\"org.rat.scheduler1.ListNext\",\"parameters\":{\"count\":4294967296}}",
        b"{\"method\":\"org.rat.scheduler1.ListNext\",\"parameters\":{\"count\":1,\"until\":\"never\"}}",
        b"{\"method\":\"org.rat.scheduler1.SubmitJob\",\"parameters\":{\"job\":{}}}",
        b"{\"method\":\"org.rat.scheduler1.ListRuns\",\"parameters\":{\"limit\":1,\"job\":\"%_'\\\"; DROP TABLE\"}}",
        deep.as_bytes(),
        deep_request.as_bytes(),
        deeper.as_bytes(),
    ] {
        let mut raw = Raw::new(&root);
        let reply = raw.send(&[nonsense, b"\0"].concat()).reply();
        let is_list = reply["parameters"]["runs"].is_array();
        assert!(reply["error"].is_string() || is_list, "{:?}: {reply}", &nonsense[..nonsense.len().min(99)]);
        let reply = raw.call("GetStatus", &json!({}));
        assert_eq!(reply["parameters"]["jobs"], 3000, "the connection is still good");
    }
    serves(&root);
}

#[test]
fn a_frame_that_is_too_long_ends_its_connection() {
    let root = Root::new("too-long");
    let _ratd = ratd(&root);
    let mut raw = Raw::new(&root);
    let piece = vec![b' '; 1 << 20];
    for _ in 0..17 {
        if raw.0.get_mut().write_all(&piece).is_err() {
            break;
        }
    }
    raw.await_close();
    serves(&root);
    // One that is just short enough is read.
    let mut raw = Raw::new(&root);
    let mut long = vec![b' '; (16 << 20) - 200];
    long.extend(frame("GetStatus", &json!({}), false));
    assert_eq!(raw.send(&long).reply()["parameters"]["jobs"], 3000);
}

#[test]
fn whoever_stops_in_the_middle_holds_nobody_up() {
    let root = Root::new("middle");
    let ratd = ratd(&root);
    let request = frame("ListJobs", &json!({}), false);
    let mut half: Vec<_> = (0..20).map(|_| Raw::new(&root)).collect();
    for (index, raw) in half.iter_mut().enumerate() {
        raw.send(&request[..index]);
    }
    // Replies that are never read: each is some hundred kilobytes, more than a socket holds.
    let mut deaf: Vec<_> = (0..20).map(|_| Raw::new(&root)).collect();
    deaf.iter_mut().for_each(|raw| {
        let _ = raw.send(&request.repeat(20));
    });
    for _ in 0..20 {
        // Gone before the reply, or in the middle of it.
        let _ = Raw::new(&root).send(&request);
        Raw::new(&root).send(&request).0.get_ref().shutdown(Shutdown::Both).unwrap();
    }
    serves(&root);
    half.iter_mut().zip(0..).for_each(|(raw, index)| {
        assert_eq!(
            raw.send(&request[index..]).reply()["parameters"]["jobs"].as_array().unwrap().len(),
            3000
        );
    });
    for mut raw in deaf {
        for _ in 0..20 {
            assert!(raw.reply()["parameters"]["jobs"].is_array());
        }
    }
    drop(half);
    eventually("connections are closed", || {
        std::fs::read_dir(format!("/proc/{}/fd", ratd.pid)).unwrap().count() < 25
    });
    serves(&root);
}

/// A restart refuses nobody: whoever came while this ratd still took clients hears from it.
#[test]
fn whoever_came_before_ratd_was_told_to_stop_has_a_reply() {
    let root = Root::new("stop");
    let mut ratd = ratd(&root);
    let mut late: Vec<_> = (0..20).map(|_| Raw::new(&root)).collect();
    let _silent = Raw::new(&root);
    // Clients are taken in the order they came in.
    serves(&root);
    ratd.signal(Signal::SIGTERM);
    for raw in &mut late {
        let reply = raw.call("org.varlink.service.GetInfo", &json!({}));
        assert_eq!(reply["parameters"]["product"], "ratd");
    }
    assert!(ratd.await_end().success());
}

#[test]
fn thousands_of_requests_in_one_go_are_answered_in_order() {
    let root = Root::new("pipelined");
    let _ratd = ratd(&root);
    let mut writer = Raw::new(&root);
    let mut reader = Raw(BufReader::new(writer.0.get_ref().try_clone().unwrap()));
    let sender = thread::spawn(move || {
        for number in 0..4000 {
            let request = match number % 4 {
                0 => frame("GetStatus", &json!({}), false),
                1 => frame("RemoveJob", &json!({ "number": number }), false),
                2 => frame("GetStatus", &json!({}), true),
                _ => frame("RemoveJob", &json!({ "number": number }), true),
            };
            writer.send(&request);
        }
        writer
    });
    for number in (0..4000).filter(|number| number % 4 < 2) {
        let reply = reader.reply();
        if number % 4 == 0 {
            assert_eq!(reply["parameters"]["jobs"], 3000, "{number}");
        } else {
            let said = reply["parameters"]["message"].as_str().unwrap().to_owned();
            assert_eq!(said, format!("Cannot find jobid {number}"), "{reply}");
        }
    }
    let mut writer = sender.join().unwrap();
    // Nothing more came: what nobody waits for is not answered.
    assert_eq!(
        writer.call("NoSuchMethod", &json!({}))["error"],
        "org.varlink.service.MethodNotFound"
    );
    serves(&root);
}

#[test]
fn whoever_asks_much_waits_for_whoever_asks_little() {
    let root = Root::new("greedy");
    let _ratd = ratd(&root);
    let mut greedy = Raw::new(&root);
    let expensive = frame("ListNext", &json!({ "count": 10_000 }), false);
    // All of these lie in one piece that ratd reads at once.
    greedy.send(&expensive.repeat(30));
    let greedy = thread::spawn(move || (0..30).for_each(|_| drop(greedy.reply())));
    let mut modest = Raw::new(&root);
    let mut answered = 0;
    while !greedy.is_finished() {
        assert_eq!(modest.call("GetStatus", &json!({}))["parameters"]["jobs"], 3000);
        answered += 1;
    }
    greedy.join().unwrap();
    assert!(answered > 15, "only {answered} answers beside 30 long ones");
}

#[test]
fn oneway_requests_are_done() {
    let root = Root::new("oneway");
    let _ratd = ratd(&root);
    root.client(AT, &["noon", "tomorrow"]).input("true\n").run().ok();
    let mut raw = Raw::new(&root);
    raw.send(&frame("RemoveJob", &json!({ "number": 1 }), true));
    raw.send(&frame("Reload", &json!({}), true));
    assert_eq!(raw.call("GetStatus", &json!({}))["parameters"]["jobs"], 3000);
    assert_eq!(root.client(ATQ, &[]).run().ok().stdout, "");
    // Also if nobody stays to hear.
    root.client(AT, &["noon", "tomorrow"]).input("true\n").run().ok();
    let _ = Raw::new(&root).send(&frame("RemoveJob", &json!({ "number": 2 }), true).repeat(3));
    eventually("the job is removed", || root.client(ATQ, &[]).run().ok().stdout.is_empty());
}

#[test]
fn half_requests_are_not_kept_without_end() {
    let root = Root::new("half");
    let _ratd = ratd(&root);
    let piece = vec![b' '; 1 << 20];
    let mut closed = 0;
    let held: Vec<_> = (0..8)
        .map(|_| {
            let mut raw = Raw::new(&root);
            let taken = (0..15).all(|_| raw.0.get_mut().write_all(&piece).is_ok());
            closed += usize::from(!taken);
            raw
        })
        .collect();
    assert!((3..8).contains(&closed), "{closed} of 8 half requests of 15 MiB were refused");
    drop(held);
    eventually("there is room", || root.client(RAT, &["status"]).run().status == Some(0));
    serves(&root);
}

#[test]
fn long_commands_are_told_in_part() {
    let root = Root::new("long-commands");
    root.crontab(&format!("* * * * * : {}\n", "ä".repeat(10_000)).repeat(20));
    let _ratd = Start::system(&root).ready();
    let mut raw = Raw::new(&root);
    let reply = raw.call("ListNext", &json!({ "count": 10_000 }));
    let runs = reply["parameters"]["runs"].as_array().unwrap();
    assert!((5000..10_000).contains(&runs.len()), "{}", runs.len());
    let jobs = raw.call("ListJobs", &json!({}));
    for job in [&runs[0], &jobs["parameters"]["jobs"][19]] {
        let command = job["command"]["text"].as_str().unwrap();
        assert!(command.len() <= 1000 && command.ends_with('ä'), "{command}");
    }
}

#[test]
fn what_is_wrong_with_a_crontab_is_its_users_business() {
    if !is_root() {
        return;
    }
    let root = Root::new("problems");
    root.crontab(&"61 * * * * secret-of-root\n".repeat(300));
    root.write("etc/cron.d/system", "62 * * * * root true\n");
    root.write("var/spool/cron/crontabs/nobody", "63 * * * * true\n");
    root.mode("var/spool/cron/crontabs/nobody", 0o600);
    std::os::unix::fs::chown(
        root.path("var/spool/cron/crontabs/nobody"),
        Some(User::from_name(OTHER).unwrap().unwrap().uid.as_raw()),
        None,
    )
    .unwrap();
    let _ratd = Start::system(&root).ready();
    let told = root.client(RAT, &["status"]).of_other().run().ok().stdout;
    // Process ids stand there as well.
    let is_told = |minute: u32| told.contains(&format!("minute {minute} is out of range"));
    assert!(is_told(63) && is_told(62) && !is_told(61), "{told}");
    let told = root.json(&["status"])["problems"].as_array().unwrap().len();
    assert_eq!(told, 100);
}

/// Holds 200 connections, and half a frame in each.
const HOARD: &str = "
import socket, sys
held = []
for _ in range(200):
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(sys.argv[1])
        s.send(b'{')
    except OSError:
        pass
    held.append(s)
print('held', flush=True)
sys.stdin.read()
";

#[test]
fn one_users_connections_do_not_shut_out_others() {
    let root = Root::new("hoard");
    let _ratd = ratd(&root);
    let mut own: Vec<_> = (0..200).map(|_| Raw::new(&root)).collect();
    let mut closed = 0;
    for raw in &mut own[100..] {
        raw.await_close();
        closed += 1;
    }
    assert_eq!(closed, 100);
    root.client(RAT, &["status"]).run().fails(3, "the connection to ratd broke");
    drop(own);
    eventually("there is room", || root.client(RAT, &["status"]).run().status == Some(0));
    if !is_root() || Command::new("python3").arg("-V").output().is_err() {
        return;
    }
    let mut hoard = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "python3", "-c", HOARD])
        .arg(root.path("run/rat/control.sock"))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut held = [0; 4];
    let outcome = hoard.stdout.as_mut().unwrap().read_exact(&mut held);
    if outcome.is_ok() {
        serves(&root);
        let shut_out = root.client(RAT, &["status"]).of_other().run();
        shut_out.fails(3, "the connection to ratd broke");
    } else {
        eprintln!("skipped: no python3 for another user");
    }
    drop(hoard.stdin.take());
    hoard.wait().unwrap();
    eventually("there is room again", || {
        root.client(RAT, &["status"]).of_other().run().status == Some(0)
    });
}

#[test]
fn without_descriptors_ratd_waits_for_some() {
    let root = Root::new("descriptors");
    let ratd = ratd(&root);
    let open = std::fs::read_dir(format!("/proc/{}/fd", ratd.pid)).unwrap().count();
    let limited = Command::new("prlimit")
        .arg(format!("--pid={}", ratd.pid))
        .arg(format!("--nofile={}", open + 8))
        .status();
    if !limited.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no prlimit");
        return;
    }
    let mut own: Vec<_> = (0..30).map(|_| Raw::new(&root)).collect();
    own[0].call("GetStatus", &json!({}));
    own.drain(..20);
    // Those that waited are taken once there is room.
    let reply = own[0].call("GetStatus", &json!({}));
    assert_eq!(reply["parameters"]["jobs"], 3000);
    drop(own);
    serves(&root);
}

#[test]
fn what_is_wrong_or_too_large_is_refused_by_ratd_too() {
    let root = Root::new("refused");
    let _ratd = Start::system(&root).ready();
    let mut raw = Raw::new(&root);
    let text = "* * * * * true\n61 * * * * true\n";
    let reply = raw.call("PutCrontab", &json!({ "text": { "text": text } }));
    assert_eq!(reply["error"], "org.varlink.service.InvalidParameter");
    let said = reply["parameters"]["parameter"].as_str().unwrap();
    assert!(said.starts_with("crontab:2:1: "), "{said}");
    let reply = raw.call("GetCrontab", &json!({}));
    assert_eq!(reply["error"], "org.rat.scheduler1.NoCrontab");
    let mut job = json!({
        "due": "2100-01-01T00:00:00Z", "queue": "a", "script": { "text": "true" },
        "environment": [], "directory": { "text": "/" }, "umask": 0, "mail": "never",
    });
    assert_eq!(raw.call("SubmitJob", &json!({ "job": job }))["parameters"]["number"], 1);
    job["script"]["text"] = "#".repeat(5 << 20).into();
    let reply = raw.call("SubmitJob", &json!({ "job": job }));
    assert_eq!(reply["error"], "org.rat.scheduler1.Unavailable");
    job["script"]["text"] = "true".into();
    job["environment"] =
        json!([{ "name": { "text": "A" }, "value": { "text": "x".repeat(2 << 20) } }]);
    let reply = raw.call("SubmitJob", &json!({ "job": job }));
    assert_eq!(reply["error"], "org.rat.scheduler1.Unavailable");
    root.client(RAT, &["--root", &root.shown(""), "status"]).without("RAT_ROOT").run().ok();
}

#[test]
fn another_users_ratd_is_passed_over() {
    if !is_root() {
        return;
    }
    let root = Root::new("passed-over");
    let table = root.write("table", "30 4 * * * true\n");
    let runtime = root.directory("runtime");
    let other = User::from_name(OTHER).unwrap().unwrap();
    std::os::unix::fs::chown(&runtime, Some(other.uid.as_raw()), None).unwrap();
    root.mode("runtime", 0o700);
    let with = |program: &str| {
        let client = Client::new(program).variable("XDG_RUNTIME_DIR", &runtime);
        client.variable("HOME", &runtime).variable("XDG_STATE_HOME", &runtime)
    };
    let mut ratd = with(RATD).argument(table.to_str().unwrap()).of_other().start();
    eventually("it answers its own user", || {
        let asked = with(RAT).argument("status").of_other().run();
        // Shown if it never does.
        eprintln!("{}{}", asked.stdout, asked.stderr);
        asked.status == Some(0)
    });
    let asked = with(RAT).arguments(&["status", "--json"]).run();
    match asked.status {
        // This machine has one of its own.
        Some(0) => assert!(!asked.stdout.contains(&format!("\"pid\":{},", ratd.child.id()))),
        _ => drop(asked.fails(3, "passed over: it is run by another user")),
    }
    ratd.child.kill().unwrap();
    ratd.finish();
}

#[test]
fn many_users_together_do_not_shut_out_root() {
    if !is_root() || Command::new("python3").arg("-V").output().is_err() {
        return;
    }
    let root = Root::new("crowd");
    let _ratd = ratd(&root);
    let mut crowd: Vec<_> = (60_001..60_009)
        .map(|uid: u32| {
            let mut one = Command::new("setpriv")
                .args([format!("--reuid={uid}"), format!("--regid={uid}")])
                .args(["--clear-groups", "python3", "-c", HOARD])
                .arg(root.path("run/rat/control.sock"))
                .env_clear()
                .env("PATH", "/usr/bin:/bin")
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let mut held = [0; 4];
            one.stdout.as_mut().unwrap().read_exact(&mut held).unwrap();
            one
        })
        .collect();
    serves(&root);
    for one in &mut crowd {
        drop(one.stdin.take());
        one.wait().unwrap();
    }
}

#[test]
fn only_its_owner_reaches_a_users_own_ratd() {
    if !is_root() {
        return;
    }
    let root = Root::new("own-socket");
    let table = root.write("table", "30 4 * * * true\n");
    let _ratd = Start::file(&root, &table).ready();
    root.client(RAT, &["status"]).of_other().run().fails(3, "Permission denied");
    assert!(Path::new(&root.path("run/rat/control.sock")).exists());
}

#[test]
fn a_long_queue_comes_in_pieces_to_who_asks_so() {
    let root = Root::new("long-queue");
    far_ahead(&root, 10_000);
    let _ratd = Start::system(&root).ready();
    let whole = Raw::new(&root).call("ListQueue", &json!({}))["parameters"]["jobs"].clone();
    assert_eq!(whole.as_array().unwrap().len(), 10_000);
    let ask = br#"{"method":"org.rat.scheduler1.ListQueue","more":true}"#;
    let ask = [&ask[..], b"\0"].concat();
    let pieces = |raw: &mut Raw| {
        let (mut jobs, mut count) = (Vec::new(), 0);
        loop {
            let mut reply = raw.reply();
            jobs.append(reply["parameters"]["jobs"].as_array_mut().unwrap());
            count += 1;
            if reply["continues"] != true {
                return (Value::from(jobs), count);
            }
        }
    };
    // Whoever asks, and asks again before the end, is answered in order.
    let mut raw = Raw::new(&root);
    raw.send(&ask).send(&frame("GetStatus", &json!({}), false)).send(&ask);
    let (jobs, count) = pieces(&mut raw);
    assert!(count > 2, "{count} pieces");
    assert!(jobs == whole, "the pieces are the whole");
    assert!(raw.reply()["parameters"]["running"].is_u64());
    assert!(pieces(&mut raw).0 == whole);
    // Nobody is held up by those who do not read on, or are gone.
    let mut deaf: Vec<_> = (0..20).map(|_| Raw::new(&root)).collect();
    for raw in &mut deaf {
        raw.send(&ask);
        Raw::new(&root).send(&ask);
    }
    assert_eq!(root.client(ATQ, &[]).run().ok().stdout.lines().count(), 10_000);
    assert!(deaf.iter_mut().all(|raw| pieces(raw).0 == whole));
    // Who waits for no reply gets no piece of one.
    let silent = br#"{"method":"org.rat.scheduler1.ListQueue","more":true,"oneway":true}"#;
    raw.send(&[&silent[..], b"\0"].concat());
    assert!(raw.call("GetStatus", &json!({}))["parameters"]["running"].is_u64());
}
