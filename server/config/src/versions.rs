//! Versions: which directories of a model hold one, and which of them its policy serves.

use hippocamp_proto::inference::{ModelVersionPolicy, model_version_policy::PolicyChoice};
use std::{fs, io, path::Path};

/// The version that a directory of this name holds; as in Triton, a name with a leading zero is none.
pub fn version_number(name: &str) -> Option<u64> {
    Some(name).filter(|name| !name.starts_with(['0', '+']))?.parse().ok()
}

/// Numbers of the version directories of a model, ascending.
///
/// # Errors
/// If the model's directory cannot be listed.
pub fn version_directories(model_dir: &Path) -> io::Result<Vec<u64>> {
    let mut versions = Vec::new();
    for entry in fs::read_dir(model_dir)? {
        let entry = entry?;
        if let Some(version) = entry.file_name().to_str().and_then(version_number)
            && entry.path().is_dir()
        {
            versions.push(version);
        }
    }
    versions.sort_unstable();
    Ok(versions)
}

/// The versions out of `available` that `policy` selects, ascending; no policy is the latest one.
pub fn select_versions(policy: Option<&ModelVersionPolicy>, available: &[u64]) -> Vec<u64> {
    let mut versions = available.to_vec();
    versions.sort_unstable();
    versions.dedup();
    match policy.and_then(|policy| policy.policy_choice.as_ref()) {
        None => latest(versions, 1),
        Some(PolicyChoice::Latest(choice)) => latest(versions, choice.num_versions as usize),
        Some(PolicyChoice::All(_)) => versions,
        Some(PolicyChoice::Specific(choice)) => {
            let wanted = |version: &u64| {
                choice.versions.iter().any(|&named| u64::try_from(named) == Ok(*version))
            };
            versions.retain(wanted);
            versions
        }
    }
}

fn latest(mut ascending: Vec<u64>, count: usize) -> Vec<u64> {
    ascending.split_off(ascending.len().saturating_sub(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hippocamp_proto::inference::model_version_policy::{All, Latest, Specific};

    #[test]
    fn policies() {
        let check = |choice: Option<PolicyChoice>, available: &[u64], expect: &[u64]| {
            let policy =
                choice.clone().map(|choice| ModelVersionPolicy { policy_choice: Some(choice) });
            assert_eq!(select_versions(policy.as_ref(), available), expect, "{choice:?}");
        };
        let latest = |num_versions| Some(PolicyChoice::Latest(Latest { num_versions }));
        let specific = |versions: &[i64]| {
            Some(PolicyChoice::Specific(Specific { versions: versions.to_vec() }))
        };
        check(None, &[3, 1, 20], &[20]);
        check(None, &[], &[]);
        check(latest(2), &[3, 1, 20], &[3, 20]);
        check(latest(9), &[3, 1, 3], &[1, 3]);
        check(latest(0), &[3], &[]);
        check(latest(u32::MAX), &[3], &[3]);
        check(Some(PolicyChoice::All(All {})), &[3, 1, 20], &[1, 3, 20]);
        check(specific(&[20, 7, 1, -1, 1]), &[3, 1, 20], &[1, 20]);
        check(specific(&[]), &[3], &[]);
        let unset = ModelVersionPolicy { policy_choice: None };
        assert_eq!(select_versions(Some(&unset), &[1, 2]), [2]);
    }
}
