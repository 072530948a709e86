//! Buckets, from what the configuration says of them.

use super::upload::Signed;
use super::wire::Wire;
use crate::model::Secret;
use crate::work::media::store::{Access, Bucket};
use http::{HeaderName, HeaderValue};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{ObjectStore, RetryConfig};
use std::sync::Arc;
use std::time::Duration;

/// Attempts of a request after the first one.
const RETRIES_MAX: usize = 2;

/// From the first attempt to the last one.
const RETRY_FOR: Duration = Duration::from_secs(10);

/// What Azure wants to know of an upload.
const BLOB_TYPE: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-ms-blob-type"), HeaderValue::from_static("BlockBlob"));

/// What is wrong with a bucket's settings.
pub(crate) fn check(bucket: &Bucket) -> Result<(), String> {
    open(bucket).map(drop)
}

/// What the names of a bucket's objects begin with.
pub(super) fn prefix(bucket: &Bucket) -> Path {
    Path::from(bucket.prefix.as_str())
}

/// A bucket's objects, and how media are written to it. Nothing is contacted.
pub(super) fn open(bucket: &Bucket) -> Result<(Arc<dyn ObjectStore>, Signed), String> {
    let wire = Wire::new();
    match &bucket.access {
        Access::S3 { region, endpoint, key_id, key, token } => {
            let mut builder = AmazonS3Builder::new()
                .with_bucket_name(&bucket.name)
                .with_region(region)
                .with_access_key_id(key_id)
                .with_secret_access_key(text(key))
                // One request for each, which every server that speaks S3 knows.
                .with_disable_bulk_delete(true)
                .with_retry(retry())
                .with_http_connector(wire.clone());
            if let Some(token) = token {
                builder = builder.with_token(text(token));
            }
            if let Some(endpoint) = endpoint {
                builder = builder.with_endpoint(endpoint).with_allow_http(true);
            }
            opened(builder.build(), wire, None)
        }
        Access::Gcs { service_account } => {
            let builder = GoogleCloudStorageBuilder::new()
                .with_bucket_name(&bucket.name)
                .with_service_account_key(text(service_account))
                .with_retry(retry())
                .with_http_connector(wire.clone());
            opened(builder.build(), wire, None)
        }
        Access::Azure { account, key, endpoint } => {
            let mut builder = MicrosoftAzureBuilder::new()
                .with_container_name(&bucket.name)
                .with_account(account)
                .with_access_key(text(key))
                .with_retry(retry())
                .with_http_connector(wire.clone());
            if let Some(endpoint) = endpoint {
                builder = builder.with_endpoint(endpoint.clone()).with_allow_http(true);
            }
            opened(builder.build(), wire, Some(BLOB_TYPE))
        }
    }
}

/// The same store by both of its sides.
fn opened<S: ObjectStore + Signer>(
    built: object_store::Result<S>,
    wire: Wire,
    header: Option<(HeaderName, HeaderValue)>,
) -> Result<(Arc<dyn ObjectStore>, Signed), String> {
    // Its text may show the credentials.
    let store = Arc::new(built.map_err(|_| "these credentials cannot be used: check credentials_file".to_owned())?);
    Ok((store.clone(), Signed::new(store, wire, header)))
}

fn retry() -> RetryConfig {
    RetryConfig { max_retries: RETRIES_MAX, retry_timeout: RETRY_FOR, ..RetryConfig::default() }
}

fn text(secret: &Secret) -> String {
    String::from_utf8_lossy(secret.expose()).into_owned()
}
