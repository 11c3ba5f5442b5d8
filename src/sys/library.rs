//! Shared libraries that are opened at run time, so that neither a build nor a machine needs them. Knows none of them.

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

/// A library that is open for the rest of this process's life: what it has begun may never be unloaded safely.
#[derive(Clone, Copy, Debug)]
pub struct Library(NonNull<c_void>);

impl Library {
    /// Opens the library of that name, where the machine has it. What cannot be had is said in the linker's words.
    pub fn open(name: &CStr) -> Result<Library, String> {
        // SAFETY: the name ends with NUL; what a library runs when it is loaded is trusted, as any library is.
        let library = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
        NonNull::new(library).map(Library).ok_or_else(trouble)
    }

    /// A function of the library.
    ///
    /// # Safety
    /// `F` must be a pointer to a function of the type that the one of this name has.
    pub unsafe fn find<F: Copy>(self, name: &CStr) -> Result<F, String> {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
        // SAFETY: the library is open, and the name ends with NUL.
        let found = unsafe { libc::dlsym(self.0.as_ptr(), name.as_ptr()) };
        if found.is_null() {
            return Err(trouble());
        }
        // SAFETY: it is not null and as wide as F, which is its type, as the caller says.
        Ok(unsafe { std::mem::transmute_copy::<*mut c_void, F>(&found) })
    }
}

/// What dlopen(3) or dlsym(3) has to say.
fn trouble() -> String {
    // SAFETY: it is this thread's own trouble, and the words are copied before the next call.
    let words = unsafe { libc::dlerror() };
    if words.is_null() {
        return "unknown error".to_owned();
    }
    // SAFETY: as above; they end with NUL.
    unsafe { CStr::from_ptr(words) }.to_string_lossy().into_owned()
}
