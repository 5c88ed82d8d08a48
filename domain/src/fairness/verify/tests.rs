use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use super::*;
use crate::fairness::{
    FILE_VERSION, Hash, InclusionProof, Seed, Verdict, draw_key, inclusion_path, leaf, order as order_of,
};
use crate::ids::{PlaceNumber, SaleId};
use crate::sale::PhaseNo;
use crate::token::Holder;

/// The file that `docs/fairness.md` explains; `docs/fairness_check.py` checks it too.
const EXAMPLE: &str = include_str!("../../../../docs/fairness-example.json");

const QUICKNET: &str = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971";
/// Of quicknet's round 1000, which came out at 15:59:24 on 23 August 2023.
const SIGNATURE: &str =
    "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39";
const RANDOMNESS: &str = "fe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd";

fn at(time: &str) -> Timestamp {
    format!("2023-08-23T{time}Z").parse().unwrap()
}

fn hash(text: &str) -> Hash {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// Registrations whose salts and holders are one byte repeated, as the documentation says.
fn leaves(count: u8) -> Arc<[Hash]> {
    (0..count).map(|index| leaf([0x10 + index; 16], u32::from(index), Holder([0x80 + index; 16]))).collect()
}

/// A draw with a beacon value that everybody can look up.
fn members() -> FairnessDraw {
    let (seed, leaves) = (Seed([0x11; 32]), leaves(5));
    let (root, randomness) = (merkle_root(&leaves), hash(RANDOMNESS));
    FairnessDraw {
        phase: "members".parse().unwrap(),
        phase_no: PhaseNo(0),
        committed_at: at("12:00:00"),
        seed_hash: seed.hash(),
        opens_at: at("15:59:15"),
        frozen_at: Some(at("15:59:15.25")),
        count: 5,
        first_number: Some(PlaceNumber(1)),
        root: Some(root),
        leaves: Some(leaves),
        beacon: Some(FairnessBeacon {
            url: format!("https://api.drand.sh/{QUICKNET}"),
            chain_hash: QUICKNET.to_owned(),
            round: 1_000,
            round_at: at("15:59:24"),
            randomness: Some(randomness),
            signature: Some(hex::decode(SIGNATURE).unwrap()),
        }),
        self_attested: None,
        seed: Some(seed),
        drawn_at: Some(at("15:59:24.8")),
        order: Some(order_of(&draw_key(&seed, &root, 5, Some(&randomness)), 5).into()),
    }
}

/// A draw without one.
fn general() -> FairnessDraw {
    let (seed, leaves) = (Seed([0x22; 32]), leaves(3));
    let root = merkle_root(&leaves);
    FairnessDraw {
        phase: "general".parse().unwrap(),
        phase_no: PhaseNo(1),
        committed_at: at("12:00:00"),
        seed_hash: seed.hash(),
        opens_at: at("17:00:00"),
        frozen_at: Some(at("17:00:00")),
        count: 3,
        first_number: Some(PlaceNumber(9)),
        root: Some(root),
        leaves: Some(leaves),
        beacon: None,
        self_attested: Some("no beacon is configured".to_owned()),
        seed: Some(seed),
        drawn_at: Some(at("17:00:00.4")),
        order: Some(order_of(&draw_key(&seed, &root, 3, None), 3).into()),
    }
}

fn file(draws: Vec<FairnessDraw>) -> FairnessFile {
    let sale = SaleId::from_uuid(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
    FairnessFile { version: FILE_VERSION, sale, draws }
}

fn subjects(report: &FairnessReport, outcome: Outcome) -> BTreeSet<Subject> {
    report.checks.iter().filter(|check| check.outcome == outcome).map(|check| check.subject).collect()
}

#[test]
fn the_documented_example_is_this_draw() {
    let example = file(vec![members(), general()]);
    let told: FairnessFile = serde_json::from_str(EXAMPLE).unwrap();
    assert_eq!(told, example, "{}", serde_json::to_string_pretty(&example).unwrap());
    let again: serde_json::Value = serde_json::from_str(EXAMPLE).unwrap();
    assert_eq!(serde_json::to_value(&told).unwrap(), again, "nothing is lost or added on the way");
    let report = told.verify();
    assert_eq!(report.verdict(), Verdict::Verified);
    assert_eq!(subjects(&report, Outcome::Broken), BTreeSet::new(), "{report:?}");
    assert_eq!(subjects(&report, Outcome::Open), [Subject::Beacon].into(), "one of the two is self-attested");
}

/// The figures that `docs/fairness.md` prints.
#[test]
fn the_documented_figures_are_these() {
    let draw = members();
    let key = draw_key(&draw.seed.unwrap(), &draw.root.unwrap(), 5, draw.beacon_value());
    assert_eq!(
        hex::encode(draw.leaves.as_ref().unwrap()[0]),
        "53ced4a5cd89aeb4adb48f0a601b062c176be730bcec034eaaa210f9e9a02a50"
    );
    assert_eq!(hex::encode(draw.root.unwrap()), "cd4bf9c8607a0b9c30c5870d261df59126219fc7fff045d7163b06ef8c25650f");
    assert_eq!(hex::encode(key.0), "bba42697b426140e5a65e7a609118d96ec4c855b793dacc627577f66821fe5b8");
    assert_eq!(**draw.order.as_ref().unwrap(), [3, 2, 4, 1, 0]);
}

#[test]
fn whatever_is_altered_is_named() {
    use Subject::{Beacon, Count, Leaves, Order, Record, Seed as TheSeed, Times};
    type Alter = fn(&mut FairnessDraw);
    let alterations: [(&str, Alter, &[Subject]); 25] = [
        ("a leaf", |draw| altered_leaf(draw, 3), &[Leaves]),
        ("two leaves changed places", |draw| swapped_leaves(draw), &[Leaves]),
        ("a leaf more", |draw| more_leaves(draw), &[Count, Leaves]),
        ("the root", |draw| flip(draw.root.as_mut().unwrap()), &[Leaves, Order]),
        ("a leaf and the root to fit", |draw| refit_root(draw), &[Order]),
        ("the seed", |draw| flip(&mut draw.seed.as_mut().unwrap().0), &[TheSeed, Order]),
        ("the committed hash", |draw| flip(&mut draw.seed_hash), &[TheSeed]),
        ("the seed and its hash", |draw| reseed(draw), &[Order]),
        ("two ranks changed places", |draw| swapped_ranks(draw), &[Order]),
        ("a rank missing", |draw| draw.order = Some(draw.order.as_ref().unwrap()[..4].into()), &[Count, Order]),
        ("the count", |draw| draw.count = 6, &[Count, Order]),
        ("a count beyond all bounds", |draw| draw.count = u32::MAX, &[Count, Order]),
        ("the round", |draw| beacon(draw).round = 1_001, &[Beacon]),
        ("a round that there is not", |draw| beacon(draw).round = 0, &[Beacon]),
        ("the time of the round", |draw| beacon(draw).round_at = at("15:59:27"), &[Beacon]),
        ("the freeze, put after the round", |draw| draw.frozen_at = Some(at("15:59:24")), &[Beacon]),
        ("the freeze, put before the opening", |draw| draw.frozen_at = Some(at("15:59:14")), &[Times]),
        ("the commitment, put after the opening", |draw| draw.committed_at = at("15:59:16"), &[Times]),
        ("the commitment, put at the opening", |draw| draw.committed_at = at("15:59:15"), &[Times]),
        ("the draw, put before the freeze", |draw| draw.drawn_at = Some(at("15:59:15")), &[Times]),
        ("the beacon's value", |draw| flip(beacon(draw).randomness.as_mut().unwrap()), &[Beacon, Order]),
        ("the beacon's signature", |draw| beacon(draw).signature.as_mut().unwrap()[7] ^= 1, &[Beacon]),
        ("no signature", |draw| beacon(draw).signature = None, &[Beacon]),
        ("no seed", |draw| draw.seed = None, &[Record]),
        ("called self-attested afterwards", |draw| draw.self_attested = Some("no beacon".to_owned()), &[Order]),
    ];
    for (what, alter, expected) in alterations {
        let mut draw = members();
        alter(&mut draw);
        let report = file(vec![draw]).verify();
        assert_eq!(subjects(&report, Outcome::Broken), expected.iter().copied().collect(), "{what}: {report:#?}");
        assert_eq!(report.verdict(), Verdict::Broken, "{what}");
    }
}

fn beacon(draw: &mut FairnessDraw) -> &mut FairnessBeacon {
    draw.beacon.as_mut().unwrap()
}

fn flip(hash: &mut Hash) {
    hash[5] ^= 4;
}

fn altered_leaf(draw: &mut FairnessDraw, index: usize) {
    let mut leaves = draw.leaves.as_ref().unwrap().to_vec();
    flip(&mut leaves[index]);
    draw.leaves = Some(leaves.into());
}

fn swapped_leaves(draw: &mut FairnessDraw) {
    let mut leaves = draw.leaves.as_ref().unwrap().to_vec();
    leaves.swap(0, 4);
    draw.leaves = Some(leaves.into());
}

fn more_leaves(draw: &mut FairnessDraw) {
    draw.leaves = Some(leaves(6));
}

fn refit_root(draw: &mut FairnessDraw) {
    altered_leaf(draw, 0);
    draw.root = draw.leaves.as_deref().map(merkle_root);
}

fn reseed(draw: &mut FairnessDraw) {
    let seed = Seed([0x12; 32]);
    (draw.seed, draw.seed_hash) = (Some(seed), seed.hash());
}

fn swapped_ranks(draw: &mut FairnessDraw) {
    let mut order = draw.order.as_ref().unwrap().to_vec();
    order.swap(1, 2);
    draw.order = Some(order.into());
}

/// Every single byte of leaves, root, seed, value and order is covered, not only the ones picked above.
#[test]
fn no_byte_can_be_altered() {
    let broken = |draw: FairnessDraw| file(vec![draw]).verify().verdict() == Verdict::Broken;
    for byte in 0..32 {
        for index in 0..5 {
            let mut leaves = members().leaves.unwrap().to_vec();
            leaves[index][byte] ^= 0x40;
            assert!(broken(FairnessDraw { leaves: Some(leaves.into()), ..members() }), "leaf {index}, byte {byte}");
        }
        let mut draws = [members(), members(), members(), members()];
        draws[0].root.as_mut().unwrap()[byte] ^= 0x40;
        draws[1].seed.as_mut().unwrap().0[byte] ^= 0x40;
        draws[2].seed_hash[byte] ^= 0x40;
        beacon(&mut draws[3]).randomness.as_mut().unwrap()[byte] ^= 0x40;
        for (what, draw) in draws.into_iter().enumerate() {
            assert!(broken(draw), "hash {what}, byte {byte}");
        }
    }
    for index in 0..5 {
        for rank in (0..6).filter(|rank| *rank != members().order.unwrap()[index]) {
            let mut order = members().order.unwrap().to_vec();
            order[index] = rank;
            assert!(broken(FairnessDraw { order: Some(order.into()), ..members() }), "rank {rank} of {index}");
        }
    }
}

#[test]
fn blocks_of_numbers_follow_each_other() {
    let second = |first: u64| FairnessDraw { first_number: Some(PlaceNumber(first)), ..general() };
    for (first, expected) in [(5, Verdict::Broken), (6, Verdict::Verified), (1_000, Verdict::Verified)] {
        assert_eq!(file(vec![members(), second(first)]).verify().verdict(), expected, "{first}");
    }
    let turned = file(vec![general(), members()]).verify();
    assert_eq!(subjects(&turned, Outcome::Broken), [Subject::Numbers].into());
}

/// The same draw at earlier stages: what is not there yet is awaited, what should be there is missed.
#[test]
fn before_the_draw_nothing_is_broken_and_nothing_proven() {
    let (seed, drawn_at, order) = (None, None, None);
    let mut frozen = FairnessDraw { seed, drawn_at, order, ..members() };
    (beacon(&mut frozen).randomness, beacon(&mut frozen).signature) = (None, None);
    let collecting = FairnessDraw {
        frozen_at: None,
        root: None,
        leaves: None,
        first_number: None,
        beacon: None,
        count: 0,
        ..frozen.clone()
    };
    for draw in [&frozen, &collecting] {
        let report = file(vec![draw.clone()]).verify();
        assert_eq!(report.verdict(), Verdict::NotDrawn, "{report:#?}");
    }
    assert_eq!(file(Vec::new()).verify().verdict(), Verdict::NotDrawn);
    let half = file(vec![FairnessDraw { leaves: None, ..frozen }]).verify();
    assert_eq!(subjects(&half, Outcome::Broken), [Subject::Record].into());
    let later = FairnessDraw { phase_no: PhaseNo(1), opens_at: at("17:00:00"), ..collecting };
    assert_eq!(
        file(vec![members(), later]).verify().verdict(),
        Verdict::Verified,
        "a later phase need not be drawn yet"
    );
}

#[test]
fn a_draw_of_nobody_holds() {
    let (root, seed) = (merkle_root(&[]), Seed([0x22; 32]));
    let draw = FairnessDraw {
        count: 0,
        first_number: None,
        root: Some(root),
        leaves: Some([].into()),
        order: Some(order_of(&draw_key(&seed, &root, 0, None), 0).into()),
        ..general()
    };
    let text = serde_json::to_string(&file(vec![draw])).unwrap();
    assert_eq!(serde_json::from_str::<FairnessFile>(&text).unwrap().verify().verdict(), Verdict::Verified);
}

/// A chain whose times are not known is taken at its word, and said by its hash.
#[test]
fn the_times_of_another_chain_are_its_own() {
    let mut draw = members();
    beacon(&mut draw).chain_hash = "c0ffee".to_owned();
    beacon(&mut draw).round = 7;
    let report = file(vec![draw]).verify();
    assert_eq!(report.verdict(), Verdict::Verified);
    let told = report.checks.iter().find(|check| check.subject == Subject::Beacon).unwrap();
    assert!(told.detail.contains("round 7 of c0ffee"), "{}", told.detail);
}

#[test]
fn rounds_come_out_at_the_chains_pace() {
    let [quicknet, default] = &Chain::KNOWN;
    assert_eq!(quicknet.time_of(1_000), Some(at("15:59:24")));
    assert_eq!(quicknet.time_of(27_946_612), Some("2026-04-20T00:00:00Z".parse().unwrap()));
    assert_eq!(default.time_of(1), Some("2020-07-22T15:17:30Z".parse().unwrap()));
    assert_eq!((quicknet.time_of(0), default.time_of(u64::MAX)), (None, None));
}

#[test]
fn what_is_no_file_does_not_parse() {
    let with = |from: &str, to: &str| {
        assert!(EXAMPLE.contains(from), "{from}");
        serde_json::from_str::<FairnessFile>(&EXAMPLE.replacen(from, to, 1)).unwrap_err().to_string()
    };
    assert!(with("\"version\": 1", "\"version\": 2").contains("version 2 is not known"));
    assert!(with("\"seed\": \"11", "\"seed\": \"1").contains("must be hex digits"));
    assert!(with("\"seed\": \"11", "\"seed\": \"").contains("must be 64 hex digits"));
    assert!(with("\"leaves\": \"", "\"leaves\": \"A").contains("must be"));
    assert!(with("\"order\": \"", "\"order\": \"AAAA").contains("must be a multiple of 4 bytes"));
}

fn proof(index: u8) -> InclusionProof {
    let (draw, at) = (members(), u32::from(index));
    let (leaves, rank) = (draw.leaves.unwrap(), draw.order.unwrap()[usize::from(index)]);
    InclusionProof {
        phase: draw.phase,
        phase_no: draw.phase_no,
        index: at,
        count: draw.count,
        salt: [0x10 + index; 16],
        holder: [0x80 + index; 16],
        leaf: leaves[usize::from(index)],
        path: inclusion_path(&leaves, at),
        root: draw.root.unwrap(),
        rank: Some(rank),
        number: Some(PlaceNumber(1 + u64::from(rank))),
    }
}

#[test]
fn everybody_can_prove_having_been_in_the_draw() {
    for index in 0..5 {
        let text = serde_json::to_string(&proof(index)).unwrap();
        let check = serde_json::from_str::<InclusionProof>(&text).unwrap().verify(&file(vec![general(), members()]));
        assert_eq!((check.subject, check.outcome), (Subject::Yours, Outcome::Holds), "{}", check.detail);
    }
    assert!(proof(0).verify(&file(vec![members()])).detail.ends_with("registration 0 of 5 has rank 3 and number 4"));
    let early = InclusionProof { rank: None, number: None, ..proof(0) };
    assert_eq!(early.verify(&file(vec![members()])).outcome, Outcome::Open);
}

#[test]
fn a_proof_of_something_else_is_none() {
    type Alter = fn(&mut InclusionProof);
    let alterations: [(&str, Alter); 11] = [
        ("the file has no draw of this phase", |proof| proof.phase_no = PhaseNo(1)),
        ("salt, index and holder do not give the leaf", |proof| proof.salt[0] ^= 1),
        ("salt, index and holder do not give the leaf", |proof| proof.holder[0] ^= 1),
        ("salt, index and holder do not give the leaf", |proof| proof.index = 2),
        ("salt, index and holder do not give the leaf", |proof| flip(&mut proof.leaf)),
        ("the path does not lead from the leaf to the root", |proof| flip(&mut proof.path[0])),
        ("the path does not lead from the leaf to the root", |proof| proof.path.push([0; 32])),
        ("the path does not lead from the leaf to the root", |proof| flip(&mut proof.root)),
        ("the file has another root or count", |proof| proof.count = 6),
        ("the file gives rank 2 and number 3", |proof| proof.rank = Some(0)),
        ("the file gives rank 2 and number 3", |proof| proof.number = Some(PlaceNumber(1))),
    ];
    for (fault, alter) in alterations {
        let mut proof = proof(1);
        alter(&mut proof);
        let check = proof.verify(&file(vec![members()]));
        assert_eq!((check.outcome, check.detail.as_str()), (Outcome::Broken, fault));
    }
    let mut other = members();
    altered_leaf(&mut other, 1);
    let check = proof(1).verify(&file(vec![other]));
    assert_eq!((check.outcome, check.detail.as_str()), (Outcome::Broken, "the file has another leaf at 1"));
}
