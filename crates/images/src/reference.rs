//! Image references: what stands in a container definition's `image`, read as Docker reads it.

use std::fmt;

use crate::Digest;

/// The registry of names that do not say one.
const REGISTRY_DEFAULT: &str = "docker.io";
/// Where the default registry's API answers.
const REGISTRY_DEFAULT_HOST: &str = "registry-1.docker.io";
/// Longest repository name that registries take, its host included.
const NAME_MAX: usize = 255;
/// Longest tag.
const TAG_MAX: usize = 128;
/// Repositories that only this program makes; they are never asked for outside.
const BUILT_IN: &str = "landfall/";

/// An image's full name: `registry/repository:tag` or `registry/repository@digest`.
///
/// A digest wins over a tag that stands beside it, as Docker does. The short and the full form
/// of a name are equal: `nginx` is `docker.io/library/nginx:latest`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    version: Version,
}

/// Which of a repository's images is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// Whatever the tag points at when it is pulled.
    Tag(String),
    /// Exactly this manifest or index.
    Digest(Digest),
}

/// Why a text names no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid reference format: {text:?} {problem}; use [REGISTRY[:PORT]/]NAME[:TAG][@DIGEST]")]
pub struct ReferenceError {
    /// The text, shortened.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl Reference {
    /// Reads a reference.
    ///
    /// Source: the grammar of the `distribution/reference` package; the first part is a
    /// registry if it holds a dot or a colon, is `localhost`, or has a capital letter.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let refuse = |problem| ReferenceError { text: text.chars().take(300).collect(), problem };
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        let (name, tag) = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (name, None),
        };
        let (registry, path) = split_registry(name);
        let repository = if registry == REGISTRY_DEFAULT && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        };

        if !is_registry(registry) {
            return Err(refuse("has a registry that is not a host name"));
        }
        if !repository.split('/').all(is_path_part) {
            return Err(refuse("has a name that is not lower-case letters, digits, . _ - and /"));
        }
        if registry.len() + 1 + repository.len() > NAME_MAX {
            return Err(refuse("has a name longer than 255 characters"));
        }
        if tag.is_some_and(|it| !is_tag(it)) {
            return Err(refuse("has a tag that is not 1 to 128 letters, digits, . _ or -"));
        }
        let version = match digest {
            Some(it) => Version::Digest(
                Digest::parse(it).map_err(|_| refuse("has a digest that is not sha256:<hex>"))?,
            ),
            None => Version::Tag(tag.unwrap_or("latest").to_owned()),
        };
        Ok(Self { registry: registry.to_owned(), repository, version })
    }

    /// The registry as it was named: `docker.io`, `localhost:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Host and port to connect to.
    pub fn host(&self) -> &str {
        if self.registry == REGISTRY_DEFAULT { REGISTRY_DEFAULT_HOST } else { &self.registry }
    }

    /// The repository inside the registry: `library/nginx`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Which image of the repository.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The image of this digest in the same repository.
    #[must_use]
    pub fn exactly(&self, digest: Digest) -> Self {
        Self { version: Version::Digest(digest), ..self.clone() }
    }

    /// Whether only this program can have made the image, so that asking a registry for it
    /// would bring somebody else's.
    pub fn is_built_in(&self) -> bool {
        self.registry == REGISTRY_DEFAULT && self.repository.starts_with(BUILT_IN)
    }

    /// Registry and repository without a version.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Version::Tag(tag) => write!(f, "{}/{}:{tag}", self.registry, self.repository),
            Version::Digest(it) => write!(f, "{}/{}@{it}", self.registry, self.repository),
        }
    }
}

fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, rest)) if looks_like_host(first) => match first {
            "index.docker.io" => (REGISTRY_DEFAULT, rest),
            _ => (first, rest),
        },
        _ => (REGISTRY_DEFAULT, name),
    }
}

fn looks_like_host(part: &str) -> bool {
    part == "localhost"
        || part.contains(['.', ':'])
        || part.bytes().any(|it| it.is_ascii_uppercase())
}

fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let port_fits = port.is_none_or(|it| {
        it.bytes().all(|it| it.is_ascii_digit()) && it.parse::<u16>().is_ok_and(|it| it > 0)
    });
    let address = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    port_fits
        && match address {
            Some(it) => it.parse::<std::net::Ipv6Addr>().is_ok(),
            None => host.split('.').all(is_label),
        }
}

fn is_label(part: &str) -> bool {
    !part.is_empty()
        && part.len() <= 63
        && !part.starts_with('-')
        && !part.ends_with('-')
        && part.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-')
}

/// Runs of lower-case letters and digits, joined by one `.`, one or two `_`, or any number of `-`.
fn is_path_part(part: &str) -> bool {
    let word = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
    part.starts_with(word)
        && part.ends_with(word)
        && part.split(word).all(|joint| {
            matches!(joint, "" | "." | "_" | "__") || joint.bytes().all(|it| it == b'-')
        })
}

fn is_tag(text: &str) -> bool {
    let word = |it: u8| it.is_ascii_alphanumeric() || it == b'_';
    text.len() <= TAG_MAX
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|it| word(it) || it == b'.' || it == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn names_are_read_as_docker_reads_them() {
        for (text, full, host) in [
            ("nginx", "docker.io/library/nginx:latest", "registry-1.docker.io"),
            ("nginx:1.27", "docker.io/library/nginx:1.27", "registry-1.docker.io"),
            ("docker.io/nginx", "docker.io/library/nginx:latest", "registry-1.docker.io"),
            ("index.docker.io/a/b", "docker.io/a/b:latest", "registry-1.docker.io"),
            ("landfall/demo", "docker.io/landfall/demo:latest", "registry-1.docker.io"),
            ("localhost/a", "localhost/a:latest", "localhost"),
            ("localhost:5000/a:b", "localhost:5000/a:b", "localhost:5000"),
            ("127.0.0.1:5000/x/y/z", "127.0.0.1:5000/x/y/z:latest", "127.0.0.1:5000"),
            ("[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000"),
            ("Host/a", "Host/a:latest", "Host"),
            (
                "a__b/c-d--e.f:V1.0-rc_1",
                "docker.io/a__b/c-d--e.f:V1.0-rc_1",
                "registry-1.docker.io",
            ),
            (
                "123456789012.dkr.ecr.us-east-1.amazonaws.com/app:1",
                "123456789012.dkr.ecr.us-east-1.amazonaws.com/app:1",
                "123456789012.dkr.ecr.us-east-1.amazonaws.com",
            ),
        ] {
            let reference = Reference::parse(text).expect(text);
            assert_eq!((reference.to_string().as_str(), reference.host()), (full, host));
            assert_eq!(Reference::parse(full).as_ref(), Ok(&reference), "the full form is equal");
        }
    }

    #[test]
    fn a_digest_wins_over_the_tag_beside_it() {
        for text in [format!("nginx@sha256:{HEX}"), format!("nginx:1.27@sha256:{HEX}")] {
            let reference = Reference::parse(&text).expect("a reference");
            assert_eq!(reference.to_string(), format!("docker.io/library/nginx@sha256:{HEX}"));
        }
    }

    #[test]
    fn what_names_no_image_is_refused() {
        let long = "a".repeat(256);
        for text in [
            "",
            " ",
            ":",
            "@",
            "/",
            "a/",
            "/a",
            "a//b",
            "Nginx",
            "a:",
            "a:-b",
            "a b",
            "a\n",
            "../a",
            "a/../b",
            "a..b",
            "a.",
            "_a",
            "a___b",
            "-a/b",
            "host:99999/a",
            "host:0/a",
            "host:x/a",
            "a@sha256:12",
            "a@md5:12",
            "ho_st.com/a",
            "[zz]:1/a",
            "a:b:c/d",
            "http://a/b",
            &long,
        ] {
            assert!(Reference::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_our_own_names_are_built_in() {
        for (text, expected) in [
            ("landfall/demo", true),
            ("docker.io/landfall/demo:latest", true),
            ("registry.example/landfall/demo", false),
            ("landfall", false),
        ] {
            assert_eq!(Reference::parse(text).expect(text).is_built_in(), expected, "{text}");
        }
    }
}
