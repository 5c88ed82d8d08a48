//! Format 1 of what is hashed, as migration V34 says it byte by byte.
//!
//! Everything is of a known size or behind its length, so no two transfers and no two blocks have the same bytes.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The one there is.
pub(crate) const FORMAT_VERSION: i16 = 1;
/// Bytes of a leaf: an id and a digest.
pub(crate) const LEAF_BYTES: usize = 16 + 32;

const DOMAIN: &[u8] = b"onsale seal";

/// A time as Postgres sends it.
pub(crate) type Micros = [u8; 8];
/// A transaction id as Postgres sends it.
pub(crate) type Xid = [u8; 8];

/// A transfer with its entries.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) sale: Uuid,
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    pub(crate) idem_key: String,
    pub(crate) request_hash: Vec<u8>,
    pub(crate) order: Option<Uuid>,
    pub(crate) reference: Option<String>,
    pub(crate) resolves: Option<Uuid>,
    pub(crate) reverses: Option<Uuid>,
    pub(crate) effective_at: Micros,
    pub(crate) recorded_at: Micros,
    pub(crate) xid: Xid,
    pub(crate) entries: Vec<Entry>,
}

/// A leg.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) leg: i16,
    pub(crate) account: String,
    pub(crate) unit_of_account: String,
    pub(crate) amount: i64,
}

/// What a block says of itself and of those it seals.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) block: i64,
    pub(crate) prev_hash: [u8; 32],
    pub(crate) from_xid: Xid,
    pub(crate) upto_xid: Xid,
    pub(crate) sealed_at: Micros,
    pub(crate) transfers: i64,
    pub(crate) entries: i64,
    pub(crate) sums: Sums,
}

/// By unit of account what was debited. Wider than an amount: a block adds up many.
pub(crate) type Sums = BTreeMap<String, i128>;

/// The leaf of a transfer.
pub(crate) fn leaf(record: &Record) -> [u8; LEAF_BYTES] {
    let mut leaf = [0; LEAF_BYTES];
    leaf[..16].copy_from_slice(record.id.as_bytes());
    leaf[16..].copy_from_slice(&Sha256::digest(record.bytes()));
    leaf
}

/// The hash of a block with these leaves.
pub(crate) fn block_hash(header: &Header, leaves: &[u8]) -> [u8; 32] {
    let mut bytes = Bytes::default();
    bytes.raw(DOMAIN);
    bytes.raw(&FORMAT_VERSION.to_be_bytes());
    bytes.raw(&header.block.to_be_bytes());
    bytes.raw(&header.prev_hash);
    bytes.raw(&header.from_xid);
    bytes.raw(&header.upto_xid);
    bytes.raw(&header.sealed_at);
    bytes.raw(&header.transfers.to_be_bytes());
    bytes.raw(&header.entries.to_be_bytes());
    bytes.count(header.sums.len());
    for (unit_of_account, debits) in &header.sums {
        bytes.text(unit_of_account.as_bytes());
        bytes.text(debits.to_string().as_bytes());
    }
    bytes.raw(leaves);
    Sha256::digest(&bytes.0).into()
}

impl Record {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Bytes::default();
        bytes.raw(self.sale.as_bytes());
        bytes.raw(self.id.as_bytes());
        bytes.text(self.kind.as_bytes());
        bytes.text(self.idem_key.as_bytes());
        bytes.text(&self.request_hash);
        bytes.option(self.order.as_ref(), |bytes, order| bytes.raw(order.as_bytes()));
        bytes.option(self.reference.as_ref(), |bytes, reference| bytes.text(reference.as_bytes()));
        bytes.option(self.resolves.as_ref(), |bytes, resolves| bytes.raw(resolves.as_bytes()));
        bytes.option(self.reverses.as_ref(), |bytes, reverses| bytes.raw(reverses.as_bytes()));
        bytes.raw(&self.effective_at);
        bytes.raw(&self.recorded_at);
        bytes.raw(&self.xid);
        bytes.count(self.entries.len());
        for entry in &self.entries {
            bytes.raw(&entry.leg.to_be_bytes());
            bytes.text(entry.account.as_bytes());
            bytes.text(entry.unit_of_account.as_bytes());
            bytes.raw(&entry.amount.to_be_bytes());
        }
        bytes.0
    }
}

#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn count(&mut self, count: usize) {
        let count = i32::try_from(count).expect("Postgres has no longer values, and no transfer so many legs");
        self.raw(&count.to_be_bytes());
    }

    fn text(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.raw(bytes);
    }

    fn option<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.raw(&[u8::from(value.is_some())]);
        if let Some(value) = value {
            write(self, value);
        }
    }
}

#[cfg(test)]
mod tests;
