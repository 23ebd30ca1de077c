//! Lists the source files that are longer than a file of this house should be, or whose documentation
//! holds code that nothing would run.

use std::error::Error;
use std::fs;
use std::path::Path;

use crate::files;

/// The most lines of a file, its tests included.
const LONGEST: usize = 500;

/// Refuses if a file that people write is too long, or if there is code in documentation: tests of it
/// are not run, as asking every crate for them takes longer than they would be worth.
pub(crate) fn tidy(root: &Path) -> Result<(), Box<dyn Error>> {
    let mut found = Vec::new();
    for file in files::with_ending(&root.join("crates"), "rs")? {
        let text = fs::read_to_string(&file)?;
        let lines = text.lines().count();
        if lines > LONGEST && !text.starts_with("// @generated") {
            found.push(format!("{} has {lines} lines", files::name(root, &file)));
        }
        if documents_code(&text) {
            let name = files::name(root, &file);
            found.push(format!("{name} has code in its documentation: make it a test, or ```text"));
        }
    }
    if found.is_empty() { Ok(()) } else { Err(found.join("\n").into()) }
}

/// Whether a block of a documentation comment would be taken for a test.
fn documents_code(text: &str) -> bool {
    let comments = text.lines().map(str::trim_start);
    let comments = comments.filter_map(|it| it.strip_prefix("//!").or(it.strip_prefix("///")));
    let fences = comments.filter_map(|it| it.trim_start().strip_prefix("```"));
    fences.step_by(2).any(|it| it.is_empty() || it.starts_with("rust"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_in_documentation_is_found_and_pictures_are_not_taken_for_it() {
        assert!(documents_code("/// Adds.\n///\n/// ```\n/// add(1, 2);\n/// ```\nfn add() {}"));
        assert!(documents_code("//! ```text\n//! a -> b\n//! ```\n//! ```rust\n//! a();\n//! ```"));
        assert!(!documents_code("//! ```text\n//! a -> b\n//! ```\nlet fence = \"```\";"));
    }
}
