//! Placement in small pictures.
