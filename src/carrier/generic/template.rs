//! What a send is written from: a body or a header with places for what differs, like `{to}`.

use super::settings::Format;
use crate::carrier::Outbound;
use crate::model::Timestamp;
use serde_json::{Map, Value};
use std::time::Duration;

/// Something that differs between sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    From,
    FromDigits,
    To,
    ToDigits,
    Text,
    /// Our message id.
    Message,
    Attempt,
    /// The URL for receipts of this message.
    ReceiptsUrl,
    ValidForSecs,
    ExpiresAt,
}

const PLACES: [(&str, Place); 10] = [
    ("from", Place::From),
    ("from_digits", Place::FromDigits),
    ("to", Place::To),
    ("to_digits", Place::ToDigits),
    ("text", Place::Text),
    ("message", Place::Message),
    ("attempt", Place::Attempt),
    ("receipts_url", Place::ReceiptsUrl),
    ("valid_for_secs", Place::ValidForSecs),
    ("expires_at", Place::ExpiresAt),
];

/// The values of one send.
pub(super) struct Values<'a> {
    pub(super) send: &'a Outbound,
    pub(super) receipts_url: &'a str,
    pub(super) now: Timestamp,
}

impl Values<'_> {
    fn of(&self, place: Place) -> String {
        let Self { send, receipts_url, now } = self;
        let digits = |number: String| number.trim_start_matches('+').to_owned();
        match place {
            Place::From => send.from.to_string(),
            Place::FromDigits => digits(send.from.to_string()),
            Place::To => send.to.to_string(),
            Place::ToDigits => digits(send.to.to_string()),
            Place::Text => send.text.clone(),
            Place::Message => send.message.to_string(),
            Place::Attempt => send.attempt.to_string(),
            Place::ReceiptsUrl => format!("{receipts_url}?message={}", send.message),
            Place::ValidForSecs => send.valid_for_secs.to_string(),
            Place::ExpiresAt => (*now + Duration::from_secs(send.valid_for_secs.into())).to_string(),
        }
    }
}

/// A text with places. `{{` and `}}` stand for braces.
#[derive(Clone, Debug)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Place(Place),
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (mut pieces, mut plain) = (Vec::new(), String::new());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
                plain.push_str(&rest[..1]);
                rest = after;
                continue;
            }
            let (name, after) = rest
                .strip_prefix('{')
                .and_then(|name| name.split_once('}'))
                .ok_or("has a brace without its counterpart: write {{ or }} for a brace by itself")?;
            let place = PLACES.iter().find(|(known, _)| *known == name).map(|(_, place)| *place);
            let place = place.ok_or_else(|| {
                let known: Vec<_> = PLACES.iter().map(|(name, _)| format!("{{{name}}}")).collect();
                format!("has the place {{{name}}}, which does not exist: use {}", known.join(" "))
            })?;
            pieces.extend((!plain.is_empty()).then(|| Piece::Text(std::mem::take(&mut plain))));
            pieces.push(Piece::Place(place));
            rest = after;
        }
        plain.push_str(rest);
        pieces.extend((!plain.is_empty()).then_some(Piece::Text(plain)));
        Ok(Self(pieces))
    }

    pub(super) fn fill(&self, values: &Values<'_>) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Place(place) => values.of(*place),
        };
        self.0.iter().map(piece).collect()
    }

    pub(super) fn places(&self) -> Vec<Place> {
        let place = |piece: &Piece| if let Piece::Place(place) = piece { Some(*place) } else { None };
        self.0.iter().filter_map(place).collect()
    }
}

/// A body with places in its texts.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Json(Node),
    Form(Vec<(String, Template)>),
}

/// A value of a JSON body.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Text(Template),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
    Plain(Value),
}

impl Body {
    pub(super) fn parse(format: Format, text: &str) -> Result<Self, String> {
        match format {
            Format::Json => {
                let value = serde_json::from_str(text).map_err(|error| format!("is not JSON ({error})"))?;
                Node::of(value).map(Self::Json)
            }
            Format::Form => {
                let pairs = form_urlencoded::parse(text.as_bytes());
                let pairs = pairs.map(|(name, value)| Ok((name.into_owned(), Template::parse(&value)?)));
                pairs.collect::<Result<_, String>>().map(Self::Form)
            }
        }
    }

    pub(super) fn fill(&self, values: &Values<'_>) -> String {
        match self {
            Self::Json(node) => node.fill(values).to_string(),
            Self::Form(pairs) => {
                let pairs = pairs.iter().map(|(name, value)| (name, value.fill(values)));
                form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
            }
        }
    }

    pub(super) fn places(&self) -> Vec<Place> {
        match self {
            Self::Json(node) => node.places(),
            Self::Form(pairs) => pairs.iter().flat_map(|(_, value)| value.places()).collect(),
        }
    }
}

impl Node {
    fn of(value: Value) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) => Self::Text(Template::parse(&text)?),
            Value::Array(items) => Self::List(items.into_iter().map(Self::of).collect::<Result<_, _>>()?),
            Value::Object(fields) => {
                let fields = fields.into_iter().map(|(name, value)| Ok((name, Self::of(value)?)));
                Self::Object(fields.collect::<Result<_, String>>()?)
            }
            plain => Self::Plain(plain),
        })
    }

    fn fill(&self, values: &Values<'_>) -> Value {
        match self {
            Self::Text(template) => match template.0[..] {
                // These are numbers unless something stands beside them.
                [Piece::Place(Place::ValidForSecs)] => values.send.valid_for_secs.into(),
                [Piece::Place(Place::Attempt)] => values.send.attempt.into(),
                _ => template.fill(values).into(),
            },
            Self::List(items) => items.iter().map(|item| item.fill(values)).collect(),
            Self::Object(fields) => {
                let fields = fields.iter().map(|(name, field)| (name.clone(), field.fill(values)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            Self::Plain(value) => value.clone(),
        }
    }

    fn places(&self) -> Vec<Place> {
        match self {
            Self::Text(template) => template.places(),
            Self::List(items) => items.iter().flat_map(Self::places).collect(),
            Self::Object(fields) => fields.iter().flat_map(|(_, field)| field.places()).collect(),
            Self::Plain(_) => Vec::new(),
        }
    }
}
