//! What other crons read differently.
