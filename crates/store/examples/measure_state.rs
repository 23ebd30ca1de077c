//! Measures how long a region's state takes to load, and what memory that takes.
//!
//! `cargo run --release -p store --example measure_state -- write FOLDER [ROWS]` fills a new
//! journal in a folder that is not there yet, `… -- load FOLDER` starts from it as a control plane
//! does. Two processes, so that the memory is that of loading alone. The folder is the caller's to
//! remove.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use state::{
    Assignment, Audit, Change, Cluster, ClusterStatus, Container, ContainerInstance, Demand,
    Desired, Dice, Health, InstanceStatus, LaunchType, Outcome, Resources, Revision, Status, Stop,
    StopCode, Task, Token, TokenKey,
};
use store::Core;
use store::journal::disk::RealDisk;
use store::journal::file::{FileJournal, Options};
use store::journal::{Batch, Journal, Op, OperationId, Row, Schema};
use types::{
    AccountId, ClusterName, ContainerName, Cpu, Family, Group, Home, InstanceId, MemoryMib, Region,
    TaskId, Timestamp, Zone,
};

type Answer<T> = Result<T, Box<dyn Error>>;

/// Rows of one batch; a batch is bounded in bytes.
const BATCH: usize = 1000;

/// How many rows in a hundred are of which kind; the rest are audits.
const INSTANCES: u64 = 1;
const ASSIGNMENTS: u64 = 1;
const LIVING: u64 = 10;
const STOPPED: u64 = 18;
const TOKENS: u64 = 20;

fn main() -> Answer<()> {
    let mut arguments = std::env::args().skip(1);
    let (order, folder) = (arguments.next(), arguments.next().ok_or("which folder?")?);
    let rows = arguments.next().map_or(Ok(1_000_000), |it| it.parse())?;
    match order.as_deref() {
        Some("write") => write(Path::new(&folder), rows),
        Some("load") => load(Path::new(&folder)),
        _ => Err("write or load?".into()),
    }
}

fn open(folder: &Path) -> Answer<FileJournal> {
    let disk = RealDisk::open(folder)?;
    Ok(FileJournal::open(Arc::new(disk), Options::new(Schema::new(1, Vec::new())))?)
}

fn write(folder: &Path, rows: u64) -> Answer<()> {
    let mut journal = open(folder)?;
    let epoch = journal.acquire()?;
    let words = Words::new()?;
    let mut dice = Dice::of(1);
    let mut ops = vec![put(&words.cluster())];
    for number in 1..rows {
        ops.push(put(&words.row(number, &mut dice)));
        if ops.len() == BATCH || number + 1 == rows {
            let ops = core::mem::take(&mut ops);
            journal.commit(epoch, &[Batch { id: OperationId(u128::from(number)), ops }])?;
        }
    }
    journal.close()?;
    println!("{rows} rows written");
    Ok(())
}

fn load(folder: &Path) -> Answer<()> {
    let before = Instant::now();
    let mut journal = open(folder)?;
    let (core, _) = Core::open(home()?, Dice::of(1), &mut journal)?;
    let took = before.elapsed();
    let rows = core.state().rows().count();
    println!("{rows} rows loaded in {:.2} s", took.as_secs_f64());
    let status = std::fs::read_to_string("/proc/self/status")?;
    for line in status.lines().filter(|it| it.starts_with("VmHWM") || it.starts_with("VmRSS")) {
        println!("{line}");
    }
    Ok(())
}

fn put(change: &Change) -> Op {
    let row = state::encode(change);
    Op::Put(Row { table: row.table, key: row.key, value: row.value.unwrap_or_default() })
}

fn home() -> Answer<Home> {
    Ok(Home { region: Region::parse("us-east-1")?, account: AccountId::parse("123456789012")? })
}

/// Names that all rows share.
struct Words {
    cluster: ClusterName,
    family: Family,
    zone: Zone,
    group: Group,
    container: ContainerName,
}

impl Words {
    fn new() -> Answer<Self> {
        Ok(Self {
            cluster: ClusterName::parse("default")?,
            family: Family::parse("web")?,
            zone: Zone::parse("us-east-1a")?,
            group: Group::parse("family:web")?,
            container: ContainerName::parse("app")?,
        })
    }

    fn cluster(&self) -> Change {
        Change::from(Cluster {
            name: self.cluster.clone(),
            status: ClusterStatus::Active,
            spec: Vec::new(),
            tags: Vec::new(),
            created_at: Timestamp(0),
            inactive_at: None,
        })
    }

    /// The row with that number: kinds in turn, keys of tasks and tokens in no order.
    fn row(&self, number: u64, dice: &mut Dice) -> Change {
        let instance = InstanceId::new(u128::from(number / 100));
        let mut kind = number % 100;
        let mut is = |share: u64| {
            let yes = kind < share;
            kind = kind.saturating_sub(share);
            yes
        };
        if is(INSTANCES) {
            self.instance(instance)
        } else if is(ASSIGNMENTS) {
            Change::from(Assignment { instance, version: number })
        } else if is(LIVING) {
            Change::from(self.task(number, instance, dice))
        } else if is(STOPPED) {
            Change::from(stopped(self.task(number, instance, dice), number))
        } else if is(TOKENS) {
            self.token(number, dice)
        } else {
            audit(number)
        }
    }

    fn instance(&self, id: InstanceId) -> Change {
        let attribute = |it: u32| (format!("ecs.capability.number-{it}"), None);
        Change::from(ContainerInstance {
            id,
            cluster: self.cluster.clone(),
            status: InstanceStatus::Active,
            ec2_instance_id: format!("i-{:017x}", id.bits()),
            zone: self.zone.clone(),
            attributes: (0..50).map(attribute).collect::<BTreeMap<_, _>>(),
            resources: Resources {
                cpu: Cpu(65_536),
                memory: MemoryMib(262_144),
                ..Resources::default()
            },
            connected: true,
            connected_at: Timestamp(0),
            given_up_at: None,
            registered_at: Timestamp(0),
            version: 1,
            agent_version: "1.0.0".into(),
            agent_hash: String::new(),
            docker_version: String::new(),
            tags: Vec::new(),
            owner: "AKIAAGENT".into(),
            machine: None,
            incarnation: 1,
            status_reason: None,
            registrations: None,
            forgot_at: None,
        })
    }

    fn task(&self, number: u64, instance: InstanceId, dice: &mut Dice) -> Task {
        let at = Timestamp(i64::try_from(number).unwrap_or_default());
        Task {
            id: TaskId::new(dice.bits()),
            cluster: self.cluster.clone(),
            revision: Revision { family: self.family.clone(), number: 1 },
            instance,
            zone: self.zone.clone(),
            group: self.group.clone(),
            started_by: Some("measure".into()),
            token: Some(format!("token-{number}")),
            audit: number,
            launch: LaunchType::Ec2,
            demand: Demand { cpu: Cpu(256), memory: MemoryMib(512), ..Demand::default() },
            overrides: Vec::new(),
            tags: Vec::new(),
            desired: Desired::Running,
            last: Status::Running,
            containers: vec![self.container(dice)],
            stop: None,
            created_at: at,
            pull_started_at: Some(at),
            pull_stopped_at: Some(at),
            started_at: Some(at),
            stopping_at: None,
            execution_stopped_at: None,
            stopped_at: None,
            connected_at: Some(at),
            version: 3,
            interface: None,
            released: false,
            exec: false,
            reference: None,
            placing: None,
            service: None,
        }
    }

    fn container(&self, dice: &mut Dice) -> Container {
        Container {
            name: self.container.clone(),
            id: dice.bits().to_be_bytes().into(),
            gpus: Vec::new(),
            last: Status::Running,
            runtime_id: Some(format!("{:064x}", dice.bits())),
            exit_code: None,
            reason: None,
            bindings: Vec::new(),
            image_digest: Some(format!("sha256:{:064x}", dice.bits())),
            pinned_digest: None,
            health: Health::Unknown,
        }
    }

    fn token(&self, number: u64, dice: &mut Dice) -> Change {
        let key = TokenKey { cluster: self.cluster.clone(), token: format!("token-{number}") };
        let at = i64::try_from(number).unwrap_or_default();
        Change::from(Token {
            key,
            digest: [dice.bits().to_be_bytes(), dice.bits().to_be_bytes()].concat(),
            tasks: vec![TaskId::new(dice.bits())],
            failures: Vec::new(),
            created_at: Timestamp(at),
            expires_at: Timestamp(at + 86_400_000),
            audit: number,
        })
    }
}

fn stopped(task: Task, number: u64) -> Task {
    let at = Some(Timestamp(i64::try_from(number).unwrap_or_default()));
    let reason = "Essential container in task exited".into();
    Task {
        desired: Desired::Stopped,
        last: Status::Stopped,
        stop: Some(Stop { code: StopCode::EssentialContainerExited, reason }),
        stopping_at: at,
        execution_stopped_at: at,
        stopped_at: at,
        released: true,
        ..task
    }
}

fn audit(number: u64) -> Change {
    Change::from(Audit {
        number,
        at: Timestamp(i64::try_from(number).unwrap_or_default()),
        request_id: u128::from(number).to_be_bytes().into(),
        source: "ecs.amazonaws.com".into(),
        operation: "RunTask".into(),
        caller: "arn:aws:iam::123456789012:root".into(),
        access_key: "AKIAIOSFODNN7EXAMPLE".into(),
        source_ip: "127.0.0.1".into(),
        user_agent: "aws-cli/2.0".into(),
        token: Some(format!("token-{number}")),
        outcome: Outcome::Done,
        resources: vec![format!("arn:aws:ecs:us-east-1:123456789012:task/default/{number:032x}")],
    })
}
