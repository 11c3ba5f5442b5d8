//! The operator's tool.

fn main() -> std::process::ExitCode {
    rat::client::rat::main()
}
