use super::*;

fn told(run: &Run) -> String {
    format!("{run:?}")
}

/// Shaped with everything found out anew, as the shaper does it by itself.
fn plainly(face: usize, text: &str, turn: Option<Turn>) -> Vec<(u32, u32, i32)> {
    let mut buffer = UnicodeBuffer::new();
    buffer.push_str(text);
    buffer.guess_segment_properties();
    if let Some(turn) = turn {
        buffer.set_direction(if turn == Turn::RightToLeft { Direction::RightToLeft } else { Direction::LeftToRight });
    }
    let shaped = face_at(face).shaper().shape(buffer, ShapeOptions::new());
    let glyphs = shaped.glyph_infos().iter().zip(shaped.glyph_positions());
    glyphs.map(|(info, position)| (info.glyph_id, info.cluster, position.x_advance)).collect()
}

#[test]
fn what_is_kept_is_what_would_be_shaped() {
    for text in
        ["Ada Lovelace", "fi ffl AV To 1/2", "محمد عبدالله", "שלום", "क्षत्रिय", "山田 花子", "123", "", "Ελλάδα Київ"]
    {
        for face in 0..10 {
            for level in [None, Some(Level::ltr()), Some(Level::rtl())] {
                let first = shape(face, text, level);
                assert_eq!(told(&first), told(&shape(face, text, level)), "{text}");
                let turn = level.map(|level| if level.is_rtl() { Turn::RightToLeft } else { Turn::LeftToRight });
                assert_eq!(told(&first), told(&shaped(face, text, turn)), "{text}");
                let plain = plainly(face, text, turn);
                assert_eq!(first.glyphs.len(), plain.len());
                let em = face_at(face).font.units_per_em();
                for (glyph, (id, cluster, advance)) in first.glyphs.iter().zip(plain) {
                    assert_eq!((glyph.glyph_id.to_u32(), glyph.text_range.start), (id, byte(cluster)), "{text}");
                    assert_eq!(glyph.x_advance.to_bits(), units_in_em(advance, em).to_bits(), "{text}");
                }
            }
        }
    }
}

#[test]
fn no_more_is_kept_than_may_be() {
    let mut kept = Kept::default();
    let run = Arc::new(shaped(0, "x", None));
    for number in 0..2 * KEPT_MAX {
        kept.keep((0, None), &number.to_string(), &run);
        assert!(kept.count <= KEPT_MAX && kept.texts[&(0, None)].len() == kept.count);
    }
    assert!(Arc::ptr_eq(&kept.texts[&(0, None)]["4095"], &run));
    let before = kept.count;
    kept.keep((0, None), &"x".repeat(BYTES_MAX + 1), &run);
    assert_eq!(kept.count, before, "a long text is not kept");
}
