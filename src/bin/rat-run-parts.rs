//! rat-run-parts.

fn main() -> std::process::ExitCode {
    rat::client::run_parts::main()
}
