//! Capabilities: names, Docker's defaults, and giving up all others.

use std::io;

use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::protocol::Refusal;
use crate::spec::{CapabilityChanges, Privilege};

/// All names without their prefix; the position is the kernel's number.
///
/// Source: capabilities(7).
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// What a container has unless told otherwise.
///
/// Source: Docker Engine, "Runtime privilege and Linux capabilities".
const DEFAULTS: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// A set of capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capabilities(u64);

impl Capabilities {
    /// What a container may have, out of what this process has (`held`).
    ///
    /// What is named and not held is refused; of `ALL` and of the defaults the rest is given.
    pub(crate) fn of(
        privilege: Privilege,
        changes: &CapabilityChanges,
        held: Self,
    ) -> Result<Self, Refusal> {
        if privilege == Privilege::Privileged {
            return Ok(held);
        }
        let (add, drop) = (Named::parse(&changes.add)?, Named::parse(&changes.drop)?);
        let base = match (add.all, drop.all) {
            (true, _) => held.0,
            (false, true) => 0,
            (false, false) => defaults() & held.0,
        };
        let lacking = add.bits & !held.0;
        if lacking != 0 {
            let names = Self(lacking).names().join(", ");
            return Err(Refusal::spec(format!("capabilities this machine does not give: {names}")));
        }
        // As Docker: what `drop` names is taken from the base, what `add` names is then given.
        Ok(Self((base & !drop.bits) | add.bits))
    }

    /// What this process may give.
    pub(crate) fn held() -> io::Result<Self> {
        Ok(Self(rustix::thread::capabilities(None)?.permitted.bits()))
    }

    /// Names with their prefix, as OCI specifications spell them.
    pub(crate) fn names(self) -> Vec<String> {
        let has = |(number, _): &(usize, &&str)| self.0 & (1 << number) != 0;
        NAMES.iter().enumerate().filter(has).map(|(_, name)| format!("CAP_{name}")).collect()
    }

    /// Whether a capability, named without prefix, is in the set.
    pub(crate) fn has(self, name: &str) -> bool {
        bit(name).is_some_and(|it| self.0 & it != 0)
    }

    /// Makes all others unreachable for this process and what it executes.
    pub(crate) fn bound(self) -> io::Result<()> {
        for number in 0..64_u32 {
            let it = CapabilitySet::from_bits_retain(1 << number);
            if self.0 & (1 << number) != 0 {
                continue;
            }
            match rustix::thread::remove_capability_from_bounding_set(it) {
                // Beyond the last one this kernel knows.
                Err(rustix::io::Errno::INVAL) => return Ok(()),
                other => other?,
            }
        }
        Ok(())
    }

    /// Gives up all others now. For root; another user has lost all by the change of user, as
    /// with Docker.
    pub(crate) fn take(self) -> io::Result<()> {
        let ours = CapabilitySet::from_bits_retain(self.0);
        let none = CapabilitySet::empty();
        let sets = CapabilitySets { effective: ours, permitted: ours, inheritable: none };
        Ok(rustix::thread::set_capabilities(None, sets)?)
    }
}

#[derive(Default)]
struct Named {
    all: bool,
    bits: u64,
}

impl Named {
    fn parse(names: &[String]) -> Result<Self, Refusal> {
        let mut found = Self::default();
        for name in names {
            let upper = name.to_ascii_uppercase();
            let plain = upper.strip_prefix("CAP_").unwrap_or(&upper);
            match (plain, bit(plain)) {
                ("ALL", _) => found.all = true,
                (_, Some(bit)) => found.bits |= bit,
                _ => return Err(Refusal::spec(format!("unknown capability: \"{name}\""))),
            }
        }
        Ok(found)
    }
}

fn bit(name: &str) -> Option<u64> {
    NAMES.iter().position(|it| *it == name).map(|number| 1 << number)
}

fn defaults() -> u64 {
    DEFAULTS.iter().filter_map(|it| bit(it)).fold(0, |all, it| all | it)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Capabilities = Capabilities((1 << NAMES.len()) - 1);

    #[track_caller]
    fn check(add: &[&str], drop: &[&str], expected: &str) {
        let owned = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect();
        let changes = CapabilityChanges { add: owned(add), drop: owned(drop) };
        let shown = match Capabilities::of(Privilege::Confined, &changes, EVERY) {
            Ok(it) => format!("{:x}", it.0),
            Err(refusal) => refusal.message,
        };
        assert_eq!(shown, expected, "+{add:?} -{drop:?}");
    }

    #[test]
    fn changes_apply_as_docker_applies_them() {
        check(&[], &[], "a80425fb");
        check(&["NET_ADMIN"], &["cap_mknod"], "a00435fb");
        check(&["CAP_KILL"], &["ALL"], "20");
        check(&["ALL"], &["CHOWN"], "1fffffffffe");
        check(&["ALL"], &["ALL"], "1ffffffffff");
        check(&["FLY"], &[], "unknown capability: \"FLY\"");
    }

    #[test]
    fn what_the_machine_lacks_is_refused_when_named_only() {
        let held = Capabilities(EVERY.0 & !bit("SYS_RESOURCE").unwrap());
        let add = |name: &str| CapabilityChanges { add: vec![name.to_owned()], drop: vec![] };
        let all = Capabilities::of(Privilege::Confined, &add("ALL"), held).unwrap();
        assert!(!all.has("SYS_RESOURCE"));
        assert!(Capabilities::of(Privilege::Confined, &add("SYS_RESOURCE"), held).is_err());
    }
}
