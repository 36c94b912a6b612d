//! The table of rules. Each file holds one idea: its rules as constants, and one function that looks
//! at one model. Nothing here reads a configuration or a model's file; `view` did.

mod backend;
mod batching;
mod ensemble;
mod files;
mod identity;
mod index;
mod instances;
mod labels;
mod layout;
mod links;
mod onnx;
mod place;
mod refusals;
mod space;
mod text;
mod validation;
mod versions;
mod warmup;

use crate::{
    CheckOptions, Rule,
    finding::Findings,
    view::{self, Found, ModelView},
};
use hippocamp_config::nearest;
use std::collections::BTreeMap;

/// What a rule may look at beside its model.
#[derive(Debug)]
pub(crate) struct Context<'c> {
    pub(crate) options: &'c CheckOptions,
    pub(crate) models: &'c BTreeMap<String, ModelView>,
}

impl<'c> Context<'c> {
    /// The model that a step of `view` means.
    pub(crate) fn member(&self, view: &ModelView, name: &str) -> Option<&'c ModelView> {
        view::find(self.models, view, name).map(|(_, member)| member)
    }
}

type Check = fn(&Context<'_>, &ModelView, &mut Findings);

/// In this order, so that a backstop comes after the rules that say more.
const CHECKS: [Check; 20] = [
    layout::check,
    text::check,
    identity::check,
    backend::check,
    versions::check,
    files::check,
    batching::check,
    instances::check,
    onnx::file::check,
    onnx::tensors::check,
    index::check,
    labels::check,
    warmup::check,
    warmup::expected::check,
    warmup::unused::check,
    ensemble::flow::check,
    ensemble::members::check,
    space::check,
    validation::check,
    ensemble::backstop::check,
];

/// Every rule, in the order of `--list-rules`.
const RULES: [&[&Rule]; 19] = [
    &place::RULES,
    &layout::RULES,
    &links::RULES,
    &text::RULES,
    &identity::RULES,
    &backend::RULES,
    &versions::RULES,
    &files::RULES,
    &validation::RULES,
    &refusals::RULES,
    &batching::RULES,
    &instances::RULES,
    &onnx::file::RULES,
    &onnx::tensors::RULES,
    &index::RULES,
    &space::RULES,
    &labels::RULES,
    &warmup::RULES,
    &ensemble::RULES,
];

/// Every rule there is.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().copied().flatten().copied()
}

/// Looks at what stands in the repositories, models or not.
pub(crate) fn repository(found: &Found, options: &CheckOptions, findings: &mut Findings) {
    place::repository(found, findings);
    layout::repository(found, options, findings);
    links::repository(found, options, findings);
}

/// Looks at one model.
pub(crate) fn model(context: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    for check in CHECKS {
        check(context, view, findings);
    }
}

/// Names listed in one message.
const MAX_LISTED: usize = 12;

/// The end of a message about a name that is none: the nearest one, or all there are.
pub(crate) fn hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(near) = nearest(name, known.clone()) {
        return format!("did you mean '{near}'?");
    }
    let mut names: Vec<_> = known.into_iter().map(|name| format!("'{name}'")).collect();
    let more = names.len().saturating_sub(MAX_LISTED);
    if more > 1 {
        names.truncate(MAX_LISTED);
        names.push(format!("{more} more"));
    }
    if names.is_empty() {
        "there are none".to_owned()
    } else {
        format!("expected one of {}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn rules_have_ids_of_their_own_and_say_something() {
        let mut ids = HashSet::new();
        for rule in all() {
            assert!(ids.insert(rule.id), "{} is there twice", rule.id);
            assert!(rule.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
            assert!(!rule.summary.is_empty() && rule.help.ends_with('.'), "{}", rule.id);
            assert!(!rule.summary.contains('|') && !rule.help.contains('|'), "{}", rule.id);
        }
    }

    #[test]
    fn hints_name_the_nearest_or_all() {
        assert_eq!(hint("inptu", ["input", "output"]), "did you mean 'input'?");
        assert_eq!(hint("colour", ["input", "output"]), "expected one of 'input', 'output'");
        assert_eq!(hint("x", []), "there are none");
    }
}
