//! The closed list of what can go wrong.

use http::StatusCode;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal $status:ident $title:literal $(retry $retry_s:literal)?;)+) => {
        /// A kind of problem. Clients may rely on the words.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// Every code.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),+];

            /// The word clients see.
            pub(crate) const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }

            /// The HTTP status it comes with.
            pub(crate) const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status),+ }
            }

            /// The same in words for people.
            pub(crate) const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),+ }
            }

            /// What is behind it, for the page that explains it.
            pub(crate) const fn explanation(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+)),+ }
            }

            /// How long waiting makes sense, where it does.
            pub(crate) const fn retry_after_s(self) -> Option<u32> {
                match self { $(Self::$name => codes!(@retry $($retry_s)?)),+ }
            }
        }
    };
    (@retry) => { None };
    (@retry $seconds:literal) => { Some($seconds) };
}

codes! {
    /// The input breaks a rule; `errors` says where and which.
    ValidationFailed = "validation_failed" BAD_REQUEST "The input is not valid";
    /// The request must carry an Idempotency-Key, so that repeating it is safe.
    IdempotencyKeyMissing = "idempotency_key_missing" BAD_REQUEST "An Idempotency-Key is needed";
    /// The webhook's signature does not fit its body, or is too old.
    SignatureInvalid = "signature_invalid" BAD_REQUEST "The signature is not valid";

    /// Something must prove who is asking, and nothing did, or the key is not known.
    Unauthorized = "unauthorized" UNAUTHORIZED "Credentials are needed";
    /// The place token is not ours, or of another sale.
    PlaceInvalid = "place_invalid" UNAUTHORIZED "The place is not valid";
    /// The pass is not ours, or of another sale.
    PassInvalid = "pass_invalid" UNAUTHORIZED "The pass is not valid";
    /// The turn or the shopping session is over. The place may still have another turn.
    PassExpired = "pass_expired" UNAUTHORIZED "The pass has expired";
    /// The token is not ours, or of another order.
    TokenInvalid = "token_invalid" UNAUTHORIZED "The token is not valid";

    /// The card was declined. Another card, or the same one later, may work: try again with a new confirmation token.
    PaymentDeclined = "payment_declined" PAYMENT_REQUIRED "The payment was declined";
    /// The credentials are good and do not allow this, or the request comes from another site.
    Forbidden = "forbidden" FORBIDDEN "Not allowed";

    /// What is open now is open to those with an access code; the join showed none that is valid for it.
    AccessCodeRequired = "access_code_required" FORBIDDEN "An access code is needed";
    /// The sale asks for a proof of work with a join: solve a fresh challenge and join again with its nonce.
    ProofRequired = "proof_required" FORBIDDEN "A proof of work is needed";

    /// There is nothing here.
    NotFound = "not_found" NOT_FOUND "Not found";
    /// There is no such hold, or it is not this pass's.
    HoldNotFound = "hold_not_found" NOT_FOUND "No such hold";
    /// The path exists and does not take this method; `Allow` says which it takes.
    MethodNotAllowed = "method_not_allowed" METHOD_NOT_ALLOWED "Method not allowed";

    /// Every unit of the tier is ordered, sold or kept back. Those of an order that is not paid come back, so asking again now and then
    /// makes sense; `waitlist` is where to ask for what comes back, once the sale has a waitlist.
    SoldOut = "sold_out" CONFLICT "Sold out" retry 10;
    /// Fewer units of the tier are free or held than were asked for: ask for fewer, perhaps what the `alternatives` say is free.
    TooFewLeft = "too_few_left" CONFLICT "Not that many are left" retry 10;
    /// As many units of the tier are ordered or sold as may be in this phase of the sale. What it does not sell, and more, a later
    /// phase may: the detail says when it opens.
    AllocationSoldOut = "allocation_sold_out" CONFLICT "Sold out for this phase";
    /// Enough units are left, but other buyers hold so many that too few are free. Some come back.
    AllHeld = "all_held" CONFLICT "Held by others at the moment" retry 2;
    /// Seats that were asked for, or units of the hold, are somebody else's. Nothing is held any more: choose again, perhaps
    /// one of the `alternatives`.
    SeatTaken = "seat_taken" CONFLICT "A seat was taken";
    /// No row has so many free seats side by side. Ask for fewer, or say that seats apart will do.
    NoneTogether = "none_together" CONFLICT "Not that many together";
    /// More units than one buyer may have, of a tier or of all together: in the hold asked for, where `errors` says of what, or
    /// with the units ordered before with the same e-mail address or pass. An order that is refused for it leaves the hold as it is.
    LimitReached = "limit_reached" CONFLICT "More than one buyer may have";
    /// The bank said yes, and the card has paid for as many units as one buyer may have. The order is over, nothing is charged,
    /// and its units are on sale again.
    CardLimitReached = "card_limit_reached" CONFLICT "The card has paid for as many as one buyer may have";
    /// The pass has a live hold: one at a time.
    PassInUse = "pass_in_use" CONFLICT "The pass has a hold already";
    /// The hold's time is over and its units went back on sale.
    HoldExpired = "hold_expired" CONFLICT "The hold has expired";
    /// The hold was extended as often as it may be, lasts as long as it may already, or is an order by now.
    HoldNotExtendable = "hold_not_extendable" CONFLICT "The hold cannot be extended";
    /// The order's time is over and its units went back on sale.
    OrderExpired = "order_expired" CONFLICT "The order has expired";
    /// The order is past what was asked for: paid, being paid or given up.
    OrderNotPayable = "order_not_payable" CONFLICT "The order cannot be paid";
    /// An order cannot be given up once its payment is under way.
    OrderNotCancellable = "order_not_cancellable" CONFLICT "The order cannot be given up";
    /// The sale has not opened.
    SaleNotOpen = "sale_not_open" CONFLICT "The sale is not open yet";
    /// The sale is stopped for a while.
    SalePaused = "sale_paused" CONFLICT "The sale is paused" retry 5;
    /// The sale has ended.
    SaleClosed = "sale_closed" CONFLICT "The sale is closed";
    /// Units of the tier are free or held: there is nothing to wait for. Its waitlist is open while it is sold out.
    WaitlistNotOpen = "waitlist_not_open" CONFLICT "The waitlist is not open";
    /// The e-mail address, or the place in the queue, waits already or has an offer: one entry for each.
    AlreadyOnWaitlist = "already_on_waitlist" CONFLICT "On the waitlist already";
    /// There is no offer to take: it is not this entry's turn yet, or not any more. The detail says which.
    OfferNotLive = "offer_not_live" CONFLICT "There is no offer";
    /// The sale has no such coupon.
    CouponInvalid = "coupon_invalid" CONFLICT "The coupon is not valid";
    /// Another sale has that slug.
    SlugTaken = "slug_taken" CONFLICT "The slug is taken";
    /// The decision makes no sense in the state the sale is in.
    SaleStateConflict = "sale_state_conflict" CONFLICT "Not in this state";
    /// Fewer units are free than should be withheld. Those that buyers hold or ordered are theirs; held ones may come back.
    TooFewFree = "too_few_free" CONFLICT "Not that many are free";
    /// Not all of the units that should be released are withheld.
    NotWithheld = "not_withheld" CONFLICT "Not withheld";
    /// More than may still go back in this way: what was captured, less what went, is going or is disputed, and less fees where
    /// the sale keeps them. The detail says how much is left.
    RefundAboveCaptured = "refund_above_captured" CONFLICT "More than can go back";
    /// The order has nothing of its buyer's: it is not paid, or its payment came too late and goes back by itself.
    OrderNotRefundable = "order_not_refundable" CONFLICT "The order cannot be refunded";
    /// A ticket that opened the door is not given back; an amount may be.
    TicketUsed = "ticket_used" CONFLICT "The ticket was used";
    /// The ticket was given back before.
    TicketVoid = "ticket_void" CONFLICT "The ticket is void already";
    /// No ticket of the order opens the door any more, so there is nothing to send.
    TicketsNone = "tickets_none" CONFLICT "No ticket opens the door";
    /// The tickets were sent again as often as a buyer may ask; the organizer still can.
    LettersLimitReached = "letters_limit_reached" CONFLICT "Sent as often as may be";
    /// The code was replaced meanwhile, or as often as it may be: look at the ticket, and name the rotation it has.
    RotationStale = "rotation_stale" CONFLICT "The code was replaced meanwhile";
    /// Nobody is waiting with that number: it was never given, or is inside, gone or over.
    NotWaiting = "not_waiting" CONFLICT "Nobody waits with that number";
    /// As many shoppers are inside as may be.
    NoRoom = "no_room" CONFLICT "No room inside" retry 5;
    /// The same request is being answered.
    RequestInProgress = "request_in_progress" CONFLICT "The request is in progress" retry 1;

    /// The sale is published or over, and what is named in `errors` may not change any more.
    NotChangeable = "not_changeable" CONFLICT "Not to be changed any more";

    /// It was changed since the version that `If-Match` names; `ETag` says which it has now. Look at it, and ask again.
    PreconditionFailed = "precondition_failed" PRECONDITION_FAILED "Changed meanwhile";
    /// A change must name the version that it is of in `If-Match`: the `ETag` of the answer that showed it.
    PreconditionRequired = "precondition_required" PRECONDITION_REQUIRED "If-Match is needed";
    /// The body is larger than this endpoint takes.
    BodyTooLarge = "body_too_large" PAYLOAD_TOO_LARGE "The body is too large";
    /// The body must be application/json; where a page has a form, what an HTML form sends.
    UnsupportedMediaType = "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE "Not a media type taken here";
    /// The Idempotency-Key was used for another request.
    IdempotencyKeyReused = "idempotency_key_reused" UNPROCESSABLE_ENTITY "The Idempotency-Key was used before";
    /// The endpoint speaks WebSocket with the sub-protocol v1.onsale.
    UpgradeRequired = "upgrade_required" UPGRADE_REQUIRED "A WebSocket is needed";
    /// More requests than one client may make; `Retry-After` says when the next may come.
    RateLimited = "rate_limited" TOO_MANY_REQUESTS "Too many requests";

    /// A fault of ours. It is logged.
    InternalError = "internal_error" INTERNAL_SERVER_ERROR "Something went wrong here";
    /// A store that this needs is away. Nothing is lost: try again.
    StoreUnavailable = "store_unavailable" SERVICE_UNAVAILABLE "Not available for a moment" retry 1;
    /// More requests at once than this gateway takes, or one took too long. Try again.
    Overloaded = "overloaded" SERVICE_UNAVAILABLE "Too busy for a moment" retry 2;
}
