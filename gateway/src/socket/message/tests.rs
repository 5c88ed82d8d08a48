use super::*;
use crate::problem::Code;
use crate::trace::tests::any;

fn text(news: &News) -> serde_json::Value {
    serde_json::from_str(&FrameText::new(news, 7, Timestamp::UNIX_EPOCH).into_message()).unwrap()
}

#[test]
fn a_frame_says_what_it_is_and_counts() {
    let frame = text(&News::Reconnect { after_ms: 1_500 });
    let told = serde_json::json!({
        "v": 1, "type": "reconnect", "seq": 7, "server_time": "1970-01-01T00:00:00Z", "data": { "after_ms": 1_500 },
    });
    assert_eq!(frame, told);
}

#[test]
fn a_refusal_is_a_problem() {
    let trace = any().here.trace;
    let frame = text(&News::error(&Problem::new(Code::PlaceInvalid), trace));
    assert_eq!((&frame["type"], &frame["data"]["code"]), (&"error".into(), &"place_invalid".into()));
    assert_eq!((&frame["seq"], &frame["data"]["trace_id"]), (&7.into(), &trace.to_string().into()));
}

#[test]
fn an_event_is_the_frame_with_its_type_and_number() {
    let event = FrameText::new(&News::Reconnect { after_ms: 1 }, 3, Timestamp::UNIX_EPOCH).event();
    let (head, data) = event.split_once("data: ").unwrap();
    assert_eq!(head, "event: reconnect\nid: 3\n");
    let json = data.strip_suffix("\n\n").unwrap();
    assert!(!json.contains('\n'));
    assert_eq!(serde_json::from_str::<serde_json::Value>(json).unwrap()["type"], "reconnect");
}
