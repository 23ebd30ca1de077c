//! Filling an empty volume with what the image holds where it is mounted, as Docker does.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use crate::protocol::Refusal;
use crate::refusal::Explain;
use crate::root::{Root, magic};
use crate::spec::{ContainerSpec, Content, Mount};

/// Copies the image's content into the volumes that ask for it and are empty.
///
/// Runs before the root is changed, so that both sides can be seen; the image's side is only
/// looked up inside its root.
pub(crate) fn fill_empty_volumes(spec: &ContainerSpec, root: &Path) -> Result<(), Refusal> {
    for mount in &spec.mounts {
        let Mount::Bind { source, target, content: Content::CopyFromImage, .. } = mount else {
            continue;
        };
        fill(source, root, target).machine(format!("fill the volume at {target}"))?;
    }
    Ok(())
}

fn fill(volume: &Path, root: &Path, target: &str) -> io::Result<()> {
    if !volume.is_dir() || fs::read_dir(volume)?.next().is_some() {
        return Ok(());
    }
    match Root::open(root)?.handle(target) {
        Ok(from) => {
            let from = magic(from.as_fd());
            let from = Path::new(&from);
            if fs::metadata(from)?.is_dir() {
                copy_children(from, volume)?;
                copy_owner(from, volume)?;
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Links are copied as links, so the copy never leaves the folder it walks.
fn copy_children(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, copy, kind) = (entry.path(), to.join(entry.file_name()), entry.file_type()?);
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &copy)?;
            let it = fs::symlink_metadata(&source)?;
            std::os::unix::fs::lchown(&copy, Some(it.uid()), Some(it.gid()))?;
        } else if kind.is_dir() {
            fs::create_dir(&copy)?;
            copy_children(&source, &copy)?;
            copy_owner(&source, &copy)?;
        } else if kind.is_file() {
            fs::copy(&source, &copy)?;
            copy_owner(&source, &copy)?;
        } else if kind.is_fifo() || kind.is_socket() || kind.is_block_device() {
            // Docker copies no sockets; device nodes have no place in a volume.
        }
    }
    Ok(())
}

fn copy_owner(from: &Path, to: &Path) -> io::Result<()> {
    let it = fs::metadata(from)?;
    std::os::unix::fs::chown(to, Some(it.uid()), Some(it.gid()))?;
    // After the owner: a change of owner takes set-user-id away.
    fs::set_permissions(to, fs::Permissions::from_mode(it.mode() & 0o7777))
}
