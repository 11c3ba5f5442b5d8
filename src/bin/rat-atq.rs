//! atq: list the jobs that wait.
#![cfg_attr(all(target_env = "gnu", not(test)), no_main)]

rat::program!(rat::client::queue::atq);
