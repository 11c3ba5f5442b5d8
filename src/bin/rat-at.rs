//! at: run commands later.
fn main() -> std::process::ExitCode {
    rat::client::at::main()
}
