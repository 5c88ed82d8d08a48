//! QR codes, as SVG for pages, PNG for mail, and modules for [`crate::pdf`].
//!
//! Error correction level M (15 % of the code may be dirt or glare): a phone at a door shows it clean and bright, and
//! every step up makes the modules smaller. A quiet zone of four modules, as ISO/IEC 18004 asks.
//!
//! Bound: 2,331 bytes of text (level M, version 40). Past that there is no code to draw.

use std::fmt::Write;

use qrcode::canvas::Canvas;
use qrcode::types::QrResult;
use qrcode::{Color, EcLevel, Version, bits, ec};

mod mask;

/// How much of a code may be unreadable.
const LEVEL: EcLevel = EcLevel::M;

/// Light modules around the code, in modules: ISO/IEC 18004 asks for four, or scanners lose the edge.
const QUIET_ZONE_MODULES: usize = 4;

/// Side of a module in a PNG, in pixels: a ticket of about 60 modules comes out near 500 px, sharp on a phone.
const MODULE_PX: usize = 8;

/// Why a text has no QR code.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum QrError {
    /// The text does not fit into the largest code there is.
    #[error("{bytes} bytes of text do not fit into a QR code")]
    TooLong {
        /// Length of the text.
        bytes: usize,
    },
}

/// Draws `text` as a standalone SVG document that scales with the page it is in.
///
/// # Errors
/// [`QrError::TooLong`].
pub fn svg(text: &str) -> Result<String, QrError> {
    let modules = Modules::of(text)?;
    let side = modules.side();
    let mut path = String::new();
    for (x, y, run) in modules.dark_runs() {
        write!(path, "M{x} {y}h{run}v1h-{run}z").expect("writing to a String cannot fail");
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" width=\"{px}\" height=\"{px}\" \
         role=\"img\" aria-label=\"Ticket QR code\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path fill=\"#000\" d=\"{path}\"/></svg>",
        px = side * MODULE_PX,
    ))
}

/// Draws `text` as a one-bit greyscale PNG of whole-pixel modules.
///
/// # Errors
/// [`QrError::TooLong`].
pub fn png(text: &str) -> Result<Vec<u8>, QrError> {
    let modules = Modules::of(text)?;
    let side_px = modules.side() * MODULE_PX;
    let rows: Vec<u8> =
        (0..modules.side()).flat_map(|y| std::iter::repeat_n(packed_row(&modules, y), MODULE_PX)).flatten().collect();
    Ok(one_bit_png(side_px, &rows))
}

/// One row of pixels, eight to a byte, 1 = white. A module is eight pixels wide, so it is exactly one byte.
fn packed_row(modules: &Modules, y: usize) -> Vec<u8> {
    const { assert!(MODULE_PX == 8, "packed_row writes one byte for each module") };
    (0..modules.side()).map(|x| if modules.is_dark(x, y) { 0x00 } else { 0xff }).collect()
}

fn one_bit_png(side_px: usize, rows: &[u8]) -> Vec<u8> {
    let side = u32::try_from(side_px).expect("a QR code is at most 185 modules wide");
    let mut bytes = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(::png::ColorType::Grayscale);
    encoder.set_depth(::png::BitDepth::One);
    let mut writer = encoder.write_header().expect("the header is valid and a Vec takes every byte");
    writer.write_image_data(rows).expect("the rows match the header and a Vec takes every byte");
    writer.finish().expect("a Vec takes every byte");
    bytes
}

/// The code's modules with the quiet zone around them.
pub(crate) struct Modules {
    colors: Vec<Color>,
    width: usize,
}

impl Modules {
    pub(crate) fn of(text: &str) -> Result<Modules, QrError> {
        let (version, canvas) = drawn(text).map_err(|_| QrError::TooLong { bytes: text.len() })?;
        let colors = mask::masked(canvas, version);
        Ok(Modules { width: usize::try_from(version.width()).expect("a width is positive"), colors })
    }

    pub(crate) fn side(&self) -> usize {
        self.width + 2 * QUIET_ZONE_MODULES
    }

    fn is_dark(&self, x: usize, y: usize) -> bool {
        let inside = |at: usize| at.checked_sub(QUIET_ZONE_MODULES).filter(|at| *at < self.width);
        match (inside(x), inside(y)) {
            (Some(x), Some(y)) => self.colors[y * self.width + x] == Color::Dark,
            _ => false,
        }
    }

    /// Horizontal runs of dark modules as (x, y, length): a fifth of the bytes one square each would take.
    pub(crate) fn dark_runs(&self) -> Vec<(usize, usize, usize)> {
        let mut runs: Vec<(usize, usize, usize)> = Vec::new();
        for (x, y) in (0..self.side()).flat_map(|y| (0..self.side()).map(move |x| (x, y))) {
            if !self.is_dark(x, y) {
                continue;
            }
            match runs.last_mut() {
                Some((start, row, length)) if *row == y && *start + *length == x => *length += 1,
                _ => runs.push((x, y, 1)),
            }
        }
        runs
    }
}

/// The smallest code that holds a text, before it has its mask.
fn drawn(text: &str) -> QrResult<(Version, Canvas)> {
    let bits = bits::encode_auto(text.as_bytes(), LEVEL)?;
    let version = bits.version();
    let (data, correction) = ec::construct_codewords(&bits.into_bytes(), version, LEVEL)?;
    let mut canvas = Canvas::new(version, LEVEL);
    canvas.draw_all_functional_patterns();
    canvas.draw_data(&data, &correction);
    Ok((version, canvas))
}

#[cfg(test)]
mod tests;
