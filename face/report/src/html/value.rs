use maud::{Markup, html};
use serde_json::Value;

use crate::quantity::short_digest;

/// Evidence or a proof, whatever its shape: nothing in it is dropped.
pub(super) fn value(value: &Value) -> Markup {
    html! {
        @match value {
            Value::Null => span.none { "none" },
            Value::Bool(yes) => { @if *yes { "yes" } @else { "no" } },
            Value::Number(number) => (number),
            Value::String(text) => (word(text)),
            Value::Array(items) if items.is_empty() => span.none { "none" },
            Value::Array(items) if items.iter().all(is_scalar) => {
                @for (index, item) in items.iter().enumerate() { @if index > 0 { ", " } (self::value(item)) }
            },
            Value::Array(items) => ul.plain { @for item in items { li { (self::value(item)) } } },
            Value::Object(map) if map.is_empty() => span.none { "none" },
            Value::Object(map) => dl.pairs { @for (name, item) in map { div { dt { (name) } dd { (self::value(item)) } } } },
        }
    }
}

fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::Array(_) | Value::Object(_))
}

/// A text; digests are shortened, with the whole in the title, and paths and ids look like what they are.
pub(super) fn word(text: &str) -> Markup {
    let short = short_digest(text);
    html! {
        @if short != text { code title=(text) { (short) } }
        @else if text.is_empty() { span.none { "empty" } }
        @else if text.starts_with('/') || text.starts_with("data/") { code { (text) } }
        @else { (text) }
    }
}
