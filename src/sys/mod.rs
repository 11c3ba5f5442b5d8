//! WHAT THE KERNEL IS ASKED. The only room with unsafe code; every function here is safe to call.
#![allow(unsafe_code)]

pub mod host;
pub mod lock;
pub mod pam;
pub mod pattern;
pub mod power;
pub mod process;
pub mod socket;
pub mod uevent;
