//! How the unpack helper shuts itself in: its root becomes the layer's directory, in a mount
//! namespace that holds nothing else, and it keeps only the rights that making files takes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount_bind, mount_change, mount_remount,
    unmount,
};
use rustix::process::{Resource, Rlimit, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};
use seccompiler::{SeccompAction, SeccompFilter};

use super::child::machine;
use super::{Limits, Refusal};

/// Address space of the helper: a zstd window of 128 MiB and long names fit, a bomb does not.
const MEMORY_BYTES_MAX: u64 = 1 << 30;
/// Open files: removing a replaced directory tree holds one for each level.
const FILES_MAX: u64 = 1024;

/// What making files with foreign owners, modes, devices and attributes takes. `SYS_ADMIN` is
/// for `trusted.overlay.opaque` alone; what else it allows, the system call filter takes back.
const RIGHTS: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SYS_ADMIN);

/// Calls that could lead out of the root, start something, or reach the network.
const FORBIDDEN: &[i64] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_open_by_handle_at,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kill,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_keyctl,
    libc::SYS_socket,
    libc::SYS_io_uring_setup,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_quotactl,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
];

/// Makes `target` the root of a mount namespace of our own, with nothing else in it.
///
/// The directory that comes back is locked, so that a collector of garbage sees that somebody
/// still writes here, even when the process that started us is gone.
#[expect(
    deprecated,
    reason = "the safe form; what makes unshare unsafe is its flag for descriptor tables"
)]
pub(super) fn enter(target: &OsStr) -> Result<File, Refusal> {
    let step = |attempted: &'static str| {
        move |it: rustix::io::Errno| machine(attempted, &io::Error::from(it))
    };
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(step("tie the helper's life to its parent's"))?;

    rustix::thread::unshare(UnshareFlags::NEWNS)
        .map_err(step("make a mount namespace (root is needed)"))?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(step("keep our mounts to ourselves"))?;
    mount_bind(target, target).map_err(step("mount the layer's directory"))?;
    let flags = MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount_remount(target, flags, "")
        .map_err(step("mount the layer's directory without devices"))?;
    rustix::process::chdir(target).map_err(step("enter the layer's directory"))?;
    // The old root comes to lie over the new one and is taken off again: pivot_root(2), notes.
    rustix::process::pivot_root(".", ".").map_err(step("make the layer's directory the root"))?;
    unmount(".", UnmountFlags::DETACH).map_err(step("leave the old root"))?;
    rustix::process::chdir("/").map_err(step("enter the new root"))?;
    // Opened only now: a directory opened before would still lie in the old root.
    let directory = File::open("/").map_err(|it| machine("open the layer's directory", &it))?;
    directory.lock_shared().map_err(|it| machine("lock the layer's directory", &it))?;
    Ok(directory)
}

/// Bounds memory and files, and gives up every right that unpacking does not take.
pub(super) fn give_up_rights(limits: &Limits) -> Result<(), Refusal> {
    let bound = |resource, most| {
        let both = Rlimit { current: Some(most), maximum: Some(most) };
        rustix::process::setrlimit(resource, both)
            .map_err(|it| machine("bound the helper", &it.into()))
    };
    bound(Resource::As, MEMORY_BYTES_MAX)?;
    bound(Resource::Fsize, limits.bytes)?;
    bound(Resource::Nofile, FILES_MAX)?;
    bound(Resource::Core, 0)?;
    rustix::process::umask(rustix::fs::Mode::empty());

    let rights = CapabilitySets {
        effective: RIGHTS,
        permitted: RIGHTS,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, rights)
        .map_err(|it| machine("give up capabilities", &it.into()))?;
    rustix::thread::set_no_new_privs(true)
        .map_err(|it| machine("forbid new privileges", &it.into()))?;
    forbid_calls().map_err(|it| machine("forbid system calls", &io::Error::other(it)))
}

fn forbid_calls() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let rules: BTreeMap<_, _> = FORBIDDEN.iter().map(|it| (*it, Vec::new())).collect();
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::KillProcess,
        std::env::consts::ARCH.try_into()?,
    )?;
    let program: seccompiler::BpfProgram = filter.try_into()?;
    seccompiler::apply_filter(&program)?;
    Ok(())
}
