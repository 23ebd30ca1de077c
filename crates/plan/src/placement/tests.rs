//! Placement in small pictures.

mod fixture;
mod pictures;
mod random;
mod reference;
