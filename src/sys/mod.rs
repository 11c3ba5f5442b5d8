//! WHAT THE KERNEL IS ASKED. The only room with unsafe code; every function here is safe to call.
#![allow(unsafe_code)]

pub mod host;
pub mod library;
pub mod lock;
pub mod pam;
pub mod pattern;
pub mod power;
pub mod process;
pub mod program;
pub mod selinux;
pub mod socket;
pub mod uevent;
