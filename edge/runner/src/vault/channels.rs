use std::path::Path;

use belay_checks::Channel;

use super::web::{client, get};
use super::{VaultError, answer};

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
    answer::channels(&text).map_err(|why| VaultError::NoChannels { from: from.to_owned(), why })
}
