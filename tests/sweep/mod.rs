//! Sweeps and edges: grids, tables, searches, and that a kill in the middle changes nothing.

mod campaign;
mod grid;
mod paper;
mod search;
mod table;
