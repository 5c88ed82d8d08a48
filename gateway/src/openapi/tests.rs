use std::collections::BTreeSet;

use domain::fairness::{FILE_VERSION, FairnessBeacon, FairnessDraw, FairnessFile};
use domain::sale::{PhaseNo, SaleConfig};
use serde_json::Value;

use super::*;

fn json() -> Value {
    serde_json::to_value(document()).unwrap()
}

#[test]
fn every_route_is_in_the_document() {
    let document = json();
    assert_eq!(document["openapi"], "3.1.0");
    for route in Route::ALL {
        let method = route.method().as_str().to_lowercase();
        let operation = &document["paths"][path(*route)][method];
        assert_eq!(operation["operationId"], route.operation(), "{}", route.path());
        assert!(operation["responses"]["503"]["content"][MEDIA_TYPE].is_object(), "{}", route.path());
    }
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                found.insert(reference.clone());
            }
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn everything_it_refers_to_is_there() {
    let document = json();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 10, "{found:?}");
    for reference in found {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn every_scheme_it_asks_for_is_there() {
    let document = json();
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    for route in Route::ALL {
        for requirement in security(route.access()) {
            let requirement = serde_json::to_value(requirement).unwrap();
            for name in requirement.as_object().unwrap().keys() {
                assert!(schemes.contains_key(name), "{name}");
            }
        }
    }
}

/// The names of the fields of a value, with those below them.
fn fields(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(inner) => {
            for (name, value) in inner {
                found.insert(format!("{at}/{name}"));
                fields(value, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, at, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The same of a shape.
fn shape_fields(document: &Value, shape: &Value, at: &str, found: &mut BTreeSet<String>) {
    if let Some(reference) = shape["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#')).unwrap();
        shape_fields(document, target, at, found);
    }
    if let Some(properties) = shape["properties"].as_object() {
        for (name, shape) in properties {
            found.insert(format!("{at}/{name}"));
            shape_fields(document, shape, &format!("{at}/{name}"), found);
        }
    }
    // What may be null is one of two shapes.
    for shape in shape["oneOf"].as_array().into_iter().flatten() {
        shape_fields(document, shape, at, found);
    }
    if !shape["items"].is_null() {
        shape_fields(document, &shape["items"], at, found);
    }
}

#[test]
fn the_shape_of_a_sale_is_what_the_sale_has() {
    let config: SaleConfig = serde_json::from_value(serde_json::json!({
        "name": "Jazz", "currency": "eur", "opens_at": "2030-01-01T00:00:00Z", "closes_at": "2030-01-02T00:00:00Z",
        "phases": [{ "id": "general", "opens_at": "2030-01-01T00:00:00Z", "allocation": { "ga": 1 } }],
        "performances": [{ "name": "Late", "starts_at": "2030-02-01T00:00:00Z", "ends_at": "2030-02-01T01:00:00Z", "venue": "Barn" }],
        "terms": "No glass.", "letters": { "order_paid": { "subject": "Hi" } },
        "tiers": [
            { "id": "ga", "name": "Floor", "price": 100, "capacity": 1, "per_buyer_limit": 1 },
            { "id": "stalls", "name": "Stalls", "price": 200, "rows": [{ "row": "A", "seats": 20 }] },
        ],
        "withheld": { "ga": 1 }, "fees": [{ "name": "Fee", "per_unit": 1 }], "taxes": [{ "name": "VAT", "basis_points": 700 }],
        "offer_ttl_s": 1_800,
    }))
    .unwrap();
    let (mut real, mut told, document) = (BTreeSet::new(), BTreeSet::new(), json());
    fields(&serde_json::to_value(config).unwrap(), "", &mut real);
    // The names of tiers are no fields.
    real.retain(|field| {
        !field.starts_with("/withheld/") && !field.starts_with("/letters/") && !field.starts_with("/phases/allocation/")
    });
    shape_fields(&document, &document["components"]["schemas"]["SaleConfig"], "", &mut told);
    assert_eq!(told, real);
}

#[test]
fn the_shape_of_a_fairness_file_is_what_the_file_has() {
    let at = jiff::Timestamp::UNIX_EPOCH;
    let beacon = FairnessBeacon {
        url: String::new(),
        chain_hash: String::new(),
        round: 1,
        round_at: at,
        randomness: None,
        signature: None,
    };
    let draw = FairnessDraw {
        phase: "general".parse().unwrap(),
        phase_no: PhaseNo(0),
        committed_at: at,
        seed_hash: [0; 32],
        opens_at: at,
        frozen_at: None,
        count: 0,
        first_number: None,
        root: None,
        leaves: None,
        beacon: Some(beacon),
        self_attested: None,
        seed: None,
        drawn_at: None,
        order: None,
    };
    let sale = domain::SaleId::from_uuid(uuid::Uuid::nil());
    let file = FairnessFile { version: FILE_VERSION, sale, draws: vec![draw] };
    let (mut real, mut told, document) = (BTreeSet::new(), BTreeSet::new(), json());
    fields(&serde_json::to_value(file).unwrap(), "", &mut real);
    shape_fields(&document, &document["components"]["schemas"]["FairnessFile"], "", &mut told);
    assert_eq!(told, real);
}
