//! atrm: take jobs off the queue.
#![cfg_attr(target_env = "gnu", no_main)]

rat::program!(rat::client::queue::atrm);
