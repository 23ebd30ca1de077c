//! The last table on the disk, so that a balancer that starts serves at once, whoever else is there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use plan::routing::RoutingTable;

/// Where the table lies.
fn path(folder: &Path) -> PathBuf {
    folder.join("table")
}

/// Makes the folder, for its owner alone: tables hold private keys.
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// The table that was written last. One that cannot be read is as good as none: the control plane
/// tells another one.
pub(crate) fn load(folder: &Path) -> Option<RoutingTable> {
    let bytes = fs::read(path(folder)).ok()?;
    minicbor::decode(&bytes)
        .inspect_err(|error| tracing::warn!(%error, "the kept table cannot be read"))
        .ok()
}

/// Replaces the table; durable when this returns.
pub(crate) fn write(folder: &Path, table: &RoutingTable) -> io::Result<()> {
    let bytes = minicbor::to_vec(table).map_err(io::Error::other)?;
    let fresh = folder.join("table.new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&fresh)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path(folder))?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use plan::routing::Generation;

    use super::*;

    #[test]
    fn what_is_kept_is_read_again_and_what_is_broken_is_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("b");
        make(&place).expect("makes");
        assert!(load(&place).is_none());
        let generation = Generation { epoch: 3, version: 9 };
        let table = RoutingTable { generation, seal: vec![1; 32], ..RoutingTable::default() };
        write(&place, &table).expect("writes");
        assert!(load(&place) == Some(table));
        let bytes = fs::read(path(&place)).expect("reads");
        fs::write(path(&place), bytes.split_last().expect("is long").1).expect("cuts");
        assert!(load(&place).is_none());
    }
}
