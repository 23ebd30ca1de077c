//! Pulls from registries that behave, and from such that do not.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use images::{Credentials, Digest, Options, PullCause, PullError, Puller, Roots};
use serde_json::json;

use crate::fixture::{Content, Place, descriptor, small};
use crate::registry::{Registry, Reply, Seen, Shelf, certificate, options, pull, request, watch};
use crate::tarball::{Tarball, gzip, zstd};

/// An image of three layers, each transported in another way.
fn app() -> Content {
    let plain = ["a", "b", "c"].map(|it| Tarball::default().file(it, &it.repeat(300_000)).bytes());
    let blobs = [gzip(&plain[0]), zstd(&plain[1]), plain[2].clone()];
    Content::new(&plain, &blobs)
}

fn shelf() -> Shelf {
    Shelf::default().image("app", "1", &app())
}

/// The pull fails with this cause and these words, and nothing has a name.
#[track_caller]
fn refused<T: std::fmt::Debug>(pulled: Result<T, PullError>, cause: PullCause, words: &str) {
    let error = pulled.expect_err("refused");
    assert_eq!(error.cause(), cause, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[tokio::test]
async fn an_image_is_pulled_once_and_then_only_looked_for() {
    let registry = Registry::start(shelf()).await;
    let place = Place::new();
    let (watch, last) = watch();
    let puller = Puller::new(place.store.clone(), options());
    let name = format!("{}/app:1", registry.host);
    let pulled = puller.pull(&request(&name), watch).await.expect("pulled");
    assert_eq!((pulled.digest, pulled.manifest_digest), (app().digest(), app().digest()));
    let progress = *last.lock().expect("no panic");
    let bytes: usize = app().layers.iter().map(Vec::len).sum::<usize>() + app().config.len();
    assert_eq!((progress.bytes_done, progress.bytes_total), (bytes as u64, bytes as u64));
    assert_eq!((progress.layers_done, progress.layers_total), (3, 3));

    let image = place.store.resolve(&name).expect("there");
    let top = fs::read_to_string(image.layers[0].join("c")).expect("top first");
    assert_eq!((image.layers.len(), top.len()), (3, 300_000));
    assert!(place.names("work").is_empty());

    puller.pull(&request(&name), Arc::new(|_| {})).await.expect("pulled again");
    assert_eq!(registry.seen("/blobs/").len(), 4, "one configuration and three layers, once");
    assert_eq!(registry.seen("/manifests/").len(), 2, "a tag may have moved");
}

#[tokio::test]
async fn two_stores_that_pull_at_once_do_the_work_once() {
    let registry = Registry::start(shelf()).await;
    let place = Place::new();
    let stores = [place.again(), place.again(), place.again()];
    let pulls = stores.map(|store| {
        let name = format!("{}/app:1", registry.host);
        tokio::spawn(async move { pull(&store, &name).await.map(|it| it.digest) })
    });
    for pull in pulls {
        assert_eq!(pull.await.expect("no panic").expect("pulled"), app().digest());
    }
    assert_eq!(registry.seen("/blobs/").len(), 4);
    assert_eq!(place.names("layers").len(), 3);
    assert!(place.names("work").is_empty() && place.names("pins").is_empty());
}

#[tokio::test]
async fn an_index_leads_to_the_image_of_this_platform() {
    let ours = app();
    let mut entries = [descriptor("", &small("other").manifest), descriptor("", &ours.manifest)];
    let here = images::Platform::here().architecture;
    for (entry, architecture) in entries.iter_mut().zip(["s390x", &here]) {
        entry["platform"] = json!({ "os": "linux", "architecture": architecture });
    }
    let index = json!({ "schemaVersion": 2, "manifests": entries }).to_string().into_bytes();
    let alien = json!({ "schemaVersion": 2, "manifests": [entries[0]] }).to_string();
    let shelf =
        shelf().file("app/manifests/index", &index).file("app/manifests/alien", alien.as_bytes());
    let registry = Registry::start(shelf).await;
    let place = Place::new();
    let pulled = pull(&place.store, &format!("{}/app:index", registry.host)).await.expect("pulled");
    assert_eq!((pulled.digest, pulled.manifest_digest), (Digest::of(&index), ours.digest()));

    // The digest of the index names the same image without asking again.
    let by_digest = format!("{}/app@{}", registry.host, pulled.digest);
    assert_eq!(place.store.resolve(&by_digest).expect("there").manifest_digest, ours.digest());
    let alien = pull(&place.store, &format!("{}/app:alien", registry.host)).await;
    refused(alien, PullCause::Unusable, "CannotPullContainerError");
}

fn basic(seen: &Seen) -> Option<Reply> {
    // user:secret
    let known = seen.header("authorization") == Some("Basic dXNlcjpzZWNyZXQ=");
    (!known).then(|| Reply::status(401).header("WWW-Authenticate", "Basic realm=\"here\""))
}

fn credentials(password: &str) -> Credentials {
    Credentials { username: "user".into(), password: password.into() }
}

#[tokio::test]
async fn a_password_is_given_only_when_asked_for() {
    let registry = Registry::twisted(shelf(), basic).await;
    let place = Place::new();
    let puller = Puller::new(place.store.clone(), options());
    let ask = |password| images::PullRequest {
        credentials: Some(credentials(password)),
        ..request(&format!("{}/app:1", registry.host))
    };
    puller.pull(&ask("secret"), Arc::new(|_| {})).await.expect("pulled");
    assert_eq!(registry.seen("/manifests/")[0].header("authorization"), None);

    let denied = "CannotPullContainerError: pull access denied for";
    let wrong = puller.pull(&ask("wrong"), Arc::new(|_| {})).await;
    refused(wrong, PullCause::Unauthorized, denied);
    refused(registry.pull(&place.store).await, PullCause::Unauthorized, denied);
}

/// A registry whose tokens come from `/token` of the same server.
async fn bearer(needs_password: bool) -> Registry {
    Registry::twisted(shelf(), move |seen| {
        let host = seen.header("host").unwrap_or_default();
        if seen.path.starts_with("/token") {
            let proper = seen.path == "/token?service=reg&scope=repository:app:pull";
            let known = !needs_password || basic(seen).is_none();
            return Some(if proper && known {
                Reply::text(200, r#"{"token":"for-app","expires_in":60}"#)
            } else {
                Reply::text(401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"who?"}]}"#)
            });
        }
        let wants = format!(
            r#"Bearer realm="http://{host}/token",service="reg",scope="repository:app:pull""#
        );
        let known = seen.header("authorization") == Some("Bearer for-app");
        (!known).then(|| Reply::status(401).header("WWW-Authenticate", &wants))
    })
    .await
}

#[tokio::test]
async fn a_token_is_fetched_for_the_repository() {
    let registry = bearer(false).await;
    let place = Place::new();
    registry.pull(&place.store).await.expect("pulled");
    assert_eq!(registry.seen("/token").len(), 1, "one token serves all requests of a pull");
}

#[tokio::test]
async fn a_token_server_may_want_a_password() {
    let registry = bearer(true).await;
    let place = Place::new();
    refused(registry.pull(&place.store).await, PullCause::Unauthorized, "who?");
    let ask = images::PullRequest {
        credentials: Some(credentials("secret")),
        ..request(&format!("{}/app:1", registry.host))
    };
    let puller = Puller::new(place.store.clone(), options());
    puller.pull(&ask, Arc::new(|_| {})).await.expect("pulled");
    let to_registry = registry.seen("/v2/");
    let told = |it: &Seen| it.header("authorization").is_some_and(|it| it.starts_with("Basic"));
    assert!(!to_registry.iter().any(told), "the password goes to the token server only");
}

#[tokio::test]
async fn a_redirect_takes_no_credentials_along() {
    let storage = Registry::start(shelf()).await;
    let to = storage.host.clone();
    let registry = Registry::twisted(shelf(), move |seen| {
        basic(seen).or_else(|| {
            let moved = format!("http://{to}{}", seen.path);
            seen.path.contains("/blobs/").then(|| Reply::status(307).header("location", &moved))
        })
    })
    .await;
    let place = Place::new();
    let ask = images::PullRequest {
        credentials: Some(credentials("secret")),
        ..request(&format!("{}/app:1", registry.host))
    };
    let puller = Puller::new(place.store.clone(), options());
    puller.pull(&ask, Arc::new(|_| {})).await.expect("pulled");
    assert_eq!(storage.seen("/blobs/").len(), 4);
    assert!(storage.seen("").iter().all(|it| it.header("authorization").is_none()));
}

#[tokio::test]
async fn a_redirect_to_the_machines_own_services_is_not_followed() {
    for (location, words) in [
        ("http://169.254.169.254/latest/meta-data", "never fetched from"),
        ("http://[fe80::1]/", "never fetched from"),
        ("https://[::ffff:169.254.170.2]/v2/credentials", "never fetched from"),
        ("http://registry.example/blob", "without TLS"),
        ("ftp://127.0.0.1/", "not an address"),
        ("/v2/round", "redirects more than 5 times"),
    ] {
        let registry = Registry::twisted(shelf(), move |seen| {
            let at_blob = seen.path.contains("/blobs/") || seen.path.contains("round");
            at_blob.then(|| Reply::status(302).header("location", location))
        })
        .await;
        let place = Place::new();
        let error = registry.pull(&place.store).await.expect_err(location);
        assert!(error.to_string().contains(words), "{location}: {error}");
    }
}

#[tokio::test]
async fn names_that_are_never_asked_for() {
    let place = Place::new();
    for (name, cause, words) in [
        ("169.254.169.254/app", PullCause::Forbidden, "never fetched from"),
        ("landfall/demo", PullCause::Name, "made by Landfall itself"),
        ("A B", PullCause::Name, "invalid reference format"),
    ] {
        refused(pull(&place.store, name).await, cause, words);
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_in_dockers_words() {
    let registry = Registry::start(shelf()).await;
    let place = Place::new();
    let name = format!("{}/app:2", registry.host);
    let error = pull(&place.store, &name).await.expect_err("no such tag");
    assert_eq!(
        error.to_string(),
        format!(
            "CannotPullContainerError: manifest for {name} not found: manifest unknown: \
             not found: manifest unknown; check the image's name and tag"
        )
    );
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_a_matter_of_the_network() {
    let place = Place::new();
    // Nobody listens there, and nobody is given that port.
    let pulled = pull(&place.store, "127.0.0.1:1/app:1").await;
    refused(pulled, PullCause::Network, "cannot connect to 127.0.0.1:1");
}

#[tokio::test]
async fn content_with_another_digest_is_refused() {
    let swapped = Digest::of(&app().layers[1]).to_string();
    let registry = Registry::twisted(shelf(), move |seen| {
        let body = vec![b'x'; app().layers[1].len()];
        seen.path.contains(&swapped).then(|| Reply { body, ..Reply::status(200) })
    })
    .await;
    let place = Place::new();
    refused(
        registry.pull(&place.store).await,
        PullCause::Unusable,
        "the layer that the registry gave is",
    );
    assert!(place.store.list().expect("lists").is_empty());

    let other = Digest::of(b"other").to_string();
    let registry = Registry::twisted(shelf(), move |seen| {
        let body = app().manifest;
        let reply = Reply { body, ..Reply::status(200) }.header("Docker-Content-Digest", &other);
        seen.path.contains("/manifests/").then_some(reply)
    })
    .await;
    refused(registry.pull(&place.store).await, PullCause::Unusable, "CannotPullImageManifestError");
}

#[tokio::test]
async fn a_blob_that_breaks_off_goes_on_where_it_ended() {
    let big = Digest::of(&app().layers[2]).to_string();
    let (tries, path) = (AtomicUsize::new(0), big.clone());
    let registry = Registry::twisted(shelf(), move |seen| {
        let first = seen.path.contains(&path) && tries.fetch_add(1, Ordering::Relaxed) == 0;
        let body = app().layers[2].clone();
        first.then(|| Reply { body, cut: Some(100_000), ..Reply::status(200) })
    })
    .await;
    let place = Place::new();
    registry.pull(&place.store).await.expect("pulled");
    let ranges: Vec<_> =
        registry.seen(&big).iter().map(|it| it.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges, [None, Some("bytes=100000-".to_owned())]);
}

#[tokio::test]
async fn a_registry_without_ranges_starts_again() {
    let big = Digest::of(&app().layers[2]).to_string();
    let tries = AtomicUsize::new(0);
    let registry = Registry::twisted(shelf(), move |seen| {
        let first = tries.fetch_add(usize::from(seen.path.contains(&big)), Ordering::Relaxed) == 0;
        let body = app().layers[2].clone();
        let cut = first.then_some(100_000);
        seen.path.contains(&big).then(|| Reply { body, cut, ..Reply::status(200) })
    })
    .await;
    let place = Place::new();
    registry.pull(&place.store).await.expect("pulled");
}

#[tokio::test]
async fn a_registry_that_always_breaks_off_is_given_up() {
    let registry = Registry::twisted(shelf(), |seen| {
        seen.path.contains("/blobs/").then(|| Reply {
            body: vec![0; 50],
            cut: Some(0),
            ..Reply::status(200)
        })
    })
    .await;
    let place = Place::new();
    refused(registry.pull(&place.store).await, PullCause::Network, "stopped coming");
    assert_eq!(registry.seen("/blobs/").len(), 4, "the configuration, four times");
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_cut_off() {
    let registry = Registry::twisted(shelf(), |seen| {
        let size = if seen.path.contains("/manifests/") { 5 << 20 } else { return None };
        Some(Reply { body: vec![b' '; size], ..Reply::status(200) })
    })
    .await;
    let place = Place::new();
    refused(registry.pull(&place.store).await, PullCause::Unusable, "more than 4194304 bytes");

    let registry = Registry::twisted(shelf(), |seen| {
        let body = vec![b'x'; 1 << 20];
        seen.path.contains("/blobs/").then(|| Reply { body, ..Reply::status(200) })
    })
    .await;
    refused(registry.pull(&place.store).await, PullCause::Unusable, "more than");
}

#[tokio::test]
async fn a_registry_in_trouble_is_asked_again() {
    let tries = AtomicUsize::new(0);
    let registry = Registry::twisted(shelf(), move |_| {
        let count = tries.fetch_add(1, Ordering::Relaxed);
        [503, 429].get(count).map(|status| Reply::status(*status))
    })
    .await;
    let place = Place::new();
    registry.pull(&place.store).await.expect("pulled");

    let registry = Registry::twisted(shelf(), |_| Some(Reply::text(429, "slow down"))).await;
    refused(
        registry.pull(&place.store).await,
        PullCause::TooManyRequests,
        "toomanyrequests: slow down",
    );
}

#[tokio::test]
async fn a_cancelled_pull_goes_on_with_what_came() {
    let big = Digest::of(&app().layers[2]).to_string();
    let (tries, path) = (AtomicUsize::new(0), big.clone());
    let arrived = Arc::new(tokio::sync::Notify::new());
    let told = arrived.clone();
    let registry = Registry::twisted(shelf(), move |seen| {
        if !seen.path.contains(&path) {
            return None;
        }
        let body = app().layers[2].clone();
        match tries.fetch_add(1, Ordering::Relaxed) {
            0 => Some(Reply { body, cut: Some(100_000), ..Reply::status(200) }),
            // What came before is written by the time that more is asked for.
            1 => {
                told.notify_one();
                Some(Reply { silent: true, ..Reply::default() })
            }
            _ => None,
        }
    })
    .await;
    let place = Place::new();
    tokio::select! {
        pulled = registry.pull(&place.store) => panic!("{pulled:?}"),
        () = arrived.notified() => {}
    }
    let part = format!("{}.part", big.trim_start_matches("sha256:"));
    assert!(place.names("work").contains(&part));
    registry.pull(&place.again()).await.expect("pulled");
    let seen = registry.seen(&big);
    assert_eq!(seen.last().and_then(|it| it.header("range")), Some("bytes=100000-"));
    assert!(place.names("work").is_empty());
}

#[tokio::test]
async fn a_damaged_rest_of_an_earlier_pull_is_thrown_away() {
    let registry = Registry::start(shelf()).await;
    let place = Place::new();
    let part = format!("work/{}.part", Digest::of(&app().layers[2]).hex());
    fs::write(place.directory.path().join(part), "damaged").expect("writes");
    registry.pull(&place.store).await.expect("pulled");
}

#[tokio::test]
async fn what_is_being_pulled_is_not_collected() {
    let registry = Registry::start(shelf()).await;
    let place = Place::new();
    let pulled = registry.pull(&place.store).await.expect("pulled");
    let never = images::Policy { min_age: Duration::ZERO, ..images::Policy::default() };
    let collected = place.store.collect(&never, crate::fixture::NOW).expect("collects");
    assert_eq!((collected.images.len(), collected.layers, collected.blobs), (1, 0, 0));
    // The name is gone, the content stays while `pulled` lives.
    assert_eq!(place.names("layers").len(), 3);
    drop(pulled);
    let collected = place.store.collect(&never, crate::fixture::NOW).expect("collects");
    assert_eq!((collected.layers, collected.blobs), (3, 5));
}

#[tokio::test]
async fn a_registry_with_a_trusted_certificate_is_asked_over_tls() {
    let registry = Registry::secure(shelf(), |_| None).await;
    let place = Place::new();
    let trusting = Options { roots: Roots::These(vec![certificate()]), ..options() };
    let name = format!("{}/app:1", registry.host);
    let puller = Puller::new(place.store.clone(), trusting.clone());
    puller.pull(&request(&name), Arc::new(|_| {})).await.expect("pulled");

    // Trusted by nobody: no falling back to plain HTTP.
    let asked = registry.seen("").len();
    let distrusting =
        Puller::new(place.store.clone(), Options { roots: Roots::System, ..options() });
    let error = distrusting.pull(&request(&name), Arc::new(|_| {})).await.expect_err("refused");
    assert_eq!(error.cause(), PullCause::Forbidden, "{error}");
    assert_eq!(registry.seen("").len(), asked);
}

#[tokio::test]
async fn a_secure_registry_does_not_lead_to_an_open_one() {
    let open = Registry::start(shelf()).await;
    let to = open.host.clone();
    let registry = Registry::secure(shelf(), move |seen| {
        let moved = format!("http://{to}{}", seen.path);
        seen.path.contains("/blobs/").then(|| Reply::status(307).header("location", &moved))
    })
    .await;
    let place = Place::new();
    let trusting = Options { roots: Roots::These(vec![certificate()]), ..options() };
    let puller = Puller::new(place.store.clone(), trusting);
    let name = format!("{}/app:1", registry.host);
    let pulled = puller.pull(&request(&name), Arc::new(|_| {})).await;
    refused(pulled, PullCause::Forbidden, "from TLS to plain HTTP");
    assert!(open.seen("").is_empty());
}
