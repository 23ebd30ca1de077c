//! The system calls that no safe library wraps. All `unsafe` of the crate stands here.
//!
//! Forking is sound only because a shim has one thread: a child may then allocate and take
//! locks like any other process. [`is_single_threaded`] is checked before the first fork.

#![expect(unsafe_code, reason = "the place for it; every block says why it is sound")]

use std::ffi::{CStr, CString, c_char};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Which side of a fork this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The process that forked, and its child's id.
    Parent(i32),
    /// The new process.
    Child,
}

/// Whether this process has one thread, so that it may fork and go on computing.
pub(crate) fn is_single_threaded() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() == 1)
}

/// As `linux/sched.h` has it; the library's constant is of a type that it does not fit.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Forks into new namespaces (`CLONE_NEW…`) and, on version 2 hierarchies, a control group.
pub(crate) fn clone_process(
    namespaces: libc::c_int,
    cgroup: Option<BorrowedFd<'_>>,
) -> io::Result<Side> {
    // SAFETY: all-zero is a valid value of this plain C struct.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = u64::from(namespaces.cast_unsigned());
    arguments.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    if let Some(cgroup) = cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = u64::from(cgroup.as_raw_fd().cast_unsigned());
    }
    // SAFETY: without CLONE_VM the child has its own copy of all memory, like after `fork`; the
    // process has one thread, so no lock is held by a thread that the child does not have.
    let pid = unsafe {
        libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<libc::clone_args>())
    };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Side::Child),
        pid => Ok(Side::Parent(i32::try_from(pid).map_err(io::Error::other)?)),
    }
}

/// Forks without any new namespace, by the call that filters of containers allow.
pub(crate) fn fork() -> io::Result<Side> {
    // SAFETY: the process has one thread, so that the child may go on computing.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Side::Child),
        pid => Ok(Side::Parent(pid)),
    }
}

/// Ends this process at once, running nothing that was registered for its end.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` takes any code and does not return.
    unsafe { libc::_exit(code) }
}

/// Sends a signal to a process; a negative id means a process group.
pub(crate) fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: `kill` touches no memory of ours.
    check(unsafe { libc::kill(pid, signal) })
}

/// Blocks all signals and gives a descriptor that reports the listed ones.
pub(crate) fn signal_descriptor(signals: &[i32]) -> io::Result<OwnedFd> {
    let set = signal_set(signals)?;
    // SAFETY: both sets are valid for the calls; the descriptor is new and ours.
    unsafe {
        check(libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()))?;
        let descriptor = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        check(descriptor)?;
        Ok(OwnedFd::from_raw_fd(descriptor))
    }
}

/// Waits for one of the (blocked) signals.
pub(crate) fn wait_signal(signals: &[i32]) -> io::Result<i32> {
    let set = signal_set(signals)?;
    // SAFETY: the set is valid; no information structure is asked for.
    let signal = unsafe { libc::sigwaitinfo(&raw const set, std::ptr::null_mut()) };
    check(signal).map(|()| signal)
}

/// Blocks the listed signals.
pub(crate) fn block_signals(signals: &[i32]) -> io::Result<()> {
    let set = signal_set(signals)?;
    // SAFETY: the set is valid for the call.
    check(unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) })
}

/// Ignores a signal.
pub(crate) fn ignore_signal(signal: i32) -> io::Result<()> {
    // SAFETY: SIG_IGN is a valid disposition and installs no code of ours.
    let before = unsafe { libc::signal(signal, libc::SIG_IGN) };
    if before == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Undoes all blocking and ignoring, so that a container starts as from a login.
pub(crate) fn reset_signals() -> io::Result<()> {
    let set = signal_set(&[])?;
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: SIG_DFL is a valid disposition; signals that cannot be changed answer an
        // error, which is of no interest.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: the set is valid for the call.
    check(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut()) })
}

/// All signals but those that the C library keeps to itself.
pub(crate) fn every_signal() -> Vec<i32> {
    let kept = libc::SIGSYS + 1..libc::SIGRTMIN();
    (1..=libc::SIGRTMAX()).filter(|it| !kept.contains(it)).collect()
}

fn signal_set(signals: &[i32]) -> io::Result<libc::sigset_t> {
    // SAFETY: all-zero is a valid value of this plain C struct; the calls get a pointer to it.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        check(libc::sigemptyset(&raw mut set))?;
        for signal in signals {
            check(libc::sigaddset(&raw mut set, *signal))?;
        }
        Ok(set)
    }
}

/// Replaces this process by a program; returns only if that fails.
pub(crate) fn execute(program: &CStr, argv: &[CString], env: &[CString]) -> io::Error {
    let argv = pointers(argv);
    let env = pointers(env);
    // SAFETY: both arrays end with a null pointer and their strings outlive the call.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|it| it.as_ptr()).chain([std::ptr::null()]).collect()
}

/// Leaves namespaces (`CLONE_NEW…`) for new ones.
pub(crate) fn unshare(namespaces: libc::c_int) -> io::Result<()> {
    // SAFETY: only `CLONE_NEW…` flags are passed by this crate; they change no memory.
    check(unsafe { libc::unshare(namespaces) })
}

/// Enters namespaces of the kinds (`CLONE_NEW…`) behind a namespace or process descriptor.
pub(crate) fn enter(descriptor: BorrowedFd<'_>, namespaces: libc::c_int) -> io::Result<()> {
    // SAFETY: `setns` changes no memory; the descriptor is open for the call.
    check(unsafe { libc::setns(descriptor.as_raw_fd(), namespaces) })
}

/// Attributes of a mount to set, and its propagation.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MountChange {
    /// `MOUNT_ATTR_…` to set.
    pub(crate) set: u64,
    /// `MS_PRIVATE` and the like; zero leaves it.
    pub(crate) propagation: u64,
}

/// Changes the mount behind a descriptor, with `AT_RECURSIVE` in `flags` also those below it.
pub(crate) fn change_mount(
    mount: BorrowedFd<'_>,
    flags: libc::c_int,
    change: MountChange,
) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: change.set,
        attr_clr: 0,
        propagation: change.propagation,
        userns_fd: 0,
    };
    // SAFETY: the structure and its size belong together and outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags | libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    check(if result == 0 { 0 } else { -1 })
}

/// Sets a resource limit of this process.
pub(crate) fn set_limit(resource: u32, soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the structure outlives the call; an unknown resource answers an error.
    check(unsafe { libc::setrlimit(resource, &raw const limit) })
}

/// Brings the loopback interface of this network namespace up.
pub(crate) fn raise_loopback() -> io::Result<()> {
    // SAFETY: the socket is new and ours; the request is all zero but for a name that fits with
    // its terminating zero, and `SIOCSIFFLAGS` reads just the name and the flags.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        check(socket)?;
        let socket = OwnedFd::from_raw_fd(socket);
        let mut request: libc::ifreq = std::mem::zeroed();
        for (place, byte) in request.ifr_name.iter_mut().zip(b"lo") {
            *place = byte.cast_signed();
        }
        let flags = libc::IFF_UP | libc::IFF_RUNNING;
        request.ifr_ifru.ifru_flags = libc::c_short::try_from(flags).map_err(io::Error::other)?;
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request))
    }
}

/// Filters this process's system calls from now on.
pub(crate) fn install_filter(program: &[seccompiler::sock_filter]) -> io::Result<()> {
    let header = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        filter: program.as_ptr().cast_mut().cast(),
    };
    // SAFETY: the header describes exactly `program`, whose elements have the kernel's layout
    // and are only read.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const header)
    };
    check(if result == 0 { 0 } else { -1 })
}

/// One instruction of the kernel's virtual machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Instruction {
    /// Operation.
    pub(crate) code: u8,
    /// Destination in the low half, source in the high half.
    pub(crate) registers: u8,
    /// Jump or memory offset.
    pub(crate) offset: i16,
    /// Immediate operand.
    pub(crate) immediate: i32,
}

/// The part of `union bpf_attr` that loading a program reads.
#[repr(C)]
#[derive(Default)]
struct LoadProgram {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel: u32,
    flags: u32,
}

/// The part of `union bpf_attr` that attaching a program reads.
#[repr(C)]
struct AttachProgram {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
}

const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_PROG_ATTACH: libc::c_int = 8;
const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;
const BPF_F_ALLOW_MULTI: u32 = 2;

/// Makes a control group's device accesses subject to a program.
pub(crate) fn attach_device_program(
    cgroup: BorrowedFd<'_>,
    program: &[Instruction],
) -> io::Result<()> {
    let load = LoadProgram {
        kind: BPF_PROG_TYPE_CGROUP_DEVICE,
        count: u32::try_from(program.len()).map_err(io::Error::other)?,
        instructions: program.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        ..LoadProgram::default()
    };
    // SAFETY: the structure is a prefix of `union bpf_attr` with its true size; the pointers in
    // it are to data that outlives the call; the descriptor is new and ours.
    let loaded = unsafe {
        let loaded =
            libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw const load, size_of::<LoadProgram>());
        let loaded = RawFd::try_from(loaded).map_err(io::Error::other)?;
        check(loaded)?;
        OwnedFd::from_raw_fd(loaded)
    };
    let attach = AttachProgram {
        target: cgroup.as_raw_fd().cast_unsigned(),
        program: loaded.as_raw_fd().cast_unsigned(),
        kind: BPF_CGROUP_DEVICE,
        flags: BPF_F_ALLOW_MULTI,
    };
    // SAFETY: as above; both descriptors are open for the call.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, BPF_PROG_ATTACH, &raw const attach, size_of::<AttachProgram>())
    };
    check(if result == 0 { 0 } else { -1 })
}

/// Gives memory that the allocator keeps for later back to the kernel.
pub(crate) fn trim_memory() {
    // SAFETY: `malloc_trim` may be called at any time.
    unsafe { libc::malloc_trim(0) };
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What becomes of the descriptors from a number on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Descriptors {
    /// Closed now.
    Close,
    /// Closed when a program is executed.
    CloseOnExecute,
}

/// Closes all descriptors from `first` on, now or later.
///
/// The caller owns none of them by name any more, or does not come back (a child that waits,
/// executes or exits).
pub(crate) fn close_from(first: u32, when: Descriptors) -> io::Result<()> {
    let flags = match when {
        Descriptors::Close => 0,
        Descriptors::CloseOnExecute => libc::CLOSE_RANGE_CLOEXEC,
    };
    // SAFETY: closing descriptors touches no memory; see above for who still uses them.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) };
    check(if result == 0 { 0 } else { -1 })
}
