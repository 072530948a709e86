//! The suite over a folder and over objects in memory, and a folder that fails.

mod faults;

use super::*;
use std::path::Path;
use tempfile::TempDir;

mod folder {
    super::suite::store_suite!(super::in_folder());
}

#[cfg(feature = "cloud")]
mod memory {
    super::suite::store_suite!(super::in_memory());
}

fn in_folder() -> (Store, TempDir) {
    let place = tempfile::tempdir().unwrap();
    (open(place.path()), place)
}

#[cfg(feature = "cloud")]
fn in_memory() -> (Store, TempDir) {
    let place = tempfile::tempdir().unwrap();
    (Store::in_memory(place.path()).unwrap(), place)
}

fn open(path: &Path) -> Store {
    Store::open(&MediaConfig::folder(path)).unwrap()
}

#[test]
fn a_name_stands_for_one_medium_and_anything_else_for_none() {
    let sha256: Sha256 = std::array::from_fn(|at| at as u8 * 8);
    let hex = name(&sha256);
    assert_eq!(named(&hex), Some(sha256));
    for other in [&hex[1..], &format!("{hex}0"), &hex.to_uppercase(), &hex.replace('0', "+"), "", &"é".repeat(32)] {
        assert_eq!(named(other), None, "{other}");
    }
}

#[cfg(not(feature = "cloud"))]
#[test]
fn a_build_without_buckets_says_so() {
    let access = Access::Gcs { service_account: crate::model::Secret::new("{}") };
    let bucket = Bucket { name: "b".to_owned(), prefix: String::new(), access };
    let config = MediaConfig {
        place: Place::Bucket { bucket, aside: "aside".into() },
        limits: crate::rules::media::Bounds::default(),
    };
    assert!(matches!(Store::open(&config), Err(StoreFailed::Other(why)) if why.contains("this build has no buckets")));
}
