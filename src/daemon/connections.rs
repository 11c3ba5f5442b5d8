//! Clients on the control socket: who they are by the kernel's word, whole frames in, whole frames out. Knows no
//! request. Nobody here can hold anybody else up: half a frame waits, and so does a reply that is not read.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use nix::unistd::{Uid, User};

use crate::daemon::wait::{For, Token, Wait};
use crate::protocol::wire::Frames;
use crate::sys::socket;

/// One connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
/// So many all users together, so that ratd keeps descriptors for itself.
const MOST: usize = 600;

/// All connections.
#[derive(Debug)]
pub struct Connections {
    listener: UnixListener,
    open: HashMap<Client, Connection>,
    next: u64,
}

#[derive(Debug)]
struct Connection {
    stream: UnixStream,
    uid: Uid,
    caller: Option<Caller>,
    frames: Frames,
    /// A whole frame that came behind the one that was answered last.
    next_frame: Option<Vec<u8>>,
    /// Nobody waits for the reply to the frame that is being answered.
    silent: bool,
    reply: Vec<u8>,
    sent: usize,
    watched: Option<For>,
}

impl Connections {
    /// Listens at `path`, for every user or for this one alone.
    pub fn listen(path: &Path, mode: u32) -> io::Result<Connections> {
        let listener = socket::listen(path, mode)?;
        listener.set_nonblocking(true)?;
        Ok(Connections { listener, open: HashMap::new(), next: FIRST })
    }

    /// Waits for new connections under this token.
    pub fn watch(&self, wait: &Wait, token: Token) -> io::Result<()> {
        wait.add(&self.listener, token, For::Reading)
    }

    /// Takes the connections that wait, and tells who they are. Each is heard once `identify` has named its caller.
    pub fn accept(&mut self) -> Vec<(Client, Uid)> {
        let mut accepted = Vec::new();
        while let Ok((stream, _)) = self.listener.accept() {
            let Ok(uid) = socket::peer(&stream).map(|peer| peer.uid) else { continue };
            let of_user = self.open.values().filter(|connection| connection.uid == uid).count();
            if self.open.len() >= MOST
                || of_user >= MOST_OF_ONE_USER
                || stream.set_nonblocking(true).is_err()
            {
                continue;
            }
            let client = Client(self.next);
            self.next += 1;
            let (frames, reply) = (Frames::default(), Vec::new());
            let connection = Connection {
                stream,
                uid,
                caller: None,
                frames,
                next_frame: None,
                silent: false,
                reply,
                sent: 0,
                watched: None,
            };
            self.open.insert(client, connection);
            accepted.push((client, uid));
        }
        accepted
    }

    /// Names the caller of a connection, and begins to listen to it.
    pub fn identify(&mut self, client: Client, caller: Caller, wait: &Wait) {
        let Some(connection) = self.open.get_mut(&client) else { return };
        connection.caller = Some(caller);
        self.watch_for(client, Some(For::Reading), wait);
    }

    /// Who is at the other end.
    pub fn caller(&self, client: Client) -> Option<&Caller> {
        self.open.get(&client)?.caller.as_ref()
    }

    /// Reads what is there. A whole frame is returned, and nothing more is read until it has been replied to.
    pub fn read(&mut self, client: Client, wait: &Wait) -> Option<Vec<u8>> {
        let connection = self.open.get_mut(&client)?;
        if let Some(frame) = connection.next_frame.take() {
            self.watch_for(client, None, wait);
            return Some(frame);
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
        (connection.reply, connection.sent) = (if silent { Vec::new() } else { reply }, 0);
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
        if let Some(frame) = self.take_frame(client, wait) {
            self.leave_for_later(client, frame, wait);
        }
    }

    /// Whoever has sent many requests at once waits a turn for each. That the socket can be written wakes the loop.
    fn leave_for_later(&mut self, client: Client, frame: Vec<u8>, wait: &Wait) {
        if let Some(connection) = self.open.get_mut(&client) {
            connection.next_frame = Some(frame);
            self.watch_for(client, Some(For::Writing), wait);
        }
    }

    /// Whether a reply is still being written.
    pub fn is_writing(&self, client: Client) -> bool {
        self.open.get(&client).is_some_and(|connection| !connection.reply.is_empty())
    }

    /// How many connections there are.
    pub fn count(&self) -> usize {
        self.open.len()
    }

    fn take_frame(&mut self, client: Client, wait: &Wait) -> Option<Vec<u8>> {
        let frame = match self.open.get_mut(&client)?.frames.pop() {
            Ok(frame) => frame,
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
