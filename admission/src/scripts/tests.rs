use std::collections::BTreeSet;

use domain::SaleId;
use uuid::Uuid;

use super::{ALL, Script};
use crate::keys::SaleKeys;
use crate::{AdmissionError, Store, StoreConfig};

/// The lines of a section of the header, without their comment signs.
fn section(script: &Script, title: &str) -> Vec<String> {
    let own = script.parts.last().unwrap();
    let lines = own.lines().map(|line| line.trim_start_matches("--"));
    lines
        .skip_while(|line| line.trim() != title)
        .skip(1)
        .take_while(|line| line.starts_with("   "))
        .filter(|line| !line.starts_with("     ")) // a line that goes on
        .map(|line| line.trim().to_owned())
        .collect()
}

/// The words that begin the lists the script returns: `{'word'`, on one line or two.
fn words_returned(script: &Script) -> BTreeSet<String> {
    let source = script.source().replace("{\n", "{");
    let starts = source.split("return {").skip(1).map(str::trim_start);
    let words = starts.filter_map(|rest| rest.strip_prefix('\'')?.split('\'').next());
    let states = if source.contains("return {hold.state,") { vec!["frozen", "committed"] } else { vec![] };
    words.chain(states).map(str::to_owned).collect()
}

#[test]
fn every_header_names_the_words_the_script_returns() {
    for script in ALL {
        let named: BTreeSet<_> =
            section(script, "Returns").iter().map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
        assert_eq!(named, words_returned(script), "{}", script.name);
    }
}

#[test]
fn every_header_names_the_keys_in_the_order_they_are_passed() {
    for script in ALL {
        let listed = section(script, "KEYS").join("  ");
        let passed = script.keys.iter().enumerate().map(|(index, key)| format!("{} {key}", index + 1));
        let rest = script.rest.iter().map(|key| format!("{}… {key}", script.keys.len() + 1));
        assert_eq!(listed, passed.chain(rest).collect::<Vec<_>>().join("  "), "{}", script.name);
    }
}

#[test]
fn every_script_asserts_how_many_keys_it_takes() {
    for script in ALL {
        let sign = if script.rest.is_empty() { "==" } else { ">=" };
        let asserted = format!("assert(#KEYS {sign} {} and #ARGV", script.keys.len());
        assert!(script.source().contains(&asserted), "{}: {asserted}", script.name);
    }
}

/// A key that a script names and is not passed would be nil, and one that is passed for nothing would mislead.
#[test]
fn every_script_is_passed_the_keys_it_names() {
    let whole = ["sale_load", "sale_unload"]; // they take all keys of a sale by their numbers
    for script in ALL.iter().filter(|script| !whole.contains(&script.name)) {
        let code = script.source().lines().skip(1).collect::<Vec<_>>().join("\n");
        let names =
            code.split("K.").skip(1).filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next());
        let named: BTreeSet<_> = names.map(str::to_owned).collect();
        let passed: BTreeSet<_> = script.keys.iter().map(|key| key.to_string().replace(':', "_")).collect();
        assert_eq!(named, passed, "{}", script.name);
    }
}

#[test]
fn every_header_says_what_must_be_known_before_calling() {
    for script in ALL {
        for title in ["-- ARGV\n", "-- Invariant: ", "-- Repeat: ", "-- Cost: "] {
            assert!(script.source().contains(title), "{}: {title}", script.name);
        }
    }
}

#[test]
fn every_script_in_the_folder_is_registered() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/lua");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let in_folder: BTreeSet<_> = files.filter_map(|name| name.strip_suffix(".lua").map(str::to_owned)).collect();
    let registered: BTreeSet<_> = ALL.iter().map(|script| script.name.to_owned()).collect();
    assert_eq!(in_folder, registered);
}

#[test]
fn each_tier_has_room_for_all_units_of_a_sale() {
    let (_, after) = super::UNITS.split_once("local TIER_BITS = ").unwrap();
    let bits: u32 = after.split(' ').next().unwrap().parse().unwrap();
    assert!(bits >= domain::sale::UNITS_MAX && bits.is_multiple_of(8), "{bits}");
}

/// What a script needs to be known on whichever server has the sale: its keys in one slot, and its source where it is unknown.
#[tokio::test(flavor = "multi_thread")]
async fn every_script_runs_on_every_server_of_a_cluster_that_forgot_it() {
    let redis = sandbox::RedisCluster::start().await.unwrap();
    let store = Store::connect(&redis.url(), StoreConfig::default()).await.unwrap();
    let mut asked = BTreeSet::new();
    while asked.len() < 3 {
        let keys = SaleKeys::new(SaleId::from_uuid(Uuid::new_v4()));
        let epoch = keys.epoch();
        if !asked.insert(redis.owner(&epoch).await.unwrap()) {
            continue;
        }
        redis.command(&epoch, &["SCRIPT", "FLUSH"]).await.unwrap();
        for script in ALL {
            // Without arguments it says how many it takes, or that there is no such sale.
            let refused = store.run(script, &keys, Vec::new()).await.unwrap_err();
            let ran = matches!(&refused, AdmissionError::NotLoaded)
                || matches!(&refused, AdmissionError::Script(said) if said.contains(&format!("{} takes", script.name)));
            assert!(ran, "{}: {refused:?}", script.name);
        }
        let info = redis.command(&epoch, &["INFO", "memory"]).await.unwrap();
        let known = format!("number_of_cached_scripts:{}", ALL.len());
        assert!(info.lines().any(|line| line == known), "{known}: {info}");
    }
    store.shutdown().await;
}
