//! `libtriton_tokenizer.so`: the tokenizer backend for any server of Triton's backend C API.

hippocamp_backend::export_backend!(hippocamp_tokenizer::Tokenizer);
