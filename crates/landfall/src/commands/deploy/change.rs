//! What is wanted of a service, and the calls that begin it.

use std::fs;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};
use shapes::ecs::{
    ContainerDefinition, CreateService, CreateServiceRequest, DescribeServices,
    DescribeServicesRequest, DescribeTaskDefinition, DescribeTaskDefinitionRequest,
    RegisterTaskDefinition, RegisterTaskDefinitionRequest, Service, TaskDefinitionField,
    UpdateService, UpdateServiceRequest,
};
use shapes::{Kind, Shape, json};

use super::DeployFlags;
use crate::client::Client;
use crate::commands::output::{say, value};

/// What is wanted.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wish {
    /// A service with another image.
    Image { service: String, cluster: Option<String>, container: Option<String>, image: String },
    /// A service with another task definition.
    Definition {
        service: String,
        cluster: Option<String>,
        definition: Box<RegisterTaskDefinitionRequest>,
    },
    /// A service as a file describes it, whether it is there or not.
    Service {
        service: String,
        cluster: Option<String>,
        /// The file: members of CreateService, UpdateService, or both.
        spec: Map<String, Value>,
    },
}

impl Wish {
    /// What the flags and their file say.
    pub(super) fn of(flags: &DeployFlags) -> anyhow::Result<Self> {
        if let Some(image) = &flags.image {
            return Ok(Self::Image {
                service: flags.what.clone(),
                cluster: flags.cluster.clone(),
                container: flags.container.clone(),
                image: image.clone(),
            });
        }
        let text = fs::read_to_string(&flags.what).with_context(|| {
            format!(
                "{0} cannot be read as a file (a new image for a service of that name: landfall \
                 deploy {0} --image REF)",
                flags.what
            )
        })?;
        let spec: Map<String, Value> = serde_json::from_str(&text)
            .with_context(|| format!("{} is no JSON object", flags.what))?;
        read(spec, flags.service.as_deref(), flags.cluster.as_deref())
            .with_context(|| format!("{} cannot be deployed", flags.what))
    }
}

/// What a file says, by the members that it has.
fn read(
    mut spec: Map<String, Value>,
    service: Option<&str>,
    cluster: Option<&str>,
) -> anyhow::Result<Wish> {
    if spec.contains_key("containerDefinitions") {
        let service =
            service.context("it is a task definition: name its service with --service")?;
        return Ok(Wish::Definition {
            service: service.to_owned(),
            cluster: cluster.map(str::to_owned),
            definition: Box::new(shape(&spec)?),
        });
    }
    let text = |it: Value| it.as_str().map(str::to_owned);
    let said = spec.remove("serviceName").or_else(|| spec.remove("service")).and_then(text);
    let service = service.map(str::to_owned).or(said).context(
        "it has neither containerDefinitions, as a task definition, nor serviceName or service",
    )?;
    let said = spec.remove("cluster").and_then(text);
    Ok(Wish::Service { service, cluster: cluster.map(str::to_owned).or(said), spec })
}

/// A request of these members; one that it does not have is refused.
fn shape<S: Shape + Default>(spec: &Map<String, Value>) -> anyhow::Result<S> {
    let mut made = S::default();
    let known = members(&made);
    if let Some(other) = spec.keys().find(|it| !known.contains(&it.as_str())) {
        bail!("{} has no member {other}", made.schema().name);
    }
    json::decode(&serde_json::to_vec(spec)?, &mut made)?;
    Ok(made)
}

fn members(shape: &dyn Shape) -> Vec<&'static str> {
    match &shape.schema().kind {
        Kind::Structure(it) => it.members.iter().map(|it| it.wire_name).collect(),
        _ => Vec::new(),
    }
}

/// The members of one shape that another has too.
fn shared(from: &dyn Shape, known: &dyn Shape) -> Map<String, Value> {
    let Value::Object(mut all) = value(from) else { return Map::new() };
    let known = members(known);
    all.retain(|name, _| known.contains(&name.as_str()));
    all
}

/// Makes the calls; the answer is the service as it is then.
pub(super) async fn carry_out(client: &Client, wish: &Wish) -> anyhow::Result<Service> {
    match wish {
        Wish::Image { service, cluster, container, image } => {
            let found = find(client, service, cluster.as_deref()).await?;
            let found = found.with_context(|| missing(service, cluster.as_deref()))?;
            let mut definition = definition_of(client, &found).await?;
            replace(&mut definition, container.as_deref(), image)?;
            roll_out(client, service, cluster.clone(), &definition).await
        }
        Wish::Definition { service, cluster, definition } => {
            let found = find(client, service, cluster.as_deref()).await?;
            found.with_context(|| missing(service, cluster.as_deref()))?;
            roll_out(client, service, cluster.clone(), definition).await
        }
        Wish::Service { service, cluster, spec } => {
            match find(client, service, cluster.as_deref()).await? {
                None => create(client, service, cluster.clone(), spec).await,
                Some(_) => update(client, service, cluster.clone(), spec).await,
            }
        }
    }
}

fn missing(service: &str, cluster: Option<&str>) -> String {
    format!(
        "there is no service {service} in cluster {}: create it with `aws ecs create-service`, or \
         deploy a file that has serviceName",
        cluster.unwrap_or("default")
    )
}

/// An ACTIVE service.
async fn find(
    client: &Client,
    service: &str,
    cluster: Option<&str>,
) -> anyhow::Result<Option<Service>> {
    let ask = DescribeServicesRequest {
        cluster: cluster.map(str::to_owned),
        services: Some(vec![service.to_owned()]),
        include: None,
    };
    let answer = client.call::<DescribeServices>(&ask).await?;
    let found = answer.services.into_iter().flatten().next();
    Ok(found.filter(|it| it.status.as_deref() == Some("ACTIVE")))
}

/// The task definition of a service, as it would be registered again.
async fn definition_of(
    client: &Client,
    service: &Service,
) -> anyhow::Result<RegisterTaskDefinitionRequest> {
    let ask = DescribeTaskDefinitionRequest {
        task_definition: service.task_definition.clone(),
        include: Some(vec![TaskDefinitionField::Tags]),
    };
    let answer = client.call::<DescribeTaskDefinition>(&ask).await?;
    let found = answer.task_definition.context("the service's task definition is gone")?;
    let mut again: RegisterTaskDefinitionRequest =
        shape(&shared(&found, &RegisterTaskDefinitionRequest::default()))?;
    again.tags = answer.tags.filter(|it| !it.is_empty());
    Ok(again)
}

/// Gives one container another image.
fn replace(
    definition: &mut RegisterTaskDefinitionRequest,
    container: Option<&str>,
    image: &str,
) -> anyhow::Result<()> {
    let mut all: Vec<&mut ContainerDefinition> =
        definition.container_definitions.iter_mut().flatten().collect();
    let names: Vec<_> = all.iter().filter_map(|it| it.name.clone()).collect();
    let names = names.join(", ");
    let chosen = match (container, all.as_mut_slice()) {
        (None, [only]) => Some(&mut **only),
        (None, _) => {
            bail!("the task definition has several containers ({names}): name one with --container")
        }
        (Some(name), all) => {
            all.iter_mut().find(|it| it.name.as_deref() == Some(name)).map(|it| &mut **it)
        }
    };
    let chosen = chosen
        .with_context(|| format!("the task definition has no such container, but {names}"))?;
    chosen.image = Some(image.to_owned());
    Ok(())
}

/// Registers a task definition and has the service run it.
async fn roll_out(
    client: &Client,
    service: &str,
    cluster: Option<String>,
    definition: &RegisterTaskDefinitionRequest,
) -> anyhow::Result<Service> {
    let answer = client.call::<RegisterTaskDefinition>(definition).await?;
    let arn = answer.task_definition.and_then(|it| it.task_definition_arn);
    let ask = UpdateServiceRequest {
        cluster,
        service: Some(service.to_owned()),
        task_definition: arn,
        ..UpdateServiceRequest::default()
    };
    let answer = client.call::<UpdateService>(&ask).await?;
    answer.service.context("the region updated the service and did not show it")
}

async fn create(
    client: &Client,
    service: &str,
    cluster: Option<String>,
    spec: &Map<String, Value>,
) -> anyhow::Result<Service> {
    let ask =
        CreateServiceRequest { cluster, service_name: Some(service.to_owned()), ..shape(spec)? };
    let answer = client.call::<CreateService>(&ask).await?;
    answer.service.context("the region made the service and did not show it")
}

/// What can only be said when a service is made stays as it is, and that is said.
async fn update(
    client: &Client,
    service: &str,
    cluster: Option<String>,
    spec: &Map<String, Value>,
) -> anyhow::Result<Service> {
    let (changes, fixed) = changes(spec)?;
    if !fixed.is_empty() {
        say(&format!("{service} is there: {} stays as it is.", fixed.join(", ")));
    }
    let ask =
        UpdateServiceRequest { cluster, service: Some(service.to_owned()), ..shape(&changes)? };
    let answer = client.call::<UpdateService>(&ask).await?;
    answer.service.context("the region updated the service and did not show it")
}

/// The members of a file that can be changed, and the names of those that CreateService alone has.
fn changes(spec: &Map<String, Value>) -> anyhow::Result<(Map<String, Value>, Vec<String>)> {
    let changeable = members(&UpdateServiceRequest::default());
    let known = members(&CreateServiceRequest::default());
    let (mut changes, mut fixed) = (Map::new(), Vec::new());
    for (name, value) in spec {
        if changeable.contains(&name.as_str()) {
            changes.insert(name.clone(), value.clone());
        } else if known.contains(&name.as_str()) {
            fixed.push(name.clone());
        } else {
            bail!("neither CreateService nor UpdateService has a member {name}");
        }
    }
    Ok((changes, fixed))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(it) => it,
            other => panic!("{other} is no object"),
        }
    }

    #[test]
    fn a_file_is_known_by_its_members() {
        let definition = object(json!({"family": "web", "containerDefinitions": []}));
        let wish = read(definition.clone(), Some("web"), None).expect("reads");
        assert!(matches!(wish, Wish::Definition { service, .. } if service == "web"));
        let text = format!("{:#}", read(definition, None, None).expect_err("whose?"));
        assert!(text.contains("--service"), "{text}");

        let made = object(json!({"serviceName": "web", "cluster": "blue", "desiredCount": 2}));
        let wish = read(made, None, None).expect("reads");
        let Wish::Service { service, cluster, spec } = wish else { panic!("{wish:?}") };
        assert_eq!((service.as_str(), cluster.as_deref()), ("web", Some("blue")));
        assert_eq!(spec, object(json!({"desiredCount": 2})));

        assert!(read(object(json!({"desiredCount": 2})), None, None).is_err());
        let wrong = object(json!({"containerDefinitions": [], "familly": "web"}));
        let text = format!("{:#}", read(wrong, Some("web"), None).expect_err("misspelt"));
        assert!(text.contains("no member familly"), "{text}");
    }

    #[test]
    fn what_only_creation_can_say_stays_when_a_service_is_there() {
        let spec = object(json!({"launchType": "EC2", "desiredCount": 2, "taskDefinition": "web"}));
        let (changed, fixed) = changes(&spec).expect("all are known");
        assert_eq!(changed, object(json!({"desiredCount": 2, "taskDefinition": "web"})));
        assert_eq!(fixed, ["launchType"]);
        assert!(changes(&object(json!({"desiredcount": 2}))).is_err());
    }

    fn containers(names: &[&str]) -> RegisterTaskDefinitionRequest {
        let one = |name: &&str| ContainerDefinition {
            name: Some((*name).to_owned()),
            image: Some("old".into()),
            ..ContainerDefinition::default()
        };
        RegisterTaskDefinitionRequest {
            container_definitions: Some(names.iter().map(one).collect()),
            ..RegisterTaskDefinitionRequest::default()
        }
    }

    #[test]
    fn the_image_of_one_container_is_replaced() {
        let images = |names: &[&str], container: Option<&str>| {
            let mut all = containers(names);
            replace(&mut all, container, "new").map_err(|it| it.to_string())?;
            let images = all.container_definitions.into_iter().flatten().filter_map(|it| it.image);
            Ok::<_, String>(images.collect::<Vec<_>>().join(" "))
        };
        assert_eq!(images(&["app"], None), Ok("new".into()));
        assert_eq!(images(&["app", "side"], Some("side")), Ok("old new".into()));
        assert!(images(&["app", "side"], None).expect_err("which?").contains("app, side"));
        assert!(images(&["app"], Some("web")).is_err());
    }
}
