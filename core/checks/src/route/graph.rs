use std::collections::BTreeMap;

use belay_facts::K3sVersion;

use super::build::Build;
use super::obstacle::{Obstacle, obstacle};
use super::{Avoided, NoRoute, Route, Rung, Standing};
use crate::Releases;

/// The known releases above where a ladder begins, and which upgrade may follow which.
pub struct ReleaseGraph<'a> {
    releases: &'a Releases,
    from: &'a Standing,
    start: Build,
    /// Oldest first, the bad ones included.
    above: Vec<Build>,
}

impl<'a> ReleaseGraph<'a> {
    #[must_use]
    pub fn of(releases: &'a Releases, from: &'a Standing) -> Self {
        let above = releases.builds().into_iter().filter(|tag| **tag > from.tag);
        let above = above.map(|tag| Build::of(releases, tag, from.datastore)).collect();
        Self { releases, from, start: Build::start(releases, from), above }
    }

    /// Finds the ladder with the fewest rungs, and of those the one with the newest build on every rung, since most repairs
    /// are in no table. No rung skips a Kubernetes minor, breaks the stepping of etcd, goes back in anything, or stops at a
    /// build that is known to be bad or of which nothing is known.
    ///
    /// # Errors
    /// With the reason, and the ladder to the nearest safe target if there is one.
    pub fn route(&self, to: &K3sVersion) -> Result<Route, Box<NoRoute>> {
        self.climb(to).map_err(|why| {
            let nearest = self.nearest(to).and_then(|tag| self.climb(&tag).ok());
            Box::new(NoRoute { as_of: self.releases.as_of, from: self.from.clone(), to: to.clone(), why, nearest })
        })
    }

    /// The newest build that can be reached; `None` when nothing above can be.
    #[must_use]
    pub fn newest(&self) -> Option<&K3sVersion> {
        self.reachable().last().map(|build| &build.tag)
    }

    fn obstacle<'b>(&self, from: &'b Build, to: &'b Build) -> Option<Obstacle<'b>> {
        obstacle(from, to, self.from.has_etcd())
    }

    /// Oldest first. Every edge leads upwards, so one pass in order is enough.
    fn reachable(&self) -> Vec<&Build> {
        let mut reached: Vec<&Build> = Vec::new();
        for build in &self.above {
            let mut from = std::iter::once(&self.start).chain(reached.iter().copied());
            let steps_on = from.any(|below| self.obstacle(below, build).is_none());
            if steps_on {
                reached.push(build);
            }
        }
        reached
    }

    /// How many upgrades lead from each build to `target`, for those from which any do.
    fn distances<'b>(&'b self, target: &'b Build) -> BTreeMap<&'b K3sVersion, usize> {
        let mut found: BTreeMap<&K3sVersion, usize> = BTreeMap::from([(&target.tag, 0)]);
        let mut reached = vec![target];
        let below = self.above.iter().filter(|build| build.tag < target.tag);
        for build in std::iter::once(&self.start).chain(below).rev() {
            let next = reached.iter().filter(|next| self.obstacle(build, next).is_none());
            if let Some(nearest) = next.filter_map(|next| found.get(&next.tag)).min() {
                found.insert(&build.tag, nearest.saturating_add(1));
                reached.push(build);
            }
        }
        found
    }

    fn climb(&self, to: &K3sVersion) -> Result<Route, String> {
        let mut route = Route {
            as_of: self.releases.as_of,
            from: self.from.clone(),
            to: to.clone(),
            not_at_once: None,
            rungs: Vec::new(),
        };
        if *to == self.start.tag {
            return Ok(route);
        }
        let target = Build::of(self.releases, to, self.from.datastore);
        let direct = self.obstacle(&self.start, &target);
        if let Some(why) = direct.as_ref().filter(|why| why.is_final()) {
            return Err(why.to_string());
        }
        let distances = self.distances(&target);
        if !distances.contains_key(&self.start.tag) {
            return Err(self.stuck(&target, direct.as_ref()));
        }
        route.not_at_once = direct.map(|why| why.to_string());
        let path = self.path(&target, &distances)?;
        let below = std::iter::once(&self.start).chain(path.iter().copied());
        for (index, (at, build)) in below.zip(path.iter().copied()).enumerate() {
            // What the rung is for: the next one could not have followed the one before.
            let next = path.get(index.saturating_add(1));
            let opens = next.and_then(|next| match self.obstacle(at, next) {
                Some(Obstacle::EtcdStep { to, .. }) => Some(to.to_string()),
                _ => None,
            });
            let mut rung = Rung::of(at, build, build.tag == *to, opens);
            rung.avoided = self.avoided(at, build, &target, &distances);
            route.rungs.push(rung);
        }
        Ok(route)
    }

    /// The fewest steps to the target, the newest build at each.
    fn path<'b>(
        &'b self,
        target: &'b Build,
        distances: &BTreeMap<&K3sVersion, usize>,
    ) -> Result<Vec<&'b Build>, String> {
        let far = |build: &Build| distances.get(&build.tag).copied();
        let mut path: Vec<&Build> = Vec::new();
        let mut at = &self.start;
        while at.tag != target.tag {
            let steps = self.above.iter().filter(|build| build.tag != target.tag).chain(std::iter::once(target));
            let nearer = steps.filter(|build| far(build).is_some_and(|left| Some(left.saturating_add(1)) == far(at)));
            let open = nearer.filter(|build| self.obstacle(at, build).is_none());
            at = open.max_by_key(|build| &build.tag).ok_or_else(|| self.stuck(target, None))?;
            path.push(at);
        }
        Ok(path)
    }

    /// Why each build of the rung's minor that a hasty upgrade would have taken was not: every newer one, and every bad one.
    fn avoided(
        &self,
        at: &Build,
        rung: &Build,
        target: &Build,
        distances: &BTreeMap<&K3sVersion, usize>,
    ) -> Vec<Avoided> {
        let left = distances.get(&at.tag).copied().unwrap_or_default();
        let same_minor =
            |build: &&Build| build.tag.minor == rung.tag.minor && at.tag < build.tag && build.tag <= target.tag;
        let worth = |build: &&Build| build.tag != rung.tag && (build.tag > rung.tag || build.bad.is_some());
        let why = |build: &Build| match (self.obstacle(at, build), distances.get(&build.tag)) {
            (Some(obstacle), _) => obstacle.to_string(),
            (None, Some(far)) if far.saturating_add(1) > left => {
                format!("from it {} upgrades lead to {}, not {}", far, target.tag, left.saturating_sub(1))
            }
            (None, _) => {
                let on = self.obstacle(build, target);
                on.map_or_else(|| format!("nothing leads on to {}", target.tag), |on| format!("{}: {on}", target.tag))
            }
        };
        let builds = self.above.iter().filter(same_minor).filter(worth);
        builds.map(|build| Avoided { tag: build.tag.clone(), why: why(build) }).collect()
    }

    /// Why no chain leads to a target that is itself in order.
    fn stuck(&self, target: &Build, direct: Option<&Obstacle<'_>>) -> String {
        let reachable = self.reachable();
        let last = reachable.into_iter().rfind(|build| build.tag < target.tag);
        match (last.and_then(|last| Some((last, self.obstacle(last, target)?))), direct) {
            (Some((last, why)), _) => format!("safe builds lead as far as {}, and to {}: {why}", last.tag, target.tag),
            (None, Some(why)) => why.to_string(),
            (None, None) => format!("no chain of safe builds leads to {}", target.tag),
        }
    }

    /// The newest that can be reached of the target's minor, else of the minors below it, else of any.
    fn nearest(&self, to: &K3sVersion) -> Option<K3sVersion> {
        let reachable = self.reachable();
        let of_minor = |build: &&&Build| (build.tag.major, build.tag.minor) == (to.major, to.minor);
        let below = |build: &&&Build| build.tag < *to;
        let of_start = |build: &&&Build| build.tag.minor == self.start.tag.minor;
        let found = reachable.iter().rfind(of_minor).or_else(|| reachable.iter().rfind(below));
        found.or_else(|| reachable.iter().rfind(of_start)).map(|build| build.tag.clone())
    }
}
