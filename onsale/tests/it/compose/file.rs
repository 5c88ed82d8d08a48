//! The compose file as an engine reads it: strict YAML, merge keys followed, variables put in.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Value};

/// Reads the text of a compose file; a key that is there twice is a fault.
pub(super) fn read(text: &str, variables: &BTreeMap<String, String>) -> Result<Value, String> {
    let mut reading = Reading { events: Parser::new_from_str(text), variables, anchors: BTreeMap::new() };
    loop {
        match reading.event()? {
            Event::StreamStart | Event::DocumentStart(_) => {}
            event => return reading.value(event),
        }
    }
}

/// The variables of an `.env` file.
pub(super) fn variables(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned())).collect()
}

struct Reading<'a> {
    events: Parser<'a, StrInput<'a>>,
    variables: &'a BTreeMap<String, String>,
    anchors: BTreeMap<usize, Value>,
}

impl<'a> Reading<'a> {
    fn event(&mut self) -> Result<Event<'a>, String> {
        let (event, _) = self.events.next().ok_or("it ends too early")?.map_err(|error| error.to_string())?;
        Ok(event)
    }

    fn value(&mut self, event: Event<'a>) -> Result<Value, String> {
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, _) => (anchor, self.scalar(&text, style)?),
            Event::SequenceStart(anchor, _) => (anchor, self.sequence()?),
            Event::MappingStart(anchor, _) => (anchor, self.mapping()?),
            Event::Alias(anchor) => return self.anchors.get(&anchor).cloned().ok_or("an alias of nothing".to_owned()),
            event => return Err(format!("{event:?} is no value")),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    fn scalar(&self, text: &str, style: ScalarStyle) -> Result<Value, String> {
        let plain = style == ScalarStyle::Plain;
        Ok(match text {
            "" | "~" | "null" if plain => Value::Null,
            "true" | "false" if plain => (text == "true").into(),
            _ => match text.parse::<u64>() {
                Ok(number) if plain => number.into(),
                _ => interpolated(text, self.variables)?.into(),
            },
        })
    }

    fn sequence(&mut self) -> Result<Value, String> {
        let mut items = Vec::new();
        loop {
            match self.event()? {
                Event::SequenceEnd => return Ok(items.into()),
                event => items.push(self.value(event)?),
            }
        }
    }

    fn mapping(&mut self) -> Result<Value, String> {
        let (mut own, mut merged) = (Map::new(), Map::new());
        loop {
            let name = match self.event()? {
                Event::MappingEnd => break,
                Event::Scalar(name, ..) => name,
                event => return Err(format!("{event:?} is no key")),
            };
            let event = self.event()?;
            match (name, self.value(event)?) {
                (name, Value::Object(below)) if name == "<<" => merged = below,
                (name, value) => {
                    if own.insert(name.to_string(), value).is_some() {
                        return Err(format!("{name} is there twice"));
                    }
                }
            }
        }
        merged.extend(own);
        Ok(merged.into())
    }
}

/// `${NAME:-otherwise}`, `${NAME:?why not}` and `$$`; nothing else is used.
fn interpolated(text: &str, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let (mut done, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        done.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            done.push('$');
            rest = after;
            continue;
        }
        let (inside, after) = after.strip_prefix('{').and_then(|after| after.split_once('}')).ok_or(text)?;
        let (name, otherwise) = inside.split_once(':').ok_or(text)?;
        let given = variables.get(name).filter(|value| !value.is_empty());
        match (given, otherwise.strip_prefix('-')) {
            (Some(given), _) => done.push_str(given),
            (None, Some(otherwise)) => done.push_str(otherwise),
            (None, None) => return Err(format!("{name} {}", otherwise.trim_start_matches('?'))),
        }
        rest = after;
    }
    Ok(done + rest)
}
