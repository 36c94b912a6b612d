//! The language as a whole: what each form finds, what each error says, and, for expressions made
//! at random, that the columns' passes find the rows that a naive reading of each row finds.

use super::*;
use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::types::*;
use arrow_array::{ArrayRef, BooleanArray, LargeStringArray, PrimitiveArray, StringArray};
use arrow_schema::{DataType, Field};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

/// A row as the oracle reads it.
#[derive(Clone, Debug)]
struct Row {
    title: Option<String>,
    note: Option<String>,
    genres: Option<Vec<Option<String>>>,
    year: Option<i32>,
    rank: Option<u64>,
    small: Option<i8>,
    rating: Option<f32>,
    weight: Option<f64>,
    seen: Option<bool>,
}

fn table(rows: &[Row]) -> RecordBatch {
    fn numbers<T: ArrowPrimitiveType>(values: impl Iterator<Item = Option<T::Native>>) -> ArrayRef {
        Arc::new(values.collect::<PrimitiveArray<T>>())
    }
    let mut genres = ListBuilder::new(StringBuilder::new());
    for row in rows {
        genres.append_option(row.genres.clone());
    }
    let titles: StringArray = rows.iter().map(|row| row.title.as_deref()).collect();
    let notes: LargeStringArray = rows.iter().map(|row| row.note.as_deref()).collect();
    let seen: BooleanArray = rows.iter().map(|row| row.seen).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("title", Arc::new(titles)),
        ("note", Arc::new(notes)),
        ("genres", Arc::new(genres.finish())),
        ("year", numbers::<Int32Type>(rows.iter().map(|row| row.year))),
        ("rank", numbers::<UInt64Type>(rows.iter().map(|row| row.rank))),
        ("small", numbers::<Int8Type>(rows.iter().map(|row| row.small))),
        ("rating", numbers::<Float32Type>(rows.iter().map(|row| row.rating))),
        ("weight", numbers::<Float64Type>(rows.iter().map(|row| row.weight))),
        ("seen", Arc::new(seen)),
        ("day", numbers::<Date32Type>(rows.iter().map(|row| row.year))),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| {
            let field = Field::new(*name, array.data_type().clone(), true);
            match array.data_type() {
                DataType::List(_) => {
                    field.with_metadata(HashMap::from([(ELEMENT.to_owned(), "genre".to_owned())]))
                }
                _ => field,
            }
        })
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn films() -> RecordBatch {
    let film = |title: &str, year, genres: &[&str], rating, seen| Row {
        title: Some(title.to_owned()),
        note: None,
        genres: Some(genres.iter().map(|genre| Some((*genre).to_owned())).collect()),
        year: Some(year),
        rank: Some(u64::MAX),
        small: Some(-128),
        rating: Some(rating),
        weight: Some(f64::from(rating)),
        seen: Some(seen),
    };
    let unknown = Row {
        title: None,
        note: Some("It's \"lost\"".to_owned()),
        genres: None,
        year: None,
        rank: None,
        small: None,
        rating: None,
        weight: None,
        seen: None,
    };
    table(&[
        film("The Kid", 1921, &["Comedy", "Drama"], 8.3, true),
        film("Alien", 1979, &["Horror", "Science Fiction"], 8.5, true),
        film("Ringu", 1998, &["Horror"], 7.2, false),
        film("Flow", 2024, &[], 0.1, false),
        unknown,
    ])
}

fn found(text: &str, batch: &RecordBatch) -> Result<Vec<usize>, String> {
    let filter = Filter::parse(text, &batch.schema()).map_err(|error| error.to_string())?;
    let bits = filter.evaluate(batch);
    assert_eq!(bits.len(), batch.num_rows(), "{text}");
    Ok(bits.set_indices().collect())
}

#[test]
fn finds_rows() {
    let films = films();
    let check = |text: &str, expect: &[usize]| {
        assert_eq!(found(text, &films), Ok(expect.to_vec()), "{text}")
    };
    check("genre = 'Horror' and year >= 1990", &[2]);

    // Numbers.
    check("year = 1979", &[1]);
    check("year != 1979", &[0, 2, 3]);
    check("year <> 1979", &[0, 2, 3]);
    check("year < 1979", &[0]);
    check("year <= 1979", &[0, 1]);
    check("year > 1979", &[2, 3]);
    check("year >= 1979", &[1, 2, 3]);
    check("year between 1979 and 1998", &[1, 2]);
    check("year not between 1979 and 1998", &[0, 3]);
    check("year between 1998 and 1979", &[]);
    check("year in (1921, 2024, 5)", &[0, 3]);
    check("year not in (1921, 2024)", &[1, 2]);
    check("year in (1921.0, 1979.5)", &[0]);
    // Fractions beside integers, and numbers beyond a column's reach.
    check("year = 1979.5", &[]);
    check("year != 1979.5", &[0, 1, 2, 3]);
    check("year > 1978.5 and year < 1979.5", &[1]);
    check("year between 1978.5 and 1979.5", &[1]);
    check("small <= -127.5", &[0, 1, 2, 3]);
    check("small < -128", &[]);
    check("small >= -128.5", &[0, 1, 2, 3]);
    check("small < 1000", &[0, 1, 2, 3]);
    check("small > -1000", &[0, 1, 2, 3]);
    check("small in (-1000, -128, 1000)", &[0, 1, 2, 3]);
    check("rank = 18446744073709551615", &[0, 1, 2, 3]);
    check("rank > 18446744073709551614.9", &[0, 1, 2, 3]);
    check("rank = -1", &[]);
    let huge = "9".repeat(400);
    for (text, expect) in [("<", true), (">", false), ("=", false), ("<=", true), (">=", false)] {
        for column in ["year", "rank", "rating", "weight"] {
            let every: &[usize] = &[0, 1, 2, 3];
            check(&format!("{column} {text} {huge}"), if expect { every } else { &[] });
            let below = matches!(text, ">" | ">=");
            check(&format!("{column} {text} -{huge}"), if below { every } else { &[] });
        }
    }
    // A fraction is that of the column's precision.
    check("rating = 0.1", &[3]);
    check("rating > 0.1", &[0, 1, 2]);
    check("rating >= 0.1", &[0, 1, 2, 3]);
    check("rating < 0.1", &[]);
    check("rating in (7.2, 8.3)", &[0, 2]);
    check("rating between 7.2 and 8.3", &[0, 2]);
    check("weight = 0.1", &[]);
    check("weight < .5", &[3]);

    // Text.
    check("title = 'The Kid'", &[0]);
    check("title = \"The Kid\"", &[0]);
    check("title = 'the kid'", &[]);
    check("note = 'It''s \"lost\"'", &[4]);
    check("note = \"It's \"\"lost\"\"\"", &[4]);
    check("title != 'Alien'", &[0, 2, 3]);
    check("title < 'Flow'", &[1]);
    check("title <= 'Flow'", &[1, 3]);
    check("title > 'Ringu'", &[0]);
    check("title >= 'Ringu'", &[0, 2]);
    check("title between 'B' and 'S'", &[2, 3]);
    check("title in ('Flow', 'Alien')", &[1, 3]);
    check("title like '%i%'", &[0, 1, 2]);
    check("title not like '%i%'", &[3]);
    check("title like 'Fl_w'", &[3]);

    // Lists: any element; the negated forms no element.
    check("genres = 'Horror'", &[1, 2]);
    check("genre != 'Horror'", &[0, 3]);
    check("genre in ('Drama', 'Science Fiction')", &[0, 1]);
    check("genre not in ('Drama', 'Science Fiction')", &[2, 3]);
    check("genre like 'S%'", &[1]);
    check("genre not like 'S%'", &[0, 2, 3]);
    check("genre < 'D'", &[0]);
    check("genre between 'D' and 'E'", &[0]);

    // NULL.
    check("year is null", &[4]);
    check("year is not null", &[0, 1, 2, 3]);
    check("note is null", &[0, 1, 2, 3]);
    check("genre is null", &[4]);
    check("not (year = 1979)", &[0, 2, 3, 4]);
    check("not year = 1979 and genre is not null", &[0, 2, 3]);

    // Booleans and what joins conditions.
    check("seen", &[0, 1]);
    check("not seen", &[2, 3, 4]);
    check("seen = false", &[2, 3]);
    check("seen != true", &[2, 3]);
    check("seen in (true, FALSE)", &[0, 1, 2, 3]);
    check("seen not in (true)", &[2, 3]);
    check("year = 1921 or year = 1979 and seen = false", &[0]);
    check("(year = 1921 or year = 1979) and not seen", &[]);
    check("year=1979 Or year=1998", &[1, 2]);
    check("year>1950 AND(seen)", &[1]);
    check("NOT nOt seen", &[0, 1]);
}

#[test]
fn a_slice_has_its_own_rows() {
    let films = films().slice(1, 3);
    let check = |text: &str, expect: &[usize]| {
        assert_eq!(found(text, &films), Ok(expect.to_vec()), "{text}")
    };
    check("genre = 'Horror'", &[0, 1]);
    check("genre != 'Horror'", &[2]);
    check("title like '%i%'", &[0, 1]);
    check("year > 1990", &[1, 2]);
    check("seen", &[0]);
    check("note is null", &[0, 1, 2]);
    let none = films.slice(0, 0);
    assert_eq!(found("genre = 'Horror' or not seen or year = 1", &none), Ok(vec![]));
}

#[test]
fn errors_say_where_and_what() {
    let schema = films().schema();
    let check = |text: &str, expect: &str| {
        let error = Filter::parse(text, &schema).unwrap_err().to_string();
        assert_eq!(error, format!("filter, column {expect}"), "{text}");
    };
    check(
        "",
        "1: expected a condition such as year >= 1990, got blank text; leave FILTER out to search all items",
    );
    check(
        " \n",
        "1: expected a condition such as year >= 1990, got blank text; leave FILTER out to search all items",
    );
    check("genre =", "8: expected a value such as 'text' or 42 after '=', got end of filter");
    check(
        "year > 'x'",
        "8: column 'year' (integer): expected a number such as 1990, got the text 'x', near `year > 'x'`",
    );
    check(
        "genre = 5",
        "9: column 'genre' (list of text): expected text in quotes such as 'Horror', got 5, near `genre = 5`",
    );
    check(
        "title in ('a', true)",
        "16: column 'title' (text): expected text in quotes such as 'Horror', got 'true', near `le in ('a', true)`",
    );
    check(
        "rating = false",
        "10: column 'rating' (number): expected a number such as 7.5, got 'false', near `rating = false`",
    );
    check(
        "seen = 1",
        "8: column 'seen' (true or false): expected true or false, got 1, near `seen = 1`",
    );
    check(
        "genre = Horror",
        "9: expected a value such as 'text' or 42 after '=' (text stands in quotes), got 'Horror', near `genre = Horror`",
    );
    check(
        "genre = null",
        "9: expected a value such as 'text' or 42 ('is null' and 'is not null' ask for NULL), got 'null', near `genre = null`",
    );
    check(
        "genre 'Horror'",
        "7: expected an operator (=, !=, <, <=, >, >=, in, not in, between, like, is null, is not null) after 'genre', got the text 'Horror', near `genre 'Horror'`",
    );
    check(
        "genre",
        "6: expected an operator (=, !=, <, <=, >, >=, in, not in, between, like, is null, is not null) after 'genre', got end of filter",
    );
    check(
        "1990 < year",
        "1: expected a column, which stands left of its value (year >= 1990), got 1990, near `1990 < year`",
    );
    check(
        "and year > 1",
        "1: expected a condition such as year >= 1990, got 'and', near `and year > 1`",
    );
    check("year > 1 and", "13: expected a condition such as year >= 1990, got end of filter");
    check(
        "year > 1 seen",
        "10: expected 'and', 'or' or end of filter, got 'seen', near `year > 1 seen`",
    );
    check(
        "year > 1)",
        "9: expected 'and', 'or' or end of filter (no '(' is open), got ')', near `year > 1)`",
    );
    check("(year > 1", "10: expected 'and', 'or' or ')', got end of filter");
    check("()", "2: expected a condition such as year >= 1990, got ')', near `()`");
    check("year in 5", "9: expected '(' after 'in', as in in ('a', 'b'), got 5, near `year in 5`");
    check(
        "year in ()",
        "10: expected a value such as 'text' or 42 after '(', got ')', near `year in ()`",
    );
    check(
        "year in (1,)",
        "12: expected a value such as 'text' or 42 after ',', got ')', near `year in (1,)`",
    );
    check("year in (1 2)", "12: expected ',' or ')', got 2, near `year in (1 2)`");
    check("year not = 5", "10: expected 'in', 'between' or 'like', got '=', near `year not = 5`");
    check(
        "year between 1 or 2",
        "16: expected 'and' and the upper bound of 'between', got 'or', near `r between 1 or 2`",
    );
    check("year is 5", "9: expected 'null' or 'not null', got 5, near `year is 5`");
    check("year is not 5", "13: expected 'null', got 5, near `year is not 5`");
    check(
        "year like '19%'",
        "6: expected =, <, in or another operator that compares ('like' is for text), got 'like', near `year like '19%'`",
    );
    check(
        "seen < true",
        "6: expected = or != (the column is true or false), got '<', near `seen < true`",
    );
    check(
        "seen between true and false",
        "6: expected = or != (the column is true or false), got 'between', near `seen between true and false`",
    );
    check(
        "day > 5",
        "1: column 'day' has type Date32, which filters cannot compare, near `day > 5`",
    );
    let columns = "expected one of title (text), note (text), genres or genre (list of text), \
                   year (integer), rank (integer), small (integer), rating (number), \
                   weight (number), seen (true or false)";
    check(
        "seen and gnre = 'x'",
        &format!(
            "10: there is no column 'gnre', did you mean 'genre'? {columns}, near `seen and gnre = 'x'`"
        ),
    );
    check(
        "Year > 5",
        &format!("1: there is no column 'Year', did you mean 'year'? {columns}, near `Year > 5`"),
    );
    check("budget > 5", &format!("1: there is no column 'budget'; {columns}, near `budget > 5`"));
    check(
        "title = 'Amélie' and yaer > 5 or title = 'Sátántangó'",
        &format!(
            "22: there is no column 'yaer', did you mean 'year'? {columns}, near `Amélie' and yaer > 5 or title = 'Sát`"
        ),
    );
}

#[test]
fn bounds_are_met() {
    let schema = films().schema();
    let parse = |text: &str| {
        Filter::parse(text, &schema).map(drop).map_err(|error| (error.column, error.fault))
    };

    let padded = format!("seen{}", " ".repeat(MAX_BYTES - 4));
    assert_eq!(parse(&padded), Ok(()));
    assert_eq!(
        parse(&format!("{padded} ")),
        Err((MAX_BYTES + 1, FilterFault::TooLong { bytes: MAX_BYTES + 1 }))
    );
    let accents = "é".repeat(MAX_BYTES);
    assert_eq!(
        parse(&accents),
        Err((MAX_BYTES / 2 + 1, FilterFault::TooLong { bytes: 2 * MAX_BYTES }))
    );

    let nested = |open: &str, close: &str, depth| {
        format!("{}seen{}", open.repeat(depth), close.repeat(depth))
    };
    assert_eq!(parse(&nested("(", ")", MAX_DEPTH)), Ok(()));
    assert_eq!(parse(&nested("(", ")", MAX_DEPTH + 1)), Err((MAX_DEPTH + 1, FilterFault::TooDeep)));
    assert_eq!(parse(&nested("not ", "", MAX_DEPTH)), Ok(()));
    assert_eq!(parse(&nested("not ", "", 1000)), Err((4 * MAX_DEPTH + 1, FilterFault::TooDeep)));
    assert_eq!(parse(&"(".repeat(MAX_BYTES)), Err((MAX_DEPTH + 1, FilterFault::TooDeep)));
    // A chain is not deep, nor are pairs of parentheses side by side.
    assert_eq!(parse(&vec!["(seen)"; 300].join(" and ")), Ok(()));

    let items = |count| format!("year in ({})", vec!["1"; count].join(","));
    assert_eq!(parse(&items(MAX_ITEMS)), Ok(()));
    assert_eq!(parse(&items(MAX_ITEMS + 1)), Err((10 + 2 * MAX_ITEMS, FilterFault::TooManyItems)));

    let pattern = |characters| format!("title like '{}'", "é".repeat(characters));
    assert_eq!(parse(&pattern(MAX_PATTERN)), Ok(()));
    // Two patterns cost what one of both lengths does.
    let half = "x".repeat(MAX_PATTERN / 2);
    let two = |more: &str| format!("title like '{half}' or title like '{half}{more}'");
    assert_eq!(parse(&two("")), Ok(()));
    assert!(matches!(parse(&two("x")), Err((_, FilterFault::PatternTooLong { characters: 257 }))));
    let characters = MAX_PATTERN + 1;
    assert_eq!(parse(&pattern(characters)), Err((12, FilterFault::PatternTooLong { characters })));
}

#[test]
fn a_wide_table_is_not_listed_whole() {
    let schema: Schema = Schema::new(
        (0..1000).map(|i| Field::new(format!("c{i}"), DataType::Int32, true)).collect::<Vec<_>>(),
    );
    let error = Filter::parse("unheard_of = 1", &schema).unwrap_err().to_string();
    assert!(error.contains("c31 (integer) and 968 more"), "{error}");
    assert!(!error.contains("c32 "), "{error}");
}

/// A condition of the tests: its text, and what it means for a row.
#[derive(Clone)]
struct Condition {
    text: String,
    holds: Arc<dyn Fn(&Row) -> bool>,
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

fn condition(text: String, holds: impl Fn(&Row) -> bool + 'static) -> Condition {
    Condition { text, holds: Arc::new(holds) }
}

/// What SQL says of `value`, an operator and a literal.
fn compares<T: PartialOrd + ?Sized>(operator: &str, value: &T, literal: &T) -> bool {
    match operator {
        "=" => value == literal,
        "!=" => value != literal,
        "<" => value < literal,
        "<=" => value <= literal,
        ">" => value > literal,
        _ => value >= literal,
    }
}

/// `like`, by trying every length for every `%`.
fn like(value: &[char], pattern: &[char]) -> bool {
    match pattern {
        [] => value.is_empty(),
        ['%', rest @ ..] => (0..=value.len()).any(|skip| like(&value[skip..], rest)),
        ['_', rest @ ..] => !value.is_empty() && like(&value[1..], rest),
        [c, rest @ ..] => value.first() == Some(c) && like(&value[1..], rest),
    }
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[ab']{1,3}", "[aé日%]{1,4}"]
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn row() -> impl Strategy<Value = Row> {
    use prop::option::of;
    let genres = of(prop::collection::vec(of(words()), 0..4));
    let floats = || {
        prop_oneof![
            (-4_i8..4).prop_map(|n| f32::from(n) / 4.0),
            Just(f32::NAN),
            Just(-0.0),
            Just(f32::INFINITY)
        ]
    };
    let row = (
        of(words()),
        of(words()),
        genres,
        of(-3_i32..4),
        of(prop_oneof![0_u64..4, Just(u64::MAX)]),
        of(any::<i8>()),
        of(floats()),
        of(floats().prop_map(f64::from)),
        of(any::<bool>()),
    );
    row.prop_map(|(title, note, genres, year, rank, small, rating, weight, seen)| Row {
        title,
        note,
        genres,
        year,
        rank,
        small,
        rating,
        weight,
        seen,
    })
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    // Words of bits are whole at 64 rows and 128.
    prop_oneof![prop::collection::vec(row(), 0..10), prop::collection::vec(row(), 60..140)]
}

fn leaf() -> impl Strategy<Value = Condition> {
    let operator = || prop::sample::select(vec!["=", "!=", "<", "<=", ">", ">="]);
    type Number = fn(&Row) -> Option<f64>;
    let number = prop::sample::select(vec![
        ("year", (|row| row.year.map(f64::from)) as Number),
        ("small", |row| row.small.map(f64::from)),
        ("rating", |row| row.rating.map(f64::from)),
        ("weight", |row| row.weight),
        #[expect(clippy::cast_precision_loss, reason = "the literals are small")]
        ("rank", |row| row.rank.map(|rank| rank as f64)),
    ]);
    let value = || (-16_i8..16).prop_map(|n| f64::from(n) / 4.0);
    let numbers = prop_oneof![
        (number.clone(), operator(), value()).prop_map(|((name, of), operator, value)| {
            condition(format!("{name} {operator} {value}"), move |row| {
                of(row).is_some_and(|got| compares(operator, &got, &value))
            })
        }),
        (number.clone(), any::<bool>(), value(), value()).prop_map(
            |((name, of), not, low, high)| {
                let word = if not { "not " } else { "" };
                condition(format!("{name} {word}between {low} and {high}"), move |row| {
                    of(row).is_some_and(|got| (low <= got && got <= high) != not)
                })
            }
        ),
        (number.clone(), any::<bool>(), prop::collection::vec(value(), 1..20)).prop_map(
            |((name, of), not, values)| {
                let word = if not { "not " } else { "" };
                let list = values.iter().map(f64::to_string).collect::<Vec<_>>().join(" , ");
                condition(format!("{name} {word}IN ({list})"), move |row| {
                    of(row).is_some_and(|got| values.contains(&got) != not)
                })
            }
        ),
        number.prop_map(
            |(name, of)| condition(format!("{name} is null"), move |row| of(row).is_none())
        ),
    ];
    /// Elements of a list, or the one of a text; `None` for NULL.
    type Texts = fn(&Row) -> Option<Vec<String>>;
    let text = prop::sample::select(vec![
        ("title", (|row| row.title.clone().map(|title| vec![title])) as Texts),
        ("note", |row| row.note.clone().map(|note| vec![note])),
        ("genres", |row| row.genres.clone().map(|genres| genres.into_iter().flatten().collect())),
        ("genre", |row| row.genres.clone().map(|genres| genres.into_iter().flatten().collect())),
    ]);
    let texts = prop_oneof![
        (text.clone(), operator(), words()).prop_map(|((name, of), operator, word)| {
            condition(format!("{name}{operator}{}", literal(&word)), move |row| {
                of(row).is_some_and(|texts| match operator {
                    "!=" => !texts.contains(&word),
                    _ => texts.iter().any(|text| compares(operator, text, &word)),
                })
            })
        }),
        (text.clone(), any::<bool>(), words(), words()).prop_map(|((name, of), not, low, high)| {
            let word = if not { "not " } else { "" };
            let range = format!("{} AND {}", literal(&low), literal(&high));
            condition(format!("{name} {word}between {range}"), move |row| {
                let within = |text: &String| *text >= low && *text <= high;
                of(row).is_some_and(|texts| texts.iter().any(within) != not)
            })
        }),
        (text.clone(), any::<bool>(), prop::collection::vec(words(), 1..5)).prop_map(
            |((name, of), not, words)| {
                let word = if not { "not " } else { "" };
                let list = words.iter().map(|word| literal(word)).collect::<Vec<_>>().join(",");
                condition(format!("{name} {word}in ({list})"), move |row| {
                    of(row)
                        .is_some_and(|texts| texts.iter().any(|text| words.contains(text)) != not)
                })
            }
        ),
        (text.clone(), any::<bool>(), "[a_%é日']{0,5}").prop_map(|((name, of), not, pattern)| {
            let word = if not { "not " } else { "" };
            let characters: Vec<char> = pattern.chars().collect();
            condition(format!("{name} {word}like {}", literal(&pattern)), move |row| {
                let matches = |text: &String| like(&text.chars().collect::<Vec<_>>(), &characters);
                of(row).is_some_and(|texts| texts.iter().any(matches) != not)
            })
        }),
        text.prop_map(
            |(name, of)| condition(format!("{name} is not null"), move |row| of(row).is_some())
        ),
    ];
    let flags = prop_oneof![
        Just(condition("seen".to_owned(), |row| row.seen == Some(true))),
        any::<bool>().prop_map(|wanted| {
            condition(format!("seen != {wanted}"), move |row| row.seen == Some(!wanted))
        }),
    ];
    prop_oneof![3 => numbers, 3 => texts, 1 => flags]
}

fn conditions() -> impl Strategy<Value = Condition> {
    let group = |condition: &Condition| format!("({})", condition.text);
    leaf().prop_recursive(5, 24, 3, move |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(move |(a, b)| {
                condition(format!("{} and {}", group(&a), group(&b)), move |row| {
                    (a.holds)(row) && (b.holds)(row)
                })
            }),
            (inner.clone(), inner.clone()).prop_map(move |(a, b)| {
                condition(format!("{} OR {}", group(&a), group(&b)), move |row| {
                    (a.holds)(row) || (b.holds)(row)
                })
            }),
            inner.clone().prop_map(move |a| {
                condition(format!("Not {}", group(&a)), move |row| !(a.holds)(row))
            }),
            // Without parentheses: `not` before `and` before `or`.
            (leaf(), leaf(), leaf(), inner).prop_map(move |(a, b, c, d)| {
                let text = format!("{} or not {} and {} or {}", a.text, b.text, c.text, group(&d));
                condition(text, move |row| {
                    (a.holds)(row) || (!(b.holds)(row) && (c.holds)(row)) || (d.holds)(row)
                })
            }),
        ]
    })
}

fn fragments() -> impl Strategy<Value = String> {
    let fragment = prop::sample::select(vec![
        "year",
        "genre",
        "genres",
        "seen",
        "title",
        "rating",
        "nothing",
        "day",
        "and",
        "OR",
        "not",
        "in",
        "between",
        "like",
        "is",
        "null",
        "true",
        "(",
        ")",
        "((((",
        ",",
        "=",
        "!=",
        "<>",
        "<",
        "<=",
        "=>",
        "!",
        "1990",
        "-0.5",
        "-",
        ".",
        "9999999999999999999999999999999999999999",
        "'",
        "\"",
        "'x'",
        "'It''s'",
        "'é%_'",
        "é",
        "\u{0}",
        "\u{301}",
        " ",
        "\n",
        "\\",
        ";",
        "--",
    ]);
    prop::collection::vec(fragment, 0..40).prop_map(|fragments| fragments.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn finds_what_a_naive_reading_finds(rows in rows(), condition in conditions(), skip in 0_usize..5) {
        let skip = skip.min(rows.len());
        let batch = table(&rows).slice(skip, rows.len() - skip);
        match Filter::parse(&condition.text, &batch.schema()) {
            Ok(filter) => {
                let got: Vec<bool> = filter.evaluate(&batch).iter().collect();
                let expect: Vec<bool> = rows[skip..].iter().map(|row| (condition.holds)(row)).collect();
                prop_assert_eq!(got, expect);
            }
            Err(FilterError { fault: FilterFault::TooLong { .. }, .. }) => {}
            Err(error) => prop_assert!(false, "{}", error),
        }
    }

    #[test]
    fn any_text_is_a_filter_or_an_error_within_it(text in prop_oneof![any::<String>(), fragments()]) {
        let films = films();
        match Filter::parse(&text, &films.schema()) {
            Ok(filter) => prop_assert_eq!(filter.evaluate(&films).len(), films.num_rows()),
            Err(error) => {
                prop_assert!(error.column >= 1 && error.column <= text.chars().count() + 1);
                prop_assert!(!error.to_string().contains(char::is_control));
                prop_assert!(error.to_string().len() < 1000);
            }
        }
    }
}
