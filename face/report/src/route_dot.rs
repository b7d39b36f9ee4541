use std::fmt::Write as _;

use belay_checks::Route;

/// The ladder as a graph for Graphviz: rungs in a row, and dashed what was not taken, with the reason on its edge.
#[must_use]
pub fn route_dot(route: &Route) -> String {
    let mut out = String::from("digraph ladder {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n");
    let mut below = route.from.tag.to_string();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "  {} [style=bold];", quoted(&below));
    for rung in &route.rungs {
        let tag = rung.tag.to_string();
        let etcd = rung.etcd.as_ref().map(|etcd| format!("\\netcd {etcd}")).unwrap_or_default();
        let _ = writeln!(out, "  {} [label=\"{}{etcd}\"];", quoted(&tag), escaped(&tag));
        let _ = writeln!(out, "  {} -> {} [penwidth=2, label={}];", quoted(&below), quoted(&tag), quoted(&rung.why));
        for avoided in &rung.avoided {
            let other = avoided.tag.to_string();
            let _ = writeln!(out, "  {} [style=dashed, color=gray40];", quoted(&other));
            let label = quoted(&avoided.why);
            let _ = writeln!(
                out,
                "  {} -> {} [style=dashed, color=gray40, label={label}];",
                quoted(&below),
                quoted(&other)
            );
        }
        below = tag;
    }
    out.push_str("}\n");
    out
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], " ")
}
