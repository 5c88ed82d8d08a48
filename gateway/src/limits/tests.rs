use super::*;
use crate::trace::tests::any;

fn limits(text: &str) -> Limits {
    Limits::new(&text.parse().unwrap())
}

fn from(last: u8) -> Client {
    Client::Address(IpAddr::from([203, 0, 113, last]))
}

#[test]
fn one_too_many_is_told_when_to_come_back_and_others_are_not_touched() {
    let limits = limits("join=2/10s");
    assert_eq!(limits.count(Limit::Join, from(1)).unwrap().unwrap().remaining, 1);
    assert_eq!(limits.count(Limit::Join, from(1)).unwrap().unwrap().remaining, 0);
    let refused = limits.count(Limit::Join, from(1)).unwrap_err().into_answer(any().here.trace);
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["ratelimit-policy"], "\"join\";q=2;w=10");
    let wait_s: u32 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=6).contains(&wait_s), "{wait_s}");
    assert!(limits.count(Limit::Join, from(2)).is_ok(), "another address has a bucket of its own");
    assert!(limits.count(Limit::Read, from(1)).is_ok(), "another limit has a bucket of its own");
}

#[test]
fn what_is_left_goes_with_the_answer() {
    let left = limits("join=5/10s").count(Limit::Join, from(1)).unwrap().unwrap();
    let mut answer = crate::answer::empty(http::StatusCode::OK);
    left.tell(&mut answer);
    assert_eq!(answer.headers()["ratelimit"], "\"join\";r=4;t=10");
}

#[test]
fn five_thousand_people_behind_one_address_can_join() {
    let limits = limits("");
    let admitted = (0..20_000).take_while(|_| limits.count(Limit::Join, from(1)).is_ok()).count();
    // Some more come back while the loop runs, 500 a second.
    assert!((5_000..20_000).contains(&admitted), "{admitted}");
}

/// A page with its files, the sale, a proof of work, two tries to join, a socket, and ten polls for when it is blocked.
const VISIT: [(Limit, u32); 5] =
    [(Limit::Page, 1 + 15), (Limit::Read, 2), (Limit::Join, 2), (Limit::Live, 1), (Limit::Shop, 10)];

#[test]
fn five_thousand_people_behind_one_address_get_through_the_opening_at_once() {
    let limits = limits("");
    for (limit, times) in VISIT {
        for _ in 0..5_000 * times {
            assert!(limits.count(limit, from(1)).is_ok(), "{}", limit.word());
        }
    }
    for _ in 0..5_000 {
        limits.count(Limit::Code, from(1)).unwrap();
    }
    for _ in 0..100 {
        limits.count_wrong_code(from(1)).unwrap();
    }
}

#[test]
fn a_guesser_of_codes_runs_dry_long_before() {
    let limits = limits("");
    let guesses = (0..10_000)
        .take_while(|_| limits.count(Limit::Code, from(1)).is_ok() && limits.count_wrong_code(from(1)).is_ok())
        .count();
    assert!((150..=250).contains(&guesses), "{guesses}");
    assert!(limits.count(Limit::Code, from(2)).is_ok(), "another address has a bucket of its own");
}

#[test]
fn off_is_off() {
    let limits = limits("off");
    for _ in 0..10_000 {
        assert_eq!(limits.count(Limit::Pay, from(1)).unwrap(), None);
        limits.count_wrong_code(from(1)).unwrap();
    }
}

#[test]
fn a_list_of_limits_is_checked() {
    assert_eq!("jion=5/10s".parse::<RateLimits>().unwrap_err(), RateLimitsError::Name("jion".to_owned()));
    for wrong in ["join", "join=5", "join=0/10s", "join=5/10", "join=5/0s"] {
        assert!(matches!(wrong.parse::<RateLimits>(), Err(RateLimitsError::Shape(_))), "{wrong}");
    }
}

#[test]
fn the_page_of_variables_and_a_refusal_name_every_limit() {
    let page = include_str!("../../../docs/configuration.md");
    let row = page.lines().find(|line| line.starts_with("| `ONSALE_RATE_LIMITS`")).unwrap();
    let refusal = RateLimitsError::Name("jion".to_owned()).to_string();
    for limit in Limit::ALL {
        assert!(row.contains(&format!("`{}`", limit.word())), "{limit:?}: {row}");
        assert!(refusal.split([' ', ',']).any(|word| word == limit.word()), "{limit:?}: {refusal}");
        let RateLimit { burst, period_s } = RateLimits::default().of(limit).unwrap();
        let default = format!("`{}={burst}/{period_s}s`", limit.word());
        assert!(page.contains(&default), "{default}");
    }
}
