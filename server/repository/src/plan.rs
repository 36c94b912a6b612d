//! What has to be done to get from the models that serve to the models that are wanted. Pure: names,
//! fingerprints and dependencies in, steps out.

use std::collections::{BTreeMap, BTreeSet};

/// A model that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Of its files.
    pub fingerprint: u64,
    /// Models it is made of, if it is an ensemble.
    pub members: Vec<String>,
}

/// The steps of a load or unload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Models to load (or load anew), in waves: everything a model is made of stands in an earlier
    /// wave, or serves already. Models of one wave do not depend on each other.
    pub load: Vec<Vec<String>>,
    /// Models that serve and shall not.
    pub unload: Vec<String>,
    /// Ensembles that cannot be loaded, and why.
    pub blocked: BTreeMap<String, Blocked>,
}

/// Why an ensemble cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// A member is not wanted, or is blocked itself.
    #[error("ensemble '{ensemble}' contains models that are not available: {}", members.join(", "))]
    Missing {
        /// The ensemble.
        ensemble: String,
        /// Its members that are not there.
        members: Vec<String>,
    },
    /// It contains itself.
    #[error("ensemble '{ensemble}' contains itself through its steps: {}", members.join(", "))]
    Circular {
        /// The ensemble.
        ensemble: String,
        /// The members on the circle.
        members: Vec<String>,
    },
}

/// Plans the way from `serving` (name -> fingerprint) to `wanted`.
///
/// A model is loaded if it does not serve, if its fingerprint changed, or if something it is made
/// of is loaded: an ensemble is always checked against the members it will run.
pub fn plan(serving: &BTreeMap<String, u64>, wanted: &BTreeMap<String, Wanted>) -> Plan {
    let mut plan = Plan::default();
    let mut settled: BTreeSet<&str> = BTreeSet::new();
    let mut dirty: BTreeSet<&str> = BTreeSet::new();
    loop {
        let ready: Vec<&str> = wanted
            .iter()
            .filter(|(name, model)| {
                !settled.contains(name.as_str())
                    && model.members.iter().all(|member| settled.contains(member.as_str()))
            })
            .map(|(name, _)| name.as_str())
            .collect();
        if ready.is_empty() {
            break;
        }
        let wave: Vec<&str> = ready
            .iter()
            .copied()
            .filter(|&name| {
                let model = &wanted[name];
                serving.get(name) != Some(&model.fingerprint)
                    || model.members.iter().any(|member| dirty.contains(member.as_str()))
            })
            .collect();
        settled.extend(&ready);
        dirty.extend(&wave);
        if !wave.is_empty() {
            plan.load.push(wave.into_iter().map(str::to_owned).collect());
        }
    }
    for (name, model) in wanted {
        if settled.contains(name.as_str()) {
            continue;
        }
        let unsettled: BTreeSet<&String> =
            model.members.iter().filter(|member| !settled.contains(member.as_str())).collect();
        let missing: Vec<String> = unsettled
            .iter()
            .filter(|member| !wanted.contains_key(**member))
            .map(|m| (*m).clone())
            .collect();
        let ensemble = name.clone();
        let blocked = if missing.is_empty() {
            Blocked::Circular { ensemble, members: unsettled.into_iter().cloned().collect() }
        } else {
            Blocked::Missing { ensemble, members: missing }
        };
        plan.blocked.insert(name.clone(), blocked);
    }
    // An ensemble that changed into something that cannot be loaded goes on as it was; one whose
    // member goes away goes with it.
    let stays = |name: &String, fingerprint: &u64| {
        settled.contains(name.as_str())
            || wanted.get(name).is_some_and(|model| model.fingerprint != *fingerprint)
    };
    plan.unload = serving
        .iter()
        .filter(|(name, fingerprint)| !stays(name, fingerprint))
        .map(|(name, _)| name.clone())
        .collect();
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn serving(models: &[(&str, u64)]) -> BTreeMap<String, u64> {
        models.iter().map(|&(name, fingerprint)| (name.to_owned(), fingerprint)).collect()
    }

    fn wanted(models: &[(&str, u64, &[&str])]) -> BTreeMap<String, Wanted> {
        let wanted = |&(name, fingerprint, members): &(&str, u64, &[&str])| {
            let members = members.iter().map(|&member| member.to_owned()).collect();
            (name.to_owned(), Wanted { fingerprint, members })
        };
        models.iter().map(wanted).collect()
    }

    fn waves(plan: &Plan) -> Vec<Vec<&str>> {
        plan.load.iter().map(|wave| wave.iter().map(String::as_str).collect()).collect()
    }

    #[test]
    fn members_come_first() {
        let plan = plan(
            &serving(&[]),
            &wanted(&[("a_top", 1, &["b_mid", "c"]), ("b_mid", 1, &["c"]), ("c", 1, &[])]),
        );
        assert_eq!(waves(&plan), [vec!["c"], vec!["b_mid"], vec!["a_top"]]);
    }

    #[test]
    fn what_did_not_change_stays() {
        let plan = plan(&serving(&[("a", 1), ("b", 1)]), &wanted(&[("a", 1, &[]), ("b", 2, &[])]));
        assert_eq!(waves(&plan), [["b"]]);
        assert!(plan.unload.is_empty());
    }

    #[test]
    fn a_changed_member_brings_its_ensembles_along() {
        let plan = plan(
            &serving(&[("e", 1), ("m", 1), ("other", 1)]),
            &wanted(&[("e", 1, &["m"]), ("m", 2, &[]), ("other", 1, &[])]),
        );
        assert_eq!(waves(&plan), [["m"], ["e"]]);
    }

    #[test]
    fn an_ensemble_goes_with_its_member() {
        let plan = plan(&serving(&[("e", 1), ("m", 1)]), &wanted(&[("e", 1, &["m"])]));
        assert_eq!(plan.unload, ["e", "m"]);
        assert!(
            matches!(&plan.blocked["e"], Blocked::Missing { members, .. } if members == &["m"])
        );
    }

    #[test]
    fn an_ensemble_that_changed_for_the_worse_goes_on() {
        let plan = plan(&serving(&[("e", 1)]), &wanted(&[("e", 2, &["nowhere"])]));
        assert!(plan.unload.is_empty() && plan.load.is_empty() && plan.blocked.contains_key("e"));
    }

    #[test]
    fn circles_are_blocked_and_the_rest_loads() {
        let plan = plan(
            &serving(&[]),
            &wanted(&[("a", 1, &["b"]), ("b", 1, &["a"]), ("c", 1, &["a"]), ("d", 1, &[])]),
        );
        assert_eq!(waves(&plan), [["d"]]);
        assert_eq!(plan.blocked.len(), 3);
        assert!(plan.blocked.values().all(|blocked| matches!(blocked, Blocked::Circular { .. })));
    }

    proptest! {
        /// Whatever the graph: every wanted model is settled or blocked, and no model is loaded
        /// before what it is made of.
        #[test]
        fn no_model_is_lost_or_early(
            edges in proptest::collection::vec((0usize..8, 0usize..10), 0..20),
            current in proptest::collection::btree_map("[a-j]", 0u64..2, 0..6),
        ) {
            let name = |i: usize| char::from(b'a' + u8::try_from(i).unwrap()).to_string();
            let mut want: BTreeMap<String, Wanted> =
                (0..8).map(|i| (name(i), Wanted { fingerprint: 1, members: vec![] })).collect();
            for (from, to) in edges {
                want.get_mut(&name(from)).unwrap().members.push(name(to));
            }
            let plan = plan(&current, &want);
            let mut done: BTreeSet<String> = BTreeSet::new();
            for wave in &plan.load {
                for model in wave {
                    for member in &want[model].members {
                        let serves = current.get(member) == Some(&1) && !plan.load.iter().flatten().any(|m| m == member);
                        prop_assert!(done.contains(member) || serves, "{model} before {member}");
                    }
                }
                done.extend(wave.iter().cloned());
            }
            for model in want.keys() {
                let serves = current.get(model) == Some(&1);
                prop_assert!(done.contains(model) || plan.blocked.contains_key(model) || serves);
            }
        }
    }
}
