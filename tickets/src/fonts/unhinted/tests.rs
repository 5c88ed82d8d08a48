use skrifa::instance::{LocationRef, Size};
use skrifa::outline::{DrawSettings, OutlinePen};
use skrifa::raw::TableProvider;
use skrifa::{FontRef, GlyphId, MetadataProvider};

use super::*;

/// What a pen is told.
#[derive(Debug, Default, PartialEq)]
struct Strokes(Vec<(char, [f32; 6])>);

impl OutlinePen for Strokes {
    fn move_to(&mut self, x: f32, y: f32) {
        self.0.push(('M', [x, y, 0.0, 0.0, 0.0, 0.0]));
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.0.push(('L', [x, y, 0.0, 0.0, 0.0, 0.0]));
    }

    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        self.0.push(('Q', [cx, cy, x, y, 0.0, 0.0]));
    }

    fn curve_to(&mut self, ax: f32, ay: f32, bx: f32, by: f32, x: f32, y: f32) {
        self.0.push(('C', [ax, ay, bx, by, x, y]));
    }

    fn close(&mut self) {
        self.0.push(('Z', [0.0; 6]));
    }
}

fn drawn(font: &FontRef<'_>, glyph: GlyphId) -> Strokes {
    let mut strokes = Strokes::default();
    let outline = font.outline_glyphs().get(glyph).expect("a glyph has an outline");
    outline.draw(DrawSettings::unhinted(Size::unscaled(), LocationRef::default()), &mut strokes).unwrap();
    strokes
}

#[test]
fn every_letter_is_drawn_as_before_and_no_program_is_left() {
    for file in [
        "NotoSans-Regular.ttf",
        "NotoSans-Bold.ttf",
        "NotoSansArabic-Regular.ttf",
        "NotoSansHebrew-Regular.ttf",
        "NotoSansDevanagari-Regular.ttf",
        "NotoSansThai-Regular.ttf",
        "NotoSansArmenian-Regular.ttf",
        "NotoSansGeorgian-Regular.ttf",
    ] {
        let bytes = std::fs::read(format!("{}/fonts/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let without = unhinted(&bytes).unwrap_or_else(|| panic!("{file} has programs"));
        let (before, after) = (FontRef::new(&bytes).unwrap(), FontRef::new(&without).unwrap());
        let count = before.maxp().unwrap().num_glyphs();
        let mut strokes = 0;
        for glyph in (0..count).map(|index| GlyphId::new(u32::from(index))) {
            let old = drawn(&before, glyph);
            strokes += old.0.len();
            assert!(old == drawn(&after, glyph), "{glyph} of {file}");
        }
        assert!(strokes > 10 * usize::from(count), "{file} has outlines");
        assert!(tables(&without).unwrap().iter().all(|(name, _)| !PROGRAMS.contains(&name)));
        assert_eq!(tables(&without).unwrap().len() + PROGRAMS.len(), tables(&bytes).unwrap().len(), "{file}");
        assert!(without.len() * 10 < bytes.len() * 9, "{file}: {} of {}", without.len(), bytes.len());
        assert!(unhinted(&without).is_none(), "there are none left");
    }
}

/// Where a font ends too early or says what is not so, it is left alone, and nothing panics.
#[test]
fn what_is_no_font_is_left_as_it_is() {
    let bytes = std::fs::read(format!("{}/fonts/NotoSansHebrew-Regular.ttf", env!("CARGO_MANIFEST_DIR"))).unwrap();
    for length in (0..bytes.len()).step_by(97) {
        let _ = unhinted(&bytes[..length]);
    }
    assert_eq!(unhinted(&bytes[..bytes.len() / 2]), None);
    let mut changed = bytes.clone();
    for at in (0..bytes.len()).step_by(13) {
        changed[at] ^= 0xff;
        let _ = unhinted(&changed);
        changed[at] = bytes[at];
    }
}
