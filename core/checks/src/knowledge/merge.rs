use std::collections::BTreeSet;

use jiff::civil::Date;

use super::Knowledge;
use crate::age::Aged;
use crate::{Age, Bundle, BundleMark, Clash, Signer};

impl Knowledge {
    /// This knowledge with what a bundle says. Signed by the project's key it may replace and withdraw entries; signed by
    /// another it only adds: what it says beyond that is left out and returned.
    ///
    /// That additions take no risk away does not rest on what is added: every finding of the knowledge before them stays
    /// ([`crate::check`]).
    #[must_use]
    pub fn with(self, bundle: &Bundle, signer: Signer) -> (Self, Vec<Clash>) {
        let build = self.build_as_of;
        if signer == Signer::Project && bundle.date < build {
            return (self, vec![Clash::Superseded { bundle: bundle.date, build }]);
        }
        let mark = BundleMark { serial: bundle.serial, date: bundle.date, digest: bundle.digest, signer };
        let (mut merged, mut clashes, out) = match &mark.signer {
            Signer::Project => self.replaced(bundle),
            Signer::Other(_) => self.floored(bundle),
        };
        merged.bundles.push(mark);
        merged.append(bundle, &out, &mut clashes);
        (merged, clashes)
    }

    /// Without what the bundle withdraws or brings anew, and with its tables.
    fn replaced(mut self, bundle: &Bundle) -> (Self, Vec<Clash>, BTreeSet<String>) {
        self.releases = bundle.releases.clone().unwrap_or(self.releases);
        self.flags = bundle.flags.clone().unwrap_or(self.flags);
        self.changed = bundle.changed.clone().unwrap_or(self.changed);
        let gone: BTreeSet<String> = bundle.withdrawn.iter().cloned().chain(bundle.ids()).collect();
        self.rules.retain(|rule| !gone.contains(&rule.id));
        self.advisories.advisory.retain(|advisory| !gone.contains(&advisory.id));
        self.releases.hazard.retain(|hazard| !gone.contains(&hazard.id));
        self.removed.lists.take_out(&gone);
        (self, Vec::new(), BTreeSet::new())
    }

    /// With itself as its floor, and what of the bundle would be no addition.
    fn floored(mut self, bundle: &Bundle) -> (Self, Vec<Clash>, BTreeSet<String>) {
        let known = self.ids();
        let taken: BTreeSet<String> = bundle.ids().filter(|id| known.contains(id)).collect();
        let withdrawn = bundle.withdrawn.iter().cloned().map(Clash::Withdraws);
        let clashes = taken.iter().cloned().map(Clash::Replaces).chain(withdrawn);
        let clashes = clashes.chain(bundle.tables().map(Clash::Table)).collect();
        self.floor = Some(Box::new(self.clone()));
        (self, clashes, taken)
    }

    /// Everything that the bundle brings, except `out`.
    fn append(&mut self, bundle: &Bundle, out: &BTreeSet<String>, clashes: &mut Vec<Clash>) {
        self.rules.extend(bundle.rules.iter().filter(|rule| !out.contains(&rule.id)).cloned());
        self.rules.sort_by(|a, b| a.id.cmp(&b.id));
        let advisories = bundle.advisories.iter().filter(|advisory| !out.contains(&advisory.id));
        self.advisories.advisory.extend(advisories.cloned());
        let mut lists = bundle.removed.clone();
        lists.take_out(out);
        self.removed.lists.append(lists);
        for hazard in bundle.hazards.iter().filter(|hazard| !out.contains(&hazard.id)) {
            match self.releases.foreign(hazard) {
                Some(why) => clashes.push(Clash::Range { id: hazard.id.clone(), why }),
                None => self.releases.hazard.push(hazard.clone()),
            }
        }
    }

    fn ids(&self) -> BTreeSet<String> {
        let rules = self.rules.iter().map(|rule| rule.id.clone());
        let advisories = self.advisories.advisory.iter().map(|advisory| advisory.id.clone());
        let hazards = self.releases.hazard.iter().map(|hazard| hazard.id.clone());
        rules.chain(advisories).chain(hazards).chain(self.removed.lists.ids()).collect()
    }

    /// What of it is old on `today`. The project's bundle stands for the build; one of another key is fresh for itself only.
    #[must_use]
    pub fn ages(&self, today: Date) -> Vec<Age> {
        let project = self.bundles.iter().any(|bundle| bundle.signer == Signer::Project);
        let build = (!project).then(|| Age::of(Aged::Build, self.build_as_of, today)).flatten();
        let bundles = self.bundles.iter().filter_map(|bundle| Age::of(Aged::Bundle, bundle.date, today));
        build.into_iter().chain(bundles).collect()
    }
}
