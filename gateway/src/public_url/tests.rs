use super::*;

#[test]
fn an_origin_is_taken_with_or_without_a_slash() {
    for text in ["https://Tickets.example", "https://tickets.example/"] {
        let url: PublicUrl = text.parse().unwrap();
        assert_eq!((url.origin(), url.transport()), ("https://tickets.example", Transport::Https));
    }
    assert_eq!("http://127.0.0.1:8080".parse::<PublicUrl>().unwrap().transport(), Transport::Http);
}

#[test]
fn anything_else_is_not() {
    for text in
        ["tickets.example", "ftp://tickets.example", "https://tickets.example/shop", "https://a.example/?q=1", ""]
    {
        assert!(text.parse::<PublicUrl>().is_err(), "{text}");
    }
}
