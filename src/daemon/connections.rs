//! Clients on the control socket: who they are by the kernel's word, whole frames in, whole frames out. Knows no
//! request. Nobody here can hold anybody else up: half a frame waits, and so does a reply that is not read.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::{UnixListener, UnixStream};

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::socket::{MsgFlags, recv};
use nix::unistd::{Uid, User, geteuid};

use crate::daemon::wait::{For, Token, Wait};
use crate::protocol::wire::Frames;
use crate::sys::socket;

/// One connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client(pub u64);

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Caller {
    /// From SO_PEERCRED.
    pub uid: Uid,
    /// The login name of that uid; the uid in digits where it has none.
    pub name: String,
    /// The passwd entry, where there is one.
    pub user: Option<User>,
}

/// The first token of a client; all lower ones are ratd's own.
pub const FIRST: u64 = 1000;

/// So many connections one user may hold; a descriptor more is closed at once.
const MOST_OF_ONE_USER: usize = 100;
/// So many all users together. As many as one user may hold are kept for root and for ratd's own user.
const MOST: usize = 600;
/// Descriptors that ratd keeps for itself: its store, its crontabs, the fork server, name services.
const OWN: u64 = 64;
/// So many are accepted in one turn of the loop: who connects and hangs up for ever starves nobody.
const AT_ONCE: usize = 32;
/// So many bytes of requests and replies are kept for one user; who has more is not heard further.
const MOST_BYTES_OF_ONE_USER: usize = 64 << 20;

/// All connections.
#[derive(Debug)]
pub struct Connections {
    listener: UnixListener,
    listening: Listening,
    limits: Limits,
    open: HashMap<Client, Connection>,
    next: u64,
}

/// Whether the listener is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listening {
    /// It is.
    Yes,
    /// It is not: there was no descriptor left for who came, who would wake ratd at once and for ever.
    NotNow,
    /// It is not: ratd stops.
    NoMore,
}

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limits {
    of_one_user: usize,
    of_all: usize,
}

impl Limits {
    /// Those of a process that may have so many descriptors.
    fn with(descriptors: u64) -> Limits {
        let left = usize::try_from(descriptors.saturating_sub(OWN)).unwrap_or(MOST);
        let of_all = left.clamp(8, MOST);
        Limits { of_one_user: MOST_OF_ONE_USER.min(of_all / 4), of_all }
    }

    /// Whether there is room for one more, for this user. Nobody but masters gets the last places.
    fn admit(self, is_master: bool, of_user: usize, of_all: usize) -> bool {
        let most = if is_master { self.of_all } else { self.of_all - self.of_one_user };
        of_user < self.of_one_user && of_all < most
    }
}

#[derive(Debug)]
struct Connection {
    stream: UnixStream,
    uid: Uid,
    caller: Option<Caller>,
    frames: Frames,
    /// How long the frame is that is being answered.
    asked: usize,
    /// A whole frame that came behind the one that was answered last.
    next_frame: Option<Vec<u8>>,
    /// Nobody waits for the reply to the frame that is being answered.
    silent: bool,
    /// A frame has been replied to.
    answered: bool,
    reply: Vec<u8>,
    sent: usize,
    /// More of the reply follows.
    continues: bool,
    watched: Option<For>,
}

impl Connection {
    /// How many bytes are kept for it.
    fn held(&self) -> usize {
        let next = self.next_frame.as_ref().map_or(0, Vec::len);
        self.frames.length() + self.asked + next + self.reply.len()
    }

    /// Whether the client asked for something, or has just come to, and has not got its reply yet. One that waits for
    /// a run may wait for days.
    fn is_owed(&self) -> bool {
        self.watched != Some(For::End) && (self.held() > 0 || !self.answered || self.has_sent())
    }

    /// Whether there is something to be read.
    fn has_sent(&self) -> bool {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        recv(self.stream.as_raw_fd(), &mut [0], flags).is_ok_and(|length| length > 0)
    }
}

impl Connections {
    /// Takes those who connect there.
    pub fn listen(listener: UnixListener) -> io::Result<Connections> {
        listener.set_nonblocking(true)?;
        let descriptors = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
        let (limits, listening) = (Limits::with(descriptors), Listening::Yes);
        Ok(Connections { listener, listening, limits, open: HashMap::new(), next: FIRST })
    }

    /// Waits for new connections under this token.
    pub fn watch(&self, wait: &Wait, token: Token) -> io::Result<()> {
        wait.add(&self.listener, token, For::Reading)
    }

    /// Takes connections that wait, and begins to listen to them.
    pub fn accept(&mut self, wait: &Wait) {
        for _ in 0..AT_ONCE {
            match self.listener.accept() {
                Ok((stream, _)) => self.admit(stream, wait),
                Err(error) => match error.raw_os_error().map(Errno::from_raw) {
                    // Who was next has gone again.
                    Some(Errno::ECONNABORTED | Errno::EINTR) => {}
                    Some(Errno::EAGAIN) => return,
                    _ => {
                        if wait.remove(self.listener.as_fd()).is_ok() {
                            self.listening = Listening::NotNow;
                        }
                        return;
                    }
                },
            }
        }
    }

    fn admit(&mut self, stream: UnixStream, wait: &Wait) {
        let Ok(uid) = socket::peer(&stream).map(|peer| peer.uid) else { return };
        let of_user = self.open.values().filter(|connection| connection.uid == uid).count();
        let is_master = uid.is_root() || uid == geteuid();
        if !self.limits.admit(is_master, of_user, self.open.len())
            || stream.set_nonblocking(true).is_err()
        {
            return;
        }
        let client = Client(self.next);
        self.next += 1;
        let connection = Connection {
            stream,
            uid,
            caller: None,
            frames: Frames::default(),
            asked: 0,
            next_frame: None,
            silent: false,
            answered: false,
            reply: Vec::new(),
            sent: 0,
            continues: false,
            watched: None,
        };
        self.open.insert(client, connection);
        self.watch_for(client, Some(For::Reading), wait);
    }

    /// Takes nobody who connects from now on. At a socket that was handed over they wait for the next ratd.
    pub fn stop_listening(&mut self, wait: &Wait) {
        // One that is not watched cannot be removed.
        let _ = wait.remove(self.listener.as_fd());
        self.listening = Listening::NoMore;
    }

    /// Whether somebody still has a reply to come.
    pub fn owe_replies(&self) -> bool {
        self.open.values().any(Connection::is_owed)
    }

    /// Whether nobody can connect now; `listen_again` is to be called before long.
    pub fn is_deaf(&self) -> bool {
        self.listening == Listening::NotNow
    }

    /// Waits for new connections again, if that had to be given up for a while.
    pub fn listen_again(&mut self, wait: &Wait, token: Token) {
        if self.is_deaf() && self.watch(wait, token).is_ok() {
            self.listening = Listening::Yes;
        }
    }

    /// Names the caller of a connection.
    pub fn identify(&mut self, client: Client, caller: Caller) {
        if let Some(connection) = self.open.get_mut(&client) {
            connection.caller = Some(caller);
        }
    }

    /// Who is at the other end, once its name is known.
    pub fn caller(&self, client: Client) -> Option<&Caller> {
        self.open.get(&client)?.caller.as_ref()
    }

    /// The uid at the other end; it is known from the beginning.
    pub fn uid(&self, client: Client) -> Option<Uid> {
        self.open.get(&client).map(|connection| connection.uid)
    }

    /// Reads what is there. A whole frame is returned, and nothing more is read until it has been replied to.
    pub fn read(&mut self, client: Client, wait: &Wait) -> Option<Vec<u8>> {
        let uid = self.uid(client)?;
        let is_over = self.is_over_budget(uid);
        let connection = self.open.get_mut(&client)?;
        if let Some(frame) = connection.next_frame.take() {
            connection.asked = frame.len();
            self.watch_for(client, None, wait);
            return Some(frame);
        }
        if is_over {
            self.close(client);
            return None;
        }
        // One piece a turn: whoever sends much waits for whoever sends little.
        let mut piece = [0; 64 * 1024];
        match connection.stream.read(&mut piece) {
            Ok(0) => self.close(client),
            Ok(length) => {
                connection.frames.push(&piece[..length]);
                return self.take_frame(client, wait);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.close(client),
        }
        None
    }

    /// The reply to the frame that was read last will not be sent.
    pub fn silence(&mut self, client: Client) {
        if let Some(connection) = self.open.get_mut(&client) {
            connection.silent = true;
        }
    }

    /// Replies to the frame that was read last.
    pub fn reply(&mut self, client: Client, reply: Vec<u8>, wait: &Wait) {
        let Some(connection) = self.open.get_mut(&client) else { return };
        let silent = std::mem::take(&mut connection.silent);
        (connection.asked, connection.answered) = (0, true);
        let uid = connection.uid;
        if self.is_over_budget(uid) {
            return self.close(client);
        }
        let Some(connection) = self.open.get_mut(&client) else { return };
        (connection.reply, connection.sent) = (if silent { Vec::new() } else { reply }, 0);
        self.write(client, wait);
    }

    /// Sends a piece of the reply to the frame that was read last. Nothing else is heard of the client before the rest.
    pub fn reply_in_part(&mut self, client: Client, piece: Vec<u8>, wait: &Wait) {
        let Some(connection) = self.open.get_mut(&client) else { return };
        (connection.reply, connection.sent, connection.continues) = (piece, 0, true);
        self.write(client, wait);
    }

    /// Writes as much of the reply as is taken. Once it is whole the next frame can be read.
    pub fn write(&mut self, client: Client, wait: &Wait) {
        let Some(connection) = self.open.get_mut(&client) else { return };
        while connection.sent < connection.reply.len() {
            match connection.stream.write(&connection.reply[connection.sent..]) {
                Ok(length) => connection.sent += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.watch_for(client, Some(For::Writing), wait);
                }
                Err(_) => return self.close(client),
            }
        }
        connection.reply = Vec::new();
        if std::mem::take(&mut connection.continues) {
            return self.watch_for(client, None, wait);
        }
        if let Some(frame) = self.take_frame(client, wait) {
            self.leave_for_later(client, frame, wait);
        }
    }

    /// Whoever has sent many requests at once waits a turn for each. That the socket can be written wakes the loop.
    fn leave_for_later(&mut self, client: Client, frame: Vec<u8>, wait: &Wait) {
        if let Some(connection) = self.open.get_mut(&client) {
            connection.asked = 0;
            connection.next_frame = Some(frame);
            self.watch_for(client, Some(For::Writing), wait);
        }
    }

    /// The reply will be long in coming: that the client goes away is to be heard of. It is the next that is.
    pub fn expect_end(&mut self, client: Client, wait: &Wait) {
        self.watch_for(client, Some(For::End), wait);
    }

    /// The client went away while it waited.
    pub fn forget(&mut self, client: Client) {
        self.close(client);
    }

    /// Whether a reply is still being written.
    pub fn is_writing(&self, client: Client) -> bool {
        self.open.get(&client).is_some_and(|connection| !connection.reply.is_empty())
    }

    /// Whether so much is kept for this user that nothing more is taken from them.
    fn is_over_budget(&self, uid: Uid) -> bool {
        let own = self.open.values().filter(|connection| connection.uid == uid);
        own.map(Connection::held).sum::<usize>() > MOST_BYTES_OF_ONE_USER
    }

    fn take_frame(&mut self, client: Client, wait: &Wait) -> Option<Vec<u8>> {
        let connection = self.open.get_mut(&client)?;
        let frame = match connection.frames.pop() {
            Ok(frame) => {
                connection.asked = frame.as_ref().map_or(0, Vec::len);
                frame
            }
            Err(_) => {
                self.close(client);
                return None;
            }
        };
        // While a frame is being answered the connection is not watched at all: a hang-up cannot be masked.
        self.watch_for(client, if frame.is_some() { None } else { Some(For::Reading) }, wait);
        frame
    }

    fn watch_for(&mut self, client: Client, wanted: Option<For>, wait: &Wait) {
        let Some(connection) = self.open.get_mut(&client) else { return };
        let (fd, token) = (connection.stream.as_fd(), Token(client.0));
        let done = match (connection.watched, wanted) {
            (before, after) if before == after => Ok(()),
            (None, Some(wanted)) => wait.add(fd, token, wanted),
            (Some(_), Some(wanted)) => wait.change(fd, token, wanted),
            (Some(_), None) => wait.remove(fd),
            (None, None) => Ok(()),
        };
        connection.watched = wanted;
        if done.is_err() {
            self.close(client);
        }
    }

    fn close(&mut self, client: Client) {
        self.open.remove(&client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_left_for_ratd_itself_and_for_root() {
        for (descriptors, of_one_user, of_all) in [
            (0, 2, 8),
            (64, 2, 8),
            (104, 10, 40),
            (256, 48, 192),
            (1024, 100, 600),
            (u64::MAX, 100, 600),
        ] {
            let limits = Limits::with(descriptors);
            assert_eq!(limits, Limits { of_one_user, of_all }, "{descriptors}");
            assert!(limits.admit(false, 0, of_all - of_one_user - 1));
            assert!(!limits.admit(false, 0, of_all - of_one_user));
            assert!(limits.admit(true, of_one_user - 1, of_all - 1));
            assert!(!limits.admit(true, of_one_user, of_one_user));
        }
    }
}
