use std::borrow::Cow;

use crate::json;
use crate::object::type_of;
use crate::value::{Field, Key, Value};

const NAME: Field = Field(1, "name");
const NAMESPACE: Field = Field(3, "namespace");
const DELETED: Field = Field(9, "deletionTimestamp");
const LABELS: Field = Field(11, "labels");
const ANNOTATIONS: Field = Field(12, "annotations");
const OWNERS: Field = Field(13, "ownerReferences");
const MANAGED: Field = Field(17, "managedFields");

const LAST_APPLIED: &[u8] = b"kubectl.kubernetes.io/last-applied-configuration";

/// Of an object's metadata what is needed of every one; the rest is read when somebody asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meta<'a> {
    /// As they are written; no name of Kubernetes has an escape.
    pub name: &'a [u8],
    pub namespace: &'a [u8],
    /// Seconds since 1970: it waits for its finalizers, or for its grace to end then.
    pub gone_by: Option<u64>,
    pub owner: Option<Owner<'a>>,
    last_applied: Option<Value<'a>>,
    all: Option<Value<'a>>,
}

/// The first owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner<'a> {
    pub kind: &'a [u8],
    pub name: &'a [u8],
}

/// Who wrote some of an object's fields, and in which version of its API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manager<'a> {
    pub name: &'a [u8],
    pub api_version: &'a [u8],
}

impl<'a> Meta<'a> {
    pub(crate) fn of(message: Value<'a>) -> Self {
        let mut meta = Self { all: Some(message), ..Self::default() };
        let mut fields = message.fields();
        while let Some((key, value)) = fields.step() {
            match key {
                _ if key.is(NAME) => meta.name = value.raw(),
                _ if key.is(NAMESPACE) => meta.namespace = value.raw(),
                _ if key.is(DELETED) => meta.gone_by = value.seconds(),
                _ if key.is(OWNERS) && meta.owner.is_none() => meta.owner = Some(Owner::of(value)),
                _ if key.is(ANNOTATIONS) => meta.note_last_applied(value),
                _ => {}
            }
        }
        meta
    }

    fn note_last_applied(&mut self, annotations: Value<'a>) {
        match annotations {
            Value::Json(_) => {
                let of = |(key, value)| (key == Key::Name(LAST_APPLIED)).then_some(value);
                self.last_applied = annotations.fields().find_map(of);
            }
            entry => {
                let mut fields = entry.fields();
                if fields.next().is_some_and(|(key, value)| key == Key::Number(1) && value.raw() == LAST_APPLIED) {
                    self.last_applied = fields.next().map(|(_, value)| value);
                }
            }
        }
    }

    /// Calls `told` with version and kind as `kubectl apply` was given them last.
    pub fn last_applied(&self, told: impl FnOnce(&[u8], &[u8])) {
        let text = match self.last_applied {
            None => return,
            Some(Value::Json(text)) => json::text(text),
            Some(other) => Cow::Borrowed(std::str::from_utf8(other.raw()).unwrap_or_default()),
        };
        if let Some((api_version, kind)) = type_of(Value::Json(text.as_bytes())) {
            told(api_version, kind);
        }
    }

    /// Who wrote it.
    pub fn managers(&self) -> impl Iterator<Item = Manager<'a>> {
        self.all.into_iter().flat_map(|all| all.all(MANAGED)).map(Manager::of)
    }

    /// Calls `each` with its labels.
    pub fn labels(&self, each: impl FnMut(&'a [u8], Value<'a>)) {
        if let Some(all) = self.all {
            all.pairs(LABELS, each);
        }
    }

    /// The label of that name.
    #[must_use]
    #[inline(never)]
    pub fn label(&self, name: &str) -> Option<&'a [u8]> {
        let mut found = None;
        self.labels(|key, value| {
            if key == name.as_bytes() {
                found = Some(value.raw());
            }
        });
        found
    }

    /// Whether it has an annotation of that name.
    #[must_use]
    #[inline(never)]
    pub fn is_annotated(&self, name: &str) -> bool {
        let mut found = false;
        if let Some(all) = self.all {
            all.pairs(ANNOTATIONS, |key, _| found |= key == name.as_bytes());
        }
        found
    }
}

impl<'a> Owner<'a> {
    fn of(message: Value<'a>) -> Self {
        let mut owner = Self { kind: b"", name: b"" };
        let mut fields = message.fields();
        while let Some((key, value)) = fields.step() {
            match key {
                _ if key.is(Field(1, "kind")) => owner.kind = value.raw(),
                _ if key.is(Field(3, "name")) => owner.name = value.raw(),
                _ => {}
            }
        }
        owner
    }
}

impl<'a> Manager<'a> {
    fn of(message: Value<'a>) -> Self {
        let mut manager = Self { name: b"", api_version: b"" };
        let mut fields = message.fields();
        while let Some((key, value)) = fields.step() {
            match key {
                _ if key.is(Field(1, "manager")) => manager.name = value.raw(),
                _ if key.is(Field(3, "apiVersion")) => manager.api_version = value.raw(),
                _ => {}
            }
        }
        manager
    }
}
