//! Folders, buckets, limits, and credentials with a mistake.

use super::credentials::access;
use super::*;
use crate::model::Timestamp;
use crate::work::media::store::Access;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use tempfile::TempDir;

const S3: &str = "[default]\naws_access_key_id = AKIA0\naws_secret_access_key=secret+/=\nregion = eu-central-1\n";

const AZURE: &str =
    "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net";

#[test]
fn media_are_below_data_dir_unless_the_folder_is_absolute() {
    let folder = |lines: &str| match read(lines).unwrap().place {
        Place::Folder(path) => path,
        Place::Bucket { bucket, .. } => panic!("{bucket}"),
    };
    assert!(folder("").ends_with("data/media"));
    assert!(folder("store = \"media\"").ends_with("data/media"));
    assert!(folder("store = \"photos/all\"").ends_with("data/photos/all"));
    assert_eq!(folder("store = \"/srv/media\""), Path::new("/srv/media"));
}

#[test]
fn a50_limits_are_as_agreed_unless_configured() {
    let limits = |lines: &str| read(lines).unwrap().limits;
    let default = limits("");
    assert_eq!((default.items, default.item_bytes, default.message_bytes), (10, 5 << 20, 20 << 20));
    let own = limits("item_max_bytes = 2048\nmessage_max_bytes = 4096\nitems_max = 3");
    assert_eq!((own.items, own.item_bytes, own.message_bytes), (3, 2_048, 4_096));
}

#[test]
fn a_wrong_store_is_reported_with_the_way_out() {
    for (lines, says) in [
        ("store = \"\"", "media.store is empty"),
        ("store = \".\"", "has other data of the gateway"),
        ("store = \"./journal/\"", "has other data of the gateway"),
        ("store = \"../file\"", "\"../file\" is a file: use a folder"),
        ("store = \"~/media\"", "only a shell expands"),
        ("store = \"ftp://bucket\"", "begins with \"ftp\": use a folder, or \"s3://bucket/prefix\""),
        ("store = \"s3://\"", "is not the URL of a bucket"),
        ("store = \"s3://bucket//prefix\"", "is not the URL of a bucket"),
        ("store = \"s3://bucket/../prefix\"", "is not the URL of a bucket"),
        ("store = \"s3://me@bucket\"", "is not the URL of a bucket"),
        ("store = \"s3://bucket/?x\"", "is not the URL of a bucket"),
        ("store = \"s3://bucket\"", "media.credentials_file is missing: give the file that contains the credentials"),
        ("store = \"s3://bucket\"\ncredentials_file = \"absent\"", "\"absent\" cannot be read"),
        ("store = \"media\"\ncredentials_file = \"s3\"", "is for a bucket, and store is a folder"),
        ("item_max_bytes = 4096\nmessage_max_bytes = 2048", "is 2048, less than item_max_bytes: use 4096 or more"),
        ("items_max = 0", "media.items_max is 0: use 1 to 100"),
        ("colour = 1", "media.colour is an unknown key"),
    ] {
        let problems = read(lines).unwrap_err();
        // The last line counts them.
        assert!(problems.contains(says) && problems.lines().count() == 2, "{lines}: {problems}");
    }
}

#[cfg(feature = "cloud")]
#[test]
fn a_bucket_is_read_with_its_credentials() {
    for (store, file, url) in [
        ("s3://bucket", "s3", "s3://bucket"),
        ("s3://my.bucket/off/hook/", "s3", "s3://my.bucket/off/hook"),
        ("az://container/media", "azure", "az://container/media"),
    ] {
        match read(&format!("store = {store:?}\ncredentials_file = {file:?}")).unwrap().place {
            Place::Bucket { bucket, aside } => {
                assert_eq!(bucket.to_string(), url);
                assert!(aside.ends_with("data/media"));
                let shown = format!("{bucket:?}");
                assert!(!shown.contains("secret+") && !shown.contains("c2VjcmV0"), "{shown}");
            }
            Place::Folder(path) => panic!("{}", path.display()),
        }
    }
    let wrong = read("store = \"gs://bucket\"\ncredentials_file = \"gcs\"").unwrap_err();
    assert!(wrong.contains("media.credentials_file these credentials cannot be used"), "{wrong}");
    assert!(!wrong.contains("not-a-key"), "{wrong}");
}

#[cfg(not(feature = "cloud"))]
#[test]
fn a_build_without_buckets_refuses_one() {
    let problems = read("store = \"s3://bucket\"\ncredentials_file = \"s3\"").unwrap_err();
    assert!(problems.contains("this build has no buckets"), "{problems}");
}

#[test]
fn credentials_are_read_as_providers_write_them() {
    let other = format!("# ours\n{S3}aws_session_token = t\nendpoint_url = http://127.0.0.1:9000/\n");
    match access(BucketKind::S3, &other.replace("region = eu-central-1\n", "")).unwrap() {
        Access::S3 { region, endpoint, key_id, key, token } => {
            assert_eq!((region.as_str(), endpoint.as_deref()), ("us-east-1", Some("http://127.0.0.1:9000")));
            assert_eq!(key_id, "AKIA0");
            assert!(key.matches(b"secret+/=") && token.unwrap().matches(b"t"));
        }
        other => panic!("{other:?}"),
    }
    let endpoint = |text: &str| match access(BucketKind::Azure, text).unwrap() {
        Access::Azure { account, key, endpoint } => {
            assert_eq!(account, "acme");
            assert!(key.matches(b"c2VjcmV0"));
            endpoint
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(endpoint(AZURE), None);
    let china = AZURE.replace("windows.net", "chinacloudapi.cn");
    assert_eq!(endpoint(&china).as_deref(), Some("https://acme.blob.core.chinacloudapi.cn"));
}

#[test]
fn a_key_that_was_replaced_under_the_same_id_is_another_one() {
    let bucket = |kind, text: &str| {
        let access = access(kind, text).unwrap();
        let bucket = Bucket { name: "bucket".to_owned(), prefix: String::new(), access };
        Place::Bucket { bucket, aside: "aside".into() }
    };
    let with_token = format!("{S3}aws_session_token = t\n");
    for (kind, text, from, to) in [
        (BucketKind::S3, S3, "secret+/=", "secret+/+"),
        (BucketKind::S3, &with_token, "token = t", "token = u"),
        (BucketKind::S3, &with_token, "aws_session_token = t", ""),
        (BucketKind::Azure, AZURE, "c2VjcmV0", "c2VjcmV1"),
    ] {
        let (before, after) = (bucket(kind, text), bucket(kind, &text.replace(from, to)));
        assert!(before.has_credentials_of(&bucket(kind, text)), "{text}");
        assert!(!before.has_credentials_of(&after) && !after.has_credentials_of(&before), "{text}");
    }
    let folder = Place::Folder("media".into());
    assert!(folder.has_credentials_of(&folder) && !folder.has_credentials_of(&bucket(BucketKind::S3, S3)));
}

#[test]
fn wrong_credentials_are_reported_and_never_shown() {
    for (kind, text, says) in [
        (BucketKind::S3, S3.replace("region", "regoin"), "has an unknown key: use aws_access_key_id"),
        (BucketKind::S3, S3.replace("region = eu-central-1", ""), "has no region"),
        (BucketKind::S3, S3.replace("aws_access_key_id = AKIA0", ""), "has no aws_access_key_id"),
        (BucketKind::S3, format!("{S3}[other]\n"), "has several profiles"),
        (BucketKind::S3, format!("{S3}region = x\n"), "has region without a value, or twice"),
        (BucketKind::S3, format!("{S3}endpoint_url = http://10.0.0.5:9000\n"), "http to another machine: use https"),
        (BucketKind::S3, format!("{S3}endpoint_url = minio\n"), "not an http or https URL"),
        (BucketKind::S3, "secret+/ secret".to_owned(), "has something that is not KEY=VALUE"),
        (BucketKind::Gcs, "{ \"client_email\": \"secret\" }".to_owned(), "is not the JSON key of a service account"),
        (BucketKind::Gcs, "secret".to_owned(), "is not the JSON key of a service account"),
        (BucketKind::Azure, AZURE.replace("AccountKey", "AccountKay"), "has an unknown key"),
        (BucketKind::Azure, AZURE.replace("AccountName=acme;", ""), "has no AccountName: copy the connection string"),
    ] {
        let why = access(kind, &text).map(drop).unwrap_err();
        assert!(why.contains(says) && !why.contains("secret+") && !why.contains("c2VjcmV0"), "{text}: {why}");
    }
}

/// `[media]` with these lines, beside files that they may name, or the problems.
fn read(lines: &str) -> Result<MediaConfig, String> {
    let place = TempDir::new().unwrap();
    for (name, text) in [
        ("s3", S3),
        ("azure", AZURE),
        ("gcs", "{ \"client_email\": \"a@b\", \"private_key\": \"not-a-key\", \"private_key_id\": \"1\" }"),
        ("file", ""),
    ] {
        let path = place.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    let data_dir = place.path().join("data");
    fs::create_dir_all(data_dir.join("journal")).unwrap();
    let (text, file) = (format!("[media]\n{lines}\n"), place.path().join("offhook.toml"));
    let mut reading = Reading::new(&text, &file, Timestamp::default());
    let root = Section::parse(&mut reading).unwrap();
    let media = media(&root, Some(&data_dir), &mut reading);
    let problems = reading.problems();
    if problems.is_empty() { Ok(media.unwrap()) } else { Err(problems.to_string()) }
}
