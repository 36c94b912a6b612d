//! Names of models with `*` for any text, as users write them in flags and in files of keys.

/// Whether `pattern` fits the whole of `name`.
pub fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().expect("split gives at least one part");
    for part in parts {
        // The leftmost place leaves most for the parts behind it.
        let Some(place) = name.find(part) else { return false };
        name = &name[place + part.len()..];
    }
    name.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, name, expect) in [
            ("simple", "simple", true),
            ("simple", "simple2", false),
            ("*", "", true),
            ("*", "x", true),
            ("recommend_*", "recommend_by_plot", true),
            ("recommend_*", "recommend", false),
            ("*_bow", "film_index_bow", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*a", "a", false),
            ("**", "x", true),
        ] {
            assert_eq!(fits(pattern, name), expect, "{pattern} {name}");
        }
    }
}
