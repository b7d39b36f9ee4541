//! Knowledge that came after this build: fetched, verified, installed, and verified again whenever it is read (ADR 0017).

mod error;
mod installed;
mod known;
mod signed_bundle;
mod store;
mod trusted_key;

#[cfg(test)]
mod tests;

pub use error::BundleError;
pub use installed::Installed;
pub use known::Known;
pub use signed_bundle::SignedBundle;
pub use store::KnowledgeStore;
pub use trusted_key::TrustedKey;
