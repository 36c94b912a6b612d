//! `libtriton_image.so`: the image backend for any server of Triton's backend C API.

hippocamp_backend::export_backend!(hippocamp_image::Image);
