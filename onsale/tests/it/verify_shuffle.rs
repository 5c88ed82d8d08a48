//! Checking a draw offline, as a stranger would: with the command, and without it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use domain::PlaceNumber;
use domain::fairness::{FairnessFile, Hash, InclusionProof, inclusion_path};
use serde_json::Value;

use crate::world::command;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn example() -> FairnessFile {
    serde_json::from_slice(&fs::read(docs().join("fairness-example.json")).unwrap()).unwrap()
}

/// Runs a command with a text as its standard input.
fn fed(mut command: Command, text: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that refuses early stops reading.
    let _ = stdin.write_all(text);
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn verify(file: &FairnessFile) -> (Option<i32>, String) {
    let output = fed(command(&["verify-shuffle", "-"], &[]), &serde_json::to_vec(file).unwrap());
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// The lines that say something is broken, without their details.
fn broken(said: &str) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().take(3).map(str::to_owned).collect::<Vec<_>>();
    let lines = said.lines().map(words).filter(|words| words.get(1).is_some_and(|mark| mark == "BROKEN"));
    lines.map(|words| format!("{} {}", words[0], words[2])).collect()
}

#[test]
fn the_documented_draw_is_verified_from_its_file() {
    let file = docs().join("fairness-example.json");
    let output = command(&["verify-shuffle", file.to_str().unwrap()], &[]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    for line in [
        "members ok     leaves    cd4bf9c8607a0b9c30c5870d261df59126219fc7fff045d7163b06ef8c25650f",
        "members ok     beacon    round 1000 of quicknet at 2023-08-23T15:59:24Z, 8.7 s after the freeze",
        "members ok     order     5 ranks drawn again are the same",
        "members ok     signature quicknet signed round 1000",
        "general open   beacon    self-attested, so the operator could have known the order: no beacon is configured",
        "verified: 15 checks hold, 1 open",
    ] {
        assert!(said.lines().any(|said| said == line), "{line}\nis not in\n{said}");
    }
}

#[test]
fn an_altered_file_is_broken_by_name() {
    let altered = |alter: fn(&mut Value)| {
        let mut file = serde_json::to_value(example()).unwrap();
        alter(&mut file["draws"][0]);
        let (code, said) = verify(&serde_json::from_value(file).unwrap());
        (code, broken(&said))
    };
    let named = |lines: &[&str]| (Some(1), lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>());
    assert_eq!(altered(|draw| draw["leaves"] = swap_first_letters(&draw["leaves"])), named(&["members leaves"]));
    assert_eq!(altered(|draw| draw["order"] = "AAAAAwAAAAIAAAAEAAAAAAAAAAE".into()), named(&["members order"]));
    assert_eq!(altered(|draw| draw["seed"] = "00".repeat(32).into()), named(&["members seed", "members order"]));
    assert_eq!(altered(|draw| draw["root"] = "00".repeat(32).into()), named(&["members leaves", "members order"]));
    assert_eq!(altered(|draw| draw["committed_at"] = "2023-08-23T16:00:00Z".into()), named(&["members times"]));
}

fn swap_first_letters(text: &Value) -> Value {
    let text = text.as_str().unwrap();
    format!("{}{}{}", &text[1..2], &text[0..1], &text[2..]).into()
}

/// The round moved together with its time, or a value of the operator's own making with everything computed to fit: only
/// the chain's signature tells.
#[test]
fn a_beacon_value_that_nobody_signed_is_broken() {
    let mut moved = example();
    let beacon = moved.draws[0].beacon.as_mut().unwrap();
    (beacon.round, beacon.round_at) = (1_001, "2023-08-23T15:59:27Z".parse().unwrap());
    let (code, said) = verify(&moved);
    assert_eq!((code, broken(&said)), (Some(1), vec!["members signature".to_owned()]), "{said}");

    let round_1: Vec<u8> =
        hex::decode("b55e7cb2d5c613ee0b2e28d6750aabbb78c39dcc96bd9d38c2c2e12198df95571de8e8e402a0cc48871c7089a2b3af4b")
            .unwrap();
    for made_up in [round_1, vec![7; 48], Vec::new()] {
        let (code, said) = verify(&refitted(made_up));
        assert_eq!((code, broken(&said)), (Some(1), vec!["members signature".to_owned()]), "{said}");
    }
}

/// The example with another signature, its value and the order that follows.
fn refitted(signature: Vec<u8>) -> FairnessFile {
    let mut file = example();
    let draw = &mut file.draws[0];
    let beacon = draw.beacon.as_mut().unwrap();
    beacon.randomness = Some(sha256(&signature));
    beacon.signature = Some(signature);
    draw.order = draw.order_again().map(Arc::from);
    file
}

fn sha256(bytes: &[u8]) -> Hash {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}

/// Of registration 2 of the example, whose salt and holder the documentation tells.
fn proof() -> InclusionProof {
    let draw = example().draws.remove(0);
    let leaves = draw.leaves.unwrap();
    InclusionProof {
        phase: draw.phase,
        phase_no: draw.phase_no,
        index: 2,
        count: draw.count,
        salt: [0x12; 16],
        holder: [0x82; 16],
        leaf: leaves[2],
        path: inclusion_path(&leaves, 2),
        root: draw.root.unwrap(),
        rank: Some(4),
        number: Some(PlaceNumber(5)),
    }
}

#[test]
fn a_visitor_finds_themselves_in_the_draw() {
    let verify = |proof: &InclusionProof| {
        let path = std::env::temp_dir().join(format!("proof-{}.json", uuid::Uuid::new_v4()));
        fs::write(&path, serde_json::to_vec(proof).unwrap()).unwrap();
        let file = docs().join("fairness-example.json");
        let output =
            command(&["verify-shuffle", file.to_str().unwrap(), "--proof", path.to_str().unwrap()], &[]).output();
        fs::remove_file(&path).unwrap();
        let output = output.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = verify(&proof());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("members ok     yours     registration 2 of 5 has rank 4 and number 5"), "{said}");
    let (code, said) = verify(&InclusionProof { number: Some(PlaceNumber(1)), ..proof() });
    assert_eq!((code, broken(&said)), (Some(1), vec!["members yours".to_owned()]), "{said}");
}

#[test]
fn another_chain_is_left_open() {
    let mut file = example();
    file.draws[0].beacon.as_mut().unwrap().chain_hash = "c0ffee".to_owned();
    let (code, said) = verify(&file);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("members open   signature the key of c0ffee is not known here"), "{said}");
}

#[test]
fn nothing_drawn_is_nothing_verified() {
    let mut file = example();
    file.draws.clear();
    assert_eq!(verify(&file), (Some(1), "nothing was drawn yet\n".to_owned()));
}

#[test]
fn what_is_no_fairness_file_ends_with_64() {
    for text in ["", "{}", "[1]", "{\"version\":2,\"sale\":\"sale_01900000000070008000000000000001\",\"draws\":[]}"] {
        let output = fed(command(&["verify-shuffle", "-"], &[]), text.as_bytes());
        assert_eq!(output.status.code(), Some(64), "{text:?}");
        assert!(
            String::from_utf8(output.stderr).unwrap().contains("-: does not have the shape of the gateway's answer: "),
            "{text:?}"
        );
    }
    let missing = command(&["verify-shuffle", "/nowhere.json"], &[]).output().unwrap();
    assert_eq!(missing.status.code(), Some(64));
    assert!(String::from_utf8(missing.stderr).unwrap().contains("/nowhere.json: cannot be read: "));
}

/// `docs/fairness_check.py` was written from the page alone. Where there is no Python there is nothing to be said about it.
#[test]
fn a_stranger_with_python_comes_to_the_same() {
    let check = |file: &Path| {
        let script = docs().join("fairness_check.py");
        Command::new("python3").arg("-B").arg(script).arg(file).output()
    };
    let Ok(output) = check(&docs().join("fairness-example.json")) else {
        eprintln!("there is no python3 here");
        return;
    };
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.lines().count() == 7, "{said}");

    let altered = std::env::temp_dir().join(format!("fairness-{}.json", std::process::id()));
    let mut file = example();
    file.draws[1].count = 2;
    fs::write(&altered, serde_json::to_vec(&file).unwrap()).unwrap();
    let output = check(&altered).unwrap();
    fs::remove_file(&altered).unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8(output.stdout).unwrap());
}
