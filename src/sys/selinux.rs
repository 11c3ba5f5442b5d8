//! SELinux, by libselinux opened at run time. Decides nothing about who gets which context.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::path::Path;
use std::ptr::{null, null_mut};

use nix::errno::Errno;

use crate::sys::library::Library;

/// What the kernel has there if there is SELinux.
const MOUNTED: &str = "/sys/fs/selinux/enforce";

/// SELinux on a system that has it.
#[derive(Clone, Copy, Debug)]
pub struct Selinux {
    functions: Functions,
}

/// Whom SELinux takes a login name for, and within which range.
#[derive(Debug)]
pub struct Identity {
    /// A user of its own.
    pub user: CString,
    /// Sensitivities and categories, where the policy has any.
    pub range: Option<CString>,
}

#[derive(Clone, Copy, Debug)]
struct Functions {
    getenforce: unsafe extern "C" fn() -> c_int,
    getseuserbyname:
        unsafe extern "C" fn(*const c_char, *mut *mut c_char, *mut *mut c_char) -> c_int,
    default_context: unsafe extern "C" fn(
        *const c_char,
        *const c_char,
        *const c_char,
        *mut *mut c_char,
    ) -> c_int,
    getfilecon: unsafe extern "C" fn(*const c_char, *mut *mut c_char) -> c_int,
    check_access: unsafe extern "C" fn(
        *const c_char,
        *const c_char,
        *const c_char,
        *const c_char,
        *mut c_void,
    ) -> c_int,
    setexeccon: unsafe extern "C" fn(*const c_char) -> c_int,
    setkeycreatecon: unsafe extern "C" fn(*const c_char) -> c_int,
    freecon: unsafe extern "C" fn(*mut c_char),
}

impl Selinux {
    /// `None` where the kernel has no SELinux, or the machine no libselinux; an error is one that cannot be asked.
    pub fn if_enabled() -> Result<Option<Selinux>, String> {
        // To load the library costs as much as to start a job.
        if !Path::new(MOUNTED).exists() {
            return Ok(None);
        }
        let Ok(library) = Library::open(c"libselinux.so.1") else { return Ok(None) };
        // SAFETY: the functions of these names have these types in every libselinux.so.1.
        unsafe {
            let is_enabled: unsafe extern "C" fn() -> c_int =
                library.find(c"is_selinux_enabled")?;
            if is_enabled() <= 0 {
                return Ok(None);
            }
            let functions = Functions {
                getenforce: library.find(c"security_getenforce")?,
                getseuserbyname: library.find(c"getseuserbyname")?,
                default_context: library.find(c"get_default_context_with_level")?,
                getfilecon: library.find(c"getfilecon")?,
                check_access: library.find(c"selinux_check_access")?,
                setexeccon: library.find(c"setexeccon")?,
                setkeycreatecon: library.find(c"setkeycreatecon")?,
                freecon: library.find(c"freecon")?,
            };
            Ok(Some(Selinux { functions }))
        }
    }

    /// Whether what the policy forbids is forbidden, and not only written down. Where that cannot be known, it is.
    pub fn is_enforcing(&self) -> bool {
        // SAFETY: it takes nothing.
        unsafe { (self.functions.getenforce)() != 0 }
    }

    /// Whom a login name stands for.
    pub fn identity(&self, login: &CStr) -> io::Result<Identity> {
        let (mut user, mut range) = (null_mut(), null_mut());
        // SAFETY: the name ends with NUL, and the pointers go to live variables.
        told(unsafe { (self.functions.getseuserbyname)(login.as_ptr(), &mut user, &mut range) })?;
        // SAFETY: both are strings for the caller to free by free(3), or null; they are not used again.
        let (user, range) = unsafe { (taken(user, free), taken(range, free)) };
        Ok(Identity { user: user.ok_or(io::ErrorKind::InvalidData)?, range })
    }

    /// The context that what this process starts for that user has by default.
    pub fn default_context(&self, identity: &Identity) -> io::Result<CString> {
        let range = identity.range.as_deref().map_or(null(), CStr::as_ptr);
        let mut context = null_mut();
        // SAFETY: the strings end with NUL, or there is none and null says so; null is this process's own context; the
        // pointer goes to a live variable.
        told(unsafe {
            (self.functions.default_context)(identity.user.as_ptr(), range, null(), &mut context)
        })?;
        self.context(context)
    }

    /// The context of a file.
    pub fn context_of_file(&self, path: &CStr) -> io::Result<CString> {
        let mut context = null_mut();
        // SAFETY: the path ends with NUL, and the pointer goes to a live variable.
        told(unsafe { (self.functions.getfilecon)(path.as_ptr(), &mut context) })?;
        self.context(context)
    }

    /// Whether the policy lets `source` do this to `target`. Where it only writes down what it forbids, it does.
    pub fn check(
        &self,
        source: &CStr,
        target: &CStr,
        permission: (&CStr, &CStr),
    ) -> io::Result<()> {
        let (class, permission) = permission;
        // SAFETY: the strings end with NUL; no more is to be written down with a refusal than is known anyway.
        told(unsafe {
            (self.functions.check_access)(
                source.as_ptr(),
                target.as_ptr(),
                class.as_ptr(),
                permission.as_ptr(),
                null_mut(),
            )
        })
    }

    /// The program that this process executes next, and the keys that it makes, get that context.
    pub fn set_next_context(&self, context: &CStr) -> Result<(), Errno> {
        // SAFETY: the string ends with NUL, and is copied to the kernel.
        let done = unsafe {
            (self.functions.setexeccon)(context.as_ptr()) == 0
                && (self.functions.setkeycreatecon)(context.as_ptr()) == 0
        };
        if done { Ok(()) } else { Err(Errno::last()) }
    }

    fn context(&self, context: *mut c_char) -> io::Result<CString> {
        // SAFETY: it is a string for the caller to free by freecon(3), or null; it is not used again.
        unsafe { taken(context, self.functions.freecon) }
            .ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// What a function of libselinux returned.
fn told(returned: c_int) -> io::Result<()> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

unsafe extern "C" fn free(string: *mut c_char) {
    // SAFETY: the caller has it from malloc(3), and does not use it again.
    unsafe { libc::free(string.cast()) }
}

/// A copy of a string of the library's, which is freed; `None` for null.
///
/// # Safety
/// It ends with NUL, `free` frees it, and nobody uses it again.
unsafe fn taken(string: *mut c_char, free: unsafe extern "C" fn(*mut c_char)) -> Option<CString> {
    if string.is_null() {
        return None;
    }
    // SAFETY: as the caller says.
    unsafe {
        let copy = CStr::from_ptr(string).to_owned();
        free(string);
        Some(copy)
    }
}
