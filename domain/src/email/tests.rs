use super::{ascii_domain, buyer_of};

#[test]
fn spellings_of_one_mailbox_are_one_buyer() {
    for (spelling, buyer) in [
        ("ada@example.org", "ada@example.org"),
        ("Ada@Example.ORG", "ada@example.org"),
        ("ada+jazz@example.org", "ada@example.org"),
        ("ada+jazz+2@example.org", "ada@example.org"),
        ("ada@example.org.", "ada@example.org"),
        (" ada@example.org ", "ada@example.org"),
        ("Ü@例え.JP", "ü@xn--r8jz45g.jp"),
        ("ada@exam\u{ad}ple.org", "ada@example.org"),
        ("ada@exam\u{200b}ple.org", "ada@example.org"),
        ("ada@ｅｘａｍｐｌｅ。org", "ada@example.org"),
        ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
        ("A.d.a+x@GoogleMail.com", "ada@gmail.com"),
        ("ada@gmail.com", "ada@gmail.com"),
    ] {
        assert_eq!(buyer_of(spelling), buyer, "{spelling}");
        assert_eq!(buyer_of(buyer), buyer, "{spelling}: once is enough");
    }
}

#[test]
fn mailboxes_that_may_be_of_two_people_stay_two() {
    for (one, other) in [
        ("ada@example.org", "bea@example.org"),
        ("ada@example.org", "ada@example.com"),
        ("a.da@example.org", "ada@example.org"),
        ("ada@gmail.com", "ada@mail.example.org"),
        ("+ada@example.org", "+bea@example.org"),
    ] {
        assert_ne!(buyer_of(one), buyer_of(other), "{one} {other}");
    }
}

#[test]
fn what_is_no_address_is_left_as_it_is() {
    assert_eq!(buyer_of(""), "");
    assert_eq!(buyer_of("Ada"), "ada");
}

#[test]
fn what_is_no_name_of_a_host_has_no_spelling() {
    let long = format!("{}.org", "a".repeat(64));
    for domain in ["", ".", "evil.com＠x.org", "a b.org", "a..org", &long] {
        assert_eq!(ascii_domain(domain), None, "{domain}");
    }
    assert_eq!(ascii_domain("mail_1.example.org."), Some("mail_1.example.org.".to_owned()));
}
