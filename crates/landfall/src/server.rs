//! The control plane: journal, writer, door, and how they start and stop.

use core::time::Duration;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::exit;
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, bail};
use api::region::{RegionPlan, RegionPlanError, first_start};
use gateway::{
    AlarmClock, Archivist, Door, History, Keys, LiveRegion, ReconcilerDesk, RegionNames, Trust,
};
use link::{Balancers, Hub};
use network::Ipv4Range;
use plan::credentials;
use reconcilers::{Past, Policy, Queue};
use state::{
    AccessKey, Caller, Change, Context, Dice, Draft, InstanceStatus, Purpose, RegionRow, State,
};
use store::journal::Journal;
use store::journal::Schema;
use store::journal::disk::{Disk, RealDisk, SlowDisk};
use store::journal::file::{FileJournal, Options};
use store::{Core, SYNCS_AT_ONCE, Surroundings, Threads, Transaction, Writer};
use telemetry::history::{RealFiles, Retention};
use telemetry::logs::LogStore;
use telemetry::metrics::MetricStore;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use types::{AccountId, ClusterName, Home, InstanceId, Region, Timestamp, Zone};

use crate::args::{Auth, Keep, ServerFlags};
use crate::clock::{now, steady_clock};
use crate::home::{Folder, Note};
use crate::names;

/// Version of the rows that this release writes.
const SCHEMA: u32 = 1;
/// The cluster that every region has.
const DEFAULT_CLUSTER: &str = "default";

/// `landfall server`: the control plane alone, until Ctrl-C.
pub(crate) fn run(flags: &ServerFlags) -> anyhow::Result<()> {
    let runtime = runtime()?;
    runtime.block_on(async {
        let told = Told::listen()?;
        let server = Server::start(flags, &Extra::default()).await?;
        eprintln!("landfall: the region serves at {}", server.endpoint);
        told.wait().await;
        server.stop().await;
        Ok(())
    })
}

/// The threads that carry requests.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the threads that carry requests")
}

/// Hears when the user presses Ctrl-C or a service manager asks for an end: from when it is made,
/// so that an early one is an end in good order too.
pub(crate) struct Told {
    interrupted: Signal,
    terminated: Signal,
}

impl Told {
    /// Listens from now on. Within a runtime only.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            interrupted: listen(SignalKind::interrupt())?,
            terminated: listen(SignalKind::terminate())?,
        })
    }

    /// Ends once this process was told to, perhaps before the call.
    pub(crate) async fn wait(mut self) {
        tokio::select! {
            _ = self.interrupted.recv() => {}
            _ = self.terminated.recv() => {}
        }
    }
}

/// What a region on one machine has besides its flags.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extra {
    /// Address on which container instances reach the control plane.
    pub(crate) gateway: Option<Ipv4Addr>,
    /// Range of the default VPC, where it is not the usual one.
    pub(crate) vpc: Option<Ipv4Range>,
}

/// Who hears of what the journal's threads have made safe. They are made after those threads.
struct Hearers {
    hub: Arc<Hub>,
    balancers: Arc<Balancers>,
}

/// What the writer needs of the world.
fn surroundings(
    flags: &ServerFlags,
    keys: Arc<Keys>,
    names: Arc<RegionNames>,
    hearers: Arc<OnceLock<Hearers>>,
) -> Surroundings {
    Surroundings {
        now: Box::new(steady_clock()),
        durable: Box::new(move |transactions: &[Transaction]| {
            for transaction in transactions {
                keys.hear(&transaction.changes);
                names.hear(&transaction.changes);
                if let Some(Hearers { hub, balancers }) = hearers.get() {
                    hub.changed(&transaction.changes);
                    balancers.changed(&transaction.changes);
                }
            }
        }),
        syncs_at_once: flags.syncs_at_once.unwrap_or(SYNCS_AT_ONCE),
        fatal: Box::new(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "the journal has failed");
            eprintln!("landfall: the journal has failed, nothing more can be promised: {error}");
            exit(70);
        }),
    }
}

/// The instances and the balancers that the state believes connected.
fn callers(state: &State) -> (Vec<InstanceId>, Vec<String>) {
    let instances = state.container_instances().values().filter(|it| it.connected);
    let balancers = state.balancers().values().filter(|it| it.connected);
    (instances.map(|it| it.id).collect(), balancers.map(|it| it.name.clone()).collect())
}

/// A control plane that serves.
pub(crate) struct Server {
    /// Where clients reach it.
    pub(crate) endpoint: String,
    /// The address behind that.
    pub(crate) address: SocketAddr,
    /// What the agents of this machine sign with.
    pub(crate) agent_key: Arc<AccessKey>,
    /// What its names stand for.
    pub(crate) names: Arc<RegionNames>,
    /// Where tasks of this machine ask about them.
    pub(crate) name_server: Option<Ipv4Addr>,
    /// What its balancers sign with.
    pub(crate) balancer_key: Arc<AccessKey>,
    region: Arc<RegionRow>,
    writer: Writer,
    close: watch::Sender<bool>,
    doors: Vec<tokio::task::JoinHandle<()>>,
    watch: tokio::task::JoinHandle<()>,
    publisher: tokio::task::JoinHandle<()>,
    retention: tokio::task::JoinHandle<()>,
    tending: tokio::task::JoinHandle<()>,
    alarms: tokio::task::JoinHandle<()>,
    archivist: Option<tokio::task::JoinHandle<()>>,
    threads: Threads,
}

impl Server {
    /// Starts a control plane.
    pub(crate) async fn start(flags: &ServerFlags, extra: &Extra) -> anyhow::Result<Self> {
        let home = home(flags)?;
        let trust = trust(flags)?;
        let folder = Folder::of(&flags.place)?;
        folder.make()?;
        // Ports first: a region that cannot be reached should not open its journal.
        let first = listen(flags.listen).await?;
        let address = first.local_addr()?;
        let mut listeners = vec![first];
        if let Some(gateway) = extra.gateway.filter(|_| !flags.listen.ip().is_unspecified()) {
            listeners.push(listen((gateway, address.port()).into()).await?);
        }
        let endpoint = format!("http://{address}");
        let dns = names::listen(flags, extra).await?;

        let logs = LogStore::open(folder.logs()).context("cannot open the log store")?;
        let logs = Arc::new(logs);
        let metrics = metrics(&folder)?;
        let history = history(flags, &folder)?;
        let (core, epoch, journal) = open(flags, extra, &home, &folder)?;
        write_note(&core, &home, &endpoint, &folder)?;
        let agent_key = agent_key(&core)?;
        let balancer_key = balancer_key(&core)?;
        let row = core.state().region().get(&()).context("the region was founded")?.clone();
        let keys = Arc::new(Keys::of(core.state()));
        let names = Arc::new(RegionNames::of(core.state()));
        let (connected, balancing) = callers(core.state());
        let queue = Queue::new(reconcilers::registry(&policy(flags)), core.state(), now());
        let hearers: Arc<OnceLock<Hearers>> = Arc::default();
        let surroundings = surroundings(flags, keys.clone(), names.clone(), hearers.clone());
        let (writer, threads) =
            Writer::start(core, epoch, journal, Box::new(ReconcilerDesk(queue)), surroundings);

        let clock: Arc<dyn Fn() -> Timestamp + Send + Sync> = Arc::new(now);
        let region = LiveRegion::new(home.clone(), writer.clone(), metrics.clone(), clock.clone());
        let silence = Some(Duration::from_secs(flags.lost_after));
        let region = Arc::new(region);
        let alarms = tokio::spawn(AlarmClock::new(region.clone()).work());
        let hub = Hub::new(region.clone(), connected, silence);
        let balancers = Balancers::new(region, epoch.0, balancing);
        drop(hearers.set(Hearers { hub: hub.clone(), balancers: balancers.clone() }));
        let publisher = tokio::spawn(balancers.clone().work());
        let watch = tokio::spawn(hub.clone().watch());
        let retention = tokio::spawn(crate::retention::keep(logs.clone()));
        let tending = tokio::spawn(crate::retention::tend(metrics.clone()));
        let archivist = history.clone().map(|it| {
            let archivist = Archivist::new(it, writer.clone(), policy(flags), clock.clone());
            tokio::spawn(archivist.work())
        });
        let door = Arc::new(Door {
            only_region: flags.only_region.then(|| home.region.to_string()),
            home,
            registry: api::registry()
                .and(gateway::logs_registry())
                .and(gateway::metrics_registry()),
            logs: logs.clone(),
            metrics,
            history,
            writer: writer.clone(),
            keys,
            trust,
            verifier: wire::sigv4::Verifier::default(),
            hub,
            balancers,
            clock,
            address: address.to_string(),
        });
        let (close, closed) = watch::channel(false);
        let serve = |it| tokio::spawn(gateway::serve(door.clone(), it, closed.clone()));
        let mut doors: Vec<_> = listeners.into_iter().map(serve).collect();
        let region = row;
        let name_server = dns.as_ref().and_then(|it| it.for_tasks);
        doors.extend(dns.map(|it| it.serve(names.clone(), &region, closed.clone())));
        Ok(Self {
            endpoint,
            address,
            agent_key,
            names,
            name_server,
            balancer_key,
            region,
            writer,
            close,
            doors,
            watch,
            publisher,
            retention,
            tending,
            alarms,
            archivist,
            threads,
        })
    }

    /// The address of the instance with that number in a zone.
    pub(crate) fn instance_address(&self, zone: &Zone, number: u32) -> anyhow::Result<Ipv4Addr> {
        let subnet = self.region.subnets.iter().find(|it| it.zone == *zone);
        let subnet = subnet.with_context(|| format!("zone {zone} has no subnet"))?;
        Ok(Ipv4Addr::from(subnet.base + number))
    }

    /// Waits until so many instances are connected, or for ten seconds: they may come later.
    pub(crate) async fn wait_for_instances(&self, wanted: u32) {
        let wait = async {
            while self.ask(connected).await.is_some_and(|it| it < wanted) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        drop(tokio::time::timeout(Duration::from_secs(10), wait).await);
    }

    /// Whether any task may still hold something on an instance.
    pub(crate) async fn holds_tasks(&self) -> bool {
        let holds = |core: &mut Core| core.state().tasks().values().any(|it| !it.released);
        self.ask(holds).await.unwrap_or(true)
    }

    async fn ask<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Core) -> T + Send + 'static,
    ) -> Option<T> {
        let (tell, told) = tokio::sync::oneshot::channel();
        let job = Box::new(move |core: &mut Core| -> store::Release {
            let answer = look(core);
            Box::new(move || drop(tell.send(answer)))
        });
        self.writer.submit(job).ok()?;
        told.await.ok()
    }

    /// Lets requests under way end, then makes safe and answers what was decided.
    pub(crate) async fn stop(self) {
        self.close.send_replace(true);
        self.watch.abort();
        self.publisher.abort();
        self.retention.abort();
        self.tending.abort();
        self.alarms.abort();
        if let Some(archivist) = self.archivist {
            archivist.abort();
        }
        for door in self.doors {
            drop(door.await);
        }
        drop(tokio::task::spawn_blocking(|| self.threads.end()).await);
    }
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: is another region running? Choose with --listen")
    })
}

fn connected(core: &mut Core) -> u32 {
    let instances = core.state().container_instances().values();
    let count =
        instances.filter(|it| it.connected && it.status != InstanceStatus::Inactive).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn open(
    flags: &ServerFlags,
    extra: &Extra,
    home: &Home,
    folder: &Folder,
) -> anyhow::Result<(Core, store::journal::Epoch, Box<dyn Journal>)> {
    let path = folder.journal();
    let disk = RealDisk::open(&path)
        .with_context(|| format!("cannot open the journal's folder {}", path.display()))?;
    let options = Options::new(Schema::new(SCHEMA, Vec::new()));
    let mut journal = FileJournal::open(slowed(flags, disk), options)
        .with_context(|| format!("cannot open the journal in {}", path.display()))?;
    let (mut core, epoch) = Core::open(home.clone(), dice()?, &mut journal)
        .with_context(|| format!("cannot read the journal in {}", path.display()))?;

    core.advance(now());
    let usual = || "172.31.0.0/16".parse::<Ipv4Range>();
    let vpc = extra.vpc.map_or_else(usual, Ok)?;
    let plan = RegionPlan {
        zones: zones(flags)?,
        vpc_base: vpc.base().to_bits(),
        vpc_prefix: vpc.prefix(),
    };
    core.write(Caller::region(), 0, |draft, context| {
        first_start(draft, context, &plan)?;
        make_agent_key(draft, context);
        make_balancer_key(draft, context);
        Ok::<_, RegionPlanError>(())
    })?;
    let batches: Vec<_> = core.take().iter().map(Transaction::batch).collect();
    journal.commit(epoch, &batches).context("cannot write to the journal")?;
    Ok((core, epoch, Box::new(journal)))
}

/// The disk as it is, unless a bench wants one whose syncs take a given time.
fn slowed(flags: &ServerFlags, disk: RealDisk) -> Arc<dyn Disk> {
    let Some(delay) = flags.disk_delay_ms else { return Arc::new(disk) };
    eprintln!("landfall: --disk-delay-ms {delay}: nothing is made durable, this is a bench");
    Arc::new(SlowDisk::new(Arc::new(disk), Duration::from_millis(delay)))
}

/// The agents that `up` runs share a key; it opens the default cluster only.
fn make_agent_key(draft: &mut Draft<'_>, context: &mut Context<'_>) {
    if draft.state().access_keys().values().any(|it| is_agent_key(it)) {
        return;
    }
    let cluster = ClusterName::parse(DEFAULT_CLUSTER).expect("follows the rule of cluster names");
    let key = credentials::long_lived(Purpose::Agent(cluster), context.now, context.dice);
    draft.change(Change::from(key));
}

/// All balancers of a region share a key; cookies are sealed with what is made of it.
fn make_balancer_key(draft: &mut Draft<'_>, context: &mut Context<'_>) {
    if draft.state().access_keys().values().any(|it| it.purpose == Purpose::Balancer) {
        return;
    }
    let key = credentials::long_lived(Purpose::Balancer, context.now, context.dice);
    draft.change(Change::from(key));
}

fn balancer_key(core: &Core) -> anyhow::Result<Arc<AccessKey>> {
    let mut keys = core.state().access_keys().values();
    let first = keys.find(|it| it.purpose == Purpose::Balancer);
    first.cloned().context("the region has no key for its balancers")
}

fn agent_key(core: &Core) -> anyhow::Result<Arc<AccessKey>> {
    let keys = core.state().access_keys().values().filter(|it| is_agent_key(it));
    // Later ones belong to machines that joined with a token, and speak for their instances alone.
    let first = keys.min_by_key(|it| (it.created_at, it.id.clone()));
    first.cloned().context("the region has no key for its agents")
}

fn is_agent_key(key: &AccessKey) -> bool {
    matches!(&key.purpose, Purpose::Agent(cluster) if cluster.as_str() == DEFAULT_CLUSTER)
}

fn dice() -> anyhow::Result<Dice> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(Dice::new(seed))
}

fn write_note(core: &Core, home: &Home, endpoint: &str, folder: &Folder) -> anyhow::Result<()> {
    let mut keys = core.state().access_keys().values();
    let key = keys.find(|it| it.purpose == Purpose::Root).context("the region has no key")?;
    folder.write_note(&Note {
        endpoint: endpoint.to_owned(),
        region: home.region.to_string(),
        account: home.account.to_string(),
        access_key_id: key.id.clone(),
        secret_access_key: key.secret.clone(),
        vpc: core
            .state()
            .region()
            .get(&())
            .map(|it| format!("{}/{}", Ipv4Addr::from(it.vpc_base), it.vpc_prefix)),
    })
}

fn home(flags: &ServerFlags) -> anyhow::Result<Home> {
    Ok(Home {
        region: Region::parse(&flags.region)
            .with_context(|| format!("--region {}", flags.region))?,
        account: AccountId::parse(&flags.account)
            .with_context(|| format!("--account {}: twelve digits", flags.account))?,
    })
}

/// Letters are zones of the region, such as `us-east-1a`.
pub(crate) fn zones(flags: &ServerFlags) -> anyhow::Result<Vec<Zone>> {
    let full = |text: &String| match text.len() {
        1 => format!("{}{text}", flags.region),
        _ => text.clone(),
    };
    let parse = |text: String| Zone::parse(&text).with_context(|| format!("--zones {text}"));
    flags.zones.iter().map(full).map(parse).collect()
}

fn trust(flags: &ServerFlags) -> anyhow::Result<Trust> {
    match flags.auth {
        Auth::On => Ok(Trust::Signed),
        Auth::Off if flags.listen.ip().is_loopback() => {
            eprintln!("landfall: --auth off: requests are not checked for who made them");
            Ok(Trust::Everybody)
        }
        Auth::Off => bail!(
            "--auth off is for loopback only: listening on {} would open the region to everybody \
             who can reach it",
            flags.listen
        ),
    }
}

fn policy(flags: &ServerFlags) -> Policy {
    let give_up_after = Some(flags.give_up_after).filter(|it| *it > 0).map(Duration::from_secs);
    let past = match flags.history {
        Keep::Nothing => Past::Forgotten,
        Keep::Days(_) | Keep::Forever => Past::Archived,
    };
    let stopped_kept = Duration::from_secs(flags.task_retention);
    Policy { give_up_after, stopped_kept, past, ..Policy::default() }
}

fn metrics(folder: &Folder) -> anyhow::Result<Arc<MetricStore>> {
    let path = folder.metrics();
    let open = || {
        let files = RealFiles::open(&path)?;
        Ok::<_, anyhow::Error>(MetricStore::open(Arc::new(files))?)
    };
    let store = open().with_context(|| format!("cannot open the metrics in {}", path.display()))?;
    Ok(Arc::new(store))
}

fn history(flags: &ServerFlags, folder: &Folder) -> anyhow::Result<Option<Arc<History>>> {
    let retention = match flags.history {
        Keep::Nothing => return Ok(None),
        Keep::Days(days) => Retention::Days(days),
        Keep::Forever => Retention::Forever,
    };
    let path = folder.history();
    let history = History::open(&path, retention)
        .with_context(|| format!("cannot open the history in {}", path.display()))?;
    Ok(Some(Arc::new(history)))
}
