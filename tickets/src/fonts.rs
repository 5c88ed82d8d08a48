//! The fonts of a ticket, and which of them has a character.
//!
//! They are part of the program, so a ticket looks the same wherever it is drawn. Noto Sans has the Latin, Greek and Cyrillic
//! letters; a face for each other script follows: Droid's fallback has the Chinese and Japanese characters, Nanum the
//! Korean ones. What none of them has
//! (emoji, rarer scripts) is drawn as [`REPLACEMENT`]. Licences are beside the files.

use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use harfrust::{Direction, FontRef, Script, ShapePlan, ShapePlanKey, Shaper, ShaperData, script};
use krilla::text::Font;
use skrifa::MetadataProvider as _;
use skrifa::charmap::Charmap;

mod unhinted;

use unhinted::unhinted;

/// How heavy a text is. Only Noto Sans has two weights: a name in another script is told apart by its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Text.
    Regular,
    /// What one looks for.
    Bold,
}

/// Stands for a character that no face has.
const REPLACEMENT: char = '?';

/// The index of Noto Sans; its bold face is the next one.
const LATIN: usize = 0;

/// A face, ready to shape and to draw.
pub(crate) struct Face {
    pub(crate) font: Font,
    reference: FontRef<'static>,
    characters: Charmap<'static>,
    shaping: ShaperData,
    /// How a script is shaped in a direction. That takes longer to find out than to shape a line; there are two for each script.
    plans: RwLock<Vec<Arc<ShapePlan>>>,
}

impl Face {
    /// What shapes texts in this face.
    pub(crate) fn shaper(&self) -> Shaper<'_> {
        self.shaping.shaper(&self.reference).build()
    }

    /// How a text of that script is shaped in that direction.
    pub(crate) fn plan(&self, shaper: &Shaper<'_>, direction: Direction, of: Script) -> Arc<ShapePlan> {
        // As the shaper does it by itself: a text without a letter has no script.
        let of = (of != script::UNKNOWN).then_some(of);
        let key = ShapePlanKey::new(of, direction);
        let known = self.plans.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = known.iter().find(|plan| key.matches(plan)) {
            return Arc::clone(plan);
        }
        drop(known);
        let plan = Arc::new(ShapePlan::new(shaper, direction, of, None, &[]));
        // Two may find it out at once; the second one is the same, and stands unused.
        self.plans.write().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&plan));
        plan
    }
}

macro_rules! faces {
    ($($file:literal),+ $(,)?) => { [$(face(include_bytes!(concat!("../fonts/", $file)))),+] };
}

static FACES: LazyLock<[Face; 10]> = LazyLock::new(|| {
    faces![
        "NotoSans-Regular.ttf",
        "NotoSans-Bold.ttf",
        "NotoSansArabic-Regular.ttf",
        "NotoSansHebrew-Regular.ttf",
        "NotoSansDevanagari-Regular.ttf",
        "NotoSansThai-Regular.ttf",
        "NotoSansArmenian-Regular.ttf",
        "NotoSansGeorgian-Regular.ttf",
        "DroidSansFallbackFull.ttf",
        "NanumSquareR.ttf",
    ]
});

fn face(data: &'static [u8]) -> Face {
    let reference = FontRef::new(data).expect("an embedded font is a font");
    let drawn = unhinted(data).map_or_else(|| data.into(), |data| Arc::new(data).into());
    Face {
        font: Font::new(drawn, 0).expect("an embedded font is a font"),
        characters: reference.charmap(),
        shaping: ShaperData::new(&reference),
        plans: RwLock::default(),
        reference,
    }
}

/// A face by its index.
pub(crate) fn face_at(index: usize) -> &'static Face {
    &FACES[index]
}

fn has(index: usize, character: char) -> bool {
    FACES[index].characters.map(character).is_some()
}

fn first_with(character: char, weight: Weight) -> Option<usize> {
    let latin = match weight {
        Weight::Regular => LATIN,
        Weight::Bold => LATIN + 1,
    };
    std::iter::once(latin).chain(LATIN + 2..FACES.len()).find(|index| has(*index, character))
}

/// The face for a character after one in `before`: what is no letter stays with its neighbours, so that a space does not cut
/// a line into pieces.
pub(crate) fn face_for(character: char, weight: Weight, before: Option<usize>) -> usize {
    before
        .filter(|before| !character.is_alphanumeric() && has(*before, character))
        .or_else(|| first_with(character, weight))
        .unwrap_or(LATIN)
}

/// A text as it can be drawn: no control characters but line ends, nothing that turns the direction of what follows, and every
/// character in some face.
pub(crate) fn drawable(text: &str) -> String {
    text.chars().filter(|c| !is_unseen(*c)).map(drawn_as).collect()
}

fn drawn_as(character: char) -> char {
    match character {
        '\n' => '\n',
        _ if character.is_control() => ' ',
        _ if first_with(character, Weight::Regular).is_some() => character,
        _ => REPLACEMENT,
    }
}

/// Characters that only tell how others are laid out. A name could turn the rest of its line around with some of them.
fn is_unseen(character: char) -> bool {
    matches!(character, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}' | '\u{E0000}'..='\u{E0FFF}')
        // The joiners shape Persian and Indic words.
        && !matches!(character, '\u{200C}' | '\u{200D}')
}

#[cfg(test)]
mod tests;
