//! Which faults a seed has, and how likely they are. Most seeds lack most faults: what goes wrong
//! at once hides what goes wrong alone.

use crate::lot::{Chance, Lot};

/// Faults that come at a time of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    CrashRegion,
    CrashAgent,
    Reboot,
    Wipe,
    Freeze,
    Partition,
    KillShim,
    CutWire,
    Clone,
    RegionClock,
    MachineClock,
    LongClock,
    /// A step of the disk fails soon.
    DiskFails,
    /// The disk is full for a while.
    DiskFull,
    /// Nobody is heard of for a while.
    Storm,
    /// The control plane is replaced by a newer release.
    Upgrade,
}

impl Fault {
    const ALL: [Self; 15] = [
        Self::CrashRegion,
        Self::CrashAgent,
        Self::Reboot,
        Self::Wipe,
        Self::Freeze,
        Self::Partition,
        Self::KillShim,
        Self::CutWire,
        Self::Clone,
        Self::RegionClock,
        Self::MachineClock,
        Self::LongClock,
        Self::DiskFails,
        Self::DiskFull,
        Self::Upgrade,
    ];
}

/// What a world is about, where its seed does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Services that are changed all the time.
    Services,
    /// Services that are found by name.
    Names,
    /// Load balancers and their targets.
    Balancers,
    /// Services over several machines in each zone, which are mostly left alone.
    Zones,
    /// Services behind load balancers, Classic ones too, under alarms of what was measured.
    Fronts,
}

impl Kind {
    /// All of them, by their names.
    pub const ALL: [(&'static str, Self); 5] = [
        ("services", Self::Services),
        ("names", Self::Names),
        ("balancers", Self::Balancers),
        ("zones", Self::Zones),
        ("fronts", Self::Fronts),
    ];
}

/// Whether services are in Cloud Map and have client aliases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    Nameless,
    Named,
}

/// What goes wrong in a run, and how much there is of everything. Times are in milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Swarm {
    pub(crate) machines: u32,
    pub(crate) clients: u32,
    /// How long clients think.
    pub(crate) think: u64,
    /// The mean time between two faults of [`Swarm::faults`].
    pub(crate) fault_every: u64,
    pub(crate) faults: Vec<Fault>,
    /// Whether the journal is files on a simulated disk.
    pub(crate) files: bool,
    /// Whether a history is kept of what is over.
    pub(crate) archives: bool,
    /// How many balancers there are; load balancers exist only where there is one.
    pub(crate) balancers: u32,
    /// How many services there may be at a time.
    pub(crate) services: u32,
    /// Whether services are found by name.
    pub(crate) naming: Naming,
    /// The longest time between two deeds of whoever changes services.
    pub(crate) acts_every: u64,
    /// What it is about, where it is about something.
    pub(crate) about: Option<Kind>,
    /// Whether some agents are of an older protocol revision.
    pub(crate) skew: bool,
    /// Part of the messages that go through their bytes.
    pub(crate) bytes: Chance,
    /// The longest way of a message.
    pub(crate) delay: u64,
    /// A message that takes much longer.
    pub(crate) late: Chance,
    /// A request or answer that never arrives.
    pub(crate) lost: Chance,
    /// A message on which its websocket breaks.
    pub(crate) cut: Chance,
    /// A request that arrives twice.
    pub(crate) doubled: Chance,
    /// The longest ordinary commit.
    pub(crate) sync: u64,
    /// A commit that takes seconds.
    pub(crate) stall: Chance,
    /// A commit that fails, with any outcome.
    pub(crate) commit_fails: Chance,
    /// The control plane ends between a commit and one of its answers.
    pub(crate) commit_crashes: Chance,
    /// An agent ends at an output: before, within or after its rows, or among its effects.
    pub(crate) agent_crashes: Chance,
    /// Steps on machines that fail.
    pub(crate) step_fails: Chance,
    /// Steps on machines that take minutes.
    pub(crate) step_stalls: Chance,
    /// Signals that do not arrive.
    pub(crate) signal_lost: Chance,
    /// Containers that ignore SIGTERM.
    pub(crate) stubborn: Chance,
    /// Containers that end by themselves.
    pub(crate) exits: Chance,
    /// Health checks that fail.
    pub(crate) unwell: Chance,
}

impl Swarm {
    /// What goes wrong under a seed.
    pub(crate) fn draw(seed: u64) -> Self {
        let lot = &mut Lot::new(seed, 99);
        let mut some = |most: u64| {
            let exists = lot.below(2) == 1;
            let amount = lot.between(1, most);
            if exists { u32::try_from(amount).unwrap_or(0) } else { 0 }
        };
        let mut drawn = Self {
            machines: 2,
            clients: 2,
            think: 0,
            fault_every: 0,
            faults: Vec::new(),
            files: false,
            archives: false,
            balancers: 0,
            services: 0,
            naming: Naming::Nameless,
            acts_every: 8_000,
            about: None,
            skew: false,
            bytes: 500,
            delay: 0,
            late: some(300),
            lost: some(800),
            cut: some(150),
            doubled: some(300),
            sync: 0,
            stall: some(300),
            commit_fails: some(60),
            commit_crashes: some(60),
            agent_crashes: some(60),
            step_fails: some(1500),
            step_stalls: some(300),
            signal_lost: some(1000),
            stubborn: some(3000),
            exits: some(7000),
            unwell: some(4000),
        };
        drawn.machines += u32::try_from(lot.below(5)).unwrap_or(0);
        drawn.clients += u32::try_from(lot.below(4)).unwrap_or(0);
        drawn.think = lot.between(200, 6_000);
        drawn.fault_every = lot.between(3_000, 30_000);
        drawn.faults = Fault::ALL.into_iter().filter(|_| lot.below(3) == 0).collect();
        drawn.files = lot.below(8) == 0;
        drawn.skew = lot.below(4) == 0;
        drawn.delay = lot.between(2, 300);
        drawn.sync = lot.between(1, 60);
        drawn.archives = lot.below(2) == 0;
        // Seeds that showed something before there were such worlds are not among theirs.
        match seed % 20 {
            1 => drawn.become_one_of(Kind::Zones, seed),
            7 => drawn.become_one_of(Kind::Fronts, seed),
            9 => drawn.become_one_of(Kind::Services, seed),
            19 => drawn.become_one_of(Kind::Names, seed),
            it if matches!(it % 5, 0 | 2) => drawn.become_one_of(Kind::Balancers, seed),
            _ => {}
        }
        // Of one seed in eleven all machines are cut off together now and then; none of these showed
        // something before.
        if seed % 11 == 4 && drawn.machines > 1 {
            drawn.machines = drawn.machines.max(4);
            drawn.faults.push(Fault::Storm);
        }
        if lot.below(8) == 0 {
            // A disk at its end and websockets that hardly stand: what waits for what shows here.
            drawn.stall = 3_000;
            drawn.cut = 800;
        }
        drawn
    }

    /// Makes a world one of a kind, with little that takes the place of what it is about.
    pub(crate) fn become_one_of(&mut self, kind: Kind, seed: u64) {
        let small = |it: u64| u32::try_from(it).unwrap_or(1);
        if matches!(kind, Kind::Balancers | Kind::Fronts) {
            self.balancers = small(Lot::new(seed, 98).between(1, 3));
            (self.machines, self.clients) = (1, 1);
        }
        if kind != Kind::Balancers {
            let lot = &mut Lot::new(seed, 97);
            self.services = small(lot.between(1, 3));
            (self.machines, self.clients) = (small(lot.between(2, 4)), 1);
        }
        if kind == Kind::Zones {
            self.machines += 2;
            self.acts_every = 60_000;
        }
        self.about = Some(kind);
        if kind == Kind::Names {
            self.naming = Naming::Named;
        }
    }

    /// Whether there are Classic Load Balancers, and alarms look at what was measured.
    pub(crate) fn has_fronts(&self) -> bool {
        self.about == Some(Kind::Fronts)
    }

    /// A world in which nothing goes wrong by itself, for stories.
    pub(crate) fn calm(machines: u32) -> Self {
        let mut calm = Self { machines, clients: 1, ..Self::draw(0) };
        calm.heal();
        (calm.bytes, calm.files, calm.skew, calm.stubborn) = (0, false, false, 0);
        calm.archives = false;
        (calm.balancers, calm.services, calm.naming) = (0, 0, Naming::Nameless);
        calm.about = None;
        (calm.delay, calm.sync, calm.think) = (5, 5, 1_000);
        calm
    }

    /// Nothing goes wrong any more; what has begun to goes on to its end.
    pub(crate) fn heal(&mut self) {
        self.faults.clear();
        for chance in [
            &mut self.late,
            &mut self.lost,
            &mut self.cut,
            &mut self.doubled,
            &mut self.stall,
            &mut self.commit_fails,
            &mut self.commit_crashes,
            &mut self.agent_crashes,
            &mut self.step_fails,
            &mut self.step_stalls,
            &mut self.signal_lost,
            &mut self.exits,
            &mut self.unwell,
        ] {
            *chance = 0;
        }
    }
}
