use std::io::Read as _;

use super::origin::Location;
use super::{VaultError, web};

/// The first `limit` bytes of a small file.
///
/// # Errors
/// When it cannot be reached or read.
pub(crate) async fn read(at: &Location, limit: usize) -> Result<Vec<u8>, VaultError> {
    let mut bytes = Vec::new();
    match at {
        Location::Path(path) => {
            let failed = |source| VaultError::File { what: "could not read", path: path.display().to_string(), source };
            let file = std::fs::File::open(path).map_err(failed)?;
            file.take(limit as u64).read_to_end(&mut bytes).map_err(failed)?;
        }
        Location::Url(url) => {
            let mut response = web::get(&web::client(true)?, url).await?;
            let broke = |error: reqwest::Error| VaultError::Unreachable(url.clone(), web::chain(&error));
            while let Some(chunk) = response.chunk().await.map_err(broke)? {
                bytes.extend_from_slice(&chunk);
                if bytes.len() > limit {
                    bytes.truncate(limit);
                    break;
                }
            }
        }
    }
    Ok(bytes)
}
