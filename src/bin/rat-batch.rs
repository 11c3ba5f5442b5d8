//! rat-batch.

fn main() -> std::process::ExitCode {
    rat::client::at::batch()
}
