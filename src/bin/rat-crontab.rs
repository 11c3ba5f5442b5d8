//! rat-crontab.

fn main() -> std::process::ExitCode {
    rat::client::crontab::main()
}
