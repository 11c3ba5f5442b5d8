//! The daemon, and the fork server that it starts from the same file.

fn main() -> std::process::ExitCode {
    rat::daemon::main()
}
