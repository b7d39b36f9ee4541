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

#[cfg(test)]
mod tests {
    use belay_facts::Facts;

    use super::*;

    const STYLE: Style = Style { ascii: false, color: false, width: 200 };

    #[test]
    fn the_line_says_from_where_and_how_old() {
        let base: serde_json::Value =
            serde_json::from_str(include_str!("../../../core/checks/fixtures/base.json")).unwrap();
        let facts = Facts::from_json(&base["facts"].to_string()).unwrap();
        let Some(ObjectFacts::Read(mut inventory)) = facts.objects else { panic!("the fixture has objects") };
        let mut line = |kind, encrypted, age: u64| {
            inventory.source.kind = kind;
            inventory.encrypted = encrypted;
            inventory.source.taken_at_unix = u64::try_from(facts.taken_at.as_second()).unwrap() - age;
            let text = objects_text(&ObjectFacts::Read(inventory.clone()), facts.taken_at, STYLE);
            text.trim().to_owned()
        };
        assert!(line(InventoryKind::Online, 0, 0).ends_with("311 objects read: the datastore in use, now"));
        let sealed = line(InventoryKind::Backup, 4, 7300);
        assert!(sealed.ends_with(
            "311 objects read, 4 more are encrypted: a backup of Belay, 2 hours ago; --objects=now reads again"
        ));
        assert_eq!(objects_text(&ObjectFacts::Unread { why: String::new() }, facts.taken_at, STYLE), "");
    }
}
