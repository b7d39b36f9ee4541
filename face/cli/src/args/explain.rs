use belay_checks::RULE_IDS;
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};

#[derive(Clone, Debug, clap::Args)]
pub struct ExplainArgs {
    /// The rule, such as belay-disk-space; `belay check` names it in brackets [default: a list of all]
    #[arg(value_name = "RULE", value_parser = RuleId, hide_possible_values = true)]
    pub rule: Option<String>,
}

/// Any text is taken, so that the command can say what was meant; a shell completes the ids that there are.
#[derive(Clone)]
struct RuleId;

impl TypedValueParser for RuleId {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(RULE_IDS.iter().copied().map(PossibleValue::new)))
    }
}
