//! Pluggable authentication modules, by libpam opened at run time. Decides nothing about which service is asked for
//! whom.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null_mut;

use crate::sys::library::Library;

/// A transaction with PAM: from its start to its end everything is asked of one service about one user.
#[derive(Debug)]
pub struct Transaction {
    functions: Functions,
    handle: *mut c_void,
    /// What the last call returned; modules want to know at the end.
    last: c_int,
}

/// Why a transaction could not be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unstarted {
    /// This machine has no libpam.
    NoLibrary(String),
    /// It has one, and this is what it says.
    Refused(String),
}

/// A request to PAM that was not granted, in PAM's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

const SUCCESS: c_int = 0;
const CONVERSATION_FAILED: c_int = 19;
const ITEM_TTY: c_int = 3;
const SILENT: c_int = 0x8000;
const ESTABLISH_CREDENTIALS: c_int = 2;
const DELETE_CREDENTIALS: c_int = 4;
const PROMPT_ECHO_OFF: c_int = 1;
const PROMPT_ECHO_ON: c_int = 2;

impl Transaction {
    /// Starts a transaction with the service of that name about that user, who sits at `tty`.
    pub fn start(service: &CStr, user: &CStr, tty: &CStr) -> Result<Transaction, Unstarted> {
        let functions = Functions::find().map_err(Unstarted::NoLibrary)?;
        let conversation = Conversation { talk: say_nothing, data: null_mut() };
        let mut handle = null_mut();
        // SAFETY: the strings end with NUL and libpam copies them and the conversation, whose function lives
        // as long as the program; the handle goes to a live variable.
        let last = unsafe {
            (functions.start)(service.as_ptr(), user.as_ptr(), &raw const conversation, &mut handle)
        };
        let mut transaction = Transaction { functions, handle, last };
        if last != SUCCESS || handle.is_null() {
            return Err(Unstarted::Refused(transaction.words()));
        }
        // SAFETY: the handle is this transaction's own, and libpam copies the string.
        transaction.last =
            unsafe { (transaction.functions.set_item)(handle, ITEM_TTY, tty.as_ptr().cast()) };
        transaction.granted().map_err(|Refused(why)| Unstarted::Refused(why))?;
        Ok(transaction)
    }

    /// Whether the account may be used at all, and now.
    pub fn admit(&mut self) -> Result<(), Refused> {
        self.ask(self.functions.acct_mgmt, SILENT)
    }

    /// Tells the modules a variable, `NAME=value`.
    pub fn tell(&mut self, assignment: &CStr) -> Result<(), Refused> {
        // SAFETY: the handle is this transaction's own, and libpam copies the string.
        self.last = unsafe { (self.functions.putenv)(self.handle, assignment.as_ptr()) };
        self.granted()
    }

    /// Gives this process what the user has besides ids. Groups are to be set before.
    pub fn establish_credentials(&mut self) -> Result<(), Refused> {
        self.ask(self.functions.setcred, ESTABLISH_CREDENTIALS | SILENT)
    }

    /// Takes the credentials away again.
    pub fn delete_credentials(&mut self) -> Result<(), Refused> {
        self.ask(self.functions.setcred, DELETE_CREDENTIALS | SILENT)
    }

    /// Opens a session: what it sets, such as limits, holds for this process and its children.
    pub fn open_session(&mut self) -> Result<(), Refused> {
        self.ask(self.functions.open_session, SILENT)
    }

    /// Closes the session.
    pub fn close_session(&mut self) -> Result<(), Refused> {
        self.ask(self.functions.close_session, SILENT)
    }

    /// The environment that the modules made up: `NAME=value` each.
    pub fn environment(&self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        // SAFETY: the handle is this transaction's own. The list and its strings are ours to free, end with
        // null and NUL, and are not used after that.
        unsafe {
            let list = (self.functions.getenvlist)(self.handle);
            if list.is_null() {
                return all;
            }
            let mut next = list;
            while !(*next).is_null() {
                all.push(CStr::from_ptr(*next).to_bytes().to_vec());
                libc::free((*next).cast());
                next = next.add(1);
            }
            libc::free(list.cast());
        }
        all
    }

    fn ask(
        &mut self,
        function: unsafe extern "C" fn(*mut c_void, c_int) -> c_int,
        flags: c_int,
    ) -> Result<(), Refused> {
        // SAFETY: the function is one of libpam's that take a handle and flags, and the handle is this
        // transaction's own.
        self.last = unsafe { function(self.handle, flags) };
        self.granted()
    }

    fn granted(&self) -> Result<(), Refused> {
        if self.last == SUCCESS { Ok(()) } else { Err(Refused(self.words())) }
    }

    /// What the last answer means.
    fn words(&self) -> String {
        // SAFETY: libpam takes any number, and its words are constants.
        unsafe {
            let words = (self.functions.strerror)(self.handle, self.last);
            if words.is_null() {
                return format!("PAM error {}", self.last);
            }
            CStr::from_ptr(words).to_string_lossy().into_owned()
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            // SAFETY: the handle is this transaction's own and is not used again.
            unsafe { (self.functions.end)(self.handle, self.last) };
        }
    }
}

#[repr(C)]
struct Conversation {
    talk: extern "C" fn(c_int, *const *const Message, *mut *mut Response, *mut c_void) -> c_int,
    data: *mut c_void,
}

#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct Response {
    text: *mut c_char,
    unused: c_int,
}

/// Nobody is there to be asked: what is only told is heard, every question fails.
extern "C" fn say_nothing(
    count: c_int,
    messages: *const *const Message,
    responses: *mut *mut Response,
    _: *mut c_void,
) -> c_int {
    let Some(length) = usize::try_from(count).ok().filter(|length| *length > 0) else {
        return CONVERSATION_FAILED;
    };
    for index in 0..length {
        // SAFETY: libpam hands over so many pointers to messages.
        let style = unsafe { (**messages.add(index)).style };
        if style == PROMPT_ECHO_OFF || style == PROMPT_ECHO_ON {
            return CONVERSATION_FAILED;
        }
    }
    // SAFETY: zeroed memory is responses without text; libpam frees it, as its interface says.
    unsafe {
        let empty = libc::calloc(length, size_of::<Response>()).cast::<Response>();
        if empty.is_null() {
            return CONVERSATION_FAILED;
        }
        *responses = empty;
    }
    SUCCESS
}

type OfHandle = unsafe extern "C" fn(*mut c_void, c_int) -> c_int;

#[derive(Clone, Copy, Debug)]
struct Functions {
    start: unsafe extern "C" fn(
        *const c_char,
        *const c_char,
        *const Conversation,
        *mut *mut c_void,
    ) -> c_int,
    end: OfHandle,
    set_item: unsafe extern "C" fn(*mut c_void, c_int, *const c_void) -> c_int,
    putenv: unsafe extern "C" fn(*mut c_void, *const c_char) -> c_int,
    acct_mgmt: OfHandle,
    setcred: OfHandle,
    open_session: OfHandle,
    close_session: OfHandle,
    getenvlist: unsafe extern "C" fn(*mut c_void) -> *mut *mut c_char,
    strerror: unsafe extern "C" fn(*mut c_void, c_int) -> *const c_char,
}

impl Functions {
    fn find() -> Result<Functions, String> {
        let library = Library::open(c"libpam.so.0")?;
        // SAFETY: the functions of these names have these types in every libpam.so.0.
        unsafe {
            Ok(Functions {
                start: library.find(c"pam_start")?,
                end: library.find(c"pam_end")?,
                set_item: library.find(c"pam_set_item")?,
                putenv: library.find(c"pam_putenv")?,
                acct_mgmt: library.find(c"pam_acct_mgmt")?,
                setcred: library.find(c"pam_setcred")?,
                open_session: library.find(c"pam_open_session")?,
                close_session: library.find(c"pam_close_session")?,
                getenvlist: library.find(c"pam_getenvlist")?,
                strerror: library.find(c"pam_strerror")?,
            })
        }
    }
}
