//! at: run commands later.
#![cfg_attr(all(target_env = "gnu", not(test)), no_main)]

rat::program!(rat::client::at::main);
