use super::*;

fn read(text: &str) -> Result<(), JsonError> {
    let mut reader = Reader::new(text.as_bytes())?;
    reader.skip()?;
    reader.end()
}

#[test]
fn syntax_errors_have_the_parser_s_words_and_place() {
    let check = |text: &str, what: &str, at: usize| {
        let error = read(text).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("failed to parse the request JSON buffer: {what} at {at}"),
            "{text}"
        );
    };
    check("", "The document is empty.", 0);
    check("hello", "Invalid value.", 0);
    check("{", "Missing a name for object member.", 1);
    check("{\"a\":1,}", "Missing a name for object member.", 7);
    check("{\"a\" 1}", "Missing a colon after a name of object member.", 5);
    check("{\"a\":1 \"b\"", "Missing a comma or '}' after an object member.", 7);
    check("[1 2]", "Missing a comma or ']' after an array element.", 3);
    check("[1,]", "Invalid value.", 3);
    check("[01]", "Missing a comma or ']' after an array element.", 2);
    check("{}xx", "The document root must not be followed by other values.", 2);
    check("\"a", "Missing a closing quotation mark in string.", 0);
    check("\"\\x\"", "Invalid escape character in string.", 1);
    check("\"\\u12g4\"", "Incorrect hex digit after \\u escape in string.", 3);
    check("\"\\ud800\"", "The surrogate pair in string is invalid.", 1);
    check("\"\\udc00\\ud800\"", "The surrogate pair in string is invalid.", 1);
    check("\"a\nb\"", "Invalid encoding in string.", 2);
    check("1.", "Miss fraction part in number.", 2);
    check("1e+", "Miss exponent in number.", 3);
    check("-", "Invalid value.", 1);
    check("tru", "Invalid value.", 0);
    check("+1", "Invalid value.", 0);
}

#[test]
fn good_values_are_read_to_their_end() {
    for text in [
        "{}",
        "[]",
        " [ 1 , [ ] , {\"a\" : null } ] ",
        "-0",
        "0.5e-3",
        "NaN",
        "-Infinity",
        "Inf",
        "true",
        "\"\\u0041\\ud83d\\ude00\\n\"",
        "{\"a\":{\"a\":[true,false,null]}}",
    ] {
        assert_eq!(read(text), Ok(()), "{text}");
    }
    let value =
        Reader::new(br#""a\"\\\/\b\f\n\r\t\u0041\ud83d\ude00z""#).unwrap().string().unwrap();
    assert_eq!(value, "a\"\\/\u{8}\u{c}\n\r\tA\u{1f600}z");
}

#[test]
fn nesting_and_encoding_are_bounded() {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(read(&nested(MAX_DEPTH)), Ok(()));
    assert_eq!(read(&nested(MAX_DEPTH + 1)), Err(JsonError::Depth { at: MAX_DEPTH }));
    let mut reader = Reader::new(b"[[[1,[]],2],[[]]]").unwrap();
    let mut seen = Vec::new();
    reader.leaves::<JsonError>(|reader| reader.unsigned().map(|value| seen.push(value))).unwrap();
    assert_eq!((seen, reader.end()), (vec![1, 2], Ok(())));
    let deep = nested(MAX_DEPTH + 1);
    assert!(Reader::new(deep.as_bytes()).unwrap().leaves(Reader::skip).is_err());
    assert_eq!(Reader::new(b"[\"\xff\"]").unwrap_err(), JsonError::Encoding { at: 2 });
}

#[test]
fn wrong_types_say_what_came() {
    let check = |text: &str, expect: &str| {
        assert_eq!(
            Reader::new(text.as_bytes()).unwrap().unsigned().unwrap_err().to_string(),
            expect
        );
    };
    let start = "attempt to access JSON non-unsigned-integer as unsigned-integer, got";
    check("-1", &format!("{start} -1 at byte 0"));
    check(" 1.5]", &format!("{start} 1.5 at byte 1"));
    check("\"x\"}", &format!("{start} \"x\" at byte 0"));
    check("[1]", &format!("{start} an array at byte 0"));
    check("18446744073709551616", &format!("{start} 18446744073709551616 at byte 0"));
    assert_eq!(Reader::new(b"18446744073709551615").unwrap().unsigned(), Ok(u64::MAX));
    assert_eq!(Reader::new(b"-0").unwrap().unsigned(), Ok(0));
    let signed = |text: &str| {
        Reader::new(text.as_bytes()).unwrap().integer("signed-integer").unwrap().signed()
    };
    assert_eq!(signed("-9223372036854775808"), Some(i64::MIN));
    assert_eq!(signed("-9223372036854775809"), None);
    assert_eq!(signed("9223372036854775808"), None);
}
