use http::HeaderValue;

use super::*;

fn seen(peer: &str, forwarded: &[&'static str], proxies: &str) -> String {
    let mut headers = HeaderMap::new();
    for value in forwarded {
        headers.append("x-forwarded-for", HeaderValue::from_static(value));
    }
    client(peer.parse().unwrap(), &headers, &proxies.parse().unwrap()).to_string()
}

#[test]
fn a_stranger_is_not_believed() {
    assert_eq!(seen("203.0.113.9", &["10.1.1.1"], ""), "203.0.113.9");
    assert_eq!(seen("203.0.113.9", &["10.1.1.1"], "192.0.2.0/24"), "203.0.113.9");
}

#[test]
fn behind_trusted_proxies_the_first_stranger_from_the_right_is_the_client() {
    let proxies = "192.0.2.0/24, 10.0.0.0/8";
    assert_eq!(seen("192.0.2.1", &["198.51.100.7"], proxies), "198.51.100.7");
    assert_eq!(seen("192.0.2.1", &["1.1.1.1, 198.51.100.7, 10.0.0.3"], proxies), "198.51.100.7");
    assert_eq!(seen("192.0.2.1", &["1.1.1.1", "198.51.100.7"], proxies), "198.51.100.7");
    assert_eq!(seen("192.0.2.1", &["rubbish"], proxies), "192.0.2.1");
    assert_eq!(seen("192.0.2.1", &[], proxies), "192.0.2.1");
}

#[test]
fn an_ipv6_client_is_its_64() {
    assert_eq!(seen("2001:db8:1:2:3:4:5:6", &[], ""), "2001:db8:1:2::");
    assert_eq!(seen("2001:db8:1:2:ffff::1", &[], ""), "2001:db8:1:2::", "another address of the same line");
    assert_eq!(seen("2001:db8:1:3::1", &[], ""), "2001:db8:1:3::", "another line");
    assert_eq!(seen("192.0.2.1", &["2001:db8:1:2:3:4:5:6"], "192.0.2.0/24"), "2001:db8:1:2::");
    assert_eq!(seen("::ffff:203.0.113.9", &[], ""), "203.0.113.9");
}

#[test]
fn blocks_are_checked() {
    assert!("10.0.0.0/33".parse::<Cidr>().is_err() && "ten/8".parse::<Cidr>().is_err());
    let all: Cidr = "0.0.0.0/0".parse().unwrap();
    assert!(all.contains("203.0.113.9".parse().unwrap()));
    let one: Cidr = "203.0.113.9".parse().unwrap();
    assert!(one.contains("203.0.113.9".parse().unwrap()) && !one.contains("203.0.113.8".parse().unwrap()));
}
