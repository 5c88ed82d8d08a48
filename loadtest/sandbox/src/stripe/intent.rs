//! A payment intent and the changes it allows.
//!
//! | change | from | to |
//! |---|---|---|
//! | attempt | `requires_payment_method` `requires_confirmation` `requires_action` | what the card does |
//! | authorise | an attempt, `requires_action`, `processing` | `requires_capture` (manual) or `succeeded` |
//! | fail | an attempt, `requires_action`, `processing` | `requires_payment_method` |
//! | capture | `requires_capture` | `succeeded` |
//! | cancel | anything but `succeeded` and `canceled` | `canceled` |
//!
//! Source: <https://docs.stripe.com/payments/paymentintents/lifecycle>.

use std::collections::BTreeMap;

use super::card::{Card, Decline};
use super::page::Row;

/// Stripe's statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IntentStatus {
    /// No payment method yet, or the last attempt failed.
    RequiresPaymentMethod,
    /// A payment method waits for `confirm`.
    RequiresConfirmation,
    /// The buyer must pass 3-D Secure.
    RequiresAction,
    /// The bank has not answered yet.
    Processing,
    /// The money is authorised.
    RequiresCapture,
    /// The money is captured.
    Succeeded,
    /// Nothing will be charged any more.
    Canceled,
}

impl IntentStatus {
    /// As Stripe writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            IntentStatus::RequiresPaymentMethod => "requires_payment_method",
            IntentStatus::RequiresConfirmation => "requires_confirmation",
            IntentStatus::RequiresAction => "requires_action",
            IntentStatus::Processing => "processing",
            IntentStatus::RequiresCapture => "requires_capture",
            IntentStatus::Succeeded => "succeeded",
            IntentStatus::Canceled => "canceled",
        }
    }

    pub(super) fn can_be_attempted(self) -> bool {
        use IntentStatus::{RequiresAction, RequiresConfirmation, RequiresPaymentMethod};
        matches!(self, RequiresPaymentMethod | RequiresConfirmation | RequiresAction)
    }

    pub(super) fn can_be_canceled(self) -> bool {
        !matches!(self, IntentStatus::Succeeded | IntentStatus::Canceled)
    }
}

/// How an authorised payment is captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CaptureMethod {
    Automatic,
    AutomaticAsync,
    Manual,
}

impl CaptureMethod {
    pub(super) fn parse(text: &str) -> Option<CaptureMethod> {
        [CaptureMethod::Automatic, CaptureMethod::AutomaticAsync, CaptureMethod::Manual]
            .into_iter()
            .find(|method| method.as_str() == text)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            CaptureMethod::Automatic => "automatic",
            CaptureMethod::AutomaticAsync => "automatic_async",
            CaptureMethod::Manual => "manual",
        }
    }
}

/// How the buyer is sent through 3-D Secure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ActionStyle {
    /// Stripe.js handles it in the page.
    InPage,
    /// The buyer is sent to a page of ours and back to the return URL.
    Redirect,
}

/// The payment method of the present attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Method {
    pub(super) id: String,
    pub(super) card: &'static Card,
    pub(super) fingerprint: String,
}

/// How the last attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) decline: Decline,
    pub(super) method: Method,
    pub(super) charge: Option<String>,
}

/// What the seller said when creating the intent; never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) capture_method: CaptureMethod,
    /// `payment_method_options[card][capture_method]`; Stripe takes `manual` only.
    pub(super) card_capture: Option<CaptureMethod>,
    pub(super) automatic_methods: Option<AllowRedirects>,
    pub(super) method_types: Vec<String>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) description: Option<String>,
    pub(super) receipt_email: Option<String>,
    pub(super) statement_descriptor_suffix: Option<String>,
}

/// `automatic_payment_methods[allow_redirects]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AllowRedirects {
    Always,
    Never,
}

/// A payment intent.
#[derive(Debug, Clone)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) created: i64,
    pub(super) terms: Terms,
    pub(super) status: IntentStatus,
    pub(super) method: Option<Method>,
    pub(super) action: ActionStyle,
    pub(super) return_url: Option<String>,
    pub(super) failure: Option<Failure>,
    pub(super) latest_charge: Option<String>,
    pub(super) captured: i64,
    pub(super) canceled: Option<Cancellation>,
}

/// When and why an intent was canceled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cancellation {
    pub(super) at: i64,
    pub(super) reason: Option<String>,
}

impl Intent {
    /// What is authorised and not captured.
    pub(super) fn capturable(&self) -> i64 {
        match self.status {
            IntentStatus::RequiresCapture => self.terms.amount,
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
            | IntentStatus::Processing
            | IntentStatus::Succeeded
            | IntentStatus::Canceled => 0,
        }
    }

    /// Whether a card payment waits for a capture.
    pub(super) fn is_captured_by_hand(&self) -> bool {
        self.terms.card_capture.unwrap_or(self.terms.capture_method) == CaptureMethod::Manual
    }

    /// The attempt went through at the bank.
    pub(super) fn authorise(&mut self, charge: String) {
        self.latest_charge = Some(charge);
        self.failure = None;
        if self.is_captured_by_hand() {
            self.status = IntentStatus::RequiresCapture;
        } else {
            self.captured = self.terms.amount;
            self.status = IntentStatus::Succeeded;
        }
    }

    /// The attempt failed; the payment method is given up, as Stripe does.
    pub(super) fn fail(&mut self, decline: Decline, charge: Option<String>) {
        if charge.is_some() {
            self.latest_charge.clone_from(&charge);
        }
        self.status = IntentStatus::RequiresPaymentMethod;
        self.failure = self.method.take().map(|method| Failure { decline, method, charge });
    }

    /// The seller takes `amount` of what is authorised; the rest is given back.
    pub(super) fn capture(&mut self, amount: i64) {
        self.captured = amount;
        self.status = IntentStatus::Succeeded;
    }

    /// Nothing will be charged any more.
    pub(super) fn cancel(&mut self, at: i64, reason: Option<String>) {
        self.status = IntentStatus::Canceled;
        self.canceled = Some(Cancellation { at, reason });
    }
}

impl Row for Intent {
    const WHAT: &'static str = "payment_intent";

    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}
