//! Bytes as text in files and proofs, one module for serde's `with` each.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};

use crate::fairness::{FILE_VERSION, Hash, Seed};

pub(super) fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let version = u32::deserialize(deserializer)?;
    let ours = version == FILE_VERSION;
    if ours {
        Ok(version)
    } else {
        Err(D::Error::custom(format!("version {version} is not known, only {FILE_VERSION}")))
    }
}

fn bytes_of_hex<'de, D: Deserializer<'de>>(text: &str) -> Result<Vec<u8>, D::Error> {
    hex::decode(text).map_err(|_| D::Error::custom("must be hex digits"))
}

fn array_of_hex<'de, const N: usize, D: Deserializer<'de>>(text: &str) -> Result<[u8; N], D::Error> {
    let bytes = bytes_of_hex::<D>(text)?;
    bytes.try_into().map_err(|_| D::Error::custom(format!("must be {} hex digits", 2 * N)))
}

fn write_hex<S: Serializer>(bytes: Option<&[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    match bytes {
        Some(bytes) => serializer.serialize_some(&hex::encode(bytes)),
        None => serializer.serialize_none(),
    }
}

/// `N` bytes an item, all items in one text.
fn write_items<const N: usize, T: Copy, S: Serializer>(
    items: Option<&Arc<[T]>>,
    bytes_of: fn(T) -> [u8; N],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match items {
        Some(items) => {
            let bytes: Vec<u8> = items.iter().flat_map(|item| bytes_of(*item)).collect();
            serializer.serialize_some(&URL_SAFE_NO_PAD.encode(bytes))
        }
        None => serializer.serialize_none(),
    }
}

fn read_items<'de, const N: usize, T, D: Deserializer<'de>>(
    deserializer: D,
    of_bytes: fn([u8; N]) -> T,
) -> Result<Option<Arc<[T]>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| D::Error::custom("must be base64url without padding"))?;
    let (items, rest) = bytes.as_chunks::<N>();
    if !rest.is_empty() {
        return Err(D::Error::custom(format!("must be a multiple of {N} bytes")));
    }
    Ok(Some(items.iter().map(|item| of_bytes(*item)).collect()))
}

pub(super) mod array {
    use super::{Deserializer, Serializer, array_of_hex};
    use serde::Deserialize as _;

    pub(in crate::fairness) fn serialize<const N: usize, S: Serializer>(
        bytes: &[u8; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&hex::encode(bytes))
    }

    pub(in crate::fairness) fn deserialize<'de, const N: usize, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<[u8; N], D::Error> {
        array_of_hex::<N, D>(&String::deserialize(deserializer)?)
    }
}

pub(super) mod hashes {
    use super::{Deserializer, Hash, Serializer, array_of_hex};
    use serde::Deserialize as _;

    pub(in crate::fairness) fn serialize<S: Serializer>(hashes: &[Hash], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(hashes.iter().map(hex::encode))
    }

    pub(in crate::fairness) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Hash>, D::Error> {
        Vec::<String>::deserialize(deserializer)?.iter().map(|text| array_of_hex::<32, D>(text)).collect()
    }
}

/// A module of `serialize` and `deserialize` for an optional value.
macro_rules! optional {
    ($($name:ident $value:ty, $write:expr, $read:expr;)+) => {$(
        pub(super) mod $name {
            use super::*;

            #[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
            pub(in crate::fairness) fn serialize<S: Serializer>(
                value: &Option<$value>,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                $write(value.as_ref(), serializer)
            }

            pub(in crate::fairness) fn deserialize<'de, D: Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Option<$value>, D::Error> {
                $read(deserializer)
            }
        }
    )+};
}

fn read_hex<'de, T, D: Deserializer<'de>>(
    deserializer: D,
    of_text: fn(&str) -> Result<T, D::Error>,
) -> Result<Option<T>, D::Error> {
    Option::<String>::deserialize(deserializer)?.map(|text| of_text(&text)).transpose()
}

optional! {
    maybe_hash Hash,
        |hash: Option<&Hash>, serializer| write_hex(hash.map(<[u8; 32]>::as_slice), serializer),
        |deserializer| read_hex(deserializer, array_of_hex::<32, D>);
    maybe_seed Seed,
        |seed: Option<&Seed>, serializer| write_hex(seed.map(|seed| seed.0.as_slice()), serializer),
        |deserializer| read_hex(deserializer, |text| array_of_hex::<32, D>(text).map(Seed));
    maybe_bytes Vec<u8>,
        |bytes: Option<&Vec<u8>>, serializer| write_hex(bytes.map(Vec::as_slice), serializer),
        |deserializer| read_hex(deserializer, bytes_of_hex::<D>);
    leaves Arc<[Hash]>,
        |leaves, serializer| write_items(leaves, |leaf: Hash| leaf, serializer),
        |deserializer| read_items(deserializer, |leaf: Hash| leaf);
    ranks Arc<[u32]>,
        |ranks, serializer| write_items(ranks, u32::to_be_bytes, serializer),
        |deserializer| read_items(deserializer, u32::from_be_bytes);
}
