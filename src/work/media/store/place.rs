//! Where media are to be kept, as the configuration says.

use crate::model::Secret;
use crate::rules::media::Bounds;
use std::fmt;
use std::path::PathBuf;

/// What a build without buckets says of one.
#[cfg(not(feature = "cloud"))]
pub(super) const NO_CLOUD: &str = "this build has no buckets: keep media in a folder, or use a build with `cloud`";

/// `[media]`, checked.
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// Where media are kept.
    pub place: Place,
    /// What is taken in (A50).
    pub limits: Bounds,
}

impl MediaConfig {
    /// Media in a folder, with the default limits.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        Self { place: Place::Folder(path.into()), limits: Bounds::default() }
    }
}

/// A folder or a bucket.
#[derive(Clone, Debug)]
pub enum Place {
    /// A folder of its own on a disk of this machine.
    Folder(PathBuf),
    /// A bucket.
    Bucket {
        /// Which one.
        bucket: Bucket,
        /// A folder on a disk of this machine, where a medium is written before it goes to the bucket.
        aside: PathBuf,
    },
}

/// A bucket and how it may be used.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Its name; of a container, at Azure.
    pub name: String,
    /// What the names of objects begin with; may be empty.
    pub prefix: String,
    /// Where it is, and the credentials.
    pub access: Access,
}

/// The provider and its credentials.
#[derive(Clone, Debug)]
pub enum Access {
    /// S3, or a server that speaks its protocol.
    S3 {
        /// The region that requests are signed for.
        region: String,
        /// The server, if it is not Amazon's.
        endpoint: Option<String>,
        /// The access key's id.
        key_id: String,
        /// The access key.
        key: Secret,
        /// The session token of temporary credentials.
        token: Option<Secret>,
    },
    /// Google Cloud Storage, with the JSON of a service account's key.
    Gcs {
        /// The JSON.
        service_account: Secret,
    },
    /// Azure Blob Storage.
    Azure {
        /// The storage account.
        account: String,
        /// Its access key, in base64.
        key: Secret,
        /// The server, if it is not Microsoft's.
        endpoint: Option<String>,
    },
}

/// The providers of buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketKind {
    /// S3.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
}

impl BucketKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::S3, Self::Gcs, Self::Azure];

    /// The scheme of its URLs.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gs",
            Self::Azure => "az",
        }
    }
}

impl Place {
    /// Whether the credentials of two places are the same. A folder has none.
    pub fn has_credentials_of(&self, other: &Self) -> bool {
        let secrets = |place: &Self| match place {
            Self::Folder(_) => [None, None],
            Self::Bucket { bucket, .. } => bucket.access.secrets().map(|secret| secret.cloned()),
        };
        secrets(self).iter().zip(&secrets(other)).all(|pair| match pair {
            (Some(one), Some(other)) => one.matches(other.expose()),
            (one, other) => one.is_none() && other.is_none(),
        })
    }
}

impl Access {
    fn secrets(&self) -> [Option<&Secret>; 2] {
        match self {
            Self::S3 { key, token, .. } => [Some(key), token.as_ref()],
            Self::Gcs { service_account: key } | Self::Azure { key, .. } => [Some(key), None],
        }
    }
}

impl Bucket {
    /// Its provider.
    pub fn kind(&self) -> BucketKind {
        match self.access {
            Access::S3 { .. } => BucketKind::S3,
            Access::Gcs { .. } => BucketKind::Gcs,
            Access::Azure { .. } => BucketKind::Azure,
        }
    }

    /// What is wrong with it, as far as it can be seen without contacting it.
    #[cfg(feature = "cloud")]
    pub fn check(&self) -> Result<(), String> {
        super::bucket::check(self)
    }

    /// What is wrong with it, as far as it can be seen without contacting it.
    #[cfg(not(feature = "cloud"))]
    pub fn check(&self) -> Result<(), String> {
        Err(NO_CLOUD.to_owned())
    }
}

impl fmt::Display for Bucket {
    /// Its URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        write!(f, "{}://{}{slash}{}", self.kind().scheme(), self.name, self.prefix)
    }
}
