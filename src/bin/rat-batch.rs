//! batch: run commands when the load allows it.
#![cfg_attr(target_env = "gnu", no_main)]

rat::program!(rat::client::at::batch);
