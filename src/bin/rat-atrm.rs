//! atrm: take jobs off the queue.
#![cfg_attr(all(target_env = "gnu", not(test)), no_main)]

rat::program!(rat::client::queue::atrm);
