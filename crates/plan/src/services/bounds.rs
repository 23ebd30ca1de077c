//! How few healthy tasks a service may have, and how many tasks in all (handbook 5.2).

/// What a deployment, a drain or any other replacement must keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Healthy tasks that stay, whatever else is stopped: rounded up.
    pub lower: u32,
    /// Tasks of the service that are not over, leaving ones too: rounded down.
    ///
    /// Differs: AWS does not count tasks that leave (DEACTIVATING, STOPPING). Counting them, two
    /// copies of a singleton never overlap with 0 and 100 percent, and static ports are free.
    pub upper: u32,
}

/// The bounds of a desired count. Source: ECS API Reference, `DeploymentConfiguration`.
pub fn bounds(desired: u32, minimum_percent: u32, maximum_percent: u32) -> Bounds {
    let of = |percent: u32| u64::from(desired) * u64::from(percent);
    Bounds {
        lower: u32::try_from(of(minimum_percent).div_ceil(100)).unwrap_or(u32::MAX),
        upper: u32::try_from(of(maximum_percent) / 100).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_rounds_up_and_upper_down() {
        // desired, minimum, maximum, lower, upper
        for (desired, minimum, maximum, lower, upper) in [
            (4, 50, 100, 2, 4),
            (4, 100, 200, 4, 8),
            (2, 75, 200, 2, 4),
            (3, 100, 125, 3, 3),
            (1, 100, 100, 1, 1),
            (1, 0, 100, 0, 1),
            (0, 100, 200, 0, 0),
            (5, 50, 150, 3, 7),
            (u32::MAX, 100, 200, u32::MAX, u32::MAX),
        ] {
            assert_eq!(bounds(desired, minimum, maximum), Bounds { lower, upper }, "{desired}");
        }
    }
}
