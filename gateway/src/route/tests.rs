use std::collections::BTreeSet;

use super::*;
use crate::trace::tests::any;

#[test]
fn every_route_is_found_under_its_path() {
    let router = Router::new();
    for route in Route::ALL {
        let path = route.path().replace("{*file}", "a/b.css").replace(['{', '}'], "");
        match router.find(&route.method(), &path) {
            Matched::To(found, _) => assert_eq!(found, *route, "{path}"),
            Matched::Options(_) | Matched::Refused(_) => panic!("{path} leads nowhere"),
        }
    }
}

#[test]
fn placeholders_are_named() {
    let Matched::To(Route::ShowHold, params) = Router::new().find(&Method::GET, "/v1/sales/jazz/holds/hold_1") else {
        panic!("a hold has a path");
    };
    assert_eq!((params.text("sale"), params.text("hold")), ("jazz", "hold_1"));
}

#[test]
fn another_method_is_told_which_there_are() {
    let router = Router::new();
    let Matched::Refused(problem) = router.find(&Method::PUT, "/v1/sales/jazz/queue/place") else {
        panic!("nothing is put there");
    };
    assert_eq!(problem.code(), Code::MethodNotAllowed);
    assert_eq!(problem.into_answer(any().here.trace).headers()[header::ALLOW], "GET, DELETE, HEAD, OPTIONS");
    let Matched::Options(allow) = router.find(&Method::OPTIONS, "/v1/sales") else { panic!("OPTIONS is answered") };
    assert_eq!(allow, "GET, HEAD, OPTIONS");
}

/// Ways to write a path that some servers take for the same.
fn variants(path: &str) -> Vec<String> {
    let last = path.rfind('/').expect("a path has a slash");
    let (before, name) = (&path[..last], &path[last + 1..]);
    vec![
        format!("{path}/"),
        format!("{path}//"),
        format!("/{path}"),
        format!("{before}//{name}"),
        format!("{before}/./{name}"),
        format!("{path}/../{name}"),
        format!("{before}%2f{name}"),
        format!("{before}%2F{name}"),
        format!("{before}\\{name}"),
    ]
}

#[test]
fn variants_of_a_path_are_other_paths() {
    let router = Router::new();
    let in_the_api = |route: &&Route| route.path().starts_with("/v1/");
    for route in Route::ALL.iter().filter(in_the_api) {
        let path = route.path().replace(['{', '}'], "");
        let folded = [path.to_uppercase(), path.replacen("/v1", "/V1", 1), path.replacen("/v1", "/%761", 1)];
        for variant in variants(&path).into_iter().chain(folded) {
            let found = router.find(&route.method(), &variant);
            assert!(!matches!(found, Matched::To(found, _) if found == *route), "{variant} is {}", route.operation());
        }
    }
}

#[test]
fn a_method_is_one_of_its_own_spelling() {
    let router = Router::new();
    for wrong in ["get", "Get", "TRACE", "CONNECT", "POST "] {
        let Ok(method) = Method::from_bytes(wrong.as_bytes()) else { continue };
        assert!(matches!(router.find(&method, "/v1/sales"), Matched::Refused(_)), "{wrong}");
    }
}

#[test]
fn operations_are_unique() {
    let names: BTreeSet<_> = Route::ALL.iter().map(|route| route.operation()).collect();
    assert_eq!(names.len(), Route::ALL.len());
}
