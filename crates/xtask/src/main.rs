//! Housekeeping of the repository: `cargo run -p xtask -- generate | coverage | tidy`.

use std::path::Path;
use std::process::ExitCode;

mod coverage;
mod files;
mod floors;
mod generate;
mod papers;
mod tidy;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let command = std::env::args().nth(1).unwrap_or_default();
    let outcome = match command.as_str() {
        "generate" => generate::generate(&root.join("models"), &root.join("crates/shapes")),
        "coverage" => coverage::coverage(&root),
        "tidy" => tidy::tidy(&root)
            .and_then(|()| floors::check(&root))
            .and_then(|()| papers::check(&root)),
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
