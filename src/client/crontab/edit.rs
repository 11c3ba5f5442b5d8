//! `rat-crontab -e`: edits as the user who called, from the first byte to the last, until it can be installed or nobody
//! wants to go on. Whatever ends it, edits are either installed whole or left where they are.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::client::crontab::Call;
use crate::client::crontab::check::{CANNOT_INSTALL, check};
use crate::client::crontab::draft::Draft;
use crate::client::crontab::moves;
use crate::client::crontab::place::{Place, Trouble};
use crate::client::crontab::question::{Reply, ask};
use crate::client::output::complain;

/// Edits the crontab.
pub fn edit(call: &Call) -> Result<ExitCode, Trouble> {
    let signals = held_signals().map_err(|error| Trouble::Said(error.to_string()))?;
    let mut place = call.place()?;
    let old = place.begin_edit()?;
    if old.is_none() {
        complain(&format!("no crontab for {} - using an empty one", place.user()));
    }
    let old = old.unwrap_or_default();
    let draft = Draft::new(&old).map_err(Trouble::Said)?;
    let done = edit_until_good(call, &mut place, &draft, &old, &signals);
    place.end_edit();
    done
}

fn edit_until_good(
    call: &Call,
    place: &mut Place,
    draft: &Draft,
    old: &[u8],
    signals: &SignalFd,
) -> Result<ExitCode, Trouble> {
    loop {
        let edited = draft.edit(signals).and_then(|()| draft.read());
        let new = match edited {
            Ok(new) => new,
            Err(why) => {
                call.say(&why);
                return Ok(abandon(call, draft, old));
            }
        };
        if new == old {
            call.say("no changes made to crontab");
            return Ok(ExitCode::SUCCESS);
        }
        call.say("installing new crontab");
        if check(&draft.file, &new, Some(place.user()), place.dialect()).is_good {
            return match place.install(new.clone(), true) {
                Ok(()) => {
                    if io::stderr().is_terminal() {
                        moves::show(old, &new);
                    }
                    Ok(ExitCode::SUCCESS)
                }
                Err(trouble) => {
                    call.say(&draft.keep());
                    Err(trouble)
                }
            };
        }
        complain(CANNOT_INSTALL);
        if !shall_retry(signals) {
            return Ok(abandon(call, draft, old));
        }
    }
}

/// Signals that would end this program wait here instead, so that none is missed between an editor's start and the wait
/// for it. The editor gets them as ever.
fn held_signals() -> nix::Result<SignalFd> {
    let held = [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP, Signal::SIGTERM, Signal::SIGCHLD];
    let held: SigSet = held.into_iter().collect();
    held.thread_block()?;
    SignalFd::with_flags(&held, SfdFlags::SFD_CLOEXEC)
}

/// Nobody there is no: who calls without a terminal must not be asked for ever.
fn shall_retry(signals: &SignalFd) -> bool {
    loop {
        match ask("Do you want to retry the same edit? (y/n) ", Some(signals)) {
            Reply::Yes => return true,
            Reply::No | Reply::Nobody => return false,
            Reply::Neither => complain("Enter Y or N"),
        }
    }
}

/// Leaves edits that are not installed where they are, if there are any.
fn abandon(call: &Call, draft: &Draft, old: &[u8]) -> ExitCode {
    if draft.file.symlink_metadata().is_ok() && draft.read().ok().is_none_or(|new| new != old) {
        call.say(&draft.keep());
    }
    ExitCode::FAILURE
}
