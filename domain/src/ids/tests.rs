use super::*;

#[test]
fn an_id_reads_back_from_its_text() {
    let id = SaleId::from_uuid(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
    assert_eq!(id.to_string(), "sale_01900000000070008000000000000001");
    assert_eq!(id.to_string().parse(), Ok(id));
}

#[test]
fn an_id_of_another_kind_is_refused() {
    let order = OrderId::from_uuid(Uuid::from_u128(7)).to_string();
    assert_eq!(order.parse::<SaleId>(), Err(IdError::Prefix { expected: "sale_" }));
}

#[test]
fn only_the_canonical_digits_are_an_id() {
    for digits in [
        "",
        "1",
        "01900000-0000-7000-8000-000000000001",
        "0190000000007000800000000000000G",
        "0190000000007000800000000000000A",
    ] {
        assert_eq!(format!("sale_{digits}").parse::<SaleId>(), Err(IdError::Digits), "{digits}");
    }
}

#[test]
fn ids_sort_as_their_text_does() {
    let (small, large) = (HoldId::from_uuid(Uuid::from_u128(1)), HoldId::from_uuid(Uuid::from_u128(1 << 90)));
    assert!(small < large);
    assert!(small.to_string() < large.to_string());
}

#[test]
fn a_name_is_plain_and_short() {
    for good in ["ga", "1st-row", "stalls_left", &"x".repeat(32)] {
        assert!(good.parse::<TierId>().is_ok(), "{good}");
    }
    for bad in ["", "-a", "_a", "Ga", "a b", "ä", "a:b", "a{b}", &"x".repeat(33)] {
        assert_eq!(bad.parse::<TierId>(), Err(IdError::Name), "{bad}");
    }
}
