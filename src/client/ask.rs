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
    let mut connection = match Connection::open(root) {
        Ok(connection) => connection,
        Err(no_daemon) => {
            complain(&format!("rat: {no_daemon}"));
            return ExitCode::from(UNREACHABLE);
        }
    };
    match connection.call(method) {
        Ok(reply) => show(reply),
        Err(error) => {
            complain(&format!("rat: {error}"));
            match error {
                CallError::Fault(Fault::NotPermitted { .. }) => ExitCode::from(NOT_PERMITTED),
                CallError::Fault(Fault::NotFound { .. } | Fault::NoCrontab { .. }) => {
                    ExitCode::from(NOT_FOUND)
                }
                CallError::Fault(_) => ExitCode::FAILURE,
                CallError::Broken(_) => ExitCode::from(UNREACHABLE),
            }
        }
    }
}
