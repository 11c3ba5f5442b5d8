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

// The unwinder from GCC's archive: std asks for the shared library, which costs a program that is started for every
// job more than all of its own work. An empty block, so nothing is called by it.
#[cfg(target_env = "gnu")]
#[link(name = "gcc_eh", kind = "static", modifiers = "-bundle")]
unsafe extern "C" {}
