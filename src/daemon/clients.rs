//! Clients, as the loop attends to them: frames are taken, requests passed to where they are answered, replies sent.
//! Answers nothing; `control` does, or the disk thread.

use nix::unistd::Uid;

use crate::daemon::asked::{Asked, OfDesk, OfLoop};
use crate::daemon::connections::{Caller, Client};
use crate::daemon::control;
use crate::daemon::desk;
use crate::daemon::disk::{Command, Errand};
use crate::daemon::ratd::Ratd;
use crate::plan::clock_step::Now;
use crate::protocol::fault::Fault;
use crate::protocol::request::{self, Call};

impl Ratd {
    /// A client sent something, or takes more of its reply.
    pub fn serve(&mut self, now: &Now, client: Client) {
        if self.forget_waiting(client) {
            return;
        }
        if self.connections.is_writing(client) {
            self.connections.write(client, &self.wait);
            self.go_on(client);
        } else if let Some(frame) = self.connections.read(client, &self.wait) {
            self.take(now, client, frame);
        }
    }

    /// Sends the beginning of a reply; the next piece is made once this one is sent.
    pub fn send_piece(&mut self, client: Client, piece: Vec<u8>, next: Errand) {
        self.connections.reply_in_part(client, piece, &self.wait);
        self.state.continued.insert(client, next);
        self.go_on(client);
    }

    /// Has the next piece of a reply made, once the client has taken the one before; none for one that is gone.
    fn go_on(&mut self, client: Client) {
        if self.connections.is_writing(client) {
            return;
        }
        if let Some(next) = self.state.continued.remove(&client)
            && self.connections.uid(client).is_some()
        {
            self.disk.must(next);
        }
    }

    /// A client's request, as bytes.
    fn take(&mut self, now: &Now, client: Client, frame: Vec<u8>) {
        if frame.len() > control::PARSED_AT_ONCE {
            self.disk.must(Errand::Parse { client, frame });
        } else if let Some(reply) = self.answer(now, client, request::parse(&frame)) {
            self.connections.reply(client, reply, &self.wait);
        }
    }

    /// The reply to a request; `None` if it was passed to where it can be answered.
    pub fn answer(&mut self, now: &Now, client: Client, call: Call) -> Option<Vec<u8>> {
        if call.oneway {
            self.connections.silence(client);
        }
        let uid = self.connections.uid(client)?;
        if let Ok(request) = &call.request {
            tracing::debug!("uid {uid} asks: {request:.200?}");
        }
        match Asked::of(call) {
            Ok(Asked::OfLoop(asked)) => self.answer_by_name(now, client, uid, asked),
            Ok(Asked::OfDesk(asked)) => {
                self.pass_to_desk(now, client, uid, asked);
                None
            }
            Err(fault) => Some(desk::refused(fault)),
        }
    }

    /// Answers a request once the name of who asks is known, if it is needed.
    fn answer_by_name(
        &mut self,
        now: &Now,
        client: Client,
        uid: Uid,
        asked: OfLoop,
    ) -> Option<Vec<u8>> {
        let caller = match self.connections.caller(client) {
            Some(caller) => caller.clone(),
            None if control::needs_name(&asked, uid, &self.state, &self.mode.paths) => {
                // Until it is answered the client is not heard: there is one of these for each, at most.
                self.state.unnamed.insert(client, asked);
                self.disk.must(Errand::Identify { client, uid });
                return None;
            }
            None => Caller { uid, name: uid.to_string(), user: None },
        };
        self.answer_to(now, client, caller, &asked)
    }

    /// Only the disk thread may wait for a name service: it finds out who asks, if that is not known.
    fn pass_to_desk(&mut self, now: &Now, client: Client, uid: Uid, asked: OfDesk) {
        self.disk.must(match self.connections.caller(client) {
            Some(caller) => control::for_the_desk(now.wall, client, caller.clone(), asked),
            None => Command::Introduce { client, uid, asked, now: now.wall },
        });
    }

    fn answer_to(
        &mut self,
        now: &Now,
        client: Client,
        caller: Caller,
        asked: &OfLoop,
    ) -> Option<Vec<u8>> {
        let known = control::Known {
            scheduler: &self.scheduler,
            state: &self.state,
            paths: &self.mode.paths,
            dialect: self.mode.dialect,
        };
        match control::route(now.wall, client, caller, asked, &known) {
            control::Route::Reply(reply) => Some(reply),
            control::Route::Disk(command) => {
                self.disk.must(*command);
                None
            }
            control::Route::Run(_) if self.stopping.is_some() => {
                Some(desk::unavailable("ratd is stopping"))
            }
            control::Route::Run(job) => self.run_by_hand(now, client, &job),
            control::Route::Wait(caller, run) => self.await_run(client, caller, run),
        }
    }

    /// Who a client is has been found out, or not: what it asked for is answered.
    pub fn name(&mut self, now: &Now, client: Client, caller: Result<Caller, String>) {
        if let Ok(caller) = &caller {
            self.connections.identify(client, caller.clone());
        }
        let Some(asked) = self.state.unnamed.remove(&client) else { return };
        let reply = match caller {
            Ok(caller) => self.answer_to(now, client, caller, &asked),
            Err(message) => Some(desk::refused(Fault::Unavailable { message })),
        };
        if let Some(reply) = reply {
            self.connections.reply(client, reply, &self.wait);
        }
    }
}
