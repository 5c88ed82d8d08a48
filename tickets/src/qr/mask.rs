//! Which of the eight masks a code is drawn with: the one that ISO/IEC 18004 finds least likely to confuse a scanner.
//!
//! A mask turns modules around so that there are neither large areas nor false finders; each is scored, and the first of the lowest
//! score is taken, as [`Canvas::apply_best_mask`] does it, which looks at every module some twenty times for each mask. Here a row
//! is the bits of one number, and a mask what it turns in the rows of any code of its size. Bound: codes up to [`WIDTH_MAX`] modules,
//! which every ticket's is; what is larger goes the slow way.

use std::sync::OnceLock;

use qrcode::canvas::{Canvas, MaskPattern};
use qrcode::{Color, Version};

use super::LEVEL;

/// The widest code whose rows fit, with the four modules that a false finder asks for beside it: version 10.
const WIDTH_MAX: usize = 57;
const VERSIONS: usize = (WIDTH_MAX - 17) / 4;

const MASKS: [MaskPattern; 8] = [
    MaskPattern::Checkerboard,
    MaskPattern::HorizontalLines,
    MaskPattern::VerticalLines,
    MaskPattern::DiagonalLines,
    MaskPattern::LargeCheckerboard,
    MaskPattern::Fields,
    MaskPattern::Diamonds,
    MaskPattern::Meadow,
];

/// The modules of a drawn code under its best mask.
pub(super) fn masked(mut canvas: Canvas, version: Version) -> Vec<Color> {
    let Some(turned) = turned(version) else { return canvas.apply_best_mask().into_colors() };
    let first = Sides::of(&canvas, version, MASKS[0]);
    let scores = turned.iter().map(|turned| first.turned(turned).penalty());
    let (_, best) = scores.zip(MASKS).min_by_key(|(score, _)| *score).expect("there are eight");
    canvas.apply_mask(best);
    canvas.into_colors()
}

/// What each mask turns around of what the first one shows, in any code of that version; none where rows do not fit.
fn turned(version: Version) -> Option<&'static [Sides; 8]> {
    static KNOWN: [OnceLock<[Sides; 8]>; VERSIONS] = [const { OnceLock::new() }; VERSIONS];
    let Version::Normal(number) = version else { return None };
    let known = KNOWN.get(usize::try_from(number).ok()?.checked_sub(1)?)?;
    Some(known.get_or_init(|| {
        let mut canvas = Canvas::new(version, LEVEL);
        canvas.draw_all_functional_patterns();
        let first = Sides::of(&canvas, version, MASKS[0]);
        MASKS.map(|mask| Sides::of(&canvas, version, mask).turned(&first))
    }))
}

/// A code by rows and by columns, dark modules as ones from the lowest bit.
struct Sides {
    width: usize,
    rows: [u64; WIDTH_MAX],
    columns: [u64; WIDTH_MAX],
}

impl Sides {
    fn of(canvas: &Canvas, version: Version, mask: MaskPattern) -> Self {
        let mut canvas = canvas.clone();
        canvas.apply_mask(mask);
        let width = usize::try_from(version.width()).expect("a width is positive");
        let mut sides = Self { width, rows: [0; WIDTH_MAX], columns: [0; WIDTH_MAX] };
        for (at, color) in canvas.into_colors().into_iter().enumerate() {
            let (x, y) = (at % width, at / width);
            let dark = u64::from(color == Color::Dark);
            sides.rows[y] |= dark << x;
            sides.columns[x] |= dark << y;
        }
        sides
    }

    fn turned(&self, by: &Self) -> Self {
        let turned = |lines: &[u64; WIDTH_MAX], by: &[u64; WIDTH_MAX]| std::array::from_fn(|at| lines[at] ^ by[at]);
        Self { width: self.width, rows: turned(&self.rows, &by.rows), columns: turned(&self.columns, &by.columns) }
    }

    fn penalty(&self) -> u32 {
        let (rows, columns) = (&self.rows[..self.width], &self.columns[..self.width]);
        let lines = rows.iter().chain(columns).map(|line| self.of_runs(*line) + self.of_finders(*line)).sum::<u32>();
        lines + self.of_blocks(rows) + self.of_balance(rows)
    }

    /// The lowest bits, so many fewer than a line has.
    fn all_but(&self, fewer: usize) -> u64 {
        (1 << (self.width - fewer)) - 1
    }

    /// Three for five modules of one colour in a row, and one for each more.
    fn of_runs(&self, line: u64) -> u32 {
        let same = !(line ^ (line >> 1)) & self.all_but(1);
        let five = same & (same >> 1) & (same >> 2) & (same >> 3);
        five.count_ones() + 2 * (five & !(five << 1)).count_ones()
    }

    /// Forty for what looks like a finder: `#.###.#` with four light modules, or the edge, before or after it.
    fn of_finders(&self, line: u64) -> u32 {
        let dark = |offset: usize| line >> offset;
        let looks = dark(0) & !dark(1) & dark(2) & dark(3) & dark(4) & !dark(5) & dark(6) & self.all_but(6);
        let before = (line << 1) | (line << 2) | (line << 3) | (line << 4);
        let after = dark(7) | dark(8) | dark(9) | dark(10);
        40 * (looks & !(before & after)).count_ones()
    }

    /// Three for each square of four modules of one colour.
    fn of_blocks(&self, rows: &[u64]) -> u32 {
        let square = |(row, below): (&u64, &u64)| {
            let unlike = (row ^ (row >> 1)) | (below ^ (below >> 1)) | (row ^ below);
            3 * (!unlike & self.all_but(1)).count_ones()
        };
        rows.iter().zip(&rows[1..]).map(square).sum()
    }

    /// One for each half percent that dark modules are more or fewer than half.
    fn of_balance(&self, rows: &[u64]) -> u32 {
        let dark: u32 = rows.iter().map(|row| row.count_ones()).sum();
        let all = u32::try_from(self.width * self.width).expect("a code is small");
        (dark * 200 / all).abs_diff(100)
    }
}

#[cfg(test)]
mod tests;
