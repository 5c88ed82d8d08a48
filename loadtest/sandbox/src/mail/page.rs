//! The sink's page: the list of messages, one message, its parts, and the list as JSON.
//!
//! A message is somebody's input: text is escaped, HTML is shown in a frame without scripts, forms or an origin, and the
//! content policy allows nothing but the message's own images. Links open in a tab of their own.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use serde_json::{Value, json};

use super::{Attachment, Letters, Mail};
use crate::http::{Answer, answer};

const HTML: &str = "text/html; charset=utf-8";
const POLICY: &str = "default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'none'";
/// What the frame of a message may do: open a link of it elsewhere, no more.
const FRAME: &str = "allow-popups allow-popups-to-escape-sandbox";
const STYLE: &str = include_str!("page.css");
/// Types shown in place; anything else is offered as a file.
const SHOWN: [&str; 5] = ["image/png", "image/jpeg", "image/gif", "application/pdf", "text/plain"];

/// Answers one request.
pub(super) fn respond(letters: &Letters, request: &Request<Bytes>) -> Answer {
    let parts: Vec<&str> = request.uri().path().split('/').filter(|part| !part.is_empty()).collect();
    let found = match (request.method(), parts.as_slice()) {
        (&Method::GET, []) => Some(answer(StatusCode::OK, HTML, list(letters))),
        (&Method::GET, ["page.css"]) => Some(answer(StatusCode::OK, "text/css; charset=utf-8", STYLE)),
        (&Method::GET, ["mails.json"]) => Some(answer(StatusCode::OK, "application/json", listed(letters))),
        (&Method::GET, ["mails", id]) => mail(letters, id).map(|mail| answer(StatusCode::OK, HTML, shown(&mail))),
        (&Method::GET, ["mails", id, "raw"]) => {
            mail(letters, id).map(|mail| answer(StatusCode::OK, "text/plain; charset=utf-8", mail.raw))
        }
        (&Method::GET, ["mails", id, "parts", index]) => mail(letters, id).and_then(|mail| part(&mail, index)),
        _ => None,
    };
    guarded(found.unwrap_or_else(|| answer(StatusCode::NOT_FOUND, "text/plain", "There is no such page or mail.\n")))
}

fn guarded(mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn mail(letters: &Letters, id: &str) -> Option<Mail> {
    letters.mail(id.parse().ok()?)
}

fn part(mail: &Mail, index: &str) -> Option<Answer> {
    let attachment = mail.attachments().into_iter().nth(index.parse().ok()?)?;
    let shown = SHOWN.into_iter().find(|kind| *kind == attachment.content_type);
    let mut answer = answer(StatusCode::OK, shown.unwrap_or("application/octet-stream"), attachment.content);
    if shown.is_none() {
        answer.headers_mut().insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
    Some(answer)
}

fn listed(letters: &Letters) -> String {
    let mails: Vec<Value> = letters
        .state()
        .mails
        .iter()
        .rev()
        .map(|mail| {
            json!({
                "id": mail.id, "from": mail.from, "to": mail.to, "subject": mail.subject(),
                "received_s": mail.received_s, "text": mail.text(),
            })
        })
        .collect();
    json!({ "data": mails }).to_string()
}

fn list(letters: &Letters) -> String {
    let state = letters.state();
    let rows: String = state
        .mails
        .iter()
        .rev()
        .map(|mail| {
            format!(
                "<tr><td>{}</td><td>{}</td><td><a href=\"/mails/{}\">{}</a></td></tr>\n",
                mail.id,
                escape(&mail.to.join(", ")),
                mail.id,
                escape(&title(mail)),
            )
        })
        .collect();
    let body = format!(
        "<h1>Mail sink</h1>\n<p>{} messages kept; nothing is sent on. This page looks again every five seconds.</p>\n\
         <table><thead><tr><th scope=\"col\">No.</th><th scope=\"col\">To</th><th scope=\"col\">Subject</th></tr></thead>\n\
         <tbody>\n{rows}</tbody></table>\n",
        state.mails.len()
    );
    page("Mail sink", "<meta http-equiv=\"refresh\" content=\"5\">\n", &body)
}

fn shown(mail: &Mail) -> String {
    let attachments = mail.attachments();
    let headers: String = ["From", "To", "Subject", "Date", "Message-ID"]
        .into_iter()
        .filter_map(|name| Some(format!("<dt>{name}</dt><dd>{}</dd>\n", escape(&mail.header(name)?))))
        .collect();
    let html = mail.html().map(|html| frame(mail, &html, &attachments)).unwrap_or_default();
    let text = mail.text().map(|text| format!("<h2>Text</h2>\n<pre>{}</pre>\n", escape(&text))).unwrap_or_default();
    let files: String = attachments.iter().enumerate().map(|(index, file)| shown_part(mail, index, file)).collect();
    let id = mail.id;
    let body = format!(
        "<p><a href=\"/\">All messages</a> · <a href=\"/mails/{id}/raw\">raw</a></p>\n<h1>{}</h1>\n<dl>{headers}</dl>\n\
         {html}{text}<h2>Attached</h2>\n<ul>{files}</ul>\n",
        escape(&title(mail))
    );
    page(&title(mail), "", &body)
}

/// The HTML in a frame of its own, its `cid:` references leading to the message's parts.
fn frame(mail: &Mail, html: &str, attachments: &[Attachment]) -> String {
    let linked = attachments.iter().enumerate().fold(html.to_owned(), |html, (index, file)| match &file.content_id {
        Some(id) => html.replace(&format!("cid:{id}"), &format!("/mails/{}/parts/{index}", mail.id)),
        None => html,
    });
    let framed = escape(&format!("<base target=\"_blank\">{linked}"));
    format!("<h2>HTML</h2>\n<iframe sandbox=\"{FRAME}\" title=\"The message as HTML\" srcdoc=\"{framed}\"></iframe>\n")
}

fn shown_part(mail: &Mail, index: usize, file: &Attachment) -> String {
    let url = format!("/mails/{}/parts/{index}", mail.id);
    let name = escape(if file.name.is_empty() { &file.content_type } else { &file.name });
    let image = match file.content_type.as_str() {
        "image/png" | "image/jpeg" | "image/gif" => format!("<br><img src=\"{url}\" alt=\"{name}\">"),
        _ => String::new(),
    };
    format!("<li><a href=\"{url}\">{name}</a> ({} bytes){image}</li>\n", file.content.len())
}

fn title(mail: &Mail) -> String {
    let subject = mail.subject();
    if subject.is_empty() { "(no subject)".to_owned() } else { subject }
}

fn page(title: &str, head: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n{head}<title>{}</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<link rel=\"stylesheet\" href=\"/page.css\"></head>\n<body><main>\n{body}</main></body></html>\n",
        escape(title)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
