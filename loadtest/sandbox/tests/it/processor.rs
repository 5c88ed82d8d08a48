//! Time of the processor, counted where it was spent.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sandbox::processor;

use crate::eventually::eventually;

/// Has had a child that worked for a while.
const AFTER_A_CHILD: &str = r#"sh -c 'i=0; while [ "$i" -lt 500000 ]; do i=$((i + 1)); done'; echo ended; read -r _"#;

/// Has a child that works; which ends with it, however the test ends.
const BESIDE_A_CHILD: &str = r#"while :; do :; done & echo works; read -r _; kill "$!""#;

/// A shell that has said `word`, and waits for its input to end.
fn shell(script: &str, word: &str) -> Child {
    let mut command = Command::new("sh");
    let mut shell = command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(shell.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said.trim(), word);
    shell
}

fn ends(mut shell: Child) {
    drop(shell.stdin.take());
    shell.wait().unwrap();
    assert_eq!(processor::of(shell.id()), Duration::ZERO, "nobody is there");
}

#[test]
fn a_family_has_used_what_its_ended_members_have() {
    let shell = shell(AFTER_A_CHILD, "ended");
    let (alone, all) = (processor::of(shell.id()), processor::of_family(shell.id()));
    assert!(alone > Duration::ZERO, "to the nanosecond: it only waited");
    assert!(all >= 4 * alone, "{alone:?} alone, {all:?} with its child");
    ends(shell);
}

#[tokio::test]
async fn a_family_has_used_what_its_members_use() {
    let shell = shell(BESIDE_A_CHILD, "works");
    let more = async || processor::of_family(shell.id()) > 4 * processor::of(shell.id()) + Duration::from_millis(50);
    eventually("its child works", more).await;
    ends(shell);
}
