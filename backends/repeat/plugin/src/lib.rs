//! `libtriton_repeat.so`: the repeat backend for any server of Triton's backend C API.

hippocamp_backend::export_backend!(hippocamp_repeat::Repeat);
