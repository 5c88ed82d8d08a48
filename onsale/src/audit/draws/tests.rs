use domain::fairness::{Seed, merkle_root};
use domain::sale::PhaseNo;
use jiff::Timestamp;
use ledger::draws::{Beacon, Draw, DrawState};
use sha2::{Digest as _, Sha256};

use super::{faults, is_permutation};

const LEAVES: [[u8; 32]; 3] = [[1; 32], [2; 32], [3; 32]];

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn drawn() -> Draw {
    let (seed, signature) = (Seed([7; 32]), vec![9; 96]);
    Draw {
        phase: PhaseNo(0),
        state: DrawState::Drawn,
        seed_hash: seed.hash(),
        count: 3,
        first_number: 1,
        root: Some(merkle_root(&LEAVES)),
        frozen_at: Some(at(100)),
        beacon: Some(Beacon {
            url: "https://beacon.example".to_owned(),
            chain_hash: "ab".to_owned(),
            round: 5,
            round_at: at(103),
            randomness: Some(Sha256::digest(&signature).into()),
            signature: Some(signature),
        }),
        self_attested: None,
        seed: Some(seed),
        drawn_at: Some(at(104)),
        opens_at: at(100),
    }
}

fn of(draw: &Draw) -> usize {
    faults(draw, draw.root.unwrap(), &LEAVES).len()
}

#[test]
fn a_draw_as_it_should_be_has_no_fault() {
    assert_eq!(of(&drawn()), 0);
    let own_word = Draw { beacon: None, self_attested: Some("no beacon".to_owned()), ..drawn() };
    assert_eq!(of(&own_word), 0);
    let frozen = Draw { state: DrawState::Frozen, seed: None, drawn_at: None, ..drawn() };
    assert_eq!(of(&frozen), 0);
}

#[test]
fn whatever_is_altered_is_a_fault() {
    let beacon = |change: fn(&mut Beacon)| {
        let mut draw = drawn();
        draw.beacon.iter_mut().for_each(change);
        draw
    };
    let altered = [
        Draw { root: Some([0; 32]), ..drawn() },
        Draw { count: 4, ..drawn() },
        Draw { seed: Some(Seed([8; 32])), ..drawn() },
        Draw { seed: None, ..drawn() },
        Draw { beacon: None, ..drawn() },
        beacon(|beacon| beacon.round_at = at(100)),
        beacon(|beacon| beacon.randomness = Some([0; 32])),
        beacon(|beacon| beacon.signature = None),
    ];
    for (index, draw) in altered.iter().enumerate() {
        assert!(of(draw) > 0, "alteration {index}");
    }
}

#[test]
fn an_order_gives_every_rank_once() {
    assert!(is_permutation(&[2, 0, 1]) && is_permutation(&[]));
    assert!(!is_permutation(&[0, 0, 1]) && !is_permutation(&[0, 1, 3]));
}
