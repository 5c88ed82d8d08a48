//! Rules of the house that a machine can keep.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The crates each crate may use; the sandbox serves tests and the command only.
const DIRECTION: [(&str, &[&str]); 9] = [
    ("domain", &[]),
    ("admission", &["domain"]),
    ("ledger", &["domain"]),
    ("payments", &["domain"]),
    ("tickets", &["domain"]),
    ("sandbox", &["domain"]),
    ("gateway", &["domain", "admission", "ledger", "payments", "tickets"]),
    ("workers", &["domain", "admission", "ledger", "payments", "tickets"]),
    ("onsale", &["domain", "admission", "ledger", "payments", "tickets", "gateway", "workers", "sandbox"]),
];
/// What `domain` must never do.
const IO: [&str; 6] = ["tokio", "hyper", "fred", "tokio-postgres", "deadpool-postgres", "reqwest"];
/// The longest source file; tables of tests may be longer.
const LINES_MAX: usize = 600;
const TEST_LINES_MAX: usize = 800;
/// What a waiting room is tested for.
const ACCEPTANCE_ITEMS: usize = 85;
/// Names that say nothing.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "helpers", "common", "manager", "misc"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The project's files with that ending, as git would list them: nothing built, nothing installed.
fn files(ending: &str) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![root()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !["target", "node_modules", ".git"].contains(&name.as_str()) {
                folders.push(path);
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no {ending} in {}", root().display());
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let metadata = std::process::Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let normal = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter().filter(|dependency| dependency["kind"].is_null());
        all.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect()
    };
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(|package| (package["name"].as_str().unwrap().to_owned(), normal(package))).collect()
}

#[test]
fn crates_are_used_in_one_direction() {
    let dependencies = dependencies();
    let ours: BTreeSet<_> = DIRECTION.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(dependencies.keys().cloned().collect::<BTreeSet<_>>(), ours);
    for (name, allowed) in DIRECTION {
        for dependency in dependencies[name].intersection(&ours) {
            assert!(allowed.contains(&dependency.as_str()), "{name} uses {dependency}");
        }
    }
    for io in IO {
        assert!(!dependencies["domain"].contains(io), "domain uses {io}");
    }
}

#[test]
fn files_are_short_and_named_by_their_noun() {
    for path in files(".rs") {
        let shown = path.display();
        let is_test = path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
        let (lines, bound) = (read(&path).lines().count(), if is_test { TEST_LINES_MAX } else { LINES_MAX });
        assert!(lines <= bound, "{shown} has {lines} lines");
        let stem = path.file_stem().unwrap().to_string_lossy();
        assert!(!EMPTY_NAMES.contains(&&*stem) && stem != "mod", "{shown}");
    }
}

#[test]
fn nothing_unfinished_is_left_in_the_source() {
    // Written in two parts, so that this file does not find itself.
    let marks = [["FIX", "ME"], ["XX", "X:"], ["TO", "DO"], ["todo", "!("], ["unimplemented", "!("]]
        .map(|parts| parts.concat());
    for path in [".rs", ".lua", ".sql", ".js", ".mjs", ".html", ".css", ".sh"].into_iter().flat_map(files) {
        let text = read(&path);
        for mark in &marks {
            assert!(!text.contains(mark.as_str()), "{mark} in {}", path.display());
        }
    }
}

#[test]
fn the_readme_lists_every_variable_the_command_reads() {
    let source = read(&root().join("onsale/src/config/variables.rs"));
    let mut read_by_command = BTreeSet::new();
    let mut named = None;
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[arg(") {
            named = line.split("env = \"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
        } else if let Some(field) = line.strip_prefix("pub(crate) ").and_then(|rest| rest.split(':').next())
            && line.contains("Option<String>")
        {
            read_by_command.insert(named.take().unwrap_or_else(|| field.to_uppercase()));
        }
    }
    read_by_command.retain(|name| !name.ends_with("_FILE"));
    let readme = read(&root().join("README.md"));
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    assert_eq!(rows.map(str::to_owned).collect::<BTreeSet<_>>(), read_by_command);
}

#[test]
fn local_links_lead_somewhere() {
    for path in files(".md") {
        let (text, folder) = (read(&path), path.parent().unwrap());
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap();
            if !file.is_empty() && !file.contains("://") {
                assert!(folder.join(file).exists(), "{link} in {}", path.display());
            }
        }
    }
}

#[test]
fn every_invariant_is_owned_by_a_test_that_exists() {
    let architecture = read(&root().join("ARCHITECTURE.md"));
    let rows: Vec<_> = architecture.lines().filter(|line| line.starts_with("| I")).collect();
    assert_eq!(rows.len(), 12, "{rows:#?}");
    let sources: Vec<_> = files(".rs").iter().map(|path| read(path)).collect();
    for row in rows {
        let owners = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let tests: Vec<_> = owners.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty() || owners.contains("not yet"), "{row}");
        for test in tests {
            let declared = format!("fn {test}(");
            assert!(sources.iter().any(|source| source.contains(&declared)), "{test} in {row}");
        }
    }
}

/// A name in `docs/acceptance.md` is a file, and after two colons a test, a scenario or a case in it.
#[test]
fn every_acceptance_item_names_tests_that_exist() {
    let text = read(&root().join("docs/acceptance.md"));
    let mut items: BTreeSet<usize> = BTreeSet::new();
    for row in text.lines() {
        let number =
            row.strip_prefix("| ").and_then(|row| row.split_once(". ")).and_then(|(number, _)| number.parse().ok());
        let Some(number) = number else { continue };
        assert!(items.insert(number), "{number} twice");
        assert!(row.contains(".rs") || row.contains(".mjs"), "{row}");
    }
    let missing: Vec<usize> = (1..=ACCEPTANCE_ITEMS).filter(|number| !items.contains(number)).collect();
    assert_eq!(missing, [0; 0]);
    for name in text.split('`').skip(1).step_by(2).filter(|name| name.contains('/')) {
        let (path, test) = name.split_once("::").unwrap_or((name, ""));
        let source = read(&root().join(path));
        let declared = match Path::new(path).extension().and_then(|ending| ending.to_str()) {
            _ if test.is_empty() => continue,
            Some("rs") => format!("fn {test}("),
            Some("mjs") => format!("title: '{test}'"),
            _ => format!("test('{test}'"),
        };
        assert!(source.contains(&declared), "{name}");
    }
}
