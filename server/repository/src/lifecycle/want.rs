//! What a call, or a look at the files, wants: models as they stand in the repository, and what they
//! are made of.

use super::{Desired, Repository, next_override};
use crate::{
    LoadOverrides, RepositoryError, overrides,
    root::{self, Found},
    source::{self, ModelSource},
};
use hippocamp_proto::inference::model_config::SchedulingChoice;
use hippocamp_types::Error;
use std::collections::{BTreeMap, BTreeSet};

/// What a call wants of the repository.
pub(super) struct Wants<'a> {
    /// What stands in it.
    pub(super) models: &'a BTreeMap<String, Found>,
    /// What is to be wanted.
    pub(super) next: BTreeMap<String, Desired>,
    /// Models that cannot be read.
    pub(super) failed: BTreeMap<String, Error>,
    /// The models that the call is about.
    pub(super) asked: BTreeSet<String>,
}

impl Wants<'_> {
    fn add(&mut self, name: &str, source: ModelSource, explicit: bool) {
        self.asked.insert(name.to_owned());
        let known = self.next.get_mut(name);
        match known.filter(|known| known.source.fingerprint == source.fingerprint) {
            // The same files: what is known of them, and held open, stays.
            Some(known) => known.explicit |= explicit,
            None => drop(self.next.insert(name.to_owned(), Desired { source, explicit })),
        }
    }
}

impl Repository {
    /// Reads a model as it stands in the repository.
    pub(super) fn read(
        &self,
        models: &BTreeMap<String, Found>,
        found: &Found,
    ) -> Result<ModelSource, RepositoryError> {
        let place = found.place()?;
        let mut source = source::read(&found.name, &place, self.options.config_name.as_deref())?;
        source.namespace.clone_from(&found.namespace);
        if let Some(namespace) = &found.namespace
            && let Some(SchedulingChoice::EnsembleScheduling(ensemble)) =
                &mut source.config.scheduling_choice
        {
            // A step means the model of its own namespace first.
            for step in &mut ensemble.step {
                let own = root::qualified(namespace, &step.model_name);
                if models.contains_key(&own) {
                    step.model_name = own;
                }
            }
        }
        Ok(source)
    }

    /// Adds `name` and, if it is an ensemble, its members to what is wanted, as they stand in the
    /// repository now: an ensemble is loaded anew with all that it is made of, as in Triton.
    pub(super) fn want(
        &self,
        wants: &mut Wants<'_>,
        name: &str,
        with: Option<&LoadOverrides>,
    ) -> Result<(), RepositoryError> {
        let source = match with {
            Some(with) if !with.is_empty() => {
                overrides::source(name, wants.models.get(name), with).map(|mut source| {
                    // What a call brings is always loaded, whatever served before.
                    source.fingerprint = next_override();
                    source.from_call = true;
                    source
                })?
            }
            _ => {
                let found = wants
                    .models
                    .get(name)
                    .ok_or_else(|| RepositoryError::Unknown { name: name.to_owned() })?;
                self.read(wants.models, found)?
            }
        };
        let mut open = source.members();
        let mut seen = BTreeSet::from([name.to_owned()]);
        wants.add(name, source, true);
        while let Some(member) = open.pop() {
            if !seen.insert(member.clone()) {
                continue;
            }
            // What a call brought stays until another call replaces it.
            let known = wants.next.get(&member);
            if let Some(known) = known.filter(|known| known.source.from_call) {
                open.extend(known.source.members());
                continue;
            }
            let explicit = known.is_some_and(|known| known.explicit);
            // A member that is not in the repository is reported by the plan, with the ensemble's name.
            let Some(found) = wants.models.get(&member) else { continue };
            match self.read(wants.models, found) {
                Ok(source) => {
                    open.extend(source.members());
                    wants.add(&member, source, explicit);
                }
                Err(error) => {
                    let error = self.refuse(&member, error.into());
                    wants.failed.insert(member.clone(), error);
                    wants.asked.insert(member);
                }
            }
        }
        Ok(())
    }
}
