//! Holds what is written about the code against the code: proofs, messages and links.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use crate::files;

/// Everything that a paper may speak of.
struct Code {
    /// What can be named as a proof: functions of Rust and of Python, and stories of the simulator.
    proofs: BTreeSet<String>,
    /// All sources of the product, their strings that go over lines in one.
    text: String,
}

/// Refuses if a line of the specification names no proof that exists, a page of the runbook a
/// message that nobody writes, or any page another that is not there.
pub(crate) fn check(root: &Path) -> Result<(), Box<dyn Error>> {
    let code = Code::read(root)?;
    let mut problems = Vec::new();
    let specification = fs::read_to_string(root.join("SPECIFICATION.md"))?;
    problems.extend(unproven(&specification, &code, root));
    for page in files::with_ending(&root.join("docs/runbook"), "md")? {
        let text = fs::read_to_string(&page)?;
        let name = files::name(root, &page);
        let absent = messages(&text).filter(|it| !code.text.contains(*it));
        problems.extend(absent.map(|it| format!("{name}: nothing says {it:?}")));
    }
    for page in pages(root)? {
        let text = fs::read_to_string(&page)?;
        let folder = page.parent().unwrap_or(root);
        let absent = links(&text).filter(|it| !folder.join(it).exists());
        let name = files::name(root, &page);
        problems.extend(absent.map(|it| format!("{name}: {it} is not there")));
    }
    let absent = mentioned(&code.text).filter(|it| !root.join(it).exists());
    problems.extend(absent.map(|it| format!("a message names {it}, which is not there")));
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n").into()) }
}

impl Code {
    fn read(root: &Path) -> Result<Self, Box<dyn Error>> {
        let mut code = Self { proofs: BTreeSet::new(), text: String::new() };
        let rust = files::with_ending(&root.join("crates"), "rs")?;
        let python = files::with_ending(&root.join("e2e"), "py")?;
        for path in rust.iter().chain(&python) {
            let text = fs::read_to_string(path)?;
            let lines = text.lines().map(str::trim_start);
            code.proofs.extend(lines.filter_map(function).map(str::to_owned));
            let name = files::name(root, path);
            if name.contains("/src/") && !name.starts_with("crates/xtask/") {
                code.text += &in_one_line(&text);
            }
        }
        let stories = files::with_ending(&root.join("crates/sim/stories"), "txt")?;
        let names = stories.iter().filter_map(|it| it.file_stem()?.to_str());
        code.proofs.extend(names.map(str::to_owned));
        Ok(code)
    }

    /// Whether there is such a test, story or, in the words of types, planted bug.
    fn proves(&self, name: &str) -> bool {
        let planted = name.starts_with(char::is_uppercase) && self.text.contains(name);
        planted || self.proofs.contains(name)
    }
}

/// The name of the function that a line begins.
fn function(line: &str) -> Option<&str> {
    let words = ["pub fn ", "pub(crate) fn ", "async fn ", "fn ", "def "];
    let rest = words.iter().find_map(|it| line.strip_prefix(it))?;
    rest.split(['(', '<']).next()
}

/// A string of Rust goes on in the next line after a backslash, without the white space there.
fn in_one_line(text: &str) -> String {
    let mut pieces = text.split("\\\n");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |whole, it| whole + it.trim_start())
}

/// Rows of the specification without a proof, and proofs that do not exist.
fn unproven(text: &str, code: &Code, root: &Path) -> Vec<String> {
    let rows = text.lines().filter_map(|line| {
        let line = line.strip_prefix("| ")?.strip_suffix(" |")?;
        line.rsplit_once(" | ").filter(|(promise, _)| *promise != "promise")
    });
    let exists = |proof: &str| {
        let is_path = proof.contains('/');
        if is_path { root.join(proof).exists() } else { code.proves(proof) }
    };
    let mut problems = Vec::new();
    for (promise, proofs) in rows {
        let named: Vec<&str> = proofs.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            problems.push(format!("SPECIFICATION.md: no proof is named of: {promise}"));
        }
        let absent = named.iter().filter(|it| !exists(it));
        problems.extend(absent.map(|it| format!("SPECIFICATION.md: there is no {it}: {promise}")));
    }
    problems
}

/// What a page of the runbook says that one reads: the items of the list under its first heading.
fn messages(text: &str) -> impl Iterator<Item = &str> {
    let list = text.lines().skip_while(|it| *it != "## You read").skip(1);
    list.take_while(|it| !it.starts_with("## "))
        .filter_map(|it| it.strip_prefix("- `"))
        .filter_map(|it| it.split('`').next())
}

/// Where the links of a page lead, if not outside.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|it| it.split([')', '#']).next());
    targets.filter(|it| !it.is_empty() && !it.contains("://"))
}

/// Pages that messages of the product name.
fn mentioned(code: &str) -> impl Iterator<Item = String> + '_ {
    let after = code.split("docs/").skip(1);
    let path = |rest: &str| {
        let end = rest.find(|it: char| !it.is_ascii_alphanumeric() && !"/-_.".contains(it));
        let path = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        // A sentence may end after the name.
        let page = path.trim_end_matches('.').strip_suffix(".md")?;
        Some(format!("docs/{page}.md"))
    };
    after.filter_map(path)
}

/// Every page that people read.
fn pages(root: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut pages = files::with_ending(&root.join("docs"), "md")?;
    pages.extend(files::with_ending(&root.join("changes"), "md")?);
    let top = ["README.md", "ARCHITECTURE.md", "SPECIFICATION.md"];
    pages.extend(top.map(|it| root.join(it)));
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_names_tests_or_folders_that_exist() {
        let code = Code { proofs: BTreeSet::from(["it_holds".to_owned()]), text: String::new() };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let check = |row: &str| unproven(row, &code, root).len();
        assert_eq!(check("| promise | proof |\n|---|---|"), 0);
        assert_eq!(check("| a promise | `it_holds`, `src/papers.rs`: all of it |"), 0);
        assert_eq!(check("| a promise | `it_does_not` |"), 1);
        assert_eq!(check("| a promise | `src/nothing.rs` |"), 1);
        assert_eq!(check("| a promise | we think so |"), 1);
    }

    #[test]
    fn messages_are_those_of_the_first_list_and_strings_go_over_lines() {
        let page = "# Title\n\n## You read\n\n- `one` on start\n- `two`\n\n## Why\n\n- `three`\n";
        assert_eq!(messages(page).collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(in_one_line("\"a b \\\n      c\""), "\"a b c\"");
    }

    #[test]
    fn links_and_mentions_are_found() {
        let page = "[a](b/c.md#part), [d](https://e.org), [f](#here)";
        assert_eq!(links(page).collect::<Vec<_>>(), ["b/c.md"]);
        let code = "see docs/guides/operating.md, or docs.rs";
        assert_eq!(mentioned(code).collect::<Vec<_>>(), ["docs/guides/operating.md"]);
    }
}
