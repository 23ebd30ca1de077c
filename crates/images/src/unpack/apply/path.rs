//! What the name of an entry asks for.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Problem;

/// Longest path, one less than the kernel's `PATH_MAX` so that it fits with its end.
const PATH_BYTES_MAX: usize = 4095;
/// Longest part of a path, the kernel's `NAME_MAX`.
const PART_BYTES_MAX: usize = 255;
/// Deepest path. Nothing real comes near, and removing a tree holds a file open for each level.
const DEPTH_MAX: usize = 255;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Book-keeping of the file system that whiteouts come from, never part of an image.
const WHITEOUT_META: &[u8] = b".wh..wh.";

/// A path below the layer's root: relative, without `.` or `..`, short enough.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(PathBuf);

impl Name {
    pub(super) fn root() -> Self {
        Self(PathBuf::from("."))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Some name inside this directory, whose parents are this directory and its parents.
    pub(super) fn child(&self) -> Self {
        Self(self.0.join("_"))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// What to do at a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The layer's root itself.
    Root,
    /// Nothing.
    Skip,
    /// Make what the entry describes.
    Make(Name),
    /// Hide the name of the layers below.
    Whiteout(Name),
    /// Hide all that the layers below have in this directory.
    Opaque(Name),
}

/// Reads an entry's name. A leading `/` counts for nothing, as in every tool.
pub(super) fn step(bytes: &[u8]) -> Result<Step, Problem> {
    let parts = parts(bytes)?;
    let Some((last, parents)) = parts.split_last() else { return Ok(Step::Root) };
    let parent = || if parents.is_empty() { Name::root() } else { join(parents) };
    Ok(if *last == OPAQUE {
        Step::Opaque(parent())
    } else if last.starts_with(WHITEOUT_META) {
        Step::Skip
    } else if let Some(hidden) = last.strip_prefix(WHITEOUT) {
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(Problem::said("is a whiteout of no name, or of its own parent"));
        }
        Step::Whiteout(join(&[parents, &[hidden]].concat()))
    } else {
        Step::Make(join(&parts))
    })
}

/// Reads the target of a hard link, which is a name inside the layer.
pub(super) fn target(bytes: &[u8]) -> Result<Name, Problem> {
    match parts(bytes) {
        Ok(parts) if !parts.is_empty() => Ok(join(&parts)),
        Ok(_) => Err(Problem::said("is a hard link to the root directory")),
        Err(_) => Err(Problem::said("is a hard link to a path outside the layer")),
    }
}

fn parts(bytes: &[u8]) -> Result<Vec<&[u8]>, Problem> {
    if bytes.contains(&0) {
        return Err(Problem::said("has a zero byte in its name"));
    }
    if bytes.len() > PATH_BYTES_MAX {
        return Err(Problem::said("has a name longer than 4095 bytes"));
    }
    let parts: Vec<_> =
        bytes.split(|it| *it == b'/').filter(|it| !matches!(*it, b"" | b".")).collect();
    if parts.contains(&b"..".as_slice()) {
        return Err(Problem::said("has a name with '..' in it"));
    }
    if parts.iter().any(|it| it.len() > PART_BYTES_MAX) {
        return Err(Problem::said("has a part of its name longer than 255 bytes"));
    }
    if parts.len() > DEPTH_MAX {
        return Err(Problem::said("lies deeper than 255 directories"));
    }
    Ok(parts)
}

fn join(parts: &[&[u8]]) -> Name {
    Name(parts.iter().map(|it| OsStr::from_bytes(it)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(bytes: &[u8]) -> String {
        match step(bytes) {
            Ok(Step::Root) => "root".into(),
            Ok(Step::Skip) => "skip".into(),
            Ok(Step::Make(name)) => format!("make {name}"),
            Ok(Step::Whiteout(name)) => format!("hide {name}"),
            Ok(Step::Opaque(name)) => format!("opaque {name}"),
            Err(_) => "refused".into(),
        }
    }

    #[test]
    fn a_name_says_what_to_do() {
        for (name, expected) in [
            ("./", "root"),
            ("/", "root"),
            ("etc/passwd", "make etc/passwd"),
            ("./etc//passwd", "make etc/passwd"),
            ("/etc/passwd", "make etc/passwd"),
            ("a\\b", "make a\\b"),
            ("..", "refused"),
            ("a/../b", "refused"),
            ("../../etc/passwd", "refused"),
            ("a\0b", "refused"),
            (".wh.a", "hide a"),
            ("a/.wh.b", "hide a/b"),
            (".wh..", "refused"),
            ("a/.wh...", "refused"),
            (".wh.", "refused"),
            (".wh..wh..opq", "opaque ."),
            ("a/.wh..wh..opq", "opaque a"),
            (".wh..wh.plnk", "skip"),
            (".wh..hidden", "hide .hidden"),
        ] {
            assert_eq!(show(name.as_bytes()), expected, "{name:?}");
        }
        assert_eq!(show(&[b'a'; 256]), "refused");
        assert_eq!(show("a/".repeat(256).as_bytes()), "refused");
        assert_eq!(show("abc/".repeat(1024).as_bytes()), "refused");
    }

    #[test]
    fn a_hard_link_names_a_place_in_the_layer() {
        assert!(target(b"/etc/passwd").is_ok_and(|it| it.path() == Path::new("etc/passwd")));
        for outside in ["", "/", "../x", "a/../../x"] {
            assert!(target(outside.as_bytes()).is_err(), "{outside:?}");
        }
    }
}
