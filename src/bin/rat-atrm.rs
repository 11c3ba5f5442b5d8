//! rat-atrm.

fn main() -> std::process::ExitCode {
    rat::client::queue::atrm()
}
