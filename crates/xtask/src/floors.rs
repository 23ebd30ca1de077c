//! Holds the crates against the floor plan in ARCHITECTURE.md, so that neither drifts away.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::Path;

/// A row of the floor plan: what a crate may import.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    floor: Option<u32>,
    imports: String,
}

/// Refuses if a crate imports what its row does not allow, or has no row.
pub(crate) fn check(root: &Path) -> Result<(), Box<dyn Error>> {
    let plan = read_plan(&fs::read_to_string(root.join("ARCHITECTURE.md"))?);
    let mut problems = Vec::new();
    for entry in fs::read_dir(root.join("crates"))? {
        let folder = entry?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let manifest = fs::read_to_string(folder.join("Cargo.toml"))?;
        let Some(row) = plan.get(&name) else {
            problems.push(format!("{name} has no row in ARCHITECTURE.md"));
            continue;
        };
        for import in imports(&manifest, &plan) {
            if !allows(row, &import, &plan) {
                problems.push(format!("{name} imports {import}, which its floor does not allow"));
            }
        }
    }
    problems.sort();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n").into()) }
}

/// Rows of the form ``| floor | `crate` | what | may import | invariant |``.
fn read_plan(text: &str) -> BTreeMap<String, Row> {
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.trim().trim_matches('|').split('|').map(str::trim);
        let floor = cells.next()?.parse().ok();
        let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
        let imports = cells.nth(1)?.to_owned();
        Some((name.to_owned(), Row { floor, imports }))
    });
    rows.collect()
}

/// Crates of the house among a manifest's dependencies; those of tests do not count.
fn imports(manifest: &str, plan: &BTreeMap<String, Row>) -> BTreeSet<String> {
    let section = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    section
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['=', '.', ' ']).next())
        .filter(|name| plan.contains_key(*name))
        .map(str::to_owned)
        .collect()
}

fn allows(row: &Row, import: &str, plan: &BTreeMap<String, Row>) -> bool {
    let words: BTreeSet<_> = row.imports.split([',', ' ']).collect();
    let floor = plan.get(import).and_then(|it| it.floor);
    let in_floors = row.imports.contains("floors 0–2") && floor.is_some_and(|it| it <= 2);
    let pure = row.imports.contains("pure crates") && floor.is_some_and(|it| it <= 2)
        || row.imports.contains("pure crates") && ["api", "reconcilers"].contains(&import);
    row.imports == "everything" || words.contains(import) || in_floors || pure
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = "
        | floor | crate | what | may import | invariant |
        |---|---|---|---|---|
        | 0 | `types` | words | – | |
        | 1 | `state` | tables | types | |
        | 3 | `store` | writer | types, state | |
        | 5 | `gateway` | door | store and floors 0–2 | |
        | – | `sim` | time | pure crates, store | |
    ";

    #[track_caller]
    fn check(name: &str, import: &str, expected: bool) {
        let plan = read_plan(PLAN);
        assert_eq!(allows(&plan[name], import, &plan), expected, "{name} imports {import}");
    }

    #[test]
    fn imports_go_down_only() {
        check("state", "types", true);
        check("types", "state", false);
        check("store", "gateway", false);
        check("gateway", "store", true);
        check("gateway", "state", true);
        check("sim", "state", true);
        check("sim", "gateway", false);
    }

    #[test]
    fn dependencies_of_tests_do_not_count() {
        let manifest = "[dependencies]\nstate.workspace = true\nserde = \"1\"\n\n[dev-dependencies]\nstore = {}\n";
        let plan = read_plan(PLAN);
        assert_eq!(imports(manifest, &plan), BTreeSet::from(["state".to_owned()]));
    }
}
