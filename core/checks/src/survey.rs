use belay_facts::K3sVersion;
use jiff::civil::Date;
use serde::Serialize;

use crate::{Hazard, Releases};

/// What there is to go to: channels as their server names them, and the newest release of every minor that is known from
/// either place, with its support window and what is known to be wrong with it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Survey {
    /// The date of the release tables.
    pub as_of: Date,
    pub today: Date,
    pub channels: Vec<Channel>,
    /// Newest minor first.
    pub minors: Vec<MinorLine>,
}

/// A name that moves from release to release, such as `stable`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Channel {
    pub name: String,
    /// `None` when it names no release now.
    pub latest: Option<K3sVersion>,
}

/// One Kubernetes minor.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct MinorLine {
    /// `1.36`
    pub minor: String,
    pub newest: K3sVersion,
    /// The day it came out; `None` when the tables do not know this release.
    pub newest_on: Option<Date>,
    /// Whether the tables know this release: of one that is newer than they are, no hazard can be known.
    pub known: bool,
    pub support: Support,
    pub end_of_life: Option<Date>,
    pub hazards: Vec<Hazard>,
    /// Whether the mirror has it; `None` when none was asked.
    pub in_mirror: Option<bool>,
}

/// Where a minor stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Support {
    Supported,
    Ended,
    /// The tables name no end: the minor is newer than they are.
    Unknown,
}

impl Survey {
    /// Joins the tables with what a channel server said (nothing, when it was not reached).
    #[must_use]
    pub fn of(releases: &Releases, channels: Vec<Channel>, today: Date) -> Self {
        let mut newest: Vec<K3sVersion> = releases.latest().cloned().collect();
        for tag in channels.iter().filter_map(|channel| channel.latest.as_ref()).filter(|tag| tag.pre.is_none()) {
            match newest.iter_mut().find(|known| (known.major, known.minor) == (tag.major, tag.minor)) {
                Some(known) if *known < *tag => known.clone_from(tag),
                Some(_) => {}
                None => newest.push(tag.clone()),
            }
        }
        newest.sort();
        let first_dated = newest.iter().find(|tag| releases.look_up(tag).end_of_life.is_some()).map(|tag| tag.minor);
        let minors = newest.into_iter().rev().map(|newest| {
            let found = releases.look_up(&newest);
            let support = match found.end_of_life {
                Some(end) if end < today => Support::Ended,
                Some(_) => Support::Supported,
                // The tables give dates from some minor on; what is older ended long before.
                None if first_dated.is_some_and(|first| newest.minor < first) => Support::Ended,
                None => Support::Unknown,
            };
            MinorLine {
                minor: newest.minor_name(),
                newest_on: found.latest_on.filter(|_| found.known),
                known: found.known,
                support,
                end_of_life: found.end_of_life,
                hazards: found.hazards,
                in_mirror: None,
                newest,
            }
        });
        Self { as_of: releases.as_of, today, minors: minors.collect(), channels }
    }
}
