//! What is on the page, and its text.

use askama::Template;

/// A number that needs smaller figures.
const LONG_FROM: u64 = 10_000;

/// The page of one visitor at one moment.
#[derive(Template)]
#[template(path = "plain.html")]
pub(super) struct Page {
    /// What a screen reader hears first, each time.
    pub(super) title: String,
    /// What people call the sale.
    pub(super) name: String,
    /// Where, and when the sale opens as long as it did not; may be empty.
    pub(super) facts: String,
    /// The sale's name in links.
    pub(super) slug: String,
    /// What went wrong with what the visitor did.
    pub(super) problems: Vec<&'static str>,
    /// What a pause means, while there is one.
    pub(super) pause: Option<&'static str>,
    /// What the organizer says.
    pub(super) notice: Option<NoticeText>,
    /// Where the visitor is.
    pub(super) view: View,
    /// What is sold.
    pub(super) tiers: Vec<TierLine>,
    /// When the page asks for itself again.
    pub(super) refresh_s: Option<u32>,
}

/// What the organizer says.
pub(super) struct NoticeText {
    /// What.
    pub(super) text: String,
    /// Since when.
    pub(super) at: String,
}

/// A tier.
pub(super) struct TierLine {
    /// What people call it.
    pub(super) name: String,
    /// All in.
    pub(super) price: String,
    /// How much is left, for the style sheet.
    pub(super) level: &'static str,
    /// How much is left, in words.
    pub(super) left: String,
}

/// Where the visitor is.
pub(super) enum View {
    /// Before joining.
    Lobby {
        /// Where the sale is, in two or three words.
        title: &'static str,
        /// What that means.
        message: String,
        /// How to join, when one can.
        form: Option<JoinForm>,
    },
    /// In the prequeue.
    Registered {
        /// When the order is drawn.
        opens: String,
    },
    /// Between the opening and the draw.
    Drawing,
    /// In line.
    Waiting {
        /// Live people with a smaller number.
        ahead: u64,
        /// The visitor's number.
        number: u64,
        /// How long it may take.
        wait: String,
        /// Whether anything will be left; empty where all is sold out, which says more.
        odds: &'static str,
    },
    /// It is the visitor's turn.
    Turn {
        /// Until when.
        until: String,
    },
    /// The place is gone.
    Over {
        /// Why.
        message: String,
        /// How to join again, when one can.
        form: Option<JoinForm>,
    },
    /// Nothing can be said.
    Trouble,
}

/// What is asked before joining.
#[derive(Clone, Copy)]
pub(super) struct JoinForm {
    /// What the button says.
    pub(super) button: &'static str,
    /// Whether some door takes an access code.
    pub(super) code: bool,
    /// Whether all do.
    pub(super) code_required: bool,
    /// Whether the sale asks for a proof of work, which a page without JavaScript cannot do.
    pub(super) proof: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(view: View) -> String {
        let tier = TierLine {
            name: "Floor".to_owned(),
            price: "45.48 EUR".to_owned(),
            level: "few",
            left: "Only 3 left".to_owned(),
        };
        let notice = NoticeText {
            text: "Doors at eight.\nBring a coat.".to_owned(),
            at: "Wed 1 May 2030, 20:00 CEST".to_owned(),
        };
        let page = Page {
            title: "Title".to_owned(),
            name: "Jazz & Blues".to_owned(),
            facts: "Blue Note".to_owned(),
            slug: "jazz".to_owned(),
            problems: vec!["It did not work."],
            pause: Some("It is paused."),
            notice: Some(notice),
            view,
            tiers: vec![tier],
            refresh_s: Some(5),
        };
        page.render().unwrap()
    }

    fn views() -> Vec<View> {
        let form = JoinForm { button: "Join the queue", code: true, code_required: false, proof: true };
        let text = || "Some words.".to_owned();
        vec![
            View::Lobby { title: "Open", message: text(), form: Some(form) },
            View::Lobby { title: "Not open", message: text(), form: None },
            View::Registered { opens: text() },
            View::Drawing,
            View::Waiting { ahead: 1, number: 17, wait: "8 to 12 minutes".to_owned(), odds: "Some words." },
            View::Turn { until: text() },
            View::Over { message: text(), form: Some(JoinForm { code_required: true, ..form }) },
            View::Trouble,
        ]
    }

    #[test]
    fn every_view_is_a_whole_page_whose_fields_have_labels_and_whose_text_is_text() {
        for (index, view) in views().into_iter().enumerate() {
            let html = page(view);
            assert!(
                html.starts_with("<!doctype html>\n<html lang=\"en\">") && html.ends_with("</html>"),
                "{index}: {html}"
            );
            assert_eq!((html.matches("<h1>").count(), html.matches("<main ").count()), (1, 1), "{index}");
            assert!(
                html.contains("Jazz &#38; Blues") && !html.contains("<script") && !html.contains("style="),
                "{index}: {html}"
            );
            assert_eq!(html.matches("<form ").count(), html.matches("</form>").count(), "{index}");
            assert_eq!(html.contains("id=\"access_code\""), html.contains("for=\"access_code\""), "{index}");
        }
    }

    #[test]
    fn one_person_is_one_person() {
        let waiting = |ahead| page(View::Waiting { ahead, number: 2, wait: String::new(), odds: "" });
        assert!(waiting(1).contains("person is ahead of you") && waiting(2).contains("people are ahead of you"));
    }
}
