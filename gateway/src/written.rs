//! What many are told alike, written once.
//!
//! What is left of a sale is the same for everybody, and the longest part of what a visitor is told. So it is turned into
//! JSON when it changes and not when it is told: a position of it holds a pointer, and writing one copies the text.

use std::ops::Deref;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// A value and its JSON, shared.
#[derive(Debug)]
pub(crate) struct Written<T>(Arc<Inner<T>>);

#[derive(Debug)]
struct Inner<T> {
    value: T,
    json: Box<RawValue>,
}

impl<T: Serialize> Written<T> {
    /// Writes a value.
    pub(crate) fn new(value: T) -> Self {
        let json = to_raw_value(&value).expect("what we tell has string keys and no failing serializer");
        Self(Arc::new(Inner { value, json }))
    }

    /// The same text again when the value is the same, so that who was told of it need not compare.
    pub(crate) fn renewed(last: Option<&Self>, value: T) -> Self
    where
        T: PartialEq,
    {
        last.filter(|last| ***last == value).map_or_else(|| Self::new(value), Self::clone)
    }
}

impl<T> Clone for Written<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Written<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T: PartialEq> PartialEq for Written<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.value == other.0.value
    }
}

impl<T: Eq> Eq for Written<T> {}

impl<T> Serialize for Written<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.json.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_the_value_is() {
        let written = Written::new(vec![("ga", 3)]);
        assert_eq!(serde_json::to_string(&written).unwrap(), r#"[["ga",3]]"#);
        assert_eq!(serde_json::to_value(&written).unwrap(), serde_json::json!([["ga", 3]]));
    }

    #[test]
    fn the_same_value_keeps_its_text() {
        let first = Written::new(1);
        assert!(Arc::ptr_eq(&first.0, &Written::renewed(Some(&first), 1).0));
        assert!(Written::new(1) == first && Written::renewed(Some(&first), 2) != first);
    }
}
