use super::*;

const NOW_S: i64 = 1_790_000_000;
const BODY: &[u8] = br#"{"id":"evt_1","object":"event"}"#;

fn now() -> Timestamp {
    Timestamp::from_second(NOW_S).expect("a date this century")
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

fn signature(secret: &str, at: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(format!("{at}.").as_bytes());
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

fn header(secret: &str, at: i64, body: &[u8]) -> String {
    format!("t={at},v1={}", signature(secret, at, body))
}

fn verified(header: &str) -> Result<(), BadSignature> {
    verify(BODY, header, &[secret("whsec_new"), secret("whsec_old")], now())
}

#[test]
fn a_signature_of_the_published_scheme_is_believed() {
    // Computed with `printf '1790000000.{…}' | openssl dgst -sha256 -hmac whsec_new`, not with the code under test.
    let digest = "eda3ab78bd1b30658ce338c75230f91fc6d6cd286fc9daf2dee66b6e2a8caec9";
    assert_eq!(verified(&format!("t=1790000000,v1={digest}")), Ok(()));
}

#[test]
fn a_wrong_secret_is_refused() {
    assert_eq!(verified(&header("whsec_other", NOW_S, BODY)), Err(BadSignature::Mismatch));
    assert_eq!(verify(BODY, &header("whsec_new", NOW_S, BODY), &[], now()), Err(BadSignature::Mismatch));
}

#[test]
fn every_secret_is_tried_so_one_can_be_rotated() {
    assert_eq!(verified(&header("whsec_new", NOW_S, BODY)), Ok(()));
    assert_eq!(verified(&header("whsec_old", NOW_S, BODY)), Ok(()));
}

#[test]
fn every_v1_is_tried_and_other_schemes_are_not() {
    let right = signature("whsec_new", NOW_S, BODY);
    let wrong = "0".repeat(64);
    assert_eq!(verified(&format!("t={NOW_S},v1={wrong},v1={right}")), Ok(()));
    assert_eq!(verified(&format!("t={NOW_S},v1={right},v1={wrong}")), Ok(()));
    assert_eq!(verified(&format!("t={NOW_S},v1=zz,v1={right}")), Ok(()));
    assert_eq!(verified(&format!("t={NOW_S}, v1={right}")), Ok(()));
    assert_eq!(verified(&format!("t={NOW_S},v0={right}")), Err(BadSignature::Unsigned));
}

#[test]
fn a_truncated_signature_is_refused() {
    let whole = header("whsec_new", NOW_S, BODY);
    for missing in 1..=64 {
        let cut = &whole[..whole.len() - missing];
        assert_eq!(verified(cut), Err(BadSignature::Unsigned), "{missing} digits short");
    }
}

#[test]
fn the_time_may_be_off_by_five_minutes_and_no_second_more() {
    for (at, expected) in [
        (NOW_S - TOLERANCE_S - 1, Err(BadSignature::TooOld)),
        (NOW_S - TOLERANCE_S, Ok(())),
        (NOW_S + TOLERANCE_S, Ok(())),
        (NOW_S + TOLERANCE_S + 1, Err(BadSignature::FromTheFuture)),
        (i64::MIN, Err(BadSignature::TooOld)),
        (i64::MAX, Err(BadSignature::FromTheFuture)),
    ] {
        assert_eq!(verified(&header("whsec_new", at, BODY)), expected, "signed at {at}");
    }
}

#[test]
fn the_time_is_signed_too() {
    let yesterday = header("whsec_new", NOW_S - 86_400, BODY);
    let moved = yesterday.replacen(&(NOW_S - 86_400).to_string(), &NOW_S.to_string(), 1);
    assert_eq!(verified(&moved), Err(BadSignature::Mismatch));
}

#[test]
fn any_one_changed_byte_is_found() {
    let header = header("whsec_new", NOW_S, BODY);
    for at in 0..BODY.len() {
        let mut changed = BODY.to_vec();
        changed[at] ^= 0x01;
        assert_eq!(verify(&changed, &header, &[secret("whsec_new")], now()), Err(BadSignature::Mismatch), "byte {at}");
    }
}

#[test]
fn a_body_need_not_be_text() {
    let body = b"\xff\xfe\x00not utf-8";
    assert_eq!(verify(body, &header("whsec_new", NOW_S, body), &[secret("whsec_new")], now()), Ok(()));
    assert_eq!(verify(b"", &header("whsec_new", NOW_S, b""), &[secret("whsec_new")], now()), Ok(()));
}

#[test]
fn a_header_that_says_nothing_is_malformed() {
    let right = signature("whsec_new", NOW_S, BODY);
    for header in ["", "t=", "v1", "t=abc,v1=00", &format!("v1={right}"), &format!("t=99999999999999999999,v1={right}")]
    {
        assert_eq!(verified(header), Err(BadSignature::Malformed), "{header:?}");
    }
    assert_eq!(verified(&format!("t={NOW_S}")), Err(BadSignature::Unsigned));
}

#[test]
fn the_work_a_forger_can_ask_for_is_bounded() {
    let right = signature("whsec_new", NOW_S, BODY);
    let wrong = format!(",v1={}", "0".repeat(64));
    let late = format!("t={NOW_S}{},v1={right}", wrong.repeat(SIGNATURES_MAX));
    assert_eq!(verified(&late), Err(BadSignature::Mismatch));
    assert_eq!(verified(&format!("t={NOW_S}{}", wrong.repeat(HEADER_BYTES_MAX))), Err(BadSignature::Malformed));
}
