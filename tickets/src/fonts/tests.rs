use super::*;

#[test]
fn every_script_that_we_carry_has_its_letters() {
    for (text, face) in [
        ("Zoë Łukasz Ñandú Đặng", 0),
        ("Ελένη Παπαδοπούλου", 0),
        ("Владимир Ґалаґан", 0),
        ("محمد", 2),
        ("שרה", 3),
        ("प्रिया", 4),
        ("สมชาย", 5),
        ("Արամ", 6),
        ("გიორგი", 7),
        ("山田花子", 8),
        ("김철수", 9),
        ("やまだ", 8),
    ] {
        assert_eq!(drawable(text), text);
        let letters = text.chars().filter(|c| c.is_alphabetic());
        for letter in letters {
            assert_eq!(face_for(letter, Weight::Regular, None), face, "{letter} of {text}");
        }
    }
}

#[test]
fn what_no_face_has_is_shown_to_be_there() {
    assert_eq!(drawable("Ada 🎸"), "Ada ?");
}

#[test]
fn nothing_turns_a_line_around_or_breaks_it() {
    assert_eq!(drawable("Ada\u{202E}gpj.exe\u{2066}\u{FEFF}\t\u{7}x\r"), "Adagpj.exe  x ");
    assert_eq!(drawable("می\u{200C}خواهم"), "می\u{200C}خواهم", "a joiner is part of the word");
}

#[test]
fn a_space_stays_with_its_neighbours() {
    assert_eq!(face_for(' ', Weight::Regular, Some(2)), 2);
    assert_eq!(face_for('a', Weight::Bold, Some(2)), 1);
}
