//! The region's folder and address: disk space, overlayfs on that disk, a free port.

use core::time::Duration;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount,
    fsopen,
};

use super::Finding;
use crate::commands::table::size;

/// The journal sets this much aside before it begins: a segment and its reserve.
const SPACE_MIN: u64 = 256 << 20;
/// Less than this, and a few images will fill it.
const SPACE_AMPLE: u64 = 2 << 30;

/// How long whoever listens at the region's address may take to say how it is, and how many bytes
/// of that are read.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
const ANSWER_MAX: u64 = 64 << 10;

/// Looks at everything.
pub(super) fn look(folder: &Path, listen: SocketAddr) -> Vec<Finding> {
    let there = existing(folder);
    let mut findings = vec![space(folder, &there), overlay(&there), port(listen)];
    findings.extend(history(listen));
    findings
}

/// The folder, or the closest one above it that is there.
fn existing(folder: &Path) -> PathBuf {
    folder.ancestors().find(|it| it.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

fn space(folder: &Path, there: &Path) -> Finding {
    let subject = "disk space";
    let free = match statvfs(there) {
        Ok(it) => it.f_bavail.saturating_mul(it.f_frsize),
        Err(error) => {
            let detail = format!("the space in {} cannot be asked for: {error}", there.display());
            return Finding::careful(subject, detail, "choose another folder with --data");
        }
    };
    judge_space(free, &folder.display().to_string())
}

fn judge_space(free: u64, folder: &str) -> Finding {
    let subject = "disk space";
    let detail = format!("{} free for {folder}", size(free));
    match free {
        _ if free < SPACE_MIN => Finding::missing(
            subject,
            detail,
            format!("make room, {} at least, or choose another disk with --data", size(SPACE_MIN)),
        ),
        _ if free < SPACE_AMPLE => {
            Finding::careful(subject, detail, "enough to begin; images and logs soon want more")
        }
        _ => Finding::good(subject, detail),
    }
}

/// Makes an overlay of folders on the region's disk, attached nowhere.
fn overlay(there: &Path) -> Finding {
    let subject = "overlayfs";
    match try_overlay(there) {
        Ok(()) => {
            Finding::good(subject, format!("works on the file system of {}", there.display()))
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Finding::missing(
            subject,
            format!("cannot be mounted by this user: {error}"),
            "sudo landfall doctor",
        ),
        Err(error) => Finding::missing(
            subject,
            format!("cannot be mounted on the file system of {}: {error}", there.display()),
            "modprobe overlay; if the folder is on an overlay itself (inside of a container), or \
             on a network's file system, choose one on ext4, xfs or tmpfs with --data",
        ),
    }
}

fn try_overlay(there: &Path) -> io::Result<()> {
    let scratch = tempfile::Builder::new().prefix(".landfall-doctor-").tempdir_in(there)?;
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (option, name) in [("lowerdir", "lower"), ("upperdir", "upper"), ("workdir", "work")] {
        let path = scratch.path().join(name);
        fs::create_dir(&path)?;
        fsconfig_set_string(&context, option, &path)?;
    }
    fsconfig_create(&context)?;
    // The mount has no place in any namespace: it ends when its descriptor is closed.
    drop(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?);
    Ok(())
}

/// What a region that serves at this address says of its history; nothing if none serves there.
fn history(listen: SocketAddr) -> Option<Finding> {
    let text = ready(listen).ok().filter(|it| it.starts_with("HTTP/1.1 200"))?;
    Some(judge_history(&text))
}

fn judge_history(ready: &str) -> Finding {
    let subject = "history";
    match ready.lines().find_map(|it| it.strip_prefix("history: ")) {
        None => Finding::good(subject, "takes in what is over"),
        Some(trouble) => Finding::careful(
            subject,
            trouble,
            "make room or mend the disk; what is over stays in memory until then",
        ),
    }
}

/// The answer of a region about itself.
fn ready(listen: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&listen, ANSWER_WITHIN)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    let ask =
        format!("GET /_landfall/ready HTTP/1.1\r\nHost: {listen}\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes())?;
    let mut text = String::new();
    stream.take(ANSWER_MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn port(listen: SocketAddr) -> Finding {
    let subject = "port";
    match TcpListener::bind(listen) {
        Ok(_) => Finding::good(subject, format!("{listen} is free for the region's API")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Finding::careful(
            subject,
            format!("something listens on {listen} already, perhaps a region"),
            "`landfall env` tells whether that is yours; else choose another with --listen",
        ),
        Err(error) => Finding::missing(
            subject,
            format!("nobody can listen on {listen}: {error}"),
            "choose an address of this machine with --listen",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_space_is_told_before_the_journal_finds_out() {
        assert_eq!(judge_space(1 << 20, "/x").word(), "fail");
        assert_eq!(judge_space(1 << 30, "/x").word(), "warn");
        let ample = judge_space(3 << 30, "/x");
        assert_eq!((ample.word(), ample.detail.as_str()), ("ok", "3.0 GiB free for /x"));
    }

    #[test]
    fn a_history_in_trouble_is_told() {
        let head = "HTTP/1.1 200 OK\r\n\r\nready\n";
        assert_eq!(judge_history(head).word(), "ok");
        let told = judge_history(&format!("{head}history: nothing is taken in: No space left\n"));
        assert_eq!(
            (told.word(), told.detail.as_str()),
            ("warn", "nothing is taken in: No space left")
        );
    }

    #[test]
    fn a_port_in_use_is_told() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("listens");
        let address = taken.local_addr().expect("an address");
        assert_eq!(port(address).word(), "warn");
        drop(taken);
        assert_eq!(port("203.0.113.1:4566".parse().expect("valid")).word(), "fail");
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_judged_by_the_one_above() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(existing(&folder.path().join("a/b")), folder.path());
    }
}
