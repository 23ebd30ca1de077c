//! How long it takes until a container runs: a shim with one container against `runc run -d` of
//! the same image, in turns, in one run. Prints medians in milliseconds and the ratio.
//!
//! Build the shim's program first: `cargo build -p shim --bin shim-for-tests`, then
//! `cargo run -p shim --example start_latency [ROUNDS] [PROGRAM]`. Needs root, runc and
//! busybox-static.

#![expect(clippy::print_stdout, reason = "what a measurement is for")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command as Program, Stdio};
use std::time::{Duration, Instant};

use shim::{Client, Command, ContainerSpec, TaskSpec};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut words = std::env::args().skip(1);
    let rounds: u32 = words.next().and_then(|it| it.parse().ok()).unwrap_or(20);
    let program = words.next().map_or_else(beside, |it| Ok(PathBuf::from(it)))?;
    let folder = tempfile::tempdir()?;
    let layer = folder.path().join("layer");
    fs::create_dir_all(layer.join("bin"))?;
    fs::copy("/usr/bin/busybox", layer.join("bin/sleep"))?;
    ready_bundle(folder.path(), &layer)?;

    let (mut ours, mut warm, mut theirs) = (vec![], vec![], vec![]);
    for round in 0..rounds {
        let (first, second) = shim_start(&program, folder.path(), &layer, round)?;
        ours.push(first);
        warm.push(second);
        theirs.push(runc_start(folder.path(), round)?);
    }
    let (ours, warm, theirs) = (summary(ours), summary(warm), summary(theirs));
    println!("                              min    p50    p90 ms");
    println!("new shim, create, start    {ours}");
    println!("create, start in it        {warm}");
    println!("runc run -d                {theirs}");
    println!("shim / runc, p50            {:.2}", ours.middle / theirs.middle);
    Ok(())
}

/// The test program, where cargo puts it.
fn beside() -> Outcome<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(Path::parent).ok_or("no folder")?;
    Ok(folder.join("shim-for-tests"))
}

/// Time from nothing to a running container, and to a second one in the same task.
fn shim_start(
    program: &Path,
    folder: &Path,
    layer: &Path,
    round: u32,
) -> Outcome<(Duration, Duration)> {
    let task = TaskSpec {
        id: format!("latency-{round}"),
        cgroup: format!("shim-latency/{}-{round}", std::process::id()),
        scratch: folder.join("scratch"),
        limits: shim::Limits::default(),
        runtime: shim::RuntimeKind::Embedded,
    };
    let spec = |name: &str| -> Result<ContainerSpec, serde_json::Error> {
        serde_json::from_value(serde_json::json!({
            "name": name, "layers": [layer], "argv": ["/bin/sleep", "1000"],
        }))
    };
    let begin = Instant::now();
    let mut client = Client::spawn(program, &folder.join("state"), &task)?;
    client.call(Command::CreateContainer(Box::new(spec("a")?)))?;
    client.call(Command::Start { name: "a".to_owned() })?;
    let first = begin.elapsed();
    let begin = Instant::now();
    client.call(Command::CreateContainer(Box::new(spec("b")?)))?;
    client.call(Command::Start { name: "b".to_owned() })?;
    let second = begin.elapsed();
    client.call(Command::Shutdown)?;
    shim::remove_control_group("shim-latency")?;
    Ok((first, second))
}

fn runc_start(folder: &Path, round: u32) -> Outcome<Duration> {
    let id = format!("shim-latency-{}-{round}", std::process::id());
    let begin = Instant::now();
    let run = runc(&["run", "-d", "--bundle"]).arg(folder.join("bundle")).arg(&id).status()?;
    let took = begin.elapsed();
    runc(&["delete", "-f", &id]).status()?;
    if run.success() { Ok(took) } else { Err("runc does not run".into()) }
}

fn runc(words: &[&str]) -> Program {
    let mut program = Program::new("runc");
    program.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    program
}

/// The bundle that `runc spec` describes, with our image and command.
fn ready_bundle(folder: &Path, layer: &Path) -> Outcome<()> {
    let bundle = folder.join("bundle");
    fs::create_dir_all(bundle.join("rootfs/bin"))?;
    fs::copy(layer.join("bin/sleep"), bundle.join("rootfs/bin/sleep"))?;
    runc(&["spec", "--bundle"]).arg(&bundle).status()?;
    let path = bundle.join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&path)?)?;
    for (place, value) in [
        ("/process/terminal", serde_json::json!(false)),
        ("/process/args", serde_json::json!(["/bin/sleep", "1000"])),
        ("/root/readonly", serde_json::json!(false)),
    ] {
        *config.pointer_mut(place).ok_or("another form of config.json")? = value;
    }
    Ok(fs::write(path, config.to_string())?)
}

struct Summary {
    least: f64,
    middle: f64,
    late: f64,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{:6.1} {:6.1} {:6.1}", self.least, self.middle, self.late)
    }
}

fn summary(mut times: Vec<Duration>) -> Summary {
    times.sort();
    let at = |part: usize| {
        let index = times.len().saturating_sub(1) * part / 100;
        times.get(index).map_or(0.0, |it| it.as_secs_f64() * 1000.0)
    };
    Summary { least: at(0), middle: at(50), late: at(90) }
}
