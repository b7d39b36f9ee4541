use jiff::civil::Date;

/// What a bundle says and may not, or what makes no sense in this build. It is left out of what is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Clash {
    #[error("`{0}` is there already, and only the project's key may replace it")]
    Replaces(String),
    #[error("`{0}` is withdrawn, and only the project's key may do that")]
    Withdraws(String),
    #[error("it replaces the table `{0}`, and only the project's key may do that")]
    Table(&'static str),
    #[error("the hazard `{id}` speaks of no known release: {why}")]
    Range { id: String, why: String },
    /// Then nothing of it is used.
    #[error("it is of {bundle}, and what this build carries is of {build}, which is newer")]
    Superseded { bundle: Date, build: Date },
}
