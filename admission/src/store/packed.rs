//! What a call is made of, in one piece of memory.
//!
//! A call is kept for the case that it has to be sent again, and the client copies it on its way to a connection. A copy of
//! a text of its own costs an allocation; a copy of a piece of a longer one costs none. A batch has hundreds of pieces.

use fred::bytes::{Bytes, BytesMut};
use fred::types::{Key, Value};

/// Names of keys, one behind the other.
pub(super) fn texts(texts: &[String]) -> Vec<Key> {
    pieces(texts.iter().map(String::as_bytes)).into_iter().map(Key::from).collect()
}

/// Texts and bytes, one behind the other; our scripts are given nothing else.
pub(super) fn values(values: &[Value]) -> Vec<Value> {
    let bytes = |value| Value::as_bytes(value).expect("arguments of scripts are texts or bytes");
    pieces(values.iter().map(bytes)).into_iter().map(Value::Bytes).collect()
}

fn pieces<'a>(parts: impl Iterator<Item = &'a [u8]> + Clone) -> Vec<Bytes> {
    let mut whole = BytesMut::with_capacity(parts.clone().map(<[u8]>::len).sum());
    parts.clone().for_each(|part| whole.extend_from_slice(part));
    let mut rest = whole.freeze();
    parts.map(|part| rest.split_to(part.len())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_are_the_parts_in_their_order_empty_ones_too() {
        let parts = ["epoch", "", "1"].map(String::from);
        assert_eq!(texts(&parts), parts.each_ref().map(Key::from));
        let bytes = Value::from([0_u8, 255].as_slice());
        let values = super::values(&[Value::from("ga".to_owned()), bytes.clone()]);
        assert_eq!(values, [Value::Bytes(Bytes::from_static(b"ga")), bytes]);
    }
}
