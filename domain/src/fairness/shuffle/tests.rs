use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

mod statistics;

fn key(seed: u64) -> DrawKey {
    let seed = Seed(Sha256::digest(seed.to_be_bytes()).into());
    draw_key(&seed, &[1; 32], 100, None)
}

/// The ranks of the first registrations only: the same shuffle with the untouched rest left out.
fn first_ranks(key: &DrawKey, count: u32, registrations: u32) -> Vec<u32> {
    let mut draws = Draws::new(key);
    let mut moved: HashMap<u32, u32> = HashMap::new();
    let rank_of = |index: u32| {
        let other = index + draws.below(count - index);
        let here = moved.get(&index).copied().unwrap_or(index);
        let drawn = moved.get(&other).copied().unwrap_or(other);
        moved.insert(other, here);
        drawn
    };
    (0..registrations).map(rank_of).collect()
}

#[test]
fn words_are_the_bytes_of_hashes_of_key_and_block() {
    let key = key(1);
    let mut draws = Draws::new(&key);
    for block in 0_u64..3 {
        let bytes = Sha256::digest([&key.0[..], &block.to_be_bytes()].concat());
        for word in bytes.chunks(4) {
            assert_eq!(draws.word().to_be_bytes(), word, "block {block}");
        }
    }
}

/// Below 2^31 + 1 almost half of all words are thrown away; below a power of two none is.
#[test]
fn words_that_would_favour_small_draws_are_thrown_away() {
    for bound in [2, 3, 1_000, 1 << 31, (1 << 31) + 1, 3_000_000_000, u32::MAX] {
        let (mut draws, mut words) = (Draws::new(&key(2)), Draws::new(&key(2)));
        let fair = u64::from(bound) * ((1 << 32) / u64::from(bound));
        for _ in 0..1_000 {
            let expected = std::iter::repeat_with(|| u64::from(words.word())).find(|word| *word < fair).unwrap();
            assert_eq!(u64::from(draws.below(bound)), expected % u64::from(bound), "below {bound}");
        }
    }
}

#[test]
fn the_key_changes_with_everything_it_is_made_of() {
    let (seed, root, value) = (Seed([1; 32]), [2; 32], [0; 32]);
    let keys = [
        draw_key(&seed, &root, 3, None),
        draw_key(&Seed([9; 32]), &root, 3, None),
        draw_key(&seed, &[9; 32], 3, None),
        draw_key(&seed, &root, 4, None),
        draw_key(&seed, &root, 3, Some(&value)),
        draw_key(&seed, &root, 3, Some(&[9; 32])),
    ];
    let different: std::collections::HashSet<_> = keys.iter().map(|key| key.0).collect();
    assert_eq!(different.len(), keys.len(), "a beacon value of zeros is not the absence of one either");
}

#[test]
fn nobody_and_one_alone_need_no_draw() {
    assert_eq!(order(&key(3), 0), [0_u32; 0]);
    assert_eq!(order(&key(3), 1), [0]);
}

proptest! {
    #[test]
    fn an_order_gives_every_rank_once(seed: u64, count in 0_u32..600) {
        let mut ranks = order(&key(seed), count);
        ranks.sort_unstable();
        prop_assert_eq!(ranks, (0..count).collect::<Vec<_>>());
    }

    #[test]
    fn first_ranks_need_only_the_first_draws(seed: u64, count in 1_u32..300, share: u32) {
        let some = 1 + share % count;
        prop_assert_eq!(first_ranks(&key(seed), count, some), &order(&key(seed), count)[..some as usize]);
    }
}
