use clap::ValueEnum;

/// How to print, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Text,
    Json,
    Junit,
    Sarif,
    Markdown,
}

/// How every command can print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    Text,
    Json,
}

impl Output {
    /// `None` for what only some commands can do.
    #[must_use]
    pub const fn of_every_command(self) -> Option<OutputFormat> {
        match self {
            Self::Text => Some(OutputFormat::Text),
            Self::Json => Some(OutputFormat::Json),
            Self::Junit | Self::Sarif | Self::Markdown => None,
        }
    }
}
