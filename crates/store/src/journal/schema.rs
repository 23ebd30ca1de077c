//! Which version the rows are of, and how older ones become newer ones.

use super::{JournalError, Row};

/// A step from one version of the rows to a newer one.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// The version it reads.
    pub from: u32,
    /// The version it writes; greater than `from`.
    pub to: u32,
    /// Turns one row into its newer form, in any table and under any key; `None` drops it.
    pub row: fn(Row) -> Option<Row>,
}

/// The version of the rows this release writes, and the steps by which it reads older ones.
#[derive(Debug, Clone)]
pub struct Schema {
    version: u32,
    migrations: Vec<Migration>,
}

impl Schema {
    /// The version of the rows to write, with the steps that lead to it.
    pub fn new(version: u32, migrations: Vec<Migration>) -> Self {
        Self { version, migrations }
    }

    /// The version of the rows to write.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Refuses rows that are newer than this release.
    pub(super) fn admit(&self, file: &str, found: u32) -> Result<(), JournalError> {
        if found <= self.version {
            return Ok(());
        }
        let file = file.to_owned();
        Err(JournalError::TooNew { file, what: "row version", found, supported: self.version })
    }

    /// The steps from an older version to the one to write, in order.
    pub(super) fn steps(&self, from: u32) -> Result<Vec<Migration>, JournalError> {
        let mut steps = Vec::new();
        let mut at = from;
        while at < self.version {
            let next = self
                .migrations
                .iter()
                .filter(|it| it.from == at && it.to > at && it.to <= self.version)
                .max_by_key(|it| it.to)
                .ok_or(JournalError::NoMigration { from: at, to: self.version })?;
            steps.push(*next);
            at = next.to;
        }
        Ok(steps)
    }
}

/// Takes a row through all steps; none if one of them drops it.
pub(super) fn migrate(row: Row, steps: &[Migration]) -> Option<Row> {
    steps.iter().try_fold(row, |row, step| (step.row)(row))
}
