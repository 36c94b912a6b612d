//! Bad films, each with exactly its problem, and the catalogue itself.

use super::*;
use crate::load::load;
use std::path::Path;

/// A film without a fault.
pub(crate) fn film() -> Film {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let words: Vec<String> = (0..49).map(|word| format!("word{word}")).collect();
    Film {
        id: "haxan-kids-1921".to_owned(),
        title: "Häxan & Kids".to_owned(),
        year: 1921,
        directors: texts(&["A. Director"]),
        cast: texts(&["An Actor", "An Actress"]),
        genres: texts(&["Comedy", "Science Fiction"]),
        countries: texts(&["US", "XK"]),
        languages: texts(&["en"]),
        runtime: 68,
        synopsis: format!("Words {}.", words.join(" ")),
    }
}

fn problems(films: impl IntoIterator<Item = Film>) -> Vec<String> {
    let entries: Vec<Entry> =
        films.into_iter().enumerate().map(|(at, film)| Entry { line: at + 1, film }).collect();
    check(&entries, 2024).iter().map(Problem::to_string).collect()
}

#[test]
fn each_fault_is_one_problem() {
    let check = |spoil: &dyn Fn(&mut Film), expect: &str| {
        let mut film = film();
        spoil(&mut film);
        let expect = format!("line 1, {}, {expect}", film.id);
        assert_eq!(problems([film]), [expect]);
    };
    assert_eq!(problems([film()]), [] as [&str; 0]);

    check(
        &|film| film.id = "Haxan-kids-1921".into(),
        "id: expected a-z and 0-9 with single hyphens between, got 'Haxan-kids-1921'",
    );
    check(
        &|film| film.id = "haxan--kids-1921".into(),
        "id: expected a-z and 0-9 with single hyphens between, got 'haxan--kids-1921'",
    );
    check(
        &|film| film.id = "haxan-kids-1922".into(),
        "id: expected an id that ends in the year, -1921, got 'haxan-kids-1922'",
    );
    check(
        &|film| film.id = "haxan-1921".into(),
        "id: expected the letters of the title 'Häxan & Kids', got 'haxan-1921'",
    );
    check(&|film| film.title = String::new(), "title: expected text, got nothing");
    check(
        &|film| film.title.push(' '),
        "title: expected no blanks around the text, got some in 'Häxan & Kids '",
    );
    check(
        &|film| film.title = "Häxan\t& Kids".into(),
        "title: expected characters that can be seen, got U+0009 in 'Häxan\\t& Kids'",
    );
    check(
        &|film| film.title = "Ha\u{308}xan & Kids".into(),
        "title: expected a letter and its accent as one character (Unicode NFC), got 'a' and U+0308 in 'Ha\\u{308}xan & Kids'",
    );
    check(
        &|film| (film.year, film.id) = (1887, "haxan-kids-1887".into()),
        "year: expected a year from 1888 to 2026, got 1887",
    );
    check(
        &|film| (film.year, film.id) = (2027, "haxan-kids-2027".into()),
        "year: expected a year from 1888 to 2026, got 2027",
    );
    check(&|film| film.directors.clear(), "directors: expected one director or more, got none");
    check(&|film| film.directors.push(String::new()), "directors: expected text, got nothing");
    check(
        &|film| film.cast.push("An Actor".into()),
        "cast: expected each once, got 'An Actor' again",
    );
    check(
        &|film| film.cast.push("Two  Blanks".into()),
        "cast: expected single blanks between words, got two together in 'Two  Blanks'",
    );
    check(&|film| film.genres.clear(), "genres: expected one genre or more, got none");
    check(
        &|film| film.genres.push("Horrror".into()),
        "genres: expected one of the 21 genres, got 'Horrror'; did you mean 'Horror'?",
    );
    check(
        &|film| film.genres.push("Noir".into()),
        "genres: expected one of the 21 genres: Action, Adventure, Animation, Biography, Comedy, Crime, Documentary, Drama, Family, Fantasy, History, Horror, Music, Musical, Mystery, Romance, Science Fiction, Sport, Thriller, War, Western, got 'Noir'",
    );
    check(
        &|film| film.genres.push("Comedy".into()),
        "genres: expected each once, got 'Comedy' again",
    );
    check(&|film| film.countries.clear(), "countries: expected one country or more, got none");
    check(
        &|film| film.countries.push("UK".into()),
        "countries: expected a country's code of ISO 3166-1 such as US, got 'UK'; did you mean 'GB'?",
    );
    check(
        &|film| film.countries.push("XX".into()),
        "countries: expected a country's code of ISO 3166-1 such as US, got 'XX'",
    );
    check(
        &|film| film.languages.push("EN".into()),
        "languages: expected a language's code of ISO 639-1 such as en, got 'EN'; did you mean 'en'?",
    );
    check(&|film| film.runtime = 0, "runtime: expected 1 to 1000 minutes, got 0");
    check(&|film| film.runtime = 1001, "runtime: expected 1 to 1000 minutes, got 1001");
    check(&|film| film.synopsis = String::new(), "synopsis: expected text, got nothing");
    check(
        &|film| film.synopsis = format!("{}.", ["word"; 39].join(" ")),
        "synopsis: expected 40 to 200 words, got 39",
    );
    check(
        &|film| film.synopsis = format!("{}.", ["word"; 201].join(" ")),
        "synopsis: expected 40 to 200 words, got 201",
    );
    check(
        &|film| film.synopsis.truncate(film.synopsis.len() - 1),
        "synopsis: expected a full stop at the end, got 'word48'",
    );
    check(
        &|film| film.synopsis.insert(0, '\u{200b}'),
        "synopsis: expected characters that can be seen, got U+200B in '\\u{200b}Words word0 word1 word2 word3 word4 word5 word6 word7 word8...'",
    );
}

#[test]
fn what_may_be_empty_or_at_a_bound_is_no_problem() {
    let check = |spoil: &dyn Fn(&mut Film)| {
        let mut film = film();
        spoil(&mut film);
        assert_eq!(problems([film]), [] as [&str; 0]);
    };
    check(&|film| film.cast.clear());
    check(&|film| film.languages.clear());
    check(&|film| (film.year, film.id) = (1888, "haxan-kids-1888".into()));
    check(&|film| (film.year, film.id) = (2026, "haxan-kids-2026".into()));
    check(&|film| film.runtime = 1);
    check(&|film| film.runtime = 1000);
    check(&|film| film.synopsis = format!("{}.", ["word"; 40].join(" ")));
    check(&|film| film.synopsis = format!("\"{}?\"", ["word"; 200].join(" ")));
    check(&|film| film.id = "haxan-and-kids-1921".into());
}

#[test]
fn films_are_compared_with_one_another() {
    let other = |id: &str, title: &str, words: &str| {
        let synopsis = (0..49).map(|word| format!("{words}{word} ")).collect::<String>();
        Film { id: id.to_owned(), title: title.to_owned(), synopsis: synopsis + "end.", ..film() }
    };
    let check = |second, expect: &[&str]| assert_eq!(problems([film(), second]), expect);
    check(other("other-1921", "Other", "x"), &[]);
    check(
        other("haxan-kids-1921", "Haxan kids", "x"),
        &[
            "line 2, haxan-kids-1921, id: expected an id of its own, got that of line 1 (haxan-kids-1921)",
        ],
    );
    check(
        other("haxan-the-kids-1921", "HÄXAN & KIDS", "x"),
        &[
            "line 2, haxan-the-kids-1921, title: expected a title of its own in its year, got that of line 1 (haxan-kids-1921)",
        ],
    );
    check(
        other("another-1921", "Another", "x"),
        &[
            "line 2, another-1921: expected films in the order of their year, then id, got it behind haxan-kids-1921",
        ],
    );
    let earlier = Film { year: 1920, ..other("other-1920", "Other", "x") };
    check(
        earlier,
        &[
            "line 2, other-1920: expected films in the order of their year, then id, got it behind haxan-kids-1921",
        ],
    );
    check(
        other("other-1921", "Other", "word"),
        &[
            "line 2, other-1921, synopsis: expected a synopsis of its own, got 97 % of the wording of line 1 (haxan-kids-1921)",
        ],
    );
    // The same title in another year is another film.
    check(Film { year: 1922, ..other("haxan-kids-1922", "Häxan & Kids", "x") }, &[]);
}

#[test]
fn all_problems_are_reported() {
    let bad = Film { runtime: 0, genres: vec!["X".into(), "Y".into()], ..film() };
    assert_eq!(problems([bad.clone(), bad]).len(), 3 + 3 + 3);
}

#[test]
fn the_catalogue_passes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalogue/films.jsonl");
    let films = load(&path).unwrap();
    assert_eq!(films.len(), 1100);
}
