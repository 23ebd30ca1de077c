//! Gets the image of a container: from the store, a registry, or out of this very program.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use images::{Image, Origin, PullRequest, Reference, Store, StoreError};
use plan::agent::spec::RegistryAuthentication;
use plan::agent::{Failure, FailureClass, ImageFacts, TaskSpec};
use types::ContainerName;

use crate::api::chain;
use crate::clock;
use crate::config::PullBehavior;
use crate::machine::{Machine, blocking};

/// The image that is made of this program.
const BUILT_IN: &str = "landfall/demo";

/// Brings the image of a container here and keeps it for the task.
pub(crate) async fn image(
    machine: &Arc<Machine>,
    spec: &TaskSpec,
    container: &ContainerName,
) -> Result<ImageFacts, Failure> {
    let spec_of = spec.container(container.as_str());
    let (name, registry) = spec_of.map(|it| (it.image.clone(), it.registry.clone())).unzip();
    let name = name.unwrap_or_default();
    if is_built_in(&name) {
        built_in(machine).await?;
    } else if ask_registry(machine, &name).await {
        match from_registry(machine, &name, registry.flatten()).await {
            Ok(pulled) => return hold(machine, spec, &name).await.inspect(|_| drop(pulled)),
            Err(failure) if machine.config.pull == PullBehavior::Always => return Err(failure),
            Err(failure) => {
                let kept = hold(machine, spec, &name).await;
                if kept.is_ok() {
                    tracing::warn!(name, why = failure.text, "not pulled: taking what is here");
                }
                return kept.map_err(|_| explained(failure, &name));
            }
        }
    }
    hold(machine, spec, &name).await
}

fn is_built_in(name: &str) -> bool {
    Reference::parse(name).is_ok_and(|it| it.is_built_in())
}

/// Whether a registry has to be asked for this image.
async fn ask_registry(machine: &Machine, name: &str) -> bool {
    let (store, name) = (machine.store.clone(), name.to_owned());
    let behavior = machine.config.pull;
    blocking(move || match store.resolve(&name) {
        // Under its digest an image is the same wherever it comes from.
        Ok(_) if is_exact(&name) => behavior == PullBehavior::Always,
        Ok(image) => image.origin == Origin::Pulled && behavior != PullBehavior::PreferCached,
        Err(_) => true,
    })
    .await
}

/// Whether an image is asked for by its digest.
fn is_exact(name: &str) -> bool {
    name.contains('@')
}

/// What to do where an image is gone that is asked for by its digest.
fn explained(failure: Failure, name: &str) -> Failure {
    if !is_exact(name) {
        return failure;
    }
    let text = format!(
        "{}; the image of this digest is not on this instance: push or load it again, or, where a \
         service goes on with what its tag meant once, update the service with \
         forceNewDeployment, which takes what the tag means now",
        failure.text
    );
    Failure { text, ..failure }
}

async fn from_registry(
    machine: &Machine,
    name: &str,
    registry: Option<RegistryAuthentication>,
) -> Result<images::Pulled, Failure> {
    if let Some(registry) = registry {
        let how = match registry {
            RegistryAuthentication::Ecr { .. } => "Amazon ECR",
            RegistryAuthentication::Secret { .. } => "Secrets Manager",
        };
        let text = format!("{name}: this region has no {how} yet to get credentials from");
        return Err(Failure { class: FailureClass::CannotPullContainerAuth, text });
    }
    let ask = PullRequest { name: name.to_owned(), credentials: None, now: clock::now() };
    let pulled = machine.puller.pull(&ask, Arc::new(|_| {})).await;
    pulled.map_err(|error| {
        let class = match error.class() {
            "CannotPullImageManifestError" => FailureClass::CannotPullImageManifest,
            _ => FailureClass::CannotPullContainer,
        };
        // The class stands first in the text; it is put there again by the core.
        let text = error.to_string();
        let text = text.strip_prefix(&format!("{}: ", class.as_str())).unwrap_or(&text).to_owned();
        Failure { class, text }
    })
}

async fn hold(machine: &Machine, spec: &TaskSpec, name: &str) -> Result<ImageFacts, Failure> {
    let image = held(machine, spec, name).await?;
    Ok(ImageFacts { digest: Some(image.digest.to_string()), stop_signal: image.config.stop_signal })
}

/// The image, kept for the task until it is released.
pub(crate) async fn held(machine: &Machine, spec: &TaskSpec, name: &str) -> Result<Image, Failure> {
    let (store, holder) = (machine.store.clone(), machine.holder(&spec.arn));
    let name = name.to_owned();
    let held = blocking(move || match store.hold(&holder, &name, clock::now()) {
        // What is made of this program is made of the program of now.
        Err(StoreError::Unknown(_)) if is_built_in(&name) => {
            let plain = name.split('@').next().unwrap_or_default();
            store.hold(&holder, plain, clock::now())
        }
        held => held,
    });
    let held = held.await;
    held.map_err(|it| Failure { class: FailureClass::CannotPullContainer, text: chain(&it) })
}

/// Makes the built-in image, once for each build of this program.
pub(crate) async fn built_in(machine: &Arc<Machine>) -> Result<(), Failure> {
    let made = machine.built_in.get_or_try_init(|| {
        let (store, program) = (machine.store.clone(), machine.config.program.clone());
        let folder = machine.config.images.clone();
        blocking(move || make_built_in(&store, &program, &folder))
    });
    let failed = |text| Failure { class: FailureClass::CannotPullContainer, text };
    made.await.map(|&()| ()).map_err(failed)
}

fn make_built_in(store: &Store, program: &Path, folder: &Path) -> Result<(), String> {
    let say = |it: io::Error| format!("cannot make {BUILT_IN}: {it}");
    // Agents of one machine share the store: one makes it, the others find it made.
    let turn = File::create(folder.join("built-in.lock")).map_err(say)?;
    turn.lock().map_err(say)?;
    let program = fs::canonicalize(program).map_err(say)?;
    let about = fs::metadata(&program).map_err(say)?;
    let build = format!("{}:{}:{}", about.ino(), about.size(), about.mtime());
    let mark = folder.join("built-in");
    if fs::read_to_string(&mark).is_ok_and(|it| it == build) && store.resolve(BUILT_IN).is_ok() {
        return Ok(());
    }
    let mut recipe = images::self_image(&program).map_err(|it| chain(&it))?;
    recipe.config.entrypoint.push("demo".into());
    recipe.config.cmd = vec!["web".into()];
    store.build(BUILT_IN, &recipe, clock::now()).map_err(|it| chain(&it))?;
    fs::write(&mark, build).map_err(say)
}
