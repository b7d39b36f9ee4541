use belay_facts::{DatastoreKind, EtcdFacts};
use serde_json::json;

use super::Answer;
use crate::session::Session;

/// Does a write come back when it is read, and is etcd well?
pub async fn ask(session: &mut Session) -> Answer {
    let etcd = match session.target.datastore {
        DatastoreKind::Etcd => match session.observe().await {
            Ok(seen) => match unwell(seen.etcd.as_ref()) {
                Some(answer) => return answer,
                None => seen.etcd,
            },
            Err(error) => return Answer::not_yet(error),
        },
        DatastoreKind::Sqlite | DatastoreKind::External => None,
    };
    let run = session.run.clone();
    let api = match session.api().await {
        Ok(api) => api,
        Err(error) => return Answer::not_yet(error),
    };
    match api.write_and_read(&run).await {
        Ok(written) => {
            let mut evidence = json!(written);
            if let (Some(etcd), Some(members)) = (etcd, evidence.as_object_mut()) {
                members.insert("etcd".to_owned(), json!(etcd));
            }
            if written.read_back && written.gone {
                return Answer::Yes { says: "A write came back when it was read".to_owned(), evidence };
            }
            let what =
                if written.read_back { "could not be removed again" } else { "did not come back when it was read" };
            Answer::NotYet { says: format!("A write {what}"), evidence }
        }
        Err(error) => Answer::not_yet(error),
    }
}

/// What speaks against etcd. K3s takes back an alarm for want of room by itself, so that is no early no; what is
/// corrupt does not get better.
fn unwell(etcd: Option<&EtcdFacts>) -> Option<Answer> {
    let Some(etcd) = etcd else { return Some(Answer::not_yet("etcd's database could not be read")) };
    let evidence = json!({ "etcd": etcd });
    let says = if etcd.alarms.iter().any(|alarm| alarm == "CORRUPT") {
        return Some(Answer::No { says: "etcd says that its data are corrupt".to_owned(), evidence });
    } else if let Some(alarm) = etcd.alarms.first() {
        format!("etcd has raised the alarm {alarm}")
    } else if let Some(learner) = etcd.members.iter().find(|member| member.learner) {
        format!("{} is not a voting member of etcd yet", learner.name)
    } else {
        match etcd.healthy {
            Some(true) => return None,
            Some(false) => "etcd says of itself that it is not healthy".to_owned(),
            None => "etcd does not answer on 127.0.0.1:2381".to_owned(),
        }
    };
    Some(Answer::NotYet { says, evidence })
}

#[cfg(test)]
mod tests {
    use belay_facts::EtcdMember;

    use super::*;

    fn well() -> EtcdFacts {
        EtcdFacts {
            cluster: Some("a7".into()),
            server: None,
            cluster_version: None,
            storage: None,
            members: vec![EtcdMember { id: "25".into(), name: "n1".into(), learner: false }],
            alarms: Vec::new(),
            healthy: Some(true),
            leader: None,
            quota: None,
            in_use: None,
            sync_99: None,
        }
    }

    #[test]
    fn etcd_is_well_with_voters_a_leader_and_no_alarm() {
        assert!(unwell(Some(&well())).is_none());
        assert!(matches!(unwell(None), Some(Answer::NotYet { .. })));
        let with = |change: fn(&mut EtcdFacts)| {
            let mut etcd = well();
            change(&mut etcd);
            unwell(Some(&etcd))
        };
        let not_yet = |answer| matches!(answer, Some(Answer::NotYet { .. }));
        assert!(not_yet(with(|etcd| etcd.alarms.push("NOSPACE".into()))));
        assert!(not_yet(with(|etcd| etcd.members.push(EtcdMember { learner: true, ..well().members.remove(0) }))));
        assert!(not_yet(with(|etcd| etcd.healthy = None)));
        assert!(not_yet(with(|etcd| etcd.healthy = Some(false))));
        assert!(matches!(with(|etcd| etcd.alarms.push("CORRUPT".into())), Some(Answer::No { .. })));
    }
}
