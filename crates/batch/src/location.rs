//! Where a share or an output is: a folder, or `s3://bucket/prefix`, `az://container/prefix`.
//!
//! Credentials and endpoints come from the environment, by the names the object_store crate reads (`AWS_*`, `AZURE_*`).
//! Plain HTTP is refused unless the endpoint is on this machine or `AWS_ALLOW_HTTP` / `AZURE_ALLOW_HTTP` says so.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;

use crate::blob::Blobs;
use crate::error::{BatchError, Result};

/// A parsed `--share` or `--out`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A folder on any file system.
    Folder(PathBuf),
    /// A prefix of an object store.
    Store(StoreUri),
}

/// An object store's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreUri {
    kind: StoreKind,
    bucket: String,
    prefix: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StoreKind {
    S3,
    Azure,
}

impl Location {
    /// Reads a path or URI.
    pub fn parse(text: &str) -> Result<Self> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::Folder(PathBuf::from(text)));
        };
        let kind = match scheme {
            "file" => return Ok(Self::Folder(PathBuf::from(rest))),
            "s3" | "s3a" => StoreKind::S3,
            "az" | "azure" => StoreKind::Azure,
            other => {
                return Err(BatchError::Usage(format!(
                    "{other}:// is not supported; use a path, s3://bucket/prefix or az://container/prefix"
                )));
            }
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(BatchError::Usage(format!(
                "{text}: no bucket or container is named"
            )));
        }
        Ok(Self::Store(StoreUri {
            kind,
            bucket: bucket.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
        }))
    }

    /// The folder, if it is one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Store(_) => None,
        }
    }
}

impl StoreUri {
    /// Connects.
    pub(crate) fn open(&self) -> Result<Blobs> {
        let wrong = |error: object_store::Error| BatchError::Usage(format!("{}: {error}", self.bucket));
        let store: Arc<dyn ObjectStore> = match self.kind {
            StoreKind::S3 => {
                let builder = AmazonS3Builder::from_env().with_bucket_name(&self.bucket);
                let local = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
                let builder = match endpoint_is_here(&local) {
                    true => builder.with_allow_http(true),
                    false => builder,
                };
                Arc::new(builder.build().map_err(wrong)?)
            }
            StoreKind::Azure => {
                let builder = MicrosoftAzureBuilder::from_env().with_container_name(&self.bucket);
                let local = ["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"];
                let builder = match endpoint_is_here(&local) {
                    true => builder.with_allow_http(true),
                    false => builder,
                };
                Arc::new(builder.build().map_err(wrong)?)
            }
        };
        Blobs::new(store, &self.prefix)
    }
}

/// True if the first of these variables that is set names this machine.
fn endpoint_is_here(variables: &[&str]) -> bool {
    let endpoint = variables.iter().find_map(|name| std::env::var(name).ok());
    endpoint.is_some_and(|endpoint| is_loopback(&endpoint))
}

fn is_loopback(endpoint: &str) -> bool {
    let Some((_, rest)) = endpoint.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return false;
    }
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Store(uri) => {
                let scheme = match uri.kind {
                    StoreKind::S3 => "s3",
                    StoreKind::Azure => "az",
                };
                write!(f, "{scheme}://{}/{}", uri.bucket, uri.prefix)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(Location::parse("/a/b").unwrap().folder(), Some(Path::new("/a/b")));
        assert_eq!(
            Location::parse("s3://cases/in/box/").unwrap().to_string(),
            "s3://cases/in/box"
        );
        assert!(Location::parse("ftp://x/y").is_err());
        assert!(Location::parse("s3:///x").is_err());
    }

    #[test]
    fn only_this_machine_may_be_spoken_to_in_plain() {
        for (endpoint, here) in [
            ("http://127.0.0.1:5000", true),
            ("http://localhost/x", true),
            ("http://[::1]:9000", true),
            ("http://localhost.evil.example", false),
            ("http://127.0.0.1@evil.example", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(endpoint), here, "{endpoint}");
        }
    }
}
