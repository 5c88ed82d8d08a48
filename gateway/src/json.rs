//! Reading JSON strictly: what does not fit is told where.

use std::fmt::{self, Write as _};
use std::marker::PhantomData;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::problem::{Code, Problem};

/// The media type of JSON.
const JSON: &str = "application/json";
/// The media type of a patch that names what it changes (RFC 7396).
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";

/// Reads a request's body. The types say which fields there are; all others are refused.
///
/// # Errors
/// Not JSON by its media type, no JSON by its bytes, or of another shape.
pub(crate) fn read<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Problem> {
    if !is_of(headers, JSON) {
        return Err(Problem::new(Code::UnsupportedMediaType));
    }
    strictly(body)
}

/// The same of a body that may also be of another type; a client that sends one that is not taken is told of both.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_as<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: &[u8],
    media_type: &'static str,
) -> Result<T, Problem> {
    if !is_of(headers, JSON) && !is_of(headers, media_type) {
        let taken = HeaderValue::from_static(media_type);
        return Err(Problem::new(Code::UnsupportedMediaType).header(HeaderName::from_static("accept-patch"), taken));
    }
    strictly(body)
}

/// What a document is, if it has that shape.
///
/// # Errors
/// It has another one; a problem says where.
pub(crate) fn shaped<T: DeserializeOwned>(document: &Value) -> Result<T, Problem> {
    strictly(document.to_string().as_bytes())
}

fn strictly<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // serde would read a list as a struct without the names of its fields.
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(Problem::invalid_at("", "must be an object"));
    }
    // Most bodies are right; only of one that is not somebody has to note on the way where each value is.
    serde_json::from_slice(body).or_else(|_| read_noting_where(body))
}

fn read_noting_where<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json)
        .map_err(|error| Problem::invalid_at(pointer(error.path()), error.inner().to_string()))?;
    json.end().map_err(|error| Problem::invalid_at("", error.to_string()))?;
    Ok(value)
}

/// Reads a list of structs, for `deserialize_with`: here, too, serde would take a list of values for one.
///
/// # Errors
/// No list of objects, or one of another shape.
pub(crate) fn objects<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let objects = Vec::<Object<T>>::deserialize(deserializer)?;
    Ok(objects.into_iter().map(|Object(value)| value).collect())
}

struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

fn is_of(headers: &HeaderMap, wanted: &str) -> bool {
    let Some(media_type) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case(wanted)
}

/// RFC 6901.
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => write!(pointer, "/{index}").expect("writing to a String cannot fail"),
            Segment::Map { key } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

#[cfg(test)]
mod tests;
