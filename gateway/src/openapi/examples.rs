//! What a body may look like, for those who learn from examples.

use serde_json::{Value, json};

use crate::route::Route;

/// An example of a route's body, where it has one.
pub(super) fn of(route: Route) -> Option<Value> {
    let example = match route {
        Route::JoinQueue => json!({ "access_code": "7K3M-Q0PX-ZD52", "more_time": true }),
        Route::TakeHold => json!({ "items": [
            { "tier": "ga", "quantity": 2 }, { "tier": "balcony", "seats": ["A-1", "A-2"] },
            { "tier": "stalls", "quantity": 3, "together": true },
        ] }),
        Route::CreateOrder => json!({
            "hold": "hold_0190c5a0b0c07abc8def0123456789ab", "email": "ada@example.org", "name": "Ada Lovelace",
        }),
        Route::JoinWaitlist => json!({ "tiers": ["ga"], "quantity": 2, "email": "ada@example.org" }),
        Route::ClaimOffer => json!({ "name": "Ada Lovelace" }),
        Route::PayOrder => json!({ "confirmation_token": "ctoken_1" }),
        Route::CreateSale => json!({
            "name": "Jazz Night", "currency": "eur", "time_zone": "Europe/Berlin", "venue": "Blue Note",
            "performances": [{ "starts_at": "2030-06-01T18:00:00Z", "ends_at": "2030-06-01T21:00:00Z" }],
            "terms": "Doors open at 19:00.",
            "opens_at": "2030-05-01T16:00:00Z", "closes_at": "2030-05-08T16:00:00Z",
            "phases": [
                {
                    "id": "presale", "opens_at": "2030-05-01T16:00:00Z", "access": "code",
                    "allocation": { "ga": 100, "balcony": 10 },
                },
                { "id": "general", "prequeue_opens_at": "2030-05-02T15:00:00Z", "opens_at": "2030-05-02T16:00:00Z" },
            ],
            "tiers": [
                { "id": "ga", "name": "Floor", "price": 4_500, "capacity": 500 },
                { "id": "balcony", "name": "Balcony", "price": 6_500, "rows": [{ "row": "A", "seats": 40 }] },
            ],
            "withheld": { "ga": 20, "balcony": ["A-1", "A-2"] },
            "join": { "proof_of_work_bits": 16 }, "admission": { "rate_per_s": 20, "max_shoppers": 400 },
        }),
        Route::ChangeSale => json!({
            "venue": "Red Note",
            "tiers": [
                { "id": "ga", "name": "Floor", "price": 4_500, "capacity": 600 },
                { "id": "balcony", "name": "Balcony", "price": 6_500, "rows": [{ "row": "A", "seats": 40 }] },
            ],
        }),
        Route::AddNotice => json!({ "text": "The second batch of tickets opens at 18:00." }),
        Route::SetAdmission => json!({ "rate_per_s": 25, "max_shoppers": 600 }),
        Route::CreateAccessCodes => json!({ "phase": "presale", "count": 100 }),
        Route::BypassQueue => json!({ "number": 42, "reason": "wheelchair user, asked at the support desk" }),
        Route::WithholdUnits => json!({ "tier": "ga", "quantity": 20 }),
        Route::ReleaseUnits => json!({ "tier": "balcony", "seats": ["A-1", "A-2"] }),
        Route::RefundOrder => json!({ "tickets": ["tkt_0190c5a0b0c07abc8def0123456789ab"], "reason": "cannot come" }),
        Route::RotateTicket | Route::RotateOwnTicket => json!({ "rotation": 0 }),
        Route::CheckIn => json!({
            "device": "gate-3", "sent_at": "2030-06-01T17:30:02Z",
            "scans": [{
                "id": "0190c5a0-b0c0-7abc-8def-0123456789ab", "at": "2030-06-01T17:30:01Z", "admitted": false,
                "text": "C80Y86000000W00W6DP6RYQFT06ZHLM*OH9L.C3IFJ000M20%20000000000000V508200959X09CBA25Z-NZB4KJ5U/O543FGNQSCQOA",
            }],
        }),
        Route::ActPlainly => json!("act=join&more_time=on"),
        _ => return None,
    };
    Some(example)
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::endpoints::organizer::{access_codes, change, door, line, notices, refunds, withholding};
    use crate::endpoints::tickets::acts;
    use crate::endpoints::{holds, orders, pay, queue, waitlist};
    use crate::openapi::exchange;

    fn reads<T: DeserializeOwned>(example: Value) -> bool {
        serde_json::from_value::<T>(example).is_ok()
    }

    #[test]
    fn every_example_is_a_body_that_its_route_takes_and_every_body_of_ours_has_one() {
        for route in Route::ALL {
            let Some(example) = of(*route) else {
                let body = exchange::of(*route).body;
                assert!(body.is_none_or(|given| given.shape.is_none()), "{} has no example", route.operation());
                continue;
            };
            let fits = match route {
                Route::JoinQueue => reads::<queue::JoinBody>(example),
                Route::TakeHold => reads::<holds::TakeBody>(example),
                Route::CreateOrder => reads::<orders::CreateBody>(example),
                Route::JoinWaitlist => reads::<waitlist::WishBody>(example),
                Route::ClaimOffer => reads::<waitlist::claim::ClaimBody>(example),
                Route::PayOrder => reads::<pay::PayBody>(example),
                Route::CreateSale => {
                    let config: domain::sale::SaleConfig = serde_json::from_value(example).unwrap();
                    config.faults().is_empty()
                }
                Route::ChangeSale => reads::<change::ChangeBody>(example),
                Route::AddNotice => reads::<notices::TellBody>(example),
                Route::SetAdmission => reads::<line::AdmissionPatch>(example),
                Route::CreateAccessCodes => reads::<access_codes::MakeCodesBody>(example),
                Route::BypassQueue => reads::<line::BypassBody>(example),
                Route::WithholdUnits | Route::ReleaseUnits => reads::<withholding::UnitsBody>(example),
                Route::RefundOrder => reads::<refunds::RefundBody>(example),
                Route::RotateTicket | Route::RotateOwnTicket => reads::<acts::RotateBody>(example),
                Route::CheckIn => reads::<door::CheckInBody>(example),
                _ => example.is_string(),
            };
            assert!(fits, "{}", route.operation());
        }
    }
}
