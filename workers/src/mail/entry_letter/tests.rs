use super::*;

const KINDS: [EntryMailKind; 4] =
    [EntryMailKind::Joined, EntryMailKind::Offer, EntryMailKind::Lapsed, EntryMailKind::Cancelled];

fn facts() -> EntryFacts {
    EntryFacts {
        sale: "Night at the Opera".to_owned(),
        venue: "Old Town".to_owned(),
        when: "Saturday".to_owned(),
        entry: "wle_1".to_owned(),
        wish: "2 × Standing".to_owned(),
        offered: "2 × Standing".to_owned(),
        count: 2,
        is_part: false,
        until: "Sunday, 22 November 2026 at 20:30 CET".to_owned(),
        url: "https://tickets.example/s/opera/waitlist/wle_1#token=wlt_x".to_owned(),
        opening: None,
    }
}

#[test]
fn an_organizer_s_words_stand_first_and_what_must_be_known_below() {
    let words = LetterConfig {
        subject: "{{sale}}: {{wish}}".to_owned(),
        opening: "Ciao!\n<b>{{offer}}</b>, {{venue}}, {{when}}, {{until}}".to_owned(),
    };
    for kind in KINDS {
        let letter = write_with(kind, &facts(), Some(&words));
        assert_eq!(letter.subject, "Night at the Opera: 2 × Standing", "{kind:?}");
        let ours = write(kind, &facts());
        let must = match kind {
            EntryMailKind::Joined => "opening it is not enough",
            EntryMailKind::Offer => "kept for you until Sunday, 22 November 2026 at 20:30 CET",
            EntryMailKind::Lapsed => "your place in line ended with it",
            EntryMailKind::Cancelled => "was called off",
        };
        let opening = "2 × Standing</b>, Old Town, Saturday, Sunday, 22 November 2026 at 20:30 CET";
        let at = |text: &str, part: &str| text.find(part).unwrap_or_else(|| panic!("{kind:?}: no {part} in\n{text}"));
        assert!(at(&letter.text, opening) < at(&letter.text, must), "{}", letter.text);
        assert!(at(&letter.html, "<p>Ciao!</p>") < at(&letter.html, must), "{}", letter.html);
        assert!(!letter.html.contains("<b>"), "it is text: {}", letter.html);
        for text in [&letter.text, &letter.html] {
            assert!(text.contains("/s/opera/waitlist/wle_1#token=wlt_x") && text.contains("wle_1"), "{text}");
        }
        assert_ne!((letter.text, letter.html), (ours.text, ours.html));
    }
    let subject_alone = LetterConfig { subject: "{{offer}}".to_owned(), opening: String::new() };
    let letter = write_with(EntryMailKind::Offer, &facts(), Some(&subject_alone));
    assert_eq!(letter, Letter { subject: "2 × Standing".to_owned(), ..write(EntryMailKind::Offer, &facts()) });
}

#[test]
fn every_letter_has_its_page_its_entry_and_a_subject() {
    for kind in KINDS {
        let letter = write(kind, &facts());
        assert!(letter.subject.contains("Night at the Opera"), "{}", letter.subject);
        for text in [&letter.text, &letter.html] {
            assert!(text.contains("/s/opera/waitlist/wle_1#token=wlt_x") && text.contains("wle_1"), "{text}");
        }
    }
}

#[test]
fn an_offer_says_what_until_when_and_what_becomes_of_it() {
    let whole = write(EntryMailKind::Offer, &facts());
    for text in [&whole.text, &whole.html] {
        for part in
            ["2 × Standing", "they are kept for you until Sunday, 22 November 2026 at 20:30 CET", "next in line"]
        {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!text.contains("You asked for more"), "{text}");
    }
    let part = EntryFacts { offered: "1 × Standing".to_owned(), count: 1, is_part: true, ..facts() };
    let part = write(EntryMailKind::Offer, &part);
    for text in [&part.text, &part.html] {
        assert!(text.contains("it is kept for you") && text.contains("You asked for more"), "{text}");
    }
}

#[test]
fn a_name_with_markup_is_text_in_a_letter() {
    let letter = write(EntryMailKind::Joined, &EntryFacts { sale: "<b>Rock & Roll</b>".to_owned(), ..facts() });
    assert!(letter.text.contains("<b>Rock & Roll</b>"), "{}", letter.text);
    assert!(!letter.html.contains("<b>Rock"), "{}", letter.html);
}
