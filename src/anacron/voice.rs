//! What anacron says: to syslog as it does, and on standard error where somebody wants to read it.

use std::io::Write;

use crate::anacron::options::Options;
use crate::log::{Syslog, Weight, visible};
use crate::paths::Paths;
use crate::plan::pass::Pass;

/// Where it is said.
pub struct Voice {
    name: String,
    syslog: Syslog,
    /// On standard error as well: what is done, and what is wrong.
    explains: bool,
    complains: bool,
}

impl Voice {
    /// The voice of a program that was called by this name.
    pub fn new(name: String, paths: &Paths, options: &Options) -> Voice {
        Voice {
            name,
            syslog: Syslog::new(&paths.under_root("dev/log"), "anacron".into()),
            explains: options.foreground && !options.quiet,
            complains: !options.quiet,
        }
    }

    /// Says what is done.
    pub fn explain(&mut self, text: &str) {
        self.syslog.sentence(Weight::Notice, text);
        if self.explains {
            say(text);
        }
    }

    /// Says what is wrong.
    pub fn complain(&mut self, text: &str) {
        self.syslog.sentence(Weight::Error, text);
        if self.complains {
            say(&format!("{}: {text}", self.name));
        }
    }

    /// Says what will be run.
    pub fn intend<S>(&mut self, pass: &Pass<S>) {
        for planned in pass.left() {
            let when = match planned.delay.as_secs() / 60 {
                _ if pass.call.at_once => String::new(),
                minutes => format!(" in {minutes} min."),
            };
            self.explain(&format!("Will run job `{}'{when}", planned.job.name));
        }
        if pass.call.serial && pass.left().next().is_some() {
            self.explain("Jobs will be executed sequentially");
        }
    }
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", visible(text.as_bytes()));
}
