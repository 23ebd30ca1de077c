//! `landfall agent`: a container instance.

use core::time::Duration;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use agent::{Admission, Config, Ended, Identity, Keys, Places, PullBehavior, Resources, Timings};
use anyhow::{Context as _, bail};
use network::{Place, Setup};
use tokio::io::AsyncReadExt as _;
use types::{Cpu, MemoryMib, Port};

use crate::args::AgentFlags;
use crate::server::Told;
use crate::share::Share;

/// Ports of an instance that no task gets (handbook 6.1): ssh, Docker's API, the agent's own.
const RESERVED_PORTS: [u16; 5] = [22, 2375, 2376, 51678, 51679];
/// How many namespaces of each kind are kept ready.
const NAMESPACES_READY: usize = 2;

/// How long an agent waits for the one before it, which gives back what its tasks held.
const TURN_WITHIN: Duration = Duration::from_mins(1);

/// Threads for what blocks: each has a stack, and more would only wait for the same disk.
const BLOCKING_THREADS_MAX: usize = 24;

/// `landfall agent`, until Ctrl-C.
pub(crate) fn run(flags: &AgentFlags) -> anyhow::Result<()> {
    // Everything waits for something: one thread carries it, and what blocks has its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()
        .context("cannot start the thread that carries the agent")?;
    let ended = runtime.block_on(async {
        let told_to_end = until_told_or_alone(Told::listen()?, flags.tied);
        tokio::pin!(told_to_end);
        let turn = tokio::select! {
            turn = turn(&flags.data) => turn?,
            () = &mut told_to_end => return Ok(None),
        };
        let (tell, told) = tokio::sync::watch::channel(false);
        let agent = agent::run(config(flags)?, told);
        tokio::pin!(agent);
        let ended = tokio::select! {
            ended = &mut agent => ended?,
            () = told_to_end => {
                tell.send_replace(true);
                agent.await?
            }
        };
        anyhow::Ok(Some((ended, turn)))
    });
    // Who waits for input that never comes must not hold up the end.
    runtime.shutdown_background();
    // The next agent may begin when this one has taken everything away, and not before.
    let Some((ended, _turn)) = ended? else { return Ok(()) };
    match ended {
        Ended::Busy => Ok(()),
        Ended::Idle => Ok(agent::stop_everything(&Places {
            run: flags.run.clone(),
            network: flags.run.join("net"),
            cgroup: flags.cgroup.clone(),
        })?),
    }
}

/// Waits until no other agent works with this folder; none does until the answer is dropped. The
/// kernel lets go of it however this process ends.
async fn turn(data: &Path) -> anyhow::Result<File> {
    fs::create_dir_all(data).with_context(|| format!("cannot make {}", data.display()))?;
    let path = data.join("agent.lock");
    let wrong = format!("cannot lock {}", path.display());
    let file = File::create(path).with_context(|| wrong.clone())?;
    let waiting = tokio::task::spawn_blocking(move || file.lock().map(|()| file));
    match tokio::time::timeout(TURN_WITHIN, waiting).await {
        Ok(locked) => locked.context("waiting was broken off")?.context(wrong),
        Err(_) => bail!(
            "another agent works with {} and does not end: stop it, or give this one a folder of \
             its own (--data)",
            data.display()
        ),
    }
}

/// Ends when the user or a service manager asks for it; if tied, also when standard input ends.
async fn until_told_or_alone(asked: Told, tied: bool) {
    let alone = async {
        let mut input = tokio::io::stdin();
        let mut byte = [0; 1];
        while tied && matches!(input.read(&mut byte).await, Ok(1..)) {}
        if !tied {
            core::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = asked.wait() => {}
        () = alone => {}
    }
}

fn config(flags: &AgentFlags) -> anyhow::Result<Config> {
    let zone = flags.zone.clone().unwrap_or_else(|| format!("{}a", flags.region));
    Ok(Config {
        endpoint: flags.endpoint.clone(),
        region: flags.region.clone(),
        cluster: flags.cluster.clone(),
        admission: admission(flags),
        images: flags.images.clone().unwrap_or_else(|| flags.data.join("images")),
        cgroup: flags.cgroup.clone(),
        program: std::env::current_exe().context("cannot find this program")?,
        network: network(flags)?,
        address: flags.address,
        dns: flags.dns,
        attributes: attributes(&flags.attributes)?,
        identity: Identity { instance_id: flags.instance_id.clone(), zone },
        resources: resources(flags)?,
        insecure_registries: flags.insecure_registries.clone(),
        pull: PullBehavior::Default,
        runtime: match &flags.runtime {
            Some(program) => shim::RuntimeKind::External { program: program.clone() },
            None => shim::RuntimeKind::Embedded,
        },
        timings: Timings::default(),
        data: flags.data.clone(),
        run: flags.run.clone(),
    })
}

/// A token, else the key in the environment: arguments can be read by everybody on the machine. With
/// neither, what a token was exchanged for before.
fn admission(flags: &AgentFlags) -> Admission {
    let get = |name: &str| std::env::var(name).ok().filter(|it| !it.is_empty());
    if let Some(token) = &flags.token {
        return Admission::Token(token.clone());
    }
    match (get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY")) {
        (Some(access_key_id), Some(secret_access_key)) => {
            let session_token = get("AWS_SESSION_TOKEN");
            Admission::Keys(Keys { access_key_id, secret_access_key, session_token })
        }
        _ => Admission::Joined,
    }
}

fn network(flags: &AgentFlags) -> anyhow::Result<Setup> {
    let place = match (&flags.region_tag, flags.address) {
        (Some(tag), Some(address)) => {
            let tag = network::Tag::parse(tag).context("--region-tag")?;
            let region = network::Region::ensure(&tag, None)
                .context("cannot set up the region's network on this machine")?;
            Place::Region(region.uplink(address).context("--address")?)
        }
        (Some(_), None) => bail!("--region-tag needs the instance's --address"),
        (None, _) => Place::Machine { vpc: None },
    };
    Ok(Setup {
        folder: flags.run.join("net"),
        place,
        containers: None,
        dynamic_ports: None,
        ready: NAMESPACES_READY,
    })
}

fn attributes(given: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let one = |it: &String| {
        let (name, value) = it.split_once('=').unwrap_or((it, ""));
        if name.is_empty() {
            bail!("--attribute {it}: a name is missing");
        }
        Ok((name.to_owned(), value.to_owned()))
    };
    given.iter().map(one).collect()
}

fn resources(flags: &AgentFlags) -> anyhow::Result<Resources> {
    let machine = Share::of_machine()?;
    Ok(Resources {
        cpu: flags.cpu.map_or(machine.cpu, Cpu),
        memory: flags.memory.map_or(machine.memory, MemoryMib),
        reserved_ports: RESERVED_PORTS.into_iter().map(Port::tcp).collect(),
        gpus: flags.gpus.iter().cloned().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::attributes;

    #[test]
    fn attributes_are_names_with_or_without_values() {
        let given = ["rack=7".to_owned(), "ssd".to_owned(), "a=b=c".to_owned()];
        let read = attributes(&given).expect("reads");
        let shown: Vec<_> = read.iter().map(|(name, value)| format!("{name}:{value}")).collect();
        assert_eq!(shown, ["a:b=c", "rack:7", "ssd:"]);
        assert!(attributes(&["=x".to_owned()]).is_err());
    }
}
