//! `/s/{slug}/plain`: the waiting room without JavaScript.

use http::{Method, StatusCode};
use sandbox::actors::{Answer, Edge, Visitor};
use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::world::{World, jazz_with};

/// A browser without JavaScript: it keeps cookies, follows nothing by itself and sends forms.
struct Browser<'a> {
    edge: &'a Edge,
    path: String,
    address: String,
    cookies: Vec<(String, String)>,
    keeps_cookies: Cookies,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cookies {
    Kept,
    Blocked,
}

impl<'a> Browser<'a> {
    fn new(world: &'a World, slug: &str, keeps_cookies: Cookies) -> Self {
        let path = format!("/s/{slug}/plain");
        Self { edge: &world.edge, path, address: Edge::address(), cookies: Vec::new(), keeps_cookies }
    }

    async fn opens(&mut self) -> Answer {
        self.asks(Method::GET, "", "").await
    }

    async fn sends(&mut self, form: &str) -> Answer {
        self.asks(Method::POST, "", form).await
    }

    async fn asks(&mut self, method: Method, query: &str, form: &str) -> Answer {
        let cookie = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let headers = [
            ("x-forwarded-for", self.address.as_str()),
            ("sec-fetch-site", "same-origin"),
            ("cookie", cookie.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let path = format!("{}{query}", self.path);
        let answer = self.edge.send(method, &path, &headers, form.to_owned().into()).await.unwrap();
        if self.keeps_cookies == Cookies::Kept {
            self.keep(&answer);
        }
        answer
    }

    fn keep(&mut self, answer: &Answer) {
        for set in answer.headers.get_all("set-cookie") {
            let (name, value) = set.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }
}

fn text(page: &Answer) -> &str {
    page.body.as_str().unwrap_or_default()
}

fn slug(sale: &Value) -> String {
    sale["slug"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_browser_without_javascript_joins_waits_has_its_turn_and_leaves() {
    let world = World::new().await;
    let config = jazz_with(10, json!({ "admission": { "max_shoppers": 1 } }));
    let sale = world.sale(&config).await;
    let mut first = Visitor::new(&world.edge, &sale);
    first.joins().await.unwrap();
    first.polls_for_turn(crate::world::SOON).await.unwrap();

    let mut browser = Browser::new(&world, &slug(&config), Cookies::Kept);
    let lobby = browser.opens().await;
    assert_eq!((lobby.status, lobby.header("content-type")), (StatusCode::OK, Some("text/html; charset=utf-8")));
    assert!(text(&lobby).contains("Join the queue") && text(&lobby).contains("45.48 EUR"), "{}", text(&lobby));
    let policy = lobby.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("script-src"), "{policy}");
    assert!(!text(&lobby).contains("<script"));

    let joined = browser.sends("act=join&more_time=on").await;
    assert_eq!((joined.status, joined.header("location")), (StatusCode::SEE_OTHER, Some(browser.path.as_str())));
    let waiting = browser.opens().await;
    let page = text(&waiting);
    assert!(page.contains("people are ahead of you") && page.contains("<dd>2</dd>"), "{page}");
    assert!(page.contains("<title>0 ahead of you") && page.contains("Leave the queue"), "{page}");
    let refresh = waiting.header("refresh").unwrap();
    let seconds: u32 = refresh.split(';').next().unwrap().parse().unwrap();
    assert!((3..15).contains(&seconds), "{refresh}: slower than the silence that passes over");
    assert_eq!(browser.asks(Method::GET, "?refresh=off", "").await.header("refresh"), None);

    first.leaves().await.unwrap();
    eventually("a turn", async || {
        let page = world.get_with(&browser.path, &[("cookie", &cookie(&browser))]).await;
        text(&page).contains("It is your turn") && text(&page).contains("needs JavaScript")
    })
    .await;
    assert_eq!(browser.sends("act=leave").await.status, StatusCode::SEE_OTHER);
    assert!(text(&browser.opens().await).contains("Join the queue"));
    world.stop().await;
}

fn cookie(browser: &Browser<'_>) -> String {
    browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn the_page_tells_an_opening_only_while_it_is_to_come() {
    let world = World::new().await;
    let (past, future) = ("2020-01-01T00:00:00Z", "2099-01-02T00:00:00Z");
    let phases = |first_closes_at: &str| {
        json!([
            { "id": "presale", "opens_at": past, "closes_at": first_closes_at, "access": "code" },
            { "id": "general", "opens_at": future },
        ])
    };
    for (config, told) in [
        (jazz_with(3, json!({ "venue": "Blue Note", "opens_at": past })), None),
        (jazz_with(3, json!({ "venue": "Blue Note", "opens_at": future })), Some("opens Fri 2 Jan 2099")),
        (jazz_with(3, json!({ "venue": "Blue Note", "opens_at": past, "phases": phases(future) })), None),
        (
            jazz_with(3, json!({ "venue": "Blue Note", "opens_at": past, "phases": phases("2020-01-02T00:00:00Z") })),
            Some("opens Fri 2 Jan 2099"),
        ),
    ] {
        world.sale(&config).await;
        let shown = Browser::new(&world, &slug(&config), Cookies::Kept).opens().await;
        let (_, facts) = text(&shown).split_once("<p class=\"facts\">").unwrap();
        let (facts, _) = facts.split_once("</p>").unwrap();
        assert!(facts.starts_with("Blue Note"), "{facts}");
        assert!(told.map_or(facts == "Blue Note", |told| facts.contains(told)), "{facts}, not {told:?}: {config}");
        assert!(!text(&shown).contains("2020"), "an opening that is over: {}", text(&shown));
    }
    world.stop().await;
}

#[tokio::test]
async fn a_browser_that_keeps_no_cookies_is_told_so_and_uses_up_no_number() {
    let world = World::new().await;
    let config = jazz_with(10, json!({}));
    let sale = world.sale(&config).await;
    let mut browser = Browser::new(&world, &slug(&config), Cookies::Blocked);
    for _ in 0..3 {
        browser.opens().await;
        let sent = browser.sends("act=join").await;
        let location = sent.header("location").unwrap().to_owned();
        assert_eq!((sent.status, location.ends_with("?cookie=missing")), (StatusCode::SEE_OTHER, true), "{location}");
        let told = browser.asks(Method::GET, "?cookie=missing", "").await;
        assert!(text(&told).contains("did not keep our cookie"), "{}", text(&told));
        assert_eq!(told.header("refresh"), None, "nothing is lost by reading on");
    }
    let joined = Visitor::new(&world.edge, &sale).joins().await.unwrap();
    assert_eq!(joined.body["place"]["number"], 1, "none of them used up a number");
    world.stop().await;
}

#[tokio::test]
async fn reloading_and_sending_again_keep_the_one_place() {
    let world = World::new().await;
    let config = jazz_with(10, json!({ "admission": { "max_shoppers": 1 } }));
    let sale = world.sale(&config).await;
    Visitor::new(&world.edge, &sale).joins().await.unwrap();
    let mut browser = Browser::new(&world, &slug(&config), Cookies::Kept);
    browser.opens().await;
    for _ in 0..4 {
        browser.sends("act=join").await;
        browser.opens().await;
    }
    let joined = Visitor::new(&world.edge, &sale).joins().await.unwrap();
    assert_eq!(joined.body["place"]["number"], 3);
    world.stop().await;
}

#[tokio::test]
async fn what_the_form_does_not_have_is_refused_and_nobody_elses_page_can_send_it() {
    let world = World::new().await;
    let config = jazz_with(10, json!({}));
    world.sale(&config).await;
    let mut browser = Browser::new(&world, &slug(&config), Cookies::Kept);
    browser.opens().await;
    for wrong in ["", "act=dance", "act=join&act=leave", "act=join&number=1", "act=join&more_time=1"] {
        assert_eq!(browser.sends(wrong).await.code(), Some("validation_failed"), "{wrong}");
    }
    let cookie = cookie(&browser);
    let path = browser.path.clone();
    let from = async |site: &str, media_type: &str| {
        let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", site), ("content-type", media_type)];
        world.edge.send(Method::POST, &path, &headers, "act=join".into()).await
    };
    let foreign = from("cross-site", "application/x-www-form-urlencoded").await.unwrap();
    assert_eq!((foreign.status, foreign.code()), (StatusCode::FORBIDDEN, Some("forbidden")));
    assert_eq!(from("same-origin", "text/plain").await.unwrap().code(), Some("unsupported_media_type"));
    let told = browser.asks(Method::GET, "?refused=%3Cscript%3E", "").await;
    assert!(!text(&told).contains("role=\"alert\"") && !text(&told).contains("<script>"), "{}", text(&told));
    world.stop().await;
}

#[tokio::test]
async fn names_and_notices_are_text_and_no_markup() {
    let world = World::new().await;
    let config = jazz_with(10, json!({ "name": "<b>Jazz</b> & Blues" }));
    let sale = world.sale(&config).await;
    world.organizer.says(&sale, "Doors <i>late</i>\nBring a coat").await.unwrap().expect(StatusCode::OK).unwrap();
    let mut browser = Browser::new(&world, &slug(&config), Cookies::Kept);
    let page = browser.opens().await;
    let page = text(&page);
    assert!(!page.contains("<b>") && !page.contains("<i>") && page.contains("Bring a coat"), "{page}");
    world.stop().await;
}

#[tokio::test]
async fn a_pause_is_told_with_what_it_means() {
    let world = World::new().await;
    let config = jazz_with(10, json!({ "admission": { "max_shoppers": 1 } }));
    let sale = world.sale(&config).await;
    let pause = format!("sales/{sale}/pause");
    world.organizer.asks(Method::POST, &pause, &Value::Null).await.unwrap().expect(StatusCode::OK).unwrap();
    let mut browser = Browser::new(&world, &slug(&config), Cookies::Kept);
    let path = browser.path.clone();
    eventually("the pause", async || text(&world.get(&path).await).contains("The organizer has paused the sale")).await;
    browser.opens().await;
    let refused = browser.sends("act=join").await;
    assert_eq!(refused.header("location"), Some(format!("{path}?refused=sale_paused").as_str()));
    assert!(text(&browser.asks(Method::GET, "?refused=sale_paused", "").await).contains("paused for a moment"));
    world.stop().await;
}
