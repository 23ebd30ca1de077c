//! The kernel, the rights of this user, control groups and limits.

use std::fs;

use rustix::process::{Resource, geteuid, getrlimit};
use rustix::thread::{CapabilitySet, capabilities};
use shim::{Hierarchies, Version};

use super::Finding;

/// The oldest kernel whose features all of ours are there: pidfds, the mount interface, and the
/// parts of nftables that our rules use.
const KERNEL_MIN: (u32, u32) = (5, 4);

/// Open files that a region of a few instances needs.
const FILES_MIN: u64 = 4_096;

/// Rights beside uid 0: a container may lack them although its user is root.
const RIGHTS: [(CapabilitySet, &str); 4] = [
    (CapabilitySet::SYS_ADMIN, "CAP_SYS_ADMIN"),
    (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
    (CapabilitySet::MKNOD, "CAP_MKNOD"),
    (CapabilitySet::SYS_CHROOT, "CAP_SYS_CHROOT"),
];

/// Moves what runs in the root of a container's control groups into a group below.
const EMPTY_THE_ROOT: &str = "cd /sys/fs/cgroup && mkdir -p init && xargs -rn1 <cgroup.procs \
                              >init/cgroup.procs";

/// Looks at everything.
pub(super) fn look() -> Vec<Finding> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    vec![
        kernel(&release),
        rights(),
        control_groups(),
        writable(&mountinfo),
        seccomp(&actions),
        files(getrlimit(Resource::Nofile).current),
    ]
}

fn kernel(release: &str) -> Finding {
    let mut numbers = release.split(|it: char| !it.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= KERNEL_MIN => {
            Finding::good("kernel", format!("Linux {release}"))
        }
        _ => Finding::missing(
            "kernel",
            format!("Linux {release} is too old, or of an unknown form"),
            format!("use Linux {}.{} or newer", KERNEL_MIN.0, KERNEL_MIN.1),
        ),
    }
}

fn rights() -> Finding {
    if !geteuid().is_root() {
        return Finding::missing(
            "rights",
            "this user is not root, who alone may make namespaces, mounts and control groups",
            "sudo landfall doctor",
        );
    }
    let have = match capabilities(None) {
        Ok(sets) => sets.effective,
        Err(error) => {
            return Finding::careful(
                "rights",
                format!("root, but its capabilities cannot be read: {error}"),
                "mount /proc",
            );
        }
    };
    let lacking: Vec<_> =
        RIGHTS.iter().filter(|(it, _)| !have.contains(*it)).map(|(_, name)| *name).collect();
    if lacking.is_empty() {
        return Finding::good("rights", "root with the capabilities that containers need");
    }
    Finding::missing(
        "rights",
        format!("root, but without {}", lacking.join(", ")),
        "run outside of a container, or in a privileged one",
    )
}

fn control_groups() -> Finding {
    let subject = "control groups";
    let groups = match Hierarchies::detect() {
        Ok(groups) => groups,
        Err(error) => {
            return Finding::missing(
                subject,
                error.to_string(),
                "mount -t cgroup2 none /sys/fs/cgroup",
            );
        }
    };
    let version = match groups.version {
        Version::Legacy => "version 1",
        Version::Hybrid => "version 1 beside an empty version 2 (hybrid)",
        Version::Unified => "version 2",
    };
    if groups.held_back() {
        return Finding::missing(
            subject,
            "version 2 of a container, with processes in its root: no group below gets a limit",
            EMPTY_THE_ROOT,
        );
    }
    let missing = groups.missing();
    if missing.is_empty() {
        return Finding::good(subject, format!("{version}, with every controller in use"));
    }
    let detail = format!("{version}, without {}", missing.join(", "));
    if missing.iter().any(|it| ["cpu", "memory"].contains(it)) {
        let mend = "boot with cgroup_enable=memory swapaccount=1, or enable the controllers in \
                    cgroup.subtree_control of the root";
        return Finding::missing(subject, detail, mend);
    }
    Finding::careful(subject, detail, "those limits and counters stay off; enable the controllers")
}

/// Whether groups can be made: containers often mount them read-only.
fn writable(mountinfo: &str) -> Finding {
    let subject = "groups writable";
    let sealed: Vec<_> = mountinfo.lines().filter_map(sealed).collect();
    if sealed.is_empty() {
        return Finding::good(subject, "no control group is mounted read-only");
    }
    Finding::missing(
        subject,
        format!("mounted read-only: {}", sealed.join(", ")),
        "mount -o remount,rw each of them, or run outside of a container",
    )
}

/// The mount point of a control group hierarchy that is read-only.
fn sealed(line: &str) -> Option<&str> {
    let (fields, rest) = line.split_once(" - ")?;
    let kind = rest.split(' ').next()?;
    let mut fields = fields.split(' ').skip(4);
    let (point, options) = (fields.next()?, fields.next()?);
    let read_only = options.split(',').any(|it| it == "ro");
    (matches!(kind, "cgroup" | "cgroup2") && read_only).then_some(point)
}

fn seccomp(actions: &str) -> Finding {
    if actions.split_whitespace().any(|it| it == "errno") {
        return Finding::good("seccomp", "the kernel filters system calls");
    }
    Finding::missing(
        "seccomp",
        "the kernel does not filter system calls",
        "use a kernel with CONFIG_SECCOMP_FILTER; until then tasks start only as privileged",
    )
}

fn files(most: Option<u64>) -> Finding {
    match most {
        Some(most) if most < FILES_MIN => Finding::careful(
            "open files",
            format!("a process may open {most} files"),
            format!("ulimit -n {FILES_MIN} before `landfall up`"),
        ),
        Some(most) => Finding::good("open files", format!("a process may open {most} files")),
        None => Finding::good("open files", "a process may open any number of files"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(finding: &Finding, expected: &str) {
        assert_eq!(format!("{} {}", finding.word(), finding.detail), expected);
    }

    #[test]
    fn old_kernels_are_refused() {
        check(&kernel("6.18.5-arch1"), "ok Linux 6.18.5-arch1");
        check(&kernel("5.4.0-150-generic"), "ok Linux 5.4.0-150-generic");
        check(&kernel("4.19.0"), "fail Linux 4.19.0 is too old, or of an unknown form");
        check(&kernel("plan9"), "fail Linux plan9 is too old, or of an unknown form");
    }

    #[test]
    fn groups_that_are_read_only_are_named() {
        let line = |options: &str, kind: &str| {
            format!("30 24 0:26 / /sys/fs/cgroup {options} shared:9 - {kind} cgroup2 rw")
        };
        check(&writable(&line("rw,nosuid", "cgroup2")), "ok no control group is mounted read-only");
        check(&writable(&line("ro,nosuid", "cgroup2")), "fail mounted read-only: /sys/fs/cgroup");
        check(&writable(&line("ro", "tmpfs")), "ok no control group is mounted read-only");
        check(&writable("nonsense"), "ok no control group is mounted read-only");
    }

    #[test]
    fn few_open_files_are_worth_a_warning() {
        check(&files(Some(1_024)), "warn a process may open 1024 files");
        check(&files(None), "ok a process may open any number of files");
    }

    #[test]
    fn a_kernel_without_filters_is_told() {
        check(&seccomp("kill_process errno allow"), "ok the kernel filters system calls");
        assert_eq!(seccomp("").word(), "fail");
    }
}
