//! Files, directories, links and devices, one call each.

use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags, chmodat, chownat,
    linkat, lsetxattr, makedev, mkdirat, mknodat, symlinkat, utimensat,
};
use tar::{Entry, EntryType, Header};

use super::Problem;
use super::path::Name;

/// The attribute by which overlayfs knows that nothing below a directory shows.
const OPAQUE: &str = "trusted.overlay.opaque";
/// How extended attributes stand in an archive.
const XATTR_PREFIX: &str = "SCHILY.xattr.";
/// Sparse files in the form that the archive reader does not know.
const SPARSE_PREFIX: &str = "GNU.sparse.";
/// Longest symbolic link that the kernel takes.
const LINK_BYTES_MAX: usize = 4095;
/// Mode of directories that an archive uses but does not describe.
const IMPLIED_MODE: u32 = 0o755;

/// What is at a name now.
pub(super) enum Existing {
    Nothing,
    Directory,
    Whiteout,
    Other,
}

/// Owner, mode, time and extended attributes of an entry.
pub(super) struct Attributes {
    kind: EntryType,
    owner: Uid,
    group: Gid,
    mode: Mode,
    /// Seconds since 1970.
    pub(super) mtime: u64,
    xattrs: Vec<(String, Vec<u8>)>,
}

/// Reads what an entry says about itself.
pub(super) fn attributes<R: Read>(entry: &mut Entry<'_, R>) -> Result<Attributes, Problem> {
    let xattrs = xattrs(entry)?;
    let header = entry.header();
    let old = header.as_old();
    let id = |it: u64| {
        u32::try_from(it)
            .ok()
            // The highest number means "leave as it is" to chown(2).
            .filter(|it| *it != u32::MAX)
            .ok_or_else(|| Problem::said("has an owner that is no 32-bit number"))
    };
    Ok(Attributes {
        kind: header.entry_type(),
        owner: Uid::from_raw(id(number(&old.uid, header.uid())?)?),
        group: Gid::from_raw(id(number(&old.gid, header.gid())?)?),
        mode: Mode::from_raw_mode(number(&old.mode, header.mode())? & 0o7777),
        mtime: number(&old.mtime, header.mtime())?,
        xattrs,
    })
}

/// A number of a header; a field that was left empty is zero, as other tools read it.
fn number<T: Default>(field: &[u8], parsed: std::io::Result<T>) -> Result<T, Problem> {
    if field.iter().all(|it| matches!(it, 0 | b' ')) {
        return Ok(T::default());
    }
    parsed.map_err(|_| Problem::said("has a header that cannot be read"))
}

/// The extended attributes that an image may set: capabilities of programs, and users' own.
///
/// Others belong to this machine: `trusted.overlay.*` would let a layer steer the mount, labels
/// of SELinux are the host's.
fn xattrs<R: Read>(entry: &mut Entry<'_, R>) -> Result<Vec<(String, Vec<u8>)>, Problem> {
    let unreadable = |_| Problem::said("has extended headers that cannot be read");
    let mut found = Vec::new();
    let Some(extensions) = entry.pax_extensions().map_err(unreadable)? else { return Ok(found) };
    for extension in extensions {
        let extension = extension.map_err(unreadable)?;
        let Ok(key) = extension.key() else { continue };
        if key.starts_with(SPARSE_PREFIX) {
            return Err(Problem::said("is a sparse file in PAX form, which layers do not have"));
        }
        let Some(name) = key.strip_prefix(XATTR_PREFIX) else { continue };
        let own = name.starts_with("user.") && !name.starts_with("user.overlay.");
        if own || name == "security.capability" {
            found.push((name.to_owned(), extension.value_bytes().to_vec()));
        }
    }
    Ok(found)
}

pub(super) fn existing(name: &Name) -> Result<Existing, Problem> {
    match fs::symlink_metadata(name.path()) {
        Ok(it) if it.is_dir() => Ok(Existing::Directory),
        Ok(it) if it.file_type().is_char_device() && it.rdev() == 0 => Ok(Existing::Whiteout),
        Ok(_) => Ok(Existing::Other),
        Err(it) if it.kind() == ErrorKind::NotFound => Ok(Existing::Nothing),
        Err(it) => Err(Problem::Failed("look at what is there", it)),
    }
}

/// Makes the directories that lead to a name, where they are missing.
pub(super) fn make_parents(name: &Name) -> Result<(), Problem> {
    let Some(parent) = name.path().parent().filter(|it| !it.as_os_str().is_empty()) else {
        return Ok(());
    };
    // Almost always it is there, and one look is enough.
    if fs::metadata(parent).is_ok_and(|it| it.is_dir()) {
        return Ok(());
    }
    let mut path = std::path::PathBuf::new();
    for part in parent {
        path.push(part);
        make_parent(&path)?;
    }
    Ok(())
}

fn make_parent(path: &Path) -> Result<(), Problem> {
    match fs::metadata(path) {
        Ok(it) if it.is_dir() => Ok(()),
        Ok(it) if it.file_type().is_char_device() && it.rdev() == 0 => {
            fs::remove_file(path).map_err(Problem::failed("replace a whiteout"))?;
            mkdir(path)?;
            opaque(path)
        }
        Ok(_) => Err(Problem::said("lies below something that is not a directory")),
        Err(it) if it.kind() == ErrorKind::NotFound => mkdir(path),
        Err(it) => Err(Problem::Failed("look at its parent", it)),
    }
}

/// Removes whatever is at a name, a directory with all it holds.
pub(super) fn clear(name: &Name) -> Result<(), Problem> {
    let removed = match existing(name)? {
        Existing::Nothing => Ok(()),
        Existing::Directory => fs::remove_dir_all(name.path()),
        Existing::Whiteout | Existing::Other => fs::remove_file(name.path()),
    };
    removed.map_err(Problem::failed("remove what an earlier entry made"))
}

pub(super) fn make_directory(name: &Name) -> Result<(), Problem> {
    mkdir(name.path())
}

/// A directory where a whiteout was: the layer removed what was below, then made its own.
pub(super) fn replace_whiteout(name: &Name) -> Result<(), Problem> {
    fs::remove_file(name.path()).map_err(Problem::failed("replace a whiteout"))?;
    mkdir(name.path())?;
    set_opaque(name)
}

pub(super) fn make_whiteout(name: &Name) -> Result<(), Problem> {
    mknodat(CWD, name.path(), FileType::CharacterDevice, Mode::empty(), 0)
        .map_err(|it| Problem::Failed("make a whiteout", it.into()))
}

pub(super) fn set_opaque(name: &Name) -> Result<(), Problem> {
    opaque(name.path())
}

pub(super) fn symlink(target: &[u8], name: &Name) -> Result<(), Problem> {
    if target.len() > LINK_BYTES_MAX {
        return Err(Problem::said("is a symbolic link of more than 4095 bytes"));
    }
    symlinkat(OsStr::from_bytes(target), CWD, name.path())
        .map_err(|it| Problem::Failed("make the symbolic link", it.into()))
}

/// Makes a second name for a file of this layer.
///
/// The new name takes the file's attributes, as it is the same file; what the entry says of them
/// is left aside.
pub(super) fn link(target: &Name, name: &Name) -> Result<(), Problem> {
    let source = fs::symlink_metadata(target.path()).map_err(|it| match it.kind() {
        ErrorKind::NotFound => Problem::said("is a hard link to a file that its layer has not got"),
        _ => Problem::Failed("look at the hard link's target", it),
    })?;
    if source.is_dir() {
        return Err(Problem::said("is a hard link to a directory"));
    }
    let same = |it: fs::Metadata| it.dev() == source.dev() && it.ino() == source.ino();
    if fs::symlink_metadata(name.path()).is_ok_and(same) {
        return Ok(());
    }
    clear(name)?;
    linkat(CWD, target.path(), CWD, name.path(), AtFlags::empty())
        .map_err(|it| Problem::Failed("make the hard link", it.into()))
}

/// Makes a device node or a named pipe.
pub(super) fn device(header: &Header, name: &Name) -> Result<(), Problem> {
    let number = |it: std::io::Result<Option<u32>>| {
        it.ok().flatten().ok_or_else(|| Problem::said("is a device without a number"))
    };
    let (kind, device) = match header.entry_type() {
        EntryType::Fifo => (FileType::Fifo, 0),
        kind => {
            let device = makedev(number(header.device_major())?, number(header.device_minor())?);
            let is_char = kind == EntryType::Char;
            (if is_char { FileType::CharacterDevice } else { FileType::BlockDevice }, device)
        }
    };
    mknodat(CWD, name.path(), kind, Mode::empty(), device)
        .map_err(|it| Problem::Failed("make the device", it.into()))
}

/// Sets owner, then mode (changing the owner clears setuid), then extended attributes (changing
/// the owner clears capabilities).
pub(super) fn set_attributes(name: &Name, attributes: &Attributes) -> Result<(), Problem> {
    let Attributes { kind, owner, group, mode, mtime: _, xattrs } = attributes;
    chownat(CWD, name.path(), Some(*owner), Some(*group), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|it| Problem::Failed("set its owner", it.into()))?;
    if *kind == EntryType::Symlink {
        return Ok(());
    }
    chmodat(CWD, name.path(), *mode, AtFlags::empty())
        .map_err(|it| Problem::Failed("set its mode", it.into()))?;
    for (key, value) in xattrs {
        set_xattr(name.path(), key, value)?;
    }
    Ok(())
}

pub(super) fn set_time(name: &Name, mtime: u64) -> Result<(), Problem> {
    let seconds = i64::try_from(mtime).unwrap_or(i64::MAX);
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, name.path(), &times, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|it| Problem::Failed("set its time", it.into()))
}

fn mkdir(path: &Path) -> Result<(), Problem> {
    mkdirat(CWD, path, Mode::from_raw_mode(IMPLIED_MODE))
        .map_err(|it| Problem::Failed("make the directory", it.into()))
}

fn opaque(path: &Path) -> Result<(), Problem> {
    lsetxattr(path, OPAQUE, b"y", XattrFlags::empty())
        .map_err(|it| Problem::Failed("mark the directory opaque", it.into()))
}

fn set_xattr(path: &Path, key: &str, value: &[u8]) -> Result<(), Problem> {
    match lsetxattr(path, key, value, XattrFlags::empty()) {
        Ok(()) => Ok(()),
        // Users' attributes are allowed on files and directories only; file systems may have none.
        Err(rustix::io::Errno::PERM | rustix::io::Errno::OPNOTSUPP) if key.starts_with("user.") => {
            Ok(())
        }
        Err(it) => Err(Problem::Failed("set an extended attribute", it.into())),
    }
}
