use domain::sale::letters::Placeholder;

use super::*;

fn config() -> SaleConfig {
    serde_json::from_str(
        r#"{"name":"Night","currency":"eur","time_zone":"Europe/Berlin","venue":"Hall","opens_at":"2026-12-01T10:00:00Z",
            "performances":[{"starts_at":"2026-12-05T19:00:00Z"}],
            "letters":{"order_paid":{"subject":"See you at {{sale}}","opening":"Dear {{name}}, welcome."},
                       "waitlist_offer":{"opening":"Be quick: {{offer}}."}},
            "tiers":[{"id":"ga","name":"Standing","price":4500,"capacity":50}]}"#,
    )
    .expect("a configuration")
}

#[test]
fn every_letter_can_be_looked_at_before_it_is_sent() {
    let reader = Reader { name: "Ada Lovelace".to_owned(), email: "ada@example.org".to_owned() };
    for kind in LetterKind::ALL {
        let letter = String::from_utf8(preview(*kind, &config(), &reader).expect("a letter")).expect("ASCII");
        assert!(letter.contains("ada@example.org"), "{kind:?}:\n{letter}");
        // Who waits has given no name.
        let of_order = kind.placeholders().contains(&Placeholder::Name);
        assert_eq!(letter.contains("To: \"Ada Lovelace\" <ada@example.org>"), of_order, "{kind:?}:\n{letter}");
        let has_tickets = matches!(kind, LetterKind::OrderPaid | LetterKind::TicketsAgain);
        for file in ["tickets.pdf", "calendar.ics"] {
            assert_eq!(letter.contains(file), has_tickets, "{kind:?}: {file}");
        }
        let own = letter.contains("Subject: See you at Night");
        assert_eq!(own, *kind == LetterKind::OrderPaid, "{kind:?}");
        let own = letter.contains("Be quick: 2");
        assert_eq!(own, *kind == LetterKind::WaitlistOffer, "{kind:?}:\n{letter}");
    }
}
