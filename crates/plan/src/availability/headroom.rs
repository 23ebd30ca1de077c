//! How many hosts it takes to carry a load through the loss of a zone.

/// Hosts for a load in so many zones, one of which may be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headroom {
    /// Over how many zones the hosts are spread evenly.
    pub zones: u32,
    /// Hosts of each zone.
    pub per_zone: u32,
    /// Hosts of all zones.
    pub hosts: u32,
    /// How much of the hosts the load fills while all zones are there, in thousandths.
    pub utilisation: u32,
    /// Hosts beyond the load, in thousandths of it.
    pub overhead: u32,
}

/// Hosts that carry the load of `load` full hosts though one of `zones` is lost: the others must
/// carry it together, so each has a share of one among one fewer, rounded up to whole hosts.
///
/// `None` for fewer than two zones, where nothing is left, and for no load.
///
/// Source: the availability best practices of Amazon ECS: 60 hosts of load take 120 hosts in two
/// zones and 90 in three (handbook 11.1).
pub fn headroom(load: u32, zones: u32) -> Option<Headroom> {
    let others = zones.checked_sub(1).filter(|it| *it > 0)?;
    let per_zone = load.div_ceil(others);
    let hosts = per_zone.checked_mul(zones).filter(|it| *it > 0)?;
    let thousandths = |part: u32, of: u32| {
        let (part, of) = (u64::from(part), u64::from(of));
        u32::try_from((part * 1000 + of / 2) / of).unwrap_or(u32::MAX)
    };
    let utilisation = thousandths(load, hosts);
    let overhead = thousandths(hosts - load, load);
    Some(Headroom { zones, per_zone, hosts, utilisation, overhead })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(load: u32, zones: u32) -> Option<(u32, u32, u32, u32)> {
        headroom(load, zones).map(|it| (it.per_zone, it.hosts, it.utilisation, it.overhead))
    }

    #[test]
    fn sixty_hosts_of_load_take_as_many_as_the_source_says() {
        assert_eq!(row(60, 2), Some((60, 120, 500, 1000)));
        assert_eq!(row(60, 3), Some((30, 90, 667, 500)));
        assert_eq!(row(60, 4), Some((20, 80, 750, 333)));
        assert_eq!(row(60, 5), Some((15, 75, 800, 250)));
        assert_eq!(row(60, 6), Some((12, 72, 833, 200)));
    }

    #[test]
    fn what_cannot_be_divided_is_rounded_up_in_each_zone() {
        assert_eq!(row(61, 3), Some((31, 93, 656, 525)));
        assert_eq!(row(1, 3), Some((1, 3, 333, 2000)));
    }

    #[test]
    fn one_zone_has_nothing_to_fall_back_on() {
        assert_eq!(row(60, 1), None);
        assert_eq!(row(60, 0), None);
        assert_eq!(row(0, 3), None);
        assert_eq!(row(u32::MAX, 2), None, "more than can be counted");
    }
}
