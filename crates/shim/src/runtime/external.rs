//! An OCI runtime of the machine, used through its command line (that of `runc`).
//!
//! The writable root is mounted in a mount namespace that only the runtime's own process and
//! the container ever see, so nothing of it shows on the host here either.

use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitOptions, waitpid};

use super::oci::{self, Surroundings};
use super::{Embedded, Exec, Runtime, Started, Streams};
use crate::capability::Capabilities;
use crate::init::code;
use crate::process::{self, Command, Launch};
use crate::protocol::{Refusal, RefusalKind};
use crate::refusal::Explain;
use crate::root::Root;
use crate::rootfs;
use crate::spec::{ContainerSpec, Input, Sharing};
use crate::state::file_name;
use crate::sys::{self, Side};
use crate::terminal::Listener;
use crate::user;

/// Longest excerpt of a runtime's own words in a refusal, in bytes.
const WORDS_LIMIT: usize = 2000;

/// A runtime program, with a state folder of its own for each task.
#[derive(Debug)]
pub(crate) struct External {
    program: PathBuf,
    task: String,
    state: PathBuf,
}

impl External {
    /// The program, keeping its state in the task's folder.
    pub(crate) fn new(program: &Path, task: &str, folder: &Path) -> Self {
        let state = folder.join("runtime");
        Self { program: program.to_owned(), task: file_name(task), state }
    }

    /// Forgets a container by name, without caring whether the runtime knows it.
    pub(crate) fn forget_by_name(&self, name: &str) {
        let id = self.id(name);
        let _ = std::process::Command::new(&self.program)
            .arg("--root")
            .arg(&self.state)
            .args(["delete", "--force", &id])
            .stdin(std::process::Stdio::null())
            .output();
    }

    fn id(&self, name: &str) -> String {
        format!("{}-{}", self.task, file_name(name))
    }

    /// Runs the program in a child that `prepare` has readied; refuses with the runtime's words.
    fn run(
        &self,
        arguments: &[&OsStr],
        words: &Path,
        prepare: impl FnOnce() -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let (status, status_end) = pipe_with(PipeFlags::CLOEXEC).machine("make a pipe")?;
        let argv = self.arguments(arguments, words)?;
        let side = sys::fork().machine("start a process")?;
        let Side::Parent(pid) = side else {
            drop(status);
            let result = prepare().and_then(|()| self.execute(&argv));
            process::report(&mut File::from(status_end), result)
        };
        drop(status_end);
        let mut told = Vec::new();
        File::from(status).read_to_end(&mut told).machine("read the status")?;
        let ended = wait_for(pid).machine("wait for the runtime")?;
        if !told.is_empty() {
            return Err(serde_json::from_slice(&told).machine("read the refusal")?);
        }
        if ended != 0 { Err(refusal(words)) } else { Ok(()) }
    }

    fn arguments(&self, arguments: &[&OsStr], words: &Path) -> Result<Vec<CString>, Refusal> {
        let fixed = [
            self.program.as_os_str(),
            OsStr::new("--root"),
            self.state.as_os_str(),
            OsStr::new("--log"),
            words.as_os_str(),
        ];
        let all = fixed.into_iter().chain(arguments.iter().copied());
        all.map(|it| CString::new(it.as_bytes()).machine("arguments")).collect()
    }

    fn execute(&self, argv: &[CString]) -> Result<std::convert::Infallible, Refusal> {
        sys::reset_signals().machine("reset signals")?;
        let program = argv.first().ok_or_else(|| Refusal::spec("no runtime"))?;
        let path =
            CString::new("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
                .machine("PATH")?;
        let error = sys::execute(program, argv, &[path]);
        Err(error).machine(format!("execute {}", self.program.display()))
    }
}

impl Runtime for External {
    fn check(&self, spec: &ContainerSpec) -> Result<(), Refusal> {
        if spec.init {
            let text = "an external runtime has no init process to give";
            return Err(Refusal::new(RefusalKind::Unsupported, text));
        }
        Embedded.check(spec)
    }

    fn start(&self, launch: &Launch<'_>, streams: Streams) -> Result<Started, Refusal> {
        let id = self.id(&launch.spec.name);
        let bundle = &launch.folder.0;
        let (number, words) = (bundle.join("pid"), bundle.join("runtime.log"));
        // Of an earlier start of the same container.
        self.forget_by_name(&launch.spec.name);
        let _ = fs::remove_file(&words);
        let console = (launch.spec.input == Input::Terminal).then(|| Listener::bind(bundle));
        let console = console.transpose().machine("listen for the terminal")?;
        let mut arguments = vec![
            OsStr::new("run"),
            OsStr::new("--detach"),
            OsStr::new("--pid-file"),
            number.as_os_str(),
            OsStr::new("--bundle"),
            bundle.as_os_str(),
        ];
        if let Some(console) = &console {
            arguments.extend([OsStr::new("--console-socket"), console.path().as_os_str()]);
        }
        arguments.push(OsStr::new(&id));
        self.run(&arguments, &words, || ready_bundle(launch, &streams))?;
        let terminal = console.map(Listener::receive).transpose();
        let pid = read_number(&number)?;
        Ok(Started { pid, terminal: terminal.machine("receive the terminal")? })
    }

    fn exec(&self, exec: &Exec<'_>, output: [OwnedFd; 2]) -> Result<i32, Refusal> {
        let spec = exec.launch.spec;
        let id = self.id(&spec.name);
        let bundle = &exec.launch.folder.0;
        let (number, words) = (bundle.join("exec.pid"), bundle.join("exec.log"));
        let description = bundle.join("exec.json");
        let _ = fs::remove_file(&words);
        let inside = PathBuf::from(format!("/proc/{}/root", exec.pid));
        let root = Root::open(&inside).refuse(RefusalKind::WrongState, "find the container")?;
        let identity = user::look_up(&root, &spec.user, &spec.groups)?;
        let command = Command { spec, argv: exec.argv, env: exec.env };
        let process = oci::process(&command, &identity, capabilities(spec)?);
        fs::write(&description, process.to_string()).machine("write the process")?;
        let arguments = [
            OsStr::new("exec"),
            OsStr::new("--detach"),
            OsStr::new("--pid-file"),
            number.as_os_str(),
            OsStr::new("--process"),
            description.as_os_str(),
            OsStr::new(&id),
        ];
        let streams = Streams { input: None, output };
        let redirect = || process::redirect(&streams).machine("redirect the output");
        self.run(&arguments, &words, redirect)?;
        read_number(&number)
    }

    fn forget(&self, launch: &Launch<'_>) -> Result<(), Refusal> {
        self.forget_by_name(&launch.spec.name);
        Ok(())
    }
}

/// Mounts the root in a namespace of its own and describes the container to the runtime.
fn ready_bundle(launch: &Launch<'_>, streams: &Streams) -> Result<(), Refusal> {
    let spec = launch.spec;
    process::redirect(streams).machine("redirect the output")?;
    sys::unshare(libc::CLONE_NEWNS).machine("make a mount namespace")?;
    rootfs::cut_off()?;
    let shared_memory = match (spec.ipc, launch.shared) {
        (Sharing::Task, Some(shared)) => {
            let memory = shared.join_ipc().machine("join the task's ipc")?;
            let at = launch.folder.0.join("shm");
            fs::create_dir_all(&at).machine("make a folder")?;
            let place = Root::open(&at).machine("open a folder")?;
            rootfs::attach(memory.as_fd(), place.as_fd()).machine("mount the shared memory")?;
            Some(at.display().to_string())
        }
        _ => None,
    };
    rootfs::mount_layers(launch.folder, &spec.layers)?;
    rootfs::fill_empty_volumes(spec, &launch.folder.root())?;
    let root = Root::open(&launch.folder.root()).machine("open the root")?;
    refuse_links(&root)?;
    let identity = user::look_up(&root, &spec.user, &spec.groups)?;
    let around = Surroundings {
        identity: &identity,
        capabilities: capabilities(spec)?,
        cgroup: launch.group.path(),
        shared: launch.shared,
        shared_memory,
        folder: launch.folder,
    };
    let config = oci::config(spec, &around)?;
    fs::write(launch.folder.0.join("config.json"), config.to_string()).machine("write config.json")
}

/// Refuses an image whose kernel directories are links: runtimes in the field follow one at
/// `/dev` out of the image (seen with runc 1.1.5; the class of CVE-2025-52565).
fn refuse_links(root: &Root) -> Result<(), Refusal> {
    for path in ["/dev", "/proc", "/sys"] {
        match root.plain_directory(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let text = format!("{path} of the image is not a directory");
                return Err(Refusal::new(RefusalKind::InvalidImage, text));
            }
            _ => {}
        }
    }
    Ok(())
}

fn capabilities(spec: &ContainerSpec) -> Result<Capabilities, Refusal> {
    let held = Capabilities::held().machine("read capabilities")?;
    Capabilities::of(spec.privilege, &spec.capabilities, held)
}

fn wait_for(pid: i32) -> io::Result<i32> {
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
    loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other?.map_or(1, |(_, status)| code(status))),
        }
    }
}

fn read_number(path: &Path) -> Result<i32, Refusal> {
    let text = fs::read_to_string(path).machine("read the process's id")?;
    text.trim().parse().machine("read the process's id")
}

/// What the runtime said last, sorted by what the caller would do about it.
fn refusal(words: &Path) -> Refusal {
    let text = fs::read_to_string(words).unwrap_or_default();
    let last = text.lines().last().unwrap_or("the runtime failed and said nothing");
    let last: String = last.chars().take(WORDS_LIMIT).collect();
    let missing = last.contains("no such file or directory") || last.contains("not found in $PATH");
    if last.contains("exec:") && missing {
        let text = if last.contains("no such file") {
            last
        } else {
            format!("{last} (no such file or directory)")
        };
        return Refusal::new(RefusalKind::CommandNotFound, text);
    }
    let denied = last.contains("permission denied") || last.contains("exec format error");
    let kind = if last.contains("exec") && denied {
        RefusalKind::CommandNotExecutable
    } else {
        RefusalKind::Machine
    };
    Refusal::new(kind, last)
}
