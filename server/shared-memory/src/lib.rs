//! Regions of shared memory that clients register.
