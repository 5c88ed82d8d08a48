//! Pages and what they are made of.

use http::{Method, StatusCode};

use crate::world::World;

#[tokio::test]
async fn pages_are_shells_with_a_policy_of_their_own() {
    let world = World::new().await;
    for path in
        ["/", "/s/jazz", "/s/jazz/checkout", "/s/jazz/orders/ord_1", "/s/jazz/waitlist", "/s/jazz/waitlist/wle_1"]
    {
        let page = world.get(path).await;
        assert_eq!(
            (page.status, page.header("content-type")),
            (StatusCode::OK, Some("text/html; charset=utf-8")),
            "{path}"
        );
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(policy.contains("https://js.stripe.com"), path.ends_with("checkout"), "{path}");
        let etag = page.header("etag").unwrap();
        let again = world.get_with(path, &[("if-none-match", etag)]).await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED);
        assert!(again.header("content-security-policy").is_some());
    }
    world.stop().await;
}

#[tokio::test]
async fn pages_go_out_compressed_to_whoever_takes_that() {
    let world = World::new().await;
    for path in ["/s/jazz", "/assets/sale.js", "/assets/onsale.css", "/openapi.json"] {
        let asked = async |method, headers: &[(&'static str, &str)]| {
            let answer = world.edge.send(method, path, headers, bytes::Bytes::new()).await.unwrap();
            let text = |name| answer.header(name).unwrap_or_default().to_owned();
            let length = answer.header("content-length").map(|length| length.parse::<usize>().unwrap());
            (answer.status, text("content-encoding"), text("vary"), text("etag"), length)
        };
        let whole = asked(Method::GET, &[]).await;
        let small = asked(Method::GET, &[("accept-encoding", "gzip, deflate, br")]).await;
        assert_eq!((small.1.as_str(), small.2.as_str(), whole.1.as_str()), ("gzip", "accept-encoding", ""), "{path}");
        assert_eq!(whole.2, "accept-encoding", "{path}: else a cache gives it to everybody");
        assert!(Some(0) < small.4 && small.4 < whole.4 && small.3 != whole.3, "{path}: {small:?} of {whole:?}");
        assert_eq!(asked(Method::HEAD, &[("accept-encoding", "gzip")]).await, small, "{path}");
        assert_eq!(asked(Method::HEAD, &[]).await, whole, "{path}");
        for method in [Method::GET, Method::HEAD] {
            let kept = asked(method, &[("accept-encoding", "gzip"), ("if-none-match", &small.3)]).await;
            // A length would have to be that of the whole file.
            assert_eq!(
                (kept.0, &kept.2, &kept.3, kept.4),
                (StatusCode::NOT_MODIFIED, &small.2, &small.3, None),
                "{path}"
            );
        }
        assert_eq!(asked(Method::GET, &[("if-none-match", &small.3)]).await, whole, "{path}: of another encoding");
    }
    world.stop().await;
}

#[tokio::test]
async fn without_javascript_the_page_leads_to_the_plain_one() {
    let world = World::new().await;
    let led = world.get("/s/jazz?plain").await;
    assert_eq!((led.status, led.header("location")), (StatusCode::SEE_OTHER, Some("/s/jazz/plain")));
    world.stop().await;
}

#[tokio::test]
async fn assets_are_served_and_nothing_else_is() {
    let world = World::new().await;
    let script = world.get("/assets/api.js").await;
    assert_eq!(
        (script.status, script.header("content-type")),
        (StatusCode::OK, Some("text/javascript; charset=utf-8"))
    );
    assert_eq!(script.header("x-content-type-options"), Some("nosniff"));
    for path in ["/assets/none.js", "/assets/../sale.html", "/assets/%2e%2e/sale.html", "/assets/"] {
        assert_eq!(world.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    world.stop().await;
}

#[tokio::test]
async fn the_document_is_served_as_it_is_generated() {
    let world = World::new().await;
    let served = world.get("/openapi.json").await.expect(StatusCode::OK).unwrap();
    assert_eq!(served, serde_json::to_value(gateway::openapi::document()).unwrap());
    world.stop().await;
}
