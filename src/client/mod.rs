//! WHAT PEOPLE TYPE: the programs that users run. They hold no privilege; ratd decides.

pub mod at;
