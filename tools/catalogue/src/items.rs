//! The table of items: a row per film, in the order given, for `items.parquet`.

use crate::film::Film;
use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::collections::HashMap;
use std::sync::Arc;

/// Under this key a list column's metadata say what one element is called; filters understand both.
const ELEMENT: &str = "element";

/// The columns of [`items`]. None is ever NULL; lists may be empty.
#[must_use]
pub fn schema() -> SchemaRef {
    let column = |name, data_type| Field::new(name, data_type, false);
    let list = |name, element: &str| {
        let elements = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
        column(name, elements)
            .with_metadata(HashMap::from([(ELEMENT.to_owned(), element.to_owned())]))
    };
    Arc::new(Schema::new(vec![
        column("id", DataType::Utf8),
        column("title", DataType::Utf8),
        column("year", DataType::Int32),
        list("directors", "director"),
        list("cast", "actor"),
        list("genres", "genre"),
        list("countries", "country"),
        list("languages", "language"),
        column("runtime", DataType::Int32),
        column("synopsis", DataType::Utf8),
    ]))
}

/// The films as a table of [`schema`].
#[must_use]
pub fn items(films: &[Film]) -> RecordBatch {
    let text = |of: fn(&Film) -> &String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(films.iter().map(of)))
    };
    let number = |of: fn(&Film) -> i32| -> ArrayRef {
        Arc::new(Int32Array::from_iter_values(films.iter().map(of)))
    };
    let list = |of: fn(&Film) -> &Vec<String>| -> ArrayRef {
        let mut lists = ListBuilder::new(StringBuilder::new());
        for film in films {
            lists.append_value(of(film).iter().map(Some));
        }
        Arc::new(lists.finish())
    };
    let columns = vec![
        text(|film| &film.id),
        text(|film| &film.title),
        number(|film| film.year),
        list(|film| &film.directors),
        list(|film| &film.cast),
        list(|film| &film.genres),
        list(|film| &film.countries),
        list(|film| &film.languages),
        number(|film| film.runtime),
        text(|film| &film.synopsis),
    ];
    RecordBatch::try_new(schema(), columns).expect("the columns are those of the schema")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tests::film;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int32Type;

    #[test]
    fn a_row_per_film() {
        let second = Film {
            id: "b-1999".to_owned(),
            year: 1999,
            cast: Vec::new(),
            genres: vec!["War".to_owned(), "Drama".to_owned()],
            ..film()
        };
        let table = items(&[film(), second]);
        assert_eq!(table.num_rows(), 2);
        let column = |name| table.column_by_name(name).unwrap();
        assert_eq!(column("id").as_string::<i32>().value(1), "b-1999");
        assert_eq!(column("year").as_primitive::<Int32Type>().values(), &[1921, 1999]);
        assert_eq!(column("runtime").as_primitive::<Int32Type>().values(), &[68, 68]);
        let list = |name, row| {
            let list = column(name).as_list::<i32>().value(row);
            let texts = list.as_string::<i32>().iter().flatten();
            texts.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(list("cast", 0), ["An Actor", "An Actress"]);
        assert_eq!(list("cast", 1), [] as [&str; 0]);
        assert_eq!(list("genres", 1), ["War", "Drama"]);
        assert_eq!(list("directors", 1), ["A. Director"]);
        assert_eq!(list("countries", 1), ["US", "XK"]);
        assert_eq!(list("languages", 1), ["en"]);
        assert_eq!(items(&[]).num_rows(), 0);
    }

    #[test]
    fn lists_say_what_an_element_is_called() {
        let schema = schema();
        let elements: Vec<(&str, &str)> = schema
            .fields()
            .iter()
            .filter_map(|field| {
                Some((field.name().as_str(), field.metadata().get(ELEMENT)?.as_str()))
            })
            .collect();
        assert_eq!(
            elements,
            [
                ("directors", "director"),
                ("cast", "actor"),
                ("genres", "genre"),
                ("countries", "country"),
                ("languages", "language"),
            ]
        );
    }
}
