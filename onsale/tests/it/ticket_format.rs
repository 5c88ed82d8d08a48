//! Tickets as strangers read them: with Python's `cryptography` and with WebCrypto, from `docs/ticket-format.md` alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::ticket::{TicketPayload, TicketSigner, ticket_id};
use domain::{SaleId, UnitNo};
use sandbox::strangers;
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

/// Tickets that a stranger is shown at once.
const TICKETS: u32 = 200;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn with_python() -> Command {
    let mut python = strangers::python(&["cryptography"]);
    python.arg(docs().join("ticket_check.py"));
    python
}

fn with_webcrypto() -> Command {
    let mut node = Command::new("node");
    node.arg("--no-warnings").arg(docs().join("ticket_check.mjs"));
    node
}

/// What a stranger is called, and how it is started.
type Stranger = (&'static str, fn() -> Command);

const STRANGERS: [Stranger; 2] = [("Python", with_python), ("WebCrypto", with_webcrypto)];

/// A file that is gone with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(value: &Value) -> Self {
        let path = std::env::temp_dir().join(format!("tickets-{}.json", Uuid::now_v7()));
        fs::write(&path, serde_json::to_vec(value).unwrap()).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn strangers_verify_the_documented_tickets_and_refuse_every_changed_bit() {
    let example = docs().join("ticket-example.json");
    for (name, stranger) in STRANGERS {
        let output = stranger().arg(&example).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && said.lines().count() >= 35, "{name}: {said}");
    }
}

/// The control: an example that is wrong in one digit is noticed.
#[test]
fn strangers_notice_an_example_that_is_wrong() {
    let mut example: Value = serde_json::from_slice(&fs::read(docs().join("ticket-example.json")).unwrap()).unwrap();
    example["tickets"][1]["rotation"] = json!(7);
    let altered = Scratch::new(&example);
    for (name, stranger) in STRANGERS {
        let output = stranger().arg(&altered.0).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        assert_eq!(said.lines().filter(|line| line.ends_with("BROKEN")).count(), 1, "{name}: {said}");
    }
}

/// Tickets of keys that no example has, an old and a new one, read by strangers with the public keys alone.
#[test]
fn strangers_read_what_we_issue_and_know_a_key_that_is_not_ours() {
    let seed = || STANDARD.encode([Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat());
    let seeds = [("new", seed()), ("old", seed())].map(|(kid, seed)| format!("{kid}:{seed}"));
    let signer = TicketSigner::new(&SecretString::from(seeds.join(","))).unwrap();
    let kids: Vec<_> = signer.verifying_keys().map(|(kid, _)| kid).collect();
    let (sale, tier) = (SaleId::from_uuid(Uuid::now_v7()), "ga".parse().unwrap());
    let payload = |unit| TicketPayload {
        ticket: ticket_id("pi_1", &tier, UnitNo(unit)),
        sale,
        rotation: u16::from(unit.is_multiple_of(3)),
    };
    let kid = |unit: u32| kids[usize::from(unit.is_multiple_of(2))];
    let texts: Vec<_> = (0..TICKETS).map(|unit| signer.qr_text(&payload(unit), kid(unit)).unwrap()).collect();
    let of = |keys: &[Value]| Scratch::new(&json!({ "keys": keys }));
    let keys: Vec<Value> = signer
        .verifying_keys()
        .map(|(kid, key)| json!({ "kid": kid.to_string(), "public_key": URL_SAFE_NO_PAD.encode(key) }))
        .collect();
    let (both, new) = (of(&keys), of(&keys[..1]));
    for (name, stranger) in STRANGERS {
        let read = |keys: &Scratch| {
            let output = stranger().arg(&keys.0).args(&texts).output().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
        };
        let expected = |unit: u32| {
            let TicketPayload { ticket, sale, rotation } = payload(unit);
            json!({ "ticket": ticket, "sale": sale, "rotation": rotation, "kid": kid(unit).to_string() })
        };
        assert_eq!(read(&both), (0..TICKETS).map(expected).collect::<Vec<_>>(), "{name}");
        let without = |unit: u32| if unit.is_multiple_of(2) { json!("unknown_key") } else { expected(unit) };
        assert_eq!(read(&new), (0..TICKETS).map(without).collect::<Vec<_>>(), "{name}");
    }
}
