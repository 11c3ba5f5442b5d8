//! Why a request was not done.

use serde::{Deserialize, Serialize};

use crate::protocol::reply::Diagnostic;

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "error", content = "parameters")]
pub enum Fault {
    /// There is no such interface here.
    #[serde(rename = "org.varlink.service.InterfaceNotFound")]
    InterfaceNotFound {
        /// The interface.
        interface: String,
    },
    /// The interface has no such method.
    #[serde(rename = "org.varlink.service.MethodNotFound")]
    MethodNotFound {
        /// The method, in full.
        method: String,
    },
    /// A parameter is missing, unknown or not of its type; or this is no call at all.
    #[serde(rename = "org.varlink.service.InvalidParameter")]
    InvalidParameter {
        /// Which, and what was expected.
        parameter: String,
    },
    /// The caller may not.
    #[serde(rename = "org.rat.scheduler1.NotPermitted")]
    NotPermitted {
        /// What it may not do.
        what: String,
    },
    /// There is no at-job of this number, or it has ended.
    #[serde(rename = "org.rat.scheduler1.NoSuchJob")]
    NoSuchJob {
        /// The number.
        number: u64,
    },
    /// There is no user of this name.
    #[serde(rename = "org.rat.scheduler1.NoSuchUser")]
    NoSuchUser {
        /// The name.
        user: String,
    },
    /// The user has no crontab.
    #[serde(rename = "org.rat.scheduler1.NoCrontab")]
    NoCrontab {
        /// The user.
        user: String,
    },
    /// The crontab has errors and was not installed.
    #[serde(rename = "org.rat.scheduler1.BadCrontab")]
    BadCrontab {
        /// What is wrong with it.
        diagnostics: Vec<Diagnostic>,
    },
    /// The request makes no sense now.
    #[serde(rename = "org.rat.scheduler1.Refused")]
    Refused {
        /// Why.
        message: String,
    },
    /// It cannot be done for now: the disk is full, the database broken.
    #[serde(rename = "org.rat.scheduler1.Unavailable")]
    Unavailable {
        /// Why.
        message: String,
    },
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::InterfaceNotFound { interface } => {
                write!(f, "ratd does not know the interface {interface}; is it of another version?")
            }
            Fault::MethodNotFound { method } => {
                write!(f, "ratd does not know the method {method}; is it of another version?")
            }
            Fault::InvalidParameter { parameter } => {
                write!(f, "ratd does not understand the request: {parameter}")
            }
            Fault::NotPermitted { what } => write!(f, "you may not {what}"),
            Fault::NoSuchJob { number } => write!(f, "cannot find job {number}"),
            Fault::NoSuchUser { user } => write!(f, "no such user: {user}"),
            Fault::NoCrontab { user } => write!(f, "no crontab for {user}"),
            Fault::BadCrontab { diagnostics } => match diagnostics.first() {
                Some(first) => write!(
                    f,
                    "line {}, column {}: {}; the crontab was not installed",
                    first.line, first.column, first.message
                ),
                None => f.write_str("errors in the crontab; it was not installed"),
            },
            Fault::Refused { message } | Fault::Unavailable { message } => f.write_str(message),
        }
    }
}

impl std::error::Error for Fault {}
