use clap::CommandFactory;

use super::*;

fn parse(line: &str) -> Result<Args, clap::Error> {
    Args::try_parse_from(line.split(' '))
}

#[test]
fn the_declarations_are_sound() {
    Args::command().debug_assert();
}

#[test]
fn a_plan_is_made_or_shown() {
    let Command::Plan(made) = parse("belay plan --to stable").unwrap().command else { panic!("no plan") };
    assert!(made.verb.is_none() && made.make.to.as_deref() == Some("stable"));
    let Command::Plan(shown) = parse("belay plan show plan.yaml").unwrap().command else { panic!("no plan") };
    assert!(matches!(shown.verb, Some(PlanCommand::Show { plan }) if plan == "plan.yaml"));
    assert!(parse("belay plan --to stable show plan.yaml").is_err());
    // Without a target there is nothing to make, whatever else was said.
    for line in ["belay plan", "belay plan -o plan.yaml", "belay plan --soak 5s", "belay upgrade --yes"] {
        let said = parse(line).unwrap_err();
        assert!(said.exit_code() == 2 && said.to_string().contains("--to"), "{line}: {said}");
    }
}

#[test]
fn the_way_back_is_keep_unless_asked_for() {
    let of = |line: &str| match parse(line).unwrap().command {
        Command::Plan(PlanVerb { make, .. }) | Command::Upgrade(UpgradeArgs { plan: make, .. }) => make.way_back,
        other => panic!("{other:?}"),
    };
    assert_eq!(of("belay plan --to stable"), WayBack::Keep);
    assert_eq!(of("belay plan --to stable --way-back binary"), WayBack::Binary);
    assert_eq!(of("belay upgrade --to stable --way-back keep"), WayBack::Keep);
    assert!(parse("belay upgrade --to stable --way-back untouched").is_err());
}

#[test]
fn objects_are_read_when_somebody_asks() {
    let of = |line: &str| match parse(line).unwrap().command {
        Command::Check(args) => args.objects,
        other => panic!("{other:?}"),
    };
    assert_eq!(of("belay check"), None);
    assert_eq!(of("belay check --objects --to stable"), Some(Objects::Latest));
    assert_eq!(of("belay check --objects=now"), Some(Objects::Now));
    // What was saved has them or not.
    assert!(parse("belay check --objects --facts facts.json").is_err());
}

#[test]
fn every_verb_says_what_it_does() {
    fn said(command: &clap::Command) {
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            assert!(verb.get_about().is_some(), "{} says nothing", verb.get_name());
            for argument in verb.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {} says nothing", verb.get_name(), argument.get_id());
            }
            said(verb);
        }
    }
    said(&Args::command());
}
