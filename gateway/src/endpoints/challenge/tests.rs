use domain::SaleId;
use domain::token::Signer;
use secrecy::SecretString;

use super::*;

const BITS: u8 = 16;

/// Challenges that are solved: one takes anything between a hash and ten times the mean.
const SOLVED: u8 = 8;

/// Proofs that are checked, so that one is measured well.
const CHECKED: u32 = 2_000;

/// What a solver spends on a place, what we spend on finding out: 1,000 times is what makes asking worth it.
#[test]
fn a_proof_costs_its_solver_a_thousand_times_what_it_costs_us() {
    let signer = Signer::new(&SecretString::from("k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")).unwrap();
    let challenge = |salt: u8| {
        let (sale, holder) = (SaleId::from_uuid(Uuid::from_u128(1)), Holder::of_secret(b"somebody"));
        let expires_at = Timestamp::from_second(4_000_000_000).unwrap();
        signer.sign_challenge(&ChallengeToken { sale, holder, bits: BITS, expires_at, salt: [salt; 16] })
    };
    let solve = |challenge: &String| {
        let solves = |nonce: &String| proof_of_work::verify(challenge, nonce, BITS);
        (0_u64..).map(|nonce| nonce.to_string()).find(solves).unwrap()
    };
    let challenges: Vec<_> = (0..SOLVED).map(challenge).collect();
    let began = Instant::now();
    let nonces: Vec<_> = challenges.iter().map(solve).collect();
    let solving = began.elapsed() / u32::from(SOLVED);

    let began = Instant::now();
    for round in 0..CHECKED {
        let at = round as usize % challenges.len();
        let token = signer.verify_challenge(&challenges[at]).unwrap();
        assert!(proof_of_work::verify(&challenges[at], &nonces[at], token.bits));
    }
    let checking = began.elapsed() / CHECKED;
    let ratio = solving.as_nanos() / checking.as_nanos().max(1);
    eprintln!("proof of work at {BITS} bits: solving takes {solving:?}, checking {checking:?}: {ratio} times");
    assert!(ratio >= 1_000, "solving takes {solving:?}, checking {checking:?}: {ratio} times");
}
