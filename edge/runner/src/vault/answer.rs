//! What a channel server answers. No network here, so that the fuzz targets can use this file by itself.

use belay_checks::Channel;
use belay_facts::K3sVersion;
use serde::Deserialize;

#[derive(Deserialize)]
struct Answer {
    data: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    #[serde(default)]
    latest: Option<String>,
}

/// The list of all channels: `{"data": [{"name", "latest"}, …]}`.
///
/// # Errors
/// With what is wrong with the JSON.
pub(super) fn channels(text: &str) -> Result<Vec<Channel>, String> {
    let answer: Answer = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let channel = |entry: Entry| Channel { name: entry.name, latest: entry.latest.and_then(|tag| tag.parse().ok()) };
    Ok(answer.data.into_iter().map(channel).collect())
}

/// The release that a redirect leads to: the last part of its address, in which `+` may be escaped.
pub(super) fn named_in(location: &str) -> Option<K3sVersion> {
    location.rsplit('/').next()?.replace("%2B", "+").replace("%2b", "+").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_the_channel_server_is_read() {
        let text = r#"{"type":"collection","data":[
            {"id":"stable","type":"channel","name":"stable","latest":"v1.35.9+k3s1","latestRegexp":".*"},
            {"id":"v1.36-testing","name":"v1.36-testing","latest":"v1.36.6-rc1+k3s1"},
            {"id":"old","name":"old","latest":null}]}"#;
        let read = channels(text).unwrap();
        assert_eq!(read[0].latest.as_ref().unwrap().tag(), "v1.35.9+k3s1");
        assert!(read[1].latest.is_some() && read[2].latest.is_none());
        assert!(channels("<html>sign in to this wireless network</html>").is_err());
    }
}
