//! From the command line to the loop: a shim detaches itself from whoever started it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::WaitOptions;

use crate::cgroup::{Group, Hierarchies};
use crate::hold::Hold;
use crate::server::Shim;
use crate::spec::TaskSpec;
use crate::state::StateFolder;
use crate::sys::{self, Descriptors, Side};

/// Signals that must not end a shim: containers would go on with nobody to report their end.
const IGNORED: [i32; 5] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT, libc::SIGPIPE];

/// How unlikely the kernel is to choose a shim when memory is short.
const OOM_SCORE: &str = "-999";

/// Name of the shim's own control group below its task's. Not a possible container's.
pub(crate) const OWN_GROUP: &str = ".shim";

/// Runs a shim for the task whose folder is `dir`: returns once the shim, a process of its own
/// by then, listens. The task's specification must be in the folder, and the folder itself, locked,
/// must be standard input (see [`Client::spawn`](crate::Client::spawn)).
///
/// What goes wrong is said on standard error.
pub fn main(dir: &Path) -> ExitCode {
    match detach(dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shim for {}: {error}", dir.display());
            ExitCode::FAILURE
        }
    }
}

/// Forks the shim off and waits until it listens.
fn detach(dir: &Path) -> io::Result<()> {
    if !sys::is_single_threaded() {
        return Err(io::Error::other("a shim must be started with one thread"));
    }
    sys::close_from(3, Descriptors::Close)?;
    let hold = Hold::inherited(dir)?;
    let folder = StateFolder::new(dir);
    let task = folder.task()?;
    let own = Group::new(&Hierarchies::detect()?, &task.cgroup)?.child(OWN_GROUP)?;
    own.create_unified()?;
    let inside = own.descriptor()?;
    let (ready, tell) = pipe_with(PipeFlags::CLOEXEC)?;
    match sys::clone_process(0, inside.as_ref().map(AsFd::as_fd))? {
        Side::Child => {
            drop((ready, inside));
            run(&folder, hold, task, &own, File::from(tell))
        }
        Side::Parent(_) => {
            drop(tell);
            let mut answer = Vec::new();
            File::from(ready).read_to_end(&mut answer)?;
            if answer == [READY] {
                return Ok(());
            }
            // A group that somebody is in, if only to end, cannot be removed.
            let _ = rustix::process::wait(WaitOptions::empty());
            own.abandon();
            Err(io::Error::other(String::from_utf8_lossy(&answer).into_owned()))
        }
    }
}

/// What the shim tells the process that made it when it listens; anything else is an error.
const READY: u8 = 0;

/// The shim, from its first step to its last.
fn run(folder: &StateFolder, hold: Hold, task: TaskSpec, own: &Group, mut tell: File) -> ! {
    let shim = match prepare(folder, &hold, task, own) {
        Ok(shim) => shim,
        Err(error) => {
            let _ = tell.write_all(error.to_string().as_bytes());
            sys::exit_now(1)
        }
    };
    let told = tell.write_all(&[READY]).and_then(|()| redirect(folder));
    drop(tell);
    sys::trim_memory();
    let ended = told.and_then(|()| shim.serve());
    drop(hold);
    if let Err(error) = &ended {
        eprintln!("shim: {error}");
    }
    sys::exit_now(i32::from(ended.is_err()))
}

fn prepare(folder: &StateFolder, hold: &Hold, task: TaskSpec, own: &Group) -> io::Result<Shim> {
    rustix::process::setsid()?;
    rustix::process::chdir("/")?;
    rustix::thread::set_name(c"landfall-shim")?;
    folder.write_process()?;
    let reaper = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(reaper))?;
    IGNORED.into_iter().try_for_each(sys::ignore_signal)?;
    // Lowering needs a capability that not every machine gives.
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    own.leave_service()?;
    let signals = sys::signal_descriptor(&[libc::SIGCHLD])?;
    let listener = hold.listen()?;
    Shim::new(folder.clone(), task, listener, signals)
}

/// From here on, what the shim says goes into its log.
fn redirect(folder: &StateFolder) -> io::Result<()> {
    let null = File::open("/dev/null")?;
    let log = OpenOptions::new().create(true).append(true).open(folder.log())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&log)?;
    rustix::stdio::dup2_stderr(&log)?;
    Ok(())
}
