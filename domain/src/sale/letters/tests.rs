use super::*;

fn word_of(placeholder: Placeholder) -> String {
    format!("<{}>", placeholder.word())
}

#[test]
fn placeholders_are_filled_in_and_the_rest_stays() {
    assert_eq!(filled("Hi {{name}}, {{ sale }} at {{venue}}!", word_of), "Hi <name>, <sale> at <venue>!");
    assert_eq!(filled("no {braces} } here", word_of), "no {braces} } here");
    for placeholder in Placeholder::ALL {
        assert_eq!(filled(&format!("{{{{{}}}}}", placeholder.word()), word_of), word_of(placeholder));
    }
}

#[test]
fn what_is_filled_in_is_not_looked_at_again() {
    assert_eq!(filled("{{name}}", |_| "{{total}}".to_owned()), "{{total}}");
}

#[test]
fn what_stands_for_nothing_is_named() {
    let check = |text| check(LetterKind::OrderPaid, text);
    let unknown =
        |name: &str| Err(BadWords::Unknown { name: name.to_owned(), known: LetterKind::OrderPaid.placeholders() });
    assert_eq!(check("{{nmae}}"), unknown("nmae"));
    assert_eq!(check("{{name"), Err(BadWords::Open));
    assert_eq!(check("{{name}} {{}}"), unknown(""));
    assert_eq!(check("Hello {{name}}"), Ok(()));
    let told = check("{{nmae}}").unwrap_err().to_string();
    assert_eq!(told, "without {{nmae}}: there are name, sale, venue, when, order, total, amount");
}

#[test]
fn a_letter_refers_to_what_it_is_about_and_to_nothing_else() {
    for kind in LetterKind::ALL {
        for placeholder in Placeholder::ALL {
            let text = format!("{{{{{}}}}}", placeholder.word());
            assert_eq!(check(*kind, &text).is_ok(), kind.placeholders().contains(&placeholder), "{kind:?} {text}");
        }
    }
    assert!(check(LetterKind::WaitlistOffer, "{{offer}} until {{until}}").is_ok());
    let told = check(LetterKind::WaitlistJoined, "{{offer}}").unwrap_err().to_string();
    assert_eq!(told, "without {{offer}}: there are sale, venue, when, wish");
}

#[test]
fn every_letter_has_its_word() {
    for kind in LetterKind::ALL {
        assert_eq!(LetterKind::from_word(kind.word()), Some(*kind));
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.word());
    }
}
