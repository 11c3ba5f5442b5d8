//! atq: list the jobs that wait.
#![cfg_attr(target_env = "gnu", no_main)]

rat::program!(rat::client::queue::atq);
