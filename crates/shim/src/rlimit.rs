//! Resource limits of processes, by the names ECS has for them.

use std::io;

use crate::protocol::{Refusal, RefusalKind};
use crate::refusal::Explain;
use crate::spec::Ulimit;
use crate::sys;

/// ECS names with the kernel's numbers.
///
/// Source: Amazon ECS API Reference, `Ulimit`; getrlimit(2).
pub(crate) const NAMES: [(&str, u32); 15] = [
    ("core", libc::RLIMIT_CORE),
    ("cpu", libc::RLIMIT_CPU),
    ("data", libc::RLIMIT_DATA),
    ("fsize", libc::RLIMIT_FSIZE),
    ("locks", libc::RLIMIT_LOCKS),
    ("memlock", libc::RLIMIT_MEMLOCK),
    ("msgqueue", libc::RLIMIT_MSGQUEUE),
    ("nice", libc::RLIMIT_NICE),
    ("nofile", libc::RLIMIT_NOFILE),
    ("nproc", libc::RLIMIT_NPROC),
    ("rss", libc::RLIMIT_RSS),
    ("rtprio", libc::RLIMIT_RTPRIO),
    ("rttime", libc::RLIMIT_RTTIME),
    ("sigpending", libc::RLIMIT_SIGPENDING),
    ("stack", libc::RLIMIT_STACK),
];

/// Sets them for this process.
pub(crate) fn apply(ulimits: &[Ulimit]) -> Result<(), Refusal> {
    for it in ulimits {
        let known = NAMES.iter().find(|(name, _)| *name == it.name);
        let (_, resource) =
            known.ok_or_else(|| Refusal::spec(format!("unknown ulimit \"{}\"", it.name)))?;
        let what = format!("set ulimit {} to {}:{}", it.name, it.soft, it.hard);
        let set = sys::set_limit(*resource, value(it.soft), value(it.hard));
        match set {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let text = format!("{what}: beyond what this machine may give");
                return Err(Refusal::spec(text));
            }
            other => other.refuse(RefusalKind::InvalidSpec, what)?,
        }
    }
    Ok(())
}

/// A negative value is no limit.
pub(crate) fn value(asked: i64) -> u64 {
    u64::try_from(asked).unwrap_or(libc::RLIM_INFINITY)
}

/// Whether ECS has a limit of that name.
pub(crate) fn is_known(name: &str) -> bool {
    NAMES.iter().any(|(it, _)| *it == name)
}
