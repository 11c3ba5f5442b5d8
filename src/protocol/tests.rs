//! The descriptions of the interfaces and the Rust types say the same.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde_json::{Value, json, to_value};

use crate::plan::absence::{Absence, Cause};
use crate::plan::civil::Timestamp;
use crate::plan::job::Mail;
use crate::plan::run::{Outcome, Trigger, Usage};
use crate::plan::submission::{self, Submission};
use crate::plan::text::Text;
use crate::protocol::fault::Fault;
use crate::protocol::request::{
    EndEdit, ExplainJob, GetCrontab, GetInfo, GetInterfaceDescription, GetStatus, ImportJob,
    ListJobs, ListNext, ListQueue, ListRuns, ListVersions, Method, PutCrontab, Reload,
    RemoveCrontab, RemoveJob, Request, RetryJob, RunJob, ShowJob, SubmitJob, UndoCrontab, WaitRun,
};
use crate::protocol::{DESCRIPTION, INTERFACE, SERVICE, SERVICE_DESCRIPTION, reply};

/// A type of the description.
#[derive(Debug, Clone)]
enum Type {
    Plain(String),
    Maybe(Box<Type>),
    Array(Box<Type>),
    Enum(Vec<String>),
    Struct(BTreeMap<String, Type>),
}

#[derive(Debug, Default)]
struct Interface {
    types: BTreeMap<String, Type>,
    methods: BTreeMap<String, (Type, Type)>,
    errors: BTreeMap<String, Type>,
}

/// A parser for as much of the language as we use; it accepts nothing that the language does not.
struct Parser<'a> {
    words: std::iter::Peekable<std::vec::IntoIter<&'a str>>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Parser<'a> {
        let mut words = Vec::new();
        for line in text.lines() {
            let mut rest = line.split('#').next().unwrap().trim_start();
            while !rest.is_empty() {
                let length = ["->", "[]"]
                    .iter()
                    .find(|sign| rest.starts_with(**sign))
                    .map(|sign| sign.len())
                    .or_else(|| {
                        rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
                    })
                    .unwrap_or(rest.len())
                    .max(1);
                words.push(&rest[..length]);
                rest = rest[length..].trim_start();
            }
        }
        Parser { words: words.into_iter().peekable() }
    }

    fn expect(&mut self, word: &str) {
        assert_eq!(self.words.next(), Some(word));
    }

    fn field_name(&mut self) -> String {
        let name = self.words.next().unwrap();
        let good = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !name.contains("__")
            && !name.ends_with('_');
        assert!(good, "{name} is no field name of varlink");
        name.to_owned()
    }

    fn type_name(&mut self) -> String {
        let name = self.words.next().unwrap();
        let good = name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.chars().all(|c| c.is_ascii_alphanumeric());
        assert!(good, "{name} is no type name of varlink");
        name.to_owned()
    }

    fn type_(&mut self) -> Type {
        match *self.words.peek().unwrap() {
            "?" => {
                self.expect("?");
                Type::Maybe(Box::new(self.type_()))
            }
            "[]" => {
                self.expect("[]");
                Type::Array(Box::new(self.type_()))
            }
            "(" => self.fields(),
            "bool" | "int" | "float" | "string" | "object" => {
                Type::Plain(self.words.next().unwrap().to_owned())
            }
            _ => Type::Plain(self.type_name()),
        }
    }

    /// A struct, or an enum where the first name has no type.
    fn fields(&mut self) -> Type {
        let (mut names, mut fields) = (Vec::new(), BTreeMap::new());
        self.expect("(");
        while self.words.peek() != Some(&")") {
            if !(names.is_empty() && fields.is_empty()) {
                self.expect(",");
            }
            let name = self.field_name();
            if self.words.peek() == Some(&":") {
                self.expect(":");
                let type_ = self.type_();
                assert!(fields.insert(name, type_).is_none());
            } else {
                names.push(name);
            }
        }
        self.expect(")");
        assert!(names.is_empty() || fields.is_empty());
        if names.is_empty() { Type::Struct(fields) } else { Type::Enum(names) }
    }

    fn interface(mut self, name: &str) -> Interface {
        self.expect("interface");
        self.expect(name);
        let mut interface = Interface::default();
        while let Some(word) = self.words.next() {
            let name = self.type_name();
            let fresh = match word {
                "type" => interface.types.insert(name, self.fields()).is_none(),
                "error" => interface.errors.insert(name, self.fields()).is_none(),
                "method" => {
                    let parameters = self.fields();
                    self.expect("->");
                    let reply = self.fields();
                    interface.methods.insert(name, (parameters, reply)).is_none()
                }
                other => panic!("{other} is no member of an interface"),
            };
            assert!(fresh, "a name is used twice");
        }
        interface
    }
}

impl Interface {
    /// The value has exactly the fields of the type; in samples nothing is left out.
    fn check(&self, place: &str, value: &Value, type_: &Type) {
        match type_ {
            Type::Maybe(inner) => self.check(place, value, inner),
            Type::Array(inner) => {
                let items = value.as_array().unwrap_or_else(|| panic!("{place} is no array"));
                assert!(!items.is_empty(), "{place}: a sample should not be empty");
                items.iter().for_each(|item| self.check(&format!("{place}[]"), item, inner));
            }
            Type::Enum(names) => {
                assert!(names.iter().any(|name| value == name), "{place}: {value}")
            }
            Type::Plain(name) => match name.as_str() {
                "string" => assert!(value.is_string(), "{place}: {value}"),
                "int" => assert!(value.is_i64(), "{place}: {value}"),
                "bool" => assert!(value.is_boolean(), "{place}: {value}"),
                // One of its two fields is always left out.
                "Text" => {
                    let text = value.get("text").or(value.get("base64"));
                    assert!(text.is_some_and(Value::is_string), "{place}: {value}");
                }
                name => self.check(place, value, &self.types[name]),
            },
            Type::Struct(fields) => {
                let object = value.as_object().unwrap_or_else(|| panic!("{place} is no object"));
                let names: Vec<&String> = fields.keys().collect();
                let mut found: Vec<&String> = object.keys().collect();
                found.sort();
                assert_eq!(found, names, "{place}");
                for (name, type_) in fields {
                    self.check(&format!("{place}.{name}"), &object[name], type_);
                }
            }
        }
    }
}

/// Both interfaces, by name.
fn interfaces() -> BTreeMap<&'static str, Interface> {
    [(INTERFACE, DESCRIPTION), (SERVICE, SERVICE_DESCRIPTION)]
        .map(|(name, text)| (name, Parser::new(text).interface(name)))
        .into()
}

fn at() -> Timestamp {
    DateTime::from_timestamp(1_773_000_000, 0).unwrap()
}

fn text() -> Text {
    Text(b"x\xff".to_vec())
}

fn word() -> String {
    "word".to_owned()
}

fn some() -> Option<String> {
    Some(word())
}

/// With the fields of every kind of end, as no real one has.
fn end() -> reply::End {
    reply::End { outcome: some(), status: Some(7), signal: Some(9), why: some() }
}

fn submission() -> Submission {
    Submission {
        due: at(),
        queue: submission::Queue::new('a').unwrap(),
        script: text(),
        environment: [("A".into(), text())].into(),
        directory: text(),
        umask: 0o22,
        mail: Mail::Never,
        mail_to: some(),
        deadline: Some(7),
    }
}

fn status() -> reply::Status {
    reply::Status {
        version: word(),
        pid: 1,
        started: at(),
        ready: true,
        jobs: 1,
        running: 1,
        next: Some(at()),
        trouble: some(),
        runs_started: 1,
        runs_missed: 1,
        rows_dropped: 1,
        dialect: word(),
        problems: vec![word()],
    }
}

fn job() -> reply::Job {
    reply::Job {
        id: word(),
        name: word(),
        owner: word(),
        schedule: word(),
        command: text(),
        file: word(),
        line: 1,
        disabled: false,
        next: Some(at()),
        last: Some(reply::Last { started: Some(at()), end: end() }),
    }
}

fn run() -> reply::Run {
    reply::Run {
        id: word(),
        job: word(),
        name: word(),
        owner: word(),
        due: at(),
        trigger: Trigger::CatchUp,
        started: Some(at()),
        ended: Some(at()),
        end: end(),
        usage: Usage { user_microseconds: 1, system_microseconds: 2, max_rss_kib: 3 },
        output_bytes: 1,
        last_line: text(),
        output: Some(text()),
    }
}

fn explained() -> reply::Explained {
    let from = at();
    let date = from.date_naive();
    let explanation = reply::Explanation {
        job: job(),
        kind: reply::ScheduleKind::Period,
        zone: some(),
        single: true,
        delay: 1,
        from,
        until: at(),
        shown: from.naive_utc(),
        due: vec![at()],
        more: true,
        before: Some(at()),
        after: Some(at()),
        refusing: vec![reply::Field::Weekday],
        changes: vec![reply::ClockChange { at: at(), seconds: -3600 }],
        period: Some(reply::Period {
            begins: date,
            day: date,
            today: date,
            done: Some(date),
            delay: 1,
            first_hour: Some(3),
            end_hour: Some(22),
            stamp: word(),
        }),
        runs: vec![run()],
        absences: vec![Absence { from, until: at(), cause: Cause::HeldUp }],
        makes_up: 1,
        deadline: Some(1),
        ac_only: true,
        owed: vec![at()],
        first_seen: Some(at()),
        started: at(),
        changed: Some(at()),
    };
    reply::Explained {
        now: at(),
        problems: vec![word()],
        explanation: Some(explanation),
        last: Some(run()),
    }
}

fn coming() -> reply::Coming {
    reply::Coming {
        time: at(),
        job: word(),
        name: word(),
        owner: word(),
        schedule: word(),
        command: text(),
    }
}

fn queued() -> reply::Queued {
    reply::Queued { number: 1, due: at(), queue: 'a', owner: word(), running: true, lost: true }
}

fn version() -> reply::Version {
    reply::Version { number: 1, until: at(), bytes: Some(1), added: 1, removed: 1, changed: 1 }
}

fn info() -> reply::Info {
    reply::Info {
        vendor: word(),
        product: word(),
        version: word(),
        url: word(),
        interfaces: vec![word()],
    }
}

/// A method's name, and its parameters and its reply with no field left out; both read back as they were.
fn sample<M>(parameters: M, reply: M::Reply) -> (&'static str, Value, Value)
where
    M: Method + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
    M::Reply: PartialEq + std::fmt::Debug,
{
    let (written, replied) = (to_value(&parameters).unwrap(), to_value(&reply).unwrap());
    assert_eq!(serde_json::from_value::<M>(written.clone()).unwrap(), parameters);
    assert_eq!(serde_json::from_value::<M::Reply>(replied.clone()).unwrap(), reply);
    (M::NAME, written, replied)
}

fn ordered() -> reply::Ordered {
    reply::Ordered { run: word(), job: word(), name: word(), owner: word() }
}

fn samples() -> Vec<(&'static str, Value, Value)> {
    let description = reply::Description { description: word() };
    let list_runs = ListRuns { job: some(), limit: 1, output: true };
    let list_next = ListNext { count: 1, until: Some(at()) };
    vec![
        sample(GetInfo {}, info()),
        sample(GetInterfaceDescription { interface: word() }, description),
        sample(GetStatus {}, status()),
        sample(ListJobs {}, reply::Jobs { jobs: vec![job()] }),
        sample(list_runs, reply::Runs { runs: vec![run()] }),
        sample(list_next, reply::Next { runs: vec![coming()] }),
        sample(RunJob { job: word() }, ordered()),
        sample(ExplainJob { job: word(), from: Some(at()), until: Some(at()) }, explained()),
        sample(WaitRun { run: word() }, reply::Waited { run: run() }),
        sample(Reload {}, reply::Done {}),
        sample(SubmitJob { job: submission() }, reply::Submitted { number: 1 }),
        sample(
            ImportJob { source: word(), uid: 1, job: submission() },
            reply::Imported { number: 1, new: true },
        ),
        sample(ListQueue {}, reply::Queue { jobs: vec![queued()] }),
        sample(RemoveJob { number: 1, kill: true }, reply::Removed { running: true }),
        sample(RetryJob { number: 1 }, reply::Submitted { number: 1 }),
        sample(GetCrontab { user: some(), edit: true }, reply::Crontab { text: text() }),
        sample(EndEdit { user: some() }, reply::Done {}),
        sample(PutCrontab { user: some(), text: text(), allow_empty: true }, reply::Done {}),
        sample(ShowJob { number: 1 }, reply::Shown { uid: 1, owner: word(), job: submission() }),
        sample(RemoveCrontab { user: some() }, reply::Done {}),
        sample(ListVersions { user: some() }, reply::Versions { versions: vec![version()] }),
        sample(
            UndoCrontab { user: some(), number: Some(1) },
            reply::Undone { number: 1, text: Some(text()) },
        ),
    ]
}

#[test]
fn methods_are_as_described() {
    let interfaces = interfaces();
    let mut sampled = Vec::new();
    for (method, parameters, reply) in samples() {
        let (interface, name) = method.rsplit_once('.').unwrap();
        let (parameter_type, reply_type) = &interfaces[interface].methods[name];
        interfaces[interface].check(&format!("{name}()"), &parameters, parameter_type);
        interfaces[interface].check(&format!("{name}() ->"), &reply, reply_type);
        sampled.push(method.to_owned());
    }
    sampled.sort();
    let described: Vec<String> = interfaces
        .iter()
        .flat_map(|(name, interface)| {
            interface.methods.keys().map(move |method| format!("{name}.{method}"))
        })
        .collect();
    assert_eq!(sampled, described);
    let mut known = Request::NAMES.to_vec();
    known.sort_unstable();
    assert_eq!(sampled, known);
}

#[test]
fn types_are_all_used() {
    for (name, interface) in interfaces() {
        let shown = format!("{interface:?}");
        for named in interface.types.keys() {
            assert!(shown.contains(&format!("Plain(\"{named}\")")), "{name}: {named}");
        }
    }
}

#[test]
fn errors_are_as_described() {
    let interfaces = interfaces();
    let faults = [
        Fault::InterfaceNotFound { interface: word() },
        Fault::MethodNotFound { method: word() },
        Fault::InvalidParameter { parameter: word() },
        Fault::NotPermitted { message: word() },
        Fault::NotFound { message: word() },
        Fault::NoCrontab { user: word() },
        Fault::EmptyCrontab { user: word() },
        Fault::Unavailable { message: word() },
    ];
    let described: usize = interfaces.values().map(|interface| interface.errors.len()).sum();
    assert_eq!(faults.len(), described);
    for fault in faults {
        let value = to_value(&fault).unwrap();
        let (interface, name) = value["error"].as_str().unwrap().rsplit_once('.').unwrap();
        let interface = &interfaces[interface];
        interface.check(name, &value["parameters"], &interface.errors[name]);
        assert_eq!(Fault::parse(&value), Some(fault));
    }
}

#[test]
fn instants_are_rfc_3339_in_utc() {
    assert_eq!(to_value(coming()).unwrap()["time"], json!("2026-03-08T20:00:00Z"));
}

#[test]
fn ends_are_told_and_read_again() {
    let outcomes = [
        (Outcome::Exited(7), "exited"),
        (Outcome::Killed(9), "killed"),
        (Outcome::NotStarted(word()), "not-started"),
        (Outcome::Lost(word()), "lost"),
    ];
    for (outcome, shown) in outcomes {
        let end = reply::End::from(Some(&outcome));
        assert_eq!(end.outcome.as_deref(), Some(shown));
        assert_eq!(end.parse(), Some(outcome));
    }
    assert_eq!(reply::End::from(None).parse(), None);
    let newer = reply::End { outcome: Some("timed-out".to_owned()), ..reply::End::default() };
    assert_eq!(newer.parse(), Some(Outcome::Lost("timed-out".to_owned())));
}

#[test]
fn a_reply_may_leave_out_what_is_null() {
    let run = json!({ "id": "1", "job": "j", "name": "n", "owner": "o", "due": at(), "trigger": "at",
        "user_microseconds": 0, "system_microseconds": 0, "max_rss_kib": 0, "output_bytes": 0,
        "last_line": { "text": "" } });
    let run: reply::Run = serde_json::from_value(run).unwrap();
    assert_eq!((run.end, run.output), (reply::End::default(), None));
}
