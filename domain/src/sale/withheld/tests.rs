use crate::sale::SaleConfig;

fn sale(withheld: &str) -> SaleConfig {
    let json = format!(
        r#"{{"name":"Jazz","currency":"eur","opens_at":"2026-12-01T10:00:00Z","tiers":[
            {{"id":"ga","name":"Floor","price":100,"capacity":50}},
            {{"id":"stalls","name":"Stalls","price":200,"rows":[{{"row":"A","seats":2}},{{"row":"B","seats":3}}]}}]{withheld}}}"#
    );
    serde_json::from_str(&json).unwrap()
}

#[test]
fn units_are_withheld_by_number_or_by_name() {
    for withheld in [
        "",
        r#","withheld":{"ga":50}"#,
        r#","withheld":{"ga":1,"stalls":5}"#,
        r#","withheld":{"stalls":["A-2","B-1"]}"#,
    ] {
        let sale = sale(withheld);
        assert_eq!(sale.faults(), [], "{withheld}");
        let again: SaleConfig = serde_json::from_value(serde_json::to_value(&sale).unwrap()).unwrap();
        assert_eq!(again, sale);
    }
    let sale = sale(r#","withheld":{"ga":10,"stalls":["A-2","B-1"]}"#);
    assert_eq!(sale.tiers.iter().map(|tier| sale.for_sale(tier)).collect::<Vec<_>>(), [40, 3]);
}

#[test]
fn what_cannot_be_withheld_is_told_where_it_stands() {
    for (withheld, pointers) in [
        (r#"{"ga":0}"#, vec!["/withheld/ga"]),
        (r#"{"ga":51}"#, vec!["/withheld/ga"]),
        (r#"{"box":1,"stalls":6}"#, vec!["/withheld/box", "/withheld/stalls"]),
        (r#"{"ga":["A-1"]}"#, vec!["/withheld/ga"]),
        (r#"{"stalls":[]}"#, vec!["/withheld/stalls"]),
        (
            r#"{"stalls":["A-3","A-1","A-1","C-1"]}"#,
            vec!["/withheld/stalls/0", "/withheld/stalls/2", "/withheld/stalls/3"],
        ),
    ] {
        let faults = sale(&format!(r#","withheld":{withheld}"#)).faults();
        assert_eq!(faults.iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>(), pointers, "{withheld}");
    }
    for wrong in [r#"{"ga":-1}"#, r#"{"ga":1.5}"#, r#"{"ga":"1"}"#, r#"{"ga":{}}"#, r#"{"ga":null}"#, "[]"] {
        let json = serde_json::to_string(&sale("")).unwrap();
        let json = format!(r#"{},"withheld":{wrong}}}"#, json.strip_suffix('}').unwrap());
        assert!(serde_json::from_str::<SaleConfig>(&json).is_err(), "{wrong}");
    }
}
