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

/// What `--help` says that the long-running processes read: each variable with its flag.
pub(crate) fn help() -> BTreeMap<String, String> {
    let output = crate::world::command(&["gateway", "--help"], &[]).output().unwrap();
    let (mut flag, mut read) = (String::new(), BTreeMap::new());
    for word in String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().windows(2) {
        if word[0].starts_with("--") && word[1].starts_with('<') {
            word[0].clone_into(&mut flag);
        } else if word[0] == "[env:" {
            read.insert(word[1].trim_end_matches(['=', ']']).to_owned(), flag.clone());
        }
    }
    read
}

/// The page has each of them once, with its flag and whether it may be in a file; README has those without which nothing starts.
#[test]
fn the_page_the_readme_and_the_help_name_the_same_variables() {
    let help = help();
    assert!(help.len() > 20, "{help:?}");
    let files: BTreeSet<_> = help.keys().filter_map(|name| name.strip_suffix("_FILE")).collect();
    let read: BTreeMap<_, _> = help
        .iter()
        .filter(|(name, _)| !name.ends_with("_FILE"))
        .map(|(name, flag)| (name.as_str(), (format!("`{flag}`"), files.contains(name.as_str()))))
        .collect();
    let page = read_file("docs/configuration.md");
    let rows = |page: &str| {
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |")).map(|(name, rest)| {
            (name.to_owned(), rest.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>())
        });
        rows.collect::<Vec<_>>()
    };
    let listed = rows(&page);
    let documented: BTreeMap<_, _> =
        listed.iter().map(|(name, cells)| (name.as_str(), (cells[0].clone(), cells[1] == "secret"))).collect();
    assert_eq!(documented.len(), listed.len(), "a variable twice");
    assert_eq!(documented, read);
    let required: BTreeSet<_> =
        listed.iter().filter(|(_, cells)| cells[2] == "required").map(|(name, _)| name).collect();
    let readme = rows(&read_file("README.md"));
    assert_eq!(readme.iter().map(|(name, _)| name).collect::<BTreeSet<_>>(), required);
}

fn read_file(path: &str) -> String {
    read(&root().join(path))
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
