use serde_json::{Value, json};

use super::*;

fn document() -> Value {
    json!({
        "name": "Jazz", "slug": "jazz", "currency": "eur", "opens_at": "2030-01-01T00:00:00Z", "closes_at": "2030-02-01T00:00:00Z",
        "phases": [
            { "id": "early", "opens_at": "2030-01-01T00:00:00Z" },
            { "id": "late", "opens_at": "2030-01-02T00:00:00Z", "closes_at": "2030-01-20T00:00:00Z" },
        ],
        "performances": [{ "starts_at": "2030-03-01T19:00:00Z" }], "per_buyer_limit": 4,
        "tiers": [
            { "id": "ga", "name": "Floor", "price": 4_500, "capacity": 10, "per_buyer_limit": 2 },
            { "id": "stalls", "name": "Stalls", "price": 6_500, "rows": [{ "row": "A", "seats": 3 }] },
        ],
        "withheld": { "ga": 1 },
    })
}

fn config(document: Value) -> SaleConfig {
    let config: SaleConfig = serde_json::from_value(document).unwrap();
    assert_eq!(config.faults(), []);
    config
}

/// The document with another value in one place; null takes it out.
fn with(pointer: &str, value: Value) -> SaleConfig {
    let mut changed = document();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = changed.pointer_mut(parent).unwrap();
    match (parent, value) {
        (Value::Object(fields), Value::Null) => drop(fields.remove(field)),
        (Value::Object(fields), value) => drop(fields.insert(field.to_owned(), value)),
        (parent, value) => parent[field.parse::<usize>().unwrap()] = value,
    }
    config(changed)
}

fn refused(after: &SaleConfig, state: StoredState) -> Vec<String> {
    config(document()).refused_changes(after, state).into_iter().map(|fault| fault.pointer).collect()
}

const WORDS: &[(&str, &str)] = &[
    ("/name", r#""Matinee""#),
    ("/time_zone", r#""Europe/Berlin""#),
    ("/category", r#""music""#),
    ("/venue", r#""Barn""#),
    ("/performances", r#"[{"starts_at":"2030-03-02T19:00:00Z","venue":"Hall"}]"#),
    ("/performances", "null"),
    ("/terms", r#""No glass.""#),
    ("/letters", r#"{"order_paid":{"subject":"Hi"}}"#),
    ("/tiers/0/name", r#""Standing""#),
];

const WHILE_SELLING: &[(&str, &str)] = &[
    ("/closes_at", r#""2030-04-01T00:00:00Z""#),
    ("/closes_at", "null"),
    ("/phases/1/closes_at", r#""2030-01-10T00:00:00Z""#),
    ("/phases/1/closes_at", "null"),
    ("/join", r#"{"proof_of_work_bits":8}"#),
    ("/admission", r#"{"rate_per_s":7}"#),
    ("/offer_ttl_s", "3600"),
    ("/per_buyer_limit", "5"),
    ("/tiers/0/per_buyer_limit", "3"),
    ("/tiers/0/per_buyer_limit", "null"),
    ("/tiers/0/capacity", "11"),
];

const NEVER: &[(&str, &str)] = &[
    ("/slug", r#""other""#),
    ("/currency", r#""usd""#),
    ("/prequeue_opens_at", r#""2029-12-31T00:00:00Z""#),
    ("/phases/0/closes_at", r#""2030-01-01T12:00:00Z""#),
    ("/phases/1/opens_at", r#""2030-01-03T00:00:00Z""#),
    ("/phases/1/access", r#""code""#),
    ("/phases/0/allocation", r#"{"ga":1}"#),
    ("/per_buyer_limit", "3"),
    ("/tiers/0/per_buyer_limit", "1"),
    ("/tiers/1/per_buyer_limit", "1"),
    ("/tiers/0/capacity", "9"),
    ("/tiers/0/price", "4400"),
    ("/tiers/1/rows", r#"[{"row":"A","seats":4}]"#),
    ("/withheld", "null"),
    ("/hold", r#"{"checkout_window_s":60}"#),
    ("/payment", r#"{"capture":"automatic"}"#),
    ("/fees", r#"[{"name":"Fee","per_unit":1}]"#),
    ("/taxes", r#"[{"name":"VAT","basis_points":700}]"#),
    ("/refunds", r#"{"whole":"keep_fees"}"#),
];

fn changed(change: &(&str, &str)) -> SaleConfig {
    with(change.0, serde_json::from_str(change.1).unwrap())
}

#[test]
fn what_may_change_is_as_the_table_says() {
    use StoredState::{Cancelled, Closed, Draft, Paused, Published};
    for (changes, may) in [
        (WORDS, &[Draft, Published, Paused, Closed][..]),
        (WHILE_SELLING, &[Draft, Published, Paused]),
        (NEVER, &[Draft]),
    ] {
        for change in changes {
            let after = changed(change);
            for state in StoredState::ALL {
                let refused = refused(&after, state);
                assert_eq!(refused.is_empty(), may.contains(&state), "{change:?} in {state:?}: {refused:?}");
                let there = |pointer: &String| change.0.starts_with(pointer.as_str());
                assert!(refused.iter().all(there), "{change:?} in {state:?}: {refused:?}");
                assert!(
                    state == Cancelled || refused.iter().all(|pointer| !pointer.is_empty()),
                    "{change:?} {refused:?}"
                );
            }
        }
    }
    for state in StoredState::ALL {
        assert_eq!(refused(&config(document()), state), Vec::<String>::new(), "nothing changes in {state:?}");
    }
}

#[test]
fn tiers_and_phases_neither_come_nor_go_and_keep_their_order() {
    let (one, mut more) = (json!([document()["tiers"][0]]), document()["tiers"].clone());
    more.as_array_mut().unwrap().push(json!({ "id": "box", "name": "Box", "price": 1_000, "capacity": 2 }));
    for tiers in [one, more] {
        assert_eq!(refused(&with("/tiers", tiers), StoredState::Published), ["/tiers"]);
    }
    let turned = json!([document()["tiers"][1], document()["tiers"][0]]);
    let refused_of = refused(&with("/tiers", turned), StoredState::Published);
    assert!(refused_of.contains(&"/tiers/0/id".to_owned()), "{refused_of:?}");
    let rows = json!({ "id": "ga", "name": "Floor", "price": 4_500, "rows": [{ "row": "A", "seats": 10 }], "per_buyer_limit": 2 });
    let refused_of = refused(&with("/tiers/0", rows), StoredState::Published);
    assert_eq!(refused_of, ["/tiers/0/capacity", "/tiers/0/rows"]);
    assert_eq!(refused(&with("/phases", Value::Null), StoredState::Published), ["/phases"]);
}

#[test]
fn everything_that_may_not_change_is_told_at_once() {
    let mut changed = document();
    changed["tiers"][0]["price"] = json!(1_000);
    changed["tiers"][0]["capacity"] = json!(5);
    changed["currency"] = json!("usd");
    changed["name"] = json!("Matinee");
    assert_eq!(refused(&config(changed), StoredState::Published), ["/tiers/0/capacity", "/currency", "/tiers/0/price"]);
}
