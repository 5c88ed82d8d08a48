use super::*;
use crate::preflight::report::Mark;

#[test]
fn the_mode_of_the_keys_fits_the_place() {
    let (open, local) = ("https://tickets.example", "http://127.0.0.1:8080");
    for (live, key, url, fake, rehearsal, mark) in [
        (true, "pk_live_1", open, None, false, Mark::Ok),
        (true, "pk_live_1", "http://tickets.example", None, false, Mark::Fail),
        (true, "pk_live_1", "https://10.0.0.4", None, false, Mark::Fail),
        (true, "pk_live_1", open, Some("http://127.0.0.1:1"), false, Mark::Fail),
        (true, "pk_test_1", open, None, false, Mark::Fail),
        (false, "pk_live_1", open, None, true, Mark::Fail),
        (false, "pk_test_1", open, None, false, Mark::Fail),
        (false, "pk_test_1", open, None, true, Mark::Warn),
        (false, "pk_test_1", local, Some("http://127.0.0.1:1"), false, Mark::Ok),
    ] {
        let public_url: PublicUrl = url.parse().unwrap();
        let modes = Modes { live, publishable_key: key, public_url: &public_url, fake, rehearsal };
        assert_eq!(mode(&modes).mark, mark, "{modes:?}");
    }
}

#[test]
fn a_method_that_is_captured_at_once_is_no_way_to_pay_later() {
    let methods = |later: &[&str], at_once: &[&str]| Methods {
        captured_later: later.iter().map(|word| (*word).to_owned()).collect(),
        captured_at_once: at_once.iter().map(|word| (*word).to_owned()).collect(),
        left_out: Vec::new(),
    };
    for (later, at_once, capture, mark) in [
        (&["card"][..], &[][..], CaptureMode::Manual, Mark::Ok),
        (&["card"], &["klarna"], CaptureMode::Manual, Mark::Warn),
        (&[], &["klarna"], CaptureMode::Manual, Mark::Fail),
        (&[], &["klarna"], CaptureMode::Automatic, Mark::Ok),
        (&[], &[], CaptureMode::Automatic, Mark::Fail),
    ] {
        assert_eq!(method_check(Some(&methods(later, at_once)), capture).mark, mark, "{later:?} {at_once:?}");
    }
    assert_eq!(method_check(None, CaptureMode::Manual).mark, Mark::Open);
}
