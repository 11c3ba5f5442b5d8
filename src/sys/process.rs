//! Processes: fork, the way to exec, waiting with resource usage. Decides nothing about who runs what.

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{ForkResult, Pid, lseek};

/// Which of the two processes goes on after a fork.
#[derive(Clone, Copy, Debug)]
pub enum Fork {
    /// The new one.
    Child,
    /// The old one, and who the new one is.
    Parent(Pid),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

/// What a process and the children it waited for used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// Processor time in its own code.
    pub user: Duration,
    /// Processor time in the kernel.
    pub system: Duration,
    /// Largest resident set of one process, in KiB.
    pub max_rss_kib: u64,
}

/// Everything exec needs, made before fork: between the two nothing may be allocated.
#[derive(Debug)]
pub struct Program<'a> {
    /// The file.
    pub path: CString,
    /// Its arguments, argv\[0\] first.
    pub arguments: Vec<CString>,
    /// `NAME=value` each.
    pub environment: Vec<CString>,
    /// What its descriptors 0, 1, 2 and so on are; it gets no others.
    pub descriptors: Vec<BorrowedFd<'a>>,
}

/// Forks. Refused where another thread runs: the child could do next to nothing safely.
pub fn fork() -> io::Result<Fork> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("cannot fork a process of several threads"));
    }
    // SAFETY: this is the only thread, so no lock is held that the child would find taken for ever.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Child => Ok(Fork::Child),
        ForkResult::Parent { child } => Ok(Fork::Parent(child)),
    }
}

/// Forks and executes, from a process with any number of threads. An exec that fails is seen only as
/// exit status 127.
pub fn start(program: &Program<'_>) -> io::Result<Pid> {
    let descriptors = raised(&program.descriptors)?;
    let (arguments, environment) = (pointers(&program.arguments), pointers(&program.environment));
    let count = descriptors.len() as RawFd;
    // SAFETY: fork itself asks nothing; what the child may do is said below.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: until execve or _exit the child calls only dup2, close_range (a bare system call),
        // execve and _exit, which are async-signal-safe, on memory that was made before the fork.
        0 => unsafe {
            for (number, descriptor) in descriptors.iter().enumerate() {
                if libc::dup2(descriptor.as_raw_fd(), number as RawFd) == -1 {
                    libc::_exit(127);
                }
            }
            libc::syscall(libc::SYS_close_range, count, libc::c_uint::MAX, 0);
            libc::execve(program.path.as_ptr(), arguments.as_ptr(), environment.as_ptr());
            libc::_exit(127)
        },
        pid => Ok(Pid::from_raw(pid)),
    }
}

/// Becomes the program; returns only if that failed, with the descriptors already changed. Signals have
/// their default actions, none is blocked.
pub fn execute(program: &Program<'_>) -> io::Result<Infallible> {
    execute_ignoring(program, &[])
}

/// The same, but that these signals are ignored.
pub fn execute_ignoring(program: &Program<'_>, ignored: &[Signal]) -> io::Result<Infallible> {
    let descriptors = raised(&program.descriptors)?;
    for (number, descriptor) in descriptors.iter().enumerate() {
        // SAFETY: the numbers belong to nobody who goes on: this process is about to be another program.
        if unsafe { libc::dup2(descriptor.as_raw_fd(), number as RawFd) } == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    close_at_exec(descriptors.len() as RawFd)?;
    reset_signals(ignored)?;
    let result = nix::unistd::execve(&program.path, &program.arguments, &program.environment)?;
    match result {}
}

/// The same open file under a number that no program's own descriptors reach.
pub fn raise(descriptor: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let number = fcntl(descriptor, FcntlArg::F_DUPFD_CLOEXEC(64))?;
    // SAFETY: the kernel has just given this number to us; nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Takes over a descriptor that this program was started with; it will be closed at exec.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the number is only looked at and copied; a closed one is answered by EBADF.
    let copy = raise(unsafe { BorrowedFd::borrow_raw(number) })?;
    // SAFETY: the caller says that the number came with exec, so no value in this program owns it.
    unsafe { libc::close(number) };
    Ok(copy)
}

/// Makes this process nicer by so much.
pub fn be_nicer(by: u8) -> io::Result<()> {
    if by == 0 {
        return Ok(());
    }
    Errno::clear();
    // SAFETY: nice takes any number and touches no memory.
    let nice = unsafe { libc::nice(i32::from(by)) };
    // -1 is a niceness too.
    if nice == -1 && Errno::last_raw() != 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A process, held so that no other can take its number.
#[derive(Debug)]
pub struct Held(OwnedFd);

impl Held {
    /// The process that has this number now (pidfd_open(2)).
    pub fn of(pid: Pid) -> io::Result<Held> {
        // SAFETY: takes two numbers and touches no memory.
        let number = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
        if number < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just given this number to us; nobody else knows it.
        Ok(Held(unsafe { OwnedFd::from_raw_fd(number as RawFd) }))
    }

    /// Sends it a signal, or fails if it is gone.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let none = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: the descriptor is open, and the kernel takes a null pointer for what kill(2) sends.
        let done = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.0.as_raw_fd(),
                signal as libc::c_int,
                none,
                0,
            )
        };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// Gives every signal its default action, but ignores these, and blocks none.
pub fn reset_signals(ignored: &[Signal]) -> io::Result<()> {
    // The kernel's own sigaction is smaller than this everywhere, and all zeros are SIG_DFL.
    let default = [0_u64; 8];
    for number in 1..=libc::SIGRTMAX() {
        // SAFETY: the kernel reads its struct from memory that is long enough. No handler is installed, so
        // no code of ours can be interrupted by one. The bare call reaches the two signals that libc keeps
        // for its threads, which posix_spawn leaves ignored; KILL and STOP are refused and need no change.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, number, default.as_ptr(), 0_usize, 8_usize);
        }
    }
    for signal in ignored {
        // SAFETY: as above: to ignore a signal installs no handler.
        unsafe { libc::signal(*signal as i32, libc::SIG_IGN) };
    }
    Ok(SigSet::empty().thread_set_mask()?)
}

/// The signals that this process was started to ignore; none where the kernel does not tell. PIPE is not among them: a
/// Rust program ignores it of its own accord.
pub fn ignored() -> Vec<Signal> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or_default();
    let mask = u64::from_str_radix(mask.trim(), 16).unwrap_or(0);
    let is_ignored = |signal: &Signal| mask >> (*signal as u32 - 1) & 1 == 1;
    Signal::iterator().filter(|signal| *signal != Signal::SIGPIPE).filter(is_ignored).collect()
}

/// How that child ended and what it used, if it has.
pub fn ended(child: Pid) -> io::Result<Option<(End, Used)>> {
    wait(child, libc::WNOHANG)
}

/// Waits until that child ends.
pub fn wait_for(child: Pid) -> io::Result<(End, Used)> {
    loop {
        if let Some(ended) = wait(child, 0)? {
            return Ok(ended);
        }
    }
}

/// Ends this process at once: no destructors, no buffers, which belong to the parent.
pub fn exit(status: i32) -> ! {
    // SAFETY: _exit takes any number and touches no memory.
    unsafe { libc::_exit(status) }
}

/// A file in memory with this content that nobody can change any more, to be read from its start.
pub fn sealed(name: &CStr, content: &[u8]) -> io::Result<OwnedFd> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    // Where vm.memfd_noexec is 2 the kernel demands MFD_NOEXEC_SEAL; before Linux 6.3 it knows no such flag.
    let no_exec = MFdFlags::from_bits_retain(8);
    let file = match memfd_create(name, flags | no_exec) {
        Err(Errno::EINVAL) => memfd_create(name, flags),
        other => other,
    }?;
    let mut file = std::fs::File::from(file);
    io::Write::write_all(&mut file, content)?;
    let seals = SealFlag::F_SEAL_WRITE
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    lseek(&file, 0, nix::unistd::Whence::SeekSet)?;
    Ok(file.into())
}

fn raised(descriptors: &[BorrowedFd<'_>]) -> io::Result<Vec<OwnedFd>> {
    descriptors.iter().map(|descriptor| raise(*descriptor)).collect()
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
}

/// Has every descriptor from this number on closed at exec.
fn close_at_exec(first: RawFd) -> io::Result<()> {
    // SAFETY: close-on-exec changes nothing for whoever owns a descriptor while this program lasts.
    let done = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC as libc::c_uint,
        )
    };
    if done == 0 { Ok(()) } else { close_at_exec_one_by_one(first) }
}

/// Before Linux 5.11 there is no other way.
fn close_at_exec_one_by_one(first: RawFd) -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let number = entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok());
        if let Some(number) = number.filter(|number| *number >= first) {
            // SAFETY: as above; a number that is closed by now is answered by EBADF.
            unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    Ok(())
}

fn wait(child: Pid, options: libc::c_int) -> io::Result<Option<(End, Used)>> {
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both pointers are to live variables of the types that wait4 fills.
    let pid = unsafe { libc::wait4(child.as_raw(), &mut status, options, usage.as_mut_ptr()) };
    match pid {
        -1 if Errno::last() == Errno::EINTR => Ok(None),
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        _ => {
            // SAFETY: all zero bytes are a valid rusage, and wait4 only overwrites them.
            let usage = unsafe { usage.assume_init() };
            Ok(end_of(status).map(|end| (end, used(&usage))))
        }
    }
}

fn end_of(status: libc::c_int) -> Option<End> {
    if libc::WIFEXITED(status) {
        Some(End::Exited(libc::WEXITSTATUS(status)))
    } else if libc::WIFSIGNALED(status) {
        Some(End::Killed(libc::WTERMSIG(status)))
    } else {
        None
    }
}

fn used(usage: &libc::rusage) -> Used {
    let span = |time: libc::timeval| {
        Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0))
            + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
    };
    Used {
        user: span(usage.ru_utime),
        system: span(usage.ru_stime),
        max_rss_kib: u64::try_from(usage.ru_maxrss).unwrap_or(0),
    }
}
