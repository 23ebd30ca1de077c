//! The interface of a task with an address of its own.

use state::{Dice, Interface, State, Subnet};

/// The first addresses of a subnet are for the gateway and the instances.
pub(crate) const INSTANCE_ADDRESSES: u32 = 1024;

/// A fresh interface in a subnet; `None` if every address is taken.
///
/// Starts looking at a random address, so that it looks at few: addresses that were just given
/// back are not handed out again at once.
pub(super) fn fresh(
    state: &State,
    subnet: &Subnet,
    security_groups: &[String],
    dice: &mut Dice,
) -> Option<Interface> {
    let size = 1_u32.checked_shl(32 - u32::from(subnet.prefix))?;
    let first = subnet.base + INSTANCE_ADDRESSES.min(size / 4).max(4);
    let last = subnet.base + size - 2;
    let span = u64::from(last.checked_sub(first)? + 1);
    let start = first + u32::try_from(dice.below(span)).unwrap_or(0);
    let address = gap(state, start, last).or_else(|| gap(state, first, start))?;
    let mut mac = [0; 6];
    dice.fill(&mut mac);
    // Locally administered, for one receiver.
    mac[0] = mac[0] & 0xfc | 0x02;
    Some(Interface {
        attachment: dice.bits().to_be_bytes().to_vec(),
        id: format!("eni-{:017x}", dice.bits() >> 60),
        subnet: subnet.id.clone(),
        address,
        mac: mac.to_vec(),
        security_groups: security_groups.to_vec(),
    })
}

/// The first free address from `first` to `last`. O(taken addresses met).
fn gap(state: &State, first: u32, last: u32) -> Option<u32> {
    let mut free = first;
    for taken in state.indexes().addresses_from(first) {
        if taken != free || free > last {
            break;
        }
        free += 1;
    }
    (free <= last).then_some(free)
}
