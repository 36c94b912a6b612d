//! The closed lists: genres, and the codes of countries and languages.

/// The genres, all that there are.
pub const GENRES: [&str; 21] = [
    "Action",
    "Adventure",
    "Animation",
    "Biography",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Family",
    "Fantasy",
    "History",
    "Horror",
    "Music",
    "Musical",
    "Mystery",
    "Romance",
    "Science Fiction",
    "Sport",
    "Thriller",
    "War",
    "Western",
];

/// ISO 3166-1 alpha-2, and XK, which the standard leaves to its users and they to Kosovo.
const COUNTRIES: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR \
    BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ \
    EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW \
    GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY \
    KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV \
    MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY \
    QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG \
    TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM \
    ZW";

/// ISO 639-1.
const LANGUAGES: &str = "\
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy \
    da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu \
    hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb \
    lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om \
    or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw \
    ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu";

/// What countries are often called instead.
const MISNAMED: [(&str, &str); 5] =
    [("UK", "GB"), ("USA", "US"), ("SU", "RU"), ("EN", "GB"), ("JA", "JP")];

pub(crate) fn is_country(code: &str) -> bool {
    is_listed(COUNTRIES, code)
}

pub(crate) fn is_language(code: &str) -> bool {
    is_listed(LANGUAGES, code)
}

/// The genre that a typo was meant to be.
pub(crate) fn nearest_genre(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let distance = |genre: &str| strsim::osa_distance(&name, &genre.to_lowercase());
    let nearest = GENRES.into_iter().min_by_key(|genre| distance(genre))?;
    (distance(nearest) <= (nearest.len() / 3).max(1)).then_some(nearest)
}

/// The code that was written in the wrong case, or is not the one of the standard.
pub(crate) fn nearest_country(code: &str) -> Option<&'static str> {
    let code = code.to_uppercase();
    let misnamed = MISNAMED.iter().find(|(name, _)| *name == code);
    misnamed.map(|(_, meant)| *meant).or_else(|| listed(COUNTRIES, &code))
}

/// The code that was written in the wrong case.
pub(crate) fn nearest_language(code: &str) -> Option<&'static str> {
    listed(LANGUAGES, &code.to_lowercase())
}

fn is_listed(list: &'static str, code: &str) -> bool {
    listed(list, code).is_some()
}

fn listed(list: &'static str, code: &str) -> Option<&'static str> {
    list.split(' ').find(|listed| *listed == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_complete() {
        let check = |list: Vec<&str>, count| {
            assert!(list.is_sorted_by(|a, b| a < b), "{list:?}");
            assert_eq!(list.len(), count);
        };
        check(GENRES.to_vec(), 21);
        // 249 of the standard, and XK.
        check(COUNTRIES.split(' ').collect(), 250);
        check(LANGUAGES.split(' ').collect(), 184);
    }

    #[test]
    fn knows_codes() {
        let check = |code, country, language| {
            assert_eq!((is_country(code), is_language(code)), (country, language), "{code}");
        };
        check("US", true, false);
        check("XK", true, false);
        check("us", false, false);
        check("UK", false, false);
        check("en", false, true);
        check("EN", false, false);
        check("eng", false, false);
        check("", false, false);
        check("US UY", false, false);
    }

    #[test]
    fn guesses_what_was_meant() {
        assert_eq!(nearest_genre("Horrror"), Some("Horror"));
        assert_eq!(nearest_genre("horror"), Some("Horror"));
        assert_eq!(nearest_genre("Sciencefiction"), Some("Science Fiction"));
        assert_eq!(nearest_genre("Noir"), None);
        assert_eq!(nearest_country("uk"), Some("GB"));
        assert_eq!(nearest_country("fr"), Some("FR"));
        assert_eq!(nearest_country("France"), None);
        assert_eq!(nearest_language("EN"), Some("en"));
        assert_eq!(nearest_language("english"), None);
    }
}
