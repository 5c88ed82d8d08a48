//! Calls about the account itself.

use serde_json::{Value, json};

use super::{Books, new_id};
use crate::stripe::account::WebhookEndpoint;
use crate::stripe::form::Form;
use crate::stripe::refusal::Refusal;

/// As many as Stripe takes.
const ENDPOINTS_MAX: usize = 16;
const LIST_PARAMETERS: [&str; 4] = ["ending_before", "expand", "limit", "starting_after"];

impl Books {
    pub(super) fn get_account(&self) -> Value {
        self.seller.shape()
    }

    pub(super) fn get_country(&self, id: &str) -> Result<Value, Refusal> {
        if id != self.seller.country {
            return Err(Refusal::Missing { what: "country_spec", id: id.to_owned() });
        }
        Ok(self.seller.country_shape())
    }

    pub(super) fn list_methods(&self, form: &Form) -> Result<Value, Refusal> {
        form.knows_only(&LIST_PARAMETERS)?;
        Ok(whole_list("/v1/payment_method_configurations", vec![self.seller.methods_shape(self.shape.mode)]))
    }

    pub(super) fn list_endpoints(&self, form: &Form) -> Result<Value, Refusal> {
        form.knows_only(&LIST_PARAMETERS)?;
        let all = self.endpoints.iter().map(|endpoint| endpoint.shape(self.shape.mode)).collect();
        Ok(whole_list("/v1/webhook_endpoints", all))
    }

    pub(super) fn create_endpoint(&mut self, form: &Form) -> Result<Value, Refusal> {
        form.knows_only(&["api_version", "description", "enabled_events", "expand", "metadata", "url"])?;
        let url = form.text("url").ok_or_else(|| Refusal::missing_parameter("url"))?;
        let events = form.list("enabled_events");
        if events.is_empty() {
            return Err(Refusal::missing_parameter("enabled_events"));
        }
        if self.endpoints.len() >= ENDPOINTS_MAX {
            return Err(Refusal::invalid("url", "You have reached the maximum of 16 webhook endpoints."));
        }
        let api_version = form.text("api_version").map(str::to_owned);
        let made = WebhookEndpoint { api_version, events, ..WebhookEndpoint::of(url) };
        let mut shape = made.shape(self.shape.mode);
        shape["secret"] = new_id("whsec_").into();
        self.endpoints.push(made);
        Ok(shape)
    }

    pub(super) fn update_endpoint(&mut self, id: &str, form: &Form) -> Result<Value, Refusal> {
        form.knows_only(&["description", "disabled", "enabled_events", "expand", "metadata", "url"])?;
        let (events, disabled) = (form.list("enabled_events"), form.text("disabled").map(|word| word == "true"));
        let url = form.text("url").map(str::to_owned);
        let mode = self.shape.mode;
        let found = self.endpoints.iter_mut().find(|endpoint| endpoint.id == id);
        let endpoint = found.ok_or_else(|| Refusal::Missing { what: "webhook endpoint", id: id.to_owned() })?;
        if !events.is_empty() {
            endpoint.events = events;
        }
        endpoint.enabled = disabled.map_or(endpoint.enabled, |disabled| !disabled);
        endpoint.url = url.unwrap_or_else(|| endpoint.url.clone());
        Ok(endpoint.shape(mode))
    }
}

/// All there are on one page: there are never more than a page holds.
fn whole_list(url: &str, data: Vec<Value>) -> Value {
    json!({ "object": "list", "data": data, "has_more": false, "url": url })
}
