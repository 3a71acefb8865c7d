//! What cannot be seen through the public doors: every interleaving of the gate, every pair of the table.

mod gate;
mod model;
mod state;
