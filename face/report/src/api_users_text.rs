use std::fmt::Write as _;

use belay_checks::{ApiFate, ApiSource, ApiUser};
use belay_facts::ManifestFolder;

use crate::markdown::cell;
use crate::{Mark, Style};

/// So many are shown on a screen, and in a ticket; the JSON has all.
const SHOWN: usize = 12;
const TICKET: usize = 100;
/// So many unread files are named beside a folder.
const UNREAD: usize = 3;
/// Columns of a screen below which there is no table.
const NARROW: usize = 90;

/// Who must change what, worst first, on one screen. Nothing where nobody has to.
#[must_use]
pub fn api_users_text(users: &[ApiUser], style: Style) -> String {
    if users.is_empty() {
        return String::new();
    }
    let rows: Vec<[String; 4]> = users.iter().take(SHOWN).map(|user| row(user, true)).collect();
    let marks = users.iter().map(|user| if user.fate == ApiFate::Gone { Mark::No } else { Mark::Unsure });
    let body = if style.width < NARROW { paragraphs(&rows, marks, style) } else { columns(&rows, marks, style) };
    let mut out = format!("\n{}\n{body}", style.bold("Who must change what:"));
    if users.len() > SHOWN {
        let more = format!("and {} more: belay check --output json, or markdown", users.len() - SHOWN);
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  {}", style.dim(&more));
    }
    out
}

fn columns(rows: &[[String; 4]], marks: impl Iterator<Item = Mark>, style: Style) -> String {
    let head = ["who", "what", "from → to", "served"].map(|text| style.plain(text));
    let longest = |column: usize| {
        let cell = |row: &[String; 4]| row.get(column).map_or(0, |text| style.plain(text).chars().count());
        rows.iter().chain([&head]).map(cell).max().unwrap_or(0)
    };
    let served = longest(3);
    // Versions are told whole where there is room, and never take more than a third from who and what.
    let spare = style.width.saturating_sub(served + longest(0) + longest(1) + 10);
    let versions = longest(2).min(spare.max(style.width / 3));
    let left = style.width.saturating_sub(versions + served + 10);
    let who = longest(0).min(left.saturating_sub(longest(1)).max(left / 2));
    let what = longest(1).min(left.saturating_sub(who));
    let line = |[a, b, c, d]: &[String; 4]| {
        let (a, b, c) = (end_of(style, a, who), style.cut(b, what), style.cut(c, versions));
        format!("{a:who$}  {b:what$}  {c:versions$}  {}", style.plain(d))
    };
    let mut out = format!("  {}\n", style.dim(line(&head).trim_end()));
    for (mark, row) in marks.zip(rows) {
        let _ = writeln!(out, "{} {}", style.mark(mark), line(row).trim_end());
    }
    out
}

/// Where columns would be too short to say anything.
fn paragraphs(rows: &[[String; 4]], marks: impl Iterator<Item = Mark>, style: Style) -> String {
    let one = |(mark, [who, what, versions, served]): (Mark, &[String; 4])| {
        style.paragraph(mark, &format!("{who}: {what}, {versions}, {served}"))
    };
    marks.zip(rows).map(one).collect()
}

/// The same as a table of Markdown.
#[must_use]
pub(crate) fn api_users_markdown(users: &[ApiUser]) -> String {
    if users.is_empty() {
        return String::new();
    }
    let mut out = String::from("\nWho must change what:\n\n| who | what | from → to | served |\n|---|---|---|---|\n");
    for cells in users.iter().take(TICKET).map(|user| row(user, false)) {
        let _ = writeln!(out, "| {} |", cells.map(|text| cell(&text)).join(" | "));
    }
    if users.len() > TICKET {
        let _ = writeln!(out, "\nand {} more, in the JSON.", users.len() - TICKET);
    }
    out
}

/// Who, what, from which version to which, and how long it is served. `short`: a group is said once.
fn row(user: &ApiUser, short: bool) -> [String; 4] {
    let who = match user.source {
        ApiSource::File => format!("{}:{}", user.user, user.line),
        ApiSource::Template => format!("{}:{} (template)", user.user, user.line),
        ApiSource::Apply | ApiSource::Requests => user.user.clone(),
        source => format!("{source} {}", user.user),
    };
    let (from, kind) = user.api.split_once(' ').unwrap_or((&user.api, ""));
    let what = match (user.objects.as_slice(), user.count) {
        ([], ..=1) => kind.to_owned(),
        ([], count) => format!("{count} {kind}"),
        ([one], ..=1) => format!("{kind} {one}"),
        ([first, ..], count) => format!("{kind} {first} and {} more", count.saturating_sub(1)),
    };
    let served = match user.fate {
        ApiFate::Gone => format!("not from 1.{}", user.gone),
        ApiFate::Deprecated => format!("until 1.{}", user.gone.saturating_sub(1)),
    };
    let to = user.successor.as_deref().unwrap_or("none");
    let to = match (from.split_once('/'), to.split_once('/')) {
        (Some((old, _)), Some((new, version))) if short && old == new => version,
        _ => to,
    };
    [who, what, format!("{from} → {to}"), served]
}

/// Of a path that is too long its end says more than its beginning.
fn end_of(style: Style, text: &str, room: usize) -> String {
    let text = style.plain(text);
    let length = text.chars().count();
    if length <= room || !text.contains('/') {
        return style.cut(&text, room);
    }
    let sign = style.plain("…");
    let skipped = length.saturating_sub(room.saturating_sub(sign.chars().count()));
    format!("{sign}{}", text.chars().skip(skipped).collect::<String>())
}

/// One line: what was read of a folder; more where something was not.
#[must_use]
pub fn folder_text(folder: &ManifestFolder, style: Style) -> String {
    let ManifestFolder { dir, files, objects, unread, .. } = folder;
    let mark = if unread.is_empty() { Mark::Known } else { Mark::Unsure };
    let named: Vec<&str> = unread.iter().take(UNREAD).map(|one| one.file.as_str()).collect();
    let not = match unread.len() {
        0 => String::new(),
        few @ ..=UNREAD => format!("; {few} could not be read: {}", named.join(", ")),
        many => format!("; {many} could not be read: {} and {} more", named.join(", "), many - UNREAD),
    };
    style.paragraph(mark, &format!("{dir}: {objects} objects in {files} files{not}"))
}
