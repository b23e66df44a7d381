//! Rules about the text of the repository, so that its order does not depend on memory.
//!
//! Each rule is a function from text to complaints, and each is shown a bad sample that it must
//! complain about.

mod dependencies;
mod four_files;
mod habits;
mod layers;
mod shaders;
mod sizes;
mod sources;
