//! Lists the source files that are longer than a file of this house should be.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The most lines of a file, its tests included.
const LONGEST: usize = 500;

/// Refuses if a file that people write is too long.
pub(crate) fn tidy(root: &Path) -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    collect(&root.join("crates"), &mut files)?;
    files.sort();
    let mut long = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let lines = text.lines().count();
        if lines > LONGEST && !text.starts_with("// @generated") {
            let name = file.strip_prefix(root).unwrap_or(&file);
            long.push(format!("{} has {lines} lines", name.display()));
        }
    }
    if long.is_empty() { Ok(()) } else { Err(long.join("\n").into()) }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
