mod augment;
mod data;
mod run_store;
