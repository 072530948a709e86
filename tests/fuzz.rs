//! G23 without the fuzzer: each target reads the seeds that are kept for it, and every beginning of them.
//!
//! `fuzz/run 60` fuzzes each for a minute, with cargo-fuzz.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every target: its name, the function as its file names it, and the function.
macro_rules! targets {
    ($($name:literal => $target:path;)*) => {
        &[$(($name, stringify!($target), $target)),*]
    };
}

type Target = (&'static str, &'static str, fn(&[u8]));

const TARGETS: &[Target] = targets! {
    "api" => offhook::daemon::fuzz::api;
    "bandwidth" => offhook::carrier::fuzz::bandwidth;
    "claims" => offhook::index::fuzz::claims;
    "config" => offhook::config::fuzz::config;
    "generic" => offhook::carrier::fuzz::generic;
    "hooks" => offhook::daemon::fuzz::hooks;
    "id" => offhook::model::fuzz::id;
    "infobip" => offhook::carrier::fuzz::infobip;
    "number" => offhook::model::fuzz::number;
    "opt_out" => offhook::rules::fuzz::opt_out;
    "plivo" => offhook::carrier::fuzz::plivo;
    "record" => offhook::machine::fuzz::record;
    "retry_after" => offhook::carrier::fuzz::retry_after;
    "row" => offhook::machine::fuzz::row;
    "seed" => offhook::config::fuzz::seed;
    "segment" => offhook::journal::fuzz::segment;
    "sinch" => offhook::carrier::fuzz::sinch;
    "snapshot" => offhook::journal::fuzz::snapshot;
    "sockets" => offhook::daemon::fuzz::sockets;
    "tampered" => offhook::journal::fuzz::tampered;
    "telnyx" => offhook::carrier::fuzz::telnyx;
    "text" => offhook::model::fuzz::text;
    "twilio" => offhook::carrier::fuzz::twilio;
    "vonage" => offhook::carrier::fuzz::vonage;
    "vonage_sms" => offhook::carrier::fuzz::vonage_sms;
};

/// Seeds of one target: enough to begin with, and few enough to be looked at.
const SEEDS_MIN: usize = 3;
const SEEDS_MAX: usize = 100;

#[test]
fn g23_every_target_takes_its_seeds_and_every_beginning_of_them() {
    for (name, _, target) in TARGETS {
        let seeds = files(&fuzz().join("corpus").join(name));
        assert!((SEEDS_MIN..SEEDS_MAX).contains(&seeds.len()), "{name} has {} seeds", seeds.len());
        for path in seeds {
            let seed = fs::read(&path).expect("a seed can be read");
            // Some forty beginnings of each, however long it is.
            for end in (0..seed.len()).step_by(seed.len() / 40 + 1).chain([seed.len()]) {
                target(&seed[..end]);
            }
        }
    }
}

#[test]
fn g23_what_is_fuzzed_is_what_is_tested_here() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("the fuzzer's manifest can be read");
    for (name, function, _) in TARGETS {
        let path = fuzz().join("fuzz_targets").join(format!("{name}.rs"));
        let source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(source.contains(&format!("|input: &[u8]| {function}(input)")), "{name} calls {function}");
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"")), "{name} is built");
    }
    for folder in ["corpus", "fuzz_targets"] {
        let stems = files(&fuzz().join(folder)).into_iter().filter_map(|path| Some(path.file_stem()?.to_owned()));
        let there: BTreeSet<String> = stems.map(|stem| stem.to_string_lossy().into_owned()).collect();
        assert_eq!(there, names, "fuzz/{folder}");
    }
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}
