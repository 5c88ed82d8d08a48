//! Proof of work as a visitor's browser solves it.

use sha2::{Digest as _, Sha256};

/// A nonce with which SHA-256 of `challenge:nonce` begins with so many zero bits, found by trying one after the other off
/// the async threads. Takes 2^bits hashes on average.
pub(super) async fn solve(challenge: String, bits: u32) -> String {
    let solving = move || (0_u64..).map(|nonce| nonce.to_string()).find(|nonce| zero_bits(&challenge, nonce) >= bits);
    let solved = tokio::task::spawn_blocking(solving).await;
    solved.expect("counting does not panic").expect("2^64 nonces are enough for 24 bits")
}

fn zero_bits(challenge: &str, nonce: &str) -> u32 {
    let digest = Sha256::new().chain_update(challenge).chain_update(":").chain_update(nonce).finalize();
    let zeros = digest.iter().take_while(|byte| **byte == 0).count();
    let partial = digest.get(zeros).map_or(0, |byte| byte.leading_zeros());
    u32::try_from(zeros).expect("a digest has 32 bytes") * 8 + partial
}

#[cfg(test)]
mod tests {
    use super::{solve, zero_bits};

    #[tokio::test]
    async fn a_solution_has_the_zeros_asked_for_and_the_nonces_before_it_have_not() {
        let nonce: u64 = solve("chl_test".to_owned(), 9).await.parse().unwrap();
        assert!(zero_bits("chl_test", &nonce.to_string()) >= 9);
        assert!((0..nonce).all(|earlier| zero_bits("chl_test", &earlier.to_string()) < 9));
    }
}
