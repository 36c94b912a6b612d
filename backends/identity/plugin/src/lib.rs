//! `libtriton_identity.so`: the identity backend for any server of Triton's backend C API.

hippocamp_backend::export_backend!(hippocamp_identity::Identity);
