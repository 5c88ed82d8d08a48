//! What makes two requests the same.

use sha2::{Digest as _, Sha256};

/// The name of a request: whoever repeats it with the same name gets its first answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(pub [u8; 32]);

impl RequestId {
    /// SHA-256 over the parts, each behind its length, so that no two lists of parts have the same bytes. For a buyer's
    /// request the parts are the pass's number and the idempotency key; for a job, its kind and id.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::RequestId;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let ids = [RequestId::of(&[b"1", b"2key"]), RequestId::of(&[b"12", b"key"]), RequestId::of(&[b"12key"])];
        assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
        assert_eq!(RequestId::of(&[b"1", b"2key"]), ids[0]);
    }
}
