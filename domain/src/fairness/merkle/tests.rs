use super::*;

fn leaves(count: u32) -> Vec<Hash> {
    (0..count).map(|index| leaf([7; 16], index, Holder([9; 16]))).collect()
}

fn hex(hash: &Hash) -> String {
    hex::encode(hash)
}

/// The definition of RFC 6962, section 2.1, word for word.
fn root_by_definition(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [only] => *only,
        _ => {
            let left = leaves.len().next_power_of_two() / 2;
            node(&root_by_definition(&leaves[..left]), &root_by_definition(&leaves[left..]))
        }
    }
}

/// The inputs and roots that implementations of Certificate Transparency test themselves with.
#[test]
fn roots_are_those_of_certificate_transparency() {
    let inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let leaves: Vec<Hash> = inputs
        .iter()
        .map(|input| Sha256::new().chain_update(LEAF).chain_update(hex::decode(input).unwrap()).finalize().into())
        .collect();
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    for (count, root) in roots.iter().enumerate() {
        assert_eq!(hex(&merkle_root(&leaves[..count])), *root, "{count} leaves");
    }
}

#[test]
fn roots_and_paths_are_as_defined_at_every_size() {
    for count in 0..=70 {
        let leaves = leaves(count);
        let root = root_by_definition(&leaves);
        assert_eq!(merkle_root(&leaves), root, "{count} leaves");
        for index in 0..count {
            let path = inclusion_path(&leaves, index);
            assert_eq!(root_of_path(leaves[index as usize], index, count, &path), Some(root), "{index} of {count}");
        }
        assert_eq!(inclusion_path(&leaves, count), [] as [Hash; 0]);
        assert_eq!(root_of_path([0; 32], count, count, &[]), None, "there is no leaf {count}");
    }
}

#[test]
fn a_path_proves_one_leaf_at_one_index() {
    let count = 21;
    let leaves = leaves(count);
    let root = Some(merkle_root(&leaves));
    for index in 0..count {
        let (own, path) = (leaves[index as usize], inclusion_path(&leaves, index));
        for other in (0..count).filter(|other| *other != index) {
            assert_ne!(root_of_path(own, other, count, &path), root, "{index} as {other}");
            assert_ne!(root_of_path(leaves[other as usize], index, count, &path), root, "{other} as {index}");
        }
        for (step, _) in path.iter().enumerate() {
            let mut altered = path.clone();
            altered[step][31] ^= 1;
            assert_ne!(root_of_path(own, index, count, &altered), root, "step {step} of {index}");
        }
        assert_eq!(root_of_path(own, index, count, &path[..path.len() - 1]), None, "too short");
        assert_eq!(root_of_path(own, index, count, &[path.clone(), vec![own]].concat()), None, "too long");
    }
}

#[test]
fn the_root_changes_with_every_leaf_and_its_place() {
    let leaves = leaves(9);
    let root = merkle_root(&leaves);
    for index in 0..9 {
        let mut altered = leaves.clone();
        altered[index][0] ^= 0x80;
        assert_ne!(merkle_root(&altered), root, "leaf {index}");
        let mut turned = leaves.clone();
        turned.swap(index, (index + 1) % 9);
        assert_ne!(merkle_root(&turned), root, "leaf {index} and the next");
    }
    assert_ne!(merkle_root(&leaves[..8]), root);
    let inner: Vec<Hash> = leaves.chunks(2).map(merkle_root).collect();
    assert_eq!(
        merkle_root(&inner),
        root,
        "nodes as leaves give the same root: this is why the count is in the key too"
    );
}

#[test]
fn a_leaf_is_a_hash_of_37_bytes() {
    let bytes = [&[0][..], &[1; 16], &[0, 0, 1, 2], &[3; 16]].concat();
    assert_eq!(leaf([1; 16], 258, Holder([3; 16])), <Hash>::from(Sha256::digest(bytes)));
}
