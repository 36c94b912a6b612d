//! The genres that classifiers tell apart, in the order of their outputs (`labels.txt` of the models).

/// Their names. The catalogue uses all but Film-Noir.
pub(crate) const GENRES: [&str; 22] = [
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
    "Film-Noir",
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

/// Where a genre stands among them.
pub(crate) fn position(genre: &str) -> Option<usize> {
    GENRES.iter().position(|name| *name == genre)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_genre_of_the_catalogue_is_known() {
        for genre in hippocamp_catalogue::GENRES {
            assert!(super::position(genre).is_some(), "{genre}");
        }
        assert!(super::GENRES.is_sorted());
    }
}
