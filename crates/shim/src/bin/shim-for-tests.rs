//! The shim alone, as the product's one program enters it: `… shim --dir DIR`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    match words.as_slice() {
        [shim, flag, dir] if shim == "shim" && flag == "--dir" => shim::main(Path::new(dir)),
        _ => ExitCode::FAILURE,
    }
}
