use std::path::Path;

use belay_checks::Channel;
use serde::Deserialize;

use super::VaultError;
use super::web::{client, get};

/// The list of all channels, as K3s' channel server gives it (`{"data": [{"name", "latest"}, …]}`); `from` is its address,
/// or a file with its answer for who has no network.
///
/// # Errors
/// When it cannot be reached or read, or is no such list.
pub async fn channels(from: &str) -> Result<Vec<Channel>, VaultError> {
    let text = if from.starts_with("http://") || from.starts_with("https://") {
        let response = get(&client(true)?, from).await?;
        response.text().await.map_err(|error| VaultError::Unreachable(from.to_owned(), error.to_string()))?
    } else {
        let path = Path::new(from.strip_prefix("file://").unwrap_or(from));
        let failed =
            |source| VaultError::File { what: "could not read the channels in", path: from.to_owned(), source };
        std::fs::read_to_string(path).map_err(failed)?
    };
    parse(&text).map_err(|why| VaultError::NoChannels { from: from.to_owned(), why })
}

fn parse(text: &str) -> Result<Vec<Channel>, String> {
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
    let answer: Answer = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let channel = |entry: Entry| Channel { name: entry.name, latest: entry.latest.and_then(|tag| tag.parse().ok()) };
    Ok(answer.data.into_iter().map(channel).collect())
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
        let read = parse(text).unwrap();
        assert_eq!(read[0].latest.as_ref().unwrap().tag(), "v1.35.9+k3s1");
        assert!(read[1].latest.is_some() && read[2].latest.is_none());
        assert!(parse("<html>sign in to this wireless network</html>").is_err());
    }
}
