//! What a program needs beside itself to start in an empty root: its loader and its libraries.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{ImageFile, Recipe};
use crate::config::ImageConfig;

/// Most program headers that are looked at; real programs have about a dozen.
const HEADERS_MAX: u16 = 256;
/// Longest path of a loader.
const LOADER_BYTES_MAX: u64 = 4096;
/// `p_type` of the segment that names the loader (System V ABI, "Program Header").
const PT_INTERP: u32 = 3;
/// Where the program lies in its image.
const PROGRAM: &str = "/landfall";

/// Why a program cannot be made an image.
#[derive(Debug, thiserror::Error)]
pub enum SelfImageError {
    /// The program cannot be read.
    #[error("cannot read the program {path}")]
    Read {
        /// The program.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The program is not one for a 64-bit little-endian machine.
    #[error("{0} is not a 64-bit ELF program")]
    NotElf(PathBuf),
    /// Its loader did not say what it loads.
    #[error("the loader {loader} does not list the libraries of the program: {problem}")]
    Loader {
        /// The loader.
        loader: PathBuf,
        /// What it said.
        problem: String,
    },
}

/// An image of a program that runs in it as it runs here: the program as `/landfall`, its loader
/// and shared libraries under their own paths, `/etc/passwd`, and a `/tmp` for everyone.
///
/// The caller sets the words of the command line; the entry point is the program alone.
pub fn self_image(program: &Path) -> Result<Recipe, SelfImageError> {
    let passwd = "root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n";
    let mut files = vec![
        ImageFile::bytes("/etc/passwd", passwd, 0o644),
        ImageFile::bytes("/etc/group", "root:x:0:\nnogroup:x:65534:\n", 0o644),
        ImageFile::directory("/tmp", 0o1777),
        ImageFile::host(PROGRAM, program, 0o755),
    ];
    let mut needed = Vec::new();
    if let Some(loader) = loader(program)? {
        needed = libraries(&loader, program)?;
        needed.push(loader);
    }
    needed.sort_unstable();
    needed.dedup();
    files.extend(needed.into_iter().filter_map(|it| {
        let path = it.to_str()?.to_owned();
        Some(ImageFile::host(&path, it, 0o755))
    }));
    let config = ImageConfig {
        entrypoint: vec![PROGRAM.to_owned()],
        env: vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/".to_owned()],
        ..ImageConfig::default()
    };
    Ok(Recipe { files, config })
}

/// The loader that a program names; none if it is linked statically.
fn loader(program: &Path) -> Result<Option<PathBuf>, SelfImageError> {
    let read = |source| SelfImageError::Read { path: program.to_owned(), source };
    let mut file = File::open(program).map_err(read)?;
    let mut header = [0; 64];
    file.read_exact(&mut header).map_err(read)?;
    let Some(table) = Headers::parse(&header) else {
        return Err(SelfImageError::NotElf(program.to_owned()));
    };
    find_loader(&mut file, &table).map_err(read)
}

/// Where the program headers are.
struct Headers {
    offset: u64,
    size: u16,
    count: u16,
}

impl Headers {
    fn parse(header: &[u8]) -> Option<Self> {
        let is_elf64_little = header.starts_with(b"\x7fELF\x02\x01");
        let table = Self {
            offset: u64::from_le_bytes(field(header, 32)?),
            size: u16::from_le_bytes(field(header, 54)?),
            count: u16::from_le_bytes(field(header, 56)?),
        };
        (is_elf64_little && table.size >= 56 && table.count <= HEADERS_MAX).then_some(table)
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

fn find_loader(file: &mut File, table: &Headers) -> io::Result<Option<PathBuf>> {
    let mut headers = vec![0; usize::from(table.size) * usize::from(table.count)];
    file.seek(SeekFrom::Start(table.offset))?;
    file.read_exact(&mut headers)?;
    for header in headers.chunks_exact(usize::from(table.size)) {
        let (Some(kind), Some(offset), Some(size)) =
            (field(header, 0), field(header, 8), field(header, 32))
        else {
            continue;
        };
        if u32::from_le_bytes(kind) == PT_INTERP {
            let mut path = Vec::new();
            file.seek(SeekFrom::Start(u64::from_le_bytes(offset)))?;
            let size = u64::from_le_bytes(size).min(LOADER_BYTES_MAX);
            file.take(size).read_to_end(&mut path)?;
            let path = String::from_utf8_lossy(&path);
            return Ok(Some(PathBuf::from(path.trim_end_matches('\0'))));
        }
    }
    Ok(None)
}

/// Asks the loader which libraries it would load, as `ldd` does: only it knows where it looks.
fn libraries(loader: &Path, program: &Path) -> Result<Vec<PathBuf>, SelfImageError> {
    let refuse = |problem: String| SelfImageError::Loader { loader: loader.to_owned(), problem };
    let listed = Command::new(loader)
        .arg("--list")
        .arg(program)
        .env_clear()
        .output()
        .map_err(|it| refuse(it.to_string()))?;
    let text = String::from_utf8_lossy(&listed.stdout);
    if !listed.status.success() || text.contains("not found") {
        let complaint = String::from_utf8_lossy(&listed.stderr);
        return Err(refuse(format!("{} {}", text.trim(), complaint.trim())));
    }
    Ok(text.lines().filter_map(listed_path).collect())
}

/// The path in a line such as `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f…)`.
fn listed_path(line: &str) -> Option<PathBuf> {
    let line = line.split_once("=>").map_or(line, |(_, it)| it).trim();
    let path = line.split_once(" (").map_or(line, |(it, _)| it);
    path.starts_with('/').then(|| PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_loader_names_a_file_or_none() {
        for (line, expected) in [
            ("\tlinux-vdso.so.1 (0x00007ffd)", None),
            (
                "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x7f)",
                Some("/lib/x86_64-linux-gnu/libc.so.6"),
            ),
            ("\t/lib64/ld-linux-x86-64.so.2 (0x7f)", Some("/lib64/ld-linux-x86-64.so.2")),
            ("\tstatically linked", None),
        ] {
            assert_eq!(listed_path(line), expected.map(PathBuf::from), "{line}");
        }
    }

    #[test]
    fn a_text_is_not_a_program() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("script");
        std::fs::write(&path, "#!/bin/sh\n".repeat(20)).expect("writes");
        assert!(matches!(self_image(&path), Err(SelfImageError::NotElf(_))));
    }
}
