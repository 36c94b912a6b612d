//! One suite for every backend that ships, run twice: linked in, and through its shared library.
//!
//! A backend takes part as a [`Subject`](suite::Subject): how its models are made, what goes in and
//! what comes out.

#[path = "conformance/decoupled.rs"]
mod decoupled;
#[path = "conformance/identity.rs"]
mod identity;
#[path = "conformance/image.rs"]
mod image;
#[path = "conformance/suite.rs"]
mod suite;
#[path = "conformance/tokenizer.rs"]
mod tokenizer;
#[path = "conformance/tract.rs"]
mod tract;
#[path = "conformance/usearch.rs"]
mod usearch;

/// Makes a test of every check of the suite, for one subject and one way of loading it.
macro_rules! conforms {
    ($subject:ident, $loading:ident) => {
        use crate::{suite, suite::Loading, $subject::subject};

        #[test]
        fn life_cycle() {
            suite::life_cycle(&subject(), Loading::$loading);
        }

        #[test]
        fn completes_or_refuses_a_bare_model() {
            suite::bare_model(&subject(), Loading::$loading);
        }

        #[test]
        fn refuses_a_corrupt_model() {
            suite::corrupt_model(&subject(), Loading::$loading);
        }

        #[test]
        fn answers_one_request() {
            suite::batch_of(&subject(), Loading::$loading, &[1]);
        }

        #[test]
        fn answers_a_batch_of_requests() {
            suite::batch_of(&subject(), Loading::$loading, &[1, 3, 2]);
        }

        #[test]
        fn answers_a_request_without_rows() {
            suite::batch_of(&subject(), Loading::$loading, &[2, 0, 1]);
        }

        #[test]
        fn sends_the_wanted_outputs_only() {
            suite::wanted_outputs(&subject(), Loading::$loading);
        }

        #[test]
        fn answers_a_bad_request_with_an_error() {
            suite::bad_request(&subject(), Loading::$loading);
        }

        #[test]
        fn instances_execute_at_the_same_time() {
            suite::instances(&subject(), Loading::$loading);
        }
    };
}

/// Makes a test of every check of decoupled backends, for one of them and one way of loading it.
macro_rules! streams {
    ($subject:ident, $loading:ident) => {
        use crate::{
            decoupled::{self, $subject},
            suite::Loading,
        };

        #[test]
        fn sends_any_number_of_responses() {
            decoupled::any_number_of_responses(&$subject(), Loading::$loading);
        }

        #[test]
        fn takes_the_next_request_before_the_last_response() {
            decoupled::the_next_request_waits_for_no_response(&$subject(), Loading::$loading);
        }

        #[test]
        fn answers_a_bad_request_with_an_error() {
            decoupled::a_bad_request(&$subject(), Loading::$loading);
        }

        #[test]
        fn refuses_more_than_it_may_answer() {
            decoupled::more_than_it_may(&$subject(), Loading::$loading);
        }
    };
}

mod identity_linked_in {
    conforms!(identity, LinkedIn);
}

mod identity_shared_library {
    conforms!(identity, SharedLibrary);
}

mod image_linked_in {
    conforms!(image, LinkedIn);
}

mod image_shared_library {
    conforms!(image, SharedLibrary);
}

mod repeat_linked_in {
    streams!(repeat, LinkedIn);
}

mod repeat_shared_library {
    streams!(repeat, SharedLibrary);
}

mod square_linked_in {
    streams!(square, LinkedIn);
}

mod square_shared_library {
    streams!(square, SharedLibrary);
}

mod tokenizer_linked_in {
    conforms!(tokenizer, LinkedIn);
}

mod tokenizer_shared_library {
    conforms!(tokenizer, SharedLibrary);
}

mod tract_linked_in {
    conforms!(tract, LinkedIn);
}

mod tract_shared_library {
    conforms!(tract, SharedLibrary);
}

mod usearch_linked_in {
    conforms!(usearch, LinkedIn);
}

mod usearch_shared_library {
    conforms!(usearch, SharedLibrary);
}
