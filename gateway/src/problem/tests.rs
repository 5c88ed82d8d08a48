use std::collections::BTreeSet;

use super::*;
use crate::trace::tests::any;

fn json(problem: &Problem) -> serde_json::Value {
    serde_json::to_value(problem.body(any().here.trace)).unwrap()
}

#[test]
fn a_problem_names_its_kind_in_words_for_programs_and_people() {
    let body = json(&Problem::new(Code::AllHeld));
    assert_eq!(body["trace_id"].as_str().map(str::len), Some(32));
    assert_eq!(body["type"], "/problems/all_held");
    assert_eq!(body["status"], 409);
    assert_eq!(body["code"], "all_held");
    assert!(body.get("errors").is_none() && body.get("detail").is_none());
}

#[test]
fn bad_input_is_told_fault_by_fault() {
    let body = json(&Problem::invalid_at("/items/0/quantity", "must be 1 to 20"));
    assert_eq!(body["errors"], serde_json::json!([{ "pointer": "/items/0/quantity", "detail": "must be 1 to 20" }]));
}

#[test]
fn waiting_is_proposed_where_it_helps_and_credentials_where_they_are_needed() {
    let answer = Problem::new(Code::StoreUnavailable).into_answer(any().here.trace);
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()[header::RETRY_AFTER], "1");
    assert_eq!(answer.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
    let answer = Problem::new(Code::PassExpired).into_answer(any().here.trace);
    assert_eq!(answer.headers()[header::WWW_AUTHENTICATE], "Bearer");
}

#[test]
fn words_are_unique() {
    let words: BTreeSet<_> = Code::ALL.iter().map(|code| code.word()).collect();
    assert_eq!(words.len(), Code::ALL.len());
}

#[test]
fn a_lost_store_is_503_and_a_fault_of_ours_500() {
    assert_eq!(Problem::from(AdmissionError::NotLoaded).code(), Code::StoreUnavailable);
    assert_eq!(Problem::from(AdmissionError::Script("?".to_owned())).code(), Code::InternalError);
    assert_eq!(Problem::from(LedgerError::Corrupt("?".to_owned())).code(), Code::InternalError);
    assert_eq!(Problem::from(StripeError::InUse).code(), Code::StoreUnavailable);
}

#[test]
fn the_page_about_the_waiting_room_names_the_refusals_that_belong_to_it() {
    let page = include_str!("../../../docs/waiting-room.md");
    for code in [Code::SaleNotOpen, Code::AccessCodeRequired, Code::ProofRequired, Code::NotWaiting, Code::NoRoom] {
        assert!(page.contains(&format!("`{}`", code.word())), "{code:?}");
    }
}

const PAGE: &str = include_str!("../../../docs/errors.md");

/// The cells of the page's rows of codes: code, status, when to try again.
fn rows() -> Vec<[&'static str; 3]> {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.map(|row| row.split(" | ").collect::<Vec<_>>());
    cells.filter(|cells| cells.len() > 4).map(|cells| [cells[0].trim_end_matches('`'), cells[1], cells[2]]).collect()
}

#[test]
fn the_page_about_errors_has_every_code_with_its_status_and_its_wait_and_no_other() {
    let rows = rows();
    let written: BTreeSet<_> = rows.iter().map(|[word, status, _]| (*word, (*status).to_owned())).collect();
    let declared: BTreeSet<_> =
        Code::ALL.iter().map(|code| (code.word(), code.status().as_u16().to_string())).collect();
    assert_eq!(written, declared);
    assert_eq!(rows.len(), declared.len(), "a code is there twice");
    for [word, _, wait] in rows {
        let code = Code::ALL.iter().find(|code| code.word() == word).unwrap();
        let seconds = wait.split_once(" s").and_then(|(seconds, _)| seconds.parse().ok());
        assert_eq!(seconds, code.retry_after_s(), "{word}: {wait}");
    }
}

/// What only the page of a sale knows.
const OF_THE_PAGE: [&str; 3] = ["network", "payment_over", "payment_unknown"];

#[test]
fn the_page_about_errors_has_every_sentence_of_the_sale_page_and_each_is_of_a_code() {
    let source = include_str!("../../web/assets/problems.js");
    let said: BTreeSet<_> =
        source.lines().filter_map(|line| line.strip_prefix("  ")?.strip_suffix("',")?.split_once(": '")).collect();
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix("` |"));
    let rows = rows.filter(|row| !row.starts_with('`')).filter_map(|row| row.split_once(" | `"));
    assert_eq!(rows.map(|(sentence, word)| (word, sentence)).collect::<BTreeSet<_>>(), said);
    let words: BTreeSet<_> = Code::ALL.iter().map(|code| code.word()).chain(OF_THE_PAGE).collect();
    assert!(said.iter().all(|(word, _)| words.contains(word)), "{said:?}");
    assert!(OF_THE_PAGE.iter().all(|word| PAGE.contains(&format!("(`{word}`)"))));
}
