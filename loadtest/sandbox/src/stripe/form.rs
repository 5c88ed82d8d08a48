//! Form bodies as Stripe reads them: `a=1&metadata[order]=x&expand[]=latest_charge&payment_method_types[0]=card`.

use std::collections::BTreeMap;

use super::refusal::Refusal;

/// Most fields read from one form; Stripe allows 50 metadata keys beside a few dozen parameters.
const FIELDS_MAX: usize = 200;

/// Decoded fields in the order of their names, each under its full name such as `metadata[order]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Form {
    fields: BTreeMap<String, String>,
}

impl Form {
    /// Decodes a body or a query. An unnumbered list `a[]` is numbered; of a repeated name the last counts.
    pub(super) fn parse(encoded: &[u8]) -> Form {
        let mut form = Form::default();
        for (name, value) in form_urlencoded::parse(encoded).take(FIELDS_MAX) {
            let name = match name.strip_suffix("[]") {
                Some(list) => format!("{list}[{}]", form.list(list).len()),
                None => name.into_owned(),
            };
            form.fields.insert(name, value.into_owned());
        }
        form
    }

    /// The text of a field; an empty one counts as absent, as it does for Stripe.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A whole number.
    pub(super) fn number(&self, name: &'static str) -> Result<Option<i64>, Refusal> {
        self.text(name)
            .map(|value| value.parse().map_err(|_| Refusal::invalid(name, format!("Invalid integer: {value}"))))
            .transpose()
    }

    /// `true` or `false`.
    pub(super) fn is_set(&self, name: &'static str) -> Result<bool, Refusal> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(Refusal::invalid(name, format!("Invalid boolean: {other}"))),
        }
    }

    /// The fields `name[key]`, by key.
    pub(super) fn map(&self, name: &str) -> BTreeMap<String, String> {
        self.fields
            .iter()
            .filter_map(|(field, value)| {
                let key = field.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?;
                (!key.contains('[')).then(|| (key.to_owned(), value.clone()))
            })
            .collect()
    }

    /// The items of a list, `name[0]`, `name[1]` and so on.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let mut items: Vec<(usize, String)> =
            self.map(name).into_iter().filter_map(|(index, value)| Some((index.parse().ok()?, value))).collect();
        items.sort_unstable();
        items.into_iter().map(|(_, value)| value).collect()
    }

    /// The same form without `name`.
    pub(super) fn without(mut self, name: &str) -> Form {
        self.fields.remove(name);
        self
    }

    /// The same form with `name` set.
    pub(super) fn with(mut self, name: &str, value: &str) -> Form {
        self.fields.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Refuses any parameter whose first part is not in `known`, as Stripe does.
    pub(super) fn knows_only(&self, known: &[&str]) -> Result<(), Refusal> {
        match self.fields.keys().find(|field| !known.contains(&head(field))) {
            None => Ok(()),
            Some(field) => Err(Refusal::UnknownParameter { name: field.clone() }),
        }
    }
}

fn head(field: &str) -> &str {
    field.split('[').next().unwrap_or(field)
}

#[cfg(test)]
mod tests {
    use super::Form;

    #[test]
    fn nested_and_listed_fields_are_found() {
        let form = Form::parse(
            b"amount=1500&metadata[order]=ord%5F1&metadata[a+b]=c%26d&expand[]=x&expand[]=y&types[1]=b&types[0]=a",
        );
        assert_eq!(form.number("amount").unwrap(), Some(1500));
        assert_eq!(form.map("metadata")["order"], "ord_1");
        assert_eq!(form.map("metadata")["a b"], "c&d");
        assert_eq!(form.list("expand"), ["x", "y"]);
        assert_eq!(form.list("types"), ["a", "b"]);
    }

    #[test]
    fn deeper_fields_have_their_full_name() {
        let form = Form::parse(b"payment_method_options%5Bcard%5D%5Bcapture_method%5D=manual");
        assert_eq!(form.text("payment_method_options[card][capture_method]"), Some("manual"));
        assert!(form.map("payment_method_options").is_empty());
    }

    #[test]
    fn what_is_not_a_number_or_unknown_is_refused_by_name() {
        let form = Form::parse(b"amount=12.5&colour=red");
        assert!(form.number("amount").is_err());
        assert!(form.knows_only(&["amount"]).is_err());
        assert!(form.knows_only(&["amount", "colour"]).is_ok());
    }
}
