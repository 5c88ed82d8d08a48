use std::fs;
use std::path::PathBuf;

use sandbox::strangers::output_of;

use super::*;

fn sheet() -> Sheet {
    Sheet {
        sale: "Nacht der Lichter <Live>".to_owned(),
        when: Some("Saturday, 5 December 2026, 20:00 (CET)".to_owned()),
        venue: "Große Halle, Köln".to_owned(),
        tier: "Stalls".to_owned(),
        seat: Some("A-12".to_owned()),
        holder: Some("Zoë Łukasz-O'Brien".to_owned()),
        order: "ord_01990000000070008000000000000003".to_owned(),
        ticket: "tkt_206803d6ba7b5b2f93a93dc4c9a7c31a".to_owned(),
        qr_text: "C80Y86000000W00W6DP6RYQFT06ZHLM*OH9L.C3IFJ000M20%20000000000000V508200959X09CBA25Z-NZB4KJ5U/O543FGNQSCQOA/BED3N5L4$1C7J1BZURQ0OGEC1AAL3K+FRRPWZ8+GIHR4RDALCDH3D67D80"
            .to_owned(),
        terms: "No glass. No re-entry.\nDoors close at 21:00.".to_owned(),
    }
}

/// A file that is gone with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(bytes: &[u8], name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("onsale-{}-{name}.pdf", std::process::id()));
        fs::write(&path, bytes).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn text(&self) -> String {
        String::from_utf8(output_of("pdftotext", ["-enc", "UTF-8", self.path(), "-"])).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// What is on a page as a telephone sees it, and the texts of its codes.
fn scanned(file: &Scratch, page: usize) -> Vec<String> {
    let page = page.to_string();
    let picture = output_of("pdftoppm", ["-gray", "-r", "150", "-f", &page, "-l", &page, file.path()]);
    let (width, pixels) = grey(&picture);
    let mut image =
        rqrr::PreparedImage::prepare_from_greyscale(width, pixels.len() / width, |x, y| pixels[y * width + x]);
    image.detect_grids().iter().map(|grid| grid.decode().expect("the code is readable").1).collect()
}

/// The pixels of a PGM and how many a row has.
fn grey(pgm: &[u8]) -> (usize, &[u8]) {
    let mut words = pgm.splitn(4, |byte| byte.is_ascii_whitespace());
    assert_eq!(words.next(), Some(&b"P5"[..]));
    let number = |word: Option<&[u8]>| std::str::from_utf8(word.unwrap()).unwrap().parse::<usize>().unwrap();
    let (width, height) = (number(words.next()), number(words.next()));
    (width, &pgm[pgm.len() - width * height..])
}

#[test]
fn a_stranger_reads_every_field_and_scans_the_code() {
    let sheet = sheet();
    let file = Scratch::new(&pdf(std::slice::from_ref(&sheet)).unwrap(), "fields");
    let text = file.text();
    let fields = [&sheet.sale, &sheet.venue, &sheet.tier, &sheet.order, &sheet.ticket].into_iter();
    for field in
        fields.chain(&sheet.when).chain(&sheet.seat).chain(&sheet.holder).map(String::as_str).chain(sheet.terms.lines())
    {
        assert!(text.contains(field), "{field} is not in\n{text}");
    }
    assert_eq!(scanned(&file, 1), [sheet.qr_text]);
}

#[test]
fn a_file_is_tagged_titled_and_carries_its_fonts() {
    let file = Scratch::new(&pdf(&[sheet()]).unwrap(), "tagged");
    let info = String::from_utf8(output_of("pdfinfo", [file.path()])).unwrap();
    let says = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).map(str::to_owned);
    assert_eq!(says("Tagged:").as_deref(), Some("yes"));
    assert_eq!(says("Title:").as_deref(), Some("Ticket: Nacht der Lichter <Live>"));
    assert_eq!(says("CreationDate:"), None, "a file has no time of its own");
    let structure = String::from_utf8(output_of("pdfinfo", ["-struct-text", file.path()])).unwrap();
    for part in ["Sect", "H1", "Figure", "\"Nacht der Lichter <Live>\"", "\"Zoë Łukasz-O'Brien\""] {
        assert!(structure.contains(part), "{part} is not in\n{structure}");
    }
    let order = ["\"Nacht", "\"Große", "Figure", "\"Stalls\"", "\"A-12\"", "\"Zoë", "\"Show", "\"No glass"];
    let places: Vec<_> = order.iter().map(|part| structure.find(part).unwrap_or_else(|| panic!("{part}"))).collect();
    assert!(places.is_sorted(), "what is read first comes first: {places:?}\n{structure}");
    let fonts = String::from_utf8(output_of("pdffonts", [file.path()])).unwrap();
    let rows: Vec<Vec<&str>> = fonts.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
    assert!(!rows.is_empty());
    for row in rows {
        // From the right: object, generation, unicode, subset, embedded.
        assert_eq!(row[row.len() - 5..row.len() - 2], ["yes", "yes", "yes"], "{fonts}");
    }
}

#[test]
fn names_in_every_script_that_we_carry_can_be_read_and_copied() {
    for name in
        ["Владимир Зеленский", "Ελένη Παπαδοπούλου", "山田 花子", "김철수", "やまだ はなこ", "Արամ", "გიორგი", "สมชาย"]
    {
        let file = Scratch::new(&pdf(&[Sheet { holder: Some(name.to_owned()), ..sheet() }]).unwrap(), "script");
        let text = file.text();
        assert!(text.contains(name), "{name} is not in\n{text}");
    }
    // Joined and right to left: how a reader puts them back together is its own affair, so word by word and by structure.
    for name in ["محمد عبدالله", "שרה כהן"] {
        let file = Scratch::new(&pdf(&[Sheet { holder: Some(name.to_owned()), ..sheet() }]).unwrap(), "script");
        let text = file.text();
        assert!(name.split(' ').all(|word| text.contains(word)), "{name} is not in\n{text}");
    }
}

/// How many pixels of a page are dark.
fn ink(holder: &str) -> usize {
    let file = Scratch::new(&pdf(&[Sheet { holder: Some(holder.to_owned()), ..sheet() }]).unwrap(), "ink");
    let picture = output_of("pdftoppm", ["-gray", "-r", "100", file.path()]);
    grey(&picture).1.iter().filter(|pixel| **pixel < 128).count()
}

/// A font may have a character and nothing to draw for it.
#[test]
fn names_in_every_script_that_we_carry_can_be_seen() {
    let nothing = ink(".");
    for name in
        ["Zoë", "Ελένη", "Вла", "محمد", "שרה", "प्रिया", "สมชาย", "Արամ", "გიორგი", "山田花子", "やまだ", "김철수"]
    {
        assert!(ink(name) > nothing + 60, "{name}: {} above {nothing}", ink(name));
    }
}

#[test]
fn a_name_without_an_end_stays_in_its_place_and_the_code_is_whole() {
    for name in
        ["W".repeat(300), "Wolfeschlegelsteinhausenbergerdorff ".repeat(9), "محمد ".repeat(60), "山".repeat(300)]
    {
        let sheet = Sheet {
            sale: name.clone(),
            venue: name.clone(),
            tier: name.clone(),
            holder: Some(name.clone()),
            terms: name.repeat(20),
            ..sheet()
        };
        let file = Scratch::new(&pdf(std::slice::from_ref(&sheet)).unwrap(), "endless");
        let text = file.text();
        assert!(text.contains('…'), "{text}");
        assert!(text.contains(&sheet.order) && text.contains("Ticket 1 of 1"), "{text}");
        assert_eq!(scanned(&file, 1), [sheet.qr_text], "nothing is drawn over the code");
    }
}

#[test]
fn an_order_is_one_file_with_a_page_for_each_ticket() {
    let sheets: Vec<_> = (1..=SHEETS_MAX).map(|seat| Sheet { seat: Some(format!("B-{seat}")), ..sheet() }).collect();
    let bytes = pdf(&sheets).unwrap();
    let file = Scratch::new(&bytes, "order");
    let text = file.text();
    let pages: Vec<_> = text.split_terminator('\u{c}').collect();
    assert_eq!(pages.len(), SHEETS_MAX);
    for (page, seat) in pages.iter().zip(1..) {
        assert!(page.contains(&format!("B-{seat}\n")) && page.contains(&format!("Ticket {seat} of 20")), "{page}");
    }
    assert!(bytes.len() < 400_000, "{} bytes go by mail", bytes.len());
    assert_eq!(scanned(&file, 20), [sheet().qr_text]);
}

#[test]
fn the_same_ticket_is_the_same_file_each_time_and_another_is_another() {
    let first = pdf(&[sheet()]).unwrap();
    for _ in 0..20 {
        assert!(pdf(&[sheet()]).unwrap() == first);
    }
    let other = Sheet { qr_text: sheet().qr_text.replace('C', "D"), ..sheet() };
    assert_ne!(pdf(&[other]).unwrap(), first);
}

#[test]
fn a_name_cannot_become_part_of_the_file() {
    for name in [
        "(x) Tj ET endstream endobj",
        "\\)>>/Names",
        "a\u{0}b\u{202E}c\u{FFFF}",
        "\u{FEFF}",
        "\u{1F468}\u{200D}\u{1F469}",
    ] {
        let sheet = Sheet { holder: Some(name.to_owned()), sale: format!("x{name}"), ..sheet() };
        let file = Scratch::new(&pdf(std::slice::from_ref(&sheet)).unwrap(), "name");
        assert!(file.text().contains(&sheet.order), "{name:?}");
        assert_eq!(scanned(&file, 1), [sheet.qr_text]);
    }
}

#[test]
fn nothing_and_too_many_are_no_file() {
    assert_eq!(pdf(&[]), Err(PdfError::Sheets(0)));
    assert_eq!(pdf(&vec![sheet(); SHEETS_MAX + 1]), Err(PdfError::Sheets(21)));
    let endless = Sheet { qr_text: "x".repeat(3_000), ..sheet() };
    assert_eq!(pdf(&[endless]), Err(PdfError::Qr(QrError::TooLong { bytes: 3_000 })));
}
