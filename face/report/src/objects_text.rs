use belay_facts::{InventoryKind, ObjectFacts};

use crate::{Mark, Style};

/// One line: how many objects were read, where, and how old that is. Nothing where they could not be read: a note says why.
#[must_use]
pub fn objects_text(objects: &ObjectFacts, now: jiff::Timestamp, style: Style) -> String {
    let ObjectFacts::Read(inventory) = objects else { return String::new() };
    let from = match inventory.source.kind {
        InventoryKind::Backup => "a backup of Belay",
        InventoryKind::Snapshot => "a snapshot of K3s",
        InventoryKind::Online => "the datastore in use",
    };
    let age = now.as_second().saturating_sub_unsigned(inventory.source.taken_at_unix);
    let age = match age {
        ..=120 => "now".to_owned(),
        121..=7200 => format!("{} minutes ago; --objects=now reads again", age / 60),
        _ => format!("{} hours ago; --objects=now reads again", age / 3600),
    };
    let sealed = match inventory.encrypted {
        0 => String::new(),
        encrypted => format!(", {encrypted} more are encrypted"),
    };
    style.paragraph(Mark::Known, &format!("{} objects read{sealed}: {from}, {age}", inventory.objects))
}
