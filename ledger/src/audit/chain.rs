//! The chain of seals, and whether the books still are what it sealed.
//!
//! Block by block, in order: that it follows the one before it, that it hashes to what it says, and that the transfers in
//! its range are those it sealed. The first block that does not fit is named with every difference found in it, and nothing
//! behind it is looked at: it would only repeat the same. Reads all transfers and entries, about a thousand at a time.
//!
//! Each block in a snapshot of its own: what is sealed does not change, so there is nothing that one snapshot for all would keep
//! together, and one that is as old as the walk is long keeps every vacuum in the cluster from its work.

use std::collections::BTreeMap;

use tokio_postgres::{Client, Row, Transaction};
use uuid::Uuid;

use super::{AuditLine, BREACHES_MAX, snapshot};
use crate::LedgerError;
use crate::numbers::{bytes, fit};
use crate::seals::SealHead;
use crate::seals::encoding::{Entry, FORMAT_VERSION, Header, LEAF_BYTES, Record, Sums, block_hash, leaf};

/// What the line is called: it is no invariant of its own, but how I3 is kept from those who can write past all rules.
const NAME: &str = "seal";
const TITLE: &str = "the seals are one chain, and the books are what they sealed";

pub(super) const NEXT: &str = "
    SELECT block, format_version, prev_hash, hash, xid8send(from_xid), xid8send(upto_xid), timestamptz_send(sealed_at),
           transfers, entries, sums::text, leaves
      FROM seals WHERE block > $1 ORDER BY block LIMIT 1";

pub(super) const SEALED: &str = "
    SELECT t.sale_id, t.id, t.kind, t.idem_key, t.request_hash, t.order_id, t.reference, t.resolves, t.reverses,
           timestamptz_send(t.effective_at), timestamptz_send(t.recorded_at), xid8send(t.xid),
           e.legs, e.accounts, e.units_of_account, e.amounts
      FROM transfers t
     CROSS JOIN LATERAL (
           SELECT coalesce(array_agg(leg ORDER BY leg), '{}') AS legs,
                  coalesce(array_agg(account ORDER BY leg), '{}') AS accounts,
                  coalesce(array_agg(unit_of_account ORDER BY leg), '{}') AS units_of_account,
                  coalesce(array_agg(amount ORDER BY leg), '{}') AS amounts
             FROM entries WHERE sale_id = t.sale_id AND transfer_id = t.id) AS e
     WHERE t.xid >= $1::text::xid8 AND t.xid < $2::text::xid8
     ORDER BY t.xid, t.sale_id, t.id";

pub(super) const UNSEALED: &str = "SELECT count(*) FROM transfers WHERE xid >= coalesce((SELECT max(upto_xid::text::bigint) FROM seals), 0)::text::xid8";

/// A block as it is stored.
struct Seal {
    header: Header,
    format_version: i16,
    hash: [u8; 32],
    /// As stored: a sum that cannot be read is one that was changed.
    sums: String,
    leaves: Vec<u8>,
}

/// Where the chain is so far, and what was seen on the way.
struct Walk {
    last: SealHead,
    upto_xid: [u8; 8],
    transfers: i64,
}

/// Walks the chain from its beginning; `kept` is a head that was printed earlier, through which it must go.
pub(super) async fn check(client: &mut Client, kept: Option<&SealHead>) -> Result<AuditLine, LedgerError> {
    let mut walk = Walk { last: SealHead { block: 0, hash: [0; 32] }, upto_xid: [0; 8], transfers: 0 };
    let mut breaches = Vec::new();
    while breaches.is_empty() {
        let block = snapshot(client).await?;
        let next = block.query_opt(NEXT, &[&fit::<_, i64>(walk.last.block)?]).await?;
        let Some(seal) = next.as_ref().map(Seal::read).transpose()? else {
            breaches.extend(kept.and_then(|kept| walk.ends_before(kept)));
            break;
        };
        breaches = walk.step(&seal, kept);
        if breaches.is_empty() {
            breaches = differences(&seal, &sealed(&block, &seal.header).await?);
        }
        if breaches.is_empty() {
            walk.passes(&seal)?;
        }
        block.rollback().await?;
    }
    breaches.truncate(usize::try_from(BREACHES_MAX).expect("a small number"));
    let behind = snapshot(client).await?;
    let unsealed = behind.query_one(UNSEALED, &[]).await?.try_get(0)?;
    behind.rollback().await?;
    let figures = vec![("blocks", fit(walk.last.block)?), ("transfers", walk.transfers), ("unsealed", unsealed)];
    Ok(AuditLine { invariant: NAME, title: TITLE, figures, breaches })
}

impl Walk {
    /// What is wrong with a block by itself and as the next one.
    fn step(&self, seal: &Seal, kept: Option<&SealHead>) -> Vec<String> {
        let (header, block) = (&seal.header, seal.header.block);
        let expected = self.last.block + 1;
        let breach = if u64::try_from(block) != Ok(expected) {
            format!("block {expected} is missing; the next one is {block}")
        } else if seal.format_version != FORMAT_VERSION {
            format!("block {block} has the format {}, which this version does not know", seal.format_version)
        } else if header.prev_hash != self.last.hash {
            format!("block {block} does not follow block {}: the link is broken", self.last.block)
        } else if header.from_xid != self.upto_xid {
            format!("block {block} does not begin where block {} ends", self.last.block)
        } else if block_hash(header, &seal.leaves) != seal.hash || serde_json::from_str::<Sums>(&seal.sums).is_err() {
            format!("block {block} does not hash to what it says: the seal was changed")
        } else if kept.is_some_and(|kept| kept.block == expected && kept.hash != seal.hash) {
            format!("block {block} is not the one that was kept: the chain was made anew")
        } else {
            return Vec::new();
        };
        vec![breach]
    }

    fn passes(&mut self, seal: &Seal) -> Result<(), LedgerError> {
        self.last = SealHead { block: fit(seal.header.block)?, hash: seal.hash };
        self.upto_xid = seal.header.upto_xid;
        self.transfers += seal.header.transfers;
        Ok(())
    }

    fn ends_before(&self, kept: &SealHead) -> Option<String> {
        (kept.block > self.last.block).then(|| {
            format!("block {} was kept and is gone: the chain ends with block {}", kept.block, self.last.block)
        })
    }
}

/// What a block sealed and the books have not, and the other way round.
fn differences(seal: &Seal, books: &[Record]) -> Vec<String> {
    let block = seal.header.block;
    let sealed = leaves(&seal.leaves);
    let found: BTreeMap<Uuid, [u8; LEAF_BYTES]> = books.iter().map(|record| (record.id, leaf(record))).collect();
    let mut breaches = Vec::new();
    for (id, leaf) in &sealed {
        match found.get(id) {
            None => breaches.push(format!("block {block}: transfer {id} is gone")),
            Some(now) if now != leaf => breaches.push(format!("block {block}: transfer {id} was changed")),
            Some(_) => {}
        }
    }
    for id in found.keys().filter(|id| !sealed.contains_key(id)) {
        breaches.push(format!("block {block}: transfer {id} was added"));
    }
    breaches.extend(totals(&seal.header, books));
    breaches
}

/// Counts and sums say in one line how much is wrong, and find what leaves cannot: a block that was sealed wrong.
fn totals(header: &Header, books: &[Record]) -> Option<String> {
    let mut sums = Sums::new();
    for entry in books.iter().flat_map(|record| &record.entries) {
        *sums.entry(entry.unit_of_account.clone()).or_default() += i128::from(entry.amount.max(0));
    }
    let entries: usize = books.iter().map(|record| record.entries.len()).sum();
    let (sealed, found) = ((header.transfers, header.entries), (count(books.len()), count(entries)));
    (sealed != found || header.sums != sums).then(|| {
        format!(
            "block {} sealed {} transfers, {} entries and {:?}; the books have {}, {} and {sums:?}",
            header.block, sealed.0, sealed.1, header.sums, found.0, found.1
        )
    })
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).expect("rows that were read fit in memory")
}

fn leaves(bytes: &[u8]) -> BTreeMap<Uuid, [u8; LEAF_BYTES]> {
    let (leaves, _) = bytes.as_chunks::<LEAF_BYTES>();
    let id = |leaf: &[u8; LEAF_BYTES]| Uuid::from_slice(&leaf[..16]).expect("16 bytes");
    leaves.iter().map(|leaf| (id(leaf), *leaf)).collect()
}

async fn sealed(snapshot: &Transaction<'_>, header: &Header) -> Result<Vec<Record>, LedgerError> {
    let xid = |bytes| u64::from_be_bytes(bytes).to_string();
    let rows = snapshot.query(SEALED, &[&xid(header.from_xid), &xid(header.upto_xid)]).await?;
    rows.iter().map(record).collect()
}

impl Seal {
    fn read(row: &Row) -> Result<Self, LedgerError> {
        let sums: String = row.try_get(9)?;
        Ok(Self {
            header: Header {
                block: row.try_get(0)?,
                prev_hash: bytes(row.try_get(2)?)?,
                from_xid: bytes(row.try_get(4)?)?,
                upto_xid: bytes(row.try_get(5)?)?,
                sealed_at: bytes(row.try_get(6)?)?,
                transfers: row.try_get(7)?,
                entries: row.try_get(8)?,
                sums: serde_json::from_str(&sums).unwrap_or_default(),
            },
            format_version: row.try_get(1)?,
            hash: bytes(row.try_get(3)?)?,
            sums,
            leaves: row.try_get(10)?,
        })
    }
}

fn record(row: &Row) -> Result<Record, LedgerError> {
    let (legs, amounts): (Vec<i16>, Vec<i64>) = (row.try_get(12)?, row.try_get(15)?);
    let (accounts, units): (Vec<String>, Vec<String>) = (row.try_get(13)?, row.try_get(14)?);
    let columns = legs.into_iter().zip(accounts).zip(units).zip(amounts);
    let entry = |(((leg, account), unit_of_account), amount)| Entry { leg, account, unit_of_account, amount };
    Ok(Record {
        sale: row.try_get(0)?,
        id: row.try_get(1)?,
        kind: row.try_get(2)?,
        idem_key: row.try_get(3)?,
        request_hash: row.try_get(4)?,
        order: row.try_get(5)?,
        reference: row.try_get(6)?,
        resolves: row.try_get(7)?,
        reverses: row.try_get(8)?,
        effective_at: bytes(row.try_get(9)?)?,
        recorded_at: bytes(row.try_get(10)?)?,
        xid: bytes(row.try_get(11)?)?,
        entries: columns.map(entry).collect(),
    })
}
