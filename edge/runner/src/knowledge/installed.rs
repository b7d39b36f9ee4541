use belay_checks::{Bundle, Signer};
use jiff::civil::Date;

/// A bundle that is installed, verified just now.
#[derive(Debug)]
pub struct Installed {
    pub bundle: Bundle,
    pub signer: Signer,
    /// Where it came from, for people.
    pub from: String,
    pub installed_on: Date,
}
