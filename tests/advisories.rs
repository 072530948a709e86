//! No version in the lock has an advisory of the RustSec database, but for those accepted here with a reason.
//!
//! `tests/advisories/advisories.json` is a snapshot of that database, made by `scripts/advisories.py`.

use jiff::civil::Date;
use semver::{Version, VersionReq};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Advisories that concern the lock and are accepted.
const ACCEPTED: [(&str, &str); 3] = [
    ("RUSTSEC-2023-0089", "atomic-polyfill, unmaintained: named by phonenumber, which only a test uses; never built"),
    ("RUSTSEC-2024-0384", "instant, unmaintained: under sled 0.34.7, which is pinned; it wraps the system's clock"),
    (
        "RUSTSEC-2025-0057",
        "fxhash, unmaintained: under sled 0.34.7, which is pinned; it hashes sled's own page numbers",
    ),
];

/// After this many days without a newer snapshot, unknown advisories are too likely.
const AGE_MAX_DAYS: i32 = 90;

struct Snapshot(Value);

impl Snapshot {
    fn read() -> Self {
        Self(serde_json::from_str(include_str!("advisories/advisories.json")).expect("the snapshot is JSON"))
    }

    /// The ids of advisories that concern one of these versions.
    fn concerning(&self, lock: &Lock) -> BTreeSet<&str> {
        let advisories = self.0["advisories"].as_array().expect("advisories are a list");
        let concerns = |advisory: &&Value| {
            let versions = lock.get(text(&advisory["package"])).into_iter().flatten();
            let safe = [requirements(&advisory["patched"]), requirements(&advisory["unaffected"])].concat();
            versions.into_iter().any(|version| !safe.iter().any(|safe| safe.matches(version)))
        };
        advisories.iter().filter(concerns).map(|advisory| text(&advisory["id"])).collect()
    }

    /// Packages of the lock that the database was not searched for.
    fn unknown<'a>(&self, lock: &'a Lock) -> Vec<&'a str> {
        let known: BTreeSet<_> = self.0["packages"].as_array().expect("packages are a list").iter().map(text).collect();
        lock.keys().map(String::as_str).filter(|package| !known.contains(package)).collect()
    }
}

/// The lock has fewer packages than this, without those that only buckets for media need.
const PACKAGES_MAX: usize = 300;

/// What the feature `cloud` brings.
const CLOUD: &str = "object_store";

/// Versions by package.
type Lock = BTreeMap<String, Vec<Version>>;

fn lock() -> Lock {
    let lock: toml::Table = include_str!("../Cargo.lock").parse().expect("the lock is TOML");
    let mut versions = Lock::new();
    for package in lock["package"].as_array().expect("packages are a list") {
        let field = |name: &str| package[name].as_str().expect("name and version are strings");
        let version = field("version").parse().expect("a lock has exact versions");
        versions.entry(field("name").to_owned()).or_default().push(version);
    }
    versions
}

fn field<'a>(package: &'a toml::Value, name: &str) -> &'a str {
    package[name].as_str().expect("it is a string")
}

/// The packages that our own needs on any system and in tests, but by way of `without`.
fn needed<'a>(lock: &'a toml::Table, without: &str) -> BTreeSet<(&'a str, &'a str)> {
    let packages = lock["package"].as_array().expect("packages are a list");
    let mut needed = BTreeSet::new();
    let mut next: Vec<&str> = vec![env!("CARGO_PKG_NAME")];
    while let Some(wanted) = next.pop() {
        // A version stands there where the lock has several.
        let (name, version) = wanted.split_once(' ').map_or((wanted, None), |(name, version)| (name, Some(version)));
        let is_wanted = |package: &&toml::Value| {
            field(package, "name") == name && version.is_none_or(|version| field(package, "version") == version)
        };
        let package = packages.iter().find(is_wanted).expect("the lock has every package that it names");
        if name != without && needed.insert((name, field(package, "version"))) {
            let dependencies = package.get("dependencies").and_then(toml::Value::as_array).into_iter().flatten();
            next.extend(dependencies.map(|dependency| dependency.as_str().expect("it is a string")));
        }
    }
    needed
}

fn text(value: &Value) -> &str {
    value.as_str().expect("it is a string")
}

/// Each is safe; a list within one means all of it.
fn requirements(list: &Value) -> Vec<VersionReq> {
    let list = list.as_array().expect("versions are a list").iter();
    list.map(|requirement| text(requirement).parse().expect("the database writes Cargo's requirements")).collect()
}

/// Why a snapshot is too old, if so. An extension needs a date and a reason.
fn too_old(snapshot: &Value, today: Date) -> Option<String> {
    let date = |name: &str| snapshot[name].as_str().map(|date| date.parse::<Date>().expect("it is a date"));
    let made = date("date").expect("a snapshot has its date");
    let days = (today - made).get_days();
    let because = snapshot["accepted_because"].as_str().is_some_and(|because| !because.trim().is_empty());
    let extended = date("accepted_until").is_some_and(|until| because && today <= until);
    (days > AGE_MAX_DAYS && !extended).then(|| {
        format!(
            "the advisories are {days} days old: make a new snapshot with scripts/advisories.py, see CONTRIBUTING.md"
        )
    })
}

#[test]
fn no_version_in_the_lock_has_an_advisory_that_is_not_accepted() {
    let (snapshot, lock) = (Snapshot::read(), lock());
    let found = snapshot.concerning(&lock);
    let accepted: BTreeSet<_> = ACCEPTED.iter().map(|(id, _)| *id).collect();
    let new: Vec<_> = found.difference(&accepted).collect();
    assert!(new.is_empty(), "upgrade the package, or accept it in ACCEPTED with a reason: {new:?}");
    let over: Vec<_> = accepted.difference(&found).collect();
    assert!(over.is_empty(), "no longer in the lock, remove it from ACCEPTED: {over:?}");
}

#[test]
fn without_buckets_fewer_than_300_packages_are_needed() {
    let lock: toml::Table = include_str!("../Cargo.lock").parse().expect("the lock is TOML");
    let all = lock["package"].as_array().expect("packages are a list").len();
    assert_eq!(needed(&lock, "").len(), all, "the walk through the lock reaches all of it");
    let without = needed(&lock, CLOUD).len();
    assert!(without < all, "{CLOUD} is in the lock");
    assert!(without < PACKAGES_MAX, "{without} packages without {CLOUD}: leave one out");
}

#[test]
fn the_snapshot_covers_every_package_of_the_lock() {
    let (snapshot, lock) = (Snapshot::read(), lock());
    let unknown = snapshot.unknown(&lock);
    assert!(unknown.is_empty(), "make a new snapshot with scripts/advisories.py: {unknown:?}");
}

#[test]
fn the_snapshot_is_not_too_old() {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    assert_eq!(too_old(&Snapshot::read().0, today), None);
}

#[test]
fn a_snapshot_is_too_old_after_90_days_unless_extended_with_a_reason() {
    let plain = serde_json::json!({ "date": "2026-01-01" });
    let mut extended = plain.clone();
    extended["accepted_until"] = "2026-05-01".into();
    let mut explained = extended.clone();
    explained["accepted_because"] = "the database cannot be fetched".into();
    for (snapshot, today, expected) in [
        (&plain, "2026-04-01", true),
        (&plain, "2026-04-02", false),
        (&extended, "2026-04-02", false),
        (&explained, "2026-04-02", true),
        (&explained, "2026-05-01", true),
        (&explained, "2026-05-02", false),
    ] {
        let today = today.parse().expect("it is a date");
        assert_eq!(too_old(snapshot, today).is_none(), expected, "{snapshot} {today}");
    }
}

#[test]
fn an_advisory_concerns_versions_outside_every_safe_range() {
    let snapshot = Snapshot(serde_json::json!({ "advisories": [{
        "id": "one",
        "package": "rand",
        "patched": [">= 0.10.1", "< 0.10.0, >= 0.9.3", "^0.3.4"],
        "unaffected": ["< 0.2"],
    }] }));
    for (version, concerned) in [
        ("0.10.1", false),
        ("0.10.0", true),
        ("0.9.5", false),
        ("0.9.2", true),
        ("0.3.4", false),
        ("0.3.3", true),
        ("0.1.9", false),
        ("1.0.0+build", false),
    ] {
        let lock = Lock::from([("rand".to_owned(), vec![version.parse().expect("it is a version")])]);
        assert_eq!(!snapshot.concerning(&lock).is_empty(), concerned, "{version}");
    }
}
