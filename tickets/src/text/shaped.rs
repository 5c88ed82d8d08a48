//! Texts in one face as glyphs, kept while they are asked for again.
//!
//! What is on one ticket of a sale is on the next one, but for a name and some numbers, and a paragraph is measured word by word
//! before it is set. What a text looks like follows from the text alone, so what is kept is never wrong. Bounds: [`KEPT_MAX`] texts
//! of [`BYTES_MAX`]; then all of them are forgotten, which costs as much as a ticket of another sale. Names of holders are among them:
//! a process knows some of the last thousand until then, or until it ends.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use harfrust::{Direction, ShapeOptions, UnicodeBuffer};
use krilla::text::{GlyphId, KrillaGlyph};
use unicode_bidi::Level;

use super::Run;
use crate::fonts::face_at;

/// The most texts kept: some 2 MB of words and lines, 25 MB if all were as long as may be.
const KEPT_MAX: usize = 2_048;
/// The longest text kept: a few lines. Small print as a whole is measured once a ticket.
const BYTES_MAX: usize = 256;

/// In which face, and which way where that is given.
type Setting = (usize, Option<Turn>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Turn {
    LeftToRight,
    RightToLeft,
}

#[derive(Default)]
struct Kept {
    texts: HashMap<Setting, HashMap<Box<str>, Arc<Run>>>,
    count: usize,
}

static KEPT: LazyLock<Mutex<Kept>> = LazyLock::new(Mutex::default);

/// Shapes a text in one face; in the direction of its script where no level is given.
pub(super) fn shape(face: usize, text: &str, level: Option<Level>) -> Arc<Run> {
    let turn = level.map(|level| if level.is_rtl() { Turn::RightToLeft } else { Turn::LeftToRight });
    let setting = (face, turn);
    if let Some(run) = kept().texts.get(&setting).and_then(|texts| texts.get(text)) {
        return Arc::clone(run);
    }
    let run = Arc::new(shaped(face, text, turn));
    kept().keep(setting, text, &run);
    run
}

fn kept() -> MutexGuard<'static, Kept> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Kept {
    fn keep(&mut self, setting: Setting, text: &str, run: &Arc<Run>) {
        if text.len() > BYTES_MAX {
            return;
        }
        if self.count >= KEPT_MAX {
            *self = Self::default();
        }
        if self.texts.entry(setting).or_default().insert(text.into(), Arc::clone(run)).is_none() {
            self.count += 1;
        }
    }
}

fn shaped(face: usize, text: &str, turn: Option<Turn>) -> Run {
    let mut buffer = UnicodeBuffer::new();
    buffer.push_str(text);
    buffer.guess_segment_properties();
    match turn {
        Some(Turn::RightToLeft) => buffer.set_direction(Direction::RightToLeft),
        Some(Turn::LeftToRight) => buffer.set_direction(Direction::LeftToRight),
        None => {}
    }
    let shaper = face_at(face).shaper();
    let plan = face_at(face).plan(&shaper, buffer.direction(), buffer.script());
    let shaped = shaper.shape(buffer, ShapeOptions::new().plan(Some(&plan)));
    let em = face_at(face).font.units_per_em();
    let starts: Vec<usize> = shaped.glyph_infos().iter().map(|info| byte(info.cluster)).collect();
    let mut ends = starts.clone();
    ends.sort_unstable();
    ends.dedup();
    let end_of = |start: usize| ends.get(ends.partition_point(|end| *end <= start)).copied().unwrap_or(text.len());
    let glyph = |(info, (position, start)): (&harfrust::GlyphInfo, (&harfrust::GlyphPosition, &usize))| {
        let scaled = |units: i32| units_in_em(units, em);
        KrillaGlyph::new(
            GlyphId::new(info.glyph_id),
            scaled(position.x_advance),
            scaled(position.x_offset),
            scaled(position.y_offset),
            scaled(position.y_advance),
            *start..end_of(*start),
            None,
        )
    };
    let glyphs: Vec<_> =
        shaped.glyph_infos().iter().zip(shaped.glyph_positions().iter().zip(&starts)).map(glyph).collect();
    let width = glyphs.iter().map(|glyph| glyph.x_advance).sum();
    Run { face, text: text.to_owned(), glyphs, width }
}

fn byte(cluster: u32) -> usize {
    usize::try_from(cluster).expect("a cluster is a byte of a short text")
}

#[expect(clippy::cast_precision_loss, reason = "font units are below 2^16")]
fn units_in_em(units: i32, em: f32) -> f32 {
    units as f32 / em
}

#[cfg(test)]
mod tests;
