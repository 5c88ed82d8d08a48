use super::*;

/// Long enough for a signed ticket (about 200 characters) and in the alphabet they use.
const TICKET_TEXT: &str = "ONSALE1.k1.4fzzzxjylrxqzgnvrkvd2jqv7ne6a7b3rkq9p0s8t1u2w3x4y5.\
    MEUCIQDx7c3v9b8n5m2k1j4h6g7f8d9s0a1p2o3i4u5y6t7r8e9w0qIgV4n3b2v1c0x9z8l7k6j5h4g3f2d1s0a9p8o7i6u5y4t3r2";

/// Reads a code back the way a scanner would: from pixels.
fn scanned(side: usize, dark: impl Fn(usize, usize) -> bool) -> String {
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(side, side, |x, y| if dark(x, y) { 0 } else { 255 });
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1, "one code on the picture");
    let (_, text) = grids[0].decode().expect("the code is readable");
    text
}

/// The pixels of a PNG as (side, white?).
fn pixels(bytes: &[u8]) -> (usize, Vec<bool>) {
    let mut reader = ::png::Decoder::new(std::io::Cursor::new(bytes)).read_info().expect("a valid PNG");
    let mut packed = vec![0; reader.output_buffer_size().expect("a small picture")];
    let info = reader.next_frame(&mut packed).expect("a whole picture");
    assert_eq!((info.color_type, info.bit_depth), (::png::ColorType::Grayscale, ::png::BitDepth::One));
    let side = info.width as usize;
    let white = (0..side * side)
        .map(|at| packed[(at / side) * info.line_size + (at % side) / 8] & (0x80 >> (at % side % 8)) != 0)
        .collect();
    (side, white)
}

#[test]
fn a_png_scans_to_its_text() {
    let (side, white) = pixels(&png(TICKET_TEXT).expect("it fits"));
    assert_eq!(scanned(side, |x, y| !white[y * side + x]), TICKET_TEXT);
}

#[test]
fn the_quiet_zone_is_white() {
    let (side, white) = pixels(&png(TICKET_TEXT).expect("it fits"));
    let zone = QUIET_ZONE_MODULES * MODULE_PX;
    let in_zone = |at: usize| at < zone || at >= side - zone;
    assert!((0..side * side).filter(|at| in_zone(at % side) || in_zone(at / side)).all(|at| white[at]));
}

#[test]
fn an_svg_draws_the_same_modules_as_the_png() {
    let drawing = svg(TICKET_TEXT).expect("it fits");
    let modules = Modules::of(TICKET_TEXT).expect("it fits");
    let mut drawn = vec![false; modules.side() * modules.side()];
    let path = drawing.rsplit_once("d=\"").expect("a path").1.split_once('"').expect("its end").0;
    for run in path.split_terminator('z') {
        let (at, rest) = run.strip_prefix('M').and_then(|run| run.split_once('h')).expect("M x y h run");
        let (x, y) = at.split_once(' ').expect("x and y");
        let length: usize = rest.split_once('v').expect("a height").0.parse().expect("a number");
        let first = y.parse::<usize>().expect("y") * modules.side() + x.parse::<usize>().expect("x");
        drawn[first..first + length].fill(true);
    }
    let scale = 4;
    let text = scanned(modules.side() * scale, |x, y| drawn[(y / scale) * modules.side() + x / scale]);
    assert_eq!(text, TICKET_TEXT);
}

#[test]
fn drawing_twice_gives_the_same_bytes() {
    assert_eq!(png(TICKET_TEXT), png(TICKET_TEXT));
    assert_eq!(svg(TICKET_TEXT), svg(TICKET_TEXT));
}

#[test]
fn a_text_that_does_not_fit_is_refused() {
    let longest = "x".repeat(2331);
    assert!(png(&longest).is_ok());
    let too_long = "x".repeat(2332);
    assert_eq!(svg(&too_long), Err(QrError::TooLong { bytes: 2332 }));
    assert_eq!(png(&too_long), Err(QrError::TooLong { bytes: 2332 }));
}
