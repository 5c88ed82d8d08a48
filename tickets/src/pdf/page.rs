//! The page of a ticket, drawn from the top down.
//!
//! Sale, date and place; then the code on the left and what belongs to this ticket on the right; then what the organizer wants to be
//! read. A long name first gets smaller, then more lines, and only then an ellipsis.

use std::num::NonZeroU16;

use krilla::color::rgb;
use krilla::geom::{PathBuilder, Point, Rect, Transform};
use krilla::num::NormalizedF32;
use krilla::paint::{Fill, FillRule};
use krilla::surface::Surface;
use krilla::tagging::{Artifact, ArtifactType, ContentTag, Node, SpanTag, Tag, TagGroup};

use super::{PAGE, Sheet};
use crate::fonts::{Weight, drawable, face_at};
use crate::qr::Modules;
use crate::text::{Line, lines};

/// Which ticket of how many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number {
    pub(super) index: usize,
    pub(super) of: usize,
}

const MARGIN: f32 = 56.0;
const INSIDE: f32 = PAGE.0 - 2.0 * MARGIN;
/// Side of the code with its quiet zone: 7 cm, which a telephone reads at arm's length.
const CODE_SIDE: f32 = 198.0;
const FACTS_LEFT: f32 = MARGIN + CODE_SIDE + 24.0;
const FACTS_WIDTH: f32 = PAGE.0 - MARGIN - FACTS_LEFT;
/// From one baseline to the next, in em.
const LEADING: f32 = 1.32;
/// From the top of a line to its baseline, in em.
const ASCENT: f32 = 1.0;

/// What a thing is drawn in.
#[derive(Debug, Clone, Copy)]
enum Ink {
    Black,
    /// Readable on white for everybody: a contrast of 7.5 to 1.
    Grey,
}

/// How a text is set: sizes from the best to the smallest, each with the lines it may take.
struct Style<'a> {
    sizes: &'a [(f32, usize)],
    weight: Weight,
    ink: Ink,
}

const TITLE: Style<'static> = Style { sizes: &[(24.0, 2), (16.0, 4)], weight: Weight::Bold, ink: Ink::Black };
const PLACE: Style<'static> = Style { sizes: &[(13.0, 2), (10.0, 4)], weight: Weight::Regular, ink: Ink::Black };
const LABEL: Style<'static> = Style { sizes: &[(9.0, 1)], weight: Weight::Regular, ink: Ink::Grey };
const FACT: Style<'static> = Style { sizes: &[(14.0, 2), (9.5, 6)], weight: Weight::Bold, ink: Ink::Black };
const ID: Style<'static> = Style { sizes: &[(9.0, 2)], weight: Weight::Regular, ink: Ink::Black };
const ADVICE: Style<'static> = Style { sizes: &[(10.0, 2)], weight: Weight::Regular, ink: Ink::Black };
/// Small print, which gets what is left of the page.
const TERMS: [f32; 2] = [9.0, 7.0];
const FOOT: Style<'static> = Style { sizes: &[(9.0, 1)], weight: Weight::Regular, ink: Ink::Grey };

const HOW: &str = "Show this code at the door, on paper or on a screen. It opens the door once.";

/// Draws a page and says what it means.
pub(super) fn draw(surface: &mut Surface<'_>, sheet: &Sheet, code: &Modules, number: Number) -> Node {
    let mut pen = Pen { surface, left: MARGIN, width: INSIDE, y: MARGIN };
    let mut section = TagGroup::new(Tag::Section);
    let title = drawable(&sheet.sale);
    let heading = Tag::Hn(NonZeroU16::MIN, Some(title));
    section.push(pen.paragraph(TagGroup::new(heading), &[(&sheet.sale, &TITLE)]));
    for text in sheet.when.iter().chain(Some(&sheet.venue).filter(|venue| !venue.is_empty())) {
        section.push(pen.paragraph(TagGroup::new(Tag::P), &[(text, &PLACE)]));
    }
    pen.y += 12.0;
    pen.rule();
    pen.y += 18.0;
    let top = pen.y;
    section.push(pen.code(code, &format!("QR code of ticket {}", sheet.ticket)));
    let below_code = pen.y;
    (pen.left, pen.width, pen.y) = (FACTS_LEFT, FACTS_WIDTH, top + 8.0);
    for (label, value, style) in facts(sheet) {
        section.push(pen.paragraph(TagGroup::new(Tag::P), &[(label, &LABEL), (value, style)]));
        pen.y += 8.0;
    }
    (pen.left, pen.width, pen.y) = (MARGIN, INSIDE, pen.y.max(below_code) + 14.0);
    section.push(pen.paragraph(TagGroup::new(Tag::P), &[(HOW, &ADVICE)]));
    if !sheet.terms.trim().is_empty() {
        pen.y += 12.0;
        section.push(pen.small_print(&sheet.terms));
    }
    pen.foot(&format!("Ticket {} of {}", number.index + 1, number.of));
    section.into()
}

fn facts(sheet: &Sheet) -> impl Iterator<Item = (&'static str, &str, &'static Style<'static>)> {
    let facts = [
        ("Ticket", Some(sheet.tier.as_str()), &FACT),
        ("Seat", sheet.seat.as_deref(), &FACT),
        ("Name", sheet.holder.as_deref(), &FACT),
        ("Order", Some(sheet.order.as_str()), &ID),
        ("Number", Some(sheet.ticket.as_str()), &ID),
    ];
    facts
        .into_iter()
        .filter_map(|(label, value, style)| Some((label, value.filter(|text| !text.trim().is_empty())?, style)))
}

/// Where the next thing goes.
struct Pen<'a, 'b> {
    surface: &'a mut Surface<'b>,
    left: f32,
    width: f32,
    y: f32,
}

impl Pen<'_, '_> {
    fn paragraph(&mut self, mut group: TagGroup, parts: &[(&str, &Style<'_>)]) -> TagGroup {
        for (text, style) in parts {
            let (size, lines) = fitted(text, style, self.width);
            self.dips(style.ink);
            for line in lines {
                let id = self.surface.start_tagged(ContentTag::Span(SpanTag::empty()));
                self.line(&line, size);
                self.surface.end_tagged();
                group.push(id);
            }
        }
        group
    }

    fn small_print(&mut self, text: &str) -> TagGroup {
        let places = TERMS.map(|size| (size, self.rows_left(size)));
        let style = Style { sizes: &places, weight: Weight::Regular, ink: Ink::Black };
        self.paragraph(TagGroup::new(Tag::P), &[(text, &style)])
    }

    /// How many lines of that size there is room for above the foot.
    fn rows_left(&self, size: f32) -> usize {
        let ends = std::iter::successors(Some(self.y + size * LEADING), |end| Some(end + size * LEADING));
        ends.take_while(|end| *end <= PAGE.1 - MARGIN - 6.0).count()
    }

    fn line(&mut self, line: &Line, size: f32) {
        let (mut x, y) = (self.left, self.y + size * ASCENT);
        for run in &line.runs {
            let font = face_at(run.face).font.clone();
            self.surface.draw_glyphs(Point::from_xy(x, y), &run.glyphs, font, &run.text, size, false);
            x += run.width * size;
        }
        self.y += size * LEADING;
    }

    /// The code, in modules one unit wide: the numbers in the file stay short, and the picture is sharp at any size.
    fn code(&mut self, code: &Modules, description: &str) -> TagGroup {
        let module = CODE_SIDE / units(code.side());
        self.dips(Ink::Black);
        let id = self.surface.start_tagged(ContentTag::Other);
        self.surface.push_transform(&Transform::from_row(module, 0.0, 0.0, module, self.left, self.y));
        let mut path = PathBuilder::new();
        for (x, y, length) in code.dark_runs() {
            path.push_rect(Rect::from_xywh(units(x), units(y), units(length), 1.0).expect("a run has a size"));
        }
        self.surface.draw_path(&path.finish().expect("a code has dark modules"));
        self.surface.pop();
        self.surface.end_tagged();
        self.y += CODE_SIDE;
        let mut figure = TagGroup::new(Tag::Figure(Some(description.to_owned())));
        figure.push(id);
        figure
    }

    fn rule(&mut self) {
        self.dips(Ink::Grey);
        self.surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Layout)));
        let mut path = PathBuilder::new();
        path.push_rect(Rect::from_xywh(self.left, self.y, self.width, 0.75).expect("a line has a size"));
        self.surface.draw_path(&path.finish().expect("a line is drawn"));
        self.surface.end_tagged();
    }

    fn foot(&mut self, text: &str) {
        let (size, lines) = fitted(text, &FOOT, INSIDE);
        (self.left, self.y) = (MARGIN, PAGE.1 - MARGIN);
        self.dips(FOOT.ink);
        self.surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Footer)));
        for line in lines {
            self.line(&line, size);
        }
        self.surface.end_tagged();
    }

    fn dips(&mut self, ink: Ink) {
        let color = match ink {
            Ink::Black => rgb::Color::new(0, 0, 0),
            Ink::Grey => rgb::Color::new(85, 85, 85),
        };
        let fill = Fill { paint: color.into(), opacity: NormalizedF32::ONE, rule: FillRule::NonZero };
        self.surface.set_fill(Some(fill));
    }
}

/// The lines of a text in the best size that it fits in; in the smallest one, shortened, when it fits in none.
fn fitted(text: &str, style: &Style<'_>, width: f32) -> (f32, Vec<Line>) {
    let (last, better) = style.sizes.split_last().expect("a style has a size");
    for (size, lines_max) in better {
        // One more than there may be tells whether it fits, without shaping all of a text that does not.
        let set = lines(text, style.weight, width / size, lines_max + 1);
        if set.len() <= *lines_max {
            return (*size, set);
        }
    }
    (last.0, lines(text, style.weight, width / last.0, last.1))
}

#[expect(clippy::cast_precision_loss, reason = "a QR code is at most 185 modules wide")]
fn units(modules: usize) -> f32 {
    modules as f32
}
