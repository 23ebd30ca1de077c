//! The interface of a task with an address of its own.

use state::{Dice, Interface, State, Subnet};

use crate::subnets;

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
    let (first, last) = subnets::of_tasks(subnet)?;
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

#[cfg(test)]
mod tests {
    use types::{AccountId, Home, Region, Zone};

    use super::*;

    #[test]
    fn tasks_never_get_an_address_of_load_balancers() {
        let home = Home {
            region: Region::parse("us-east-1").expect("valid"),
            account: AccountId::parse("123456789012").expect("valid"),
        };
        let state = State::new(home);
        let zone = Zone::parse("us-east-1a").expect("valid");
        for prefix in [20, 24, 26] {
            let subnet = Subnet { id: "s".into(), zone: zone.clone(), base: 0xac1f_1000, prefix };
            let end = subnet.base + (1 << (32 - prefix)) - 1;
            let first = subnets::first_of_load_balancers(&subnet).expect("has some");
            assert!(prefix != 20 || end - first == 256);
            let mut dice = Dice::of(7);
            for _ in 0..2_000 {
                let given = fresh(&state, &subnet, &[], &mut dice).expect("free").address;
                assert!((subnet.base + 4..first).contains(&given), "{given:x} of {first:x}");
            }
        }
    }
}
