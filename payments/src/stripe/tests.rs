use super::*;

fn config(key: &str, base: &'static str) -> StripeConfig {
    StripeConfig {
        secret_key: SecretString::from(key),
        api_base: Uri::from_static(base),
        timeout: Duration::from_secs(1),
    }
}

fn fault(key: &str, base: &'static str) -> Option<BadStripeConfig> {
    Stripe::new(config(key, base)).err()
}

fn intent(capture: CaptureMode) -> CreateIntent {
    CreateIntent {
        sale: "sale_0192f0a1b2c37d4e8f90a1b2c3d4e5f6".parse().expect("an id"),
        order: "ord_0192f0a1b2c37d4e8f90a1b2c3d4e5f7".parse().expect("an id"),
        attempt: 2,
        amount: Money::new(4_350, domain::Currency::EUR),
        confirmation_token: "ctoken_1".to_owned(),
        return_url: "https://tickets.example/s/x/orders/ord_1".to_owned(),
        capture,
        description: "2 tickets".to_owned(),
        memo: vec![("units".to_owned(), "ga:0-1".to_owned()), ("order".to_owned(), "another".to_owned())],
    }
}

fn form(capture: CaptureMode) -> String {
    let request = create_request(&intent(capture)).build();
    assert_eq!(request.path, "/payment_intents");
    request.body.expect("a form")
}

#[test]
fn a_live_key_never_crosses_the_network_in_the_clear() {
    assert_eq!(fault("sk_live_1", "http://stripe.example"), Some(BadStripeConfig::LiveKeyInTheClear));
    assert_eq!(fault("rk_live_1", "http://127.0.0.1:1"), Some(BadStripeConfig::LiveKeyInTheClear));
    assert_eq!(fault("sk_live_1", "https://api.stripe.com"), None);
    assert_eq!(fault("sk_test_1", "http://127.0.0.1:1"), None);
}

#[test]
fn a_base_is_an_absolute_url_and_a_key_fits_a_header() {
    assert_eq!(fault("sk_test_1", "/v1"), Some(BadStripeConfig::Base));
    assert_eq!(fault("sk_test_1", "ftp://stripe.example"), Some(BadStripeConfig::Base));
    assert_eq!(fault("sk_test_\n1", "https://api.stripe.com"), Some(BadStripeConfig::Key));
}

#[test]
fn the_key_says_whether_money_is_real() {
    let livemode =
        |key: &str| Stripe::new(config(key, "https://api.stripe.com")).expect("a good configuration").livemode();
    assert!(livemode("sk_live_1"));
    assert!(livemode("rk_live_1"));
    assert!(!livemode("sk_test_live_1"));
}

#[test]
fn manual_capture_is_asked_of_the_methods_that_have_it() {
    let manual = form(CaptureMode::Manual);
    assert!(manual.contains("payment_method_options[card][capture_method]=manual"), "{manual}");
    assert!(!form(CaptureMode::Automatic).contains("capture_method"));
}

#[test]
fn a_payment_is_confirmed_as_it_is_made_and_names_its_order() {
    let form = form(CaptureMode::Manual);
    for part in [
        "amount=4350",
        "currency=eur",
        "confirm=true",
        "confirmation_token=ctoken_1",
        "metadata[sale]=sale_0192f0a1b2c37d4e8f90a1b2c3d4e5f6",
        "metadata[order]=ord_0192f0a1b2c37d4e8f90a1b2c3d4e5f7",
        "metadata[attempt]=2",
        "metadata[units]=ga:0-1",
        "expand[0]=latest_charge",
        "excluded_payment_method_types[0]=acss_debit",
    ] {
        assert!(form.split('&').any(|pair| pair == part), "{part} in {form}");
    }
}
