//! Not yet the daemon.

fn main() {}
