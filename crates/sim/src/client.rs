//! Clients: they ask for things, lose patience, and ask again with the same words.

use std::collections::BTreeMap;

use crate::event::{CallId, ClientEvent, ClientId, Event, Party, Reply};
use crate::lot::Lot;
use crate::violation::Checked;
use crate::world::{World, world_error};

/// How often a client asks again for what it got no answer to.
const ATTEMPTS_MAX: u32 = 6;

/// Task definitions that clients register, by family. Times of checks are short.
const DEFINITIONS: [(&str, &str); 13] = [
    ("small", r#"[{"name":"app","image":"web","memory":128,"cpu":128}]"#),
    (
        "port",
        r#"[{"name":"app","image":"web","memory":128,"cpu":64,"portMappings":[{"containerPort":80,"hostPort":8080}]}]"#,
    ),
    (
        "dynamic",
        r#"[{"name":"app","image":"web","memory":64,"cpu":64,"portMappings":[{"containerPort":80}]}]"#,
    ),
    (
        "pair",
        r#"[{"name":"db","image":"web","memory":64,"cpu":64,"essential":false,"healthCheck":{"command":["CMD","ok"],"interval":5,"timeout":2,"retries":2}},{"name":"app","image":"web","memory":64,"cpu":64,"dependsOn":[{"containerName":"db","condition":"HEALTHY"}]}]"#,
    ),
    (
        "init",
        r#"[{"name":"prepare","image":"job","memory":64,"cpu":64,"essential":false},{"name":"app","image":"web","memory":64,"cpu":64,"dependsOn":[{"containerName":"prepare","condition":"SUCCESS"}]}]"#,
    ),
    (
        "again",
        r#"[{"name":"app","image":"web","memory":64,"cpu":64,"restartPolicy":{"enabled":true,"restartAttemptPeriod":60}}]"#,
    ),
    ("job", r#"[{"name":"app","image":"job","memory":64,"cpu":128}]"#),
    ("big", r#"[{"name":"app","image":"web","memory":512,"cpu":512,"stopTimeout":5}]"#),
    (
        "own",
        r#"[{"name":"app","image":"web","memory":64,"cpu":64,"portMappings":[{"containerPort":80}]}]"#,
    ),
    (
        "host",
        r#"[{"name":"app","image":"web","memory":64,"cpu":64,"portMappings":[{"containerPort":9090}]},{"name":"dns","image":"web","memory":64,"cpu":64,"essential":false,"portMappings":[{"containerPort":9090,"protocol":"udp"}]}]"#,
    ),
    (
        "gpu",
        r#"[{"name":"app","image":"web","memory":64,"cpu":64,"resourceRequirements":[{"type":"GPU","value":"1"}]}]"#,
    ),
    (
        "gpus",
        r#"[{"name":"app","image":"web","memory":64,"cpu":64,"resourceRequirements":[{"type":"GPU","value":"1"}],"dependsOn":[{"containerName":"side","condition":"START"}]},{"name":"side","image":"web","memory":64,"cpu":64,"essential":false,"resourceRequirements":[{"type":"GPU","value":"1"}],"portMappings":[{"containerPort":80}]}]"#,
    ),
    // Of stories only.
    ("tiny", r#"[{"name":"app","image":"web","memory":16,"cpu":16}]"#),
];

/// Families that clients choose from.
const FAMILIES: u64 = 12;

/// Families of a network mode other than `bridge`.
const MODES: [(&str, &str); 2] = [("own", "awsvpc"), ("host", "host")];

/// All clients, and what they know in common.
#[derive(Debug)]
pub(crate) struct Clients {
    all: BTreeMap<ClientId, Client>,
    next_token: u64,
    /// ARNs of tasks that answers have named, the latest last.
    tasks: Vec<String>,
    instances: Vec<String>,
    /// Subnets of the region, as ids; the first time that somebody looks.
    pub(crate) subnets: Vec<String>,
    /// What has been answered, for stories; kept only there.
    pub(crate) answers: Option<BTreeMap<CallId, Reply>>,
}

/// A client and what it waits for.
#[derive(Debug, Default)]
struct Client {
    asked: BTreeMap<CallId, Ask>,
}

/// A request as a client remembers it.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) operation: &'static str,
    body: String,
    pub(crate) token: Option<String>,
    /// Equal for equal parameters.
    pub(crate) variant: u64,
    attempts: u32,
}

impl Ask {
    fn new(operation: &'static str, body: String) -> Self {
        Self { operation, body, token: None, variant: 0, attempts: 0 }
    }

    /// A request that is not repeated by itself.
    pub(crate) fn once(operation: &'static str, body: String, variant: u64) -> Self {
        let token = body.split(r#""clientToken":""#).nth(1).and_then(|it| it.split('"').next());
        let token = token.map(str::to_owned);
        Self { token, variant, attempts: ATTEMPTS_MAX, ..Self::new(operation, body) }
    }
}

impl Clients {
    pub(crate) fn new(count: u32) -> Self {
        Self {
            all: (0..count).map(|id| (id, Client::default())).collect(),
            next_token: 0,
            tasks: Vec::new(),
            instances: Vec::new(),
            subnets: Vec::new(),
            answers: None,
        }
    }

    /// What a client asked with a call it still waits for.
    pub(crate) fn asked(&self, client: ClientId, call: CallId) -> Option<&Ask> {
        self.all.get(&client)?.asked.get(&call)
    }

    /// Something to ask for.
    fn think(&mut self, lot: &mut Lot) -> Ask {
        match lot.below(100) {
            0..40 => self.run(lot),
            40..45 => self.start(lot),
            45..62 => self.stop(lot),
            62..70 => register(lot),
            70..72 => Ask::new(
                "DeregisterTaskDefinition",
                format!(r#"{{"taskDefinition":"{}"}}"#, revision(lot)),
            ),
            72..73 => Ask::new(
                "DeleteTaskDefinitions",
                format!(r#"{{"taskDefinitions":["{}"]}}"#, revision(lot)),
            ),
            73..79 => self.update(lot),
            79..82 => self.attribute(lot),
            82..83 => self.deregister(lot),
            83..91 => self.describe(lot),
            91..95 => Ask::new("ListTasks", r#"{"cluster":"default"}"#.into()),
            _ => Ask::new("ListContainerInstances", r#"{"cluster":"default"}"#.into()),
        }
    }

    /// RunTask, mostly with a token: a new one, one in use, or an old one.
    fn run(&mut self, lot: &mut Lot) -> Ask {
        let token = match lot.below(10) {
            0 => None,
            1..6 => {
                self.next_token += 1;
                Some(self.next_token)
            }
            6..9 => Some(self.next_token.saturating_sub(lot.below(4)).max(1)),
            _ => Some(lot.between(1, self.next_token.max(1))),
        };
        // Who repeats a token mostly means the same; sometimes something else by mistake.
        let variant = match token {
            Some(token) if lot.below(10) > 0 => token.wrapping_mul(0x9e37_79b9) >> 3,
            _ => lot.below(1 << 20),
        };
        let variant = canonical(variant);
        let mut ask = Ask::new("RunTask", self.launch(variant, token));
        ask.token = token.map(|it| format!("token-{it}"));
        ask.variant = variant;
        ask
    }

    /// A RunTask request as its variant says. What its tasks must be checked for stands in
    /// `startedBy` and in the group.
    fn launch(&self, variant: u64, token: Option<u64>) -> String {
        let family = family(variant & 15);
        let count = (variant >> 4 & 3) + 1;
        let extra = match variant >> 6 {
            0 => {
                r#","startedBy":"ssd","placementConstraints":[{"type":"memberOf","expression":"attribute:disk == ssd"}]"#
            }
            1 => r#","group":"apart","placementConstraints":[{"type":"distinctInstance"}]"#,
            2 => {
                r#","startedBy":"zone-a","placementConstraints":[{"type":"memberOf","expression":"attribute:ecs.availability-zone == us-east-1a"}]"#
            }
            3 => {
                r#","placementStrategy":[{"type":"spread","field":"attribute:ecs.availability-zone"},{"type":"spread","field":"instanceId"}]"#
            }
            4 => r#","placementStrategy":[{"type":"binpack","field":"memory"}]"#,
            5 => r#","placementStrategy":[{"type":"random"}]"#,
            _ => "",
        };
        let token = token.map(|it| format!(r#","clientToken":"token-{it}""#)).unwrap_or_default();
        let network = self.network(family);
        format!(r#"{{"taskDefinition":"{family}","count":{count}{extra}{network}{token}}}"#)
    }

    /// Where tasks with an address of their own get it.
    fn network(&self, family: &str) -> String {
        if !MODES.contains(&(family, "awsvpc")) {
            return String::new();
        }
        let subnets: Vec<_> = self.subnets.iter().map(|it| format!("\"{it}\"")).collect();
        let subnets = subnets.join(",");
        format!(r#","networkConfiguration":{{"awsvpcConfiguration":{{"subnets":[{subnets}]}}}}"#)
    }

    fn start(&mut self, lot: &mut Lot) -> Ask {
        let instance = lot.pick(&self.instances).cloned().unwrap_or_else(|| "none".into());
        let family = family(lot.below(FAMILIES));
        let network = self.network(family);
        let body = format!(
            r#"{{"taskDefinition":"{family}","containerInstances":["{instance}"]{network}}}"#
        );
        Ask::new("StartTask", body)
    }

    fn stop(&mut self, lot: &mut Lot) -> Ask {
        let task = lot.pick(&self.tasks).cloned().unwrap_or_else(|| "none".into());
        Ask::new("StopTask", format!(r#"{{"task":"{task}","reason":"a client wants it"}}"#))
    }

    fn update(&mut self, lot: &mut Lot) -> Ask {
        let instance = lot.pick(&self.instances).cloned().unwrap_or_else(|| "none".into());
        let status = if lot.below(3) == 0 { "DRAINING" } else { "ACTIVE" };
        let body = format!(r#"{{"containerInstances":["{instance}"],"status":"{status}"}}"#);
        Ask::new("UpdateContainerInstancesState", body)
    }

    fn attribute(&mut self, lot: &mut Lot) -> Ask {
        let instance = lot.pick(&self.instances).cloned().unwrap_or_else(|| "none".into());
        let rack = lot.below(3);
        let body = format!(
            r#"{{"attributes":[{{"name":"rack","value":"r{rack}","targetId":"{instance}"}}]}}"#
        );
        Ask::new("PutAttributes", body)
    }

    fn deregister(&mut self, lot: &mut Lot) -> Ask {
        let instance = lot.pick(&self.instances).cloned().unwrap_or_else(|| "none".into());
        let force = lot.below(2) == 0;
        let body = format!(r#"{{"containerInstance":"{instance}","force":{force}}}"#);
        Ask::new("DeregisterContainerInstance", body)
    }

    fn describe(&mut self, lot: &mut Lot) -> Ask {
        let from = usize::try_from(lot.below(self.tasks.len() as u64)).unwrap_or(0);
        let some: Vec<_> =
            self.tasks.iter().skip(from).take(5).map(|it| format!("\"{it}\"")).collect();
        let some = if some.is_empty() { "\"none\"".to_owned() } else { some.join(",") };
        Ask::new("DescribeTasks", format!(r#"{{"tasks":[{some}]}}"#))
    }

    fn learn(&mut self, operation: &str, body: &[u8]) -> Result<(), shapes::DecodeError> {
        match operation {
            "RunTask" => {
                let mut answer = shapes::ecs::RunTaskResponse::default();
                shapes::json::decode(body, &mut answer)?;
                for arn in answer.tasks.into_iter().flatten().filter_map(|it| it.task_arn) {
                    if !self.tasks.contains(&arn) {
                        self.tasks.push(arn);
                    }
                }
                let many = self.tasks.len().saturating_sub(60);
                self.tasks.drain(..many);
            }
            "ListContainerInstances" => {
                let mut answer = shapes::ecs::ListContainerInstancesResponse::default();
                shapes::json::decode(body, &mut answer)?;
                self.instances = answer.container_instance_arns.unwrap_or_default();
            }
            _ => {}
        }
        Ok(())
    }
}

fn family(number: u64) -> &'static str {
    let at = usize::try_from(number % FAMILIES).unwrap_or(0);
    DEFINITIONS.get(at).map_or("small", |it| it.0)
}

fn revision(lot: &mut Lot) -> String {
    format!("{}:{}", family(lot.below(FAMILIES)), lot.between(1, 3))
}

fn register(lot: &mut Lot) -> Ask {
    let body = definition(family(lot.below(FAMILIES))).unwrap_or_default();
    Ask::new("RegisterTaskDefinition", body)
}

/// The request that registers a family.
pub(crate) fn definition(family: &str) -> Option<String> {
    let (_, containers) = DEFINITIONS.iter().find(|it| it.0 == family)?;
    let mode = MODES.iter().find(|it| it.0 == family);
    let mode = mode.map(|it| format!(r#","networkMode":"{}""#, it.1)).unwrap_or_default();
    Some(format!(r#"{{"family":"{family}"{mode},"containerDefinitions":{containers}}}"#))
}

/// The one number of all variants that make the same request.
fn canonical(variant: u64) -> u64 {
    let (family, count, extra) =
        (variant % FAMILIES, (variant >> 4) % 3, ((variant >> 6) % 8).min(6));
    family | count << 4 | extra << 6
}

impl World {
    /// Something happens to a client.
    pub(crate) fn client_event(&mut self, id: ClientId, event: ClientEvent) -> Checked {
        match event {
            ClientEvent::Act if self.healing => Ok(()),
            ClientEvent::Act => {
                self.look_for_subnets();
                // The first requests make sure that there is something to run.
                let ask = match self.clients.next_token {
                    0 if self.lots.work.below(3) > 0 => register(&mut self.lots.work),
                    _ => self.clients.think(&mut self.lots.work),
                };
                self.ask(id, ask);
                Ok(())
            }
            ClientEvent::Answered { call, reply } => self.client_answered(id, call, &reply),
            ClientEvent::Again { call } => {
                let client = self.clients.all.get_mut(&id);
                if let Some(mut ask) = client.and_then(|it| it.asked.remove(&call)) {
                    ask.attempts += 1;
                    self.ask(id, ask);
                }
                Ok(())
            }
        }
    }

    /// Clients know the subnets, as DescribeSubnets tells them.
    pub(crate) fn look_for_subnets(&mut self) {
        if let Some(region) = self.region.shadow.region().get(&())
            && self.clients.subnets.is_empty()
        {
            self.clients.subnets = region.subnets.iter().map(|it| it.id.clone()).collect();
        }
    }

    pub(crate) fn ask(&mut self, id: ClientId, ask: Ask) -> CallId {
        let call = self.call(Party::Client(id), ask.operation, &ask.body, ask.variant);
        if let Some(client) = self.clients.all.get_mut(&id) {
            client.asked.insert(call, ask);
        }
        call
    }

    fn client_answered(&mut self, id: ClientId, call: CallId, reply: &Reply) -> Checked {
        let Some(client) = self.clients.all.get_mut(&id) else { return Ok(()) };
        let Some(ask) = client.asked.get(&call) else { return Ok(()) };
        let operation = ask.operation;
        if let Some(answers) = &mut self.clients.answers {
            answers.insert(call, reply.clone());
        }
        if matches!(reply, Reply::Unknown) && ask.attempts < ATTEMPTS_MAX && !self.healing {
            let wait = self.lots.work.between(100, 3_000);
            self.agenda.after(wait, Event::Client(id, ClientEvent::Again { call }));
            return Ok(());
        }
        let ask = client.asked.remove(&call);
        match reply {
            Reply::Done(body) => {
                self.clients.learn(operation, body).map_err(|it| world_error(it.to_string()))?;
                self.say(format_args!("client {id}: {operation} is done"));
            }
            Reply::Refused { code, .. } => {
                self.say(format_args!("client {id}: {operation} is refused: {code}"));
            }
            Reply::Unknown => {}
        }
        // Sometimes the same is asked once more, much later.
        if let Some(ask) = ask.filter(|it| it.token.is_some() && !self.healing)
            && self.lots.work.below(8) == 0
        {
            self.ask(id, Ask { attempts: ATTEMPTS_MAX, ..ask });
            return Ok(());
        }
        let wait = self.lots.work.between(1, self.swarm.think * 2);
        self.agenda.after(wait, Event::Client(id, ClientEvent::Act));
        Ok(())
    }
}
