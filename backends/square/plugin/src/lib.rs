//! `libtriton_square.so`: the square backend for any server of Triton's backend C API.

hippocamp_backend::export_backend!(hippocamp_square::Square);
