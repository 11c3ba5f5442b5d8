//! rat-anacron.

fn main() -> std::process::ExitCode {
    rat::anacron::main()
}
