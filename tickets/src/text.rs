//! Text as lines of glyphs: cut where a line may end, each line in visual order, each run in a face that has its letters.
//!
//! Widths are in em, so a line can be asked for at any size. A line that is too wide for its place is cut where Unicode allows
//! (UAX 14), and inside a word only when the word alone is too wide. Directions are UAX 9's, with the paragraph's own first.
//! Bound: what does not fit into the lines that there are ends in an ellipsis.

use std::ops::Range;
use std::sync::Arc;

use krilla::text::KrillaGlyph;
use unicode_bidi::{BidiInfo, Level};
use unicode_linebreak::linebreaks;

use crate::fonts::{Weight, drawable, face_for};

mod shaped;

use shaped::shape;

/// A line, ready to be drawn from left to right.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) runs: Vec<Arc<Run>>,
}

/// A part of a line in one face and one direction.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) face: usize,
    pub(crate) text: String,
    pub(crate) glyphs: Vec<KrillaGlyph>,
    /// In em.
    pub(crate) width: f32,
}

/// The lines of a text in a place so many em wide; at most `lines_max`.
pub(crate) fn lines(text: &str, weight: Weight, width: f32, lines_max: usize) -> Vec<Line> {
    let text = drawable(text);
    let mut cut = Vec::new();
    for paragraph in text.split('\n').map(str::trim).filter(|paragraph| !paragraph.is_empty()) {
        let base = BidiInfo::new(paragraph, None).paragraphs[0].level;
        let typesetter = Typesetter { weight, base };
        cut.extend(typesetter.cut(paragraph, width).into_iter().map(|range| (typesetter, &paragraph[range])));
        if cut.len() > lines_max {
            break;
        }
    }
    let has_more = cut.len() > lines_max;
    cut.truncate(lines_max);
    let last = cut.len().saturating_sub(1);
    let line = |(index, (typesetter, text)): (usize, (Typesetter, &str))| {
        if has_more && index == last { typesetter.shortened(text, width) } else { typesetter.line(text) }
    };
    cut.into_iter().enumerate().map(line).collect()
}

#[derive(Clone, Copy)]
struct Typesetter {
    weight: Weight,
    base: Level,
}

impl Typesetter {
    /// Where the lines of a paragraph begin and end.
    fn cut(self, text: &str, width: f32) -> Vec<Range<usize>> {
        if self.width(text) <= width {
            return std::iter::once(0..text.len()).collect();
        }
        let (mut lines, mut start, mut end, mut used) = (Vec::new(), 0, 0, 0.0);
        for (index, _) in linebreaks(text) {
            let segment = &text[end..index];
            let needed = self.width(segment.trim_end());
            if end > start && used + needed > width {
                lines.push(start..end);
                (start, used) = (end, 0.0);
            }
            if needed > width {
                for at in self.cuts_inside(segment, width) {
                    lines.push(start..end + at);
                    start = end + at;
                }
            }
            used += self.width(&text[start.max(end)..index]);
            end = index;
        }
        if start < text.len() {
            lines.push(start..text.len());
        }
        lines
    }

    /// Where a word that is wider than a line is cut: between clusters, never in one.
    fn cuts_inside(self, word: &str, width: f32) -> Vec<usize> {
        let mut clusters: Vec<(usize, f32)> = Vec::new();
        for (face, range) in self.items(word) {
            let run = shape(face, &word[range.clone()], None);
            clusters.extend(run.glyphs.iter().map(|glyph| (range.start + glyph.text_range.start, glyph.x_advance)));
        }
        clusters.sort_by_key(|(at, _)| *at);
        let (mut cuts, mut used) = (Vec::new(), 0.0);
        for (at, advance) in clusters {
            if used + advance > width && cuts.last() != Some(&at) && at > 0 {
                cuts.push(at);
                used = 0.0;
            }
            used += advance;
        }
        cuts
    }

    /// A line that ends in an ellipsis and fits.
    fn shortened(self, text: &str, width: f32) -> Line {
        let mut kept = text.trim_end().to_owned();
        while !kept.is_empty() && self.width(&format!("{kept}…")) > width {
            kept.pop();
        }
        self.line(&format!("{}…", kept.trim_end()))
    }

    /// A line in visual order.
    fn line(self, text: &str) -> Line {
        let bidi = BidiInfo::new(text, Some(self.base));
        let mut runs = Vec::new();
        for paragraph in &bidi.paragraphs {
            let (levels, visual) = bidi.visual_runs(paragraph, paragraph.range.clone());
            for range in visual {
                let level = levels[range.start];
                let items = self.items(&text[range.clone()]);
                let shaped = items.into_iter().map(|(face, item)| {
                    shape(face, &text[range.start + item.start..range.start + item.end], Some(level))
                });
                let mut shaped: Vec<Arc<Run>> = shaped.collect();
                if level.is_rtl() {
                    shaped.reverse();
                }
                runs.append(&mut shaped);
            }
        }
        Line { runs }
    }

    fn width(self, text: &str) -> f32 {
        self.items(text).into_iter().map(|(face, range)| shape(face, &text[range], None).width).sum()
    }

    /// Pieces of a text that one face has each.
    fn items(self, text: &str) -> Vec<(usize, Range<usize>)> {
        let mut items: Vec<(usize, Range<usize>)> = Vec::new();
        for (at, character) in text.char_indices() {
            let face = face_for(character, self.weight, items.last().map(|(face, _)| *face));
            let end = at + character.len_utf8();
            match items.last_mut() {
                Some((last, range)) if *last == face => range.end = end,
                _ => items.push((face, at..end)),
            }
        }
        items
    }
}

#[cfg(test)]
mod tests;
