//! The fairness file, and each visitor's proof.

use domain::fairness::{FairnessFile, InclusionProof, Outcome, Verdict, leaf, root_of_path};
use domain::token::Holder;
use http::StatusCode;
use sandbox::actors::Visitor;
use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::world::{SOON, Setup, World, jazz};

async fn registrants(world: &World, sale: &str, count: usize) -> Vec<Visitor> {
    let mut visitors = vec![Visitor::new(&world.edge, sale); count];
    for visitor in &mut visitors {
        visitor.registers().await.unwrap();
    }
    visitors
}

fn bytes<const N: usize>(hex: &Value) -> [u8; N] {
    hex::decode(hex.as_str().unwrap()).unwrap().try_into().unwrap()
}

#[tokio::test]
async fn what_is_published_grows_with_the_draw_and_the_seed_comes_last() {
    let world = World::with(Setup { limits: "file=10000/60s", ..Setup::default() }).await;
    let sale = world.prequeue(&jazz(10)).await;
    let visitors = registrants(&world, &sale, 5).await;
    let path = format!("/v1/sales/{sale}/fairness");
    let early = world.get(&path).await.expect(StatusCode::OK).unwrap();
    let draw = &early["draws"][0];
    assert_eq!(
        (&draw["phase"], &draw["root"], &draw["seed"], &draw["leaves"]),
        (&json!("general"), &json!(null), &json!(null), &json!(null))
    );
    let seed_hash = draw["seed_hash"].clone();
    let summary = async || world.get(&format!("/v1/sales/{sale}")).await.body["fairness"].clone();
    let told = summary().await;
    assert_eq!((&told["state"], &told["seed_hash"], &told["seed"]), (&json!("collecting"), &seed_hash, &json!(null)));

    world.doors_open(&sale).await;
    world.draws(&sale).await;
    eventually("the drawn file", async || world.get(&path).await.body["draws"][0]["seed"].is_string()).await;
    let answer = world.get(&path).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"));
    let etag = answer.header("etag").unwrap();
    assert_eq!(world.get_with(&path, &[("if-none-match", etag)]).await.status, StatusCode::NOT_MODIFIED);
    assert_eq!(answer.body["draws"][0]["seed_hash"], seed_hash);

    let mut file: FairnessFile = serde_json::from_value(answer.body.clone()).unwrap();
    assert_eq!(file.verify().verdict(), Verdict::Verified, "{:?}", file.verify());
    assert_eq!(file.draws[0].count, 5);
    let told = summary().await;
    assert_eq!((&told["state"], &told["self_attested"]), (&json!("drawn"), &json!("no beacon in this test")));
    assert_eq!(told["seed"], answer.body["draws"][0]["seed"]);
    for visitor in &visitors {
        let number = visitor.waits_for_number(SOON).await.unwrap();
        let proof = visitor.fetches_proof().await.unwrap().expect(StatusCode::OK).unwrap();
        assert_eq!(proof["number"], number);
    }
    file.draws[0].count = 4;
    assert_eq!(file.verify().verdict(), Verdict::Broken, "an altered file is found out");
    world.stop().await;
}

#[tokio::test]
async fn a_proof_leads_from_ones_own_leaf_to_the_published_root() {
    let world = World::new().await;
    let sale = world.prequeue(&jazz(10)).await;
    let visitors = registrants(&world, &sale, 7).await;
    let early = visitors[3].fetches_proof().await.unwrap();
    assert_eq!((early.status, early.code()), (StatusCode::CONFLICT, Some("sale_not_open")));
    world.doors_open(&sale).await;
    let frozen = world.freezes(&sale).await;
    for (index, visitor) in (0_u32..).zip(&visitors) {
        eventually("a root", async || visitor.fetches_proof().await.unwrap().status == StatusCode::OK).await;
        let proof = visitor.fetches_proof().await.unwrap().body;
        assert_eq!((&proof["index"], &proof["rank"], &proof["number"]), (&json!(index), &json!(null), &json!(null)));
        let own = leaf(bytes(&proof["salt"]), index, Holder(bytes(&proof["holder"])));
        assert_eq!(hex::encode(own), proof["leaf"].as_str().unwrap());
        let way: Vec<[u8; 32]> = proof["path"].as_array().unwrap().iter().map(bytes).collect();
        assert_eq!(root_of_path(own, index, 7, &way), frozen.root);
        assert_eq!(bytes::<32>(&proof["root"]), frozen.root.unwrap());
    }
    world.stop().await;
}

#[tokio::test]
async fn a_proof_that_is_fetched_holds_against_the_file_that_is_fetched() {
    let world = World::with(Setup { limits: "file=10000/60s", ..Setup::default() }).await;
    let sale = world.prequeue(&jazz(10)).await;
    let visitors = registrants(&world, &sale, 6).await;
    let file = async || {
        let file = world.get(&format!("/v1/sales/{sale}/fairness")).await.expect(StatusCode::OK).unwrap();
        serde_json::from_value::<FairnessFile>(file).unwrap()
    };
    let proof = async |visitor: &Visitor| {
        let proof = visitor.fetches_proof().await.unwrap().expect(StatusCode::OK).unwrap();
        serde_json::from_value::<InclusionProof>(proof).unwrap()
    };
    world.doors_open(&sale).await;
    world.freezes(&sale).await;
    eventually("a root", async || file().await.draws[0].root.is_some()).await;
    for visitor in &visitors {
        assert_eq!(proof(visitor).await.verify(&file().await).outcome, Outcome::Open, "in, and not drawn yet");
    }
    world.finishes(&sale).await;
    eventually("the order", async || file().await.draws[0].order.is_some()).await;
    let file = file().await;
    for visitor in &visitors {
        let proof = proof(visitor).await;
        let check = proof.verify(&file);
        assert_eq!(check.outcome, Outcome::Holds, "{}", check.detail);
        let another = InclusionProof { index: (proof.index + 1) % 6, ..proof };
        assert_eq!(another.verify(&file).outcome, Outcome::Broken);
    }
    world.stop().await;
}

#[tokio::test]
async fn before_a_draw_is_told_whether_public_randomness_will_go_into_it() {
    for beacon_configured in [false, true] {
        let world = World::with(Setup { beacon_configured, ..Setup::default() }).await;
        let sale = world.prequeue(&jazz(10)).await;
        registrants(&world, &sale, 1).await;
        let told = async || world.get(&format!("/v1/sales/{sale}")).await.body["fairness"].clone();
        let early = told().await;
        assert_eq!((&early["beacon_configured"], &early["beacon"]), (&json!(beacon_configured), &json!(null)));
        world.doors_open(&sale).await;
        world.freezes(&sale).await;
        eventually("the frozen draw", async || told().await["state"] == "frozen").await;
        eventually("what was recorded counts", async || told().await["beacon_configured"] == false).await;
        world.stop().await;
    }
}

#[tokio::test]
async fn a_proof_is_its_holders_alone_and_a_walk_up_has_none() {
    let world = World::new().await;
    let sale = world.prequeue(&jazz(10)).await;
    let visitors = registrants(&world, &sale, 2).await;
    world.doors_open(&sale).await;
    world.draws(&sale).await;
    eventually("a proof", async || visitors[0].fetches_proof().await.unwrap().status == StatusCode::OK).await;
    let nobody = world.get(&format!("/v1/sales/{sale}/queue/place/proof")).await;
    assert_eq!(nobody.code(), Some("unauthorized"));
    // A token of ours that names somebody else's registration: no visitor has one, and it would open nothing.
    let mut place = world.signer.verify_place(visitors[0].place().unwrap()).unwrap();
    place.holder = Holder::of_secret(b"somebody else");
    let mut thief = Visitor::new(&world.edge, &sale);
    thief.shows(&world.signer.sign_place(&place));
    assert_eq!(thief.fetches_proof().await.unwrap().code(), Some("place_invalid"));
    let mut walk_up = Visitor::new(&world.edge, &sale);
    eventually("a number", async || walk_up.joins().await.unwrap().body["place"]["number"] == 3).await;
    assert_eq!(walk_up.fetches_proof().await.unwrap().code(), Some("not_found"));
    world.stop().await;
}

#[tokio::test]
async fn a_sale_without_a_prequeue_has_a_file_without_draws() {
    let world = World::new().await;
    let sale = world.sale(&jazz(1)).await;
    let file = world.get(&format!("/v1/sales/{sale}/fairness")).await.expect(StatusCode::OK).unwrap();
    assert_eq!(file["draws"], json!([]));
    assert_eq!(world.get(&format!("/v1/sales/{sale}")).await.body["fairness"], json!(null));
    world.stop().await;
}
