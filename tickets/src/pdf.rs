//! Tickets as PDF: a page for each, tagged, with the code as lines and the letters of every name.
//!
//! A file says the same to whoever sees it and whoever hears it: each page is a section with a heading, the facts as paragraphs in
//! the order they are read, the code as a figure with a description; what is only decoration is marked as that. It is PDF/UA-1 as
//! far as a program can tell (krilla refuses to write what is not). Fonts are embedded, cut down to the letters used.
//!
//! Deterministic: the same [`Sheet`]s give the same bytes; there is no time and no random number in a file. Bounds: [`SHEETS_MAX`]
//! pages; each field has its place on the page and ends in an ellipsis where it is longer.

use krilla::Document;
use krilla::SerializeSettings;
use krilla::configure::{Accessibility, ConfigurationBuilder};
use krilla::destination::XyzDestination;
use krilla::geom::Point;
use krilla::metadata::Metadata;
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::tagging::TagTree;

use crate::fonts::drawable;
use crate::qr::{Modules, QrError};

mod page;

/// The most tickets of one file: as many as one buyer may have.
pub const SHEETS_MAX: usize = 20;

/// What is on the page of a ticket. All of it is text as people wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sheet {
    /// What people call the sale.
    pub sale: String,
    /// When it begins, for people; see [`crate::dates::spoken`].
    pub when: Option<String>,
    /// Where; may be empty.
    pub venue: String,
    /// What the tier is called.
    pub tier: String,
    /// Its seat; none for general admission.
    pub seat: Option<String>,
    /// Whose ticket it is; none when the name was erased.
    pub holder: Option<String>,
    /// The order, `ord_…`.
    pub order: String,
    /// The ticket, `tkt_…`.
    pub ticket: String,
    /// What the code says.
    pub qr_text: String,
    /// What the organizer wants to be read; may be empty.
    pub terms: String,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PdfError {
    /// There must be a ticket, and no more than [`SHEETS_MAX`].
    #[error("{0} tickets do not make a file")]
    Sheets(usize),
    /// A code cannot be drawn.
    #[error(transparent)]
    Qr(#[from] QrError),
    /// The file would not be accessible, or is too large; a fault of this crate.
    #[error("the file cannot be written: {0}")]
    Refused(String),
}

/// A4, in points.
const PAGE: (f32, f32) = (595.28, 841.89);

/// Writes a file with a page for each ticket.
///
/// # Errors
/// [`PdfError`].
pub fn pdf(sheets: &[Sheet]) -> Result<Vec<u8>, PdfError> {
    let (1..=SHEETS_MAX, Some(first)) = (sheets.len(), sheets.first()) else {
        return Err(PdfError::Sheets(sheets.len()));
    };
    let codes = sheets.iter().map(|sheet| Modules::of(&sheet.qr_text)).collect::<Result<Vec<_>, _>>()?;
    let mut document = Document::new_with(settings());
    let (mut tags, mut outline) = (TagTree::new().with_lang(Some(LANGUAGE.to_owned())), Outline::new());
    for (index, (sheet, code)) in sheets.iter().zip(&codes).enumerate() {
        let mut page = document.start_page_with(PageSettings::from_wh(PAGE.0, PAGE.1).expect("a page has a size"));
        let mut surface = page.surface();
        tags.push(page::draw(&mut surface, sheet, code, page::Number { index, of: sheets.len() }));
        surface.finish();
        page.finish();
        let top = XyzDestination::new(index, Point::from_xy(0.0, 0.0));
        outline.push_child(OutlineNode::new(format!("Ticket {} of {}", index + 1, sheets.len()), top));
    }
    document.set_tag_tree(tags);
    document.set_outline(outline);
    document.set_metadata(metadata(first, sheets));
    document.finish().map_err(|error| PdfError::Refused(format!("{error:?}")))
}

/// What the words on a ticket are written in; names are whatever they are.
const LANGUAGE: &str = "en";

fn settings() -> SerializeSettings {
    let accessible = ConfigurationBuilder::new().with_accessibility_validator(Accessibility::UA1).finish();
    SerializeSettings {
        configuration: accessible.expect("one standard contradicts no other"),
        ..SerializeSettings::default()
    }
}

fn metadata(first: &Sheet, sheets: &[Sheet]) -> Metadata {
    let title = match sheets.len() {
        1 => format!("Ticket: {}", drawable(&first.sale)),
        count => format!("{count} tickets: {}", drawable(&first.sale)),
    };
    // The text of a code changes with each rotation, so that two files of one ticket are told apart.
    let id: Vec<&str> = sheets.iter().map(|sheet| sheet.qr_text.as_str()).collect();
    Metadata::new().title(title).language(LANGUAGE.to_owned()).creator("Onsale".to_owned()).document_id(id.join(" "))
}

#[cfg(test)]
mod tests;
