//! Lists the source files that are longer than a file of this house should be.

use std::error::Error;
use std::fs;
use std::path::Path;

use crate::files;

/// The most lines of a file, its tests included.
const LONGEST: usize = 500;

/// Refuses if a file that people write is too long.
pub(crate) fn tidy(root: &Path) -> Result<(), Box<dyn Error>> {
    let mut long = Vec::new();
    for file in files::with_ending(&root.join("crates"), "rs")? {
        let text = fs::read_to_string(&file)?;
        let lines = text.lines().count();
        if lines > LONGEST && !text.starts_with("// @generated") {
            long.push(format!("{} has {lines} lines", files::name(root, &file)));
        }
    }
    if long.is_empty() { Ok(()) } else { Err(long.join("\n").into()) }
}
