use std::borrow::Cow;

use crate::json;

/// A field of a message under both its names: the number in protobuf, the name in JSON.
#[derive(Clone, Copy, Debug)]
pub struct Field(pub u64, pub &'static str);

/// What a field was found under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    Number(u64),
    /// As it is written, escapes and all; no name of Kubernetes has one.
    Name(&'a [u8]),
}

impl Key<'_> {
    /// Whether it is `field`.
    #[must_use]
    #[inline]
    pub fn is(self, field: Field) -> bool {
        match self {
            Self::Number(number) => number == field.0,
            Self::Name(name) => name == field.1.as_bytes(),
        }
    }
}

/// A value as it lies in the datastore: nothing is copied until somebody asks for its text.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A number or a boolean of protobuf.
    Number(u64),
    /// A text, bytes or a message of protobuf.
    Bytes(&'a [u8]),
    /// A value of JSON, texts with their quotes.
    Json(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The fields of a message, in order; a list gives its field once for each element. Nothing for what is no message.
    #[must_use]
    #[inline]
    pub fn fields(self) -> Fields<'a> {
        match self {
            Self::Number(_) => Fields::Proto(&[]),
            Self::Bytes(bytes) => Fields::Proto(bytes),
            Self::Json(text) => Fields::Json(json::Members::of(text)),
        }
    }

    /// The first value in `field`.
    #[must_use]
    #[inline(never)]
    pub fn get(self, field: Field) -> Option<Self> {
        let mut fields = self.fields();
        while let Some((key, value)) = fields.step() {
            if key.is(field) {
                return Some(value);
            }
        }
        None
    }

    /// All values in `field`.
    #[inline]
    pub fn all(self, field: Field) -> impl Iterator<Item = Self> {
        self.fields().filter(move |(key, _)| key.is(field)).map(|(_, value)| value)
    }

    /// The first value below `path`.
    #[must_use]
    #[inline(never)]
    pub fn at(self, path: &[Field]) -> Option<Self> {
        path.iter().try_fold(self, |value, field| value.get(*field))
    }

    /// The message that `field` holds in protobuf, and that is written into this one in JSON.
    #[must_use]
    pub fn inlined(self, field: Field) -> Option<Self> {
        match self {
            Self::Json(_) => Some(self),
            _ => self.get(field),
        }
    }

    /// Calls `each` with the entries of the map in `field`.
    pub fn pairs(self, field: Field, mut each: impl FnMut(&'a [u8], Self)) {
        self.each_pair(field, &mut each);
    }

    /// Once for all who ask: each instance would be some hundred bytes of the helper.
    #[inline(never)]
    fn each_pair(self, field: Field, each: &mut dyn FnMut(&'a [u8], Self)) {
        for value in self.all(field) {
            match value {
                Self::Json(_) => {
                    for (key, value) in value.fields() {
                        if let Key::Name(name) = key {
                            each(name, value);
                        }
                    }
                }
                entry => {
                    let (mut key, mut content) = (&b""[..], Self::Bytes(b""));
                    for (number, value) in entry.fields() {
                        match number {
                            Key::Number(1) => key = value.raw(),
                            Key::Number(2) => content = value,
                            _ => {}
                        }
                    }
                    each(key, content);
                }
            }
        }
    }

    /// A text as it is written: without the quotes of JSON, but with its escapes.
    #[must_use]
    #[inline]
    pub fn raw(self) -> &'a [u8] {
        match self {
            Self::Number(_) => &[],
            Self::Bytes(bytes) => bytes,
            Self::Json(text) => json::unquoted(text),
        }
    }

    /// A text, for keeping.
    #[must_use]
    #[inline(never)]
    pub fn text(self) -> Cow<'a, str> {
        match self {
            Self::Json(text) => json::text(text),
            other => String::from_utf8_lossy(other.raw()),
        }
    }

    /// A whole number or a boolean.
    #[must_use]
    #[inline(never)]
    pub fn number(self) -> i64 {
        match self {
            Self::Number(number) => number.cast_signed(),
            Self::Bytes(_) => 0,
            Self::Json(b"true") => 1,
            Self::Json(text) => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0),
        }
    }

    /// A `Time`, in seconds since 1970; `None` when it is null.
    #[must_use]
    pub fn seconds(self) -> Option<u64> {
        match self {
            Self::Json(text) => json::seconds(json::unquoted(text)),
            message => Some(message.get(Field(1, "")).map_or(0, |value| u64::try_from(value.number()).unwrap_or(0))),
        }
    }

    /// `IntOrString` as people write it: `1`, `50%`.
    #[must_use]
    pub fn number_or_text(self) -> String {
        match self {
            Self::Json(text) => String::from_utf8_lossy(json::unquoted(text)).into_owned(),
            message if message.get(Field(1, "")).is_some_and(|kind| kind.number() == 1) => {
                message.get(Field(3, "")).map(|text| text.text().into_owned()).unwrap_or_default()
            }
            message => message.get(Field(2, "")).map_or(0, Value::number).to_string(),
        }
    }
}

/// The fields of a message; ends at the first that does not fit.
#[derive(Clone, Debug)]
pub enum Fields<'a> {
    Proto(&'a [u8]),
    Json(json::Members<'a>),
}

impl<'a> Fields<'a> {
    /// The next field, for a loop that goes over every object: it is made part of the loop, which is some hundred bytes each time.
    #[inline(always)]
    pub(crate) fn step(&mut self) -> Option<(Key<'a>, Value<'a>)> {
        match self {
            Self::Json(members) => members.next().map(|(name, value)| (Key::Name(name), Value::Json(value))),
            Self::Proto(rest) => loop {
                let tag = varint(rest)?;
                let key = Key::Number(tag >> 3);
                match tag & 7 {
                    0 => return varint(rest).map(|number| (key, Value::Number(number))),
                    2 => {
                        let length = varint(rest)?;
                        return take(rest, length).map(|bytes| (key, Value::Bytes(bytes)));
                    }
                    1 => take(rest, 8)?,
                    5 => take(rest, 4)?,
                    _ => return None,
                };
            },
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Key<'a>, Value<'a>);

    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        self.step()
    }
}

#[inline]
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let (byte, after) = rest.split_first()?;
    if *byte < 0x80 {
        *rest = after;
        return Some(u64::from(*byte));
    }
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[inline]
fn take<'a>(rest: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = after;
    Some(taken)
}
