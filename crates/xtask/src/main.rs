//! Housekeeping of the repository: `cargo run -p xtask -- generate | coverage | tidy`.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

mod coverage;
mod files;
mod floors;
mod generate;
mod papers;
mod tidy;

/// A look at the repository.
type Check = fn(&Path) -> Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let command = std::env::args().nth(1).unwrap_or_default();
    let outcome = match command.as_str() {
        "generate" => generate::generate(&root.join("models"), &root.join("crates/shapes")),
        "coverage" => coverage::coverage(&root),
        "tidy" => all_of(&[tidy::tidy, floors::check, papers::check], &root),
        _ => Err("usage: cargo run -p xtask -- generate | coverage | tidy".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("xtask {command}: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Makes all checks, and tells the problems of all.
fn all_of(checks: &[Check], root: &Path) -> Result<(), Box<dyn Error>> {
    let problems: Vec<String> =
        checks.iter().filter_map(|it| it(root).err()).map(|it| it.to_string()).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n").into()) }
}
