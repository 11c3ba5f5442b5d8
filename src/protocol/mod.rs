//! What clients and ratd say to each other: varlink (varlink.org), that is JSON closed by a zero byte, over a unix
//! socket. `rat.varlink` describes it for everybody else. Knows neither who asks nor who may.

pub mod fault;
pub mod instant;
pub mod reply;
pub mod request;
pub mod wire;

#[cfg(test)]
mod tests;

/// Our interface, as varlink describes it.
pub const DESCRIPTION: &str = include_str!("rat.varlink");

/// The name of our interface; a change that old clients cannot bear takes another number.
pub const INTERFACE: &str = "org.rat.scheduler1";

/// varlink's own interface.
pub const SERVICE: &str = "org.varlink.service";

/// As much of varlink's own interface as we speak.
pub const SERVICE_DESCRIPTION: &str = include_str!("service.varlink");
