use std::collections::{BTreeMap, BTreeSet};

use belay_facts::DeprecatedApi;

const METRIC: &str = "apiserver_requested_deprecated_apis{";

/// The deprecated APIs that were asked for, from the text of `/metrics`; sorted, each once (a subresource does not make
/// another API). The metric is a gauge that stands at 1 until the server restarts.
pub(crate) fn parse(metrics: &str) -> Vec<DeprecatedApi> {
    let found: BTreeSet<DeprecatedApi> = metrics.lines().filter_map(line).collect();
    found.into_iter().collect()
}

fn line(line: &str) -> Option<DeprecatedApi> {
    let (labels, value) = labels(line.strip_prefix(METRIC)?)?;
    let value: f64 = value.split_whitespace().next()?.parse().ok()?;
    if value < 1.0 {
        return None;
    }
    let label = |name: &str| labels.get(name).cloned();
    let removed_release = label("removed_release").unwrap_or_default();
    let removed_minor = removed_release.strip_prefix("1.").and_then(|minor| minor.parse().ok()).unwrap_or(0);
    Some(DeprecatedApi {
        group: label("group").unwrap_or_default(),
        version: label("version")?,
        resource: label("resource")?,
        removed_release,
        removed_minor,
    })
}

/// `a="x",b="y"} rest` of the Prometheus text format, whose values escape `\\`, `\"` and `\n`.
fn labels(mut text: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut found = BTreeMap::new();
    loop {
        text = text.trim_start_matches([',', ' ']);
        if let Some(rest) = text.strip_prefix('}') {
            return Some((found, rest));
        }
        let (name, rest) = text.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => match chars.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, other) => value.push(other),
            }
        };
        found.insert(name.to_owned(), value);
        text = rest.get(end + 1..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_line_of_the_capture() {
        let text = "# TYPE apiserver_requested_deprecated_apis gauge\n\
            apiserver_requested_deprecated_apis{group=\"\",removed_release=\"\",resource=\"endpoints\",subresource=\"\",version=\"v1\"} 1\n\
            apiserver_storage_objects{resource=\"leases.coordination.k8s.io\"} 2\n";
        let endpoints = DeprecatedApi {
            group: String::new(),
            version: "v1".into(),
            resource: "endpoints".into(),
            removed_release: String::new(),
            removed_minor: 0,
        };
        assert_eq!(parse(text), vec![endpoints]);
    }

    #[test]
    fn knows_the_minor_of_the_removal_and_lists_each_api_once() {
        let one = "apiserver_requested_deprecated_apis{group=\"policy\",removed_release=\"1.25\",resource=\"poddisruptionbudgets\",subresource=\"\",version=\"v1beta1\"} 1\n";
        let sub = one.replace("subresource=\"\"", "subresource=\"status\"");
        let found = parse(&format!("{one}{sub}"));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].removed_minor, found[0].removed_release.as_str()), (25, "1.25"));
    }

    #[test]
    fn a_gauge_at_zero_and_a_broken_line_say_nothing() {
        let zero = "apiserver_requested_deprecated_apis{group=\"\",resource=\"endpoints\",version=\"v1\"} 0\n";
        let cut = "apiserver_requested_deprecated_apis{group=\"\",resource=\"endp";
        assert!(parse(&format!("{zero}{cut}")).is_empty());
    }

    #[test]
    fn a_quoted_value_may_hold_braces_and_quotes() {
        let (labels, rest) = labels(r#"a="x\"}\\",b="y"} 1"#).unwrap();
        assert_eq!((labels["a"].as_str(), labels["b"].as_str(), rest), (r#"x"}\"#, "y", " 1"));
    }
}
