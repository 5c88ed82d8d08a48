//! Pages and what they are made of.

use http::StatusCode;

use crate::world::World;

#[tokio::test]
async fn pages_are_shells_with_a_policy_of_their_own() {
    let world = World::new().await;
    for path in ["/", "/s/jazz", "/s/jazz/checkout", "/s/jazz/orders/ord_1"] {
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
