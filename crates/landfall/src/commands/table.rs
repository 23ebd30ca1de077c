//! Aligned columns, and the short forms that stand in them.

use core::fmt;

use types::Timestamp;

/// What stands where there is nothing.
pub(super) const NOTHING: &str = "-";

/// Rows under a head. `Display` pads every column but the last to its widest cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(super) fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; empty cells show as [`NOTHING`].
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let filled = |it: String| if it.is_empty() { NOTHING.to_owned() } else { it };
        self.rows.push(cells.into_iter().map(filled).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head: Vec<String> = self.head.iter().map(|it| (*it).to_owned()).collect();
        let all = || core::iter::once(&head).chain(&self.rows);
        let width = |column: usize| {
            let cells = all().filter_map(|row| row.get(column));
            cells.map(|it| it.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        for row in all() {
            let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            writeln!(f, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// How long ago something was, in its largest unit: `42s`, `5m`, `3h`, `2d`.
pub(super) fn age(then: Option<shapes::Timestamp>, now: Timestamp) -> String {
    let Some(then) = then else { return NOTHING.to_owned() };
    let seconds = now.since(Timestamp(then.0)).as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Bytes in the largest unit that leaves a whole number or two: `512 B`, `1.5 MiB`.
pub(super) fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.iter().find(|(_, shift)| bytes >> shift > 0) {
        None => format!("{bytes} B"),
        Some((unit, shift)) => {
            let tenths = (u128::from(bytes) * 10) >> shift;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["TASK", "AGE"]);
        table.row(["a".into(), String::new()]);
        table.row(["longer".into(), "5m".into()]);
        assert_eq!(table.to_string(), "TASK    AGE\na       -\nlonger  5m\n");
    }

    #[test]
    fn ages_and_sizes_have_one_unit() {
        let now = Timestamp(1_000_000_000);
        for (seconds, text) in [(0, "0s"), (59, "59s"), (60, "1m"), (7_300, "2h"), (90_000, "1d")] {
            assert_eq!(age(Some(shapes::Timestamp(now.0 - seconds * 1_000)), now), text);
        }
        assert_eq!(age(Some(shapes::Timestamp(now.0 + 5_000)), now), "0s");
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (5 << 20, "5.0 MiB"),
            (3 << 30, "3.0 GiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
