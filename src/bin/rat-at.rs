//! at: run commands later.
#![cfg_attr(target_env = "gnu", no_main)]

rat::program!(rat::client::at::main);
