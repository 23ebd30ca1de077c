//! Files of the repository.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// All files below a folder with that ending, sorted. A folder that is not there has none.
pub(crate) fn with_ending(folder: &Path, ending: &str) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if folder.exists() {
        collect(folder, ending, &mut files)?;
    }
    files.sort();
    Ok(files)
}

/// A file's name as people write it: its path from the root.
pub(crate) fn name(root: &Path, file: &Path) -> String {
    file.strip_prefix(root).unwrap_or(file).display().to_string()
}

fn collect(folder: &Path, ending: &str, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, ending, files)?;
        } else if path.extension().is_some_and(|extension| extension == ending) {
            files.push(path);
        }
    }
    Ok(())
}
