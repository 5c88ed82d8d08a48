use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::ticket::ticket_id;
use secrecy::SecretString;
use uuid::Uuid;

use super::*;

fn config(performances: &str) -> SaleConfig {
    let text = format!(
        r#"{{"name":"Night","currency":"eur","time_zone":"Europe/Berlin","venue":"Hall","opens_at":"2026-12-01T10:00:00Z",
            "performances":{performances},"terms":"No glass.",
            "tiers":[{{"id":"ga","name":"Standing","price":0,"capacity":50}},
                     {{"id":"stalls","name":"Stalls","price":0,"rows":[{{"row":"A","seats":3}},{{"row":"B","seats":3}}]}}]}}"#,
    );
    serde_json::from_str(&text).unwrap()
}

const EVENING: &str =
    r#"[{"name":"Late show","starts_at":"2026-12-05T19:00:00Z","ends_at":"2026-12-05T22:00:00Z","venue":"Barn"}]"#;

fn bought(config: &SaleConfig) -> Bought<'_> {
    let (sale, order) = (SaleId::from_uuid(Uuid::from_u128(1)), OrderId::from_uuid(Uuid::from_u128(2)));
    let created_at = "2026-12-01T10:00:00Z".parse().unwrap();
    Bought { sale, version: 7, config, order, created_at, holder: Some("Ada") }
}

fn signer() -> TicketSigner {
    TicketSigner::new(&SecretString::from(format!("t1:{}", STANDARD.encode([1; 32])))).unwrap()
}

#[test]
fn a_page_says_what_was_configured_and_bought() {
    let (config, signer, tier) = (config(EVENING), signer(), "stalls".parse().unwrap());
    let issued = Issued {
        id: ticket_id("pi_1", &tier, UnitNo(4)),
        tier: &tier,
        unit: UnitNo(4),
        rotation: 2,
        kid: signer.kid(),
    };
    let sheet = bought(&config).sheet(&issued, &signer).unwrap();
    assert_eq!((sheet.sale.as_str(), sheet.venue.as_str()), ("Night: Late show", "Barn"));
    assert_eq!(sheet.when.as_deref(), Some("Saturday, 5 December 2026, 20:00 (CET)"));
    assert_eq!(
        (sheet.tier.as_str(), sheet.seat.as_deref(), sheet.holder.as_deref()),
        ("Stalls", Some("B-2"), Some("Ada"))
    );
    assert_eq!(sheet.terms, "No glass.");
    let read = signer.verify(&sheet.qr_text).unwrap().payload;
    assert_eq!((read.ticket, read.rotation, read.sale), (issued.id, 2, bought(&config).sale));
}

#[test]
fn without_a_date_there_is_no_entry_and_the_page_has_none() {
    let (config, signer, tier) = (config("[]"), signer(), "ga".parse().unwrap());
    let issued = Issued {
        id: ticket_id("pi_1", &tier, UnitNo(4)),
        tier: &tier,
        unit: UnitNo(4),
        rotation: 0,
        kid: signer.kid(),
    };
    let sheet = bought(&config).sheet(&issued, &signer).unwrap();
    assert_eq!((sheet.when, sheet.seat, sheet.venue.as_str()), (None, None, "Hall"));
    assert_eq!(bought(&config).visit(Held { open: 1, void: 0 }, Standing::Confirmed, "x.example"), None);
}

#[test]
fn an_entry_keeps_its_name_and_grows_with_the_sale() {
    let config = config(EVENING);
    let visit = bought(&config).visit(Held { open: 2, void: 0 }, Standing::Confirmed, "x.example").unwrap();
    assert_eq!(visit.uid, format!("{}@x.example", bought(&config).order));
    assert_eq!((visit.sequence, visit.about), (7, format!("2 tickets, order {}", bought(&config).order)));
    let one_back = bought(&config).visit(Held { open: 1, void: 1 }, Standing::Confirmed, "x.example").unwrap();
    assert_eq!(one_back.sequence, 8, "a ticket that went back changes it, too");
    let all_back = Held { open: 0, void: 2 };
    let later = Bought { version: 8, ..bought(&config) }.visit(all_back, Standing::Cancelled, "x.example").unwrap();
    assert_eq!((later.uid, later.sequence, later.standing), (visit.uid, 10, Standing::Cancelled));
}

#[test]
fn a_ticket_whose_key_is_gone_is_not_drawn() {
    let (config, tier) = (config("[]"), "ga".parse().unwrap());
    let other = TicketSigner::new(&SecretString::from(format!("t2:{}", STANDARD.encode([2; 32])))).unwrap();
    let issued =
        Issued { id: ticket_id("pi_1", &tier, UnitNo(4)), tier: &tier, unit: UnitNo(4), rotation: 0, kid: other.kid() };
    assert_eq!(bought(&config).sheet(&issued, &signer()), Err(KeyGone(other.kid())));
}
