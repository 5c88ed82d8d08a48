//! What is looked at before a sale: the account, its payment methods, its webhook endpoints.

use payments::api_version;
use payments::webhook::NEEDED;
use sandbox::{Account, WebhookEndpoint};

use crate::till::Till;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

const URL: &str = "https://tickets.example/v1/stripe/webhook?a=1&b=2";

#[tokio::test]
async fn the_account_says_what_it_may_do_and_take_and_when() {
    let till = Till::open().await;
    let before = domain::clock::Clock::system().now();
    let account = till.stripe.account().await.expect("an account");
    assert!(account.charges_enabled && account.currently_due().is_empty());
    let late = account.answered_at.expect("a date").duration_since(before);
    assert!(late.as_secs().abs() <= 30, "{late:?}");
    let country = account.country.expect("a country");
    assert!(till.stripe.payment_currencies(&country).await.expect("a country").contains(&"eur".to_owned()));
    till.stripe.payment_currencies("XX").await.expect_err("no such country");
    let methods = till.stripe.payment_methods().await.expect("a list").expect("a default set");
    assert_eq!((methods.captured_later, methods.captured_at_once), (words(&["card", "link"]), vec![]));

    till.fake.set_account(Account {
        charges_enabled: false,
        methods: words(&["klarna", "sepa_debit"]),
        currently_due: vec!["tos_acceptance.date".to_owned()],
        ..Account::default()
    });
    let account = till.stripe.account().await.expect("an account");
    assert_eq!((account.charges_enabled, account.currently_due().len()), (false, 1));
    let methods = till.stripe.payment_methods().await.expect("a list").expect("a default set");
    assert_eq!((methods.captured_later, methods.captured_at_once), (vec![], words(&["klarna"])));
    assert_eq!(methods.left_out, words(&["sepa_debit"]));
}

#[tokio::test]
async fn an_endpoint_is_made_once_with_our_version_and_mended_in_what_can_change() {
    let till = Till::open().await;
    assert_eq!(till.stripe.endpoints().await.expect("a list"), []);
    let made = till.stripe.create_endpoint(URL, &NEEDED).await.expect("a new one");
    assert!(made.secret.as_ref().is_some_and(|secret| secret.starts_with("whsec_")));
    assert_eq!((made.url.as_str(), made.api_version.as_deref()), (URL, Some(api_version())));
    assert!(made.is_enabled() && made.lacks(&NEEDED).is_empty(), "{made:?}");

    let mut left = till.fake.endpoints();
    left[0].enabled = false;
    left[0].events = vec![NEEDED[0].to_owned()];
    till.fake.set_endpoints(left);
    let listed = till.stripe.endpoints().await.expect("a list").remove(0);
    assert!(!listed.is_enabled() && listed.secret.is_none());
    assert_eq!(listed.lacks(&NEEDED), NEEDED[1..]);
    let mended = till.stripe.update_endpoint(&listed.id, &NEEDED).await.expect("it is there");
    assert!(mended.is_enabled() && mended.lacks(&NEEDED).is_empty(), "{mended:?}");

    till.fake.set_endpoints(vec![WebhookEndpoint { api_version: None, ..WebhookEndpoint::of(URL) }]);
    let hears_all = till.stripe.endpoints().await.expect("a list").remove(0);
    assert!(hears_all.api_version.is_none() && hears_all.lacks(&NEEDED).is_empty());
}
