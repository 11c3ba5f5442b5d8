//! What clients and ratd say to each other, and the bytes of it: varlink over a unix socket.
//! Knows no socket, and nothing of who may ask for what. `rat.varlink` is the same for people.

pub mod fault;
pub mod reply;
pub mod request;
pub mod wire;

/// The name of our interface; another number is another language.
pub const INTERFACE: &str = "org.rat.scheduler1";

/// The interface in varlink's own words.
pub const DESCRIPTION: &str = include_str!("rat.varlink");

#[cfg(test)]
mod tests;
