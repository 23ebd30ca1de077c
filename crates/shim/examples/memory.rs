//! What a task costs in memory: starts tasks of one container each and prints the shims'
//! proportional share (PSS) in KiB.
//!
//! Build the shim's program first, as for `start_latency`; then
//! `cargo run -p shim --example memory [TASKS] [PROGRAM]`. Needs root and busybox-static.

#![expect(clippy::print_stdout, reason = "what a measurement is for")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use shim::{Client, Command, ContainerSpec, LogSink, TaskSpec};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut words = std::env::args().skip(1);
    let tasks: u32 = words.next().and_then(|it| it.parse().ok()).unwrap_or(20);
    let program = words.next().map_or_else(beside, |it| Ok(PathBuf::from(it)))?;
    let folder = tempfile::tempdir()?;
    let layer = folder.path().join("layer");
    fs::create_dir_all(layer.join("bin"))?;
    fs::copy("/usr/bin/busybox", layer.join("bin/sleep"))?;
    let started: Outcome<Vec<Client>> =
        (0..tasks).map(|number| start(&program, folder.path(), &layer, number)).collect();
    let mut clients = started?;
    let mut totals = [0; 3];
    for client in &clients {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", client.status().pid))?;
        for (total, name) in totals.iter_mut().zip(["Pss:", "Pss_Anon:", "Rss:"]) {
            let line = text.lines().find_map(|it| it.strip_prefix(name)).unwrap_or_default();
            *total += line.trim().trim_end_matches(" kB").parse::<u64>()?;
        }
    }
    let [pss, anonymous, resident] = totals.map(|it| it / u64::from(tasks.max(1)));
    println!("{tasks} tasks: PSS {pss} KiB each, of it anonymous {anonymous}; RSS {resident}");
    for client in &mut clients {
        client.call(Command::Shutdown)?;
    }
    Ok(shim::remove_control_group("shim-memory")?)
}

/// The test program, where cargo puts it.
fn beside() -> Outcome<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(Path::parent).ok_or("no folder")?;
    Ok(folder.join("shim-for-tests"))
}

fn start(program: &Path, folder: &Path, layer: &Path, number: u32) -> Outcome<Client> {
    let task = TaskSpec {
        id: number.to_string(),
        cgroup: format!("shim-memory/{number}"),
        scratch: folder.join(format!("scratch-{number}")),
        limits: shim::Limits::default(),
        runtime: shim::RuntimeKind::Embedded,
    };
    let mut client = Client::spawn(program, &folder.join(format!("state-{number}")), &task)?;
    let mut spec: ContainerSpec = serde_json::from_value(serde_json::json!({
        "name": "a", "layers": [layer], "argv": ["/bin/sleep", "1000"],
    }))?;
    let path = folder.join(format!("log-{number}"));
    spec.log = LogSink::JsonFile { path, max_bytes: None, max_files: None };
    client.call(Command::CreateContainer(Box::new(spec)))?;
    client.call(Command::Start { name: "a".to_owned() })?;
    Ok(client)
}
