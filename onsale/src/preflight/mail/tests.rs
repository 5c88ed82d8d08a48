use super::*;
use crate::preflight::report::Mark;

#[test]
fn an_spf_record_is_there_once_and_has_an_end() {
    let many = format!("v=spf1 {}-all", "include:x.example ".repeat(11));
    for (texts, mark) in [
        (&["v=spf1 include:_spf.example -all", "other"][..], Mark::Ok),
        (&["V=SPF1 mx ~ALL"], Mark::Ok),
        (&["v=spf1 redirect=_spf.example"], Mark::Ok),
        (&["v=spf10 -all"], Mark::Fail),
        (&[], Mark::Fail),
        (&["v=spf1 -all", "v=spf1 mx -all"], Mark::Fail),
        (&["v=spf1 +all"], Mark::Fail),
        (&["v=spf1 all"], Mark::Fail),
        (&["v=spf1 ?all"], Mark::Warn),
        (&["v=spf1 mx"], Mark::Warn),
        (&[many.as_str()], Mark::Fail),
    ] {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(judge_spf("example.com", &texts).mark, mark, "{texts:?}");
    }
}

#[test]
fn a_key_that_was_withdrawn_is_none() {
    let has = |text: &str| has_key(&[text.to_owned()]);
    assert!(has("v=DKIM1; k=rsa; p=MIGf") && has("p=MIGf"));
    assert!(!has("v=DKIM1; p=") && !has("v=DKIM1; k=rsa") && !has_key(&[]));
}
