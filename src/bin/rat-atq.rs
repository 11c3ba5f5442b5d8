//! rat-atq.

fn main() -> std::process::ExitCode {
    rat::client::queue::atq()
}
