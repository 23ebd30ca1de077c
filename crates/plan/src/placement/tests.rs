//! Placement in small pictures.

mod pictures;
mod random;
mod reference;
