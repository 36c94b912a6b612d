//! `libtriton_usearch.so`: the usearch backend for any server of Triton's backend C API.

hippocamp_backend::export_backend!(hippocamp_usearch::Usearch);
