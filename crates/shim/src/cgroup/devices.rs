//! Which devices a group may use: a list on version 1, a small program on version 2.
//!
//! Containers may make device nodes (`CAP_MKNOD` is a default), so this is what keeps them
//! from the host's disks.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::sys::{self, Instruction};

/// Kind of a device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceKind {
    /// Both.
    All,
    /// Block device.
    Block,
    /// Character device.
    Character,
}

impl DeviceKind {
    /// As version 1 files and OCI specifications spell it.
    pub(crate) fn letter(self) -> &'static str {
        match self {
            Self::All => "a",
            Self::Block => "b",
            Self::Character => "c",
        }
    }
}

/// What may be done with a device, as the kernel's bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeviceAccess(u8);

impl DeviceAccess {
    /// Making a node.
    pub(crate) const MAKE: Self = Self(1);
    /// Making a node, reading and writing.
    pub(crate) const ALL: Self = Self(7);

    /// Reads Docker's letters `r`, `w`, `m`; nothing if there is another or none.
    pub(crate) fn parse(letters: &str) -> Option<Self> {
        let mut bits = 0;
        for letter in letters.chars() {
            bits |= match letter {
                'm' => 1,
                'r' => 2,
                'w' => 4,
                _ => return None,
            };
        }
        (bits != 0).then_some(Self(bits))
    }

    /// The letters.
    pub(crate) fn letters(self) -> String {
        let all = [('r', 2), ('w', 4), ('m', 1)];
        all.iter().filter(|(_, bit)| self.0 & bit != 0).map(|(letter, _)| letter).collect()
    }
}

/// One allowed access. Absent numbers mean any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeviceRule {
    pub(crate) kind: DeviceKind,
    pub(crate) major: Option<u32>,
    pub(crate) minor: Option<u32>,
    pub(crate) access: DeviceAccess,
}

impl DeviceRule {
    /// Everything, for privileged containers.
    pub(crate) const EVERYTHING: Self =
        Self { kind: DeviceKind::All, major: None, minor: None, access: DeviceAccess::ALL };
}

/// What every container may use: make any node, use the harmless ones and terminals.
///
/// Source: Docker Engine, default device rules of `oci.DefaultLinuxSpec`.
pub(crate) fn default_rules() -> Vec<DeviceRule> {
    let make = |kind| DeviceRule { kind, major: None, minor: None, access: DeviceAccess::MAKE };
    let mut rules = vec![make(DeviceKind::Character), make(DeviceKind::Block)];
    let usable = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)];
    let usable = usable.map(|(major, minor)| (major, Some(minor)));
    rules.extend(usable.into_iter().chain([(136, None)]).map(|(major, minor)| DeviceRule {
        kind: DeviceKind::Character,
        major: Some(major),
        minor,
        access: DeviceAccess::ALL,
    }));
    rules
}

/// Version 1: deny all, then allow one by one.
pub(super) fn write(folder: &Path, rules: &[DeviceRule]) -> io::Result<()> {
    fs::write(folder.join("devices.deny"), "a")?;
    let number = |it: Option<u32>| it.map_or_else(|| "*".to_owned(), |it| it.to_string());
    for rule in rules {
        let line = match rule.kind {
            DeviceKind::All => "a".to_owned(),
            DeviceKind::Block | DeviceKind::Character => format!(
                "{} {}:{} {}",
                rule.kind.letter(),
                number(rule.major),
                number(rule.minor),
                rule.access.letters()
            ),
        };
        fs::write(folder.join("devices.allow"), line)?;
    }
    Ok(())
}

/// Version 2: a program that answers each access.
pub(super) fn attach(folder: &Path, rules: &[DeviceRule]) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(folder, flags, Mode::empty())?;
    sys::attach_device_program(folder.as_fd(), &program(rules))
}

// Operations of the kernel's virtual machine that the program uses.
const LOAD_WORD: u8 = 0x61;
const MOVE_REGISTER: u8 = 0xbf;
const MOVE_NUMBER: u8 = 0xb7;
const AND_NUMBER: u8 = 0x57;
const SHIFT_RIGHT: u8 = 0x77;
const JUMP_UNEQUAL: u8 = 0x55;
const EXIT: u8 = 0x95;

// Registers: the answer, the argument (then scratch), and what is compared.
const ANSWER: u8 = 0;
const ARGUMENT: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// The argument is three words: access in the high and kind in the low half, major, minor.
///
/// Source: `struct bpf_cgroup_dev_ctx` of the kernel's `bpf.h`.
fn program(rules: &[DeviceRule]) -> Vec<Instruction> {
    let mut code = vec![
        step(LOAD_WORD, KIND | ARGUMENT << 4, 0, 0),
        step(LOAD_WORD, MAJOR | ARGUMENT << 4, 4, 0),
        step(LOAD_WORD, MINOR | ARGUMENT << 4, 8, 0),
        step(MOVE_REGISTER, ACCESS | KIND << 4, 0, 0),
        step(SHIFT_RIGHT, ACCESS, 0, 16),
        step(AND_NUMBER, KIND, 0, 0xffff),
    ];
    for rule in rules {
        code.extend(checks(*rule));
        if *rule == DeviceRule::EVERYTHING {
            // Kernels refuse programs with instructions that can never be reached.
            return code;
        }
    }
    code.extend([step(MOVE_NUMBER, ANSWER, 0, 0), step(EXIT, 0, 0, 0)]);
    code
}

/// Comparisons that jump behind the rule when they fail, then the answer "yes".
fn checks(rule: DeviceRule) -> Vec<Instruction> {
    let mut code = Vec::new();
    let kind = match rule.kind {
        DeviceKind::All => None,
        DeviceKind::Block => Some(1),
        DeviceKind::Character => Some(2),
    };
    let number = |it: Option<u32>| it.map(u32::cast_signed);
    let wanted = [(KIND, kind), (MAJOR, number(rule.major)), (MINOR, number(rule.minor))];
    for (register, value) in wanted {
        if let Some(value) = value {
            code.push(step(JUMP_UNEQUAL, register, 0, value));
        }
    }
    if rule.access != DeviceAccess::ALL {
        code.push(step(MOVE_REGISTER, ARGUMENT | ACCESS << 4, 0, 0));
        code.push(step(AND_NUMBER, ARGUMENT, 0, i32::from(!rule.access.0 & 7)));
        code.push(step(JUMP_UNEQUAL, ARGUMENT, 0, 0));
    }
    code.extend([step(MOVE_NUMBER, ANSWER, 0, 1), step(EXIT, 0, 0, 0)]);
    let length = code.len();
    for (index, instruction) in code.iter_mut().enumerate() {
        if instruction.code == JUMP_UNEQUAL {
            instruction.offset = i16::try_from(length - index - 1).unwrap_or(i16::MAX);
        }
    }
    code
}

fn step(code: u8, registers: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers, offset, immediate }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program on one access, as the kernel would.
    fn answer(code: &[Instruction], argument: [u32; 3]) -> i64 {
        let mut registers = [0_i64; 16];
        let mut at = 0;
        loop {
            let it = code[at];
            let (to, from) = (usize::from(it.registers & 15), usize::from(it.registers >> 4));
            let number = i64::from(it.immediate);
            at += 1;
            match it.code {
                LOAD_WORD => {
                    registers[to] = argument[usize::try_from(it.offset).unwrap() / 4].into();
                }
                MOVE_REGISTER => registers[to] = registers[from],
                MOVE_NUMBER => registers[to] = number,
                AND_NUMBER => registers[to] &= number,
                SHIFT_RIGHT => registers[to] >>= number,
                JUMP_UNEQUAL if registers[to] != number => {
                    at += usize::try_from(it.offset).unwrap();
                }
                JUMP_UNEQUAL => {}
                EXIT => return registers[0],
                other => panic!("operation {other:#x}"),
            }
        }
    }

    #[test]
    fn only_listed_accesses_are_allowed() {
        let code = program(&default_rules());
        let (character, block, make, read, write) = (2, 1, 1 << 16, 2 << 16, 4 << 16);
        for (argument, allowed) in [
            ([character | read | write, 1, 3], 1),
            ([character | make, 7, 7], 1),
            ([block | make, 8, 0], 1),
            ([block | read, 8, 0], 0),
            ([block | read | make, 8, 0], 0),
            ([character | read, 136, 12], 1),
            ([character | read, 10, 200], 0),
        ] {
            assert_eq!(answer(&code, argument), allowed, "{argument:?}");
        }
        let all = program(&[DeviceRule::EVERYTHING]);
        assert_eq!(answer(&all, [block | read | write | make, 8, 0]), 1);
        assert_eq!(answer(&program(&[]), [character | read, 1, 3]), 0);
    }

    #[test]
    fn nothing_follows_what_allows_everything() {
        let rules = [DeviceRule::EVERYTHING, default_rules()[0]];
        let exits = program(&rules).iter().filter(|it| it.code == EXIT).count();
        assert_eq!(exits, 1);
    }

    #[test]
    fn letters_are_read_and_written() {
        assert_eq!(DeviceAccess::parse("rwm"), Some(DeviceAccess::ALL));
        assert_eq!(DeviceAccess::parse("mr").map(DeviceAccess::letters), Some("rm".to_owned()));
        assert_eq!(DeviceAccess::parse("x"), None);
        assert_eq!(DeviceAccess::parse(""), None);
    }
}
