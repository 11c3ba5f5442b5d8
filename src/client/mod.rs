//! WHAT PEOPLE TYPE: the programs that talk to ratd.

pub mod call;
