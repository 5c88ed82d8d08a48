use super::{NoSealHead, SealHead};

#[test]
fn a_head_is_read_as_it_is_written() {
    let head = SealHead { block: 12, hash: [0xab; 32] };
    let written = head.to_string();
    assert_eq!(written, format!("12:{}", "ab".repeat(32)));
    assert_eq!(written.parse(), Ok(head));
    for wrong in ["", "12", "12:", "12:ab", &written[2..], &format!("{written}00"), &written.replace("12:", "-1:")] {
        assert_eq!(wrong.parse::<SealHead>(), Err(NoSealHead), "{wrong}");
    }
}
