//! One question of a verb of `rat` to ratd, and the exit statuses of what goes wrong with it (see rat(1)).

use std::path::Path;
use std::process::ExitCode;

use crate::client::call::{CallError, Connection};
use crate::client::output::complain;
use crate::protocol::fault::Fault;
use crate::protocol::request::Method;

/// ratd could not be reached.
pub const UNREACHABLE: u8 = 3;
/// The caller may not do this.
const NOT_PERMITTED: u8 = 4;
/// There is no such thing.
const NOT_FOUND: u8 = 5;

/// Calls a method and hands on what ratd replies; what goes wrong is said, and has its own exit status.
pub fn ask<M: Method>(
    root: Option<&Path>,
    method: &M,
    show: impl FnOnce(M::Reply) -> ExitCode,
) -> ExitCode {
    let reply = connect(root).and_then(|mut connection| call(&mut connection, method));
    reply.map_or_else(|status| status, show)
}

/// Connects to ratd; else says so.
pub fn connect(root: Option<&Path>) -> Result<Connection, ExitCode> {
    Connection::open(root).map_err(|no_daemon| {
        complain(&format!("rat: {no_daemon}"));
        ExitCode::from(UNREACHABLE)
    })
}

/// Calls a method; says why it is not answered.
pub fn call<M: Method>(connection: &mut Connection, method: &M) -> Result<M::Reply, ExitCode> {
    connection.call(method).map_err(|error| {
        complain(&format!("rat: {error}"));
        match error {
            CallError::Fault(Fault::NotPermitted { .. }) => ExitCode::from(NOT_PERMITTED),
            CallError::Fault(Fault::NotFound { .. } | Fault::NoCrontab { .. }) => {
                ExitCode::from(NOT_FOUND)
            }
            CallError::Fault(_) => ExitCode::FAILURE,
            CallError::Broken(_) => ExitCode::from(UNREACHABLE),
        }
    })
}
