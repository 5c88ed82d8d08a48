use std::collections::BTreeSet;

use super::*;

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
    assert_eq!(problem.into_answer().headers()[header::ALLOW], "GET, DELETE, HEAD, OPTIONS");
    let Matched::Options(allow) = router.find(&Method::OPTIONS, "/v1/sales") else { panic!("OPTIONS is answered") };
    assert_eq!(allow, "GET, HEAD, OPTIONS");
}

#[test]
fn variants_of_a_path_are_other_paths() {
    for path in ["/v1/sales/", "/V1/sales", "//v1/sales", "/v1/sales/jazz/queue/place/", "/nothing"] {
        assert!(matches!(Router::new().find(&Method::GET, path), Matched::Refused(_)), "{path}");
    }
}

#[test]
fn operations_are_unique() {
    let names: BTreeSet<_> = Route::ALL.iter().map(|route| route.operation()).collect();
    assert_eq!(names.len(), Route::ALL.len());
}
