//! The interface description and the Rust types say the same.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde_json::{Value, json, to_value};

use crate::plan::civil::Timestamp;
use crate::plan::run::{Outcome, Trigger};
use crate::plan::submission::{self, Mail, Submission};
use crate::plan::text::Text;
use crate::protocol::fault::Fault;
use crate::protocol::request::*;
use crate::protocol::{DESCRIPTION, INTERFACE, reply};

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

    fn interface(mut self) -> Interface {
        self.expect("interface");
        self.expect(INTERFACE);
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
                "Bytes" => {
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

fn at() -> Timestamp {
    DateTime::from_timestamp(1_773_000_000, 0).unwrap()
}

fn text() -> Text {
    Text(b"x\xff".to_vec())
}

fn word() -> String {
    "word".to_owned()
}

fn diagnostic() -> reply::Diagnostic {
    reply::Diagnostic {
        severity: "error".to_owned(),
        code: "E003".to_owned(),
        message: word(),
        line: 3,
        column: 1,
        length: 2,
        help: Some(word()),
    }
}

fn queued() -> reply::Queued {
    reply::Queued {
        number: 1,
        owner: word(),
        queue: submission::Queue::new('a').unwrap(),
        due: at(),
        submitted: at(),
        running: true,
    }
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
        mail_to: Some(word()),
    }
}

fn status() -> reply::Status {
    reply::Status {
        version: word(),
        pid: 1,
        started: at(),
        mode: word(),
        jobs: 1,
        running: 1,
        queued: 1,
        next_wakeup: Some(at()),
        store: word(),
        counters: reply::Counters::default(),
        sources: vec![reply::Source {
            path: text(),
            jobs: 1,
            refused: Some(word()),
            diagnostics: vec![diagnostic()],
        }],
    }
}

fn job() -> reply::Job {
    reply::Job {
        id: word(),
        name: word(),
        owner: word(),
        schedule: word(),
        command: text(),
        source: text(),
        line: 1,
        running: false,
        next_due: Some(at()),
        last_outcome: Some(word()),
        last_started: Some(at()),
    }
}

/// A run with the fields of every kind of end, as no real one has.
fn run() -> reply::Run {
    let status = reply::End::from(&Outcome::Exited(7)).status;
    let signal = reply::End::from(&Outcome::Killed(9)).signal;
    let end = reply::End { status, signal, ..reply::End::from(&Outcome::Lost(word())) };
    reply::Run {
        id: word(),
        job: word(),
        name: word(),
        owner: word(),
        due: at(),
        started: Some(at()),
        ended: Some(at()),
        end,
        trigger: Trigger::CatchUp,
        user_microseconds: 1,
        system_microseconds: 1,
        max_rss_kib: 1,
        output: text(),
        output_bytes: 1,
    }
}

fn due() -> reply::Due {
    reply::Due {
        due: at(),
        job: word(),
        name: word(),
        owner: word(),
        command: text(),
        source: Some(text()),
        line: Some(1),
    }
}

/// A method's name, and its parameters and its reply with no field left out; both read back as they were.
fn sample<M: Method>(parameters: M, reply: M::Reply) -> (&'static str, Value, Value) {
    let (parameters, reply) = (to_value(parameters).unwrap(), to_value(reply).unwrap());
    let again: M = serde_json::from_value(parameters.clone()).unwrap();
    assert_eq!(to_value(again).unwrap(), parameters);
    let again: M::Reply = serde_json::from_value(reply.clone()).unwrap();
    assert_eq!(to_value(again).unwrap(), reply);
    (M::NAME, parameters, reply)
}

fn samples() -> Vec<(&'static str, Value, Value)> {
    let user = || Some(word());
    let list = ListRuns { job: user(), owner: user(), limit: 1 };
    let installed = reply::Installed { user: word(), jobs: 1, warnings: vec![diagnostic()] };
    vec![
        sample(GetStatus {}, status()),
        sample(ListJobs { owner: user() }, reply::Jobs { jobs: vec![job()] }),
        sample(list, reply::Runs { runs: vec![run()] }),
        sample(
            ListNext { count: Some(1), until: Some(at()) },
            reply::Coming { coming: vec![due()] },
        ),
        sample(Reload {}, reply::Nothing {}),
        sample(submission(), reply::Submitted { number: 1, due: at() }),
        sample(ListQueue {}, reply::Queue { queue: vec![queued()] }),
        sample(RemoveJob { number: 1 }, reply::Removed { was_running: true }),
        sample(ShowJob { number: 1 }, reply::Shown { job: queued(), submission: submission() }),
        sample(GetCrontab { user: user() }, reply::Crontab { user: word(), text: text() }),
        sample(PutCrontab { user: user(), text: text() }, installed),
        sample(RemoveCrontab { user: user() }, reply::Nothing {}),
    ]
}

#[test]
fn methods_are_as_described() {
    let interface = Parser::new(DESCRIPTION).interface();
    let mut found = Vec::new();
    for (name, parameters, reply) in samples() {
        let name = name.strip_prefix(INTERFACE).unwrap().trim_start_matches('.');
        let (parameter_type, reply_type) = &interface.methods[name];
        interface.check(&format!("{name}()"), &parameters, parameter_type);
        interface.check(&format!("{name}() ->"), &reply, reply_type);
        found.push(name);
    }
    found.sort_unstable();
    assert_eq!(found, interface.methods.keys().collect::<Vec<_>>());
    let all: Vec<&str> =
        METHODS.iter().filter_map(|name| name.strip_prefix("org.rat.scheduler1.")).collect();
    assert_eq!(all.len(), found.len(), "every request has a sample: {all:?}");
}

#[test]
fn errors_are_as_described() {
    let interface = Parser::new(DESCRIPTION).interface();
    let faults = [
        Fault::NotPermitted { what: word() },
        Fault::NoSuchJob { number: 1 },
        Fault::NoSuchUser { user: word() },
        Fault::NoCrontab { user: word() },
        Fault::BadCrontab { diagnostics: vec![diagnostic()] },
        Fault::Refused { message: word() },
        Fault::Unavailable { message: word() },
    ];
    assert_eq!(faults.len(), interface.errors.len());
    for fault in faults {
        let value = to_value(&fault).unwrap();
        let name = value["error"].as_str().unwrap().strip_prefix(INTERFACE).unwrap();
        let name = name.trim_start_matches('.');
        interface.check(name, &value["parameters"], &interface.errors[name]);
        assert_eq!(serde_json::from_value::<Fault>(value).unwrap(), fault);
    }
}

#[test]
fn instants_are_rfc_3339_in_utc() {
    assert_eq!(to_value(due()).unwrap()["due"], json!("2026-03-08T20:00:00Z"));
}
