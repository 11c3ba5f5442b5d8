//! What can be asked of ratd: a type a method, and the replies that belong to them.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::plan::civil::Timestamp;
use crate::plan::submission::Submission;
use crate::plan::text::Text;
use crate::protocol::reply;

/// A method: its parameters are the fields of the type.
pub trait Method: Serialize + DeserializeOwned {
    /// Its name in full.
    const NAME: &'static str;
    /// What is answered where nothing is wrong.
    type Reply: Serialize + DeserializeOwned;
}

/// The table of all methods: name, parameters, reply. From it come `Request` and who answers what.
macro_rules! methods {
    ($($(#[$about:meta])* $interface:literal $variant:ident($parameters:ty) -> $reply:ty;)*) => {
        /// What a client asks for.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request {
            $($(#[$about])* $variant($parameters),)*
        }

        /// The names of all methods, in full.
        pub const METHODS: &[&str] = &[$(<$parameters as Method>::NAME),*];

        impl Request {
            /// The request of this method, its parameters read by `read`; `None` if there is no such method.
            pub(super) fn read<R: Read>(method: &str, read: R) -> Option<Result<Request, R::Error>> {
                match method {
                    $(concat!($interface, ".", stringify!($variant)) => {
                        Some(read.read::<$parameters>().map(Request::$variant))
                    })*
                    _ => None,
                }
            }

            /// The name of the method, in full.
            pub fn method(&self) -> &'static str {
                match self {
                    $(Request::$variant(_) => <$parameters as Method>::NAME,)*
                }
            }
        }

        $(impl Method for $parameters {
            const NAME: &'static str = concat!($interface, ".", stringify!($variant));
            type Reply = $reply;
        })*
    };
}

/// Reads the parameters of whatever method it turns out to be.
pub(super) trait Read {
    type Error;
    fn read<T: DeserializeOwned>(self) -> Result<T, Self::Error>;
}

methods! {
    /// Who is this?
    "org.varlink.service" GetInfo(GetInfo) -> reply::Info;
    /// What is its language?
    "org.varlink.service" GetInterfaceDescription(GetInterfaceDescription) -> reply::Description;
    /// How is ratd?
    "org.rat.scheduler1" GetStatus(GetStatus) -> reply::Status;
    /// Which jobs are there?
    "org.rat.scheduler1" ListJobs(ListJobs) -> reply::Jobs;
    /// What ran, and how did it end?
    "org.rat.scheduler1" ListRuns(ListRuns) -> reply::Runs;
    /// What is due next?
    "org.rat.scheduler1" ListNext(ListNext) -> reply::Coming;
    /// Read all crontabs again.
    "org.rat.scheduler1" Reload(Reload) -> reply::Nothing;
    /// Queue an at-job.
    "org.rat.scheduler1" SubmitJob(Submission) -> reply::Submitted;
    /// What waits in at's queue, or runs?
    "org.rat.scheduler1" ListQueue(ListQueue) -> reply::Queue;
    /// Take an at-job off the queue.
    "org.rat.scheduler1" RemoveJob(RemoveJob) -> reply::Removed;
    /// What would this at-job run?
    "org.rat.scheduler1" ShowJob(ShowJob) -> reply::Shown;
    /// A user's crontab, please.
    "org.rat.scheduler1" GetCrontab(GetCrontab) -> reply::Crontab;
    /// Install this crontab.
    "org.rat.scheduler1" PutCrontab(PutCrontab) -> reply::Installed;
    /// Remove a user's crontab.
    "org.rat.scheduler1" RemoveCrontab(RemoveCrontab) -> reply::Nothing;
}

/// Who is this?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetInfo {}

/// What is the language of an interface?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetInterfaceDescription {
    /// Its name.
    pub interface: String,
}

/// How is ratd?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetStatus {}

/// Which jobs are there?
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListJobs {
    /// Only those of this user; without it, those that the caller may see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// What ran, newest first?
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListRuns {
    /// Only those of the job of this name, or with an identity that begins so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Only those of this user; without it, those that the caller may see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// No more than so many.
    pub limit: u64,
}

/// What is due next, in time order?
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListNext {
    /// No more than so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Only what is due before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Read all crontabs again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reload {}

/// What waits in at's queue, or runs?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQueue {}

/// Take an at-job off the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveJob {
    /// Its number.
    pub number: u64,
}

/// What would this at-job run?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowJob {
    /// Its number.
    pub number: u64,
}

/// A user's crontab, please.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetCrontab {
    /// Whose; the caller's own without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// Install this crontab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutCrontab {
    /// Whose; the caller's own without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// All of it.
    pub text: Text,
}

/// Remove a user's crontab.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveCrontab {
    /// Whose; the caller's own without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}
