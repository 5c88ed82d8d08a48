use domain::RefundId;
use uuid::Uuid;

use super::*;

const KINDS: [MailKind; 8] = [
    MailKind::OrderPaid,
    MailKind::OrderExpired,
    MailKind::PaymentReleased,
    MailKind::PaymentRefunded,
    REFUND_MADE,
    REFUND_FAILED,
    TICKETS_AGAIN,
    SALE_CANCELLED,
];

const SALE_CANCELLED: MailKind = MailKind::SaleCancelled(None);

const TICKETS_AGAIN: MailKind = MailKind::TicketsAgain(Uuid::nil());

const REFUND_FAILED: MailKind = MailKind::RefundFailed(RefundId::from_uuid(Uuid::nil()));

const REFUND_MADE: MailKind = MailKind::RefundMade(RefundId::from_uuid(Uuid::nil()));

/// The usual letter, about what went back.
fn back(amount: Option<&str>, tickets: usize) -> Letter {
    let facts = facts();
    let (back, valid) = (facts.tickets[..tickets].to_vec(), facts.tickets[tickets..].to_vec());
    let back = Some(Back { amount: amount.map(str::to_owned), tickets: back });
    write(REFUND_MADE, &Facts { back, tickets: valid, ..facts })
}

#[test]
fn a_letter_about_a_refund_says_how_much_and_what_of_the_tickets() {
    let by_ticket = back(Some("21.75 EUR"), 1);
    for part in
        ["21.75 EUR", "five to ten days", "is void", "Standing (tkt_1)", "One other ticket of yours stays valid"]
    {
        assert!(by_ticket.text.contains(part), "{part} in\n{}", by_ticket.text);
    }
    for part in ["21.75 EUR", "tkt_1"] {
        assert!(by_ticket.html.contains(part), "{part} in\n{}", by_ticket.html);
    }
    let amount = back(Some("5.00 EUR"), 0);
    assert!(amount.text.contains("2 tickets of yours stay valid") && !amount.text.contains("void"), "{}", amount.text);
    let whole = back(Some("43.50 EUR"), 2);
    assert!(whole.text.contains("These tickets are void") && !whole.text.contains("stay"), "{}", whole.text);
    let free = back(None, 2);
    assert!(free.text.contains("These tickets are void") && !free.text.contains("days"), "{}", free.text);
}

#[test]
fn a_letter_about_a_refund_that_did_not_arrive_says_that_the_money_is_not_lost() {
    let letter = write(REFUND_FAILED, &facts());
    assert!(letter.subject.ends_with("did not arrive"), "{}", letter.subject);
    for text in [letter.text, letter.html] {
        assert!(text.contains("21.75 EUR of your order") && text.contains("The money is not lost"), "{text}");
    }
}

#[test]
fn a_letter_about_a_sale_that_was_called_off_says_what_goes_back() {
    let said = |back| {
        let letter = write(SALE_CANCELLED, &Facts { back, ..facts() });
        assert_eq!(letter.subject, "Night \"Live\" was called off");
        [letter.text, letter.html]
    };
    let tickets = facts().tickets;
    for text in said(Some(Back { amount: Some("43.50 EUR".to_owned()), tickets: tickets.clone() })) {
        for part in ["43.50 EUR", "go back to you", "five to ten days", "tickets are void", "tkt_2", "20:00 (CET)"] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
    for text in said(Some(Back { amount: None, tickets })) {
        assert!(text.contains("Nothing of your order is left") && text.contains("tickets are void"), "{text}");
    }
    for text in said(None) {
        assert!(text.contains("you pay nothing") && !text.contains("void") && !text.contains("EUR"), "{text}");
    }
}

#[test]
fn a_letter_about_a_payment_that_nobody_confirmed_says_so() {
    let unconfirmed = write(MailKind::OrderExpired, &Facts { why: Why::Unconfirmed, ..facts() });
    for (told, other) in
        [(unconfirmed.text, write(MailKind::OrderExpired, &facts()).text), (unconfirmed.html, facts().name)]
    {
        assert!(told.contains("ran out before the payment was confirmed with your bank, and its places"), "{told}");
        assert!(told.contains("Nothing was charged") && !other.contains("confirmed"), "{told}\n{other}");
    }
    let released = write(MailKind::PaymentReleased, &Facts { why: Why::Unconfirmed, ..facts() });
    assert_eq!(released, write(MailKind::PaymentReleased, &facts()));
}

#[test]
fn a_letter_about_money_without_tickets_says_why() {
    for (kind, money) in
        [(MailKind::PaymentReleased, "Nothing was charged"), (MailKind::PaymentRefunded, "goes back to you")]
    {
        let late = write(kind, &facts());
        let limit = write(kind, &Facts { why: Why::CardLimit, ..facts() });
        for (late, limit) in [(late.text, limit.text), (late.html, limit.html)] {
            assert!(limit.contains("as many tickets as one buyer may have") && limit.contains(money), "{limit}");
            assert!(!limit.contains("your payment of") && late.contains("your payment of"), "{limit}\n{late}");
            assert!(!late.contains("card") && late.contains(money), "{late}");
        }
    }
}

fn facts() -> Facts {
    let ticket = |number| Ticket { id: format!("tkt_{number}"), tier: "Standing".to_owned(), seat: None, number };
    Facts {
        name: "Ada <Lovelace> & Co".to_owned(),
        sale: "Night \"Live\"".to_owned(),
        venue: "Hall 2".to_owned(),
        when: Some("Saturday, 5 December 2026, 20:00 (CET)".to_owned()),
        order: "ord_1".to_owned(),
        lines: vec![
            Line { label: "2 × Standing".to_owned(), amount: "40.00 EUR".to_owned() },
            Line { label: "2 × Booking fee".to_owned(), amount: "3.50 EUR".to_owned() },
        ],
        total: "43.50 EUR".to_owned(),
        tickets: vec![ticket(1), ticket(2)],
        back: Some(Back { amount: Some("21.75 EUR".to_owned()), tickets: vec![ticket(1)] }),
        why: Why::TooLate,
        url: "https://tickets.example/s/night/orders/ord_1#token=ort_1".to_owned(),
        opening: None,
    }
}

#[test]
fn every_letter_names_the_buyer_the_sale_the_order_and_its_page() {
    for kind in KINDS {
        let letter = write(kind, &facts());
        assert!(letter.subject.contains("Night \"Live\""), "{kind:?}");
        for part in ["Ada <Lovelace> & Co", "Night \"Live\"", "ord_1", &facts().url] {
            assert!(letter.text.contains(part), "{kind:?} lacks {part}:\n{}", letter.text);
        }
        assert!(letter.html.contains("href=\"https://tickets.example/s/night/orders/ord_1#token=ort_1\""), "{kind:?}");
    }
}

#[test]
fn names_are_escaped_in_html_and_left_alone_in_text() {
    for kind in KINDS {
        let letter = write(kind, &facts());
        assert!(!letter.html.contains("<Lovelace>"), "{kind:?}");
        assert!(letter.html.contains("Ada &#60;Lovelace&#62; &#38; Co"), "{kind:?}:\n{}", letter.html);
    }
}

#[test]
fn a_ticket_of_a_seat_names_it() {
    let mut seated = facts();
    seated.tickets[1].seat = Some("A-12".to_owned());
    let letter = write(MailKind::OrderPaid, &seated);
    assert!(letter.text.contains("1. Standing (tkt_1)"), "{}", letter.text);
    assert!(letter.text.contains("2. Standing, seat A-12 (tkt_2)"), "{}", letter.text);
    assert!(letter.html.contains("<strong>Standing, seat A-12</strong>"), "{}", letter.html);
}

#[test]
fn the_tickets_show_one_code_each_and_the_price_is_all_in() {
    let letter = write(MailKind::OrderPaid, &facts());
    for part in ["cid:tkt_1", "cid:tkt_2", "ticket 1 of 2", "2 × Standing", "3.50 EUR", "43.50 EUR"] {
        assert!(letter.html.contains(part), "{part} in\n{}", letter.html);
    }
    for part in [
        "your 2 tickets",
        "1. Standing (tkt_1)",
        "2. Standing (tkt_2)",
        "2 × Booking fee: 3.50 EUR",
        "Total: 43.50 EUR",
    ] {
        assert!(letter.text.contains(part), "{part} in\n{}", letter.text);
    }
}

#[test]
fn tickets_once_more_show_their_codes_and_what_older_ones_are_worth() {
    let letter = write(TICKETS_AGAIN, &facts());
    for part in ["cid:tkt_1", "cid:tkt_2", "only if they are the same", "5 December 2026"] {
        assert!(letter.html.contains(part), "{part} in\n{}", letter.html);
    }
    for part in ["2. Standing (tkt_2)", "only if they are the same", "5 December 2026"] {
        assert!(letter.text.contains(part), "{part} in\n{}", letter.text);
    }
}

#[test]
fn an_organizers_words_take_the_place_of_ours_and_the_facts_stay() {
    for kind in KINDS {
        let words = LetterConfig {
            subject: "{{sale}}: for {{name}}".to_owned(),
            opening: "Dear {{name}} <3\n\nSee you at {{venue}}, {{when}}. It was {{total}}, order {{order}}."
                .to_owned(),
        };
        let ours = write(kind, &facts());
        let letter = write_with(kind, &facts(), Some(&words));
        assert_eq!(letter.subject, "Night \"Live\": for Ada <Lovelace> & Co");
        let said = "See you at Hall 2, Saturday, 5 December 2026, 20:00 (CET). It was 43.50 EUR, order ord_1.";
        assert!(
            letter.text.contains(said) && letter.html.contains(&format!("<p>{said}</p>")),
            "{kind:?}:\n{}",
            letter.html
        );
        assert!(
            letter.html.contains("<p>Dear Ada &#60;Lovelace&#62; &#38; Co &#60;3</p>"),
            "{kind:?}:\n{}",
            letter.html
        );
        assert!(letter.text.contains(&facts().url) && letter.html.contains("Order ord_1"), "{kind:?}");
        for codes in ["cid:tkt_1", "cid:tkt_2"] {
            assert_eq!(letter.html.contains(codes), ours.html.contains(codes), "{kind:?}");
        }
        assert_ne!(letter.text, ours.text);
    }
}

/// What must be said, whatever an organizer writes above it.
#[test]
fn what_became_of_the_money_stands_below_an_organizers_words() {
    let said: [(MailKind, &[&str]); 7] = [
        (MailKind::OrderPaid, &["43.50 EUR", "Each opens it once."]),
        (MailKind::OrderExpired, &["Nothing was charged."]),
        (MailKind::PaymentReleased, &["Nothing was charged.", "43.50 EUR"]),
        (MailKind::PaymentRefunded, &["43.50 EUR", "goes back to you"]),
        (REFUND_MADE, &["21.75 EUR", "went back to you", "void"]),
        (REFUND_FAILED, &["21.75 EUR", "did not arrive"]),
        (TICKETS_AGAIN, &["only if they are the same"]),
    ];
    let words = LetterConfig { opening: "Dear friend.".to_owned(), ..LetterConfig::default() };
    for (kind, parts) in said {
        let letter = write_with(kind, &facts(), Some(&words));
        for part in parts {
            for written in [&letter.text, &letter.html] {
                assert!(written.contains(part), "{kind:?} lacks {part}:\n{written}");
            }
        }
    }
}

#[test]
fn words_that_are_left_out_are_ours() {
    for kind in KINDS {
        assert_eq!(write_with(kind, &facts(), None), write(kind, &facts()));
        assert_eq!(write_with(kind, &facts(), Some(&LetterConfig::default())), write(kind, &facts()), "{kind:?}");
        let subject = LetterConfig { subject: "Hello".to_owned(), ..LetterConfig::default() };
        let letter = write_with(kind, &facts(), Some(&subject));
        assert_eq!((letter.subject.as_str(), letter.text), ("Hello", write(kind, &facts()).text));
    }
}

#[test]
fn a_name_that_looks_like_a_placeholder_is_a_name() {
    let words = LetterConfig { opening: "Dear {{name}}".to_owned(), ..LetterConfig::default() };
    let named = Facts { name: "{{total}}".to_owned(), ..facts() };
    assert!(write_with(MailKind::OrderPaid, &named, Some(&words)).text.contains("Dear {{total}}"));
}

#[test]
fn one_ticket_is_one_ticket() {
    let mut facts = facts();
    facts.tickets.truncate(1);
    let letter = write(MailKind::OrderPaid, &facts);
    assert!(letter.text.contains("here is your ticket for"), "{}", letter.text);
}

#[test]
fn a_letter_about_no_charge_says_so() {
    for kind in [MailKind::OrderExpired, MailKind::PaymentReleased] {
        assert!(write(kind, &facts()).text.contains("Nothing was charged"), "{kind:?}");
    }
    assert!(write(MailKind::PaymentRefunded, &facts()).text.contains("goes back to you"));
}
