//! The locks of a volume image (to be completed).
