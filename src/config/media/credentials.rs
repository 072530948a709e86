//! The credentials of a bucket, in the form in which each provider hands them out. No message shows any of them.

use crate::model::Secret;
use crate::work::media::store::{Access, BucketKind};
use std::collections::BTreeMap;
use url::{Host, Url};

/// Servers that speak S3 and have no regions accept this one.
const ANY_REGION: &str = "us-east-1";

/// The server's suffix in connection strings of the public cloud, which is the default.
const AZURE: &str = "core.windows.net";

/// Reads the text of a file of credentials.
pub(super) fn access(kind: BucketKind, text: &str) -> Result<Access, String> {
    match kind {
        BucketKind::S3 => s3(text),
        BucketKind::Gcs => gcs(text),
        BucketKind::Azure => azure(text),
    }
}

/// One profile of an AWS file, with or without its `[name]`.
fn s3(text: &str) -> Result<Access, String> {
    const KEYS: [&str; 5] =
        ["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "region", "endpoint_url"];
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    let (profiles, lines): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with('['));
    if profiles.len() > 1 {
        return Err("has several profiles: keep the one for the bucket".to_owned());
    }
    let mut values = pairs(lines, &KEYS)?;
    let mut required = |key: &str| values.remove(key).ok_or_else(|| format!("has no {key}: add it"));
    let (key_id, key) = (required("aws_access_key_id")?, required("aws_secret_access_key")?);
    let endpoint = values.remove("endpoint_url").map(|url| server("endpoint_url", &url)).transpose()?;
    let region = values.remove("region").or_else(|| endpoint.is_some().then(|| ANY_REGION.to_owned()));
    let region = region.ok_or("has no region: add region = with the bucket's")?;
    let token = values.remove("aws_session_token").map(Secret::new);
    Ok(Access::S3 { region, endpoint, key_id, key: Secret::new(key), token })
}

/// The JSON key of a service account.
fn gcs(text: &str) -> Result<Access, String> {
    let key: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let has = |field: &str| key.as_ref().is_some_and(|key| key[field].is_string());
    if has("client_email") && has("private_key") {
        return Ok(Access::Gcs { service_account: Secret::new(text) });
    }
    Err("is not the JSON key of a service account: create one in the Google Cloud console".to_owned())
}

/// A storage account's connection string.
fn azure(text: &str) -> Result<Access, String> {
    const KEYS: [&str; 9] = [
        "DefaultEndpointsProtocol",
        "AccountName",
        "AccountKey",
        "EndpointSuffix",
        "BlobEndpoint",
        "FileEndpoint",
        "QueueEndpoint",
        "TableEndpoint",
        "DfsEndpoint",
    ];
    let mut values = pairs(text.trim().split(';').filter(|pair| !pair.is_empty()), &KEYS)?;
    let mut required = |key: &str| {
        let fix = "copy the connection string of an access key from the Azure portal";
        values.remove(key).ok_or_else(|| format!("has no {key}: {fix}"))
    };
    let (account, key) = (required("AccountName")?, required("AccountKey")?);
    let endpoint = match (values.remove("BlobEndpoint"), values.remove("EndpointSuffix")) {
        (Some(url), _) => Some(server("BlobEndpoint", &url)?),
        (None, Some(suffix)) if suffix != AZURE => {
            Some(server("EndpointSuffix", &format!("https://{account}.blob.{suffix}"))?)
        }
        _ => None,
    };
    Ok(Access::Azure { account, key: Secret::new(key), endpoint })
}

/// `key = value` of each, where the value may have more equals signs. A key that is unknown, or there twice, is an
/// error.
fn pairs<'a>(
    pairs: impl IntoIterator<Item = &'a str>,
    known: &[&'static str],
) -> Result<BTreeMap<&'static str, String>, String> {
    let mut values = BTreeMap::new();
    for pair in pairs {
        let (key, value) = pair.split_once('=').ok_or("has something that is not KEY=VALUE: remove it")?;
        let key = known.iter().find(|known| **known == key.trim());
        let key = key.ok_or_else(|| format!("has an unknown key: use {}", known.join(", ")))?;
        let value = value.trim();
        if value.is_empty() || values.insert(*key, value.to_owned()).is_some() {
            return Err(format!("has {key} without a value, or twice: correct it"));
        }
    }
    Ok(values)
}

/// The URL of a server. Media are persons' data, so plain http goes no further than this machine.
fn server(key: &str, text: &str) -> Result<String, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or_else(|| format!("has a {key} that is not an http or https URL: correct it"))?;
    let is_here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if url.scheme() == "http" && !is_here {
        return Err(format!("has a {key} with http to another machine: use https"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}
