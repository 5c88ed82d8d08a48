use std::collections::HashSet;

use domain::SaleId;
use domain::token::Holder;
use uuid::Uuid;

use super::{Key, SaleKeys, visitor_bucket, visitor_field};
use crate::RequestId;

#[test]
fn all_keys_of_a_sale_share_its_hash_tag() {
    let sale = SaleId::from_uuid(Uuid::from_u128(7));
    let keys = SaleKeys::new(sale).of_holder(Holder([9; 16]));
    assert_eq!(keys.name(Key::Line), format!("onsale:{{{sale}}}:line"));
    assert_eq!(keys.name(Key::Age(2)), format!("onsale:{{{sale}}}:age:2"));
    assert_eq!(keys.name(Key::Visitors), format!("onsale:{{{sale}}}:visitors:2313"));
    let request = keys.of_request(RequestId([0xab; 32])).name(Key::Request);
    assert_eq!(request, format!("onsale:{{{sale}}}:request:{}", "ab".repeat(32)));
}

#[test]
fn bucket_and_field_together_tell_every_holder_apart() {
    let holders = (0..=u16::MAX).map(|front| {
        let mut bytes = [7; 16];
        bytes[..2].copy_from_slice(&front.to_be_bytes());
        Holder(bytes)
    });
    let places: HashSet<_> = holders.map(|holder| (visitor_bucket(holder), visitor_field(&holder))).collect();
    assert_eq!(places.len(), usize::from(u16::MAX) + 1);
}

#[test]
fn an_account_at_stripe_has_a_hash_tag_of_its_own() {
    let keys = SaleKeys::of_stripe([0, 0, 0, 0, 0, 0, 0xab, 0xcd]);
    assert_eq!(keys.name(Key::Budget), "onsale:{stripe-000000000000abcd}:budget");
    assert_eq!(keys.clock_offset(), "onsale:{stripe-000000000000abcd}:clock_offset");
}
