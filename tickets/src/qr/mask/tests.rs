use qrcode::QrCode;

use super::*;
use crate::qr::{Modules, drawn};

/// The library, which looks at every module, is the judge.
#[test]
fn the_best_mask_is_the_one_that_the_library_finds() {
    let letters = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:abcdefghijklmnopqrstuvwxyz";
    let mut versions = [0; 41];
    for number in 0..120_usize {
        let (length, kind) = (1 + number * 7 % 260, [10, 45, letters.len()][number % 3]);
        let text: String =
            (0..length).map(|at| char::from(letters[(number * (at + 3) + at * at * 31) % kind])).collect();
        let code = QrCode::with_error_correction_level(&text, LEVEL).unwrap();
        let Version::Normal(version) = code.version() else { panic!("no small code was asked for") };
        versions[usize::try_from(version).unwrap()] += 1;
        assert!(Modules::of(&text).unwrap().colors == code.into_colors(), "{text}");
    }
    assert!(versions[1..=VERSIONS + 1].iter().all(|count| *count > 0), "{versions:?}");
}

#[test]
fn every_mask_is_the_best_one_of_some_code() {
    let mut best = [0; 8];
    for number in 0..200 {
        let (version, canvas) = drawn(&format!("{number}").repeat(20)).unwrap();
        let colors = canvas.apply_best_mask().into_colors();
        let under = |mask: &MaskPattern| {
            let mut canvas = canvas.clone();
            canvas.apply_mask(*mask);
            canvas.into_colors() == colors
        };
        best[MASKS.iter().position(under).unwrap()] += 1;
        assert!(masked(canvas, version) == colors);
    }
    assert!(best.iter().all(|count| *count > 0), "{best:?}");
}
