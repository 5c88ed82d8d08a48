use std::collections::BTreeSet;

use uuid::Uuid;

use super::{Entry, Header, Record, Sums, block_hash, leaf};

fn entry(leg: i16, account: &str, amount: i64) -> Entry {
    Entry { leg, account: account.to_owned(), unit_of_account: "eur".to_owned(), amount }
}

fn record() -> Record {
    Record {
        sale: Uuid::from_u128(1),
        id: Uuid::from_u128(2),
        kind: "captured".to_owned(),
        idem_key: "pi:1:captured".to_owned(),
        request_hash: vec![7; 32],
        order: Some(Uuid::from_u128(3)),
        reference: Some("pi_1".to_owned()),
        resolves: None,
        reverses: None,
        effective_at: [0, 0, 0, 0, 0, 0, 0, 8],
        recorded_at: [0, 0, 0, 0, 0, 0, 0, 9],
        xid: [0, 0, 0, 0, 0, 0, 1, 0],
        entries: vec![entry(1, "payment_clearing", 500), entry(2, "organizer_payable", -500)],
    }
}

fn header() -> Header {
    Header {
        block: 3,
        prev_hash: [5; 32],
        from_xid: [0; 8],
        upto_xid: [0, 0, 0, 0, 0, 0, 1, 1],
        sealed_at: [0; 8],
        transfers: 1,
        entries: 2,
        sums: Sums::from([("eur".to_owned(), 500)]),
    }
}

/// The first bytes by hand, so that the format is not only what two programs agree on.
#[test]
fn a_record_is_written_as_the_format_says() {
    let mut expected = Vec::new();
    expected.extend([&[0; 15][..], &[1], &[0; 15], &[2]].concat());
    expected.extend(b"\x00\x00\x00\x08captured\x00\x00\x00\x0dpi:1:captured\x00\x00\x00\x20");
    expected.extend([7; 32]);
    expected.extend([&[1][..], &[0; 15], &[3], b"\x01\x00\x00\x00\x04pi_1", &[0, 0]].concat());
    expected.extend([0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 1, 0]);
    expected.extend(b"\x00\x00\x00\x02");
    expected.extend(b"\x00\x01\x00\x00\x00\x10payment_clearing\x00\x00\x00\x03eur\x00\x00\x00\x00\x00\x00\x01\xf4");
    expected.extend(b"\x00\x02\x00\x00\x00\x11organizer_payable\x00\x00\x00\x03eur\xff\xff\xff\xff\xff\xff\xfe\x0c");
    assert_eq!(record().bytes(), expected);
}

/// Whatever is changed changes the leaf, also what only moves from one field to the next.
#[test]
fn no_two_transfers_have_one_leaf() {
    let changes: [fn(&mut Record); 16] = [
        |_| (),
        |record| record.sale = Uuid::from_u128(9),
        |record| record.id = Uuid::from_u128(9),
        |record| record.kind = "refunded".to_owned(),
        |record| (record.kind, record.idem_key) = ("capturedp".to_owned(), "i:1:captured".to_owned()),
        |record| record.request_hash[31] = 8,
        |record| record.order = None,
        |record| record.reference = None,
        |record| (record.order, record.resolves) = (None, record.order),
        |record| record.reverses = Some(Uuid::from_u128(9)),
        |record| record.effective_at[7] = 9,
        |record| record.recorded_at[7] = 8,
        |record| record.xid[7] = 1,
        |record| record.entries[0].amount = 501,
        |record| record.entries.swap(0, 1),
        |record| record.entries.push(entry(3, "suspense", 1)),
    ];
    let leaves: BTreeSet<_> = changes
        .map(|change| {
            let mut record = record();
            change(&mut record);
            leaf(&record)
        })
        .into_iter()
        .collect();
    assert_eq!(leaves.len(), changes.len());
}

#[test]
fn no_two_blocks_have_one_hash() {
    let changes: [fn(&mut Header); 10] = [
        |_| (),
        |header| header.block = 4,
        |header| header.prev_hash[0] = 6,
        |header| header.from_xid[7] = 1,
        |header| header.upto_xid[7] = 2,
        |header| header.sealed_at[7] = 1,
        |header| header.transfers = 2,
        |header| header.entries = 3,
        |header| header.sums = Sums::from([("eur".to_owned(), 501)]),
        |header| header.sums.clear(),
    ];
    let mut hashes: BTreeSet<_> = changes
        .map(|change| {
            let mut header = header();
            change(&mut header);
            block_hash(&header, &leaf(&record()))
        })
        .into_iter()
        .collect();
    hashes.insert(block_hash(&header(), &[]));
    assert_eq!(hashes.len(), changes.len() + 1);
}
