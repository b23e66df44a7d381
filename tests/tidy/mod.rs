//! What must hold for the sources themselves.

mod shaders;
