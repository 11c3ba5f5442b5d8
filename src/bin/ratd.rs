//! ratd, and the fork server that it starts from the same file.

use std::process::ExitCode;

use rat::session::server;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|first| first == server::ARGUMENT).is_some() {
        return server::main(arguments);
    }
    // The daemon goes here.
    ExitCode::FAILURE
}
