//! What ratd can be asked: a struct a method, with the reply it gets.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::plan::civil::Timestamp;
use crate::plan::submission::Submission;
use crate::plan::text::Text;
use crate::protocol::fault::Fault;
use crate::protocol::reply;
use crate::protocol::{INTERFACE, SERVICE};

/// A method of ratd.
pub trait Method: Serialize {
    /// Its name, with the interface.
    const NAME: &'static str;
    /// What it is answered with.
    type Reply: Serialize + DeserializeOwned;
}

/// A call as it came in.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// What is asked, or why it cannot be understood.
    pub request: Result<Request, Fault>,
    /// Nobody waits for a reply, not even for one that says what is wrong.
    pub oneway: bool,
    /// The reply may come in pieces.
    pub more: bool,
}

/// A call around its parameters, which become what they are to be only when it is known which method they are for.
/// That nobody waits for a reply is told even of a call that is wrong. What else may stand there asks for nothing.
#[derive(Deserialize)]
struct Envelope<'f> {
    method: Option<Value>,
    #[serde(borrow)]
    parameters: Option<&'f RawValue>,
    oneway: Option<Value>,
    more: Option<Value>,
}

/// Defines the struct of each method, the enum of them all, and how the one is told from its name.
macro_rules! methods {
    ($($(#[$doc:meta])* $interface:literal $name:ident { $($(#[$about:meta])* $field:ident: $type:ty,)* } => $reply:ty;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
            #[serde(deny_unknown_fields)]
            pub struct $name {
                $($(#[$about])* pub $field: $type,)*
            }

            impl Method for $name {
                const NAME: &'static str = concat!($interface, ".", stringify!($name));
                type Reply = $reply;
            }
        )*

        /// A request.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request {
            $($(#[$doc])* $name($name),)*
        }

        impl Request {
            /// The names of all methods.
            pub const NAMES: &[&str] = &[$($name::NAME),*];

            fn of(method: &str, parameters: &str) -> Result<Request, Fault> {
                match method {
                    $($name::NAME => serde_json::from_str(parameters).map(Request::$name).map_err(|error| invalid_inside(&error)),)*
                    _ => Err(unknown(method)),
                }
            }
        }
    };
}

methods! {
    /// Who this service is (varlink's own).
    "org.varlink.service" GetInfo {} => reply::Info;
    /// The description of an interface (varlink's own).
    "org.varlink.service" GetInterfaceDescription {
        /// Its name.
        interface: String,
    } => reply::Description;
    /// How ratd is.
    "org.rat.scheduler1" GetStatus {} => reply::Status;
    /// All jobs of the crontabs and anacrontabs.
    "org.rat.scheduler1" ListJobs {} => reply::Jobs;
    /// Runs, the newest first.
    "org.rat.scheduler1" ListRuns {
        /// Only of the job whose id or name begins so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<String>,
        /// At most so many.
        limit: u32,
        /// With what they printed.
        #[serde(default)]
        output: bool,
    } => reply::Runs;
    /// The coming runs, in order of time.
    "org.rat.scheduler1" ListNext {
        /// At most so many.
        count: u32,
        /// All of them before this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    } => reply::Next;
    /// Read again what changed in the crontabs.
    "org.rat.scheduler1" Reload {} => reply::Done;
    /// Run a job now.
    "org.rat.scheduler1" RunJob {
        /// Its name, `USER/NAME`, id or `FILE:LINE`, or the unique beginning of one.
        job: String,
    } => reply::Ordered;
    /// What is known of a job at a time.
    "org.rat.scheduler1" ExplainJob {
        /// As for RunJob; also the file, or `FILE:LINE`, of what is in no crontab that is used.
        job: String,
        /// The first instant asked about; without it the last one at which the job was due.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Timestamp>,
        /// The first instant that is not asked about any more; without it a minute after `from`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    } => reply::Explained;
    /// Wait until a run is over.
    "org.rat.scheduler1" WaitRun {
        /// Its id.
        run: String,
    } => reply::Waited;
    /// Queue an at-job.
    "org.rat.scheduler1" SubmitJob {
        /// The job.
        job: Submission,
    } => reply::Submitted;
    /// Queue an at-job of another at's queue, for its owner.
    "org.rat.scheduler1" ImportJob {
        /// What tells it from all others there; the same is taken once.
        source: String,
        /// Its owner.
        uid: u32,
        /// The job.
        job: Submission,
    } => reply::Imported;
    /// The at queue.
    "org.rat.scheduler1" ListQueue {} => reply::Queue;
    /// Remove an at-job.
    "org.rat.scheduler1" RemoveJob {
        /// Its number.
        number: u64,
        /// End it if it runs.
        #[serde(default)]
        kill: bool,
    } => reply::Removed;
    /// Queue a lost at-job again, due now.
    "org.rat.scheduler1" RetryJob {
        /// Its number.
        number: u64,
    } => reply::Submitted;
    /// An at-job, whole.
    "org.rat.scheduler1" ShowJob {
        /// Its number.
        number: u64,
    } => reply::Shown;
    /// A user's crontab; without `user` the caller's.
    "org.rat.scheduler1" GetCrontab {
        /// The user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// It is going to be edited, which is what the log says then.
        #[serde(default)]
        edit: bool,
    } => reply::Crontab;
    /// Tell that an edit is over, for the log.
    "org.rat.scheduler1" EndEdit {
        /// The user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    } => reply::Done;
    /// Install a user's crontab.
    "org.rat.scheduler1" PutCrontab {
        /// The user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// The crontab.
        text: Text,
        /// Nothing may take the place of something.
        #[serde(default)]
        allow_empty: bool,
    } => reply::Done;
    /// Remove a user's crontab.
    "org.rat.scheduler1" RemoveCrontab {
        /// The user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    } => reply::Done;
    /// What a user's crontab was before its last changes.
    "org.rat.scheduler1" ListVersions {
        /// The user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    } => reply::Versions;
    /// Bring back what a user's crontab was.
    "org.rat.scheduler1" UndoCrontab {
        /// The user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// The number of the version; without it the newest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<u64>,
    } => reply::Undone;
}

/// Reads a call.
pub fn parse(frame: &[u8]) -> Call {
    match serde_json::from_slice::<Envelope<'_>>(frame) {
        Ok(envelope) => Call {
            request: request(&envelope),
            oneway: envelope.oneway == Some(Value::Bool(true)),
            more: envelope.more == Some(Value::Bool(true)),
        },
        Err(error) => Call { request: Err(invalid(&error)), oneway: false, more: false },
    }
}

fn request(envelope: &Envelope<'_>) -> Result<Request, Fault> {
    let Some(Value::String(method)) = &envelope.method else {
        return Err(Fault::InvalidParameter { parameter: "method".to_owned() });
    };
    Request::of(method, envelope.parameters.map_or("{}", RawValue::get))
}

fn invalid(error: &serde_json::Error) -> Fault {
    Fault::InvalidParameter { parameter: error.to_string() }
}

/// The same of parameters. They are all in one line, and whoever wrote it does not count columns from theirs on.
fn invalid_inside(error: &serde_json::Error) -> Fault {
    let text = error.to_string();
    let (what, _) = text.rsplit_once(" at line ").unwrap_or((&text, ""));
    Fault::InvalidParameter { parameter: what.to_owned() }
}

/// A call as it goes out.
#[derive(Serialize)]
struct Outgoing<'a, M> {
    method: &'static str,
    parameters: &'a M,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    more: bool,
}

/// Writes a request.
pub fn encode<M: Method>(parameters: &M) -> Vec<u8> {
    written(&Outgoing { method: M::NAME, parameters, more: false })
}

/// Writes a request whose reply may come in pieces.
pub fn encode_for_more<M: Method>(parameters: &M) -> Vec<u8> {
    written(&Outgoing { method: M::NAME, parameters, more: true })
}

fn written<M: Method>(call: &Outgoing<M>) -> Vec<u8> {
    let bytes = serde_json::to_vec(call);
    let mut bytes = bytes.expect("requests have string keys only, and memory takes every byte");
    bytes.push(0);
    bytes
}

fn unknown(method: &str) -> Fault {
    match method.rsplit_once('.') {
        Some((INTERFACE | SERVICE, _)) => Fault::MethodNotFound { method: method.to_owned() },
        Some((interface, _)) => Fault::InterfaceNotFound { interface: interface.to_owned() },
        None => Fault::InvalidParameter { parameter: "method".to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_foreign_clients_write_them() {
        let call = parse(br#"{"method":"org.varlink.service.GetInfo"}"#);
        assert_eq!(call.request, Ok(Request::GetInfo(GetInfo {})));
        assert!(!call.oneway && !call.more);
        let removals = [
            r#"{"method":"org.rat.scheduler1.RemoveJob","parameters":{"number":7},"more":true}"#,
            r#"{"parameters":{"number":7},"method":"org.rat.scheduler1.RemoveJob","later":[1]}"#,
            r#" {"method":"org.rat.scheduler1.RemoveJob","parameters":{"number":7},"oneway":false} "#,
        ];
        for text in removals {
            let request = Ok(Request::RemoveJob(RemoveJob { number: 7, kill: false }));
            let more = text.contains("more");
            assert_eq!(parse(text.as_bytes()), Call { request, oneway: false, more }, "{text}");
        }
        let call = parse(br#"{"method":"org.rat.scheduler1.Reload","parameters":null}"#);
        assert_eq!(call.request, Ok(Request::Reload(Reload {})));
    }

    #[test]
    fn who_waits_for_no_reply_gets_none_whatever_is_wrong() {
        let calls = [
            r#"{"method":"org.rat.scheduler1.Reload","oneway":true}"#,
            r#"{"method":"org.rat.scheduler1.Fly","oneway":true}"#,
            r#"{"method":"org.rat.scheduler1.RemoveJob","oneway":true}"#,
            r#"{"method":5,"oneway":true}"#,
            r#"{"oneway":true}"#,
        ];
        for text in calls {
            assert!(parse(text.as_bytes()).oneway, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_refused_by_name() {
        let fault = |text: &str| parse(text.as_bytes()).request.unwrap_err();
        let method = "org.rat.scheduler1.Fly".to_owned();
        assert_eq!(
            fault(r#"{"method":"org.rat.scheduler1.Fly"}"#),
            Fault::MethodNotFound { method }
        );
        let interface = "org.example".to_owned();
        assert_eq!(
            fault(r#"{"method":"org.example.Fly"}"#),
            Fault::InterfaceNotFound { interface }
        );
        let refused = [
            "",
            "null",
            "{\"method\":5}",
            "\u{1}",
            &"[".repeat(100_000),
            r#"{"method":"org.rat.scheduler1.RemoveJob","parameters":{"number":-1}}"#,
            r#"{"method":"org.rat.scheduler1.RemoveJob","parameters":{"number":1,"more":2}}"#,
            r#"{"method":"org.rat.scheduler1.RemoveJob"}"#,
        ];
        for text in refused {
            assert!(matches!(fault(text), Fault::InvalidParameter { .. }), "{:.60}", text);
        }
        assert!(parse(b"{\"method\":\"\xff\"}").request.is_err());
    }
}
