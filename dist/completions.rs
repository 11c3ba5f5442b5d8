//! Writes completions of all programs for bash, zsh and fish below a directory: `completions DIR`. For whoever makes
//! packages; it is not installed, so that no program carries what is used once.

use std::fs;
use std::io;
use std::path::Path;

use clap::{Arg, ArgAction, Command, CommandFactory, ValueHint};
use clap_complete::{Generator, Shell};
use rat::anacron::options as anacron;
use rat::client::at;
use rat::client::crontab;
use rat::client::getopt::{Flag, Usage};
use rat::client::queue::{ATQ, ATRM};
use rat::client::rat::Rat;
use rat::client::run_parts::options as run_parts;
use rat::daemon::options;

fn main() -> io::Result<()> {
    let Some(to) = std::env::args_os().nth(1) else {
        return Err(io::Error::other("usage: completions DIR"));
    };
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let directory = Path::new(&to).join(shell.to_string());
        fs::create_dir_all(&directory)?;
        for command in programs() {
            write(shell, command, &directory)?;
        }
    }
    Ok(())
}

fn programs() -> [Command; 8] {
    [
        options::Options::command(),
        Rat::command(),
        crontab::Options::command(),
        command(&at::USAGE),
        command(&ATQ),
        command(&ATRM),
        anacron::Options::command(),
        run_parts::Options::command(),
    ]
}

/// One of at's programs, which read their options themselves.
fn command(usage: &Usage) -> Command {
    let flags = usage.flags.iter().map(option);
    let (operand, help) = usage.operand;
    let operands = Arg::new("operands").value_name(operand).help(help).num_args(0..);
    Command::new(usage.program).about(usage.about).disable_help_flag(true).args(flags).arg(operands)
}

fn option(flag: &Flag) -> Arg {
    let named =
        flag.names.iter().fold(Arg::new(flag.names[0]), |arg, name| match *name.as_bytes() {
            [letter] => arg.short(char::from(letter)),
            _ => arg.long(*name),
        });
    match flag.value {
        Some("FILE") => named.value_name("FILE").value_hint(ValueHint::FilePath),
        Some("DIR") => named.value_name("DIR").value_hint(ValueHint::DirPath),
        Some(value) => named.value_name(value),
        None => named.action(ArgAction::SetTrue),
    }
    .help(flag.help)
}

fn write(shell: Shell, mut command: Command, directory: &Path) -> io::Result<()> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name.as_str(), &mut script);
    let mut script = String::from_utf8(script).map_err(io::Error::other)?;
    if name == "rat" {
        complete_jobs(shell, &mut script);
    }
    // bash looks for the bare name.
    let file = if shell == Shell::Bash { name } else { shell.file_name(&name) };
    fs::write(directory.join(file), script)
}

/// Jobs are completed by the names that ratd knows at that moment.
fn complete_jobs(shell: Shell, script: &mut String) {
    match shell {
        Shell::Bash => script.push_str(include_str!("completions/jobs.bash")),
        Shell::Fish => script.push_str(include_str!("completions/jobs.fish")),
        // What takes a job says so; the function stands before the last lines, which call the first one.
        _ => {
            let takes_job = |line: &str| line.trim_start().starts_with("'::job --");
            let lines = script.lines().map(|line| {
                if takes_job(line) {
                    line.replace(":_default'", ":_rat_jobs'")
                } else {
                    line.to_owned()
                }
            });
            let mut zsh: Vec<String> = lines.collect();
            let end = zsh.iter().rposition(|line| line.starts_with("if [ ")).unwrap_or(zsh.len());
            zsh.insert(end, include_str!("completions/jobs.zsh").to_owned());
            *script = zsh.join("\n") + "\n";
        }
    }
}
