//! libtriton_tract.so: the tract backend for any server of Triton's backend C API.

hippocamp_backend::export_backend!(hippocamp_tract::Tract);
