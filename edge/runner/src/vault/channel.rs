use belay_facts::K3sVersion;

use super::web::{client, get};
use super::{VaultError, answer};

/// K3s' channel server (k3s-facts §3.3).
pub const CHANNELS: &str = "https://update.k3s.io/v1-release/channels";

/// Asks a channel server which release a channel names: it answers with a redirect whose last part is the tag.
///
/// # Errors
/// When it does not answer, or names no K3s version.
pub async fn resolve_channel(server: &str, channel: &str) -> Result<K3sVersion, VaultError> {
    let fail = |why: String| VaultError::Channel(channel.to_owned(), why);
    if channel.is_empty() || !channel.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c)) {
        return Err(fail("that is neither a release tag nor the name of a channel".to_owned()));
    }
    let url = format!("{}/{channel}", server.trim_end_matches('/'));
    let response = get(&client(false)?, &url).await.map_err(|error| fail(error.to_string()))?;
    let location = response.headers().get("location").and_then(|value| value.to_str().ok()).unwrap_or_default();
    answer::named_in(location)
        .ok_or_else(|| fail(format!("{url} did not redirect to a release (location: `{location}`)")))
}
