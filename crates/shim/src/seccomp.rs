//! The system call filter: Docker's default profile, compiled for the capabilities at hand.
//!
//! What is not listed answers `EPERM`. `clone3` answers `ENOSYS`, so that libraries fall back
//! to `clone`, whose flags a filter can see.
//!
//! Differs: programs for another architecture of the same processor (32-bit x86) are ended,
//! where Docker's profile filters them too.

mod profile;

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Is, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use serde_json::{Value, json};

use crate::capability::Capabilities;
use crate::protocol::Refusal;
use crate::refusal::Explain;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Flags of `clone` that make namespaces.
const NAMESPACE_FLAGS: u64 = 0x7e02_0000;

/// Personalities a container may choose: Linux, and the three that emulators and debuggers use.
const PERSONALITIES: [u64; 5] = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// Socket families below which all are allowed, and those between that are not: `AF_ALG` (38)
/// and `AF_VSOCK` (40) reach the host's kernel in ways that containers need not.
const FAMILY_ALG: u64 = 38;
const FAMILY_VSOCK: u64 = 40;

/// Filters to install, in this order.
///
/// # Errors
///
/// If the profile cannot be compiled, which a test rules out for the profile itself.
pub(crate) fn programs(capabilities: Capabilities) -> Result<Vec<BpfProgram>, Refusal> {
    compile(capabilities).machine("compile the system call filter")
}

fn compile(capabilities: Capabilities) -> Result<Vec<BpfProgram>, seccompiler::BackendError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let allowed = allowed(capabilities)?;
    let main = SeccompFilter::new(allowed, refuse, SeccompAction::Allow, arch)?;
    let mut programs = vec![BpfProgram::try_from(main)?];
    if !capabilities.has("SYS_ADMIN") {
        let missing = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
        let clone3 = Rules::from([(libc::SYS_clone3, vec![])]);
        let second = SeccompFilter::new(clone3, SeccompAction::Allow, missing, arch)?;
        programs.push(BpfProgram::try_from(second)?);
    }
    Ok(programs)
}

fn allowed(capabilities: Capabilities) -> Result<Rules, seccompiler::BackendError> {
    let plain = plain_calls(capabilities);
    let mut rules: Rules = plain.into_iter().map(|(_, number)| (number, vec![])).collect();
    let personalities = PERSONALITIES.map(|it| rule(&[(0, Length::Qword, Is::Eq, it)]));
    rules.insert(libc::SYS_personality, personalities.into_iter().collect::<Result<_, _>>()?);
    rules.insert(
        libc::SYS_socket,
        vec![
            rule(&[(0, Length::Dword, Is::Lt, FAMILY_ALG)])?,
            rule(&[
                (0, Length::Dword, Is::Gt, FAMILY_ALG),
                (0, Length::Dword, Is::Lt, FAMILY_VSOCK),
            ])?,
            rule(&[(0, Length::Dword, Is::Gt, FAMILY_VSOCK)])?,
        ],
    );
    let plain = rule(&[(0, Length::Qword, Is::MaskedEq(NAMESPACE_FLAGS), 0)])?;
    rules.insert(libc::SYS_clone, vec![plain]);
    // The second filter answers it unless the container may make namespaces.
    rules.insert(libc::SYS_clone3, vec![]);
    if capabilities.has("SYS_ADMIN") {
        rules.insert(libc::SYS_clone, vec![]);
    }
    Ok(rules)
}

/// Calls that are allowed whatever their arguments.
fn plain_calls(capabilities: Capabilities) -> Vec<profile::Call> {
    let with = profile::WITH_CAPABILITY.iter().filter(|(it, _)| capabilities.has(it));
    let lists = [profile::ALWAYS, profile::NEWER, profile::OLDER].into_iter();
    lists.chain(with.map(|(_, calls)| *calls)).flatten().copied().collect()
}

/// The profile as OCI runtimes read it.
pub(crate) fn oci(capabilities: Capabilities) -> Value {
    let name = |it: &str| it.trim_start_matches("SYS_").to_owned();
    let plain = plain_calls(capabilities).into_iter().map(|(it, _)| name(it));
    let allow = |names: Vec<String>, args: Value| {
        json!({
            "names": names, "action": "SCMP_ACT_ALLOW", "args": args,
        })
    };
    let one = |it: &str| vec![it.to_owned()];
    let mut calls = vec![allow(plain.collect(), json!([]))];
    for value in PERSONALITIES {
        let check = json!([{"index": 0, "value": value, "op": "SCMP_CMP_EQ"}]);
        calls.push(allow(one("personality"), check));
    }
    let family = |value: u64, op: &str| json!({"index": 0, "value": value, "op": op});
    calls.push(allow(one("socket"), json!([family(FAMILY_ALG, "SCMP_CMP_LT")])));
    calls.push(allow(one("socket"), json!([family(FAMILY_ALG + 1, "SCMP_CMP_EQ")])));
    calls.push(allow(one("socket"), json!([family(FAMILY_VSOCK, "SCMP_CMP_GT")])));
    if capabilities.has("SYS_ADMIN") {
        calls.push(allow(vec!["clone".to_owned(), "clone3".to_owned()], json!([])));
    } else {
        let check = json!([{
            "index": 0, "value": NAMESPACE_FLAGS, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ",
        }]);
        calls.push(allow(one("clone"), check));
        calls.push(json!({
            "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": libc::ENOSYS,
        }));
    }
    json!({
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": libc::EPERM,
        "architectures": ARCHITECTURES, "syscalls": calls,
    })
}

/// Names of the architectures a processor runs, as OCI specifications spell them.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURES: [&str; 3] = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];
/// Names of the architectures a processor runs, as OCI specifications spell them.
#[cfg(not(target_arch = "x86_64"))]
const ARCHITECTURES: [&str; 2] = ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"];

fn rule(checks: &[(u8, Length, Is, u64)]) -> Result<SeccompRule, seccompiler::BackendError> {
    let conditions = checks.iter().map(|(argument, length, is, value)| {
        SeccompCondition::new(*argument, length.clone(), is.clone(), *value)
    });
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{CapabilityChanges, Privilege};

    #[test]
    fn the_profile_compiles_for_all_and_for_no_capabilities() {
        let held = Capabilities::held().expect("reads");
        assert_eq!(compile(held).expect("compiles").len(), 1);
        let none = Capabilities::of(
            Privilege::Confined,
            &CapabilityChanges { add: vec![], drop: vec!["ALL".to_owned()] },
            held,
        );
        let programs = compile(none.expect("valid")).expect("compiles");
        assert_eq!(programs.len(), 2);
        assert!(programs.iter().all(|it| it.len() < 4096), "the kernel's limit");
    }

    #[test]
    fn what_reaches_the_kernel_deeply_is_not_listed() {
        let none = CapabilityChanges { add: vec![], drop: vec!["ALL".to_owned()] };
        let held = Capabilities::held().expect("reads");
        let none = Capabilities::of(Privilege::Confined, &none, held).expect("valid");
        let plain = plain_calls(none);
        for call in [
            libc::SYS_mount,
            libc::SYS_bpf,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_keyctl,
            libc::SYS_add_key,
            libc::SYS_io_uring_setup,
            libc::SYS_userfaultfd,
            libc::SYS_kexec_load,
            libc::SYS_swapon,
            libc::SYS_open_by_handle_at,
        ] {
            assert!(!plain.iter().any(|(_, number)| *number == call), "{call}");
        }
    }
}
