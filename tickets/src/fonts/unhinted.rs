//! Fonts without the programs that fit letters to the pixels of a coarse screen.
//!
//! A file would carry the programs of each font that it uses, 4 kB whatever letters it has, and those of each letter. Readers of PDF
//! draw outlines as they are, and so does paper. Every outline stays as it is, with its number and its width. Only what is embedded is
//! without programs: texts are shaped with the font as it came.
//!
//! The tables are those of OpenType's `glyf` and `loca`. A font that says something else there stays as it is.

/// The programs: what all letters use, what is run for each size, and the numbers both know.
const PROGRAMS: [&[u8; 4]; 3] = [b"fpgm", b"prep", b"cvt "];
/// Programs of fewer bytes than this are not worth another copy of a font.
const WORTH_BYTES: usize = 64;

const HEADER: usize = 12;
const RECORD: usize = 16;
/// Where `head` says how `loca` is written.
const LOCA_FORMAT: usize = 50;
/// What is before the contours of a glyph: how many there are, and the box around it.
const GLYPH_HEADER: usize = 10;

/// A table by its name.
type Table<'a> = ([u8; 4], &'a [u8]);

/// The font without programs; none where it has none to speak of.
pub(super) fn unhinted(font: &[u8]) -> Option<Vec<u8>> {
    let tables = tables(font)?;
    let table = |name: &[u8; 4]| tables.iter().find(|(known, _)| known == name).map(|(_, data)| *data);
    table(b"fpgm").filter(|program| program.len() >= WORTH_BYTES)?;
    let format = if u16_at(table(b"head")?, LOCA_FORMAT)? == 0 { Format::Short } else { Format::Long };
    let (glyphs, places) = without_programs(table(b"glyf")?, table(b"loca")?, format)?;
    let kept = tables.iter().filter(|(name, _)| !PROGRAMS.contains(&name)).map(|(name, data)| match name {
        b"glyf" => (*name, glyphs.as_slice()),
        b"loca" => (*name, places.as_slice()),
        _ => (*name, *data),
    });
    written(font.get(..HEADER)?, &kept.collect::<Vec<_>>())
}

fn tables(font: &[u8]) -> Option<Vec<Table<'_>>> {
    let count = usize::from(u16_at(font, 4)?);
    let records = font.get(HEADER..HEADER + count * RECORD)?.chunks_exact(RECORD);
    let table = |record: &[u8]| {
        let (start, length) = (usize_at(record, 8)?, usize_at(record, 12)?);
        Some((record.first_chunk().copied()?, font.get(start..start.checked_add(length)?)?))
    };
    records.map(table).collect()
}

/// A font of these tables. Checksums are left out: the one who embeds a part of it makes them anew.
fn written(header: &[u8], tables: &[Table<'_>]) -> Option<Vec<u8>> {
    let mut font = header.to_vec();
    font[4..6].copy_from_slice(&u16::try_from(tables.len()).ok()?.to_be_bytes());
    let mut start = HEADER + tables.len() * RECORD;
    for (name, data) in tables {
        font.extend(name);
        for number in [0, start, data.len()] {
            font.extend(u32::try_from(number).ok()?.to_be_bytes());
        }
        start += data.len().next_multiple_of(4);
    }
    for (_, data) in tables {
        font.extend(*data);
        font.resize(font.len().next_multiple_of(4), 0);
    }
    Some(font)
}

/// How `loca` says where a glyph is.
#[derive(Clone, Copy)]
enum Format {
    /// Half of it, in two bytes.
    Short,
    /// In four bytes.
    Long,
}

/// The tables of glyphs and of their places.
fn without_programs(glyf: &[u8], loca: &[u8], format: Format) -> Option<(Vec<u8>, Vec<u8>)> {
    let place = |index: usize| match format {
        Format::Short => Some(2 * usize::from(u16_at(loca, 2 * index)?)),
        Format::Long => usize_at(loca, 4 * index),
    };
    let count = loca.len() / if matches!(format, Format::Short) { 2 } else { 4 };
    let (mut glyphs, mut places) = (Vec::with_capacity(glyf.len()), Vec::with_capacity(loca.len()));
    for index in 0..count {
        match format {
            Format::Short => places.extend(u16::try_from(glyphs.len() / 2).ok()?.to_be_bytes()),
            Format::Long => places.extend(u32::try_from(glyphs.len()).ok()?.to_be_bytes()),
        }
        if index + 1 < count {
            outlined(glyf.get(place(index)?..place(index + 1)?)?, &mut glyphs)?;
            glyphs.resize(glyphs.len().next_multiple_of(2), 0);
        }
    }
    Some((glyphs, places))
}

/// Writes a glyph without its program.
fn outlined(glyph: &[u8], to: &mut Vec<u8>) -> Option<()> {
    if glyph.is_empty() {
        return Some(());
    }
    let contours = u16_at(glyph, 0)?;
    // A glyph with fewer than no contours is put together of others.
    if contours >= 0x8000 {
        return composed(glyph, to);
    }
    let program = GLYPH_HEADER + 2 * usize::from(contours);
    let Some(length) = u16_at(glyph, program) else {
        to.extend(glyph);
        return Some(());
    };
    to.extend(&glyph[..program]);
    to.extend([0, 0]);
    to.extend(glyph.get(program + 2 + usize::from(length)..)?);
    Some(())
}

const WORDS: u16 = 0x0001;
const SCALE: u16 = 0x0008;
const MORE: u16 = 0x0020;
const TWO_SCALES: u16 = 0x0040;
const TWO_BY_TWO: u16 = 0x0080;
const PROGRAM: u16 = 0x0100;

fn composed(glyph: &[u8], to: &mut Vec<u8>) -> Option<()> {
    to.extend(glyph.get(..GLYPH_HEADER)?);
    let mut at = GLYPH_HEADER;
    loop {
        let flags = u16_at(glyph, at)?;
        let offsets = if flags & WORDS == 0 { 2 } else { 4 };
        let scales = [(SCALE, 2), (TWO_SCALES, 4), (TWO_BY_TWO, 8)];
        let scales = scales.into_iter().find(|(flag, _)| flags & flag != 0).map_or(0, |(_, bytes)| bytes);
        let end = at + 4 + offsets + scales;
        to.extend((flags & !PROGRAM).to_be_bytes());
        to.extend(glyph.get(at + 2..end)?);
        if flags & MORE == 0 {
            return Some(());
        }
        at = end;
    }
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

fn usize_at(data: &[u8], at: usize) -> Option<usize> {
    data.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)?.try_into().ok()
}

#[cfg(test)]
mod tests;
