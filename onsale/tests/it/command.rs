//! What the command says to the person who typed it.

use std::collections::BTreeSet;

use crate::world::command;

#[test]
fn everything_that_is_missing_is_named_at_once() {
    let output = command(&["gateway"], &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8(output.stderr).unwrap();
    for name in [
        "DATABASE_URL",
        "REDIS_URL",
        "STRIPE_SECRET_KEY",
        "STRIPE_PUBLISHABLE_KEY",
        "STRIPE_WEBHOOK_SECRET",
        "ONSALE_PUBLIC_URL",
        "ONSALE_SIGNING_KEYS",
        "ONSALE_TICKET_KEYS",
    ] {
        assert!(said.contains(&format!("{name}: is required")), "{name} in {said}");
    }
}

#[test]
fn a_wrong_value_is_named_and_a_secret_is_not_shown() {
    let variables = [
        ("DATABASE_URL", "postgres://u:hunter2@localhost/x".to_owned()),
        ("ONSALE_SIGNING_KEYS", "hunter2".to_owned()),
        ("ONSALE_LISTEN", "everywhere".to_owned()),
    ];
    let output = command(&["config", "check"], &variables).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("ONSALE_SIGNING_KEYS: entry 1 is not kid:base64"), "{said}");
    assert!(said.contains("ONSALE_LISTEN: "), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn bad_usage_ends_with_64_and_help_with_0() {
    assert_eq!(command(&["sell"], &[]).output().unwrap().status.code(), Some(64));
    assert_eq!(command(&[], &[]).output().unwrap().status.code(), Some(64));
    for arguments in [&["--help"][..], &["gateway", "--help"], &["--version"]] {
        assert_eq!(command(arguments, &[]).output().unwrap().status.code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn a_letter_is_shown_before_anybody_gets_it_and_its_faults_are_named() {
    let file = std::env::temp_dir().join(format!("sale-{}.json", uuid::Uuid::now_v7()));
    let sale = |letters: &str| {
        let text = format!(
            r#"{{"name":"Night","currency":"eur","opens_at":"2026-12-01T10:00:00Z","letters":{letters},
                "tiers":[{{"id":"ga","name":"Floor","price":4500,"capacity":50}}]}}"#,
        );
        std::fs::write(&file, text).unwrap();
        command(&["letters", "preview", "order_paid", file.to_str().unwrap()], &[]).output().unwrap()
    };
    let shown = sale(r#"{"order_paid":{"subject":"See you at {{sale}}"}}"#);
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    assert!(String::from_utf8(shown.stdout).unwrap().contains("Subject: See you at Night"));
    let refused = sale(r#"{"order_paid":{"subject":"See you at {{sail}}"}}"#);
    assert_eq!(refused.status.code(), Some(64));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("/letters/order_paid/subject") && said.contains("{{sail}}"), "{said}");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(command(&["letters", "preview", "birthday", "-"], &[]).output().unwrap().status.code(), Some(64));
}

#[test]
fn fresh_keys_are_different_and_fit() {
    let generate = |purpose| String::from_utf8(command(&["keys", "generate", purpose], &[]).output().unwrap().stdout);
    let keys: BTreeSet<_> = ["signing", "signing", "ticket", "ticket"].map(|purpose| generate(purpose).unwrap()).into();
    assert_eq!(keys.len(), 4);
    for key in keys {
        let list = secrecy::SecretString::from(key.trim());
        assert!(domain::token::Signer::new(&list).is_ok() && domain::ticket::TicketSigner::new(&list).is_ok());
    }
}

#[test]
fn the_openapi_document_is_3_1_and_names_the_webhook() {
    let printed = command(&["openapi"], &[]).output().unwrap().stdout;
    let document: serde_json::Value = serde_json::from_slice(&printed).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/v1/stripe/webhook"]["post"].is_object(), "{document}");
}
