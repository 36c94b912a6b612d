//! What films shall be like: a plot, films, or a poster.

use super::{Fields, Plot, fields::cut};
use crate::{
    catalogue::{Catalogue, Position},
    error::AppError,
};
use bytes::Bytes;
use image::ImageReader;
use serde_json::Value;
use std::io::Cursor;

/// Films that may be liked, and disliked, at once.
pub(crate) const MOST_FILMS: usize = 200;

/// Unknown ids that an error names.
const NAMED_IDS: usize = 5;

/// Smallest side of a poster in pixels: below that there is nothing to see.
const SMALLEST_SIDE: u32 = 32;

/// One of the three.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// In somebody's own words.
    Plot(Plot),
    /// Films, by their places in the catalogue.
    Films {
        /// Those to be near; one or more.
        liked: Vec<Position>,
        /// Those to be far from.
        disliked: Vec<Position>,
    },
    /// A picture.
    Poster(Picture),
}

impl Subject {
    /// As metrics and answers name it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Plot(_) => "plot",
            Self::Films { .. } => "films",
            Self::Poster(_) => "poster",
        }
    }

    pub(super) fn plot(value: &Value) -> Result<Self, AppError> {
        let text = value.as_str().ok_or_else(|| {
            AppError::field("plot", "expected text: what the film is about, in your own words")
        })?;
        Plot::new(text).map(Self::Plot)
    }

    pub(super) fn films(value: &Value, catalogue: &Catalogue) -> Result<Self, AppError> {
        let fields = Fields::of("films.", value)?;
        fields.known(&["liked", "disliked"], &[])?;
        let liked = ids(&fields, "liked", catalogue)?;
        let disliked = ids(&fields, "disliked", catalogue)?;
        if liked.is_empty() {
            return Err(AppError::field(
                "films.liked",
                "expected the id of at least one film; GET /search finds them by title",
            ));
        }
        if let Some(both) = liked.iter().find(|film| disliked.contains(film)) {
            let id = &catalogue.films()[*both].id;
            return Err(AppError::field(
                "films.disliked",
                format!("'{id}' is liked as well: expected each film in one list"),
            ));
        }
        Ok(Self::Films { liked, disliked })
    }
}

/// The films of a list of ids, each once.
fn ids(fields: &Fields<'_>, name: &str, catalogue: &Catalogue) -> Result<Vec<Position>, AppError> {
    let given = fields.texts(name, MOST_FILMS)?;
    let mut known = Vec::with_capacity(given.len());
    let mut unknown = Vec::new();
    for id in given {
        match catalogue.position(id) {
            Some(film) if known.contains(&film) => {}
            Some(film) => known.push(film),
            None => unknown.push(id),
        }
    }
    if unknown.is_empty() {
        return Ok(known);
    }
    let named: Vec<String> =
        unknown.iter().take(NAMED_IDS).map(|id| format!("'{}'", cut(id))).collect();
    let more = unknown.len().saturating_sub(NAMED_IDS);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Err(AppError::field(
        fields.name(name),
        format!(
            "no film has the id {}{more}; GET /search finds ids by title, such as 'the-kid-1921'",
            named.join(", ")
        ),
    ))
}

/// The bytes of a JPEG, PNG or WebP file, whose header could be read. How large it may be is the
/// server's to say, which decodes it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Picture(Bytes);

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({} bytes)", self.0.len())
    }
}

impl Picture {
    /// Looks at the header; nothing is decoded.
    ///
    /// # Errors
    /// If it is no such file, whatever its name, or there is nothing to see in it.
    pub(crate) fn new(bytes: Bytes) -> Result<Self, AppError> {
        if bytes.is_empty() {
            return Err(AppError::field(
                "poster",
                "expected a JPEG, PNG or WebP file, got an empty one",
            ));
        }
        let wrong = |what: &str| AppError::MediaType {
            field: "poster",
            message: format!("expected a JPEG, PNG or WebP file, got {what}"),
        };
        let reader = ImageReader::new(Cursor::new(&bytes))
            .with_guessed_format()
            .map_err(|_unreadable| wrong("something else"))?;
        if reader.format().is_none_or(|format| !format.reading_enabled()) {
            return Err(wrong(&format!("{}, {} bytes", looks_like(&bytes), bytes.len())));
        }
        // A header that the reader cannot follow is for the server to explain.
        if let Ok((width, height)) = reader.into_dimensions()
            && width.min(height) < SMALLEST_SIDE
        {
            return Err(AppError::refused(
                "poster",
                format!(
                    "expected a picture of at least {SMALLEST_SIDE}x{SMALLEST_SIDE} pixels, got {width}x{height}"
                ),
            ));
        }
        Ok(Self(bytes))
    }

    /// The bytes of the file.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.0
    }
}

/// What a file is by its first bytes, for an error.
fn looks_like(bytes: &[u8]) -> &'static str {
    let starts: [(&[u8], &str); 9] = [
        (b"%PDF", "a PDF document"),
        (b"GIF8", "a GIF"),
        (b"BM", "a BMP"),
        (b"PK", "a ZIP archive or an office document"),
        (b"II*\0", "a TIFF"),
        (b"MM\0*", "a TIFF"),
        (b"<svg", "an SVG"),
        (b"<?xml", "XML"),
        (b"<", "HTML or XML"),
    ];
    if bytes.get(4..8) == Some(b"ftyp") {
        return "a HEIC or AVIF picture, or a film";
    }
    let found = starts.iter().find(|(start, _)| bytes.starts_with(start));
    found.map_or("something else", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::tests::catalogue;
    use serde_json::json;

    #[test]
    fn films_are_known_and_few() {
        let catalogue = catalogue();
        let films = |value: Value| Subject::films(&value, catalogue).map_err(|e| e.to_string());
        let Ok(Subject::Films { liked, disliked }) =
            films(json!({"liked": ["the-kid-1921", "the-kid-1921"], "disliked": ["haxan-1922"]}))
        else {
            panic!("they are known");
        };
        assert_eq!((liked.len(), disliked.len()), (1, 1));
        let unknown: Vec<String> = (0..7).map(|n| format!("nope-{n}")).collect();
        let error = films(json!({"liked": unknown})).unwrap_err();
        assert!(error.contains("films.liked: no film has the id 'nope-0', 'nope-1', 'nope-2', 'nope-3', 'nope-4' and 2 more"), "{error}");
        let many = vec!["the-kid-1921"; 10_000];
        let error = films(json!({"liked": many})).unwrap_err();
        assert_eq!(error, "films.liked: expected at most 200, got 10000");
        let error = films(json!({"liked": []})).unwrap_err();
        assert!(error.contains("at least one film"), "{error}");
        let error = films(json!({"liked": ["the-kid-1921"], "disliked": ["the-kid-1921"]}));
        assert!(error.unwrap_err().contains("is liked as well"));
    }

    #[test]
    fn files_are_told_by_their_bytes() {
        let refusal = |bytes: &[u8]| Picture::new(Bytes::copy_from_slice(bytes)).unwrap_err();
        assert_eq!(refusal(b"").status(), 400);
        assert_eq!(refusal(b"%PDF-1.7\n....").status(), 415);
        assert!(refusal(b"%PDF-1.7\n....").to_string().contains("got a PDF document, 13 bytes"));
        assert!(refusal(b"GIF89a....").to_string().contains("got a GIF"));
        assert!(refusal(b"hello").to_string().contains("got something else"));
        assert!(refusal(b"\0\0\0\x20ftypheic....").to_string().contains("HEIC"));
    }

    #[test]
    fn a_picture_of_one_pixel_is_refused() {
        let png = |width, height| {
            let mut file = Cursor::new(Vec::new());
            image::GrayImage::new(width, height)
                .write_to(&mut file, image::ImageFormat::Png)
                .expect("it fits");
            Bytes::from(file.into_inner())
        };
        let error = Picture::new(png(1, 1)).unwrap_err();
        assert_eq!(error.status(), 422);
        assert!(error.to_string().contains("at least 32x32 pixels, got 1x1"));
        assert!(Picture::new(png(32, 48)).is_ok());
    }
}
