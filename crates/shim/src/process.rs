//! From a forked child to the container's command: the steps a process takes on itself.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Gid, Uid};
use rustix::process::DumpableBehavior;

use crate::capability::Capabilities;
use crate::cgroup::Group;
use crate::init;
use crate::protocol::{Refusal, RefusalKind};
use crate::refusal::Explain;
use crate::root::Root;
use crate::rootfs::{self, Folder, Sources};
use crate::runtime::Streams;
use crate::shared::SharedNamespaces;
use crate::spec::{ContainerSpec, Input, Network, Privilege, Seccomp, Sharing};
use crate::sys::{self, Descriptors};
use crate::{rlimit, seccomp, sysctl, terminal, user};

/// `PATH` of a container whose image sets none.
///
/// Source: Docker Engine, `DefaultPathEnv`.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Everything the first process of a container is made of.
pub(crate) struct Launch<'a> {
    pub(crate) spec: &'a ContainerSpec,
    pub(crate) folder: &'a Folder,
    pub(crate) group: &'a Group,
    pub(crate) shared: Option<&'a SharedNamespaces>,
}

/// The process's ends of the pipes to the shim.
pub(crate) struct Ends {
    /// Its standard streams.
    pub(crate) streams: Streams,
    /// Where our side of its terminal goes, if it gets one.
    pub(crate) terminal: Option<OwnedFd>,
    /// One byte comes when the process is in its control groups.
    pub(crate) go: OwnedFd,
    /// Receives a refusal; is closed by executing the command.
    pub(crate) status: OwnedFd,
}

/// Becomes the container. Does not come back: it executes, or tells why not and exits.
pub(crate) fn become_container(launch: &Launch<'_>, ends: Ends) -> ! {
    let mut status = File::from(ends.status);
    let result = prepare(launch, ends.streams, ends.terminal, ends.go).and_then(|root| {
        let command = Command { spec: launch.spec, argv: &launch.spec.argv, env: &[] };
        if launch.spec.init {
            init::run(&root, &command, &mut status)
        } else {
            command.execute(&root)
        }
    });
    report(&mut status, result)
}

/// Tells why a command was not executed, and ends this process.
pub(crate) fn report(status: &mut File, result: Result<Infallible, Refusal>) -> ! {
    let Err(refusal) = result;
    // Nobody listens any more if this fails; the exit code says the rest.
    let _ = status.write_all(&serde_json::to_vec(&refusal).unwrap_or_default());
    sys::exit_now(FAILED)
}

/// Exit code of a process that could not become the command; Docker's for its own failures.
const FAILED: i32 = 125;

/// Builds everything but the identity.
fn prepare(
    launch: &Launch<'_>,
    streams: Streams,
    terminal: Option<OwnedFd>,
    go: OwnedFd,
) -> Result<Root, Refusal> {
    let spec = launch.spec;
    start_afresh(streams).machine("set the process up")?;
    join_network(&spec.network)?;
    let shared_memory = match (spec.ipc, launch.shared) {
        (Sharing::Task, Some(shared)) => Some(shared.join_ipc().machine("join the task's ipc")?),
        _ => None,
    };
    rootfs::cut_off()?;
    let sources = Sources::open(spec, launch.folder, launch.group, shared_memory)?;
    rootfs::mount_layers(launch.folder, &spec.layers)?;
    let mounted = sources.enter(spec, launch.folder)?;
    if let Some(shim) = terminal {
        terminal::become_own(&mounted.root, shim.as_fd()).machine("open a terminal")?;
    }
    if let Some(name) = &spec.hostname {
        rustix::system::sethostname(name.as_bytes()).machine("set the host name")?;
    }
    sysctl::apply(&mounted.root, spec)?;
    let directory = working_directory(&spec.working_dir);
    mounted
        .root
        .make_directory(&directory)
        .refuse(RefusalKind::InvalidSpec, format!("working directory {directory}"))?;
    let mut byte = [0];
    File::from(go).read_exact(&mut byte).machine("wait for the control groups")?;
    sys::unshare(libc::CLONE_NEWCGROUP).machine("leave the host's control groups")?;
    let root = mounted.finish(spec)?;
    rlimit::apply(&spec.ulimits)?;
    Ok(root)
}

fn start_afresh(streams: Streams) -> io::Result<()> {
    sys::reset_signals()?;
    rustix::process::setsid()?;
    redirect(&streams)?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    // The shim is protected from the kernel's search for memory; containers are not.
    std::fs::write("/proc/self/oom_score_adj", "0")
}

/// Makes them the standard streams of this process.
pub(crate) fn redirect(streams: &Streams) -> io::Result<()> {
    let [out, err] = &streams.output;
    match &streams.input {
        Some(input) => rustix::stdio::dup2_stdin(input)?,
        None => rustix::stdio::dup2_stdin(File::open("/dev/null")?)?,
    }
    rustix::stdio::dup2_stdout(out)?;
    Ok(rustix::stdio::dup2_stderr(err)?)
}

fn join_network(network: &Network) -> Result<(), Refusal> {
    match network {
        Network::Host => Ok(()),
        Network::None => sys::raise_loopback().machine("bring loopback up"),
        Network::Join(path) => {
            let what = format!("join the network namespace {}", path.display());
            let namespace = File::open(path).refuse(RefusalKind::InvalidSpec, &what)?;
            sys::enter(namespace.as_fd(), libc::CLONE_NEWNET).refuse(RefusalKind::InvalidSpec, what)
        }
    }
}

/// Which namespaces a container's first process is cloned into.
pub(crate) fn namespaces(spec: &ContainerSpec) -> libc::c_int {
    let mut flags = libc::CLONE_NEWNS | libc::CLONE_NEWUTS;
    if spec.network == Network::None {
        flags |= libc::CLONE_NEWNET;
    }
    if spec.pid == Sharing::Private {
        flags |= libc::CLONE_NEWPID;
    }
    if spec.ipc == Sharing::Private {
        flags |= libc::CLONE_NEWIPC;
    }
    flags
}

/// A command with the identity and surroundings its container prescribes.
pub(crate) struct Command<'a> {
    pub(crate) spec: &'a ContainerSpec,
    pub(crate) argv: &'a [String],
    /// Wins over the container's own environment.
    pub(crate) env: &'a [String],
}

impl Command<'_> {
    /// Gives up everything but what the container may have, and executes the command.
    pub(crate) fn execute(&self, root: &Root) -> Result<Infallible, Refusal> {
        let prepared = self.assume(root)?;
        prepared.execute()
    }

    /// Takes the identity on; what remains is to execute.
    pub(crate) fn assume(&self, root: &Root) -> Result<Prepared, Refusal> {
        let spec = self.spec;
        let identity = user::look_up(root, &spec.user, &spec.groups)?;
        let prepared = Prepared::new(self, &identity.home)?;
        let directory = working_directory(&spec.working_dir);
        let what = format!("working directory {directory}");
        let at = root.handle(&directory).refuse(RefusalKind::InvalidSpec, &what)?;
        rustix::process::fchdir(at).refuse(RefusalKind::InvalidSpec, what)?;
        let held = Capabilities::held().machine("read capabilities")?;
        let capabilities = Capabilities::of(spec.privilege, &spec.capabilities, held)?;
        own_output(identity.uid, identity.gid);
        capabilities.bound().machine("bound capabilities")?;
        let filters = match (spec.privilege, spec.seccomp) {
            (Privilege::Confined, Seccomp::Default) => seccomp::programs(capabilities)?,
            _ => vec![],
        };
        // Without `no_new_privs` only an administrator may install filters, with it everybody:
        // then it is the last thing, so that the filter need not allow what comes before.
        if !spec.no_new_privileges {
            install(&filters)?;
        }
        change_user(&identity).machine(format!("become user {}", identity.uid))?;
        if identity.uid == 0 {
            capabilities.take().machine("give up capabilities")?;
        }
        if spec.no_new_privileges {
            rustix::thread::set_no_new_privs(true).machine("forbid new privileges")?;
            install(&filters)?;
        }
        sys::close_from(3, Descriptors::CloseOnExecute).machine("close descriptors")?;
        Ok(prepared)
    }
}

fn install(filters: &[seccompiler::BpfProgram]) -> Result<(), Refusal> {
    filters.iter().try_for_each(|it| sys::install_filter(it)).machine("install the call filter")
}

fn change_user(identity: &user::Identity) -> io::Result<()> {
    let groups: Vec<Gid> = identity.groups.iter().map(|it| Gid::from_raw(*it)).collect();
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    rustix::thread::set_thread_groups(&groups)?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}

/// Lets the user open `/dev/stdout` and `/dev/stderr` anew, as programs that log there do.
fn own_output(uid: u32, gid: u32) {
    let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    // Not possible for the null device on a read-only file system, and not needed there.
    let _ = rustix::fs::fchown(rustix::stdio::stdout(), owner.0, owner.1);
    let _ = rustix::fs::fchown(rustix::stdio::stderr(), owner.0, owner.1);
}

/// A command whose strings are ready for the kernel.
pub(crate) struct Prepared {
    name: String,
    /// Where the program may be, in this order.
    candidates: Vec<CString>,
    argv: Vec<CString>,
    env: Vec<CString>,
}

impl Prepared {
    fn new(command: &Command<'_>, home: &str) -> Result<Self, Refusal> {
        let name = command.argv.first().filter(|it| !it.is_empty());
        let name = name.ok_or_else(|| Refusal::spec("no command specified"))?.clone();
        let env = environment(command, home);
        let candidates = if name.contains('/') {
            vec![name.clone()]
        } else {
            let path = env.iter().find_map(|it| it.strip_prefix("PATH=")).unwrap_or(PATH);
            path.split(':')
                .filter(|it| it.starts_with('/'))
                .map(|it| format!("{it}/{name}"))
                .collect()
        };
        Ok(Self {
            name,
            candidates: strings(&candidates)?,
            argv: strings(command.argv)?,
            env: strings(&env)?,
        })
    }

    /// Executes the command; comes back only with the reason why not.
    pub(crate) fn execute(&self) -> Result<Infallible, Refusal> {
        let mut denied = None;
        for program in &self.candidates {
            let error = sys::execute(program, &self.argv, &self.env);
            match error.raw_os_error() {
                Some(libc::ENOENT | libc::ENOTDIR) => {}
                Some(libc::EACCES) => denied = Some(error),
                _ => return Err(self.not_executable(&error)),
            }
        }
        match denied {
            Some(error) => Err(self.not_executable(&error)),
            None => Err(self.not_found()),
        }
    }

    fn not_executable(&self, error: &io::Error) -> Refusal {
        let cause = match error.raw_os_error() {
            Some(libc::EACCES) => "permission denied".to_owned(),
            Some(libc::ENOEXEC) => "exec format error".to_owned(),
            _ => error.to_string(),
        };
        let text = format!("exec: \"{}\": {cause}", self.name);
        Refusal::new(RefusalKind::CommandNotExecutable, text)
    }

    fn not_found(&self) -> Refusal {
        let name = &self.name;
        let text = if name.contains('/') {
            format!("exec: \"{name}\": stat {name}: no such file or directory")
        } else {
            format!(
                "exec: \"{name}\": executable file not found in $PATH: no such file or directory"
            )
        };
        Refusal::new(RefusalKind::CommandNotFound, text)
    }
}

/// The container's environment, then what the command adds, then what every process has.
pub(crate) fn environment(command: &Command<'_>, home: &str) -> Vec<String> {
    let name = |it: &str| it.split('=').next().unwrap_or_default().to_owned();
    let mut env: Vec<String> = Vec::new();
    for entry in command.spec.env.iter().chain(command.env) {
        // The last of equal names wins, as in Docker.
        env.retain(|it| name(it) != name(entry));
        env.push(entry.clone());
    }
    let hostname = command.spec.hostname.as_ref().map(|it| format!("HOSTNAME={it}"));
    let terminal = (command.spec.input == Input::Terminal).then(|| "TERM=xterm".to_owned());
    let defaults = [Some(format!("PATH={PATH}")), hostname, Some(format!("HOME={home}")), terminal];
    for entry in defaults.into_iter().flatten() {
        if !env.iter().any(|it| name(it) == name(&entry)) {
            env.push(entry);
        }
    }
    env
}

fn strings(all: &[String]) -> Result<Vec<CString>, Refusal> {
    all.iter()
        .map(|it| {
            CString::new(it.as_str()).map_err(|_| Refusal::spec("a string holds a zero byte"))
        })
        .collect()
}

/// The working directory as an absolute path without `.` and `..`.
pub(crate) fn working_directory(asked: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in asked.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

/// Keeps other processes, also those of the same user, from looking into this one until it
/// executes something.
pub(crate) fn hide() -> io::Result<()> {
    Ok(rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

#[cfg(test)]
mod tests {
    use super::working_directory;

    #[test]
    fn working_directories_become_plain_paths() {
        for (asked, expected) in [
            ("", "/"),
            ("/", "/"),
            ("srv/app", "/srv/app"),
            ("/a/./b//c/", "/a/b/c"),
            ("/a/../../b", "/b"),
            ("/proc/self/fd/7", "/proc/self/fd/7"),
        ] {
            assert_eq!(working_directory(asked), expected, "{asked}");
        }
    }
}
