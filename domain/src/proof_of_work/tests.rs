use super::*;

const CHALLENGE: &str = "chl_AQZrMQ";

/// Looks for a nonce as a page does: counting.
fn solve(challenge: &str, bits: u8) -> (String, u64) {
    let tried = (0..).find(|nonce: &u64| verify(challenge, &nonce.to_string(), bits)).unwrap();
    (tried.to_string(), tried + 1)
}

#[test]
fn zero_bits_are_counted_across_bytes() {
    for nonce in 0..2_000 {
        let nonce = nonce.to_string();
        let digest = Sha256::digest(format!("{CHALLENGE}:{nonce}"));
        let bits: String = digest.iter().map(|byte| format!("{byte:08b}")).collect();
        assert_eq!(leading_zero_bits(CHALLENGE, &nonce) as usize, bits.find('1').unwrap(), "{nonce}");
    }
}

/// `printf 'chl_AQZrMQ:NONCE' | sha256sum`
#[test]
fn a_proof_is_what_any_sha256_says() {
    let (nonce, _) = solve(CHALLENGE, 12);
    assert_eq!((nonce.as_str(), leading_zero_bits(CHALLENGE, &nonce)), ("8233", 14));
}

#[test]
fn a_proof_is_worth_nothing_for_more_bits_another_challenge_or_a_shifted_text() {
    let (nonce, _) = solve(CHALLENGE, 12);
    let bits = leading_zero_bits(CHALLENGE, &nonce);
    let bits = u8::try_from(bits).unwrap();
    assert!(verify(CHALLENGE, &nonce, bits));
    assert!(!verify(CHALLENGE, &nonce, bits + 1));
    assert!(!verify("chl_AQZrMR", &nonce, bits));
    assert!(!verify(&CHALLENGE[..9], &format!("{}{nonce}", &CHALLENGE[9..]), bits));
}

#[test]
fn no_work_is_asked_for_with_zero_bits_and_long_nonces_are_not_looked_at() {
    assert!(verify(CHALLENGE, "", 0));
    assert!(verify(CHALLENGE, &"1".repeat(NONCE_BYTES_MAX), 0));
    assert!(!verify(CHALLENGE, &"1".repeat(NONCE_BYTES_MAX + 1), 0));
}

/// Each bit doubles the work: over many challenges the mean number of tries is near 2^bits.
#[test]
fn a_bit_more_is_twice_the_work() {
    let mean = |bits: u8| {
        let tries: u64 = (0..200).map(|n| solve(&format!("chl_{n}"), bits).1).sum();
        tries / 200
    };
    let (six, eight) = (mean(6), mean(8));
    assert!((50..80).contains(&six), "{six} tries for 6 bits");
    assert!((200..320).contains(&eight), "{eight} tries for 8 bits");
}
