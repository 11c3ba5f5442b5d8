//! batch: run commands when the load allows it.
#![cfg_attr(all(target_env = "gnu", not(test)), no_main)]

rat::program!(rat::client::at::batch);
