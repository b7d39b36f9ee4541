use crate::Meta;
use crate::value::{Field, Key, Value};

/// What protobuf is written behind (`runtime/serializer/protobuf`).
const MAGIC: &[u8] = b"k8s\0";
/// What an apiserver writes before a value that it encrypted (`storage/value/encrypt/envelope`).
const ENCRYPTED: &[u8] = b"k8s:enc:";

/// Of a group with its version, or of a kind: longer than any that Kubernetes allows.
const LONGEST: usize = 512;

const API_VERSION: Field = Field(1, "apiVersion");
const KIND: Field = Field(2, "kind");
const TYPE_META: Field = Field(1, "typeMeta");
const RAW: Field = Field(2, "raw");
const METADATA: Field = Field(1, "metadata");

/// One object at rest.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    /// The version that it is stored in: `apps/v1`.
    pub api_version: &'a str,
    pub kind: &'a str,
    body: Value<'a>,
}

/// Why a value is no object that can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecoded {
    /// The apiserver encrypted it.
    Encrypted,
    /// It is no object, or of a form that nobody knows here.
    Foreign,
}

impl<'a> Object<'a> {
    /// Decodes a value of the datastore as far as version and kind; the rest is read when somebody asks.
    ///
    /// # Errors
    /// When it is encrypted, or none.
    pub fn decode(value: &'a [u8]) -> Result<Self, Undecoded> {
        let (api_version, kind, body) = match value.strip_prefix(MAGIC) {
            Some(message) => Self::proto(Value::Bytes(message)),
            None if value.starts_with(ENCRYPTED) => return Err(Undecoded::Encrypted),
            None => Self::json(Value::Json(value)),
        }
        .ok_or(Undecoded::Foreign)?;
        let is_name = |text: &&str| !text.is_empty() && text.len() <= LONGEST;
        let text = |raw| std::str::from_utf8(raw).ok().filter(is_name).ok_or(Undecoded::Foreign);
        Ok(Self { api_version: text(api_version)?, kind: text(kind)?, body })
    }

    fn proto(message: Value<'a>) -> Option<(&'a [u8], &'a [u8], Value<'a>)> {
        let (mut kind, mut raw) = (None, None);
        let mut fields = message.fields();
        while let Some((key, value)) = fields.step() {
            match key {
                key if key.is(TYPE_META) => kind = Some(value),
                key if key.is(RAW) => raw = Some(value),
                _ => {}
            }
        }
        let (api_version, kind) = type_of(kind?)?;
        Some((api_version, kind, raw?))
    }

    fn json(object: Value<'a>) -> Option<(&'a [u8], &'a [u8], Value<'a>)> {
        let (api_version, kind) = type_of(object)?;
        Some((api_version, kind, object))
    }

    /// Its metadata.
    #[must_use]
    pub fn meta(&self) -> Meta<'a> {
        self.body.get(METADATA).map(Meta::of).unwrap_or_default()
    }

    /// All of it.
    #[must_use]
    pub fn body(&self) -> Value<'a> {
        self.body
    }
}

/// Version and kind of a message that begins with them, wherever in it they are.
pub(crate) fn type_of(message: Value<'_>) -> Option<(&[u8], &[u8])> {
    let (mut api_version, mut kind) = (None, None);
    let mut fields = message.fields();
    while let Some((key, value)) = fields.step() {
        match key {
            Key::Number(_) | Key::Name(_) if key.is(API_VERSION) => api_version = Some(value.raw()),
            _ if key.is(KIND) => kind = Some(value.raw()),
            _ => {}
        }
        if let (Some(api_version), Some(kind)) = (api_version, kind) {
            return Some((api_version, kind));
        }
    }
    None
}
