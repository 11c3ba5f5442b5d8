//! What a request can be refused with.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is said to a caller who is not in at.allow, or is in at.deny.
pub const NOT_ALLOWED: &str = "You do not have permission to use at.";

/// An error reply. The first three are varlink's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "error", content = "parameters")]
pub enum Fault {
    /// No such interface.
    #[serde(rename = "org.varlink.service.InterfaceNotFound")]
    InterfaceNotFound {
        /// Its name.
        interface: String,
    },
    /// No such method.
    #[serde(rename = "org.varlink.service.MethodNotFound")]
    MethodNotFound {
        /// Its name.
        method: String,
    },
    /// What was sent cannot be understood.
    #[serde(rename = "org.varlink.service.InvalidParameter")]
    InvalidParameter {
        /// Which part, and why.
        parameter: String,
    },
    /// The caller may not do this.
    #[serde(rename = "org.rat.scheduler1.NotPermitted")]
    NotPermitted {
        /// Why not.
        message: String,
    },
    /// There is no such job, run or user.
    #[serde(rename = "org.rat.scheduler1.NotFound")]
    NotFound {
        /// What was looked for.
        message: String,
    },
    /// The user has no crontab.
    #[serde(rename = "org.rat.scheduler1.NoCrontab")]
    NoCrontab {
        /// The user.
        user: String,
    },
    /// Nothing would take the place of a crontab.
    #[serde(rename = "org.rat.scheduler1.EmptyCrontab")]
    EmptyCrontab {
        /// The user.
        user: String,
    },
    /// ratd cannot keep what it was given.
    #[serde(rename = "org.rat.scheduler1.Unavailable")]
    Unavailable {
        /// What stands in the way.
        message: String,
    },
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::InterfaceNotFound { interface } => {
                write!(f, "ratd knows no interface {interface}")
            }
            Fault::MethodNotFound { method } => {
                write!(f, "ratd knows no method {method}; is it older than this?")
            }
            Fault::InvalidParameter { parameter } => {
                write!(f, "ratd does not understand this: {parameter}")
            }
            Fault::NoCrontab { user } => write!(f, "no crontab for {user}"),
            Fault::EmptyCrontab { user } => write!(
                f,
                "nothing came in, and {user} has a crontab; remove it with -r, or say --allow-empty"
            ),
            Fault::NotPermitted { message }
            | Fault::NotFound { message }
            | Fault::Unavailable { message } => f.write_str(message),
        }
    }
}

impl Fault {
    /// The fault in an error reply.
    pub fn parse(reply: &Value) -> Option<Fault> {
        Fault::deserialize(reply).ok()
    }
}
