//! Tables of expressions, and noise.
