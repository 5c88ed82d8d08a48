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
    assert_eq!(check("{{nmae}}"), Err(BadWords::Unknown("nmae".to_owned())));
    assert_eq!(check("{{name"), Err(BadWords::Open));
    assert_eq!(check("{{name}} {{}}"), Err(BadWords::Unknown(String::new())));
    assert_eq!(check("Hello {{name}}"), Ok(()));
    let told = BadWords::Unknown("nmae".to_owned()).to_string();
    assert_eq!(told, "without {{nmae}}: there are name, sale, venue, when, order, total, amount");
}

#[test]
fn every_letter_has_its_word() {
    for kind in LetterKind::ALL {
        assert_eq!(LetterKind::from_word(kind.word()), Some(*kind));
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.word());
    }
}
