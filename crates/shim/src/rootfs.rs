//! A container's file system, built inside its own mount namespace.
//!
//! Nothing of it is ever visible to the host: the namespace goes with its last process, and
//! the mounts with it. Sources on the host are opened first; then the container's root becomes
//! the root and the host's is let go; only then is anything looked up inside (see [`Root`]).

mod devices;
mod kernel;
mod populate;
mod trees;

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, UnmountFlags, mount, mount_change,
    move_mount, unmount,
};

pub(crate) use devices::{host_devices, rules as device_rules};
pub(crate) use kernel::{MASKED, READ_ONLY, mount_control_groups};
pub(crate) use populate::fill_empty_volumes;
use trees::Tree;
pub(crate) use trees::{shared_memory_bytes, shared_memory_of};

use crate::cgroup::Group;
use crate::protocol::{Refusal, RefusalKind};
use crate::refusal::Explain;
use crate::root::{Node, Root, magic};
use crate::spec::{Access, ContainerSpec, Privilege};
use crate::sys::{self, MountChange};

/// The folders of one container on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    /// Makes the folders and the generated files.
    pub(crate) fn create(&self, spec: &ContainerSpec) -> io::Result<()> {
        for name in ["root", "upper", "work", "etc"] {
            fs::create_dir_all(self.0.join(name))?;
        }
        for (name, content) in generated_files(spec) {
            fs::write(self.0.join("etc").join(name), content)?;
        }
        Ok(())
    }

    /// Removes them with all they hold.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Where the root is mounted.
    pub(crate) fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    /// A generated file of `/etc`.
    pub(crate) fn etc(&self, name: &str) -> PathBuf {
        self.0.join("etc").join(name)
    }
}

/// The files of `/etc` that are generated for a container.
pub(crate) fn generated_files(spec: &ContainerSpec) -> Vec<(&'static str, &str)> {
    let all = [
        ("hosts", &spec.hosts_file),
        ("resolv.conf", &spec.resolv_file),
        ("hostname", &spec.hostname_file),
    ];
    all.into_iter().filter_map(|(name, it)| Some((name, it.as_deref()?))).collect()
}

/// Mounts the layers below a writable one at the container's root folder.
pub(crate) fn mount_layers(folder: &Folder, layers: &[PathBuf]) -> Result<(), Refusal> {
    // Layers are named by descriptors: paths may hold colons and commas, and all options must
    // fit into one page.
    let open = |path: &Path| {
        let what = format!("open layer {}", path.display());
        Root::open(path).refuse(RefusalKind::InvalidImage, what)
    };
    let opened = layers.iter().map(|it| open(it)).collect::<Result<Vec<_>, _>>()?;
    if opened.is_empty() {
        return Err(Refusal::new(RefusalKind::InvalidImage, "the image has no layers"));
    }
    let own = |name: &str| Root::open(&folder.0.join(name)).machine("open the writable layer");
    let (upper, work) = (own("upper")?, own("work")?);
    let lower: Vec<String> = opened.iter().map(|it| magic(it.as_fd())).collect();
    let options = format!(
        "lowerdir={},upperdir={},workdir={}\0",
        lower.join(":"),
        magic(upper.as_fd()),
        magic(work.as_fd())
    );
    let options = std::ffi::CStr::from_bytes_with_nul(options.as_bytes()).machine("options")?;
    let at = folder.root();
    mount("overlay", &at, "overlay", MountFlags::empty(), options).machine("mount the layers")
}

/// Cuts this (new) mount namespace off, so that nothing mounted in it shows elsewhere.
pub(crate) fn cut_off() -> Result<(), Refusal> {
    let downstream = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", downstream).machine("make the mount namespace private")
}

/// What of the host goes into the container, opened while the host can still be seen.
pub(crate) struct Sources {
    trees: Vec<Tree>,
    devices: Vec<(String, Node)>,
    control_groups: Vec<(String, Tree)>,
}

impl Sources {
    /// Opens everything the specification names.
    pub(crate) fn open(
        spec: &ContainerSpec,
        folder: &Folder,
        group: &Group,
        shared_memory: Option<OwnedFd>,
    ) -> Result<Self, Refusal> {
        let control_groups = group.legacy_folders().into_iter().map(|(name, path)| {
            Ok((name, Tree::bind(&path, "", Access::ReadOnly).machine("open control group")?))
        });
        Ok(Self {
            trees: trees::of_spec(spec, folder, shared_memory)?,
            devices: host_devices(spec)?,
            control_groups: control_groups.collect::<Result<_, Refusal>>()?,
        })
    }

    /// Makes the container's root the root and mounts everything in it.
    pub(crate) fn enter(self, spec: &ContainerSpec, folder: &Folder) -> Result<Mounted, Refusal> {
        fill_empty_volumes(spec, &folder.root())?;
        pivot(&folder.root())?;
        let root = Root::open(Path::new("/")).machine("open the container's root")?;
        let privilege = spec.privilege;
        kernel::mount_proc(&root).refuse(RefusalKind::InvalidImage, "mount /proc")?;
        kernel::mount_sys(&root, privilege).refuse(RefusalKind::InvalidImage, "mount /sys")?;
        let made = devices::mount_dev(&root, &self.devices);
        made.refuse(RefusalKind::InvalidImage, "mount /dev")?;
        for tree in self.trees {
            tree.attach(&root)?;
        }
        devices::make_elsewhere(&root, &self.devices).machine("make devices")?;
        Ok(Mounted { root, control_groups: self.control_groups })
    }
}

/// A container's file system, complete but for what must come last.
pub(crate) struct Mounted {
    /// The container's root.
    pub(crate) root: Root,
    control_groups: Vec<(String, Tree)>,
}

impl Mounted {
    /// Mounts control groups, hides what is to be hidden and forbids writing.
    ///
    /// The process must be in its control group and control group namespace by now.
    pub(crate) fn finish(self, spec: &ContainerSpec) -> Result<Root, Refusal> {
        mount_control_groups(&self.root, spec.privilege, self.control_groups)
            .machine("mount /sys/fs/cgroup")?;
        if spec.privilege == Privilege::Confined {
            let list = |own: &Option<Vec<String>>, default: &[&str]| match own {
                Some(own) => own.clone(),
                None => default.iter().map(|it| (*it).to_owned()).collect(),
            };
            for path in list(&spec.readonly_paths, &READ_ONLY) {
                kernel::forbid_writing(&self.root, &path).machine(format!("protect {path}"))?;
            }
            for path in list(&spec.masked_paths, &MASKED) {
                kernel::mask(&self.root, &path).machine(format!("mask {path}"))?;
            }
        }
        if spec.root == Access::ReadOnly {
            let root = self.root.handle("/").machine("open /")?;
            read_only(root.as_fd(), 0).machine("make the root read-only")?;
        }
        Ok(self.root)
    }
}

/// Makes `path` the root of this mount namespace and lets the old one go.
fn pivot(path: &Path) -> Result<(), Refusal> {
    rustix::process::chdir(path).machine("enter the root")?;
    // Old and new root at the same place: the old one comes to lie on top and is let go.
    rustix::process::pivot_root(".", ".").machine("change the root")?;
    unmount(".", UnmountFlags::DETACH).machine("let go of the host's root")?;
    rustix::process::chdir("/").machine("enter the new root")
}

/// Attaches a detached mount at a place.
pub(crate) fn attach(mounted: BorrowedFd<'_>, at: BorrowedFd<'_>) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(mounted, "", at, "", flags)?)
}

/// Forbids writing through a mount; with `AT_RECURSIVE` also through those below.
pub(crate) fn read_only(mounted: BorrowedFd<'_>, flags: i32) -> io::Result<()> {
    sys::change_mount(mounted, flags, MountChange { set: libc::MOUNT_ATTR_RDONLY, propagation: 0 })
}
