//! Compressed CCKD images (to be completed).
