//! The order of floors: a module uses the floors below it and never one above, so its `use` lines say how much of the
//! program it can touch. Tests inside modules keep to it, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// The ground is first. Modules of one floor do not use each other.
const FLOORS: &[&[&str]] = &[
    &["model"],
    &["rules"],
    &["machine", "carrier", "net", "json"],
    &["journal", "index"],
    &["engine", "directory"],
    &["work"],
    &["http"],
    &["sim"],
    &["config"],
    &["daemon", "ask"],
    &["demo"],
    &["main"],
];

/// Those that use less than all below them.
const ONLY: &[(&str, &[&str])] = &[
    // No bytes of a carrier, no row of the index: what it decides follows from what it is handed.
    ("machine", &["model", "rules"]),
    ("carrier", &["model", "rules"]),
    // Wires know nothing of the domain beyond its nouns.
    ("net", &["model"]),
    // How JSON is read is the same for a request and a document.
    ("json", &["model", "rules"]),
    // What a record means is the machine's business.
    ("journal", &["model", "machine::rows"]),
    ("index", &["model", "machine::rows"]),
    // A document is not a file and not a request.
    ("directory", &["model", "rules", "machine", "json", "journal"]),
    // It speaks HTTP only, as the outside does.
    ("sim", &["model"]),
];

/// Says what happened; every floor from 2 up may.
const OBSERVE: &str = "observe";

/// It counts and logs what the model has words for.
const OBSERVE_USES: &str = "model";

/// The first floor that may say what happened.
const OBSERVE_FROM: usize = 2;

/// The feature that fences what only tests use.
const TEST_SUPPORT: &str = "test-support";

#[test]
fn a_module_uses_the_floors_below_it_and_never_one_above() {
    let mut breaches = Vec::new();
    for path in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let Some(module) = module_of(&path) else { continue };
        let source = fs::read_to_string(&path).expect("the source can be read");
        for (line, used) in uses(&source) {
            if let Err(why) = may_use(&module, &used) {
                breaches.push(format!("{}:{line}: {module} uses {used}: {why}", path.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "the order of floors is broken:\n{}", breaches.join("\n"));
}

#[test]
fn files_of_the_machine_import_each_other_in_no_circle() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files: BTreeMap<String, PathBuf> = sources(&src)
        .into_iter()
        .filter_map(|path| {
            let name = path.strip_prefix(&src).ok()?.with_extension("").to_str()?.replace('/', "::");
            (name.starts_with("machine") && !name.ends_with("::tests") && !name.contains("::tests::"))
                .then_some((name, path))
        })
        .collect();
    let mut left: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, path) in &files {
        let source = fs::read_to_string(path).expect("the source can be read");
        let used = imports(&source).into_iter().filter_map(|import| file_of(&import, name, &files));
        left.insert(name, used.filter(|used| *used != name.as_str()).collect());
    }
    assert!(left["machine::apply"].contains("machine::keys"), "the imports are found: {left:?}");
    // Files that import none of those left are on no circle.
    loop {
        let on_none = |(_, used): &(&&str, &BTreeSet<&str>)| used.iter().all(|used| !left.contains_key(used));
        let free: Vec<&str> = left.iter().filter(on_none).map(|(name, _)| *name).collect();
        if free.is_empty() {
            break;
        }
        free.iter().for_each(|name| drop(left.remove(name)));
    }
    assert!(left.is_empty(), "each of these is on a circle or imports one that is: {left:#?}");
}

#[test]
fn what_is_used_is_found_in_lines_in_groups_and_in_paths_and_not_in_comments() {
    let source = "use crate::model::Day;\n\
        use crate::{\n    engine::{Core, Engine},\n    work,\n};\n\
        /// Like [`crate::daemon`].\n\
        fn f() -> crate::net::Client { let url = \"http://x\"; crate::machine::rows::f(url) } // crate::http\n\
        pub(in crate::index) fn g() {}\n";
    let found: Vec<_> = uses(source).into_iter().map(|(line, used)| (line, used.to_string())).collect();
    let expected =
        [(1, "model::Day"), (3, "engine"), (4, "work"), (7, "net::Client"), (7, "machine::rows"), (8, "index")];
    assert_eq!(found, expected.map(|(line, used)| (line, used.to_owned())));
}

#[test]
fn a_floor_above_a_neighbour_and_more_than_is_allowed_are_breaches() {
    let check = |module: &str, used: &str| {
        let (first, second) = used.split_once("::").unwrap_or((used, ""));
        may_use(module, &Used { module: first.to_owned(), part: second.to_owned() }).is_ok()
    };
    for (module, used) in [("work", "engine"), ("index", "machine::rows"), ("net", "observe"), ("observe", "model")] {
        assert!(check(module, used), "{module} may use {used}");
    }
    let breaches = [
        ("engine", "work"),
        ("machine", "carrier"),
        ("index", "machine::view"),
        ("sim", "machine"),
        ("rules", "observe"),
        ("observe", "rules"),
        ("model", "rules"),
        ("http", "no_such_module"),
    ];
    for (module, used) in breaches {
        assert!(!check(module, used), "{module} may not use {used}");
    }
}

#[test]
fn test_support_adds_items_and_changes_none() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for path in sources(&root) {
        let source = fs::read_to_string(&path).expect("the source can be read");
        let wrong = wrong_test_support(&source);
        assert!(wrong.is_none(), "{}: {}", path.display(), wrong.unwrap_or_default());
        let path = path.strip_prefix(&root).expect("a source lies under src");
        let program = path.components().any(|part| part.as_os_str() == "main") || path.ends_with("main.rs");
        assert!(!program || !source.contains(TEST_SUPPORT), "{}: the program has no test support", path.display());
    }
    let item = |attribute: &str| wrong_test_support(&format!("#[cfg({attribute})]\n    pub fn f() {{}}\n"));
    assert_eq!(item("feature = \"test-support\""), None);
    for attribute in ["not(feature = \"test-support\")", "any(test, feature = \"test-support\")"] {
        assert!(item(attribute).is_some(), "{attribute}");
    }
    assert!(wrong_test_support("    if cfg!(feature = \"test-support\") {}\n").is_some());
    assert!(wrong_test_support("    #[cfg(feature = \"test-support\")]\n    self.count += 1;\n").is_some());
}

/// The first use of the feature that is not an attribute of an item, a field or its value. Only such uses leave the
/// rest of the program as it is released.
fn wrong_test_support(source: &str) -> Option<String> {
    let mut lines = source.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if !line.contains(TEST_SUPPORT) {
            continue;
        }
        let next = lines.by_ref().find(|line| !line.starts_with("#[") && !line.starts_with("//")).unwrap_or_default();
        let item = ["pub ", "pub(", "mod ", "use ", "fn ", "async ", "impl ", "const ", "static ", "struct ", "enum "];
        let field = next.ends_with(',') && next.split_once(": ").is_some();
        if line != "#[cfg(feature = \"test-support\")]" || !(item.iter().any(|word| next.starts_with(word)) || field) {
            return Some(format!("`{line}` above `{next}`"));
        }
    }
    None
}

/// Types of the floors whose values are stored that have a JSON form, by field name, and why. What is stored has a
/// declared form under `machine/record` instead, which does not follow the type.
const JSON: &[(&str, &[&str])] = &[
    (
        "resources of the directory: JSON in records and rows, and in the API",
        &[
            "Settings",
            "NonUs",
            "NonUsRule",
            "Closing",
            "AutoReply",
            "UnknownSender",
            "OptOutScope",
            "OptOutWords",
            "Limits",
            "Number",
            "Purpose",
            "Verification",
            "VerificationCode",
            "VerificationState",
            "Queue",
            "Preset",
            "Account",
        ],
    ),
    (
        "values within these: numbers, times, attestations, and names (a macro)",
        &["E164", "Timestamp", "Attestation", "$name"],
    ),
    (
        "words in answers and events",
        &[
            "Direction",
            "Kind",
            "SmartAction",
            "MessageState",
            "Warning",
            "Encoding",
            "FailureCode",
            "Failure",
            "Phase",
            "Session",
            "ClosedReason",
            "Keyword",
            "Reason",
            "WaitingFor",
            "AttemptOutcome",
            "OptOutBy",
        ],
    ),
    ("the JSON of a message", &["MessageShown", "InboundShown"]),
];

#[test]
fn only_types_with_a_json_form_derive_serde() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let allowed: BTreeSet<&str> = JSON.iter().flat_map(|(_, types)| types.iter().copied()).collect();
    let mut found = BTreeSet::new();
    for path in ["model", "rules", "machine"].iter().flat_map(|floor| sources(&src.join(floor))) {
        let source = fs::read_to_string(&path).expect("the source can be read");
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        for derive in source.split("#[derive(").skip(1) {
            let (traits, rest) = derive.split_once(")]").expect("a derive ends");
            if traits.contains("Serialize") || traits.contains("Deserialize") {
                let mut words = rest.split_whitespace().skip_while(|word| !["struct", "enum"].contains(word));
                let name = words.nth(1).unwrap_or_default().split(['<', '(', '{', ';']).next().unwrap_or_default();
                assert!(
                    allowed.contains(name),
                    "{}: {name} is not in the list of types with a JSON form",
                    path.display()
                );
                found.insert(name.to_owned());
            }
        }
    }
    let gone: Vec<_> = allowed.iter().filter(|name| !found.contains(**name)).collect();
    assert!(gone.is_empty(), "no longer derive serde, and leave the list: {gone:?}");
}

/// A module named from the root of the crate, with the part of it that is named next, if one is.
struct Used {
    module: String,
    part: String,
}

impl fmt::Display for Used {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.module)?;
        if self.part.is_empty() { Ok(()) } else { write!(f, "::{}", self.part) }
    }
}

fn may_use(module: &str, used: &Used) -> Result<(), String> {
    if module == used.module {
        return Ok(());
    }
    if module == OBSERVE {
        let allowed = used.module == OBSERVE_USES;
        return if allowed { Ok(()) } else { Err(format!("it knows {OBSERVE_USES} and no more")) };
    }
    let from = floor(module)?;
    if used.module == OBSERVE {
        return if from >= OBSERVE_FROM { Ok(()) } else { Err("it says nothing of what happens".to_owned()) };
    }
    if floor(&used.module)? >= from {
        return Err("that is not below it".to_owned());
    }
    let Some((_, only)) = ONLY.iter().find(|(name, _)| *name == module) else { return Ok(()) };
    let path = used.to_string();
    let allowed = only.iter().any(|allowed| *allowed == used.module || *allowed == path);
    if allowed { Ok(()) } else { Err(format!("it knows {} and no more", only.join(" and "))) }
}

fn floor(module: &str) -> Result<usize, String> {
    let found = FLOORS.iter().position(|floor| floor.contains(&module));
    found.ok_or_else(|| format!("{module} has no floor: give it one in tests/floors.rs and in docs/ARCHITECTURE.md"))
}

/// Every source file, in the order of their names.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the directory can be read");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("the entry can be read").path()).collect();
    paths.sort();
    let nested = paths.into_iter().flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    nested.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The module of the first level that a file belongs to; none for the root, which only names them.
fn module_of(path: &Path) -> Option<String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let first = path.strip_prefix(src).ok()?.components().next()?.as_os_str().to_str()?;
    let module = first.trim_end_matches(".rs");
    (module != "lib").then(|| module.to_owned())
}

/// Every module named after `crate::` (or after the crate's own name, as its binary says), with its line.
fn uses(source: &str) -> Vec<(usize, Used)> {
    let code: Vec<String> = source.lines().map(without_comment).collect();
    let code = code.join("\n");
    let mut found = Vec::new();
    for root in ["crate", "offhook"] {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '"') {
                continue;
            }
            let after = &code[at + root.len()..];
            let Some(after) = after.strip_prefix("::") else { continue };
            let line = code[..at].matches('\n').count() + 1;
            match after.strip_prefix('{') {
                Some(group) => found.extend(of_group(group, line)),
                None => found.push((line, of_path(after))),
            }
        }
    }
    found.sort_by_key(|(line, _)| *line);
    found
}

/// The modules of `use crate::{a, b::{c, d}, ..}`, from behind the brace.
fn of_group(group: &str, first_line: usize) -> Vec<(usize, Used)> {
    let (mut found, mut depth, mut line, mut begins) = (Vec::new(), 0, first_line, true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => begins = true,
            '\n' => line += 1,
            c if c.is_whitespace() => {}
            _ if depth == 0 && begins => {
                begins = false;
                found.push((line, of_path(&group[at..])));
            }
            _ => {}
        }
    }
    found
}

/// The full paths of all `use` lines that export nothing, outside tests.
fn imports(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let code: Vec<String> = source.lines().map(without_comment).collect();
    let code = code.join("\n");
    let statements = code.split(';').filter_map(|statement| statement.trim_start().strip_prefix("use "));
    statements.flat_map(|tree| leaves("", tree)).collect()
}

/// The paths in a tree of `use`: `a::b` and `a::c::d` in `a::{b, c::d}`.
fn leaves(before: &str, tree: &str) -> Vec<String> {
    let Some((path, group)) = tree.split_once('{') else { return vec![format!("{before}{}", tree.trim())] };
    let before = format!("{before}{}", path.trim());
    let (mut depth, mut found, mut begin) = (0, Vec::new(), 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                let part = group[begin..at].trim();
                found.extend((!part.is_empty()).then(|| leaves(&before, part)).into_iter().flatten());
                begin = at + 1;
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    found
}

/// The file among `files` that an import of the file `name` leads to.
fn file_of<'a>(import: &str, name: &str, files: &'a BTreeMap<String, PathBuf>) -> Option<&'a str> {
    let mut segments: Vec<&str> = import.split("::").collect();
    let mut path: Vec<&str> = name.split("::").collect();
    match segments[0] {
        "crate" => path.clear(),
        "super" | "self" => {}
        // A module of its own, or another crate.
        _ => segments.insert(0, "self"),
    }
    for segment in segments {
        match segment {
            "crate" | "self" => {}
            "super" => drop(path.pop()),
            name => path.push(name),
        }
    }
    let ends = (1..=path.len()).rev();
    ends.map(|end| path[..end].join("::")).find_map(|path| files.get_key_value(&path)).map(|(name, _)| name.as_str())
}

fn of_path(path: &str) -> Used {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let module = name(path);
    let part = path[module.len()..].strip_prefix("::").map(name).unwrap_or_default();
    Used { module, part }
}

/// A line without what stands behind `//`; addresses in texts have no space before it.
fn without_comment(line: &str) -> String {
    let behind =
        line.match_indices("//").find(|(at, _)| line[..*at].chars().next_back().is_none_or(char::is_whitespace));
    behind.map_or(line, |(at, _)| &line[..at]).to_owned()
}
